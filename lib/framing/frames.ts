// Frames: `type (1 byte) || length (varint) || body`, the byte stream inside the sealed records. docs/protocol.md section 7.
// Knows where frames begin and end and how long each may be; what a body means is for link/ and flood/ to say.

import { MeshError } from '../errors.ts'
import {
  ABOUT_BYTES_MAX,
  FRAME_BODY_BYTES_MAX,
  GOODBYE_BYTES_MAX,
  HAVE_BYTES_MAX,
  PEERS_BYTES_MAX,
  WANT_BYTES_MAX,
} from '../limits.ts'
import { bufferMade, giveBack, LARGE_BYTES_MIN, OUTSIDE_BYTES_MIN } from '../memory.ts'
import { readVarint, VARINT_BYTES_MAX, varintLength, writeVarint } from './varint.ts'

/** Every frame type of version 1. */
export const FrameType = {
  ping: 0x00,
  pong: 0x01,
  goodbye: 0x02,
  askPeers: 0x03,
  peers: 0x04,
  about: 0x05,
  bundle: 0x10,
  have: 0x11,
  want: 0x12,
  mode: 0x13,
  given: 0x14,
  direct: 0x20,
  open: 0x30,
  data: 0x31,
  credit: 0x32,
  end: 0x33,
  reset: 0x34,
  accept: 0x35,
} as const

/** Body of ping and pong: exactly this many bytes. */
export const PING_BYTES = 8

const BODY_BYTES_MAX: ReadonlyMap<number, number> = new Map([
  [FrameType.ping, PING_BYTES],
  [FrameType.pong, PING_BYTES],
  [FrameType.goodbye, GOODBYE_BYTES_MAX],
  [FrameType.askPeers, 16],
  [FrameType.peers, PEERS_BYTES_MAX],
  [FrameType.about, ABOUT_BYTES_MAX],
  [FrameType.bundle, FRAME_BODY_BYTES_MAX],
  [FrameType.have, HAVE_BYTES_MAX],
  [FrameType.want, WANT_BYTES_MAX],
  [FrameType.mode, 32],
  [FrameType.given, 32],
  [FrameType.direct, FRAME_BODY_BYTES_MAX],
  [FrameType.open, 4_096],
  [FrameType.data, FRAME_BODY_BYTES_MAX],
  [FrameType.credit, 20],
  [FrameType.end, 20],
  [FrameType.reset, 20],
  [FrameType.accept, 4_096],
])

export interface Frame {
  readonly type: number
  /** False: this version has no such type. The frame was skipped and its body is empty. */
  readonly known: boolean
  /**
   * The receiver's to read; it may share memory with what was pushed, so whoever keeps part of it copies. A large one that
   * is a buffer of its own is the receiver's altogether; of a bundle's, memory.ts has not been told.
   */
  readonly body: Uint8Array
  /** Bytes of the body as the head has it; `body.length` unless the frame was skipped. */
  readonly length: number
}

/** Most bytes that a body of this type may have, or null for a type that this version does not know. */
export function frameBodyMax(type: number): number | null {
  return BODY_BYTES_MAX.get(type) ?? null
}

/** Bytes of the head before a body of this length. */
export function frameHeadLength(bodyLength: number): number {
  return 1 + varintLength(bodyLength)
}

/** Writes the head at `at` and returns the offset behind it, where the body goes. Room is the caller's duty. */
export function writeFrameHead(into: Uint8Array, at: number, type: number, bodyLength: number): number {
  into[at] = type
  return writeVarint(into, at + 1, bodyLength)
}

/** The whole frame as a new array. `type` 0 to 255; the type's own bound is the caller's to keep. */
export function encodeFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(frameHeadLength(body.length) + body.length)
  frame.set(body, writeFrameHead(frame, 0, type, body.length))
  return frame
}

/** Pieces below this many bytes are gathered when they have to wait. */
const SMALL_PIECE_BYTES = 1_024
const SLAB_BYTES = 16_384
const EMPTY_BODY: Uint8Array = new Uint8Array(0)

/**
 * Cuts the byte stream into frames, whatever the pieces it comes in. The caller pulls, so it can stop after some frames and
 * go on later. Not restartable: after an error every further `next` throws the same.
 *
 * A body inside one piece is a subarray of it. A large one that straddles pieces is copied to its place as they come, and the
 * memory of a piece is given back when no body is a part of it. What is held for it is at most one body's length as claimed, of
 * which the system makes real, where the memory is new, only what has come. Small bodies are joined once all is here. Small
 * pieces that must wait are first gathered into slabs: a body that comes byte by byte would otherwise be as many arrays.
 */
export class FrameReader {
  readonly #pieces: Uint8Array[] = []
  /** Offset of the first unread byte in the first piece. */
  #at = 0
  #bufferedBytes = 0
  /** A body is a part of the first piece. */
  #isShared = false
  /** A large body that is being put together, and how much of it is here; not among the buffered bytes. */
  #body: Uint8Array | null = null
  #filled = 0
  #head: { readonly type: number; readonly known: boolean; readonly length: number } | null = null
  /** Bytes of a skipped body that are still to come. */
  #skipBytes = 0
  #slab: Uint8Array | null = null
  #slabFill = 0

  /** Bytes that were pushed and not yet handed out or skipped. */
  get bufferedBytes(): number {
    return this.#bufferedBytes + this.#filled
  }

  /** Takes ownership of the bytes, and of the buffer if they are all of it: they must not change any more. */
  push(plain: Uint8Array): void {
    if (plain.length === 0) return
    this.#bufferedBytes += plain.length
    if (plain.length < SMALL_PIECE_BYTES && this.#pieces.length > 0) this.#gather(plain)
    else this.#pieces.push(plain)
  }

  /**
   * Where the next `length` bytes of the stream have their place, if that is in a large body that is being put together: whoever
   * writes them there and says `landed` need not push them. Null for all others.
   */
  landing(length: number): Uint8Array | null {
    if (this.#body === null || this.#bufferedBytes > 0) return null
    if (length < 1 || length > this.#body.length - this.#filled) return null
    return this.#body.subarray(this.#filled, this.#filled + length)
  }

  landed(length: number): void {
    this.#filled += length
  }

  /**
   * A large body that is being put together, and what has come of it (a view, good until the next call); null when there is
   * none, or none that is known.
   */
  get underWay(): { readonly type: number; readonly start: Uint8Array; readonly length: number } | null {
    if (this.#body === null || this.#head === null) return null
    const { type, length } = this.#head
    return { type, start: this.#body.subarray(0, this.#filled), length }
  }

  /**
   * The next frame, or null until more is pushed. Throws MeshError `bad-frame` for a length that is not a shortest varint,
   * or is beyond what its type (or, for an unknown type, any frame) may have; as soon as the head is here.
   */
  next(): Frame | null {
    if (this.#head === null) {
      if (this.#bufferedBytes === 0) return null
      const whole = this.#nextWhole()
      if (whole !== null) return whole
      this.#head = this.#readHead()
      if (this.#head === null) return null
      this.#skipBytes = this.#head.known ? 0 : this.#head.length
    }
    const { type, known, length } = this.#head
    if (!known) {
      const skipped = Math.min(this.#skipBytes, this.#bufferedBytes)
      this.#drop(skipped)
      this.#skipBytes -= skipped
      if (this.#skipBytes > 0) return null
    } else if (this.#body !== null || this.#isLarge(length)) {
      if (!this.#fillBody(length)) return null
    } else if (this.#bufferedBytes < length) {
      return null
    }
    this.#head = null
    return { type, known, body: known ? this.#take(type, length) : EMPTY_BODY, length }
  }

  /** Nearly every frame: of a known type, shorter than 16 KiB, all of it in the first piece. Null: read it the long way. */
  #nextWhole(): Frame | null {
    const first = this.#pieces[0]!
    const at = this.#at
    if (at + 2 > first.length) return null
    const type = first[at]!
    let length = first[at + 1]!
    let bodyAt = at + 2
    if (length >= 0x80) {
      const high = bodyAt < first.length ? first[bodyAt]! : 0
      if (high === 0 || high >= 0x80) return null
      length = (length & 0x7f) | (high << 7)
      bodyAt++
    }
    const end = bodyAt + length
    const bound = BODY_BYTES_MAX.get(type)
    // Pings have a length of their own to be told.
    if (bound === undefined || type <= FrameType.pong || length > bound || end > first.length) return null
    if (length > 0) this.#isShared = true
    this.#drop(end - at)
    return { type, known: true, body: length === 0 ? EMPTY_BODY : first.subarray(bodyAt, end), length }
  }

  /** Whether a body that begins here does not lie in one piece, and should be put together as the pieces come. */
  #isLarge(length: number): boolean {
    return length >= LARGE_BYTES_MIN && this.#at + length > (this.#pieces[0]?.length ?? 0)
  }

  /** Moves what is here of the large body to its place; true when that is all of it. */
  #fillBody(length: number): boolean {
    this.#body ??= room(length)
    const part = this.#body.subarray(this.#filled, Math.min(length, this.#filled + this.#bufferedBytes))
    this.#copyTo(part)
    this.#drop(part.length)
    this.#filled += part.length
    return this.#filled === length
  }

  /** Reads the head and moves behind it, or returns null and stays when it is not all here. */
  #readHead(): { type: number; known: boolean; length: number } | null {
    const first = this.#pieces[0]
    if (first === undefined) return null
    const type = first[this.#at]!
    let headBytes = 0
    let length = readVarint(first, this.#at + 1, first.length)
    if (length !== null) {
      headBytes = length.next - this.#at
    } else if (this.#pieces.length > 1) {
      const start = this.#peek(1 + VARINT_BYTES_MAX)
      length = readVarint(start, 1, start.length)
      if (length !== null) headBytes = length.next
    }
    if (length === null) return null
    const bodyMax = frameBodyMax(type)
    const bound = bodyMax ?? FRAME_BODY_BYTES_MAX
    const exact = type === FrameType.ping || type === FrameType.pong
    if (length.value > bound || (exact && length.value !== bound)) {
      throw new MeshError(
        'bad-frame',
        `frame type ${type} with ${length.value} bytes; ${exact ? 'exactly' : 'at most'} ${bound} are allowed`,
      )
    }
    this.#drop(headBytes)
    return { type, known: bodyMax !== null, length: length.value }
  }

  /** A copy of the first unread bytes, at most `count`. */
  #peek(count: number): Uint8Array {
    const out = room(Math.min(count, this.#bufferedBytes))
    this.#copyTo(out)
    return out
  }

  #take(type: number, length: number): Uint8Array {
    if (length === 0) return EMPTY_BODY
    const large = this.#body
    if (large !== null) {
      this.#body = null
      this.#filled = 0
      if (type !== FrameType.bundle) bufferMade(large.length)
      return large
    }
    const first = this.#pieces[0]!
    const end = this.#at + length
    const isInside = end <= first.length
    const body = isInside ? first.subarray(this.#at, end) : this.#peek(length)
    if (isInside) this.#isShared = true
    this.#drop(length)
    return body
  }

  /** Fills `out` from the first unread bytes; at least so many are here. */
  #copyTo(out: Uint8Array): void {
    let at = this.#at
    let filled = 0
    for (const piece of this.#pieces) {
      if (filled === out.length) break
      const part = piece.subarray(at, at + out.length - filled)
      out.set(part, filled)
      filled += part.length
      at = 0
    }
  }

  /** Moves `count` bytes on and lets go of the pieces that lie behind. */
  #drop(count: number): void {
    this.#bufferedBytes -= count
    this.#at += count
    let done = 0
    while (done < this.#pieces.length && this.#at >= this.#pieces[done]!.length) {
      const piece = this.#pieces[done++]!
      this.#at -= piece.length
      this.#letGo(piece, this.#isShared)
      this.#isShared = false
    }
    if (done > 0) this.#pieces.splice(0, done)
  }

  #letGo(piece: Uint8Array, isShared: boolean): void {
    if (piece.length < OUTSIDE_BYTES_MIN || piece.buffer === this.#slab?.buffer) return
    if (isShared) bufferMade(piece.length)
    else giveBack(piece)
  }

  #gather(plain: Uint8Array): void {
    if (this.#slab === null || this.#slabFill + plain.length > SLAB_BYTES) {
      this.#slab = new Uint8Array(SLAB_BYTES)
      this.#slabFill = 0
    }
    const slab = this.#slab
    slab.set(plain, this.#slabFill)
    const last = this.#pieces[this.#pieces.length - 1]!
    const end = this.#slabFill + plain.length
    if (last.buffer === slab.buffer && last.byteOffset + last.length === this.#slabFill) {
      this.#pieces[this.#pieces.length - 1] = slab.subarray(last.byteOffset, end)
    } else {
      this.#pieces.push(slab.subarray(this.#slabFill, end))
    }
    this.#slabFill = end
  }
}

/** Room that is about to be filled to its end; clearing it first would cost as much as filling it. */
function room(length: number): Uint8Array {
  if (length < LARGE_BYTES_MIN) return new Uint8Array(length)
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

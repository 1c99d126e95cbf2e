// Records: `u16 length || Noise message`, what a TCP stream is cut into after the preamble. docs/protocol.md section 6.
// RecordReader cuts (handshake messages too), RecordSealer and RecordOpener are the two directions after the handshake, with
// their rekeying. What is inside the records is frames.ts's business.

import { EMPTY } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { RECORD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX, REKEY_EVERY_RECORDS, TAG_BYTES } from '../limits.ts'
import { recordBuffers } from './record-buffers.ts'

/** Bytes before each record. */
export const RECORD_HEAD_BYTES = 2

/**
 * Cuts a byte stream into records, whatever the chunks it comes in; the caller pulls. Not restartable: after an error every
 * further `next` throws the same.
 *
 * A record inside one chunk is a subarray of it. Of one that straddles chunks, the bytes are copied once, into an array of
 * exactly its length: chunks are let go as soon as `next` has returned null.
 */
export class RecordReader {
  /** Bound on the next record's length; the caller raises it when the handshake is over. 1 to 65,535. */
  recordBytesMax: number
  readonly #chunks: Uint8Array[] = []
  /** Offset of the first unread byte in the first chunk. */
  #at = 0
  /** Unread bytes in the chunks. */
  #chunkBytes = 0
  /** The first byte of a length whose second has not come. */
  #lengthHigh: number | null = null
  #partial: Uint8Array | null = null
  #filled = 0
  #partialRelease: (() => void) | undefined
  /** Gives back the buffer of the record that was handed out last. */
  #release: (() => void) | undefined

  constructor(recordBytesMax: number) {
    this.recordBytesMax = recordBytesMax
  }

  /** Bytes that were pushed and not yet handed out, their length bytes included. */
  get bufferedBytes(): number {
    const started = this.#partial === null ? 0 : RECORD_HEAD_BYTES + this.#filled
    return this.#chunkBytes + started + (this.#lengthHigh === null ? 0 : 1)
  }

  /** Takes ownership of the bytes: they must not change any more. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.length
  }

  /**
   * The next record without its length, or null until more is pushed; its bytes are good until the next call. Throws MeshError `bad-record` for a length of 0 or
   * above the bound, as soon as the length is here.
   */
  next(): Uint8Array | null {
    this.#release?.()
    this.#release = undefined
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if (this.#partial === null) {
        const headBytes = this.#lengthHigh === null ? RECORD_HEAD_BYTES : 1
        if (chunk.length - this.#at < headBytes) {
          this.#lengthHigh = chunk[this.#at]!
          this.#advance(chunk, 1)
          continue
        }
        const length = ((this.#lengthHigh ?? chunk[this.#at]!) << 8) | chunk[this.#at + headBytes - 1]!
        if (length === 0 || length > this.recordBytesMax) {
          throw new MeshError('bad-record', `a record of ${length} bytes; 1 to ${this.recordBytesMax} are allowed here`)
        }
        this.#lengthHigh = null
        const start = this.#at + headBytes
        if (chunk.length - start >= length) {
          this.#advance(chunk, headBytes + length)
          return chunk.subarray(start, start + length)
        }
        this.#advance(chunk, headBytes)
        const { bytes, release } = recordBuffers.take(length)
        this.#partial = bytes
        this.#partialRelease = release
        this.#filled = 0
        continue
      }
      const part = chunk.subarray(this.#at, this.#at + this.#partial.length - this.#filled)
      this.#partial.set(part, this.#filled)
      this.#filled += part.length
      this.#advance(chunk, part.length)
      if (this.#filled === this.#partial.length) {
        const record = this.#partial
        this.#partial = null
        this.#release = this.#partialRelease
        return record
      }
    }
    return null
  }

  /** What was pushed and not taken yet is copied: the chunks are about to be used for something else. */
  keep(): void {
    for (const [index, chunk] of this.#chunks.entries()) {
      this.#chunks[index] = new Uint8Array(index === 0 ? chunk.subarray(this.#at) : chunk)
    }
    this.#at = 0
  }

  #advance(chunk: Uint8Array, count: number): void {
    this.#at += count
    this.#chunkBytes -= count
    if (this.#at === chunk.length) {
      this.#chunks.shift()
      this.#at = 0
    }
  }
}

/** One direction's Noise cipher state, as far as records need it; lib/noise has the real one. */
export interface RecordCipher {
  /** The nonce that the next call will use. */
  readonly nonce: number
  /** Writes cipher text and tag at `at`, with empty associated data, and returns the offset behind the tag. */
  sealInto(plain: Uint8Array, into: Uint8Array, at: number): number
  /** The plain text. Throws MeshError `bad-record` when the tag does not match. */
  decryptWithAd(ad: Uint8Array, sealed: Uint8Array): Uint8Array
  /** The same with empty associated data into a place that has the plain text's length. */
  openInto(sealed: Uint8Array, into: Uint8Array): void
  /** Noise's REKEY. The nonce stays. */
  rekey(): void
}

/** Bytes that a record with this much plain text takes on the wire. */
export function sealedLength(plainLength: number): number {
  return RECORD_HEAD_BYTES + plainLength + TAG_BYTES
}

/** Our direction. */
export class RecordSealer {
  readonly #cipher: RecordCipher

  constructor(cipher: RecordCipher) {
    this.#cipher = cipher
  }

  /**
   * Writes length and sealed record at `at` and returns the offset behind them: `sealedLength(plain.length)` further, room
   * for which is the caller's duty. RangeError unless `plain` has 1 to 65,519 bytes.
   */
  seal(plain: Uint8Array, into: Uint8Array, at: number): number {
    if (plain.length === 0 || plain.length > RECORD_PLAIN_BYTES_MAX) {
      throw new RangeError(`a record holds 1 to ${RECORD_PLAIN_BYTES_MAX} bytes, not ${plain.length}`)
    }
    const next = this.#cipher.sealInto(plain, into, writeLength(into, at, plain.length + TAG_BYTES))
    rekeyWhenDue(this.#cipher)
    return next
  }
}

/** The other end's direction. */
export class RecordOpener {
  readonly #cipher: RecordCipher

  constructor(cipher: RecordCipher) {
    this.#cipher = cipher
  }

  /**
   * The plain text of a record (without its length), at least one byte. Throws MeshError `bad-record` when it does not open
   * or is empty; the connection is then over.
   */
  open(record: Uint8Array): Uint8Array {
    checkLength(record)
    const plain = this.#cipher.decryptWithAd(EMPTY, record)
    rekeyWhenDue(this.#cipher)
    return plain
  }

  /** The same, written into `into`, which is `openedLength(record)` long. */
  openInto(record: Uint8Array, into: Uint8Array): void {
    checkLength(record)
    this.#cipher.openInto(record, into)
    rekeyWhenDue(this.#cipher)
  }
}

/** Bytes of plain text in a sealed record, without its length; zero or less for what cannot be one. */
export function openedLength(record: Uint8Array): number {
  return record.length - TAG_BYTES
}

function checkLength(record: Uint8Array): void {
  if (record.length <= TAG_BYTES || record.length > RECORD_BYTES_MAX) {
    throw new MeshError('bad-record', `a record of ${record.length} bytes holds nothing that opens`)
  }
}

/** After the record with nonce 65,535, 131,071 and so on; the cipher's nonce is already the next record's. */
function rekeyWhenDue(cipher: RecordCipher): void {
  if (cipher.nonce % REKEY_EVERY_RECORDS === 0) cipher.rekey()
}

function writeLength(into: Uint8Array, at: number, length: number): number {
  into[at] = length >>> 8
  into[at + 1] = length
  return at + RECORD_HEAD_BYTES
}

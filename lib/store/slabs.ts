// Memory for the bytes of many bundles: slabs, filled one after the other and used again once all that lies in one has been
// given up. They are cut from grounds that double in size and are SharedArrayBuffers, though nobody shares them: V8 marks its whole
// heap each time that memory outside it has grown by some megabytes, and does not count these (docs/decisions/0008). Where bytes
// lie here is known to the store alone; what it gives are copies. Memory becomes real as it is needed, some pages ahead.

import { makePages } from '../io/pages.ts'
import { FRAME_BODY_BYTES_MAX } from '../limits.ts'

/** The largest slab. */
export const SLAB_BYTES = 4_194_304
/** The longest piece: as much may stay empty at the end of a slab. */
export const PIECE_BYTES_MAX: number = FRAME_BODY_BYTES_MAX
/** The first ground, for a node that hears little. */
const GROUND_BYTES_MIN = 65_536

/** Of memory that was never used, so much is made real at a time; in smaller slabs it comes page by page. */
const MADE_BYTES = 262_144

const FILLED_BYTES_MIN = 4_096

/** Where bytes lie. */
export interface Place {
  slab: number
  offset: number
}

export class Slabs {
  readonly #bytesMax: number
  readonly #slabs: Uint8Array[] = []
  /** Pieces in use in each slab. */
  readonly #pieces: number[] = []
  /** Up to where each slab's memory has been made real, or been used. */
  readonly #made: number[] = []
  readonly #free: number[] = []
  #bytes = 0
  #current = -1
  #used = 0
  /** Where the last `put` went: read at once, it is the same object each time. */
  readonly place: Place = { slab: 0, offset: 0 }

  /** Room for pieces of `bytesMax` in all; memory is taken as it is needed. */
  constructor(bytesMax: number) {
    // What stays empty, a slab being filled, and one that is half given up.
    this.#bytesMax = (bytesMax * SLAB_BYTES) / (SLAB_BYTES - PIECE_BYTES_MAX) + 2 * SLAB_BYTES
  }

  /** Bytes of all slabs. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Copies `head` and `bytes` behind it, and says in `place` where to; false when older pieces have to be given up before.
   * Throws RangeError beyond PIECE_BYTES_MAX.
   */
  put(head: Uint8Array, bytes: Uint8Array): boolean {
    const length = head.length + bytes.length
    const room = this.#current === -1 ? 0 : this.#slabs[this.#current]!.length - this.#used
    if (length > room && !this.#turnOver(length)) return false
    const slab = this.#current
    const into = this.#slabs[slab]!
    if (this.#used + length > this.#made[slab]!) this.#make(slab, this.#used + length)
    into.set(head, this.#used)
    copyLarge(bytes, into, this.#used + head.length)
    this.#pieces[slab]!++
    this.place.slab = slab
    this.place.offset = this.#used
    this.#used += length
    return true
  }

  /** A piece where it lies: good until it is given up. */
  view(slab: number, offset: number, length: number): Uint8Array {
    return this.#slabs[slab]!.subarray(offset, offset + length)
  }

  /** Gives one piece up. */
  release(slab: number): void {
    const left = --this.#pieces[slab]!
    if (left > 0) return
    if (slab === this.#current) this.#used = 0
    else this.#free.push(slab)
  }

  /** Makes memory of a slab real, at least up to `end`. */
  #make(slab: number, end: number): void {
    const bytes = this.#slabs[slab]!
    const made = this.#made[slab]!
    const until = Math.min(bytes.length, Math.max(end, made + MADE_BYTES))
    if (bytes.length >= MADE_BYTES) makePages(bytes.subarray(made, until))
    this.#made[slab] = until
  }

  /** Makes a slab the current one that has room for so much. */
  #turnOver(length: number): boolean {
    if (length > PIECE_BYTES_MAX) throw new RangeError(`a piece of ${length} bytes; at most ${PIECE_BYTES_MAX}`)
    const free = this.#free
    for (let i = free.length - 1; i >= 0; i--) {
      const slab = free[i]!
      if (this.#slabs[slab]!.length < length) continue
      free.splice(i, 1)
      this.#use(slab)
      return true
    }
    if (this.#bytes >= this.#bytesMax) return false
    this.#extend(length)
    return true
  }

  /** Doubles the memory, as far as the bound needs, and goes on in its first slab. */
  #extend(length: number): void {
    const wanted = Math.min(Math.max(this.#bytes, GROUND_BYTES_MIN), this.#bytesMax - this.#bytes)
    const slabBytes = Math.min(SLAB_BYTES, Math.max(ceilPower(length), ceilPower(wanted)))
    const count = Math.max(1, Math.floor(wanted / slabBytes))
    const ground = new SharedArrayBuffer(count * slabBytes)
    this.#bytes += ground.byteLength
    const first = this.#slabs.length
    for (let i = 0; i < count; i++) {
      this.#slabs.push(new Uint8Array(ground, i * slabBytes, slabBytes))
      this.#pieces.push(0)
      this.#made.push(0)
    }
    for (let i = count - 1; i > 0; i--) this.#free.push(first + i)
    this.#use(first)
  }

  #use(slab: number): void {
    if (this.#current !== -1 && this.#pieces[this.#current] === 0) this.#free.push(this.#current)
    this.#current = slab
    this.#used = 0
  }
}

/**
 * Copying into shared memory, V8 goes word by word, since another thread could look on; Node's `fill` with as many bytes as
 * there is to fill is a plain copy. With fewer bytes the call costs more than it saves.
 */
function copyLarge(bytes: Uint8Array, into: Uint8Array, at: number): void {
  if (bytes.length < FILLED_BYTES_MIN) into.set(bytes, at)
  else Buffer.prototype.fill.call(into, bytes, at, at + bytes.length)
}

function ceilPower(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes))
}

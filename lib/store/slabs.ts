// Memory for the bytes of many bundles: a ring of large arrays, filled one after the other and used again once all that lies
// in one has been given up. A buffer for each bundle would make V8 mark its whole heap over and over, since it counts memory
// outside and frees it late (docs/decisions/0008).

/** One array. */
export const SLAB_BYTES = 1_048_576
/** What is longer gets an array of its own, so that at most an eighth of a slab stays empty. */
const SHARED_BYTES_MAX: number = SLAB_BYTES / 8
/** Lengths of such arrays are multiples of this, so that one that was given up fits the next. */
const ALONE_STEP_BYTES = 65_536
/** Given up and kept for reuse. */
const SPARE_BYTES_MAX: number = 8 * SLAB_BYTES
/** The place of what has an array of its own. */
const ALONE = -1

/** Where bytes lie. */
export interface Place {
  /** Of a slab, or negative for an array of its own. */
  slab: number
  offset: number
}

export class Slabs {
  readonly #slabsMax: number
  readonly #slabs: Uint8Array[] = []
  /** Pieces in use in each slab. */
  readonly #pieces: number[] = []
  readonly #free: number[] = []
  readonly #alone = new Map<number, Uint8Array>()
  #spare: Uint8Array[] = []
  #spareBytes = 0
  #nextAlone = ALONE
  #current = -1
  #used = 0
  /** Where the last `put` went: read at once, it is the same object each time. */
  readonly place: Place = { slab: 0, offset: 0 }

  /** Room for pieces of `bytesMax` in all; memory is taken as it is needed. */
  constructor(bytesMax: number) {
    // A slab being filled, one that is half given up, and an eighth of each that stays empty.
    this.#slabsMax = Math.ceil((bytesMax * 8) / 7 / SLAB_BYTES) + 2
  }

  get slabsCount(): number {
    return this.#slabs.length
  }

  /** Copies `head` and `bytes` behind it, and says in `place` where to; false when older pieces have to be given up before. */
  put(head: Uint8Array, bytes: Uint8Array): boolean {
    const length = head.length + bytes.length
    if (length > SHARED_BYTES_MAX) {
      this.place.slab = this.#nextAlone--
      this.place.offset = 0
      const own = this.#takeAlone(length)
      own.set(head)
      own.set(bytes, head.length)
      this.#alone.set(this.place.slab, own)
      return true
    }
    if (this.#current === -1 || this.#used + length > SLAB_BYTES) {
      if (!this.#turnOver()) return false
    }
    const slab = this.#current
    const into = this.#slabs[slab]!
    into.set(head, this.#used)
    into.set(bytes, this.#used + head.length)
    this.#pieces[slab]!++
    this.place.slab = slab
    this.place.offset = this.#used
    this.#used += length
    return true
  }

  /** A piece where it lies: good until it is given up. */
  view(slab: number, offset: number, length: number): Uint8Array {
    const bytes = slab < 0 ? this.#alone.get(slab)! : this.#slabs[slab]!
    return bytes.subarray(offset, offset + length)
  }

  /** Gives one piece up. */
  release(slab: number): void {
    if (slab < 0) {
      const own = this.#alone.get(slab)!
      this.#alone.delete(slab)
      if (this.#spareBytes + own.length > SPARE_BYTES_MAX) return
      this.#spare.push(own)
      this.#spareBytes += own.length
      return
    }
    const left = --this.#pieces[slab]!
    if (left === 0 && slab !== this.#current) this.#free.push(slab)
  }

  /** At least `length` bytes. Fresh memory for each large bundle would cost more time than the copy into it. */
  #takeAlone(length: number): Uint8Array {
    const wanted = Math.ceil(length / ALONE_STEP_BYTES) * ALONE_STEP_BYTES
    const at = this.#spare.findIndex((spare) => spare.length >= wanted && spare.length <= wanted * 2)
    if (at === -1) return new Uint8Array(wanted)
    const [own] = this.#spare.splice(at, 1)
    this.#spareBytes -= own!.length
    return own!
  }

  #turnOver(): boolean {
    this.#used = 0
    if (this.#current !== -1 && this.#pieces[this.#current] === 0) return true
    const free = this.#free.pop()
    if (free !== undefined) {
      this.#current = free
    } else if (this.#slabs.length < this.#slabsMax) {
      this.#current = this.#slabs.push(new Uint8Array(SLAB_BYTES)) - 1
      this.#pieces.push(0)
    } else {
      // Stays full, so that the next try comes here again.
      this.#used = SLAB_BYTES
      return false
    }
    return true
  }
}

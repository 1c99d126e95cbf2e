// Copies payloads for their receivers. Small ones are cut from a slab, since an ArrayBuffer each costs more than the copy;
// a kept payload then holds at most one slab in memory.

import { copyBytes, EMPTY } from '../bytes.ts'
import { bufferMade, keepInPlace, LARGE_BYTES_MIN } from '../memory.ts'

/** Most memory that a small payload which is kept keeps with it. */
export const SLAB_BYTES = 8_192
/** From this size on a payload gets a buffer of its own. */
export const OWN_BUFFER_BYTES = 2_048

export class PayloadCopies {
  #slab: Uint8Array = EMPTY
  #used = SLAB_BYTES

  /** A copy of bytes[start, end): nobody else sees or changes it. */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start
    if (length >= OWN_BUFFER_BYTES) {
      if (length >= LARGE_BYTES_MIN) bufferMade(length)
      return copyBytes(bytes.subarray(start, end))
    }
    if (this.#used + length > SLAB_BYTES) {
      this.#slab = new Uint8Array(SLAB_BYTES)
      keepInPlace(this.#slab)
      this.#used = 0
    }
    const copy = this.#slab.subarray(this.#used, this.#used + length)
    copy.set(bytes.subarray(start, end))
    this.#used += length
    return copy
  }
}

/** bytes[start, end) as a plain Uint8Array over the same memory. */
export function plainView(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}

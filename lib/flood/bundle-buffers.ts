// The memory of bundles: of this node's own, which is used again when the last queue has sent what it held of it, and of
// large ones that others sent, which is given back then. At full speed, fresh memory for each of our own costs a tenth of
// the sender's time in page faults alone. docs/decisions/0008-young-garbage.md.

import { bufferMade, giveBack, LARGE_BYTES_MIN } from '../memory.ts'

/** Kept for reuse in all. */
const FREE_BYTES_MAX: number = 4 * 1_048_576

/** One buffer and how many still read it. Who keeps a bundle's bytes beyond the call that gave them must hold its buffer. */
export class BundleBuffer<Bytes extends Uint8Array = Uint8Array> {
  readonly bytes: Bytes
  readonly #free: () => void
  #holders = 1
  #isLeft = false

  constructor(bytes: Bytes, free: () => void) {
    this.bytes = bytes
    this.#free = free
  }

  /** One reader more. */
  hold(): void {
    this.#holders++
  }

  /** One reader fewer; the last one gives the buffer back. */
  release(): void {
    this.#holders--
    if (this.#holders === 0 && !this.#isLeft) this.#free()
    if (this.#holders < 0) throw new Error('a bundle buffer was released more often than it was held')
  }

  /** Somebody goes on reading it for as long as they like: from now on it is the garbage collector's. */
  leave(): void {
    if (!this.#isLeft) bufferMade(this.bytes.length)
    this.#isLeft = true
  }
}

/** Of a frame body that is a large buffer of its own, held once; null for any other. */
export function receivedBuffer(body: Uint8Array): BundleBuffer | null {
  if (body.length < LARGE_BYTES_MIN || body.length !== body.buffer.byteLength) return null
  return new BundleBuffer(body, () => giveBack(body))
}

export class BundleBuffers {
  #free: Buffer[] = []
  #freeBytes = 0

  /** At least `length` bytes, held once, not cleared. */
  take(length: number): BundleBuffer<Buffer> {
    const at = this.#free.findIndex((bytes) => bytes.length >= length && bytes.length <= length * 8)
    const [bytes] = at === -1 ? [Buffer.allocUnsafeSlow(length)] : this.#free.splice(at, 1)
    if (at !== -1) this.#freeBytes -= bytes!.length
    return new BundleBuffer(bytes!, () => this.#give(bytes!))
  }

  #give(bytes: Buffer): void {
    if (this.#freeBytes + bytes.length > FREE_BYTES_MAX) return
    this.#free.push(bytes)
    this.#freeBytes += bytes.length
  }
}

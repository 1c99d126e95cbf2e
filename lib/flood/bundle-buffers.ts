// The buffers in which this node's own bundles are built, used again when the last queue has sent what it held of them: at
// full speed, fresh memory for each bundle costs a tenth of the sender's time in page faults alone.

/** Kept for reuse in all. */
const FREE_BYTES_MAX: number = 4 * 1_048_576

/** One buffer and how many still read it. Who keeps a bundle's bytes beyond the call that gave them must hold its buffer. */
export class BundleBuffer {
  readonly bytes: Buffer
  readonly #free: (buffer: BundleBuffer) => void
  #holders = 1

  constructor(bytes: Buffer, free: (buffer: BundleBuffer) => void) {
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
    if (this.#holders === 0) this.#free(this)
    if (this.#holders < 0) throw new Error('a bundle buffer was released more often than it was held')
  }
}

export class BundleBuffers {
  #free: Buffer[] = []
  #freeBytes = 0

  /** At least `length` bytes, held once, not cleared. */
  take(length: number): BundleBuffer {
    const at = this.#free.findIndex((bytes) => bytes.length >= length && bytes.length <= length * 8)
    const [bytes] = at === -1 ? [Buffer.allocUnsafeSlow(length)] : this.#free.splice(at, 1)
    if (at !== -1) this.#freeBytes -= bytes!.length
    return new BundleBuffer(bytes!, (buffer) => this.#give(buffer.bytes))
  }

  #give(bytes: Buffer): void {
    if (this.#freeBytes + bytes.length > FREE_BYTES_MAX) return
    this.#free.push(bytes)
    this.#freeBytes += bytes.length
  }
}

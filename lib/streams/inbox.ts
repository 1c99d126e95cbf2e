// Bytes that came on a stream and were not taken yet. They cost about as much memory as they count: a small piece of a record
// must not keep the whole record, and a byte at a time must not become an array for each. docs/protocol.md, "Windows".

/** Below this a piece is gathered with its neighbours. */
const SMALL_PIECE_BYTES = 1_024
const SLAB_BYTES_MIN = 1_024
const SLAB_BYTES_MAX = 16_384

export class Inbox {
  #pieces: Uint8Array[] = []
  #at = 0
  #bytes = 0
  #slab: Uint8Array | null = null
  #slabFill = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes over a piece, which may be a view of something larger and must not change any more. */
  put(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#bytes += piece.length
    if (piece.length < SMALL_PIECE_BYTES) this.#gather(piece)
    else this.#pieces.push(piece.length * 2 >= piece.buffer.byteLength ? piece : new Uint8Array(piece))
  }

  /** The next piece, the receiver's own; null when nothing waits. */
  take(): Uint8Array | null {
    if (this.#at === this.#pieces.length) return null
    const piece = this.#pieces[this.#at]!
    this.#at++
    this.#bytes -= piece.length
    if (this.#at === this.#pieces.length) this.clear()
    else if (this.#at > 64 && this.#at * 2 > this.#pieces.length) {
      // Those taken are let go of by the portion, so that taking one costs the same however many wait.
      this.#pieces = this.#pieces.slice(this.#at)
      this.#at = 0
    } else this.#pieces[this.#at - 1] = NOTHING
    return piece
  }

  clear(): void {
    this.#pieces = []
    this.#at = 0
    this.#bytes = 0
    this.#slab = null
    this.#slabFill = 0
  }

  /** Appends to the last piece where it lies in the slab that is being filled, or begins a new one there. */
  #gather(piece: Uint8Array): void {
    if (this.#slab === null || this.#slabFill + piece.length > this.#slab.length) {
      // As large as what waits anyway: a stream that hardly ever has anything waiting pays for little.
      this.#slab = new Uint8Array(Math.min(SLAB_BYTES_MAX, Math.max(SLAB_BYTES_MIN, 2 * this.#bytes)))
      this.#slabFill = 0
    }
    const slab = this.#slab
    slab.set(piece, this.#slabFill)
    const end = this.#slabFill + piece.length
    const last = this.#at < this.#pieces.length ? this.#pieces[this.#pieces.length - 1]! : null
    if (last !== null && last.buffer === slab.buffer && last.byteOffset + last.length === this.#slabFill) {
      this.#pieces[this.#pieces.length - 1] = slab.subarray(last.byteOffset, end)
    } else {
      this.#pieces.push(slab.subarray(this.#slabFill, end))
    }
    this.#slabFill = end
  }
}

const NOTHING = new Uint8Array(0)

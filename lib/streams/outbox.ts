// What the program wrote to a stream and has not been cut into frames yet. Large pieces are cut where they lie; small ones
// that follow each other are gathered, since a frame for each would cost more than a copy. docs/protocol.md, "Stream frames".

import { EMPTY } from '../bytes.ts'

/** Pieces below this are copied together; from here on a frame of its own is cheaper. */
const SMALL_PIECE_BYTES = 4_096

export class Outbox {
  #pieces: readonly Uint8Array[] = []
  #index = 0
  /** Offset of the first byte that is left in the piece at `#index`. */
  #at = 0
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Takes the pieces of one write; all of the write before must be gone. They must not change until they are. */
  fill(pieces: readonly Uint8Array[]): void {
    this.#pieces = pieces
    this.#index = 0
    this.#at = 0
    this.#bytes = pieces.reduce((bytes, piece) => bytes + piece.length, 0)
  }

  clear(): void {
    this.fill([])
  }

  /** The next bytes, at least one where there is one and at most `bytesMax`: a view of a piece, or a copy of small ones. */
  take(bytesMax: number): Uint8Array {
    if (this.#bytes === 0 || bytesMax === 0) return EMPTY
    this.#skipEmpty()
    const first = this.#pieces[this.#index]!
    const left = first.length - this.#at
    const gathered = left < SMALL_PIECE_BYTES && left < bytesMax ? this.#gatherable(bytesMax) : left
    if (gathered === left) {
      const body = first.subarray(this.#at, this.#at + bytesMax)
      this.#advance(body.length)
      return body
    }
    const body = new Uint8Array(gathered)
    for (let filled = 0; filled < gathered; ) {
      this.#skipEmpty()
      const part = this.#pieces[this.#index]!.subarray(this.#at, this.#at + gathered - filled)
      body.set(part, filled)
      filled += part.length
      this.#advance(part.length)
    }
    return body
  }

  /** Bytes of the small pieces from here on, at most `bytesMax`. */
  #gatherable(bytesMax: number): number {
    let bytes = this.#pieces[this.#index]!.length - this.#at
    for (let i = this.#index + 1; i < this.#pieces.length && bytes < bytesMax; i++) {
      const { length } = this.#pieces[i]!
      if (length >= SMALL_PIECE_BYTES) break
      bytes += length
    }
    return Math.min(bytes, bytesMax)
  }

  #advance(bytes: number): void {
    this.#at += bytes
    this.#bytes -= bytes
    if (this.#bytes === 0) this.clear()
  }

  #skipEmpty(): void {
    while (this.#at === this.#pieces[this.#index]!.length) {
      this.#index++
      this.#at = 0
    }
  }
}

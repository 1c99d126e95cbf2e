// Whether a reader has seen all that there was to see: counts what retention took away before it was read, and says so now
// and then.

/** Being overtaken is told at most so often. */
export const TOLD_EVERY_MS = 10_000

export class Accounting {
  readonly #tell: (count: number) => void
  /** Nothing up to this arrival was missed without being counted. */
  #upTo: number
  #missed = 0
  #toldMs = Number.NEGATIVE_INFINITY

  /** `tell` hears how many arrivals were missed since it was told last. */
  constructor(upTo: number, tell: (count: number) => void) {
    this.#upTo = upTo
    this.#tell = tell
  }

  /** All up to this arrival was read, or is known not to be there. */
  read(upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo)
  }

  /** The store begins with this arrival: what lies between is gone. */
  storeBegins(firstArrival: number, nowMs: number): void {
    this.#missed += Math.max(0, firstArrival - 1 - this.#upTo)
    this.read(firstArrival - 1)
    if (this.#missed === 0 || nowMs - this.#toldMs < TOLD_EVERY_MS) return
    this.#tell(this.#missed)
    this.#missed = 0
    this.#toldMs = nowMs
  }
}

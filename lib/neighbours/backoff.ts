// How long to wait before the next try at one address. It counts failures and draws waits; it knows neither the time nor
// the reason of a failure. docs/protocol.md section 5.8.

/** `firstMs <= maxMs`; all in milliseconds. */
export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
  readonly resetAfterMs: number
}

/** No wait is shorter, whatever chance says: a peer that closes at once must not make us a busy loop. */
export const WAIT_MS_MIN = 50

/** Exponential back-off with full jitter: drawn from 0 to the bound, so that many nodes do not come back in step. */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #fraction: () => number
  #failures = 0

  constructor(options: BackoffOptions, fraction: () => number) {
    this.#options = options
    this.#fraction = fraction
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure. Returns the wait in milliseconds, whose bound doubles with each failure up to `maxMs`. */
  failed(): number {
    const boundMs = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** this.#failures)
    this.#failures++
    return this.#draw(boundMs)
  }

  /** Counts a failure whose answer was "later": a wait from half of `maxMs` to all of it. */
  failedForLong(): number {
    this.#failures++
    return Math.max(WAIT_MS_MIN, (this.#options.maxMs * (1 + this.#fraction())) / 2)
  }

  /** A wait of at most `firstMs` that counts as nothing: for an end that was no failure. */
  soon(): number {
    return this.#draw(this.#options.firstMs)
  }

  /**
   * A link over this address ended after `livedMs`. Only one that lived long enough starts the count anew (returns true):
   * a peer that accepts and closes at once is no better than one that refuses.
   */
  lived(livedMs: number): boolean {
    if (livedMs < this.#options.resetAfterMs) return false
    this.#failures = 0
    return true
  }

  #draw(boundMs: number): number {
    return Math.max(WAIT_MS_MIN, this.#fraction() * boundMs)
  }
}

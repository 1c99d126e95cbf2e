// So many of something in any second, and not all saved up: a bucket of tokens that refills with time. Time comes in.

export class Budget {
  readonly #perSecond: number
  #tokens: number
  #atMs = Number.NEGATIVE_INFINITY

  /** Holds as much as one second brings, and begins full. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /** Whether `take` would take one. */
  has(nowMs: number): boolean {
    if (nowMs > this.#atMs) {
      const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond
      this.#tokens = Math.min(this.#perSecond, this.#tokens + gained)
      this.#atMs = nowMs
    }
    return this.#tokens >= 1
  }

  /** Takes one when there is one. */
  take(nowMs: number): boolean {
    if (!this.has(nowMs)) return false
    this.#tokens--
    return true
  }
}

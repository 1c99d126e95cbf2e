// How neighbours did when they were asked, remembered beyond their links: a new link is no new chance to delay. Bounded; those
// that are not linked go first. docs/protocol.md, "When no answer comes".

/** At most so many, and those of the links that are open. */
const SUSPICIONS_MAX = 1_024

/** How a neighbour did when it was asked. */
export interface Suspicion {
  /** Wants in a row that it did not answer. */
  failures: number
  /** Not asked before this time. */
  untilMs: number
}

export class Suspicions {
  readonly #isLinked: (key: string) => boolean
  /** By identity key, in the order in which they were first asked. */
  readonly #byKey = new Map<string, Suspicion>()

  constructor(isLinked: (key: string) => boolean) {
    this.#isLinked = isLinked
  }

  /** What is known of that neighbour, to be changed in place. */
  of(key: string): Suspicion {
    let suspicion = this.#byKey.get(key)
    if (suspicion === undefined) {
      suspicion = { failures: 0, untilMs: Number.NEGATIVE_INFINITY }
      this.#byKey.set(key, suspicion)
      if (this.#byKey.size > SUSPICIONS_MAX) {
        const forgotten = Array.from(this.#byKey.keys()).find((known) => known !== key && !this.#isLinked(known))
        if (forgotten !== undefined) this.#byKey.delete(forgotten)
      }
    }
    return suspicion
  }

  /** Its link is gone: what is not held against it need not be remembered. */
  linkDown(key: string): void {
    if (this.#byKey.get(key)?.failures === 0) this.#byKey.delete(key)
  }
}

// The current values in memory: of each (origin, topic) the newest retained bundle, removals included, with its bytes. They
// stay when their row in the table is gone. Which of two is newer, and when one must go, is decided here; what that means for
// the other indexes is memory-store.ts's business.

/** One current value. */
export interface Current {
  readonly originKey: string
  readonly topic: string
  readonly epoch: number
  readonly sequence: number
  readonly arrival: number
  /** BODY_HEAD and the sealed bytes. */
  readonly body: Uint8Array
  readonly isRemoval: boolean
  readonly timeToLiveS: number
  readonly hops: number
  readonly heldSinceMs: number
  ageMs: number
  /** Whether its row is still in the table. */
  hasRow: boolean
}

export class CurrentValues {
  readonly #origins = new Map<string, Map<string, Current>>()
  /** Ascending, since each is added when it comes. */
  readonly #byArrival = new Map<number, Current>()
  /** As `bundleBytes` counts them; kept by whoever adds and removes. */
  bytes = 0
  /** How many have no row. */
  apart = 0

  get(originKey: string, topic: string): Current | null {
    return this.#origins.get(originKey)?.get(topic) ?? null
  }

  at(arrival: number): Current | null {
    return this.#byArrival.get(arrival) ?? null
  }

  /** Whether a bundle of these numbers would take that topic's place. */
  isNewer(originKey: string, topic: string, epoch: number, sequence: number): boolean {
    const known = this.get(originKey, topic)
    if (known === null) return true
    return epoch > known.epoch || (epoch === known.epoch && sequence > known.sequence)
  }

  /** Its place must be free. */
  add(value: Current): void {
    let topics = this.#origins.get(value.originKey)
    if (topics === undefined) {
      topics = new Map()
      this.#origins.set(value.originKey, topics)
    }
    topics.set(value.topic, value)
    this.#byArrival.set(value.arrival, value)
    if (!value.hasRow) this.apart++
  }

  remove(value: Current): void {
    const topics = this.#origins.get(value.originKey)
    if (topics?.get(value.topic) !== value) return
    topics.delete(value.topic)
    if (topics.size === 0) this.#origins.delete(value.originKey)
    this.#byArrival.delete(value.arrival)
    if (!value.hasRow) this.apart--
  }

  /** Its row has left the table. */
  leaveRow(value: Current): void {
    if (!value.hasRow) return
    value.hasRow = false
    this.apart++
  }

  oldest(): Current | null {
    return this.#byArrival.values().next().value ?? null
  }

  /** By arrival, ascending. */
  all(): Iterable<Current> {
    return this.#byArrival.values()
  }

  of(originKey: string): Iterable<Current> {
    return this.#origins.get(originKey)?.values() ?? []
  }
}

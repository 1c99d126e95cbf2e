// A map that forgets what was used longest ago. Not a store: losing an entry must only ever cost work.

/** At most `entriesMax` entries; `get` and `set` make an entry the newest, and a full cache drops the oldest one. */
export class BoundedCache<K, V> {
  readonly #entriesMax: number
  readonly #entries = new Map<K, V>()

  /** `entriesMax` is at least 1. */
  constructor(entriesMax: number) {
    if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax must be at least 1')
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      // A Map keeps the order of insertion, so putting an entry back makes it the newest.
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#entriesMax) {
      const oldest = this.#entries.keys().next()
      if (!oldest.done) this.#entries.delete(oldest.value)
    }
    this.#entries.set(key, value)
  }
}

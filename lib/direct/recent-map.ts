// A map of at most so many entries that forgets what was unused for longest, half of it at a time. Not an exact order of use:
// keeping one in a Map costs a look past all its holes at each eviction. Losing an entry must only ever cost work.

export class RecentMap<V> {
  readonly #halfMax: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()
  #turns = 0

  /** `entriesMax` at least 2. Of the entries used last, half of that many are always there. */
  constructor(entriesMax: number) {
    this.#halfMax = entriesMax >>> 1
  }

  /** How often the older half was forgotten. */
  get turns(): number {
    return this.#turns
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** The value, which counts as used by this. */
  get(key: string): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const older = this.#old.get(key)
    if (older === undefined) return undefined
    this.#old.delete(key)
    this.set(key, older)
    return older
  }

  /** The value, without making it younger. */
  peek(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key)
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#halfMax && !this.#young.has(key)) this.turn()
    this.#old.delete(key)
    this.#young.set(key, value)
  }

  delete(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  /** Forgets the older half; the younger one becomes the older. */
  turn(): void {
    this.#old = this.#young
    this.#young = new Map()
    this.#turns++
  }
}

// A queue with constant cost per item however long it gets. Unbounded: who uses it keeps the bound.

/** Items that were taken stay as holes until so many have gathered. */
const HOLES_MIN = 1_024

export class Fifo<T extends object> {
  #items: (T | undefined)[] = []
  #at = 0

  get size(): number {
    return this.#items.length - this.#at
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** The oldest, which stays. */
  peek(): T | undefined {
    return this.#items[this.#at]
  }

  /** Takes the oldest. */
  shift(): T | undefined {
    if (this.#at === this.#items.length) return undefined
    const item = this.#items[this.#at]
    this.#items[this.#at++] = undefined
    if (this.#at === this.#items.length) {
      this.#items.length = 0
      this.#at = 0
    } else if (this.#at > HOLES_MIN && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at)
      this.#at = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#at = 0
  }
}

// Those who want to hear that something has happened, and not how often: called at most once a turn of the event loop.

import type { Clock } from '../io/world.ts'

export class TurnListeners {
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  readonly #run: () => void
  #isDue = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#run = () => {
      this.#isDue = false
      for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener()
    }
  }

  /** Returns a function that ends it. */
  add(listener: () => void): () => void {
    // Twice the same function are two listeners, each with an end of its own.
    const mine = (): void => listener()
    this.#listeners.add(mine)
    return () => {
      this.#listeners.delete(mine)
    }
  }

  /** Has all of them called at the end of this turn. */
  notify(): void {
    if (this.#isDue || this.#listeners.size === 0) return
    this.#isDue = true
    this.#clock.endOfTurn(this.#run)
  }

  /** Nobody is called any more. */
  clear(): void {
    this.#listeners.clear()
  }
}

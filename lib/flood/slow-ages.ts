// A bundle's age is unsigned: any relay can raise it. Of bundles that came with a high one, the lowest age that any copy shows
// is what counts. docs/protocol.md, "Verdicts".

import { type Bundle, bornMs } from './bundle.ts'

/** A bundle that comes unasked with a greater age is worth watching for a copy with a lower one. */
const SLOW_MS = 10_000
const SLOW_MAX = 4_096

export class SlowAges {
  /** When they were born, by their keys: monotonic time by the lowest age so far. The oldest goes when it is full. */
  readonly #bornMs = new Map<string, number>()

  /** A new bundle came unasked. */
  came(bundle: Bundle): void {
    if (bundle.ageMs <= SLOW_MS) return
    if (this.#bornMs.size >= SLOW_MAX) this.#bornMs.delete(this.#bornMs.keys().next().value!)
    this.#bornMs.set(bundle.key, bornMs(bundle))
  }

  /** Another copy of one that was taken came: whether it is younger than all before it. */
  isYounger(copy: Bundle): boolean {
    if (this.#bornMs.size === 0) return false
    const known = this.#bornMs.get(copy.key)
    if (known === undefined || bornMs(copy) <= known) return false
    this.#bornMs.set(copy.key, bornMs(copy))
    return true
  }
}

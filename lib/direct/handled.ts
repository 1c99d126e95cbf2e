// Which envelopes have been handled lately, so that each is once: copies of a flooded one come over every link. The memory is
// bounded and short; what must never happen twice is kept by sources.ts. docs/protocol.md, "On the way".

import { DIRECT_HANDLED_MAX, DIRECT_HANDLED_MS } from '../limits.ts'
import { RecentMap } from './recent-map.ts'

/** `new`: never before. `nearer`: before, but with at least twice the hops. `again`: before. */
export type Sight = 'new' | 'nearer' | 'again'

export class Handled {
  /** The fewest hops of each. */
  readonly #hops: RecentMap<number>
  #turnAtMs = Number.NEGATIVE_INFINITY

  constructor(entriesMax: number = DIRECT_HANDLED_MAX) {
    this.#hops = new RecentMap(entriesMax)
  }

  get size(): number {
    return this.#hops.size
  }

  /**
   * Remembers it for two to four minutes, less only when more come than are kept. `nearer` is there because hops are not
   * signed: who passes a copy on first, with hardly a hop left, would else keep the true one from going far.
   */
  look(key: string, hops: number, nowMs: number): Sight {
    if (nowMs >= this.#turnAtMs) {
      // After a long silence both halves are old.
      if (nowMs >= this.#turnAtMs + DIRECT_HANDLED_MS) this.#hops.turn()
      this.#hops.turn()
      this.#turnAtMs = nowMs + DIRECT_HANDLED_MS
    }
    const before = this.#hops.peek(key)
    if (before !== undefined && hops * 2 > before) return 'again'
    this.#hops.set(key, hops)
    return before === undefined ? 'new' : 'nearer'
  }
}

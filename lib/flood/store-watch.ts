// Whether the store still keeps what it is given: a link may be lazy only as long as what is announced can be given. A disk
// that takes nothing more must cost history, not messages. Looks at the store's counters, at most once a second.
// docs/protocol.md, "Lazy links".

import type { Keeping } from './bundle-queue.ts'
import type { BundleStore } from './bundle-store.ts'

const LOOK_MS = 1_000

export class StoreWatch implements Keeping {
  readonly #store: Pick<BundleStore, 'counts' | 'lastArrival'>
  readonly #nowMs: () => number
  #isKeeping = true
  #lookedMs: number
  #notSaved: number
  /** The newest arrival, when something waited for the disk at the last look; null when nothing did. */
  #waitsBehind: number | null = null

  constructor(store: Pick<BundleStore, 'counts' | 'lastArrival'>, nowMs: () => number) {
    this.#store = store
    this.#nowMs = nowMs
    this.#lookedMs = nowMs()
    this.#notSaved = store.counts.notSaved
  }

  /** False: bundles were lost since the last look, or waited for the disk and none of them got there. */
  isKeeping(): boolean {
    const nowMs = this.#nowMs()
    if (nowMs - this.#lookedMs < LOOK_MS) return this.#isKeeping
    this.#lookedMs = nowMs
    const { lastArrival, counts } = this.#store
    const { notSaved, pendingBytes } = counts
    this.#isKeeping = notSaved === this.#notSaved && (pendingBytes === 0 || this.#waitsBehind !== lastArrival)
    this.#notSaved = notSaved
    this.#waitsBehind = pendingBytes > 0 ? lastArrival : null
    return this.#isKeeping
  }
}

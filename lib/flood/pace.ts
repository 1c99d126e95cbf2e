// How fast this node may publish, read off the queues of the links that carry its own bundles: as fast as the fastest takes
// them, and slower for a while for those that are not much slower. A bundle that is dropped at its origin is missing in a whole
// branch of the tree and has to be asked for there, so a neighbour that is behind for a moment is waited for; one that stays
// behind is not, and never halves the pace. Sends nothing. docs/protocol.md, "Origins"; docs/decisions/0015-pace.md.

import type { FloodLink } from './flood-link.ts'

/** A link with more bundles than this in its queue is behind; publishers wait when every link is. */
export const CONGESTED_BYTES = 262_144
/** One with more than this would soon have to drop bundles: it alone is waited for, while there is patience. */
export const NEARLY_FULL_BYTES: number = 2 * 1_048_576
/**
 * Longest wait for links that are slower than the fastest. Patience that was used grows again by the time in which nothing
 * is waited for, so that such links take at most half of the pace. A guess: many times a turn of a busy process.
 */
export const PATIENCE_MS = 250

export class Pace {
  readonly #links: ReadonlySet<FloodLink>
  readonly #ownTree: number
  readonly #nowMs: () => number
  #patienceMs = PATIENCE_MS
  /** When `#patienceMs` was right. */
  #atMs = Number.NEGATIVE_INFINITY
  #isWaiting = false
  /** All patience is used up: nobody is waited for until half of it is back. */
  #isSpent = false

  /** `links`: all open ones, as they come and go. `ownTree`: of this node's bundles. `nowMs`: the monotonic clock. */
  constructor(links: ReadonlySet<FloodLink>, ownTree: number, nowMs: () => number) {
    this.#links = links
    this.#ownTree = ownTree
    this.#nowMs = nowMs
  }

  /** Whether publishers have to wait, until a link has sent something or, at the latest, `deadlineMs`. */
  get congested(): boolean {
    if (this.#links.size === 0) return false
    let hasRoom = false
    let isNearlyFull = false
    for (const link of this.#links) {
      const { bundleBytes } = link
      if (bundleBytes > NEARLY_FULL_BYTES) isNearlyFull ||= !link.isStalled && !link.isLazy(this.#ownTree)
      else if (bundleBytes <= CONGESTED_BYTES) hasRoom ||= !link.isLazy(this.#ownTree)
    }
    const isForSlower = hasRoom && isNearlyFull
    if ((isForSlower || this.#isWaiting) && this.#waitsForSlower(isForSlower)) return true
    return !hasRoom
  }

  /** When the wait for slower links is over, by the clock given; null while none is waited for. */
  get deadlineMs(): number | null {
    return this.#isWaiting ? this.#atMs + this.#patienceMs : null
  }

  /** Every link that carries this node's own bundles has some to send. */
  get busy(): boolean {
    if (this.#links.size === 0) return false
    for (const link of this.#links) if (link.bundleBytes === 0 && !link.isLazy(this.#ownTree)) return false
    return true
  }

  #waitsForSlower(isWanted: boolean): boolean {
    const nowMs = this.#nowMs()
    const passedMs = nowMs - this.#atMs
    this.#atMs = nowMs
    const patienceMs = this.#patienceMs + (this.#isWaiting ? -passedMs : passedMs)
    this.#patienceMs = Math.min(PATIENCE_MS, Math.max(0, patienceMs))
    if (this.#patienceMs === 0) this.#isSpent = true
    else if (this.#patienceMs >= PATIENCE_MS / 2) this.#isSpent = false
    this.#isWaiting = isWanted && !this.#isSpent
    return this.#isWaiting
  }
}

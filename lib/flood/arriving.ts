// Long bundles that are on their way here, link by link: their first bytes have come, and the rest is coming. A megabyte takes its
// time over a slow link or to a busy node; other neighbours have it sooner and say so, and asking one of them would only bring it,
// and what stands behind it, twice. So what is arriving counts as news of its origin, and how long it took is how much later than a
// neighbour this node may have the next (claim-wait.ts). Nothing of what is arriving is proven yet: it counts only as long as its
// bytes go on coming, and not for ever. docs/protocol.md, "What is asked for".

import { BoundedCache } from '../crypto/bounded-cache.ts'

/** Shorter bodies come at once, or are worth asking for. */
export const ARRIVING_BYTES_MIN = 32_768
/** After that it no longer counts, whatever comes. */
export const ARRIVING_MS_MAX = 10_000
/** How often the time that the last one took is left to the next, at most how much, and for how long after it. */
const SLACK_TIMES = 2
export const SLACK_MS_MAX = 500
export const SLACK_FOR_MS = 2_000
/** Origins of which that is known: those whose long bundles came last. */
const ORIGINS_KNOWN_MAX = 64

interface Arrival {
  readonly originKey: string
  readonly epoch: number
  readonly sinceMs: number
  /** When bytes of it came last. */
  heardMs: number
}

interface Taken {
  readonly tookMs: number
  readonly atMs: number
}

export class Arriving {
  /** One a link at most: bodies come one after the other. */
  readonly #byLink = new Map<string, Arrival>()
  /** By origin. */
  #taken = new BoundedCache<string, Taken>(ORIGINS_KNOWN_MAX)

  /** The head of a long bundle of that origin and epoch came over that link. */
  begin(linkKey: string, originKey: string, epoch: number, nowMs: number): void {
    this.#byLink.set(linkKey, { originKey, epoch, sinceMs: nowMs, heardMs: nowMs })
  }

  /** More of it came. False: none is known to be under way there. */
  grew(linkKey: string, nowMs: number): boolean {
    const arrival = this.#byLink.get(linkKey)
    if (arrival === undefined) return false
    arrival.heardMs = Math.min(nowMs, arrival.sinceMs + ARRIVING_MS_MAX)
    return true
  }

  /** The link is gone: what is late from now on may be lost, and is not left more time than any other. */
  linkDown(linkKey: string): void {
    this.#byLink.delete(linkKey)
    if (this.#taken.size > 0) this.#taken = new BoundedCache(ORIGINS_KNOWN_MAX)
  }

  /** A bundle of that origin is here, genuine or not. */
  end(linkKey: string, originKey: string, nowMs: number): void {
    const arrival = this.#byLink.get(linkKey)
    if (arrival === undefined) return
    this.#byLink.delete(linkKey)
    if (arrival.originKey === originKey) {
      this.#taken.set(originKey, { tookMs: Math.min(nowMs - arrival.sinceMs, ARRIVING_MS_MAX), atMs: nowMs })
    }
  }

  /** When bytes of a bundle of that origin and epoch came last that is not here yet; minus infinite: there is none. */
  heardMs(originKey: string, epoch: number): number {
    let heardMs = Number.NEGATIVE_INFINITY
    for (const arrival of this.#byLink.values()) {
      if (arrival.epoch === epoch && arrival.originKey === originKey) heardMs = Math.max(heardMs, arrival.heardMs)
    }
    return heardMs
  }

  /** How much later than a neighbour this node may have that origin's next bundle, 0 to SLACK_MS_MAX. */
  slackMs(originKey: string, nowMs: number): number {
    const taken = this.#taken.size === 0 ? undefined : this.#taken.get(originKey)
    if (taken === undefined || nowMs - taken.atMs >= SLACK_FOR_MS) return 0
    return Math.min(SLACK_MS_MAX, SLACK_TIMES * taken.tookMs)
  }
}

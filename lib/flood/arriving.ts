// Long bundles that are on their way here, link by link: their first bytes have come, and the rest is coming. A megabyte takes its
// time over a slow link or to a busy node; other neighbours have it sooner and say so, and asking one of them would only bring it,
// and what stands behind it, twice. So what is arriving counts as news of its origin, and how long it took is how much later than a
// neighbour this node may have the next (lateness.ts). Nothing of what is arriving is proven yet: it counts only as long as its
// bytes go on coming, and not for ever. docs/protocol.md, "What is asked for".

/** Shorter bodies come at once, or are worth asking for. */
export const ARRIVING_BYTES_MIN = 32_768
/** After that it no longer counts, whatever comes. */
export const ARRIVING_MS_MAX = 10_000

interface Arrival {
  readonly originKey: string
  readonly epoch: number
  readonly sinceMs: number
  /** When bytes of it came last. */
  heardMs: number
}

export class Arriving {
  /** One a link at most: bodies come one after the other. */
  readonly #byLink = new Map<string, Arrival>()

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

  linkDown(linkKey: string): void {
    this.#byLink.delete(linkKey)
  }

  /** A bundle of that origin is here, genuine or not. Returns how long it was under way, 0 to ARRIVING_MS_MAX; 0 for a short one. */
  end(linkKey: string, originKey: string, nowMs: number): number {
    const arrival = this.#byLink.get(linkKey)
    if (arrival === undefined) return 0
    this.#byLink.delete(linkKey)
    return arrival.originKey === originKey ? Math.min(nowMs - arrival.sinceMs, ARRIVING_MS_MAX) : 0
  }

  /** When bytes of a bundle of that origin and epoch came last that is not here yet; minus infinite: there is none. */
  heardMs(originKey: string, epoch: number): number {
    let heardMs = Number.NEGATIVE_INFINITY
    for (const arrival of this.#byLink.values()) {
      if (arrival.epoch === epoch && arrival.originKey === originKey) heardMs = Math.max(heardMs, arrival.heardMs)
    }
    return heardMs
  }
}

// How much later than a neighbour this node may have an origin's next bundle, judged by the last ones: because they are long, because
// the way here is, or because too many processes share a machine. What is late as usual is not missing, and asking for it would
// bring it twice and add to the load. Claims and the heads of bundles that are under way are proven by nothing, so this is
// bounded, and forgotten soon. No timers, no clock. docs/protocol.md, "What is asked for".

import { BoundedCache } from '../crypto/bounded-cache.ts'

/** How often the delay of the last one is left to the next, at most how much, and for how long. */
export const LATE_TIMES = 2
export const SLACK_MS_MAX = 500
export const SLACK_FOR_MS = 2_000
/** Origins of which that is known: those that were late last. */
const ORIGINS_KNOWN_MAX = 64

interface Slack {
  readonly slackMs: number
  readonly sinceMs: number
}

export class Lateness {
  /** By origin. */
  #slacks = new BoundedCache<string, Slack>(ORIGINS_KNOWN_MAX)

  /** A bundle of that origin came so late. `coveredMs`: what is waited for the next one anyway. */
  came(originKey: string, lateMs: number, coveredMs: number, nowMs: number): void {
    const slackMs = Math.min(SLACK_MS_MAX, LATE_TIMES * lateMs - coveredMs)
    // One as late as the last counts from its own time: under load all are.
    if (slackMs <= 0 || slackMs < this.slackMs(originKey, nowMs)) return
    this.#slacks.set(originKey, { slackMs, sinceMs: nowMs })
  }

  /** 0 to SLACK_MS_MAX. */
  slackMs(originKey: string, nowMs: number): number {
    const slack = this.#slacks.size === 0 ? undefined : this.#slacks.get(originKey)
    return slack === undefined || nowMs - slack.sinceMs >= SLACK_FOR_MS ? 0 : slack.slackMs
  }

  /** A link is gone: what is late from now on may be lost with it. */
  clear(): void {
    if (this.#slacks.size > 0) this.#slacks = new BoundedCache(ORIGINS_KNOWN_MAX)
  }
}

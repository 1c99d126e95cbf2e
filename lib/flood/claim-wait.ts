// How long what one neighbour claims of one epoch waits before it is asked for: time for the copies that are on their way.
// Claims come again and again while bundles flow, so there are steps: what had been claimed when a wait began is due when it
// is over, and the next wait begins with what was claimed since. While bundles of the origin keep coming by themselves, those
// above the newest are not missing but late: they have two seconds. docs/protocol.md, "What is asked for", "Lazy links".

import { type Spans, upTo } from './spans.ts'

/** So long what is late is waited for while newer bundles keep coming: under load a request would only add to it. */
export const LATE_MS_MAX = 2_000

/** What is due of a claim now. */
export interface Due {
  readonly spans: Spans
  /** When more of it may be due; infinite: never, as things stand. */
  readonly nextMs: number
  /** Why it counts as lost on its way. Null: nothing does, it is history, or this node's own load may be why it is late. */
  readonly overdue: Overdue | null
}

/** `gap`: what was published after it has come. `silence`: nothing has for as long as it waited. */
export type Overdue = 'gap' | 'silence'

/** What came by itself of the same origin and epoch. */
export interface News {
  /** The greatest number taken; -1: none. */
  readonly newest: number
  /** When the last new bundle came by itself, or bytes of a long one that is on its way. */
  readonly cameMs: number
  /** How much longer than the wait the next may take all the same, as long ones do. */
  readonly slackMs: number
}

export class ClaimWait {
  #begunMs = 0
  #waitMs = 0
  /** Numbers up to this one are due. */
  #dueTo = -1
  /** Those up to this one will be at `#nextMs`. */
  #nextTo = -1
  #nextMs = 0
  #toldMs = 0
  /** Those from this one on were published while the link was open. */
  #liveFrom = 0
  /** Numbers up to this one are late, since `#lateMs`. */
  #lateTo = -1
  #lateMs = 0

  /** The first claim since nothing was missing. `isHistory`: the answer to digests, of what was there before the link. */
  begin(lastNumber: number, nowMs: number, waitMs: number, isHistory: boolean): void {
    if (isHistory) this.#liveFrom = lastNumber + 1
    this.#begunMs = nowMs
    this.#waitMs = waitMs
    this.#dueTo = -1
    this.#nextTo = lastNumber
    this.#nextMs = nowMs + waitMs
    this.#toldMs = nowMs
    this.#lateTo = -1
  }

  /** Since when something that was claimed has been missing, as far as is known. */
  get begunMs(): number {
    return this.#begunMs
  }

  /** It was told again. */
  again(lastNumber: number, nowMs: number, waitMs: number): void {
    this.#toldMs = nowMs
    this.#waitMs = waitMs
    if (this.#dueTo < this.#nextTo || lastNumber <= this.#nextTo) return
    this.#nextTo = lastNumber
    this.#nextMs = nowMs + waitMs
  }

  /** What of `missing` is due. `lastNumber` is the greatest that is claimed now. */
  due(missing: Spans, lastNumber: number, news: News, nowMs: number): Due {
    this.#step(lastNumber, nowMs)
    const nextMs = this.#dueTo < this.#nextTo ? this.#nextMs : Number.POSITIVE_INFINITY
    const due = upTo(missing, this.#dueTo)
    if (due.length === 0) return { spans: due, nextMs, overdue: null }
    const last = due[due.length - 1]!
    const isLive = last >= this.#liveFrom
    if (last <= news.newest) return { spans: due, nextMs, overdue: isLive ? 'gap' : null }
    const patienceMs = this.#waitMs + news.slackMs
    if (nowMs - news.cameMs >= patienceMs) {
      // Nothing comes by itself any more: what was claimed a moment ago will not either.
      this.#lateTo = -1
      return { spans: missing, nextMs, overdue: isLive ? 'silence' : null }
    }
    if (this.#lateTo <= news.newest) {
      this.#lateTo = this.#dueTo
      this.#lateMs = nowMs
    }
    const isTooLate = nowMs - this.#lateMs >= LATE_MS_MAX
    const spans = upTo(due, isTooLate ? this.#lateTo : news.newest)
    // Its own load, and not the way, may be why it is late: nothing more is asked to come.
    const overdue = isLive && !isTooLate ? 'gap' : null
    const againMs = Math.min(
      news.cameMs + patienceMs,
      isTooLate ? Number.POSITIVE_INFINITY : this.#lateMs + LATE_MS_MAX,
    )
    return { spans, nextMs: Math.min(nextMs, againMs), overdue }
  }

  #step(lastNumber: number, nowMs: number): void {
    if (nowMs < this.#nextMs || this.#dueTo >= this.#nextTo) return
    this.#dueTo = this.#nextTo
    if (lastNumber <= this.#nextTo) return
    this.#nextTo = lastNumber
    this.#nextMs = this.#toldMs + this.#waitMs
    if (nowMs >= this.#nextMs) this.#dueTo = lastNumber
  }
}

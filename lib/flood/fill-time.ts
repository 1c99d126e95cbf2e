// How long a bundle is kept open for more messages, from how fast they come and how short processor time is. A program that
// publishes now and then never waits; one that publishes without pause shares a signature among many messages.
// docs/protocol.md, "Origins".

/** Longest time that a bundle is kept open for more messages, on a machine that keeps up. */
export const FILL_MS = 5
/** The same where this program's timers come late, for want of processor time: fewer signatures are the remedy. */
export const FILL_MS_MAX = 20
/** How much longer a bundle is kept open for each millisecond that timers come late. */
const FILL_PER_LATE_MS = 5
/** A timer's usual lateness. */
const LATE_MS_MIN = 1
/** Waiting is worth its delay when it gathers at least this many messages. */
export const FILL_MESSAGES_MIN = 4
/** What counts of the past, roughly. */
const SMOOTHED_MS = 20
const PER_S_MAX = 1_000_000_000
/** Beyond, it makes no difference. */
const LATE_US_MAX = 60_000_000

/**
 * All but the time are whole numbers that fit 31 bits, from the beginning on: V8 keeps a field's kind of number in the
 * shape of its object, and throws away code that was compiled for another. See docs/decisions/0016-cold-code.md.
 */
export class FillTime {
  #sinceMs: number = Number.NEGATIVE_INFINITY
  #messages = 0
  #bytes = 0
  /** Smoothed. */
  #messagesPerS = 0
  /** By how many microseconds the timers that end a bundle came late, smoothed. */
  #lateUs = 0

  /** Messages are worth waiting for. */
  get isFast(): boolean {
    return this.#messagesPerS * FILL_MS >= FILL_MESSAGES_MIN * 1_000
  }

  /** How long to wait for them. */
  get waitMs(): number {
    const lateMs = this.#lateUs / 1_000
    return lateMs < LATE_MS_MIN ? FILL_MS : Math.min(FILL_MS_MAX, FILL_MS + lateMs * FILL_PER_LATE_MS)
  }

  /** One message was published. */
  count(bytes: number): void {
    this.#messages++
    this.#bytes += bytes
  }

  /** At the end of a turn. Returns how many bytes come in the time that a bundle may be kept open, or null: nothing new. */
  measure(nowMs: number): number | null {
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < FILL_MS) return null
    const weight = Math.min(1, elapsedMs / SMOOTHED_MS)
    const perS = Math.min(PER_S_MAX, (this.#messages * 1_000) / elapsedMs)
    this.#messagesPerS = Math.round(this.#messagesPerS + weight * (perS - this.#messagesPerS))
    const bytes = Math.floor((this.#bytes / elapsedMs) * FILL_MS)
    this.#sinceMs = nowMs
    this.#messages = 0
    this.#bytes = 0
    return bytes
  }

  /** A timer that was to end a bundle at `dueMs` did so at `nowMs`. */
  ended(dueMs: number, nowMs: number): void {
    const lateUs = Math.min(LATE_US_MAX, (nowMs - dueMs) * 1_000)
    this.#lateUs = Math.round(this.#lateUs + (lateUs - this.#lateUs) / 4)
  }
}

// How long this machine has been suspended while the process lived. Linux's monotonic clock, by which Node's timers and
// `process.hrtime` go, stands still meanwhile; the time since the machine was started goes on (CLOCK_MONOTONIC and
// CLOCK_BOOTTIME of clock_gettime(2)). Without it a message would be as young after a night as it was in the evening.

/** Asking costs a system call or two, some microseconds. */
const LOOK_MS = 250
/** Far above the hundredths of a second in which the kernel tells how long it is up. */
const SUSPENDED_MS_MIN = 1_000

export class Suspension {
  readonly #upMs: () => number
  /** What the machine's time is ahead of the monotonic one, as of the last suspension. */
  #aheadMs: number
  #suspendedMs = 0
  #lookAtMs: number
  #isBlind = false

  /** `upMs`: since the machine was started, suspensions included; may throw. `awakeMs`: the monotonic clock's time now. */
  constructor(upMs: () => number, awakeMs: number) {
    this.#upMs = upMs
    this.#aheadMs = this.#ahead(awakeMs) ?? 0
    this.#lookAtMs = awakeMs + LOOK_MS
  }

  /** In all until now, never less than before. At most `LOOK_MS` of waking time behind. */
  totalMs(awakeMs: number): number {
    if (awakeMs >= this.#lookAtMs) this.#look(awakeMs)
    return this.#suspendedMs
  }

  #look(awakeMs: number): void {
    this.#lookAtMs = awakeMs + LOOK_MS
    const aheadMs = this.#ahead(awakeMs)
    if (aheadMs === null || aheadMs - this.#aheadMs < SUSPENDED_MS_MIN) return
    this.#suspendedMs += aheadMs - this.#aheadMs
    this.#aheadMs = aheadMs
  }

  #ahead(awakeMs: number): number | null {
    if (this.#isBlind) return null
    try {
      return this.#upMs() - awakeMs
    } catch {
      // Where a sandbox hides it, the monotonic clock is all there is.
      this.#isBlind = true
      return null
    }
  }
}

// One deadline at a time over a Clock: a state machine says when it wants to be called next, and is called then. Moving the
// deadline later costs nothing until the old one fires; so a deadline that is pushed back with every byte needs no timer each.

import type { Clock, Timer } from './world.ts'

/** Timers stand still while the machine is suspended, deadlines do not: how late one may be met after that. */
const LOOK_MS = 600_000

export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: Timer | null = null
  #timerMs = Number.POSITIVE_INFINITY
  #deadlineMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings at `deadlineMs` of the clock's monotonic time, in place of what was set before; null: not at all. */
  set(deadlineMs: number | null): void {
    this.#deadlineMs = deadlineMs ?? Number.POSITIVE_INFINITY
    if (this.#deadlineMs < this.#timerMs) this.#arm()
    else if (deadlineMs === null) this.cancel()
  }

  /** As `set`, unless it rings before that anyway. */
  hasten(deadlineMs: number): void {
    if (deadlineMs >= this.#deadlineMs) return
    this.#deadlineMs = deadlineMs
    if (deadlineMs < this.#timerMs) this.#arm()
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#deadlineMs = Number.POSITIVE_INFINITY
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timerMs = this.#deadlineMs
    const delayMs = Math.min(Math.max(0, this.#deadlineMs - this.#clock.nowMs()), LOOK_MS)
    this.#timer = this.#clock.timer(Math.ceil(delayMs), () => {
      this.#timer = null
      this.#timerMs = Number.POSITIVE_INFINITY
      if (this.#clock.nowMs() < this.#deadlineMs) {
        if (this.#deadlineMs < Number.POSITIVE_INFINITY) this.#arm()
        return
      }
      this.#deadlineMs = Number.POSITIVE_INFINITY
      this.#ring()
    })
  }
}

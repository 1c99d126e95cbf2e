// A clock that the test turns. Nothing runs by itself: `advance` moves time and rings what has come due, `settle` does what
// the end of a turn brings, again and again until nothing is left.

import type { Clock, Timer } from '../../lib/io/world.ts'

const TURNS_MAX = 1_000_000

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class FakeClock implements Clock {
  #nowMs = 1_000
  #order = 0
  readonly #timers = new Set<Pending>()
  #endOfTurn: (() => void)[] = []

  nowMs(): number {
    return this.#nowMs
  }

  unixMs(): number {
    return 1_800_000_000_000 + this.#nowMs
  }

  timer(delayMs: number, run: () => void): Timer {
    const pending = { atMs: this.#nowMs + delayMs, order: this.#order++, run }
    this.#timers.add(pending)
    return { cancel: () => this.#timers.delete(pending) }
  }

  endOfTurn(run: () => void): void {
    this.#endOfTurn.push(run)
  }

  /** Timers that have not rung. */
  get timerCount(): number {
    return this.#timers.size
  }

  /** Time goes by without anything being called: work that takes long. */
  skip(byMs: number): void {
    this.#nowMs += byMs
  }

  /** One turn: what was asked for until now. False when there was nothing. */
  turn(): boolean {
    const due = this.#endOfTurn
    if (due.length === 0) return false
    this.#endOfTurn = []
    for (const run of due) run()
    return true
  }

  settle(): void {
    for (let turns = 0; this.turn(); turns++) if (turns > TURNS_MAX) throw new Error('the turns do not end')
  }

  /** Moves time by so much, ringing every timer at its own time, each followed by its turns. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    this.settle()
    for (;;) {
      let next: Pending | null = null
      for (const timer of this.#timers) {
        if (timer.atMs > untilMs) continue
        if (next === null || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order))
          next = timer
      }
      if (next === null) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      this.settle()
    }
    this.#nowMs = untilMs
  }
}

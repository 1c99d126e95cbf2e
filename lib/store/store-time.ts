// The time by which a store on disk stamps what it keeps: milliseconds that never run backwards, over restarts too. Within a
// run they follow the monotonic clock, whatever the wall clock does; between two runs the wall clock says how much went by,
// and when it was set back, nothing did. Begins as Unix time, and means nothing else.

import type { Clock } from '../io/world.ts'

export class StoreTime {
  readonly #clock: Clock
  readonly #beganMs: number
  readonly #clockBeganMs: number

  /** `before`: store time and wall clock at the last commit of the run before; null when there was none. */
  constructor(clock: Clock, before: { readonly timeMs: number; readonly unixMs: number } | null) {
    this.#clock = clock
    this.#clockBeganMs = clock.nowMs()
    const unixMs = Math.floor(clock.unixMs())
    this.#beganMs = before === null ? unixMs : before.timeMs + Math.max(0, unixMs - before.unixMs)
  }

  nowMs(): number {
    return this.of(this.#clock.nowMs())
  }

  /** Of a time by the monotonic clock of this run; whole milliseconds. */
  of(clockMs: number): number {
    return Math.max(0, this.#beganMs + Math.floor(clockMs - this.#clockBeganMs))
  }

  /** The same the other way: by the monotonic clock of this run, below its zero for what was before. */
  toClock(timeMs: number): number {
    return this.#clockBeganMs + (timeMs - this.#beganMs)
  }
}

// Time as this machine gives it. Not a scheduler: who needs many deadlines keeps them and asks for one timer.
// Part of the door to the world (docs/protocol.md has no section for it).

import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from './world.ts'

/** The real clock. Its timers keep the process alive until they have run or are cancelled. */
export const nodeClock: Clock = {
  nowMs(): number {
    return performance.now()
  },

  unixMs(): number {
    return Date.now()
  },

  timer(delayMs: number, run: () => void): Timer {
    // setTimeout cuts fractions off, so that a deadline would be met early and its timer set a second time.
    const timeout = setTimeout(run, Math.ceil(delayMs))
    return {
      cancel(): void {
        clearTimeout(timeout)
      },
    }
  },

  endOfTurn(run: () => void): void {
    setImmediate(run)
  },
}

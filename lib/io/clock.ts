// Time as this machine gives it. Not a scheduler: who needs many deadlines keeps them and asks for one timer.
// Part of the door to the world (docs/protocol.md has no section for it).

import process from 'node:process'
import type { Clock, Timer } from './world.ts'

/** Half the function calls of `performance.now()`, which checks its `this`; a message takes some ten readings. */
const readNs = process.hrtime.bigint

/** The real clock. Its timers keep the process alive until they have run or are cancelled. */
export const nodeClock: Clock = {
  nowMs(): number {
    return Number(readNs()) / 1e6
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
    // Each an immediate of its own: what was written in one is let go of before the next, which takes the same buffer again.
    setImmediate(run)
  },
}

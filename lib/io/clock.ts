// Time as this machine gives it. Not a scheduler: who needs many deadlines keeps them and asks for one timer.
// Part of the door to the world (docs/protocol.md has no section for it).

import { uptime } from 'node:os'
import process from 'node:process'
import { Suspension } from './suspension.ts'
import type { Clock, Timer } from './world.ts'

/** Half the function calls of `performance.now()`, which checks its `this`; a message takes some ten readings. */
const readNs = process.hrtime.bigint

/** Elsewhere the monotonic clock goes on while the machine is suspended. */
const suspension = process.platform === 'linux' ? new Suspension(() => uptime() * 1_000, awakeMs()) : null

function awakeMs(): number {
  return Number(readNs()) / 1e6
}

/** The real clock. Its timers keep the process alive until they have run or are cancelled. */
export const nodeClock: Clock = {
  nowMs(): number {
    const nowMs = awakeMs()
    return suspension === null ? nowMs : nowMs + suspension.totalMs(nowMs)
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

// Waits for what a program does by itself, over real sockets: turn by turn, so that no time is lost, and bounded by time, since a
// busy machine may need many turns for little.

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'

const DEADLINE_MS = 10_000

/** Resolves when `condition` holds; fails with `what` after ten seconds. */
export async function until(condition: () => boolean, what: string = 'it did not come'): Promise<void> {
  const lateAtMs = performance.now() + DEADLINE_MS
  while (!condition()) {
    if (performance.now() > lateAtMs) assert.fail(what)
    await turn()
  }
}

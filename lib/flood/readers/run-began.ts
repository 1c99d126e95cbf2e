// When the run of an origin began, by our own monotonic clock. An epoch tells it by the origin's clock, and so does each bundle when it
// was made: the time between the two needs no clock that agrees with ours. docs/protocol.md, "Epochs".

import type { Clock } from '../../io/world.ts'
import { type Bundle, publishedMs } from '../bundle.ts'

/** Of an epoch's number, values that share a second. */
const EPOCHS_PER_S = 2 ** 20
/** The values of a second are taken by chance: a run may have begun so much before what its epoch says. */
const WITHIN_MS = 1_000

/**
 * Null: nobody can know. The epoch is of a later time than the bundle, because the origin's clock was set back since, or that of an
 * earlier run was ahead.
 */
export function runBeganMs(bundle: Bundle, clock: Clock): number | null {
  const ranMs = bundle.sentAtMs - (bundle.epoch / EPOCHS_PER_S) * 1000
  if (ranMs < -WITHIN_MS) return null
  return publishedMs(bundle, clock.nowMs(), clock.unixMs()) - Math.max(0, ranMs)
}

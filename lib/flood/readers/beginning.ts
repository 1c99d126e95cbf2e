// Where a reader begins: behind what it has done in an earlier run, or where `since` says. Looks into the store and, for a
// new durable reader, writes its beginning there. docs/guide.md, "History".

import type { Clock } from '../../io/world.ts'
import { type Bundle, bornMs } from '../bundle.ts'
import type { BundleStore, ReaderOffset } from '../bundle-store.ts'
import { CHECK_TIMEOUT_MS_MAX } from '../checks.ts'
import { WHOLE_BUNDLE } from './durable-offset.ts'
import type { ReadOptions } from './read-options.ts'

export interface Beginning {
  /** Bundles up to this arrival are done. */
  readonly position: number
  /** The bundle of this arrival is done up to this message. */
  readonly partly: ReaderOffset | null
  /** What was born before this monotonic time, by its age, is not for this reader, however late it comes; see `isTooOld`. */
  readonly bornMs: number
  /** The same time by the wall clock, as it was when the reader was made first. */
  readonly bornUnixMs: number
  /** The last that was stored by then. */
  readonly storedTo: number
  /** Current retained values that came up to `position` are told first. */
  readonly retainedFirst: boolean
  /** What the store has of this durable reader; null for a new one and for any other. */
  readonly offset: ReaderOffset | null
  /** Between `position` and what the store still has nothing may be missing without a word. */
  readonly goesOn: boolean
}

/** No durable name has U+0000 in it, so that these are nobody else's. */
function beganName(name: string): string {
  return `${name}\0began`
}

/**
 * `madeMs`: when the subscription was made, by the monotonic clock. `notFound` is called when the store no longer has the
 * message that `since` names.
 */
export function beginningOf(
  { since, durable }: Pick<ReadOptions, 'since' | 'durable'>,
  madeMs: number,
  store: Pick<BundleStore, 'find' | 'arrivalBefore' | 'lastArrival' | 'readOffset' | 'writeOffset'>,
  clock: Clock,
  notFound: () => void,
): Beginning {
  const offset = durable === null ? null : store.readOffset(durable)
  if (durable !== null && offset !== null) {
    const bornUnixMs = store.readOffset(beganName(durable))?.arrival ?? 0
    const bornMs = monotonicOf(bornUnixMs, clock)
    const position = offset.arrival - 1
    const storedTo = position
    return { position, partly: offset, bornMs, bornUnixMs, storedTo, retainedFirst: false, offset, goesOn: true }
  }
  const begun = newBeginning(since, madeMs, store, clock, notFound)
  if (durable !== null) store.writeOffset(beganName(durable), { arrival: begun.bornUnixMs, index: 0 })
  return begun
}

/**
 * Whether a bundle is older than what this reader asked for. What was stored when it was made goes by its age. What comes after
 * that must be too old by its time of sending as well: that is signed, and anybody on the way can raise an age; and a machine whose
 * clock was behind at its start does not know how old it is itself.
 */
export function isTooOld(
  bundle: Bundle,
  arrival: number,
  { bornMs: sinceMs, bornUnixMs, storedTo }: Beginning,
): boolean {
  // Ages are told in whole milliseconds.
  if (bornMs(bundle) + 1 >= sinceMs) return false
  return arrival <= storedTo || bundle.sentAtMs < bornUnixMs
}

function newBeginning(
  since: ReadOptions['since'],
  madeMs: number,
  store: Pick<BundleStore, 'find' | 'arrivalBefore' | 'lastArrival'>,
  clock: Clock,
  notFound: () => void,
): Beginning {
  const begin = (position: number, bornMs: number, more: Partial<Beginning> = {}): Beginning => {
    const bornUnixMs = bornMs === Number.NEGATIVE_INFINITY ? 0 : unixOf(bornMs, clock)
    const storedTo = store.lastArrival
    const rest = { partly: null, retainedFirst: false, offset: null, goesOn: false }
    return { position, bornMs, bornUnixMs, storedTo, ...rest, ...more }
  }
  switch (since?.kind) {
    case undefined:
      return begin(store.lastArrival, madeMs)
    case 'retained':
      return begin(store.lastArrival, madeMs, { retainedFirst: true })
    case 'stored':
      return begin(0, Number.NEGATIVE_INFINITY)
    case 'back': {
      const bornMs = madeMs - since.ms
      // What a check held back is stored late, with the time at which it came.
      return begin(store.arrivalBefore(clock.nowMs() - bornMs + CHECK_TIMEOUT_MS_MAX), bornMs)
    }
    case 'message': {
      const found = store.find(since.originKey, since.epoch, since.sequence)
      if (found === null) {
        notFound()
        return begin(0, Number.NEGATIVE_INFINITY)
      }
      const { arrival, bundle } = found
      const partly = { arrival, index: since.sequence - bundle.first }
      return begin(arrival - 1, Number.NEGATIVE_INFINITY, { partly, goesOn: true })
    }
  }
}

/** An offset that says the same as `position` and `partly`. */
export function offsetOf({ position, partly }: Pick<Beginning, 'position' | 'partly'>): ReaderOffset {
  return partly ?? { arrival: position, index: WHOLE_BUNDLE }
}

function unixOf(monotonicMs: number, clock: Clock): number {
  return Math.max(1, Math.floor(clock.unixMs() - (clock.nowMs() - monotonicMs)))
}

/** 0: since ever. A clock that was set back behind that time says nothing about what came before. */
function monotonicOf(unixMs: number, clock: Clock): number {
  const sinceMs = clock.unixMs() - unixMs
  return unixMs === 0 || sinceMs < 0 ? Number.NEGATIVE_INFINITY : clock.nowMs() - sinceMs
}

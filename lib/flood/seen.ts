// The seen-message cache: which (origin, epoch, sequence) this node has taken, exactly within its bounds and without a
// clock, so that nothing is delivered twice however late a copy comes. It does not know bundles' contents or signatures;
// the router asks `look` before it verifies and calls `mark` after. docs/protocol.md, "Seen".

import { EPOCHS_PER_ORIGIN_MAX, ORIGINS_MAX, RANGES_MAX } from '../limits.ts'
import { Ranges } from './ranges.ts'

/** A gap that no neighbour claimed for so long may be given up when ranges run out. */
export const GAP_GIVEN_UP_MS = 60_000
/** An origin silent for longer than anything is retained may be forgotten: seven days. */
export const ORIGIN_SILENT_MS: number = 7 * 24 * 3600 * 1000
/** Looking for a silent origin reads the whole table; not more often than this. */
const EVICTION_SCAN_MS = 1_000

/**
 * `new`: none of the numbers is taken. `duplicate`: all are. `overlap`: some are, which an honest origin never does.
 * `old-epoch`: older than all that are kept. `no-room`: a bound is reached; try again later.
 */
export type Sighting = 'new' | 'duplicate' | 'overlap' | 'old-epoch' | 'no-room'

interface Origin {
  readonly epochs: Map<number, Ranges>
  /** Key of the neighbour that brought its first bundle, or '' for ourselves. */
  readonly introducedBy: string
  lastHeardMs: number
}

export interface SeenBounds {
  readonly originsMax: number
  readonly rangesMax: number
}

export class Seen {
  readonly #bounds: SeenBounds
  readonly #origins = new Map<string, Origin>()
  readonly #introduced = new Map<string, number>()
  #epochs = 0
  #ranges = 0
  #lastScanMs = Number.NEGATIVE_INFINITY

  constructor(bounds: SeenBounds = { originsMax: ORIGINS_MAX, rangesMax: RANGES_MAX }) {
    this.#bounds = bounds
  }

  get counts(): { origins: number; epochs: number; ranges: number } {
    return { origins: this.#origins.size, epochs: this.#epochs, ranges: this.#ranges }
  }

  /** `origin` is any text that is the same for the same origin. Changes nothing. */
  look(origin: string, epoch: number, first: number, last: number): 'new' | 'duplicate' | 'overlap' | 'old-epoch' {
    const entry = this.#origins.get(origin)
    if (entry === undefined) return 'new'
    const ranges = entry.epochs.get(epoch)
    if (ranges === undefined) {
      const full = entry.epochs.size >= EPOCHS_PER_ORIGIN_MAX
      return full && epoch < oldest(entry.epochs) ? 'old-epoch' : 'new'
    }
    const overlap = ranges.overlap(first, last)
    return overlap === 'none' ? 'new' : overlap === 'all' ? 'duplicate' : 'overlap'
  }

  /**
   * Takes the numbers first…last. Only for a verified bundle. `neighbour` is the key of who brought it ('' for our own).
   * Returns what `look` would have said; on `new` and `overlap` they are marked, on the others nothing changes.
   */
  mark(origin: string, epoch: number, first: number, last: number, neighbour: string, nowMs: number): Sighting {
    const sighting = this.look(origin, epoch, first, last)
    if (sighting === 'duplicate' || sighting === 'old-epoch') return sighting
    let entry = this.#origins.get(origin)
    const ranges = entry?.epochs.get(epoch)
    if (ranges === undefined) {
      if (this.#ranges >= this.#bounds.rangesMax && neighbour !== '') return 'no-room'
    } else if (!this.#makeRoom(ranges, first, last, nowMs)) {
      return 'no-room'
    }
    if (entry === undefined) {
      if (!this.#mayIntroduce(neighbour, nowMs)) return 'no-room'
      entry = { epochs: new Map(), introducedBy: neighbour, lastHeardMs: nowMs }
      this.#origins.set(origin, entry)
      this.#introduced.set(neighbour, (this.#introduced.get(neighbour) ?? 0) + 1)
    }
    entry.lastHeardMs = nowMs
    const into = ranges ?? this.#openEpoch(entry, epoch)
    this.#ranges += into.add(first, last, nowMs)
    return sighting
  }

  /** The newest epoch seen of an origin, or null. */
  newestEpoch(origin: string): number | null {
    const entry = this.#origins.get(origin)
    if (entry === undefined) return null
    let newest = -1
    for (const epoch of entry.epochs.keys()) newest = Math.max(newest, epoch)
    return newest
  }

  /** first, last, first, last, … of what is taken; empty when nothing is. */
  taken(origin: string, epoch: number): number[] {
    return this.#origins.get(origin)?.epochs.get(epoch)?.toArray() ?? []
  }

  #openEpoch(entry: Origin, epoch: number): Ranges {
    if (entry.epochs.size >= EPOCHS_PER_ORIGIN_MAX) {
      const dropped = oldest(entry.epochs)
      this.#ranges -= entry.epochs.get(dropped)!.count
      entry.epochs.delete(dropped)
      this.#epochs--
    }
    const ranges = new Ranges()
    entry.epochs.set(epoch, ranges)
    this.#epochs++
    return ranges
  }

  #makeRoom(ranges: Ranges, first: number, last: number, nowMs: number): boolean {
    while (ranges.wouldOverflow(first, last)) {
      const change = ranges.giveUpLowestGap(nowMs, GAP_GIVEN_UP_MS)
      if (change === null) return false
      this.#ranges += change
    }
    return this.#ranges < this.#bounds.rangesMax || !ranges.beginsRange(first, last)
  }

  #mayIntroduce(neighbour: string, nowMs: number): boolean {
    if (neighbour === '' || this.#hasPlaceFor(neighbour)) return true
    if (nowMs - this.#lastScanMs < EVICTION_SCAN_MS) return false
    this.#lastScanMs = nowMs
    this.#evictSilent(nowMs)
    return this.#hasPlaceFor(neighbour)
  }

  #hasPlaceFor(neighbour: string): boolean {
    const { originsMax } = this.#bounds
    return this.#origins.size < originsMax && (this.#introduced.get(neighbour) ?? 0) < originsMax / 4
  }

  #evictSilent(nowMs: number): void {
    for (const [origin, entry] of this.#origins) {
      if (nowMs - entry.lastHeardMs <= ORIGIN_SILENT_MS) continue
      this.#origins.delete(origin)
      this.#epochs -= entry.epochs.size
      for (const ranges of entry.epochs.values()) this.#ranges -= ranges.count
      const left = (this.#introduced.get(entry.introducedBy) ?? 1) - 1
      if (left === 0) this.#introduced.delete(entry.introducedBy)
      else this.#introduced.set(entry.introducedBy, left)
    }
  }
}

function oldest(epochs: ReadonlyMap<number, Ranges>): number {
  let result = Number.POSITIVE_INFINITY
  for (const epoch of epochs.keys()) result = Math.min(result, epoch)
  return result
}

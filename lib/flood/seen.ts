// The seen-message cache: which (origin, epoch, sequence) this node has taken, exactly within its bounds and without a
// clock, so that nothing is delivered twice however late a copy comes. It does not know bundles' contents or signatures;
// the router asks `look` before it verifies and calls `mark` after. docs/protocol.md, "Seen".

import { EPOCHS_PER_ORIGIN_MAX, ORIGINS_MAX, RANGES_MAX, RANGES_PER_ORIGIN_MAX } from '../limits.ts'
import { Ranges } from './ranges.ts'
import type { Spans } from './spans.ts'

/** A gap as old as this, of which no neighbour claims anything, may be given up when ranges run out. */
export const GAP_GIVEN_UP_MS = 60_000
/** An origin silent for longer than anything is retained may be forgotten: seven days. */
export const ORIGIN_SILENT_MS: number = 7 * 24 * 3600 * 1000
/** Looking for origins that may go reads the whole table; not more often than this. */
const EVICTION_SCAN_MS = 1_000
/** An origin of which no more numbers are known, in one range, may go when there is no room for a new one. */
const SLIGHT_NUMBERS = 16
/** Of the origins that one neighbour may introduce, the part that goes at a time. */
const SLIGHT_PART = 1 / 4

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
  /** Ranges of all its epochs. */
  ranges: number
  /** Ourselves: makes room for nobody. */
  isOwn: boolean
  /** Epochs below it were given up: nothing of them is taken any more. */
  floor: number
}

export interface SeenOptions {
  readonly originsMax?: number
  readonly rangesMax?: number
  readonly rangesPerOriginMax?: number
  /** Whether any neighbour says that it holds any of these: then they are worth waiting for. Absent: nobody does. */
  isClaimed?(origin: string, epoch: number, first: number, last: number): boolean
}

const NOTHING: Spans = Object.freeze([])

export class Seen {
  readonly #originsMax: number
  readonly #rangesMax: number
  readonly #rangesPerOriginMax: number
  readonly #isClaimed: NonNullable<SeenOptions['isClaimed']>
  readonly #origins = new Map<string, Origin>()
  readonly #introduced = new Map<string, number>()
  #epochs = 0
  #ranges = 0
  #lastScanMs = Number.NEGATIVE_INFINITY

  constructor(options: SeenOptions = {}) {
    this.#originsMax = options.originsMax ?? ORIGINS_MAX
    this.#rangesMax = options.rangesMax ?? RANGES_MAX
    this.#rangesPerOriginMax = options.rangesPerOriginMax ?? RANGES_PER_ORIGIN_MAX
    this.#isClaimed = (...numbers) => options.isClaimed?.(...numbers) ?? false
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
      return isPast(entry, epoch) ? 'old-epoch' : 'new'
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
      if (neighbour !== '' && !this.#hasRoomForEpoch(origin, entry, nowMs)) return 'no-room'
    } else if (!this.#makeRoom(origin, entry!, epoch, ranges, first, last, nowMs)) {
      return 'no-room'
    }
    if (entry === undefined) {
      if (!this.#mayIntroduce(neighbour, nowMs)) return 'no-room'
      entry = this.#introduce(origin, neighbour, nowMs)
    }
    // This epoch may have been given up for room.
    if (this.isPast(origin, epoch)) return 'old-epoch'
    entry.lastHeardMs = nowMs
    if (neighbour === '') entry.isOwn = true
    const into = entry.epochs.get(epoch) ?? this.#openEpoch(entry, epoch)
    const change = into.add(first, last, nowMs)
    entry.ranges += change
    this.#ranges += change
    return sighting
  }

  /**
   * Takes what an earlier run had taken: only at a start, before anything is marked. Beyond the bounds of one epoch its lowest
   * gaps count as taken, beyond that of all ranges every gap of what is restored; beyond the others, and for an epoch that is too
   * old, nothing is taken and it returns false.
   */
  restore(origin: string, epoch: number, spans: Spans, nowMs: number): boolean {
    if (spans.length === 0) return true
    // Where there is no room for all its gaps, they count as taken.
    if (this.#ranges + spans.length / 2 > this.#rangesMax) spans = [spans[0]!, spans[spans.length - 1]!]
    if (this.#ranges >= this.#rangesMax || this.isPast(origin, epoch)) return false
    let entry = this.#origins.get(origin)
    if (entry === undefined) {
      if (this.#origins.size >= this.#originsMax) return false
      entry = this.#introduce(origin, '', nowMs)
    }
    const change = (entry.epochs.get(epoch) ?? this.#openEpoch(entry, epoch)).restore(spans, nowMs)
    entry.ranges += change
    this.#ranges += change
    return true
  }

  /** Whether anything is known of that origin. */
  knows(origin: string): boolean {
    return this.#origins.has(origin)
  }

  /** What of these is not taken and could be; may be `spans` itself. Changes nothing. */
  missing(origin: string, epoch: number, spans: Spans): Spans {
    const entry = this.#origins.get(origin)
    if (entry === undefined) return spans
    const ranges = entry.epochs.get(epoch)
    if (ranges !== undefined) return ranges.missingOf(spans)
    return isPast(entry, epoch) ? NOTHING : spans
  }

  /** The greatest number taken of that epoch; -1: none. */
  lastTaken(origin: string, epoch: number): number {
    return this.#origins.get(origin)?.epochs.get(epoch)?.last ?? -1
  }

  /** Older than all epochs that are kept of that origin: nothing of it will ever be taken. */
  isPast(origin: string, epoch: number): boolean {
    const entry = this.#origins.get(origin)
    return entry !== undefined && !entry.epochs.has(epoch) && isPast(entry, epoch)
  }

  /** When a bundle of that origin was last taken, by the clock of `mark`; null for one that is not known. */
  lastHeardMs(origin: string): number | null {
    return this.#origins.get(origin)?.lastHeardMs ?? null
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
    if (entry.epochs.size >= EPOCHS_PER_ORIGIN_MAX) this.#dropEpoch(entry, oldest(entry.epochs))
    const ranges = new Ranges()
    entry.epochs.set(epoch, ranges)
    this.#epochs++
    return ranges
  }

  #dropEpoch(entry: Origin, epoch: number): void {
    const { count } = entry.epochs.get(epoch)!
    entry.ranges -= count
    this.#ranges -= count
    entry.epochs.delete(epoch)
    this.#epochs--
  }

  #introduce(origin: string, neighbour: string, nowMs: number): Origin {
    const entry: Origin = {
      epochs: new Map(),
      introducedBy: neighbour,
      lastHeardMs: nowMs,
      ranges: 0,
      isOwn: false,
      floor: 0,
    }
    this.#origins.set(origin, entry)
    this.#introduced.set(neighbour, (this.#introduced.get(neighbour) ?? 0) + 1)
    return entry
  }

  /** Room for these in an epoch that is known, made by giving up gaps where need be. */
  #makeRoom(
    origin: string,
    entry: Origin,
    epoch: number,
    ranges: Ranges,
    first: number,
    last: number,
    nowMs: number,
  ): boolean {
    while (ranges.wouldOverflow(first, last)) if (!this.#giveUpGap(origin, entry, epoch, ranges, nowMs)) return false
    if (entry.ranges < this.#rangesPerOriginMax && this.#ranges < this.#rangesMax) return true
    if (!ranges.beginsRange(first, last)) return true
    return this.#hasRoomForEpoch(origin, entry, nowMs)
  }

  /** Room for one more range of this origin, in whatever epoch. */
  #hasRoomForEpoch(origin: string, entry: Origin | undefined, nowMs: number): boolean {
    if (entry !== undefined && entry.ranges >= this.#rangesPerOriginMax && !this.#thin(origin, entry, nowMs))
      return false
    if (this.#ranges >= this.#rangesMax) this.#cutDown()
    return this.#ranges < this.#rangesMax
  }

  /**
   * All ranges are used up. Whoever has more than half as many as the origin that has most pays for it: with its lowest gaps, and
   * then with its oldest epochs. One that has a handful loses nothing to others that have thousands.
   */
  #cutDown(): void {
    let most = 0
    for (const { ranges } of this.#origins.values()) most = Math.max(most, ranges)
    const share = Math.max(1, Math.floor(most / 2))
    for (const entry of this.#origins.values()) {
      if (entry.ranges <= share || entry.isOwn) continue
      const epochs = Array.from(entry.epochs.keys()).sort((a, b) => a - b)
      for (const epoch of epochs) {
        const ranges = entry.epochs.get(epoch)!
        const change = ranges.giveUpGaps(ranges.count - (entry.ranges - share))
        entry.ranges += change
        this.#ranges += change
      }
      for (let i = 0; entry.ranges > share; i++) {
        this.#dropEpoch(entry, epochs[i]!)
        entry.floor = epochs[i]! + 1
      }
    }
  }

  /** Gives up gaps of an origin, of its oldest epoch first, until it has a range less. */
  #thin(origin: string, entry: Origin, nowMs: number): boolean {
    const before = entry.ranges
    for (const epoch of Array.from(entry.epochs.keys()).sort((a, b) => a - b)) {
      const ranges = entry.epochs.get(epoch)!
      while (entry.ranges >= before && this.#giveUpGap(origin, entry, epoch, ranges, nowMs)) {}
      if (entry.ranges < before) return true
    }
    return false
  }

  #giveUpGap(origin: string, entry: Origin, epoch: number, ranges: Ranges, nowMs: number): boolean {
    const isClaimed = (first: number, last: number): boolean => this.#isClaimed(origin, epoch, first, last)
    const change = ranges.giveUpLowestGap(nowMs, GAP_GIVEN_UP_MS, isClaimed)
    if (change === null) return false
    entry.ranges += change
    this.#ranges += change
    return true
  }

  #mayIntroduce(neighbour: string, nowMs: number): boolean {
    if (neighbour === '' || this.#hasPlaceFor(neighbour)) return true
    if (nowMs - this.#lastScanMs < EVICTION_SCAN_MS) return false
    this.#lastScanMs = nowMs
    this.#evictSilent(nowMs)
    if (!this.#hasPlaceFor(neighbour)) this.#evictSlight(neighbour)
    return this.#hasPlaceFor(neighbour)
  }

  #hasPlaceFor(neighbour: string): boolean {
    const introduced = this.#introduced.get(neighbour) ?? 0
    return this.#origins.size < this.#originsMax && introduced < this.#originsMax / 4
  }

  #evictSilent(nowMs: number): void {
    for (const [origin, entry] of this.#origins) {
      if (nowMs - entry.lastHeardMs > ORIGIN_SILENT_MS) this.#forget(origin, entry)
    }
  }

  /**
   * The table, or the share of this neighbour, is full: origins of which hardly anything is known make room, those first that
   * came first. They can be made up by the thousand, and must not keep out whoever comes next.
   */
  #evictSlight(neighbour: string): void {
    const isFull = this.#origins.size >= this.#originsMax
    let left = Math.max(1, Math.floor((this.#originsMax / 4) * SLIGHT_PART))
    for (const [origin, entry] of this.#origins) {
      if (left === 0) return
      if (!isSlight(entry) || !(isFull || entry.introducedBy === neighbour)) continue
      this.#forget(origin, entry)
      left--
    }
  }

  #forget(origin: string, entry: Origin): void {
    this.#origins.delete(origin)
    this.#epochs -= entry.epochs.size
    this.#ranges -= entry.ranges
    const left = (this.#introduced.get(entry.introducedBy) ?? 1) - 1
    if (left === 0) this.#introduced.delete(entry.introducedBy)
    else this.#introduced.set(entry.introducedBy, left)
  }
}

function isSlight({ epochs, ranges, isOwn }: Origin): boolean {
  if (epochs.size !== 1 || ranges !== 1 || isOwn) return false
  const [first, last] = epochs.values().next().value!.toArray() as [number, number]
  return last - first < SLIGHT_NUMBERS
}

/** `epoch` is not among the entry's. */
function isPast(entry: Origin, epoch: number): boolean {
  return epoch < entry.floor || (entry.epochs.size >= EPOCHS_PER_ORIGIN_MAX && epoch < oldest(entry.epochs))
}

function oldest(epochs: ReadonlyMap<number, Ranges>): number {
  let result = Number.POSITIVE_INFINITY
  for (const epoch of epochs.keys()) result = Math.min(result, epoch)
  return result
}

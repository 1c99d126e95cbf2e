// Which numbers of which source were taken, so that nothing is delivered twice however often a copy or a recording comes.
// Exact within its bounds and without a clock; what it forgets is safe by the rule of own-epochs.ts. docs/protocol.md,
// "Replay".

import {
  DIRECT_EPOCHS_PER_SOURCE_MAX,
  DIRECT_RANGES_MAX,
  DIRECT_RANGES_PER_EPOCH_MAX,
  DIRECT_SOURCES_MAX,
} from '../limits.ts'
import type { Numbered } from './content.ts'
import type { OwnEpochs } from './own-epochs.ts'

/** No honest source tries again after so long, so a gap as old as this may count as taken when ranges run out. */
export const GAP_GIVEN_UP_MS = 60_000
/** Looking for sources to forget reads the whole table; not more often than this. */
const SCAN_MS = 1_000

/** Sorted ranges of whole numbers; the flood has such a thing for its own numbers. */
export interface NumberRanges {
  readonly count: number
  overlap(first: number, last: number): 'none' | 'all' | 'some'
  /** Whether `add` of these would begin a range of its own. */
  beginsRange(first: number, last: number): boolean
  /** By how much `count` changed. */
  add(first: number, last: number, nowMs: number): number
  /** Marks the lowest gap when it is as old as that. By how much `count` changed, or null when nothing was marked. */
  giveUpLowestGap(nowMs: number, ageMs: number): number | null
}

/** `new`: it is taken by this. `taken`: it was before. `too-old`: of an epoch before all that are kept. `no-room`: later. */
export type Taking = 'new' | 'taken' | 'too-old' | 'no-room'

/** The link over which sources were first heard, and what they take. */
interface Introducer {
  readonly linkKey: string
  sources: number
  ranges: number
}

interface Source {
  readonly epochs: Map<number, NumberRanges>
  readonly introducedBy: Introducer
  /** `moves` of our own epochs when something of it was last taken. */
  takenAtMove: number
}

export interface SourcesBounds {
  readonly sourcesMax: number
  readonly rangesMax: number
}

const BOUNDS: SourcesBounds = { sourcesMax: DIRECT_SOURCES_MAX, rangesMax: DIRECT_RANGES_MAX }

export class Sources {
  readonly #ownEpochs: OwnEpochs
  readonly #newRanges: () => NumberRanges
  readonly #bounds: SourcesBounds
  readonly #sources = new Map<string, Source>()
  readonly #introducers = new Map<string, Introducer>()
  #ranges = 0
  #lastScanMs = Number.NEGATIVE_INFINITY

  constructor(ownEpochs: OwnEpochs, newRanges: () => NumberRanges, bounds: SourcesBounds = BOUNDS) {
    this.#ownEpochs = ownEpochs
    this.#newRanges = newRanges
    this.#bounds = bounds
  }

  get counts(): { sources: number; ranges: number } {
    return { sources: this.#sources.size, ranges: this.#ranges }
  }

  /** Changes nothing. `sourceKey`: the identity key, which a public key and its negative share. */
  isTaken(sourceKey: string, number: Numbered): boolean {
    const ranges = this.#sources.get(sourceKey)?.epochs.get(number.epoch)
    return ranges !== undefined && ranges.overlap(number.sequence, number.sequence) !== 'none'
  }

  /** Takes a number of a source that has proven itself, sealed for an epoch of ours. */
  take(sourceKey: string, number: Numbered, linkKey: string, nowMs: number): Taking {
    const { epoch, sequence } = number
    const known = this.#sources.get(sourceKey)
    const ranges = known?.epochs.get(epoch)
    if (known !== undefined && ranges !== undefined) {
      if (ranges.overlap(sequence, sequence) !== 'none') return 'taken'
      // When the source itself was forgotten to make room, it begins anew with its next try.
      if (!this.#makeRoom(known, ranges, sequence, nowMs) || this.#sources.get(sourceKey) !== known) return 'no-room'
      this.#add(known, ranges, sequence, nowMs)
      return 'new'
    }
    if (known !== undefined && known.epochs.size >= DIRECT_EPOCHS_PER_SOURCE_MAX && epoch < oldest(known.epochs)) {
      return 'too-old'
    }
    if (!this.#hasRoomOver(known?.introducedBy.linkKey ?? linkKey, known === undefined)) {
      this.#forgetSome(nowMs)
      if (!this.#hasRoomOver(known?.introducedBy.linkKey ?? linkKey, known === undefined)) return 'no-room'
    }
    // What was forgotten just now may have been of this source.
    const source = this.#sources.get(sourceKey) ?? this.#introduce(sourceKey, linkKey)
    this.#add(source, this.#openEpoch(source, epoch), sequence, nowMs)
    return 'new'
  }

  #add(source: Source, ranges: NumberRanges, sequence: number, nowMs: number): void {
    source.takenAtMove = this.#ownEpochs.moves
    this.#count(source, ranges.add(sequence, sequence, nowMs))
  }

  #makeRoom(source: Source, ranges: NumberRanges, sequence: number, nowMs: number): boolean {
    if (!ranges.beginsRange(sequence, sequence)) return true
    if (ranges.count >= DIRECT_RANGES_PER_EPOCH_MAX) {
      const change = ranges.giveUpLowestGap(nowMs, GAP_GIVEN_UP_MS)
      if (change === null) return false
      this.#count(source, change)
      // The number itself may have lain in that gap, or between what is left of two.
      if (ranges.overlap(sequence, sequence) !== 'none') return false
      return ranges.count < DIRECT_RANGES_PER_EPOCH_MAX || !ranges.beginsRange(sequence, sequence)
    }
    const { linkKey } = source.introducedBy
    if (this.#hasRoomOver(linkKey, false)) return true
    this.#forgetSome(nowMs)
    return this.#hasRoomOver(linkKey, false)
  }

  #openEpoch(source: Source, epoch: number): NumberRanges {
    if (source.epochs.size >= DIRECT_EPOCHS_PER_SOURCE_MAX) {
      const dropped = oldest(source.epochs)
      this.#count(source, -source.epochs.get(dropped)!.count)
      source.epochs.delete(dropped)
    }
    const ranges = this.#newRanges()
    source.epochs.set(epoch, ranges)
    return ranges
  }

  #introduce(sourceKey: string, linkKey: string): Source {
    const introducedBy = this.#introducers.get(linkKey) ?? { linkKey, sources: 0, ranges: 0 }
    this.#introducers.set(linkKey, introducedBy)
    introducedBy.sources++
    const source: Source = { epochs: new Map(), introducedBy, takenAtMove: this.#ownEpochs.moves }
    this.#sources.set(sourceKey, source)
    return source
  }

  #count(source: Source, ranges: number): void {
    this.#ranges += ranges
    source.introducedBy.ranges += ranges
  }

  /** For one more range, of one more source or not. What came over one link may take a quarter of everything. */
  #hasRoomOver(linkKey: string, isNewSource: boolean): boolean {
    const { sourcesMax, rangesMax } = this.#bounds
    const { sources = 0, ranges = 0 } = this.#introducers.get(linkKey) ?? {}
    if (this.#ranges >= rangesMax || ranges >= rangesMax / 4) return false
    return !isNewSource || (this.#sources.size < sourcesMax && sources < sourcesMax / 4)
  }

  /** Forgets what no recording can bring back. When nothing is such, moves our epoch on, so that something will be. */
  #forgetSome(nowMs: number): void {
    if (nowMs - this.#lastScanMs < SCAN_MS) return
    this.#lastScanMs = nowMs
    const before = this.#sources.size
    for (const [key, source] of this.#sources) {
      if (source.takenAtMove + 2 <= this.#ownEpochs.moves) this.#forget(key, source)
    }
    if (this.#sources.size === before) this.#ownEpochs.move(nowMs)
  }

  #forget(key: string, source: Source): void {
    this.#sources.delete(key)
    for (const ranges of source.epochs.values()) this.#count(source, -ranges.count)
    const { introducedBy } = source
    introducedBy.sources--
    if (introducedBy.sources === 0) this.#introducers.delete(introducedBy.linkKey)
  }
}

function oldest(epochs: ReadonlyMap<number, NumberRanges>): number {
  let result = Number.POSITIVE_INFINITY
  for (const epoch of epochs.keys()) result = Math.min(result, epoch)
  return result
}

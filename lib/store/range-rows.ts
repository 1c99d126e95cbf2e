// One set of numbers on disk within one transaction: read row by row as it is touched, changed here, and written at the end.
// However many gaps it has, a change costs a few short rows, as in a B-tree. docs/protocol.md, "Seen".
//
// The head holds the highest ranges, and nearly always that is all. What it has no room for lies below it in leaves, each
// under the last number that it covers; it covers all from the leaf before it on, the head all above the last one. A range
// that crosses such a border is parted there, so that no change concerns more rows than it has numbers in.

import { exclude, include } from '../flood/spans.ts'
import type { Database, DatabaseChange } from '../io/world.ts'
import { readNumber, runKey, type Table } from './keys.ts'
import { rangesValue, readRanges } from './layout.ts'

/** A row with more is parted in two. Of such ranges a row takes 1 KiB at most, a quarter of a page, and mostly a fifth of that. */
export const ROW_RANGES_MAX = 64
/** Neighbouring rows are joined when both together have no more: half full, so that the next change does not part them again. */
const JOINED_RANGES_MAX = 32

/** Where a set lies. */
export interface RangePlace {
  readonly headKey: Uint8Array
  readonly leafTable: typeof Table.takenLeaf | typeof Table.heldLeaf
  /** Origin and epoch, as in keys. */
  readonly run: Uint8Array
  /** The numbers that it may have. */
  readonly first: number
  readonly last: number
}

interface Leaf {
  /** The last number that it covers. */
  readonly last: number
  /** None: it is no longer there. */
  ranges: number[]
  isChanged: boolean
}

export class RangeRows {
  /** The database has nothing in this place. */
  readonly isNew: boolean
  readonly #database: Database
  readonly #place: RangePlace
  readonly #head: number[]
  #isHeadChanged = false
  /** Ranges in all leaves. */
  #below = 0
  /** Ascending: those that were read or made here. */
  readonly #leaves: Leaf[] = []
  readonly #isStored: boolean

  /** `isStored` false: whatever the database has in this place is being taken out by the same transaction. */
  constructor(database: Database, place: RangePlace, isStored = true) {
    this.#database = database
    this.#place = place
    this.#isStored = isStored
    const value = isStored ? database.get(place.headKey) : null
    const found = readRanges(value)
    this.isNew = value === null
    this.#head = found?.ranges ?? []
    this.#below = found?.below ?? 0
    if (this.isNew || found !== null) return
    // Damaged: what lies below it is there all the same.
    for (const { ranges } of this.#stored(place.first, place.last)) this.#below += countOf(ranges)
  }

  /** How many ranges there are; one that crosses a border counts as two. */
  get count(): number {
    return this.#below + countOf(this.#head)
  }

  include(first: number, last: number): void {
    this.#change(include, first, last)
  }

  exclude(first: number, last: number): void {
    this.#change(exclude, first, last)
  }

  /** Gives up the lowest gaps, that below the first range included, until there are no more ranges than so many. */
  giveUpGaps(countMax: number): void {
    while (this.count > countMax) this.#giveUpLowestGap()
  }

  /** Puts what was changed at the end of `changes`. With a `stamp` the head is written in any case. */
  write(changes: DatabaseChange[], stamp: number | null): void {
    for (const leaf of this.#leaves.slice()) if (leaf.isChanged && leaf.ranges.length > 0) this.#joinAround(leaf)
    this.#joinBelow(null)
    for (const { last, ranges, isChanged } of this.#leaves) {
      if (!isChanged) continue
      changes.push({ key: this.#leafKey(last), value: ranges.length === 0 ? null : rangesValue(0, 0, ranges) })
    }
    if (stamp === null && !this.#isHeadChanged) return
    const isGone = stamp === null && this.count === 0
    const value = isGone ? null : rangesValue(stamp ?? 0, this.#below, this.#head)
    changes.push({ key: this.#place.headKey, value })
  }

  #change(change: (ranges: number[], first: number, last: number) => void, first: number, last: number): void {
    for (let from = first; from <= last; ) {
      const leaf = this.#leafAt(from)
      const to = leaf === null ? last : Math.min(last, leaf.last)
      this.#edit(leaf, (ranges) => change(ranges, from, to))
      from = to + 1
    }
  }

  /** Changes one row, the head when `leaf` is null; what it has no room for then goes to new leaves. */
  #edit(leaf: Leaf | null, change: (ranges: number[]) => void): void {
    const ranges = leaf?.ranges ?? this.#head
    const before = countOf(ranges)
    change(ranges)
    if (leaf === null) {
      this.#isHeadChanged = true
    } else {
      leaf.isChanged = true
      this.#below += countOf(ranges) - before
      this.#isHeadChanged ||= countOf(ranges) !== before
    }
    while (countOf(ranges) > ROW_RANGES_MAX) this.#addLeaf(ranges.splice(0, ROW_RANGES_MAX), leaf)
  }

  /** The lower half of a row moves out of it. */
  #addLeaf(ranges: number[], from: Leaf | null): void {
    if (from === null) this.#below += countOf(ranges)
    const last = ranges[ranges.length - 1]!
    const at = this.#placeOf(last)
    const known = this.#leaves[at]
    if (known?.last !== last) {
      this.#leaves.splice(at, 0, { last, ranges, isChanged: true })
    } else {
      // One that had been emptied in this transaction.
      known.ranges = ranges
      known.isChanged = true
    }
  }

  /** The leaf that covers `number`; null: the head does. */
  #leafAt(number: number): Leaf | null {
    if (this.#below === 0 || (this.#head.length > 0 && number >= this.#head[0]!)) return null
    let known: Leaf | null = null
    for (let at = this.#placeOf(number); at < this.#leaves.length && known === null; at++) {
      if (this.#leaves[at]!.ranges.length > 0) known = this.#leaves[at]!
    }
    if (known !== null && number >= known.ranges[0]!) return known
    for (const leaf of this.#stored(number, known?.last ?? this.#place.last)) if (this.#learn(leaf)) return leaf
    return known
  }

  /** The leaf below another one, or below the head (null). */
  #leafBelow(upper: Leaf | null): Leaf | null {
    if (this.#below === 0) return null
    const end = upper?.last ?? this.#place.last
    let known: Leaf | null = null
    for (let at = this.#placeOf(end) - 1; at >= 0 && known === null; at--) {
      if (this.#leaves[at]!.ranges.length > 0) known = this.#leaves[at]!
    }
    const from = known === null ? this.#place.first : known.last + 1
    for (const leaf of this.#stored(from, end, true)) if (this.#learn(leaf)) return leaf
    return known
  }

  /** Leaves as they are in the database whose last number is from `first` up to before `end`. */
  *#stored(first: number, end: number, reverse = false): Generator<Leaf> {
    if (!this.#isStored) return
    const entries = this.#database.range(this.#leafKey(first), this.#leafKey(end), { reverse })
    for (const { key, value } of entries) {
      yield { last: readNumber(key, key.length - 8), ranges: readRanges(value)?.ranges ?? [], isChanged: false }
    }
  }

  /** False when it was known, and therefore may be another by now. One that was damaged is emptied. */
  #learn(leaf: Leaf): boolean {
    const at = this.#placeOf(leaf.last)
    if (this.#leaves[at]?.last === leaf.last) return false
    if (leaf.ranges.length === 0) leaf.isChanged = true
    this.#leaves.splice(at, 0, leaf)
    return leaf.ranges.length > 0
  }

  #giveUpLowestGap(): void {
    const leaf = this.#leafAt(this.#place.first)
    const { first } = this.#place
    const ranges = leaf?.ranges ?? this.#head
    if (leaf === null && this.#below > 0) {
      this.#hasNoLeaves()
    } else if (ranges[0]! > first) {
      this.#edit(leaf, (lowest) => {
        lowest[0] = first
      })
    } else if (ranges.length > 2) {
      this.#edit(leaf, (lowest) => lowest.splice(1, 2))
    } else if (leaf !== null) {
      // The next gap is the one between this row and the next.
      const upper = this.#leafAt(leaf.last + 1)
      this.#edit(leaf, (lowest) => lowest.splice(0))
      this.#edit(upper, (next) => include(next, first, leaf.last))
    }
  }

  /** What was counted lay in leaves that were damaged. */
  #hasNoLeaves(): void {
    this.#below = 0
    this.#isHeadChanged = true
  }

  /** A leaf that has little left becomes part of the row above it, the one below it a part of it. */
  #joinAround(leaf: Leaf): void {
    if (countOf(leaf.ranges) > JOINED_RANGES_MAX) return
    this.#joinBelow(leaf)
    this.#join(leaf, this.#leafAt(leaf.last + 1))
  }

  #joinBelow(upper: Leaf | null): void {
    if (countOf(upper?.ranges ?? this.#head) > JOINED_RANGES_MAX) return
    const lower = this.#leafBelow(upper)
    if (lower !== null) this.#join(lower, upper)
    else if (upper === null && this.#below > 0) this.#hasNoLeaves()
  }

  #join(lower: Leaf, upper: Leaf | null): void {
    if (countOf(lower.ranges) + countOf(upper?.ranges ?? this.#head) > JOINED_RANGES_MAX) return
    const moved = lower.ranges.slice()
    this.#edit(lower, (ranges) => ranges.splice(0))
    this.#edit(upper, (ranges) => {
      const isTouching = ranges.length > 0 && moved[moved.length - 1]! + 1 === ranges[0]!
      if (isTouching) ranges[0] = moved[moved.length - 2]!
      ranges.unshift(...(isTouching ? moved.slice(0, -2) : moved))
    })
  }

  /** Index in `#leaves` of the first whose last number is at least `number`. */
  #placeOf(number: number): number {
    let low = 0
    let high = this.#leaves.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#leaves[middle]!.last < number) low = middle + 1
      else high = middle
    }
    return low
  }

  #leafKey(last: number): Uint8Array {
    return runKey(this.#place.leafTable, this.#place.run, last)
  }
}

function countOf(ranges: readonly number[]): number {
  return ranges.length / 2
}

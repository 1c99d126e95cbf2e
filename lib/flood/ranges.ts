// The sequence numbers of one epoch that were already taken, as sorted, disjoint, non-touching ranges: exact, and one
// range for any volume that comes in order. docs/protocol.md, "Seen".

import { RANGES_PER_EPOCH_MAX } from '../limits.ts'
import { indexEndingFrom, type Spans, without } from './spans.ts'

/** How many gaps, from the lowest, are looked at for one that may be given up. */
const GAPS_LOOKED_AT = 16

/** How a run of numbers relates to those taken. */
export type Overlap = 'none' | 'all' | 'some'

export class Ranges {
  /** first, last, first, last, … ascending; `last` is included. */
  #bounds: number[] = []
  /** For each range, when it was begun: the gap below it is as old as that. */
  #begunMs: number[] = []

  get count(): number {
    return this.#begunMs.length
  }

  /** The largest number taken, or -1. */
  get last(): number {
    return this.#bounds.length === 0 ? -1 : this.#bounds[this.#bounds.length - 1]!
  }

  /** first, last, first, last, …: a copy. */
  toArray(): number[] {
    return this.#bounds.slice()
  }

  overlap(first: number, last: number): Overlap {
    const bounds = this.#bounds
    if (bounds.length === 0 || first > bounds[bounds.length - 1]!) return 'none'
    const index = this.#firstEndingAtOrAfter(first)
    const begin = bounds[index * 2]!
    if (begin > last) return 'none'
    return begin <= first && bounds[index * 2 + 1]! >= last ? 'all' : 'some'
  }

  /** Whether `add` of these would begin a range of its own, so that there is one more. */
  beginsRange(first: number, last: number): boolean {
    const index = this.#firstEndingAtOrAfter(first - 1)
    return index === this.count || this.#bounds[index * 2]! > last + 1
  }

  /** Whether `add` of these would make one range too many. */
  wouldOverflow(first: number, last: number): boolean {
    return this.count >= RANGES_PER_EPOCH_MAX && this.beginsRange(first, last)
  }

  /** Marks all of first…last as taken. Returns by how much `count` changed. */
  add(first: number, last: number, nowMs: number): number {
    const bounds = this.#bounds
    const before = this.count
    if (before === 0) {
      // Most never have a second one: a list that grows from nothing has room for seventeen numbers.
      this.#bounds = [first, last]
      this.#begunMs = [nowMs]
      return 1
    }
    if (first === bounds[bounds.length - 1]! + 1) {
      bounds[bounds.length - 1] = last
      return 0
    }
    const from = this.#firstEndingAtOrAfter(first - 1)
    let to = from
    let begin = first
    let end = last
    let begunMs = nowMs
    while (to < before && bounds[to * 2]! <= last + 1) {
      begin = Math.min(begin, bounds[to * 2]!)
      end = Math.max(end, bounds[to * 2 + 1]!)
      begunMs = Math.min(begunMs, this.#begunMs[to]!)
      to++
    }
    bounds.splice(from * 2, (to - from) * 2, begin, end)
    this.#begunMs.splice(from, to - from, begunMs)
    return this.count - before
  }

  /** What of `spans` is not taken. May be `spans` itself. */
  missingOf(spans: Spans): Spans {
    return without(spans, this.#bounds)
  }

  /**
   * Marks all of `spans` as taken, in place of what was. Beyond the bound the lowest gaps count as taken. Returns by how much
   * `count` changed.
   */
  restore(spans: Spans, nowMs: number): number {
    const before = this.count
    const from = Math.max(0, spans.length - RANGES_PER_EPOCH_MAX * 2)
    this.#bounds.length = 0
    for (let at = from; at < spans.length; at++) this.#bounds.push(spans[at]!)
    if (from > 0) this.#bounds[0] = spans[0]!
    this.#begunMs.length = 0
    for (let at = from; at < spans.length; at += 2) this.#begunMs.push(nowMs)
    return this.count - before
  }

  /**
   * Gives up the lowest gap (the one below the first range included) that is at least `ageMs` old and that nobody claims any
   * number of, by marking its numbers as taken. Only the lowest few are looked at. Returns by how much `count` changed, or
   * null when there is none such.
   */
  giveUpLowestGap(
    nowMs: number,
    ageMs: number,
    isClaimed: (first: number, last: number) => boolean = () => false,
  ): number | null {
    const bounds = this.#bounds
    const lowest = bounds[0] === 0 ? 1 : 0
    const end = Math.min(this.count, lowest + GAPS_LOOKED_AT)
    for (let above = lowest; above < end; above++) {
      if (nowMs - this.#begunMs[above]! < ageMs) continue
      const first = above === 0 ? 0 : bounds[above * 2 - 1]! + 1
      const last = bounds[above * 2]! - 1
      if (!isClaimed(first, last)) return this.add(first, last, nowMs)
    }
    return null
  }

  /** Gives up the lowest gaps, however old, until so many ranges are left, one at least. Returns by how much `count` changed. */
  giveUpGaps(countMax: number): number {
    const excess = this.count - Math.max(1, countMax)
    if (excess <= 0) return 0
    this.#bounds.splice(1, excess * 2)
    this.#begunMs.splice(1, excess)
    return -excess
  }

  /** Index of the first range whose last number is at least `number`; `count` when there is none. */
  #firstEndingAtOrAfter(number: number): number {
    return indexEndingFrom(this.#bounds, number)
  }
}

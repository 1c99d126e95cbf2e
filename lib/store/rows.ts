// The table of bundles in memory, by arrival: a ring of columns, one number a field, so that a hundred thousand bundles are a
// dozen arrays to the garbage collector and not a hundred thousand objects. Rows leave at the oldest end, or are emptied
// where they stand.

import type { Bundle } from '../flood/bundle.ts'
import type { Run } from './runs.ts'

const ROWS_MIN = 256

export class Rows {
  /** Arrival of the oldest row. */
  begin = 1
  /** Arrival of the row that comes next. */
  end = 1
  #mask: number = ROWS_MIN - 1
  /** Null: emptied. */
  #runs: (Run | null)[] = new Array<Run | null>(ROWS_MIN).fill(null)
  #firsts: Float64Array = new Float64Array(ROWS_MIN)
  #counts: Uint16Array = new Uint16Array(ROWS_MIN)
  #slabs: Int32Array = new Int32Array(ROWS_MIN)
  #offsets: Uint32Array = new Uint32Array(ROWS_MIN)
  #lengths: Uint32Array = new Uint32Array(ROWS_MIN)
  #agesMs: Float64Array = new Float64Array(ROWS_MIN)
  #heldSinceMs: Float64Array = new Float64Array(ROWS_MIN)
  #timesToLiveS: Float64Array = new Float64Array(ROWS_MIN)
  #hops: Uint8Array = new Uint8Array(ROWS_MIN)

  /** Whether there is a row of this arrival. */
  has(arrival: number): boolean {
    return arrival >= this.begin && arrival < this.end && this.#runs[arrival & this.#mask] !== null
  }

  run(arrival: number): Run | null {
    return this.#runs[arrival & this.#mask]!
  }
  first(arrival: number): number {
    return this.#firsts[arrival & this.#mask]!
  }
  count(arrival: number): number {
    return this.#counts[arrival & this.#mask]!
  }
  slab(arrival: number): number {
    return this.#slabs[arrival & this.#mask]!
  }
  offset(arrival: number): number {
    return this.#offsets[arrival & this.#mask]!
  }
  length(arrival: number): number {
    return this.#lengths[arrival & this.#mask]!
  }
  ageMs(arrival: number): number {
    return this.#agesMs[arrival & this.#mask]!
  }
  heldSinceMs(arrival: number): number {
    return this.#heldSinceMs[arrival & this.#mask]!
  }
  timeToLiveS(arrival: number): number {
    return this.#timesToLiveS[arrival & this.#mask]!
  }
  hops(arrival: number): number {
    return this.#hops[arrival & this.#mask]!
  }

  setAgeMs(arrival: number, ageMs: number): void {
    this.#agesMs[arrival & this.#mask] = ageMs
  }

  /** The new row's arrival is `end` as it was before. `bundle` is read and not kept. */
  add(run: Run, bundle: Bundle, slab: number, offset: number): void {
    if (this.end - this.begin > this.#mask) this.#grow()
    const at = this.end++ & this.#mask
    this.#runs[at] = run
    this.#firsts[at] = bundle.first
    this.#counts[at] = bundle.count
    this.#slabs[at] = slab
    this.#offsets[at] = offset
    this.#lengths[at] = bundle.sealed.length
    this.#agesMs[at] = bundle.ageMs
    this.#heldSinceMs[at] = bundle.heldSinceMs
    this.#timesToLiveS[at] = bundle.timeToLiveS
    this.#hops[at] = bundle.hops
  }

  /** The row is no longer there. At the oldest end, those emptied before go with it. */
  empty(arrival: number): void {
    this.#runs[arrival & this.#mask] = null
    while (this.begin < this.end && this.#runs[this.begin & this.#mask] === null) this.begin++
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2
    const runs = new Array<Run | null>(size).fill(null)
    for (let arrival = this.begin; arrival < this.end; arrival++) {
      runs[arrival & (size - 1)] = this.#runs[arrival & this.#mask]!
    }
    this.#runs = runs
    this.#firsts = this.#moved(this.#firsts, new Float64Array(size))
    this.#counts = this.#moved(this.#counts, new Uint16Array(size))
    this.#slabs = this.#moved(this.#slabs, new Int32Array(size))
    this.#offsets = this.#moved(this.#offsets, new Uint32Array(size))
    this.#lengths = this.#moved(this.#lengths, new Uint32Array(size))
    this.#agesMs = this.#moved(this.#agesMs, new Float64Array(size))
    this.#heldSinceMs = this.#moved(this.#heldSinceMs, new Float64Array(size))
    this.#timesToLiveS = this.#moved(this.#timesToLiveS, new Float64Array(size))
    this.#hops = this.#moved(this.#hops, new Uint8Array(size))
    this.#mask = size - 1
  }

  /** Each row at its place in a ring of the new size. */
  #moved<Column extends { length: number; [index: number]: number }>(from: Column, to: Column): Column {
    const mask = to.length - 1
    for (let arrival = this.begin; arrival < this.end; arrival++) {
      to[arrival & mask] = from[arrival & this.#mask]!
    }
    return to
  }
}

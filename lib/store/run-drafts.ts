// The numbers of (origin, epoch) within one transaction: which were ever stored, and which are held. Read from the database
// when first touched, changed here, and written once at the end. Numbers held lie in blocks, so that what a bundle costs
// does not grow with what is held beside it.

import { exclude, include } from '../flood/spans.ts'
import type { Database, DatabaseChange } from '../io/world.ts'
import { EPOCHS_PER_ORIGIN_MAX, RANGES_PER_EPOCH_MAX } from '../limits.ts'
import { BLOCK_NUMBERS, prefixRange, runBytes, runKey, Table, takenKey } from './keys.ts'
import { rangesValue, readRanges } from './layout.ts'

interface RunDraft {
  /** Origin and epoch, as in keys. */
  readonly bytes: Uint8Array
  taken: number[] | null
  /** By block; only those that were touched. */
  readonly held: Map<number, number[]>
}

export class RunDrafts {
  readonly #database: Database
  readonly #changes: DatabaseChange[]
  readonly #runs = new Map<string, RunDraft>()
  #last: RunDraft | null = null
  #lastOrigin = ''
  #lastEpoch = -1

  /** What is to be written is put at the end of `changes`. */
  constructor(database: Database, changes: DatabaseChange[]) {
    this.#database = database
    this.#changes = changes
  }

  /** Origin and epoch, as in keys. */
  bytes(originKey: string, epoch: number): Uint8Array {
    return this.#run(originKey, epoch).bytes
  }

  take(originKey: string, epoch: number, first: number, last: number): void {
    const run = this.#run(originKey, epoch)
    run.taken ??= this.#readTaken(run.bytes)
    include(run.taken, first, last)
    // As the seen cache does it: the lowest gap is given up, that below the first range included.
    while (run.taken.length / 2 > RANGES_PER_EPOCH_MAX) {
      if (run.taken[0]! > 0) run.taken[0] = 0
      else run.taken.splice(1, 2)
    }
  }

  hold(originKey: string, epoch: number, first: number, last: number): void {
    this.#eachBlock(originKey, epoch, first, last, include)
  }

  giveUp(originKey: string, epoch: number, first: number, last: number): void {
    this.#eachBlock(originKey, epoch, first, last, exclude)
  }

  /** Writes what was changed. `nowMs` by the store's time. */
  finish(nowMs: number): void {
    for (const { bytes, taken, held } of this.#runs.values()) {
      if (taken !== null) this.#changes.push({ key: takenKey(bytes), value: rangesValue(nowMs, taken) })
      for (const [block, ranges] of held) {
        const value = ranges.length === 0 ? null : rangesValue(0, ranges)
        this.#changes.push({ key: runKey(Table.held, bytes, block), value })
      }
    }
  }

  #eachBlock(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    change: (ranges: number[], first: number, last: number) => void,
  ): void {
    const run = this.#run(originKey, epoch)
    for (let from = first; from <= last; ) {
      const block = Math.floor(from / BLOCK_NUMBERS)
      const to = Math.min(last, (block + 1) * BLOCK_NUMBERS - 1)
      let ranges = run.held.get(block)
      if (ranges === undefined) {
        ranges = readRanges(this.#database.get(runKey(Table.held, run.bytes, block)))?.ranges ?? []
        run.held.set(block, ranges)
      }
      change(ranges, from, to)
      from = to + 1
    }
  }

  #run(originKey: string, epoch: number): RunDraft {
    if (this.#last !== null && epoch === this.#lastEpoch && originKey === this.#lastOrigin) return this.#last
    const key = originKey + epoch
    let run = this.#runs.get(key)
    if (run === undefined) {
      run = { bytes: runBytes(originKey, epoch), taken: null, held: new Map() }
      this.#runs.set(key, run)
    }
    this.#last = run
    this.#lastOrigin = originKey
    this.#lastEpoch = epoch
    return run
  }

  #readTaken(run: Uint8Array): number[] {
    const known = this.#database.get(takenKey(run))
    if (known !== null) return readRanges(known)?.ranges ?? []
    this.#forgetOldEpochs(run.subarray(0, 32))
    return []
  }

  /** A new epoch of an origin: those are forgotten that are older than all that the seen cache keeps. */
  #forgetOldEpochs(origin: Uint8Array): void {
    const keys: Uint8Array[] = []
    for (const { key } of this.#database.range(...prefixRange(Table.taken, origin))) keys.push(key)
    for (let i = 0; i <= keys.length - EPOCHS_PER_ORIGIN_MAX; i++) this.#changes.push({ key: keys[i]!, value: null })
  }
}

// The numbers of (origin, epoch) within one transaction: which were ever stored, and which are held. Read from the database
// as they are touched, changed here, and written once at the end. What a bundle costs does not grow with what is known or
// held beside it: range-rows.ts.

import { bytesKey } from '../bytes.ts'
import type { Database, DatabaseChange } from '../io/world.ts'
import { EPOCHS_PER_ORIGIN_MAX, RANGES_PER_EPOCH_MAX } from '../limits.ts'
import { BLOCK_NUMBERS, prefixRange, RUN_BYTES, readNumber, runBytes, runKey, Table, takenKey } from './keys.ts'
import { RangeRows } from './range-rows.ts'

interface RunDraft {
  /** Origin and epoch, as in keys. */
  readonly bytes: Uint8Array
  taken: RangeRows | null
  /** By block; only those that were touched. */
  readonly held: Map<number, RangeRows>
}

export class RunDrafts {
  readonly #database: Database
  readonly #changes: DatabaseChange[]
  readonly #runs = new Map<string, RunDraft>()
  /** Those whose numbers taken are taken out by this transaction. */
  readonly #forgotten = new Set<string>()
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
    run.taken ??= this.#openTaken(run.bytes)
    run.taken.include(first, last)
    // As the seen cache does it: the lowest gap is given up, that below the first range included.
    run.taken.giveUpGaps(RANGES_PER_EPOCH_MAX)
  }

  hold(originKey: string, epoch: number, first: number, last: number): void {
    this.#eachBlock(originKey, epoch, first, last, (block, from, to) => block.include(from, to))
  }

  giveUp(originKey: string, epoch: number, first: number, last: number): void {
    this.#eachBlock(originKey, epoch, first, last, (block, from, to) => block.exclude(from, to))
  }

  /** Takes out the numbers taken of an origin and epoch, unless something of them was taken in this transaction. */
  forgetTaken(run: Uint8Array): void {
    const key = keyOf(bytesKey(run.subarray(0, RUN_BYTES - 8)), readNumber(run, RUN_BYTES - 8))
    if (this.#runs.get(key)?.taken) return
    this.#forgotten.add(key)
    this.#changes.push({ key: takenKey(run), value: null })
    const leaves = this.#database.range(...prefixRange(Table.takenLeaf, run))
    for (const { key: leaf } of leaves) this.#changes.push({ key: leaf, value: null })
  }

  /** Writes what was changed. `nowMs` by the store's time. */
  finish(nowMs: number): void {
    for (const { taken, held } of this.#runs.values()) {
      taken?.write(this.#changes, nowMs)
      for (const block of held.values()) block.write(this.#changes, null)
    }
  }

  #eachBlock(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    change: (block: RangeRows, first: number, last: number) => void,
  ): void {
    const run = this.#run(originKey, epoch)
    for (let from = first; from <= last; ) {
      const number = Math.floor(from / BLOCK_NUMBERS)
      const end = (number + 1) * BLOCK_NUMBERS - 1
      let block = run.held.get(number)
      if (block === undefined) {
        block = new RangeRows(this.#database, {
          headKey: runKey(Table.held, run.bytes, number),
          leafTable: Table.heldLeaf,
          run: run.bytes,
          first: number * BLOCK_NUMBERS,
          last: end,
        })
        run.held.set(number, block)
      }
      const to = Math.min(last, end)
      change(block, from, to)
      from = to + 1
    }
  }

  #run(originKey: string, epoch: number): RunDraft {
    if (this.#last !== null && epoch === this.#lastEpoch && originKey === this.#lastOrigin) return this.#last
    const key = keyOf(originKey, epoch)
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

  #openTaken(run: Uint8Array): RangeRows {
    const place = { headKey: takenKey(run), leafTable: Table.takenLeaf, run, first: 0, last: Number.MAX_SAFE_INTEGER }
    const origin = run.subarray(0, RUN_BYTES - 8)
    const isForgotten = this.#forgotten.has(keyOf(bytesKey(origin), readNumber(run, RUN_BYTES - 8)))
    const taken = new RangeRows(this.#database, place, !isForgotten)
    if (taken.isNew) this.#forgetOldEpochs(origin)
    return taken
  }

  /** A new epoch of an origin: those are forgotten that are older than all that the seen cache keeps. */
  #forgetOldEpochs(origin: Uint8Array): void {
    const keys: Uint8Array[] = []
    for (const { key } of this.#database.range(...prefixRange(Table.taken, origin))) keys.push(key)
    for (let i = 0; i <= keys.length - EPOCHS_PER_ORIGIN_MAX; i++) this.forgetTaken(keys[i]!.subarray(1))
  }
}

function keyOf(originKey: string, epoch: number): string {
  return originKey + epoch
}

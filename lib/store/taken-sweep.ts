// Forgets the numbers taken of origins that have been silent for longer than anything is kept, as the seen cache forgets
// them: a few at a time, once through the table a day.

import { ORIGIN_SILENT_MS } from '../flood/seen.ts'
import type { Database } from '../io/world.ts'
import { prefixRange, Table } from './keys.ts'
import { readRanges } from './layout.ts'
import type { StoreTime } from './store-time.ts'

const PAGE_ENTRIES = 256
const DAY_MS = 86_400_000
/** Not in the rush of a start. */
const FIRST_MS = 60_000

export class TakenSweep {
  /** When it goes on, by the store's time. */
  dueMs: number
  readonly #database: Database
  readonly #time: StoreTime
  readonly #silentMs: number
  /** Null: at the begin. */
  #next: Uint8Array | null = null

  constructor(database: Database, time: StoreTime, ageMsMax: number) {
    this.#database = database
    this.#time = time
    this.#silentMs = Math.max(ORIGIN_SILENT_MS, ageMsMax) + DAY_MS
    this.dueMs = time.nowMs() + FIRST_MS
  }

  /** Origins and epochs, as in keys, that are to be forgotten now. */
  next(): Uint8Array[] {
    const nowMs = this.#time.nowMs()
    if (nowMs < this.dueMs) return []
    const [from, to] = prefixRange(Table.taken, new Uint8Array(0))
    const silent: Uint8Array[] = []
    let read = 0
    let last: Uint8Array | null = null
    for (const { key, value } of this.#database.range(this.#next ?? from, to)) {
      const known = readRanges(value)
      const isSilent = known === null || known.stamp + this.#silentMs < nowMs
      if (isSilent) silent.push(key.subarray(1))
      last = key
      // What lies below it goes with it: at most a row for each range.
      read += 1 + (isSilent ? (known?.below ?? 0) : 0)
      if (read >= PAGE_ENTRIES) break
    }
    const isThrough = read < PAGE_ENTRIES || last === null
    this.#next = isThrough ? null : new Uint8Array([...last!, 0])
    this.dueMs = nowMs + (isThrough ? DAY_MS : 0)
    return silent
  }
}

// Walks through the committed bundles of the window, oldest first, a page at a time: whoever makes room wants one after the
// other, and must not start a search of the database for each.

import type { Database } from '../io/world.ts'
import { numberKey, readNumber, Table } from './keys.ts'
import { type DiskRecord, readRecord } from './layout.ts'

export interface Walked {
  readonly arrival: number
  /** As committed. Null: damaged. */
  readonly record: DiskRecord | null
}

const PAGE_RECORDS = 64

export class WindowWalk {
  readonly #database: Database
  readonly #end: number
  /** Oldest last. */
  readonly #page: Walked[] = []
  #readUpTo = 0

  /** Up to before the arrival `end`. */
  constructor(database: Database, end: number) {
    this.#database = database
    this.#end = end
  }

  /** The first one from `begin` on, which never goes back, that is not in `without`. Null when there is none. */
  first(begin: number, without: ReadonlySet<number>): Walked | null {
    for (;;) {
      for (let next = this.#page.at(-1); next !== undefined; next = this.#page.at(-1)) {
        if (next.arrival >= begin && !without.has(next.arrival)) return next
        this.#page.pop()
      }
      const from = numberKey(Table.record, Math.max(begin, this.#readUpTo))
      for (const { key, value } of this.#database.range(from, numberKey(Table.record, this.#end))) {
        this.#page.push({ arrival: readNumber(key, 1), record: readRecord(value) })
        if (this.#page.length === PAGE_RECORDS) break
      }
      const last = this.#page.at(-1)
      if (last === undefined) return null
      this.#readUpTo = last.arrival + 1
      this.#page.reverse()
    }
  }
}

// Databases of simulated machines: what was committed lies on a disk that outlives the nodes, a commit takes virtual time, and
// what was under way when its node died is lost. The disk can be full, slow, or stop to answer.

import { compareBytes, copyBytes, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import type { Clock, Database, DatabaseChange, DatabaseEntry, Databases } from '../../lib/io/world.ts'

/** The databases of one machine. */
export class MemoryDisk {
  readonly #databases = new Map<string, SortedMap>()
  /** Virtual time from a commit's call until it is durable. */
  commitMs = 1
  /** Commits are refused. */
  isFull = false
  /** Commits are neither taken nor refused. */
  isStuck = false
  /** Reading throws. */
  isUnreadable = false
  /** Commits that were taken, and the bytes of keys and values that they had. */
  commitCount = 0
  committedBytes = 0
  /** Entries that were read, one by one or in ranges. */
  readCount = 0
  readonly #damaged = new Set<string>()
  #setAsideCount = 0

  /** As one node sees it: dead as soon as its clock is. */
  of(clock: Clock): Databases {
    return {
      open: async (path, accepts): Promise<{ database: Database; setAside: string | null }> => {
        const known = this.#databases.get(path)
        if (known !== undefined && !this.#damaged.has(path)) {
          const database = new VirtualDatabase(this, clock, known)
          if (accepts === undefined || accepts(database)) return { database, setAside: null }
        }
        const setAside = known === undefined ? null : `${path}.damaged-${++this.#setAsideCount}`
        if (known !== undefined) this.#databases.set(setAside!, known)
        this.#damaged.delete(path)
        const made = new SortedMap()
        this.#databases.set(path, made)
        return { database: new VirtualDatabase(this, clock, made), setAside }
      },
    }
  }

  /** The next open finds that it cannot be used. */
  damage(path: string): void {
    this.#damaged.add(path)
  }

  /** Everything in one database: keys and values in hex. */
  contents(path: string): Map<string, string> {
    return new Map(
      [...(this.#databases.get(path)?.entries() ?? [])].map(({ key, value }) => [toHex(key), toHex(value)]),
    )
  }

  /** Overwrites one value behind the store's back, with what a value reads as that the disk did not keep. */
  spoil(path: string, key: Uint8Array): void {
    this.overwrite(path, key, new Uint8Array(0))
  }

  /** Puts one value, or takes it out (null), behind the store's back. */
  overwrite(path: string, key: Uint8Array, value: Uint8Array | null): void {
    if (value === null) this.#databases.get(path)!.delete(key)
    else this.#databases.get(path)!.set(key, value)
  }

  /** Another disk with the same databases. */
  backup(): MemoryDisk {
    const copy = new MemoryDisk()
    for (const [path, map] of this.#databases) copy.#databases.set(path, map.copy())
    return copy
  }
}

class VirtualDatabase implements Database {
  readonly #disk: MemoryDisk
  readonly #clock: Clock
  readonly #map: SortedMap
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(disk: MemoryDisk, clock: Clock, map: SortedMap) {
    this.#disk = disk
    this.#clock = clock
    this.#map = map
  }

  get(key: Uint8Array): Uint8Array | null {
    this.#check()
    this.#disk.readCount++
    const value = this.#map.get(key)
    return value === undefined ? null : copyBytes(value)
  }

  *range(from: Uint8Array, to: Uint8Array, options: { reverse?: boolean } = {}): Generator<DatabaseEntry> {
    this.#check()
    const begin = this.#map.placeOf(from)
    const end = this.#map.placeOf(to)
    for (let i = 0; i < end - begin; i++) {
      const { key, value } = this.#map.at(options.reverse ? end - 1 - i : begin + i)
      this.#disk.readCount++
      yield { key: copyBytes(key), value: copyBytes(value) }
    }
  }

  commit(changes: readonly DatabaseChange[]): Promise<void> {
    // What is handed over may be used again by the caller only when the commit is over; a copy would hide it if it were not.
    const mine = this.#last.then(() => this.#commit(changes))
    this.#last = mine.catch(() => {})
    return mine
  }

  async close(): Promise<void> {
    await this.#last
    this.#isClosed = true
  }

  async #commit(changes: readonly DatabaseChange[]): Promise<void> {
    this.#check()
    await new Promise<void>((resolve) => this.#clock.timer(this.#disk.commitMs, resolve))
    if (this.#disk.isStuck) await new Promise<void>(() => {})
    if (this.#disk.isFull) throw new MeshError('data-folder', 'cannot write: the disk is full')
    for (const { key, value } of changes) {
      if (key.length < 1 || key.length > 512) throw new Error(`a key of ${key.length} bytes`)
      this.#disk.committedBytes += key.length + (value?.length ?? 0)
      if (value === null) this.#map.delete(key)
      else this.#map.set(copyBytes(key), copyBytes(value))
    }
    this.#disk.commitCount++
  }

  #check(): void {
    if (this.#isClosed || this.#disk.isUnreadable) throw new MeshError('data-folder', 'cannot read: it is not open')
  }
}

/** Keys ascending in one array. */
class SortedMap {
  readonly #entries: DatabaseEntry[] = []

  get(key: Uint8Array): Uint8Array | undefined {
    const place = this.placeOf(key)
    const entry = this.#entries[place]
    return entry !== undefined && compareBytes(entry.key, key) === 0 ? entry.value : undefined
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const place = this.placeOf(key)
    const isThere = place < this.#entries.length && compareBytes(this.#entries[place]!.key, key) === 0
    this.#entries.splice(place, isThere ? 1 : 0, { key, value })
  }

  delete(key: Uint8Array): void {
    const place = this.placeOf(key)
    if (place < this.#entries.length && compareBytes(this.#entries[place]!.key, key) === 0)
      this.#entries.splice(place, 1)
  }

  at(place: number): DatabaseEntry {
    return this.#entries[place]!
  }

  entries(): readonly DatabaseEntry[] {
    return this.#entries
  }

  copy(): SortedMap {
    const copy = new SortedMap()
    copy.#entries.push(...this.#entries)
    return copy
  }

  /** Of the first key that is not smaller. */
  placeOf(key: Uint8Array): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#entries[middle]!.key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

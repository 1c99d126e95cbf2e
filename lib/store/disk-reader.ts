// Reading what the store on disk has committed: bundles by arrival, by number, by topic. It writes nothing and keeps nothing,
// but for lower ages that wait to be written. Bundles that have expired and not yet been given up are not seen here.

import { bytesKey, utf8 } from '../bytes.ts'
import type { Bundle } from '../flood/bundle.ts'
import { ageAt } from '../flood/bundle.ts'
import type { ReaderOffset, ScanBounds, Sift, StoredBundle, TakenNumbers } from '../flood/bundle-store.ts'
import { include, union } from '../flood/spans.ts'
import type { Clock, Database, DatabaseEntry } from '../io/world.ts'
import { currentPlace, numberKey, prefixRange, readNumber, runBytes, runKey, Table, textKey } from './keys.ts'
import { type DiskRecord, readCurrent, readNumberValue, readOffsetValue, readRanges, readRecord } from './layout.ts'
import { ageLimitMs, bundleOf, retainedLimitMs, retainedMessage, Scan, youngerAge } from './record.ts'
import type { StoreTime } from './store-time.ts'

/** Entries read at a time where the reader may pause in between: a range must be read within one turn. */
const PAGE_ENTRIES = 64
/** Lower ages that wait for the next commit; more are left out. */
const AGES_MAX = 4_096
/** A search that finds nothing costs about as much as so many rows of one that goes on: 20 to 35 microseconds, measured. */
const SEARCH_ROWS = 8
/** Of a scan of so many numbers it is worth while to know which arrivals are too old. */
const LONG_SCAN_NUMBERS = 64
/** They are looked up again after this time: what was too old stays so. */
const TOO_OLD_LOOK_MS = 1_000
/** Bundles are kept in the order in which checks let them pass, which is not quite that in which they came. */
const TOO_OLD_SLACK_MS = 60_000

export class DiskReader {
  /** Lower ages that bundles of these arrivals were shown with. */
  readonly ages: Map<number, number> = new Map()
  /** See BundleStore: of scans of sequences, and of current values. */
  vainRows = 0
  readonly #database: Database
  readonly #clock: Clock
  readonly #time: StoreTime
  readonly #ageMsMax: number
  /** `arrival` and all before it are older than `ageMsMax`, as was found at `atMs`. */
  #tooOld: { ageMsMax: number; arrival: number; atMs: number } = {
    ageMsMax: 0,
    arrival: 0,
    atMs: Number.NEGATIVE_INFINITY,
  }

  constructor(database: Database, clock: Clock, time: StoreTime, ageMsMax: number) {
    this.#database = database
    this.#clock = clock
    this.#time = time
    this.#ageMsMax = ageMsMax
  }

  scanArrivals(after: number, last: number, bounds: ScanBounds): StoredBundle[] {
    const scan = new Scan(bounds)
    for (const { key, value } of this.#records(after + 1, last)) {
      const record = readRecord(value)
      if (record !== null && !this.#give(readNumber(key, 1), record, Number.POSITIVE_INFINITY, scan)) break
    }
    return scan.found
  }

  /** `lastArrival`: the newest that there is. */
  scanSequences(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    ageMsMax: number,
    lastArrival: number,
    bounds: ScanBounds,
  ): StoredBundle[] {
    const scan = new Scan(bounds)
    const run = runBytes(originKey, epoch)
    const from = runKey(Table.sequence, run, this.#firstOfBundleWith(run, first))
    const tooOld = last - first < LONG_SCAN_NUMBERS ? 0 : this.#tooOldUpTo(ageMsMax, lastArrival)
    let rows = 0
    for (const { value } of this.#database.range(from, runKey(Table.sequence, run, last + 1))) {
      rows++
      const arrival = readNumberValue(value)
      if (arrival === null) continue
      // Only what is current is given all the same.
      if (arrival <= tooOld && this.#database.get(numberKey(Table.place, arrival)) === null) continue
      rows++
      const record = this.#record(arrival)
      if (record === null || record.first + record.count <= first) continue
      if (!this.#give(arrival, record, ageMsMax, scan)) break
    }
    this.vainRows += scan.found.length === 0 ? rows + SEARCH_ROWS : rows - scan.found.length * 2
    return scan.found
  }

  /** The greatest arrival up to `last` that came more than `ageMs` ago. */
  arrivalBefore(ageMs: number, last: number): number {
    const cameBeforeMs = this.#time.nowMs() - ageMs
    let found = 0
    let low = 1
    let high = last
    while (low <= high) {
      const middle = Math.floor((low + high) / 2)
      const [entry] = this.#database.range(numberKey(Table.record, low), numberKey(Table.record, middle + 1), {
        reverse: true,
      })
      const record = entry === undefined ? null : readRecord(entry.value)
      if (entry === undefined || record === null) {
        low = middle + 1
      } else if (record.arrivedMs < cameBeforeMs) {
        found = readNumber(entry.key, 1)
        low = middle + 1
      } else {
        high = readNumber(entry.key, 1) - 1
      }
    }
    return found
  }

  *retained(originKey: string | null, sift?: Sift): Generator<StoredBundle> {
    const prefix = originKey === null ? new Uint8Array(0) : currentPlace(originKey, new Uint8Array(0))
    this.vainRows += SEARCH_ROWS
    for (const { value } of this.#paged(...prefixRange(Table.current, prefix))) {
      const current = readCurrent(value)
      this.vainRows++
      if (current === null) continue
      const said = sift?.(current.epoch, current.sequence)
      if (said === 'stop') return
      if (said === 'skip' || current.isRemoval) continue
      const record = this.#record(current.arrival)
      if (record === null || this.#ageMs(current.arrival, record) >= retainedLimitMs(record.timeToLiveS)) continue
      const bundle = this.#bundle(current.arrival, record)
      if (bundle === null) continue
      this.vainRows--
      yield { bundle, arrival: current.arrival }
    }
  }

  isCurrent(bundle: Bundle): boolean {
    const message = retainedMessage(bundle)
    if (message === null) return false
    const place = currentPlace(bundle.originKey, utf8(message.topic))
    const current = readCurrent(this.#database.get(textKey(Table.current, place)))
    if (current?.epoch !== bundle.epoch || current.sequence !== bundle.first) return false
    return ageAt(bundle, this.#clock.nowMs()) < retainedLimitMs(bundle.timeToLiveS)
  }

  *taken(): Generator<TakenNumbers> {
    for (const { key, value } of this.#paged(...prefixRange(Table.taken, new Uint8Array(0)))) {
      const head = readRanges(value)
      // Damaged: what lies below it is there all the same.
      const below = head?.below === 0 ? [] : this.#takenBelow(key.subarray(1))
      const ranges = union(below, head?.ranges ?? [])
      if (ranges.length === 0) continue
      yield { originKey: bytesKey(key.subarray(1, 33)), epoch: readNumber(key, 33), ranges }
    }
  }

  /** What the leaves of an origin and epoch have; a range that was parted between two of them in one piece. */
  #takenBelow(run: Uint8Array): number[] {
    const ranges: number[] = []
    for (const { value } of this.#database.range(...prefixRange(Table.takenLeaf, run))) {
      const leaf = readRanges(value)?.ranges ?? []
      for (let i = 0; i < leaf.length; i += 2) include(ranges, leaf[i]!, leaf[i + 1]!)
    }
    return ranges
  }

  offset(name: string): ReaderOffset | null {
    return readOffsetValue(this.#database.get(textKey(Table.offset, utf8(name))))
  }

  /** A copy of a bundle showed this age: remembered when it is markedly lower. */
  younger(originKey: string, epoch: number, first: number, ageMs: number): void {
    if (this.ages.size >= AGES_MAX) return
    const key = runKey(Table.sequence, runBytes(originKey, epoch), first)
    const arrival = readNumberValue(this.#database.get(key))
    const record = arrival === null ? null : this.#record(arrival)
    if (arrival === null || record === null) return
    const knownMs = this.ages.get(arrival) ?? record.ageMs
    const lower = youngerAge(knownMs, ageMs, this.#time.nowMs() - record.arrivedMs)
    if (lower !== null) this.ages.set(arrival, lower)
  }

  /** When something is next to be given up, by the store's time; Infinity when nothing is held. */
  nextExpiryMs(windowBegin: number, last: number): number {
    let soonestMs = Number.POSITIVE_INFINITY
    const expiries = prefixRange(Table.expiry, new Uint8Array(0))
    for (const { key } of this.#database.range(...expiries)) {
      soonestMs = readNumber(key, 1)
      break
    }
    for (const { value } of this.#records(windowBegin, last)) {
      const record = readRecord(value)
      const limitMs = record === null ? 0 : ageLimitMs(record.timeToLiveS, this.#ageMsMax)
      return Math.min(soonestMs, record === null ? 0 : record.arrivedMs - record.ageMs + limitMs)
    }
    return soonestMs
  }

  /** Up to this arrival all came more than `ageMsMax` ago, so that no age is lower: their records need not be read. */
  #tooOldUpTo(ageMsMax: number, lastArrival: number): number {
    if (ageMsMax === Number.POSITIVE_INFINITY) return 0
    const atMs = this.#time.nowMs()
    const known = this.#tooOld
    if (known.ageMsMax === ageMsMax && atMs - known.atMs < TOO_OLD_LOOK_MS) return known.arrival
    const arrival = this.arrivalBefore(ageMsMax + TOO_OLD_SLACK_MS, lastArrival)
    this.#tooOld = { ageMsMax, arrival, atMs }
    return arrival
  }

  /** The first number of the bundle that holds `sequence`, or `sequence` when none does. */
  #firstOfBundleWith(run: Uint8Array, sequence: number): number {
    const from = runKey(Table.sequence, run, 0)
    const to = runKey(Table.sequence, run, sequence + 1)
    for (const { key } of this.#database.range(from, to, { reverse: true })) return readNumber(key, 41)
    return sequence
  }

  /** Puts it into the scan if it is there, has not expired, and is young enough or current. False when the scan is full. */
  #give(arrival: number, record: DiskRecord, ageMsMax: number, scan: Scan): boolean {
    const ageMs = this.#ageMs(arrival, record)
    const isYoung = ageMs <= ageMsMax && ageMs < ageLimitMs(record.timeToLiveS, this.#ageMsMax)
    if (!isYoung && !(this.#isStillCurrent(arrival, record) && ageMs < retainedLimitMs(record.timeToLiveS))) return true
    if (!scan.hasRoomFor(record.sealedBytes)) return false
    const bundle = this.#bundle(arrival, record)
    if (bundle !== null) scan.add(bundle, arrival)
    return true
  }

  #isStillCurrent(arrival: number, record: DiskRecord): boolean {
    return record.wasCurrent && (this.#database.get(numberKey(Table.place, arrival))?.length ?? 0) > 0
  }

  #ageMs(arrival: number, record: DiskRecord): number {
    return (this.ages.get(arrival) ?? record.ageMs) + Math.max(0, this.#time.nowMs() - record.arrivedMs)
  }

  /** Null when the disk did not keep it. */
  #bundle(arrival: number, record: DiskRecord): Bundle | null {
    const body = this.#database.get(numberKey(Table.body, arrival))
    if (body === null) return null
    const ageMs = this.ages.get(arrival) ?? record.ageMs
    return bundleOf(body, record.hops, ageMs, this.#time.toClock(record.arrivedMs))
  }

  #record(arrival: number): DiskRecord | null {
    return readRecord(this.#database.get(numberKey(Table.record, arrival)))
  }

  #records(first: number, last: number): Iterable<DatabaseEntry> {
    return this.#database.range(numberKey(Table.record, first), numberKey(Table.record, last + 1))
  }

  /** A range of which no step waits in the middle for the reader. */
  *#paged(from: Uint8Array, to: Uint8Array): Generator<DatabaseEntry> {
    for (let next = from; ; ) {
      const page: DatabaseEntry[] = []
      for (const entry of this.#database.range(next, to)) {
        page.push(entry)
        if (page.length === PAGE_ENTRIES) break
      }
      yield* page
      if (page.length < PAGE_ENTRIES) return
      // The smallest key behind the last one.
      next = new Uint8Array([...page[page.length - 1]!.key, 0])
    }
  }
}

// The store of a node without a data folder: a window of what came lately, bounded by bytes and age, and apart from it the
// current retained values. `put` is on the way of every received bundle; everything else may take its time.
// docs/protocol.md, "Repair" and "Retained messages".

import { MeshError } from '../errors.ts'
import type { Bundle } from '../flood/bundle.ts'
import type {
  BundleStore,
  ReaderOffset,
  ScanBounds,
  Sift,
  StoreCounts,
  StoredBundle,
  TakenNumbers,
} from '../flood/bundle-store.ts'
import type { Holdings } from '../flood/holdings.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock } from '../io/world.ts'
import { Contents, currentBytes } from './contents.ts'
import type { Current } from './current.ts'
import { Expiries } from './expiries.ts'
import {
  ageLimitMs,
  BODY_HEAD,
  bundleBytes,
  expiresOutOfTurn,
  RETAINED_PART,
  type RetainedMessage,
  retainedLimitMs,
  retainedMessage,
  Scan,
  youngerAge,
} from './record.ts'
import { lastAtOrBelow, Runs } from './runs.ts'
import { TurnListeners } from './turn-listeners.ts'

/** Between two looks at what has expired; and where one left some of it. */
const LOOK_MS = 1_000
const LOOK_ON_MS = 10
/** Bundles that one look gives up; what is left waits for the next one. */
const STEP_MAX = 512
/** Offsets kept for readers: they are of use within this run alone. */
const OFFSETS_MAX = 4_096

export interface MemoryStoreOptions {
  readonly clock: Clock
  /** Empty at first; only this store writes to it. */
  readonly holdings: Holdings
  /** Bytes of ordinary bundles, as `bundleBytes` counts them; 0 keeps nothing at all. */
  readonly bytesMax: number
  readonly ageMsMax: number
}

export class MemoryStore implements BundleStore {
  readonly holdings: Holdings
  readonly isBehind = false
  readonly readFailures = 0
  readonly vainRows = 0
  readonly #clock: Clock
  readonly #bytesMax: number
  readonly #ageMsMax: number
  readonly #contents: Contents
  readonly #runs: Runs = new Runs()
  readonly #expiries: Expiries = new Expiries()
  readonly #alarm: Alarm
  readonly #arrived: TurnListeners
  readonly #offsets = new Map<string, ReaderOffset>()
  #isClosed = false

  constructor({ clock, holdings, bytesMax, ageMsMax }: MemoryStoreOptions) {
    this.holdings = holdings
    this.#clock = clock
    this.#bytesMax = bytesMax
    this.#ageMsMax = ageMsMax
    this.#contents = new Contents(clock, bytesMax, ageMsMax)
    this.#alarm = new Alarm(clock, () => this.#look())
    this.#arrived = new TurnListeners(clock)
  }

  get counts(): StoreCounts {
    return { bundles: this.#contents.bundles, bytes: this.#contents.bytes, pendingBytes: 0, notSaved: 0 }
  }

  get lastArrival(): number {
    return this.#contents.rows.end - 1
  }

  get firstArrival(): number {
    return this.#contents.rows.begin
  }

  put(bundle: Bundle, _topics: readonly string[] | null): void {
    const { originKey, epoch, first, count, ageMs, timeToLiveS } = bundle
    const bytes = bundleBytes(bundle.sealed.length)
    if (bytes > this.#bytesMax || this.#isClosed) return
    const { rows, current } = this.#contents
    const retained = retainedMessage(bundle)
    const isCurrent =
      retained !== null &&
      ageMs < retainedLimitMs(timeToLiveS) &&
      current.isNewer(originKey, retained.topic, epoch, first)
    if (!isCurrent && ageMs >= ageLimitMs(timeToLiveS, this.#ageMsMax)) return
    while (this.#contents.rowBytes + bytes > this.#bytesMax) this.#dropRow(rows.begin)
    const arrival = rows.end
    const run = this.#runs.add(originKey, epoch, first, arrival)
    while (!this.#contents.addRow(run, bundle)) this.#dropRow(rows.begin)
    this.holdings.add(originKey, epoch, first, first + count - 1)
    if (isCurrent) this.#setCurrent(bundle, retained, arrival)
    else this.#expectExpiry(arrival, ageMs, timeToLiveS)
    this.#setAlarm(LOOK_MS)
    this.#arrived.notify()
  }

  younger(originKey: string, epoch: number, first: number, ageMs: number): void {
    const run = this.#runs.find(originKey, epoch)
    if (run === null) return
    const place = lastAtOrBelow(run, first)
    if (place < run.begin || run.firsts[place] !== first) return
    const arrival = run.arrivals[place]!
    const heldMs = this.#clock.nowMs() - this.#contents.heldSinceMs(arrival)
    const lower = youngerAge(this.#contents.ageAtArrivalMs(arrival), ageMs, heldMs)
    if (lower !== null) this.#contents.setAgeAtArrivalMs(arrival, lower)
  }

  scanArrivals(after: number, bounds: ScanBounds): StoredBundle[] {
    const { rows, current } = this.#contents
    const scan = new Scan(bounds)
    if (current.apart > 0 && after < rows.begin) {
      for (const { arrival } of current.all()) {
        if (arrival >= rows.begin) break
        if (arrival > after && !this.#contents.give(arrival, scan)) return scan.found
      }
    }
    for (let arrival = Math.max(after + 1, rows.begin); arrival < rows.end; arrival++) {
      if (!this.#contents.give(arrival, scan)) break
    }
    return scan.found
  }

  scanSequences(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    ageMsMax: number,
    bounds: ScanBounds,
  ): StoredBundle[] {
    const scan = new Scan(bounds)
    const run = this.#runs.find(originKey, epoch)
    if (run === null) return scan.found
    const contents = this.#contents
    for (let place = Math.max(run.begin, lastAtOrBelow(run, first)); place < run.firsts.length; place++) {
      if (run.firsts[place]! > last) break
      const arrival = run.arrivals[place]!
      if (run.firsts[place]! + contents.countOf(arrival) <= first) continue
      if (contents.ageMs(arrival) > ageMsMax && contents.current.at(arrival) === null) continue
      if (!contents.give(arrival, scan)) break
    }
    return scan.found
  }

  find(originKey: string, epoch: number, sequence: number): StoredBundle | null {
    const bounds = { bundlesMax: 1, bytesMax: 1 }
    return this.scanSequences(originKey, epoch, sequence, sequence, Number.POSITIVE_INFINITY, bounds)[0] ?? null
  }

  arrivalBefore(ageMs: number): number {
    const { rows, current } = this.#contents
    const cameBeforeMs = this.#clock.nowMs() - ageMs
    let low = rows.begin
    let high = rows.end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (rows.heldSinceMs(middle) < cameBeforeMs) low = middle + 1
      else high = middle
    }
    if (low > rows.begin) return low - 1
    let found = 0
    for (const { arrival, heldSinceMs } of current.all()) {
      if (arrival >= rows.begin || heldSinceMs >= cameBeforeMs) break
      found = arrival
    }
    return found
  }

  *retained(originKey: string | null, sift?: Sift): Iterable<StoredBundle> {
    const { current } = this.#contents
    for (const { arrival, isRemoval, epoch, sequence } of originKey === null ? current.all() : current.of(originKey)) {
      const said = sift?.(epoch, sequence)
      if (said === 'stop') return
      if (said === 'skip' || isRemoval || this.#contents.expiryMs(arrival) <= this.#clock.nowMs()) continue
      const bundle = this.#contents.restored(arrival)
      if (bundle !== null) yield { bundle, arrival }
    }
  }

  isCurrent(bundle: Bundle): boolean {
    const message = retainedMessage(bundle)
    const value = message === null ? null : this.#contents.current.get(bundle.originKey, message.topic)
    if (value === null || value.epoch !== bundle.epoch || value.sequence !== bundle.first) return false
    return this.#contents.expiryMs(value.arrival) > this.#clock.nowMs()
  }

  /** Nothing: what this run took is in the seen cache already. */
  taken(): Iterable<TakenNumbers> {
    return []
  }

  readOffset(name: string): ReaderOffset | null {
    return this.#offsets.get(name) ?? null
  }

  writeOffset(name: string, offset: ReaderOffset): void {
    this.#offsets.delete(name)
    this.#offsets.set(name, offset)
    if (this.#offsets.size > OFFSETS_MAX) this.#offsets.delete(this.#offsets.keys().next().value!)
  }

  async flushed(): Promise<void> {
    if (this.#isClosed) throw new MeshError('data-folder', 'the store is closed')
  }

  onArrivals(listener: () => void): () => void {
    return this.#arrived.add(listener)
  }

  /** Never calls: memory is never behind. */
  onEased(_listener: () => void): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#alarm.cancel()
    this.#arrived.clear()
  }

  #setCurrent(bundle: Bundle, { topic, isRemoval }: RetainedMessage, arrival: number): void {
    const { originKey, epoch, first, sealed, timeToLiveS, hops, heldSinceMs, ageMs } = bundle
    const { current } = this.#contents
    const before = current.get(originKey, topic)
    if (before !== null) this.#endCurrent(before)
    const body = new Uint8Array(BODY_HEAD.length + sealed.length)
    body.set(BODY_HEAD)
    body.set(sealed, BODY_HEAD.length)
    const numbers = { originKey, topic, epoch, sequence: first, arrival }
    const value = { ...numbers, body, isRemoval, timeToLiveS, hops, heldSinceMs, ageMs, hasRow: true }
    current.add(value)
    current.bytes += currentBytes(value)
    this.#expiries.add(this.#contents.expiryMs(arrival), arrival)
    while (current.bytes > this.#bytesMax * RETAINED_PART) this.#endCurrent(current.oldest()!)
  }

  /** From now on it is a bundle like any other: kept while its row is. */
  #endCurrent(value: Current): void {
    const { current } = this.#contents
    current.remove(value)
    current.bytes -= currentBytes(value)
    if (!value.hasRow) this.#forget(value.originKey, value.epoch, value.sequence, 1)
    else if (this.#contents.rowExpiryMs(value.arrival) <= this.#clock.nowMs()) this.#dropRow(value.arrival)
    else this.#expectExpiry(value.arrival, value.ageMs, value.timeToLiveS)
  }

  #expectExpiry(arrival: number, ageMs: number, timeToLiveS: number): void {
    if (!expiresOutOfTurn(ageMs, timeToLiveS, this.#ageMsMax)) return
    this.#expiries.add(this.#contents.rowExpiryMs(arrival), arrival)
  }

  #dropRow(arrival: number): void {
    const { rows, current } = this.#contents
    const { originKey, epoch } = rows.run(arrival)!
    if (current.at(arrival) === null) this.#forget(originKey, epoch, rows.first(arrival), rows.count(arrival))
    this.#contents.dropRow(arrival)
  }

  #forget(originKey: string, epoch: number, first: number, count: number): void {
    const run = this.#runs.find(originKey, epoch)
    if (run !== null) this.#runs.remove(run, first)
    this.holdings.remove(originKey, epoch, first, first + count - 1)
  }

  /** Gives up what has expired, a bounded number at a time. */
  #look(): void {
    const contents = this.#contents
    const { rows } = contents
    const nowMs = this.#clock.nowMs()
    let left = STEP_MAX
    for (; left > 0 && this.#expiries.soonestMs <= nowMs; left--) {
      const arrival = this.#expiries.take()
      if (!contents.has(arrival)) continue
      // A lower age may have been shown meanwhile.
      if (contents.expiryMs(arrival) > nowMs) this.#expiries.add(contents.expiryMs(arrival), arrival)
      else this.#expire(arrival)
    }
    for (; left > 0 && rows.begin < rows.end && contents.rowExpiryMs(rows.begin) <= nowMs; left--) {
      this.#dropRow(rows.begin)
    }
    // Those whose bundle went before its time stay where they are, unless they become many.
    if (this.#expiries.size > 2 * contents.bundles + STEP_MAX) {
      this.#expiries.filter((arrival) => contents.has(arrival))
    }
    this.#setAlarm(left > 0 ? LOOK_MS : LOOK_ON_MS)
  }

  /** A current value goes with its row: no row outlives it. */
  #expire(arrival: number): void {
    const value = this.#contents.current.at(arrival)
    if (value !== null) this.#endCurrent(value)
    if (this.#contents.rows.has(arrival)) this.#dropRow(arrival)
  }

  /** Has a look taken when something has expired, and not before `pauseMs` are over. */
  #setAlarm(pauseMs: number): void {
    const { rows } = this.#contents
    const rowMs = rows.begin < rows.end ? this.#contents.rowExpiryMs(rows.begin) : Number.POSITIVE_INFINITY
    const dueMs = Math.min(rowMs, this.#expiries.soonestMs)
    // Only ever nearer: otherwise each bundle that comes would put off the look at what is due.
    this.#alarm.hasten(Math.max(dueMs, this.#clock.nowMs() + pauseMs))
  }
}

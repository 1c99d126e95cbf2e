// One transaction of the store on disk as it is put together: bundles with all their places in the indexes, what is given up
// for them, the offsets of readers. It reads the database as it is and changes nothing: what is to change is a list, and what
// memory is to learn of it afterwards stands beside it. Thrown away when the disk refuses it. keys.ts says what is where.

import { utf8 } from '../bytes.ts'
import type { ReaderOffset } from '../flood/bundle-store.ts'
import type { Database, DatabaseChange } from '../io/world.ts'
import { currentPlace, expiryKey, numberKey, readNumber, runKey, STATE_KEY, Table, textKey } from './keys.ts'
import {
  currentValue,
  type DiskCurrent,
  type DiskRecord,
  type DiskState,
  numberValue,
  offsetValue,
  readCurrent,
  readNumberValue,
  readRecord,
  recordValue,
  stateValue,
} from './layout.ts'
import type { PendingBundle } from './pending.ts'
import { ageLimitMs, bundleBytes, expiresOutOfTurn, RETAINED_PART, retainedLimitMs } from './record.ts'
import { RunDrafts } from './run-drafts.ts'
import { type Walked, WindowWalk } from './window-walk.ts'

export interface TransactionContext {
  readonly database: Database
  readonly networkId: Uint8Array
  readonly bytesMax: number
  readonly ageMsMax: number
  /** By the store's time. */
  readonly nowMs: number
  readonly unixMs: number
}

/** What is held from now on, or no longer. */
export interface HeldChange {
  readonly originKey: string
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly isHeld: boolean
}

/** In an index whose keys say it all. An empty value would read as a damaged one. */
const PRESENT: Uint8Array = Uint8Array.of(1)

export class Transaction {
  readonly changes: DatabaseChange[] = []
  readonly heldChanges: HeldChange[] = []
  /** The store's state once this is committed. */
  readonly state: DiskState
  /** Bundles given up. */
  removedCount = 0
  readonly #context: TransactionContext
  readonly #database: Database
  readonly #runs: RunDrafts
  /** Current values changed in this transaction, by their place. */
  readonly #current = new Map<string, DiskCurrent | null>()
  /** Arrivals whose place in the index of current values was given up in this transaction. */
  readonly #ended = new Set<number>()
  readonly #removed = new Set<number>()
  /** Current values that are put in this transaction: the database does not know them yet. */
  readonly #putCurrent = new Map<number, Uint8Array>()
  /** Records as they will be, of those that this transaction reads again. */
  readonly #drafted = new Map<number, DiskRecord>()
  readonly #walk: WindowWalk
  /** Arrivals from here on are put in this transaction. */
  readonly #putFrom: number
  readonly #windowBefore: number

  constructor(context: TransactionContext, state: DiskState) {
    this.#context = context
    this.#database = context.database
    this.state = { ...state }
    this.#putFrom = state.nextArrival
    this.#walk = new WindowWalk(context.database, state.nextArrival)
    this.#windowBefore = state.windowBegin
    this.#runs = new RunDrafts(context.database, this.changes)
  }

  /** Nothing to commit so far. */
  get isEmpty(): boolean {
    return this.changes.length === 0 && this.state.windowBegin === this.#windowBefore
  }

  /** `body` is read when the transaction is committed. */
  put(bundle: PendingBundle, body: Uint8Array): void {
    const { originKey, epoch, first, count, ageMs, timeToLiveS, retained } = bundle
    const { bytesMax, ageMsMax, nowMs } = this.#context
    const last = first + count - 1
    this.#runs.take(originKey, epoch, first, last)
    if (!bundle.isKept) return
    const place = retained === null ? null : currentPlace(originKey, utf8(retained.topic))
    const before = place === null ? null : this.#currentAt(place)
    const retainedExpiryMs = bundle.arrivedMs - ageMs + retainedLimitMs(timeToLiveS)
    const isNewest =
      place !== null &&
      retainedExpiryMs > nowMs &&
      (before === null || epoch > before.epoch || (epoch === before.epoch && first > before.sequence))
    const isCurrent = isNewest && bundle.bytes <= bytesMax * RETAINED_PART
    const rowExpiryMs = bundle.arrivedMs - ageMs + ageLimitMs(timeToLiveS, ageMsMax)
    const isStored = isCurrent || rowExpiryMs > nowMs
    if (isStored) this.#makeRoom(bundle.bytes)
    if (isNewest && before !== null) this.#endCurrent(place, before)
    if (!isStored) return

    const { state } = this
    const arrival = state.nextArrival++
    const looked = isCurrent ? retainedExpiryMs : rowExpiryMs
    const lookMs = isCurrent || expiresOutOfTurn(ageMs, timeToLiveS, ageMsMax) ? looked : 0
    this.#put(numberKey(Table.record, arrival), recordValue(bundle, lookMs, isCurrent))
    this.#put(numberKey(Table.body, arrival), body)
    this.#put(runKey(Table.sequence, this.#runs.bytes(originKey, epoch), first), numberValue(arrival))
    if (lookMs > 0) this.#put(expiryKey(lookMs, arrival), PRESENT)
    if (isCurrent) {
      const { isRemoval } = retained!
      this.#drafted.set(arrival, { ...bundle, lookMs, wasCurrent: true })
      this.#putCurrent.set(arrival, place)
      this.#setCurrent(place, { arrival, epoch, sequence: first, bytes: bundle.bytes, isRemoval })
    }
    state.bundles++
    state.bytes += bundle.bytes
    state.windowBytes += bundle.bytes
    this.#runs.hold(originKey, epoch, first, last)
    this.heldChanges.push({ originKey, epoch, first, last, isHeld: true })
    if (isCurrent) this.#boundCurrent(Number.POSITIVE_INFINITY)
  }

  /** Gives up what has expired and what is beyond the bounds, at most `stepsMax` bundles. False when there is more to do. */
  prune(stepsMax: number): boolean {
    let steps = stepsMax
    const { nowMs, bytesMax, ageMsMax } = this.#context
    const due = this.#database.range(numberKey(Table.expiry, 0), numberKey(Table.expiry, nowMs + 1))
    for (const { key } of due) {
      if (steps-- === 0) return false
      this.#expire(key)
    }
    for (let oldest = this.#oldest(); oldest !== null; oldest = this.#oldest()) {
      const { record } = oldest
      const expiryMs = record === null ? 0 : record.arrivedMs - record.ageMs + ageLimitMs(record.timeToLiveS, ageMsMax)
      if (expiryMs > nowMs && this.state.windowBytes <= bytesMax) break
      if (steps-- === 0) return false
      this.#passWindow(oldest.arrival, record)
    }
    return this.#boundCurrent(steps)
  }

  /** A lower age counts from now on for a bundle, unless it has gone. Before anything else. */
  setAge(arrival: number, ageMs: number): void {
    const record = this.#record(arrival)
    if (record !== null) this.#draft(arrival, { ...record, ageMs })
  }

  setOffset(name: string, offset: ReaderOffset): void {
    this.#put(textKey(Table.offset, utf8(name)), offsetValue(offset))
  }

  /** Takes out the numbers taken of an origin and epoch, as in keys. */
  forgetTaken(run: Uint8Array): void {
    this.#runs.forgetTaken(run)
  }

  /** The last step: completes `changes`. */
  finish(): void {
    const { state } = this
    const { nowMs, unixMs, networkId } = this.#context
    this.#runs.finish(nowMs)
    // Those that are put in this transaction are the newest.
    state.windowBegin = this.#oldest()?.arrival ?? Math.max(state.windowBegin, this.#putFrom)
    if (state.windowBegin === state.nextArrival) state.windowBytes = 0
    state.timeMs = nowMs
    state.unixMs = unixMs
    this.#put(STATE_KEY, stateValue(state, networkId))
  }

  /** Looks at one entry of the table of expiries whose time has come. */
  #expire(key: Uint8Array): void {
    this.changes.push({ key, value: null })
    const arrival = readNumber(key, 9)
    const record = this.#removed.has(arrival) ? null : this.#record(arrival)
    if (record === null) return
    const isCurrent = this.#isCurrent(arrival, record)
    const { nowMs, ageMsMax } = this.#context
    const limitMs = isCurrent ? retainedLimitMs(record.timeToLiveS) : ageLimitMs(record.timeToLiveS, ageMsMax)
    const lookMs = record.arrivedMs - record.ageMs + limitMs
    if (lookMs <= nowMs) return this.#remove(arrival, record, isCurrent)
    // A lower age was shown meanwhile, or it was current, or the options are others than they were.
    this.#setLook(arrival, record, lookMs)
  }

  #setLook(arrival: number, record: DiskRecord, lookMs: number): void {
    this.changes.push({ key: expiryKey(record.lookMs, arrival), value: null })
    this.#put(expiryKey(lookMs, arrival), PRESENT)
    this.#draft(arrival, { ...record, lookMs })
  }

  /** The oldest leave the window until so many bytes more fit; those that are put in this transaction stay all the same. */
  #makeRoom(bytes: number): void {
    while (this.state.windowBytes + bytes > this.#context.bytesMax) {
      const oldest = this.#oldest()
      if (oldest === null) return
      this.#passWindow(oldest.arrival, oldest.record)
    }
  }

  /** What was committed and is the oldest of the window; null when nothing is. */
  #oldest(): Walked | null {
    const oldest = this.#walk.first(this.state.windowBegin, this.#removed)
    const drafted = oldest === null ? undefined : this.#drafted.get(oldest.arrival)
    return drafted === undefined ? oldest : { arrival: oldest!.arrival, record: drafted }
  }

  /** What is current stays when it leaves the window. Null: the record was damaged. */
  #passWindow(arrival: number, record: DiskRecord | null): void {
    if (record === null) this.#removeDamaged(arrival)
    else if (this.#isCurrent(arrival, record)) this.state.windowBytes -= bundleBytes(record.sealedBytes)
    else this.#remove(arrival, record, false)
    this.state.windowBegin = arrival + 1
  }

  #remove(arrival: number, record: DiskRecord, isCurrent: boolean): void {
    const { originKey, epoch, first, count } = record
    const bytes = bundleBytes(record.sealedBytes)
    if (isCurrent) {
      const place = this.#database.get(numberKey(Table.place, arrival))!
      this.#clearCurrent(place, arrival, bytes)
    }
    this.#removeRecord(arrival)
    if (record.lookMs > 0) this.changes.push({ key: expiryKey(record.lookMs, arrival), value: null })
    this.state.bundles--
    this.state.bytes -= bytes
    if (arrival >= this.state.windowBegin) this.state.windowBytes -= bytes
    const key = runKey(Table.sequence, this.#runs.bytes(originKey, epoch), first)
    if (arrival < this.#putFrom && readNumberValue(this.#database.get(key)) !== arrival) return
    this.changes.push({ key, value: null })
    const last = first + count - 1
    this.#runs.giveUp(originKey, epoch, first, last)
    this.heldChanges.push({ originKey, epoch, first, last, isHeld: false })
  }

  /** What it was cannot be read any more: its numbers stay claimed, and who asks for them gets nothing. */
  #removeDamaged(arrival: number): void {
    this.#removeRecord(arrival)
    this.state.bundles--
  }

  #removeRecord(arrival: number): void {
    this.#removed.add(arrival)
    this.removedCount++
    this.changes.push({ key: numberKey(Table.record, arrival), value: null })
    this.changes.push({ key: numberKey(Table.body, arrival), value: null })
  }

  #setCurrent(place: Uint8Array, current: DiskCurrent): void {
    this.#current.set(keyOf(place), current)
    this.#put(textKey(Table.current, place), currentValue(current))
    this.#put(numberKey(Table.place, current.arrival), place)
    this.state.currentBytes += current.bytes
  }

  /** Another value takes its place, or there is no room for it: from now on it is a bundle like any other. */
  #endCurrent(place: Uint8Array, current: DiskCurrent): void {
    this.#clearCurrent(place, current.arrival, current.bytes)
    const { arrival } = current
    const record = this.#removed.has(arrival) ? null : this.#record(arrival)
    if (record === null) return
    const { nowMs, ageMsMax } = this.#context
    const { ageMs, timeToLiveS } = record
    const lookMs = record.arrivedMs - ageMs + ageLimitMs(timeToLiveS, ageMsMax)
    if (arrival < this.state.windowBegin || lookMs <= nowMs) this.#remove(arrival, record, false)
    else if (expiresOutOfTurn(ageMs, timeToLiveS, ageMsMax)) this.#setLook(arrival, record, lookMs)
  }

  /** No more current values than may be: the oldest become bundles like any other. False when `stepsMax` was not enough. */
  #boundCurrent(stepsMax: number): boolean {
    for (let steps = stepsMax; this.state.currentBytes > this.#context.bytesMax * RETAINED_PART; steps--) {
      if (steps === 0) return false
      const place = this.#oldestCurrent()
      const current = place === null ? null : this.#currentAt(place)
      if (place !== null && current !== null) this.#endCurrent(place, current)
      // Nothing is left that it could count.
      else this.state.currentBytes = 0
    }
    return true
  }

  #oldestCurrent(): Uint8Array | null {
    const places = this.#database.range(numberKey(Table.place, 0), numberKey(Table.place, this.#putFrom))
    for (const { key, value } of places) {
      const arrival = readNumber(key, 1)
      if (this.#ended.has(arrival)) continue
      if (this.#currentAt(value)?.arrival === arrival) return value
      // A place that was damaged, or points at nothing.
      this.#ended.add(arrival)
      this.changes.push({ key, value: null })
    }
    for (const [arrival, place] of this.#putCurrent) if (!this.#ended.has(arrival)) return place
    return null
  }

  #clearCurrent(place: Uint8Array, arrival: number, bytes: number): void {
    this.#current.set(keyOf(place), null)
    this.#ended.add(arrival)
    this.changes.push({ key: textKey(Table.current, place), value: null })
    this.changes.push({ key: numberKey(Table.place, arrival), value: null })
    this.state.currentBytes -= bytes
  }

  #currentAt(place: Uint8Array): DiskCurrent | null {
    const drafted = this.#current.get(keyOf(place))
    return drafted === undefined ? readCurrent(this.#database.get(textKey(Table.current, place))) : drafted
  }

  #isCurrent(arrival: number, record: DiskRecord): boolean {
    if (!record.wasCurrent || this.#ended.has(arrival)) return false
    const place = this.#database.get(numberKey(Table.place, arrival))
    return place !== null && place.length > 0
  }

  #record(arrival: number): DiskRecord | null {
    return this.#drafted.get(arrival) ?? readRecord(this.#database.get(numberKey(Table.record, arrival)))
  }

  #draft(arrival: number, record: DiskRecord): void {
    this.#drafted.set(arrival, record)
    this.#put(numberKey(Table.record, arrival), recordValue(record, record.lookMs, record.wasCurrent))
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    this.changes.push({ key, value })
  }
}

/** Text that is the same for the same place. */
function keyOf(place: Uint8Array): string {
  return String.fromCharCode(...place)
}

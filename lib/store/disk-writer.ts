// What waits to be written, and the commits that write it: one at a time, in the order in which it came, as much in each as
// came during the one before. A failing commit is tried again each second, composed anew. transaction.ts says what is in one.

import { MeshError, reasonOf } from '../errors.ts'
import type { Bundle } from '../flood/bundle.ts'
import type { ReaderOffset } from '../flood/bundle-store.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Database, Timer } from '../io/world.ts'
import { DiskHealth } from './disk-health.ts'
import type { DiskReader } from './disk-reader.ts'
import type { DiskState } from './layout.ts'
import { Pending } from './pending.ts'
import { bundleBytes, RETAINED_PART, retainedMessage } from './record.ts'
import type { StoreTime } from './store-time.ts'
import { TakenSweep } from './taken-sweep.ts'
import { Transaction } from './transaction.ts'

/** Sources should pause while more than the first waits for the disk, until less than the second does. */
export const BEHIND_BYTES = 33_554_432
export const EASED_BYTES = 8_388_608
/** Most that waits: beyond, the oldest are given up unsaved. */
export const PENDING_BYTES_MAX = 67_108_864
/** One commit: composing it must not hold up the event loop. */
const COMMIT_BUNDLES_MAX = 512
/** Bundles that one commit gives up, beside those that make room for what it puts. */
const PRUNE_STEPS = 256
export const RETRY_MS = 1_000
/** A commit that takes longer counts as failing, so that nobody waits for a disk that has stopped to answer. */
export const COMMIT_MS_MAX = 30_000
/** Between two looks at what has expired. */
const LOOK_MS = 1_000

export interface DiskWriterParts {
  readonly database: Database
  /** For messages. */
  readonly path: string
  readonly clock: Clock
  readonly time: StoreTime
  readonly reader: DiskReader
  readonly networkId: Uint8Array
  readonly state: DiskState
  readonly bytesMax: number
  readonly ageMsMax: number
  readonly warn: (code: string, text: string) => void
}

export interface DiskWriterEvents {
  /** After `state` has changed. */
  committed(transaction: Transaction): void
  /** `isBehind` is false again. */
  eased(): void
}

interface Waiter {
  readonly serial: number
  resolve(): void
  reject(error: MeshError): void
}

interface WaitingOffset {
  readonly offset: ReaderOffset
  readonly serial: number
}

export class DiskWriter {
  /** As of the last commit. */
  state: DiskState
  isBehind = false
  readonly health: DiskHealth
  readonly #parts: DiskWriterParts
  readonly #events: DiskWriterEvents
  readonly #sweep: TakenSweep
  readonly #alarm: Alarm
  readonly #pending: Pending = new Pending(PENDING_BYTES_MAX)
  readonly #offsets = new Map<string, WaitingOffset>()
  #waiters: Waiter[] = []
  /** Of what was last put or written; and that up to which all is durable, or given up. */
  #serial = 0
  #doneSerial = 0
  /** Pending bundles that the commit under way has; the disk reads their bytes. */
  #inFlight = 0
  #isCommitting = false
  #isScheduled = false
  #isPruneDue = false
  #retry: Timer | null = null
  #watch: Timer | null = null
  #isStopped = false

  constructor(parts: DiskWriterParts, events: DiskWriterEvents) {
    const { clock, database, time, path, ageMsMax, warn } = parts
    this.state = parts.state
    this.#parts = parts
    this.#events = events
    this.health = new DiskHealth(clock, path, warn)
    this.#sweep = new TakenSweep(database, time, ageMsMax)
    this.#alarm = new Alarm(clock, () => this.#prune())
    if (this.#isFull()) this.#prune()
    else this.#setAlarm()
  }

  get pendingBytes(): number {
    return this.#pending.bytes
  }

  put(bundle: Bundle): void {
    const isKept = bundleBytes(bundle.sealed.length) <= this.#parts.bytesMax
    const arrivedMs = this.#parts.time.of(bundle.heldSinceMs)
    const retained = isKept ? retainedMessage(bundle) : null
    const serial = ++this.#serial
    let isAdded = false
    while (this.#pending.hasRoomFor(isKept ? bundle.sealed.length : 0) || this.#dropOldest()) {
      isAdded = this.#pending.add(bundle, arrivedMs, retained, isKept, serial)
      if (isAdded || !this.#dropOldest()) break
    }
    if (!isAdded) this.health.notSaved++
    if (!this.health.isFailing && this.#pending.bytes > BEHIND_BYTES) this.isBehind = true
    this.#schedule()
  }

  offset(name: string): ReaderOffset | null {
    return this.#offsets.get(name)?.offset ?? null
  }

  writeOffset(name: string, offset: ReaderOffset): void {
    this.#offsets.set(name, { offset, serial: ++this.#serial })
    this.#schedule()
  }

  /** Resolves when all of before is durable; rejects with MeshError `data-folder` when the next commit fails. */
  flushed(): Promise<void> {
    if (this.#isStopped) return Promise.reject(notSaved('the store is closed'))
    if (this.#doneSerial >= this.#serial) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ serial: this.#serial, resolve, reject }))
  }

  /** Lower ages do not ask for a commit by themselves; with this they do, so that `flushed` waits for them. */
  writeAges(): void {
    if (this.#parts.reader.ages.size === 0) return
    this.#serial++
    this.#schedule()
  }

  /** Something could not be read: told like a write that failed, and the next commit shows how things are. */
  unreadable(reason: string): void {
    if (this.#isStopped || this.#retry !== null || this.#isCommitting) return
    this.#failed(reason)
  }

  /** No commit begins any more. */
  stop(): void {
    this.#isStopped = true
    this.#alarm.cancel()
    this.#retry?.cancel()
    this.#watch?.cancel()
    this.#rejectWaiters('the store is closed')
  }

  #prune(): void {
    this.#isPruneDue = true
    this.#schedule()
  }

  /** Has a commit begin at the end of this turn, unless one is under way or the disk is given a rest. */
  #schedule(): void {
    if (this.#isScheduled || !this.#mayCommit()) return
    this.#isScheduled = true
    this.#parts.clock.endOfTurn(() => {
      this.#isScheduled = false
      if (this.#mayCommit()) this.#commit()
    })
  }

  #mayCommit(): boolean {
    return !this.#isCommitting && this.#retry === null && !this.#isStopped
  }

  #commit(): void {
    let transaction: Transaction
    let serial = this.#doneSerial
    const ages: ReadonlyMap<number, number> = new Map(this.#parts.reader.ages)
    try {
      const count = this.#portion()
      transaction = this.#begun(ages)
      // A full disk may still take what frees some of it: every other attempt is left to that alone.
      if (transaction.removedCount === 0 || this.health.failedAttempts % 2 === 0) {
        serial = this.#fill(transaction, count)
      }
      if (transaction.isEmpty && this.#inFlight === 0) return this.#rest(serial)
      transaction.finish()
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      return this.#failed(reasonOf(error))
    }
    this.#isCommitting = true
    this.#watch = this.#parts.clock.timer(COMMIT_MS_MAX, () => this.#fail('the disk does not answer'))
    this.#parts.database.commit(transaction.changes).then(
      () => {
        this.#answered()
        this.#committed(transaction, serial, ages)
      },
      (error: unknown) => {
        this.#answered()
        this.#failed(reasonOf(error))
      },
    )
  }

  /** A transaction that gives up what is due to go. */
  #begun(ages: ReadonlyMap<number, number>): Transaction {
    const { database, networkId, bytesMax, ageMsMax, time, clock } = this.#parts
    const unixMs = Math.floor(clock.unixMs())
    const context = { database, networkId, bytesMax, ageMsMax, nowMs: time.nowMs(), unixMs }
    const transaction = new Transaction(context, this.state)
    for (const [arrival, ageMs] of ages) transaction.setAge(arrival, ageMs)
    if (!this.#isPruneDue) return transaction
    this.#isPruneDue = !transaction.prune(PRUNE_STEPS)
    for (const run of this.#sweep.next()) transaction.forgetTaken(run)
    return transaction
  }

  /** How many of the oldest that wait go into one commit. */
  #portion(): number {
    let count = 0
    let bytes = 0
    while (count < this.#pending.size && count < COMMIT_BUNDLES_MAX) {
      const next = this.#pending.at(count)
      if (count > 0 && bytes + next.bytes > this.health.commitBytesMax) break
      if (next.isKept) bytes += next.bytes
      count++
    }
    return count
  }

  /** Returns the serial up to which everything is in it. */
  #fill(transaction: Transaction, count: number): number {
    for (let i = 0; i < count; i++) {
      const bundle = this.#pending.at(i)
      transaction.put(bundle, this.#pending.body(bundle))
    }
    this.#inFlight = count
    const serial = count < this.#pending.size ? this.#pending.at(count).serial - 1 : this.#serial
    for (const [name, { offset, serial: written }] of this.#offsets) {
      if (written <= serial) transaction.setOffset(name, offset)
    }
    return serial
  }

  #answered(): void {
    this.#isCommitting = false
    this.#watch?.cancel()
  }

  #committed(transaction: Transaction, serial: number, ages: ReadonlyMap<number, number>): void {
    this.state = transaction.state
    this.#pending.shift(this.#inFlight)
    for (const [name, { serial: written }] of this.#offsets) if (written <= serial) this.#offsets.delete(name)
    const waitingAges = this.#parts.reader.ages
    for (const [arrival, ageMs] of ages) if (waitingAges.get(arrival) === ageMs) waitingAges.delete(arrival)
    if (this.#inFlight > 0) this.health.succeeded(this.#pending.size === 0)
    this.#inFlight = 0
    this.#events.committed(transaction)
    if (this.isBehind && this.#pending.bytes < EASED_BYTES) this.#ease()
    if (this.#isFull()) this.#isPruneDue = true
    this.#rest(serial)
  }

  /** Between two commits. */
  #rest(serial: number): void {
    this.#inFlight = 0
    if (this.#pending.size === 0) this.health.succeeded(true)
    this.#doneSerial = Math.max(this.#doneSerial, serial)
    if (this.#waiters.length > 0) {
      const waiting = this.#waiters
      this.#waiters = waiting.filter((waiter) => waiter.serial > this.#doneSerial)
      for (const waiter of waiting) if (waiter.serial <= this.#doneSerial) waiter.resolve()
    }
    // Also while one commit follows another, or nothing would expire as long as they do.
    if (!this.#isPruneDue) this.#setAlarm()
    if (this.#pending.size > 0 || this.#offsets.size > 0 || this.#isPruneDue) this.#schedule()
  }

  /** An attempt has failed; the next one is made after a while. */
  #failed(reason: string): void {
    this.#inFlight = 0
    this.#fail(reason)
    if (this.#isStopped) return
    this.#retry = this.#parts.clock.timer(RETRY_MS, () => {
      this.#retry = null
      this.#schedule()
    })
  }

  #fail(reason: string): void {
    this.health.failed(reason)
    this.#rejectWaiters(reason)
    if (this.isBehind) this.#ease()
  }

  #ease(): void {
    this.isBehind = false
    this.#events.eased()
  }

  #rejectWaiters(reason: string): void {
    const waiting = this.#waiters
    this.#waiters = []
    for (const { reject } of waiting) reject(notSaved(reason))
  }

  /** False when none is left that the disk is not just reading. */
  #dropOldest(): boolean {
    const dropped = this.#pending.drop(this.#inFlight)
    if (dropped === null) return false
    if (dropped.isKept) this.health.notSaved++
    const waiting = this.#waiters
    this.#waiters = waiting.filter((waiter) => waiter.serial < dropped.serial)
    for (const waiter of waiting) if (waiter.serial >= dropped.serial) waiter.reject(notSaved('the disk is too slow'))
    return true
  }

  /** More is kept than should be. */
  #isFull(): boolean {
    const { bytesMax } = this.#parts
    return this.state.windowBytes > bytesMax || this.state.currentBytes > bytesMax * RETAINED_PART
  }

  #setAlarm(): void {
    if (this.#isStopped) return
    const { clock, time, reader } = this.#parts
    let expiryMs: number
    try {
      expiryMs = reader.nextExpiryMs(this.state.windowBegin, this.state.nextArrival - 1)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      return this.#failed(reasonOf(error))
    }
    const dueMs = Math.min(expiryMs, this.#sweep.dueMs)
    // Only ever nearer: otherwise each commit would put off the look at what is due.
    this.#alarm.hasten(Math.max(time.toClock(dueMs), clock.nowMs() + LOOK_MS))
  }
}

function notSaved(reason: string): MeshError {
  return new MeshError('data-folder', `messages are not saved: ${reason}`)
}

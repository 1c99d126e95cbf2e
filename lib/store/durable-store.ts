// The store of a node with a data folder. Bundles wait in memory until a commit takes them (disk-writer.ts); only what was
// committed can be scanned, claimed or read (disk-reader.ts), and holdings, counts and arrivals move with it. What the disk
// does to it, others notice by `isBehind`, `flushed` and a warning alone. docs/protocol.md, "Repair".

import { MeshError, reasonOf } from '../errors.ts'
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
import type { Clock, Database, Timer } from '../io/world.ts'
import { DiskReader } from './disk-reader.ts'
import { DiskWriter } from './disk-writer.ts'
import type { DiskState } from './layout.ts'
import type { StoreTime } from './store-time.ts'
import type { Transaction } from './transaction.ts'
import { TurnListeners } from './turn-listeners.ts'

/** What waits at the end is written within this time, or not at all. */
export const CLOSE_MS = 3_000

export interface DurableStoreParts {
  readonly database: Database
  /** For messages. */
  readonly path: string
  readonly clock: Clock
  readonly time: StoreTime
  readonly networkId: Uint8Array
  /** Already has what the database holds. */
  readonly holdings: Holdings
  readonly state: DiskState
  readonly bytesMax: number
  readonly ageMsMax: number
  readonly warn: (code: string, text: string) => void
}

export class DurableStore implements BundleStore {
  readonly holdings: Holdings
  readFailures = 0
  readonly #database: Database
  readonly #clock: Clock
  readonly #reader: DiskReader
  readonly #writer: DiskWriter
  readonly #arrived: TurnListeners
  readonly #eased: TurnListeners
  #lastArrival: number
  #isClosing = false
  #isClosed = false
  #closing: Promise<void> | null = null

  /** `openDurableStore` makes them. */
  constructor(parts: DurableStoreParts) {
    const { database, clock, time, state, ageMsMax } = parts
    this.holdings = parts.holdings
    this.#database = database
    this.#clock = clock
    this.#arrived = new TurnListeners(clock)
    this.#eased = new TurnListeners(clock)
    this.#lastArrival = state.nextArrival - 1
    this.#reader = new DiskReader(database, clock, time, ageMsMax)
    this.#writer = new DiskWriter(
      { ...parts, reader: this.#reader },
      { committed: (transaction) => this.#committed(transaction), eased: () => this.#eased.notify() },
    )
  }

  get counts(): StoreCounts {
    const { state, pendingBytes, health } = this.#writer
    return { bundles: state.bundles, bytes: state.bytes, pendingBytes, notSaved: health.notSaved }
  }

  get lastArrival(): number {
    return this.#lastArrival
  }

  get firstArrival(): number {
    return this.#writer.state.windowBegin
  }

  get vainRows(): number {
    return this.#reader.vainRows
  }

  get isBehind(): boolean {
    return this.#writer.isBehind
  }

  put(bundle: Bundle, _topics: readonly string[] | null): void {
    if (!this.#isClosing) this.#writer.put(bundle)
  }

  younger(originKey: string, epoch: number, first: number, ageMs: number): void {
    this.#reading(() => this.#reader.younger(originKey, epoch, first, ageMs), undefined)
  }

  scanArrivals(after: number, bounds: ScanBounds): StoredBundle[] {
    return this.#reading(() => this.#reader.scanArrivals(after, this.#lastArrival, bounds), [])
  }

  scanSequences(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    ageMsMax: number,
    bounds: ScanBounds,
  ): StoredBundle[] {
    const { lastArrival } = this
    return this.#reading(
      () => this.#reader.scanSequences(originKey, epoch, first, last, ageMsMax, lastArrival, bounds),
      [],
    )
  }

  find(originKey: string, epoch: number, sequence: number): StoredBundle | null {
    const bounds = { bundlesMax: 1, bytesMax: 1 }
    return this.scanSequences(originKey, epoch, sequence, sequence, Number.POSITIVE_INFINITY, bounds)[0] ?? null
  }

  arrivalBefore(ageMs: number): number {
    return this.#reading(() => this.#reader.arrivalBefore(ageMs, this.#lastArrival), 0)
  }

  retained(originKey: string | null, sift?: Sift): Iterable<StoredBundle> {
    return this.#readingEach(this.#reader.retained(originKey, sift))
  }

  isCurrent(bundle: Bundle): boolean {
    return this.#reading(() => this.#reader.isCurrent(bundle), false)
  }

  taken(): Iterable<TakenNumbers> {
    return this.#readingEach(this.#reader.taken())
  }

  readOffset(name: string): ReaderOffset | null {
    const waiting = this.#writer.offset(name)
    if (waiting !== null) return waiting
    const { readFailures } = this
    const offset = this.#reading(() => this.#reader.offset(name), null)
    // Whoever took this for none would begin anew, and have lost what lies between.
    if (this.readFailures > readFailures) throw new MeshError('data-folder', 'the store cannot be read at the moment')
    return offset
  }

  writeOffset(name: string, offset: ReaderOffset): void {
    if (!this.#isClosing) this.#writer.writeOffset(name, offset)
  }

  flushed(): Promise<void> {
    return this.#writer.flushed()
  }

  onArrivals(listener: () => void): () => void {
    return this.#arrived.add(listener)
  }

  onEased(listener: () => void): () => void {
    return this.#eased.add(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isClosing = true
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.timer(CLOSE_MS, resolve)
    })
    this.#writer.writeAges()
    // What cannot be written now was warned of when the disk began to fail.
    await Promise.race([this.#writer.flushed().catch(ignore), late])
    this.#writer.stop()
    this.#isClosed = true
    this.#arrived.clear()
    this.#eased.clear()
    await Promise.race([this.#database.close().catch(ignore), late])
    timer?.cancel()
  }

  #committed({ state, heldChanges }: Transaction): void {
    for (const { originKey, epoch, first, last, isHeld } of heldChanges) {
      if (isHeld) this.holdings.add(originKey, epoch, first, last)
      else this.holdings.remove(originKey, epoch, first, last)
    }
    if (state.nextArrival - 1 === this.#lastArrival) return
    this.#lastArrival = state.nextArrival - 1
    this.#arrived.notify()
  }

  /** What cannot be read is not there; the next commit will say why. */
  #reading<T>(read: () => T, otherwise: T): T {
    if (this.#isClosed) return otherwise
    try {
      return read()
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.readFailures++
      this.#writer.unreadable(reasonOf(error))
      return otherwise
    }
  }

  *#readingEach<T>(source: Generator<T>): Generator<T> {
    for (;;) {
      const step = this.#reading(() => source.next(), null)
      if (step === null || step.done) return
      yield step.value
    }
  }
}

function ignore(): void {}

// One subscription that reads the store: takes bundles by arrival in bounded steps, puts them in order where that is asked
// for, takes them apart, and keeps a bounded queue from which its subscriber takes messages. It stands still while that queue
// is full. History and what is live come the same way, so there is no seam between them. docs/guide.md, "History".

import { BoundedCache } from '../../crypto/bounded-cache.ts'
import { MeshError } from '../../errors.ts'
import { peerIdOf } from '../../identity/peer-id.ts'
import { Alarm } from '../../io/alarm.ts'
import type { Clock } from '../../io/world.ts'
import { type Bundle, bornMs } from '../bundle.ts'
import type { StoredBundle } from '../bundle-store.ts'
import { PayloadCopies } from '../payload-copies.ts'
import type { TopicPattern } from '../topics.ts'
import { Accounting } from './accounting.ts'
import { type Beginning, beginningOf, isTooOld, offsetOf } from './beginning.ts'
import { DeliveryQueue } from './delivery-queue.ts'
import { DurableOffset } from './durable-offset.ts'
import { Fifo } from './fifo.ts'
import { OriginOrder } from './origin-order.ts'
import { type Delivery, isExpired, isRetained, type ReadBundle, Unpacking } from './read-bundle.ts'
import type { ReadContext, ReaderNotices } from './read-context.ts'
import type { ReadOptions } from './read-options.ts'

/** What one look into the store may give. */
export const SCAN_BUNDLES_MAX = 64
export const SCAN_BYTES_MAX = 1_048_576
/** Work of one reader in one turn of the event loop. */
const STEPS_PER_TURN_MAX = 1_024
const TURN_MS_MAX = 3
const PEER_IDS_MAX = 4_096
/** Of an epoch's number, bits below its second. docs/protocol.md, "Epochs". */
const EPOCHS_PER_S = 2 ** 20

export class StoreReader {
  /** Called when something can be taken, and when nothing will come any more. */
  ready: () => void = () => {}
  readonly pattern: TopicPattern
  readonly options: ReadOptions
  readonly #notices: ReaderNotices
  readonly #madeMs: number
  readonly #queue: DeliveryQueue
  readonly #released = new Fifo<ReadBundle>()
  readonly #copies = new PayloadCopies()
  readonly #peerIds = new BoundedCache<string, string>(PEER_IDS_MAX)
  #context: ReadContext | null = null
  #begun: Beginning | null = null
  /** Current retained values that are told before the reading begins. */
  #retained: Iterator<StoredBundle> | null = null
  #scanned: readonly StoredBundle[] = []
  #scannedAt = 0
  #position = 0
  #accounting: Accounting | null = null
  #unpacking: Unpacking | null = null
  #order: OriginOrder | null = null
  #offset: DurableOffset | null = null
  #alarm: Alarm | null = null
  #gapDeadlineMs = Number.POSITIVE_INFINITY
  #stopListening: () => void = () => {}
  #isScheduled = false
  #isStalled = false
  #isOver = false

  /** `madeMs`: when the program subscribed, by the monotonic clock. Nothing is read before `begin`. */
  constructor(pattern: TopicPattern, options: ReadOptions, notices: ReaderNotices, madeMs: number) {
    this.pattern = pattern
    this.options = options
    this.#notices = notices
    this.#madeMs = madeMs
    this.#queue = new DeliveryQueue(options.queueMax, options.overflow)
  }

  /** Messages that did not fit the queue. */
  get dropped(): number {
    return this.#queue.dropped
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The clock of this run; nothing can be taken before there is one. */
  get clock(): Clock {
    return this.#context!.clock
  }

  /** The store is there. `last`: the newest arrival when this was tried first; what came since is for a new reader. */
  begin(context: ReadContext, last: number = context.store.lastArrival): void {
    if (this.#isOver) return
    const { store, clock } = context
    const { durable, order } = this.options
    const found = beginningOf(this.options, this.#madeMs, store, clock, () => {
      const text = `the store no longer has the message that the subscription to ${this.pattern.text} begins behind; it begins with the oldest`
      this.#notices.warn('since-not-found', text)
    })
    const begun = found.goesOn ? found : { ...found, position: Math.min(found.position, last) }
    this.#context = context
    this.#begun = begun
    this.#position = begun.position
    const accountedFor = begun.goesOn ? offsetOf(begun).arrival : Math.max(begun.position, store.firstArrival - 1)
    this.#accounting = new Accounting(accountedFor, (count) => this.#wasOvertaken(count))
    if (begun.retainedFirst) this.#retained = store.retained(null)[Symbol.iterator]()
    if (durable !== null) {
      this.#offset = new DurableOffset(durable, store, clock, begun.offset)
      if (begun.offset === null && !begun.retainedFirst) this.#offset.startAt(begun.position)
    }
    if (order === 'origin') this.#order = this.#originOrder(context, begun)
    this.#stopListening = store.onArrivals(() => this.#wake())
    this.#wake()
  }

  /** The next message for the subscriber, or null: wait for `ready`. */
  take(): Delivery | null {
    const delivery = this.#queue.shift()
    if (delivery === undefined) return null
    this.#notices.delivered.messages++
    this.#notices.delivered.bytes += delivery.bytes
    if (this.options.ack === 'manual') this.#queue.inFlight++
    this.#goOn()
    return delivery
  }

  /** The subscriber is done with it: it need not come again. Twice is once. */
  done({ read, index }: Delivery): void {
    const { open } = read
    if (this.#isOver || open === null || open.done[index] === 1) return
    this.#offset!.done(open, index)
    if (this.options.ack !== 'manual') return
    this.#queue.inFlight--
    this.#goOn()
  }

  isDone({ read, index }: Delivery): boolean {
    return read.open === null || read.open.done[index] === 1
  }

  /** The same message once more, its payload as it came. Only for a durable reader. */
  again({ read, index }: Delivery): Delivery {
    return this.#unpackingOf(read).deliveryOf(read, index, this.#acknowledged)
  }

  /** Reads no more and writes down how far it came. What is queued can still be taken, unless it will come again anyway. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopListening()
    this.#alarm?.cancel()
    this.#offset?.flush()
    this.#released.clear()
    this.#scanned = []
    this.#unpacking = null
    this.#order = null
    this.#retained = null
    if (this.#offset !== null) this.#queue.clear()
    this.ready()
  }

  /** What is queued is not wanted any more. */
  discard(): void {
    this.#queue.clear()
  }

  #originOrder({ store, seen, clock }: ReadContext, begun: Beginning): OriginOrder {
    const { since, gapTimeoutMs } = this.options
    const looksBack = begun.goesOn || (since !== null && since.kind !== 'retained')
    this.#alarm = new Alarm(clock, () => {
      this.#gapDeadlineMs = Number.POSITIVE_INFINITY
      this.#order?.tick(clock.nowMs())
      this.#wake()
    })
    return new OriginOrder({
      store,
      seen,
      gapTimeoutMs,
      goesOn: begun.goesOn,
      wantsStartOf: (epoch) => {
        const beganMs = clock.nowMs() - (clock.unixMs() - (epoch / EPOCHS_PER_S) * 1000)
        // Of all that is stored, what lies below the first that is held was not asked for.
        const wantedMs = begun.bornMs === Number.NEGATIVE_INFINITY ? this.#madeMs : begun.bornMs
        return beganMs >= wantedMs ? 'yes' : looksBack ? 'silently' : 'no'
      },
      release: (read) => this.#released.push(read),
      late: (read) => this.#finish(read),
      gap: (bundle, first, last) => {
        const { text: pattern } = this.pattern
        this.#notices.gap({ pattern, from: this.#peerIdOf(bundle), epoch: bundle.epoch, first, last })
      },
      wakeAt: (deadlineMs) => {
        this.#gapDeadlineMs = Math.min(this.#gapDeadlineMs, deadlineMs)
        this.#alarm!.set(this.#gapDeadlineMs)
      },
      readOn: () => this.#wake(),
    })
  }

  #goOn(): void {
    if (!this.#isStalled || !this.#queue.hasRoom) return
    this.#isStalled = false
    this.#wake()
  }

  #wake(): void {
    if (this.#isScheduled || this.#isOver || this.#isStalled) return
    this.#isScheduled = true
    this.clock.endOfTurn(() => {
      this.#isScheduled = false
      if (!this.#isOver) this.#turn()
    })
  }

  #turn(): void {
    const startMs = this.clock.nowMs()
    // A queue that drops must not be filled twice before its reader had a chance.
    const stepsMax =
      this.options.overflow === 'drop' ? Math.min(STEPS_PER_TURN_MAX, this.options.queueMax) : STEPS_PER_TURN_MAX
    for (let steps = 0; ; steps++) {
      if (this.#queue.isFull) {
        this.#isStalled = true
        break
      }
      if (steps >= stepsMax || this.clock.nowMs() - startMs >= TURN_MS_MAX) {
        this.#wake()
        break
      }
      if (!this.#step()) break
    }
    if (this.#queue.size > 0) this.ready()
  }

  /** One small piece of work; false when there is none. */
  #step(): boolean {
    if (this.#unpacking !== null) {
      this.#unpackOne(this.#unpacking)
      return true
    }
    const read = this.#released.shift()
    if (read !== undefined) {
      this.#unpack(read)
      return true
    }
    if (this.#scannedAt < this.#scanned.length) {
      this.#accept(this.#scanned[this.#scannedAt++]!)
      return true
    }
    if (this.#retained !== null) {
      this.#tellRetained(this.#retained)
      return true
    }
    return this.#scan()
  }

  #tellRetained(retained: Iterator<StoredBundle>): void {
    const next = retained.next()
    if (next.done) {
      this.#retained = null
      this.#offset?.startAt(this.#begun!.position)
      return
    }
    const { bundle, arrival } = next.value
    // What came since will be read with the rest.
    if (arrival > this.#begun!.position || bundle.originKey === this.#context!.ownOriginKey) return
    this.#released.push({ bundle, arrival, from: 0, open: this.#offset?.openBefore(bundle.count) ?? null })
  }

  #scan(): boolean {
    const { store, clock } = this.#context!
    const nowMs = clock.nowMs()
    this.#accounting!.storeBegins(store.firstArrival, nowMs)
    this.#scanned = store.scanArrivals(this.#position, { bundlesMax: SCAN_BUNDLES_MAX, bytesMax: SCAN_BYTES_MAX })
    this.#scannedAt = 0
    if (this.#scanned.length > 0) return true
    this.#accounting!.read(store.lastArrival)
    this.#order?.reachedEnd(nowMs)
    return this.#released.size > 0
  }

  #wasOvertaken(count: number): void {
    const name = this.options.durable === null ? '' : ` (${this.options.durable})`
    const who = `the subscription to ${this.pattern.text}${name}`
    this.#notices.warn('reader-behind', `retention has overtaken ${who}: up to ${count} bundles were passed over`)
  }

  #accept({ bundle, arrival }: StoredBundle): void {
    const { store, ownOriginKey, clock } = this.#context!
    const begun = this.#begun!
    this.#position = arrival
    this.#accounting!.read(arrival)
    if (bundle.originKey === ownOriginKey) {
      this.#offset?.passed(arrival)
      return
    }
    const isOlder = isTooOld(bundle, arrival, begun)
    const isState = isOlder && this.options.since?.kind === 'retained' && isRetained(bundle) && store.isCurrent(bundle)
    if (isOlder && !isState) {
      this.#order?.skip(bundle, clock.nowMs())
      this.#offset?.passed(arrival)
      return
    }
    const isPartly = arrival === begun.partly?.arrival
    const from = isPartly ? begun.partly!.index + 1 : 0
    const open = this.#offset?.open(arrival, bundle.count) ?? null
    if (open !== null && from > 0) this.#offset!.done(open, 0, from)
    const read: ReadBundle = { bundle, arrival, from, open }
    // A current value that is older than the subscription stands for itself: nothing before it is waited for.
    if (this.#order === null || isState) this.#released.push(read)
    else if (isPartly) this.#order.goOnBehind(read)
    else this.#order.take(read, clock.nowMs())
  }

  #unpack(read: ReadBundle): void {
    if (read.from >= read.bundle.count || isExpired(read.bundle, this.clock.nowMs())) return this.#finish(read)
    try {
      this.#unpacking = this.#unpackingOf(read)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#notices.warn(
        'store-damaged',
        `the store gave back a bundle that is damaged, which is passed over: ${error.message}`,
      )
      this.#finish(read)
    }
  }

  #unpackingOf(read: ReadBundle): Unpacking {
    return new Unpacking(read, this.#peerIdOf(read.bundle), bornMs(read.bundle) + 1 < this.#madeMs, this.#copies)
  }

  #unpackOne(unpacking: Unpacking): void {
    const { open } = unpacking.read
    const delivery = unpacking.next(this.pattern, this.#acknowledged, (index, count) => {
      if (open !== null) this.#offset!.done(open, index, count)
    })
    if (delivery === null) this.#unpacking = null
    else this.#queue.push(delivery)
  }

  /** For messages that are acknowledged by hand. */
  get #acknowledged(): ((delivery: Delivery) => void) | null {
    return this.options.ack === 'manual' ? (delivery) => this.done(delivery) : null
  }

  #finish({ bundle, open }: ReadBundle): void {
    if (open !== null) this.#offset!.done(open, 0, bundle.count)
  }

  /** Checking that a key is an identity was done when the bundle came; here it only has to be shown. */
  #peerIdOf({ originKey, origin }: Bundle): string {
    if (this.#peerIds.get(originKey) === undefined) this.#peerIds.set(originKey, peerIdOf(origin))
    return this.#peerIds.get(originKey)!
  }
}

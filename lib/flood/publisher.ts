// Turns what this program publishes into bundles: gathers the messages of a turn, numbers them, seals them with one
// signature, and holds the caller back while even the fastest neighbour is behind. docs/protocol.md, "Origins".
//
// What `publish` promises: when it resolves, the message stands in a bundle that goes to the neighbours at the end of this
// turn, or within `FILL_MS` (`FILL_MS_MAX` where processor time is short) when messages come so fast that waiting gathers more of
// them under one signature.

import { optionsOf } from '../call-options.ts'
import { MeshError } from '../errors.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Timer } from '../io/world.ts'
import { INTEGER_MAX } from '../limits.ts'
import { bufferMade, OUTSIDE_BYTES_MIN } from '../memory.ts'
import type { PublishOptions, Receipt } from '../types.ts'
import { type BuilderOrigin, BundleBuilder } from './builder.ts'
import { type Bundle, BundleFlag, type BundleSigning } from './bundle.ts'
import type { BundleStore } from './bundle-store.ts'
import { FillTime } from './fill-time.ts'
import { type Kind, kindOf, ORDINARY, PUBLISH_OPTIONS, payloadLength } from './publish-options.ts'
import { Confirmations, type Offer, Publication, PublishReceipt, type ReceiptContext } from './receipt.ts'
import { checkTopic } from './topics.ts'
import { WaitingCalls } from './waiting-calls.ts'

export type { Offer } from './receipt.ts'

/** Equal to nothing that a program may give, whatever its type. */
const NO_TOPIC: unique symbol = Symbol('no topic')

/** Where bundles go: all open links, seen from the publisher. */
export interface PublisherLinks {
  /** Hands a sealed bundle of our own to every link. */
  send(bundle: Bundle): readonly Offer[]
  /** What `send` would give now, without sending. */
  foresee(): readonly Offer[]
  /** True while there is a link and every one has more waiting than it can send soon, or slower ones are waited for. */
  readonly congested: boolean
  /** When `congested` ends by itself, as it was looked at last, by the monotonic clock; null: not before a link has sent. */
  readonly congestedUntilMs: number | null
  /** True while there is a link and every one still has bundles in its queue. */
  readonly busy: boolean
}

export interface PublisherOptions {
  readonly origin: BuilderOrigin & { readonly peerId: string }
  readonly signing: BundleSigning
  readonly clock: Clock
  readonly links: PublisherLinks
  readonly epoch: number
  /** While it is behind, callers wait; what it holds counts for `Receipt.confirmed`. */
  readonly store: Pick<BundleStore, 'isBehind' | 'holdings'>
  /** Called with each bundle before it leaves: marks its numbers as taken and stores it. */
  readonly sealed: (bundle: Bundle) => void
  /** Peer ids of the open neighbours that say that they hold these messages of this node. */
  readonly holders: (epoch: number, first: number, last: number) => readonly string[]
}

/** Keeps what this node published as current values; see own-retained.ts. */
export interface RetainedKeeper {
  /** Throws MeshError `too-large` when there is no room for it. */
  admit(topic: string, payload: Uint8Array | string, bytes: number): void
  /** It has its number now. */
  published(topic: string, payload: Uint8Array | string, timeToLiveS: number): void
  /** Nothing is published any more. */
  stop(): void
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #builder = new BundleBuilder()
  readonly #confirmations: Confirmations
  readonly #receipts: ReceiptContext
  /** The last topic that passed: most programs have few. */
  #checkedTopic: string | typeof NO_TOPIC = NO_TOPIC
  #keeper: RetainedKeeper | null = null
  /** Of the messages being gathered. */
  #timeToLiveS = 0
  #publication: Publication
  #epoch: number
  /** Of the next message. */
  #sequence = 0
  #scheduled = false
  #fillTimer: Timer | null = null
  readonly #waiting = new WaitingCalls()
  /** Rings when slower links are not waited for any longer. */
  readonly #congestedAlarm: Alarm
  #closed: MeshError | null = null
  #paused = false
  readonly #fillTime = new FillTime()
  messages = 0
  bundles = 0
  payloadBytes = 0

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#epoch = options.epoch
    this.#congestedAlarm = new Alarm(options.clock, () => this.resume())
    this.#publication = new Publication(options.epoch, 0)
    const { origin, store, holders, links } = options
    this.#confirmations = new Confirmations(options.clock, {
      holders,
      isStored: (epoch, first, last) => store.holdings.has(origin.originKey, epoch, first, last),
    })
    const confirmations = this.#confirmations
    this.#receipts = { peerId: origin.peerId, foresee: () => links.foresee(), confirmations }
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The sequence number that the next message will have: all below were issued in this epoch. */
  get nextSequence(): number {
    return this.#sequence
  }

  /** From now on it hears of each retained message that a program publishes. */
  keepRetainedIn(keeper: RetainedKeeper): void {
    this.#keeper = keeper
  }

  /**
   * Queues one message. Text is sent as UTF-8. The bytes are copied before this returns, or, while the caller is held
   * back, before it resolves. Rejects with MeshError `bad-topic`, `bad-argument`, `too-large` (payload over 1 MiB, too
   * many calls already waiting, too many retained values), `aborted`, `identity-in-use`, `not-running`.
   */
  publish(topic: string, payload: Uint8Array | string, options?: PublishOptions): Promise<Receipt> {
    try {
      if (topic !== this.#checkedTopic) checkTopic(topic)
      this.#checkedTopic = topic
      return this.#publish(topic, payload, optionsOf('publish', options, PUBLISH_OPTIONS), true)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `publish`, also for topics of the mesh's own. Throws instead of rejecting. Keeps nothing: the caller does. */
  publishChecked(topic: string, payload: Uint8Array | string, options?: PublishOptions): Promise<Receipt> {
    return this.#publish(topic, payload, options, false)
  }

  /** Publishes a current value again, as `publishChecked` does, or returns false when it would have to wait. */
  publishAgain(topic: string, payload: Uint8Array, timeToLiveS: number): boolean {
    if (this.#closed !== null || this.#waiting.count > 0 || !this.#mayAppend(topic, payload.length)) return false
    this.#append(topic, payload, payload.length, { isRetained: true, timeToLiveS, isKept: false })
    return true
  }

  /** What neighbours or the store hold of this node's messages may have changed. Free while nobody waits for that. */
  confirmationsChanged(): void {
    this.#confirmations.changed()
  }

  /** A link or the disk can take more: lets waiting callers go on, in their order. */
  resume(): void {
    this.#waiting.letGo(
      ({ topic, bytes }) => this.#mayAppend(topic, bytes),
      ({ topic, payload, bytes, kind }) => this.#append(topic, payload, bytes, kind),
    )
    if (this.#waiting.count > 0) this.#congestedAlarm.set(this.#options.links.congestedUntilMs)
  }

  /** A link ran empty: a bundle that was only kept open because all were busy can leave. */
  linkIdle(): void {
    if (this.#fillTimer !== null && !this.#fillTime.isFast) this.seal()
  }

  /** Holds back everything until `moveTo`: the numbers of this epoch must not be used any more. */
  pause(): void {
    this.#paused = true
  }

  /** Seals what is gathered and sends it. */
  seal(): void {
    this.#seal(0)
  }

  #seal(flags: number): void {
    if (this.#paused) return
    this.#fillTimer?.cancel()
    this.#fillTimer = null
    const builder = this.#builder
    if (builder.count === 0) return
    const { clock, origin, signing, links, sealed } = this.#options
    const nowMs = clock.nowMs()
    const numbers = {
      epoch: this.#epoch,
      first: this.#publication.first,
      sentAtMs: Math.max(0, Math.floor(clock.unixMs())),
      flags,
      timeToLiveS: this.#timeToLiveS,
    }
    const bundle = builder.seal(origin, signing, numbers, nowMs)
    this.bundles++
    sealed(bundle)
    this.#publication.count = bundle.count
    this.#publication.offers = links.send(bundle)
    bundle.buffer?.release()
    this.#publication = new Publication(this.#epoch, this.#sequence)
  }

  /**
   * Goes on under another epoch, from sequence 0. What is gathered is numbered anew: nothing of it has left, and its
   * receipts name the numbers under which it will.
   */
  moveTo(epoch: number): void {
    if (this.#closed !== null) return
    this.#epoch = epoch
    this.#sequence = this.#builder.count
    this.#publication.epoch = epoch
    this.#publication.first = 0
    this.#paused = false
    this.seal()
    this.resume()
  }

  /** Sends what is gathered and refuses everything from now on with `error`. Returns false when it was closed before. */
  close(error: MeshError): boolean {
    if (this.#closed !== null) return false
    this.seal()
    this.#fillTimer?.cancel()
    this.#congestedAlarm.cancel()
    this.#closed = error
    // What could not be sealed any more (its numbers are another's) went to nobody, and its receipts say so.
    this.#publication.offers ??= []
    this.#waiting.refuse(error)
    this.#confirmations.close(error)
    this.#keeper?.stop()
    return true
  }

  /** A bundle that was begun takes what fits it: whether to go on is asked once for each. */
  #mayAppend(topic: string, bytes: number): boolean {
    if (this.#paused) return false
    const { links, store } = this.#options
    const builder = this.#builder
    return (builder.count > 0 && builder.fits(topic.length, bytes)) || !(links.congested || store.isBehind)
  }

  #publish(
    topic: string,
    payload: Uint8Array | string,
    options: PublishOptions | undefined,
    isProgram: boolean,
  ): Promise<Receipt> {
    if (this.#closed !== null) throw this.#closed
    const signal = options?.signal
    if (signal?.aborted) throw new MeshError('aborted', 'publish was aborted', { cause: signal.reason })
    const bytes = payloadLength(payload)
    const kind = options === undefined ? ORDINARY : kindOf(options, isProgram)
    // Whoever publishes such payloads makes a buffer for each and lets go of it.
    if (bytes >= OUTSIDE_BYTES_MIN && typeof payload !== 'string') bufferMade(bytes)
    if (this.#waiting.count === 0 && this.#mayAppend(topic, bytes)) {
      return Promise.resolve(this.#append(topic, payload, bytes, kind))
    }
    const receipt = this.#waiting.add({ topic, payload, bytes, kind }, signal)
    this.#congestedAlarm.set(this.#options.links.congestedUntilMs)
    return receipt
  }

  #append(topic: string, payload: Uint8Array | string, bytes: number, kind: Kind): Receipt {
    const builder = this.#builder
    const { isRetained, timeToLiveS, isKept } = kind
    if (isKept) this.#keeper?.admit(topic, payload, bytes)
    // A time-to-live holds for a whole bundle, and a retained message has one of its own.
    if (isRetained || timeToLiveS !== this.#timeToLiveS || !builder.fits(topic.length, bytes)) this.seal()
    if (this.#sequence >= INTEGER_MAX) throw new MeshError('too-large', 'this run has used every sequence number')
    this.#timeToLiveS = timeToLiveS
    builder.add(topic, payload)
    this.#sequence++
    this.messages++
    this.payloadBytes += bytes
    this.#fillTime.count(bytes)
    const receipt = new PublishReceipt(this.#publication, builder.count - 1, this.#receipts)
    if (isRetained) {
      if (isKept) this.#keeper?.published(topic, payload, timeToLiveS)
      this.#seal(BundleFlag.retained)
    } else if (builder.isFull) {
      this.seal()
    } else if (!this.#scheduled && this.#fillTimer === null) {
      this.#scheduled = true
      this.#options.clock.endOfTurn(() => this.#endOfTurn())
    }
    return receipt
  }

  #endOfTurn(): void {
    this.#scheduled = false
    if (this.#builder.count === 0) return
    // As much as comes in the time that a bundle may be kept open.
    const bytes = this.#fillTime.measure(this.#options.clock.nowMs())
    if (bytes !== null) this.#builder.fillBytes = bytes
    if (this.#fillTime.isFast || this.#options.links.busy) this.#expectMore()
    else this.seal()
  }

  #expectMore(): void {
    if (this.#fillTimer !== null) return
    const { clock } = this.#options
    const waitMs = this.#fillTime.waitMs
    const dueMs = clock.nowMs() + waitMs
    this.#fillTimer = clock.timer(waitMs, () => {
      this.#fillTimer = null
      this.#fillTime.ended(dueMs, clock.nowMs())
      this.seal()
    })
  }
}

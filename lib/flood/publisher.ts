// Turns what this program publishes into bundles: gathers the messages of a turn, numbers them, seals them with one
// signature, and holds the caller back while even the fastest neighbour is behind. docs/protocol.md, "Origins".
//
// What `publish` promises: when it resolves, the message stands in a bundle that goes to the neighbours at the end of this
// turn, or within `FILL_MS` when messages come so fast that waiting gathers more of them under one signature.

import { copyBytes } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import type { Clock, Timer } from '../io/world.ts'
import { INTEGER_MAX, PAYLOAD_BYTES_MAX } from '../limits.ts'
import type { Outcome, Receipt } from '../types.ts'
import { type BuilderOrigin, BundleBuilder } from './builder.ts'
import type { Bundle, BundleSigning } from './bundle.ts'
import { messageId } from './message.ts'
import { checkTopic } from './topics.ts'

/** Longest time that a bundle is kept open for more messages. */
export const FILL_MS = 5
/** Waiting is worth its delay when it gathers at least this many messages. */
export const FILL_MESSAGES_MIN = 4
/** Callers that wait because every neighbour is behind: calls and bytes. Beyond, `publish` rejects. */
export const WAITING_CALLS_MAX = 65_536
export const WAITING_BYTES_MAX: number = 16 * 1_048_576

/** One bundle's place in one neighbour's queue. */
export interface Offer {
  readonly peer: string
  readonly outcome: Outcome
}

/** Where bundles go: all open links, seen from the publisher. */
export interface PublisherLinks {
  /** Hands a sealed bundle of our own to every link. */
  send(bundle: Bundle): readonly Offer[]
  /** What `send` would give now, without sending. */
  foresee(): readonly Offer[]
  /** True while there is a link and every one has more waiting than it can send soon. */
  readonly congested: boolean
  /** True while there is a link and every one still has bundles in its queue. */
  readonly busy: boolean
}

export interface PublisherOptions {
  readonly origin: BuilderOrigin & { readonly peerId: string }
  readonly signing: BundleSigning
  readonly clock: Clock
  readonly links: PublisherLinks
  readonly epoch: number
  /** Called with each bundle before it leaves: marks its numbers as taken. */
  readonly sealed: (bundle: Bundle) => void
}

/** What became of one bundle; all receipts of its messages share it. */
class Publication {
  epoch: number
  /** Sequence number of its first message. */
  first: number
  offers: readonly Offer[] | null = null

  constructor(epoch: number, first: number) {
    this.epoch = epoch
    this.first = first
  }
}

class PublishReceipt implements Receipt {
  readonly #peerId: string
  readonly #publication: Publication
  /** Its place in the bundle, counted from 0. */
  readonly #index: number
  readonly #links: PublisherLinks

  constructor(peerId: string, publication: Publication, index: number, links: PublisherLinks) {
    this.#peerId = peerId
    this.#publication = publication
    this.#index = index
    this.#links = links
  }

  get id(): string {
    return messageId(this.#peerId, this.#publication.epoch, this.#publication.first + this.#index)
  }

  get neighbours(): readonly { peer: string; outcome: Outcome }[] {
    const offers = this.#publication.offers ?? this.#links.foresee()
    return offers.map(({ peer, outcome }) => ({ peer, outcome }))
  }
}

interface WaitingCall {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly bytes: number
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | undefined
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #builder = new BundleBuilder()
  #publication: Publication
  #epoch: number
  /** Of the next message. */
  #sequence = 0
  #scheduled = false
  #fillTimer: Timer | null = null
  #waiting: WaitingCall[] = []
  #waitingBytes = 0
  #closed: MeshError | null = null
  #paused = false
  /** Messages a millisecond, smoothed over about 20 ms. */
  #rate = 0
  #rateSinceMs = 0
  #rateCount = 0
  messages = 0
  bundles = 0
  payloadBytes = 0

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#epoch = options.epoch
    this.#publication = new Publication(options.epoch, 0)
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The sequence number that the next message will have: all below were issued in this epoch. */
  get nextSequence(): number {
    return this.#sequence
  }

  /**
   * Queues one message. Text is sent as UTF-8. The bytes are copied before this returns, or, while the caller is held
   * back, before it resolves. Rejects with MeshError `bad-topic`, `bad-argument`, `too-large` (payload over 1 MiB, or too
   * many calls already waiting), `aborted`, `identity-in-use`, `not-running`.
   */
  publish(topic: string, payload: Uint8Array | string, signal?: AbortSignal): Promise<Receipt> {
    try {
      checkTopic(topic)
      return this.publishChecked(topic, payload, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `publish`, also for topics of the mesh's own. */
  publishChecked(topic: string, payload: Uint8Array | string, signal?: AbortSignal): Promise<Receipt> {
    if (this.#closed !== null) throw this.#closed
    if (signal?.aborted) throw new MeshError('aborted', 'publish was aborted', { cause: signal.reason })
    const bytes = payloadLength(payload)
    if (this.#waiting.length === 0 && this.#mayAppend) {
      return Promise.resolve(this.#append(topic, payload, bytes))
    }
    return this.#wait(topic, payload, bytes, signal)
  }

  /** A link can take more: lets waiting callers go on, in their order. */
  resume(): void {
    if (this.#waiting.length === 0) return
    let taken = 0
    while (taken < this.#waiting.length && this.#mayAppend) {
      const call = this.#waiting[taken++]!
      this.#release(call)
      try {
        call.resolve(this.#append(call.topic, call.payload, call.bytes))
      } catch (error) {
        call.reject(error)
      }
    }
    if (taken > 0) this.#waiting.splice(0, taken)
  }

  /** A link ran empty: a bundle that was only kept open because all were busy can leave. */
  linkIdle(): void {
    if (this.#fillTimer !== null && !this.#isFast()) this.seal()
  }

  /** Holds back everything until `moveTo`: the numbers of this epoch must not be used any more. */
  pause(): void {
    this.#paused = true
  }

  /** Seals what is gathered and sends it. */
  seal(): void {
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
      flags: 0,
      timeToLiveS: 0,
    }
    const bundle = builder.seal(origin, signing, numbers, nowMs)
    this.bundles++
    sealed(bundle)
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
    this.#closed = error
    // What could not be sealed any more (its numbers are another's) went to nobody, and its receipts say so.
    this.#publication.offers ??= []
    for (const call of this.#waiting.splice(0)) {
      this.#release(call)
      call.reject(error)
    }
    return true
  }

  get #mayAppend(): boolean {
    return !this.#paused && !this.#options.links.congested
  }

  #append(topic: string, payload: Uint8Array | string, bytes: number): Receipt {
    const builder = this.#builder
    if (!builder.fits(topic.length, bytes)) this.seal()
    if (this.#sequence >= INTEGER_MAX) throw new MeshError('too-large', 'this run has used every sequence number')
    builder.add(topic, payload)
    this.#sequence++
    this.messages++
    this.payloadBytes += bytes
    this.#rateCount++
    const { origin, links } = this.#options
    const receipt = new PublishReceipt(origin.peerId, this.#publication, builder.count - 1, links)
    if (builder.isFull) this.seal()
    else if (!this.#scheduled && this.#fillTimer === null) {
      this.#scheduled = true
      this.#options.clock.endOfTurn(() => this.#endOfTurn())
    }
    return receipt
  }

  #endOfTurn(): void {
    this.#scheduled = false
    if (this.#builder.count === 0) return
    this.#measureRate()
    if (this.#isFast() || this.#options.links.busy) {
      this.#fillTimer ??= this.#options.clock.timer(FILL_MS, () => {
        this.#fillTimer = null
        this.seal()
      })
    } else {
      this.seal()
    }
  }

  #isFast(): boolean {
    return this.#rate * FILL_MS >= FILL_MESSAGES_MIN
  }

  #measureRate(): void {
    const nowMs = this.#options.clock.nowMs()
    const elapsedMs = nowMs - this.#rateSinceMs
    if (elapsedMs < FILL_MS) return
    const weight = Math.min(1, elapsedMs / 20)
    this.#rate += weight * (this.#rateCount / elapsedMs - this.#rate)
    this.#rateSinceMs = nowMs
    this.#rateCount = 0
  }

  #wait(topic: string, payload: Uint8Array | string, bytes: number, signal: AbortSignal | undefined): Promise<Receipt> {
    if (this.#waiting.length >= WAITING_CALLS_MAX || this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw new MeshError(
        'too-large',
        'too much is waiting to be published; await each publish before the next, or publish less',
      )
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(call)
        if (at === -1) return
        this.#waiting.splice(at, 1)
        this.#release(call)
        reject(new MeshError('aborted', 'publish was aborted', { cause: signal!.reason }))
      }
      const call: WaitingCall = {
        topic,
        payload: typeof payload === 'string' ? payload : copyBytes(payload),
        bytes,
        resolve,
        reject,
        signal,
        onAbort: signal === undefined ? undefined : onAbort,
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiting.push(call)
      this.#waitingBytes += bytes
    })
  }

  #release(call: WaitingCall): void {
    this.#waitingBytes -= call.bytes
    if (call.onAbort !== undefined) call.signal!.removeEventListener('abort', call.onAbort)
  }
}

function payloadLength(payload: unknown): number {
  let length: number
  if (typeof payload === 'string') {
    length = Buffer.byteLength(payload)
  } else if (payload instanceof Uint8Array) {
    length = payload.length
  } else {
    throw new MeshError(
      'bad-argument',
      'a payload must be text or a Uint8Array; for objects use mesh.topic with a codec',
    )
  }
  if (length > PAYLOAD_BYTES_MAX) {
    throw new MeshError('too-large', `a payload of ${length} bytes; the most is ${PAYLOAD_BYTES_MAX}`)
  }
  return length
}

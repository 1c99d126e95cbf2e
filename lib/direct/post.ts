// Sends our own: seals each try anew, the first by the known way, later ones to everybody, asks first where the epoch or the
// way is not known, and settles what is answered. What comes in from others is inbox.ts. docs/protocol.md, "Tries".

import { EMPTY } from '../bytes.ts'
import { type ErrorCode, MeshError } from '../errors.ts'
import type { Identity } from '../identity/identities.ts'
import { DIRECT_FLOOD_BYTES_MAX, PAYLOAD_BYTES_MAX } from '../limits.ts'
import { type Content, contentLengthMax, encodeContent, Kind, type Numbered } from './content.ts'
import type { Destination, Destinations } from './destinations.ts'
import { type Envelopes, envelopeLength, HEADER_BYTES, textKey } from './envelope.ts'
import type { OwnEpochs } from './own-epochs.ts'
import type { Departure, Relay } from './relay.ts'
import { beginWaiting, type Order, type Waiting, WaitingTable } from './waiting.ts'

export const TRIES_MAX = 3
/** Waits after the tries double from this. */
export const FIRST_WAIT_MS = 1_000
/** What is too large to flood may be under way for longer: a link that moves so many bytes in a millisecond is slow. */
const SLOW_BYTES_PER_MS = 256
/** A try that may not flood yet is put off by this, and given up as one that failed after so long. */
const HELD_MS = 50
const PATIENCE_MS = 10_000
/** One question serves all that is to be sent there. */
const QUESTION_AGAIN_MS = 500
/** Envelopes that one tick seals: about 5 ms of work. */
const SEALS_PER_TICK = 16

export interface PostOptions {
  readonly envelopes: Envelopes
  readonly relay: Relay
  readonly destinations: Destinations
  readonly ownEpochs: OwnEpochs
  readonly table?: WaitingTable
  sha256(data: Uint8Array): Uint8Array
  /** The epoch in which an origin was heard lately, by its bundles; 0 when it was not. */
  knownEpoch(originKey: string): number
}

export interface PostCounters {
  /** Messages and requests of the program, and what became of them. */
  sent: number
  confirmed: number
  failed: number
  /** Envelopes sealed, of every kind. */
  sealed: number
  /** Answers and acknowledgements that found no link; whoever needs one asks again. */
  untold: number
}

/** What is sent once, unnumbered, in answer to something. */
export interface Notice {
  readonly kind: number
  readonly answered: Numbered | null
  readonly topic: string
  readonly payload: Uint8Array
  readonly flooding: boolean
}

export type Send = Pick<Order, 'kind' | 'answered' | 'topic' | 'payload' | 'floodsFirst' | 'endMs' | 'settle'>

export class Post {
  readonly counters: PostCounters = { sent: 0, confirmed: 0, failed: 0, sealed: 0, untold: 0 }
  readonly table: WaitingTable
  readonly #given: PostOptions
  #questions = 0

  constructor(options: PostOptions) {
    this.#given = options
    this.table = options.table ?? new WaitingTable()
  }

  /**
   * Sends a message, request, reply or question, and keeps it until it is answered or has failed. Throws MeshError
   * `too-large` when the bounds are reached, but for a reply: that is then sent once and not kept.
   */
  send(to: Identity, what: Send, nowMs: number): Waiting {
    const { kind, topic, payload } = what
    if (payload.length > PAYLOAD_BYTES_MAX) {
      throw new MeshError('too-large', `a payload of ${payload.length} bytes; at most ${PAYLOAD_BYTES_MAX}`)
    }
    const hasRoom = this.table.hasRoomFor(kind, payload.length)
    if (!hasRoom && kind !== Kind.reply) {
      throw new MeshError('too-large', 'more direct messages wait than the bounds allow; await each before the next')
    }
    const destination = this.#given.destinations.of(to)
    const order: Order = {
      ...what,
      destination,
      number: kind === Kind.question ? this.#questionNumber() : this.#nextNumber(destination),
      isLarge: envelopeLength(contentLengthMax(topic, payload)) > DIRECT_FLOOD_BYTES_MAX,
    }
    const waiting = beginWaiting(order, nowMs)
    if (!hasRoom) {
      this.#sendSealed(waiting, what.floodsFirst && !waiting.isLarge, nowMs)
      return waiting
    }
    this.table.add(waiting)
    if (kind !== Kind.reply) this.counters.sent++
    if (destination.epoch === 0) destination.epoch = this.#given.knownEpoch(destination.originKey)
    this.#attempt(waiting, nowMs)
    return waiting
  }

  /** Sends something that nobody waits for. */
  tell(to: Identity, notice: Notice, nowMs: number): void {
    const destination = this.#given.destinations.of(to)
    if (this.#given.relay.foresee(destination.originKey, false, nowMs) !== 'possible') {
      this.counters.untold++
      return
    }
    const number: Numbered = { epoch: this.#given.ownEpochs.current, sequence: 0 }
    const departure = this.#dispatch(
      this.#seal(destination, { ...notice, number }),
      destination,
      notice.flooding,
      nowMs,
    )
    if (departure === 'held' || departure === 'no-way') this.counters.untold++
  }

  /** The other end was just heard, and named this epoch as its own. What waited for that goes on. */
  learn(from: Identity, epoch: number, nowMs: number): void {
    const destination = this.#given.destinations.of(from)
    destination.epoch = epoch
    if (destination.question === null) return
    destination.question = null
    for (const waiting of this.table.all()) {
      if (waiting.state !== 'asking' || waiting.destination !== destination) continue
      waiting.state = 'ready'
      this.table.dueNow(waiting, nowMs)
    }
  }

  /** `from` says that it took what has this number. False when nothing of the kind waits. */
  acknowledged(from: Identity, number: Numbered): boolean {
    const waiting = this.table.find(false, from.key, number)
    if (waiting === null) return false
    if (waiting.kind === Kind.request) {
      waiting.state = 'accepted'
      this.table.dueAt(waiting, waiting.endMs)
      return true
    }
    return this.#conclude(waiting, null, EMPTY, 0)
  }

  /** The reply to a request: its payload, or the error that it became. */
  replied(from: Identity, number: Numbered, error: MeshError | null, payload: Uint8Array, hops: number): boolean {
    const waiting = this.table.find(false, from.key, number)
    if (waiting === null || waiting.kind !== Kind.request) return false
    return this.#conclude(waiting, error, payload, hops)
  }

  /** A message or request that was refused for good, and why. */
  refused(from: Identity, number: Numbered, error: MeshError): boolean {
    const waiting = this.table.find(false, from.key, number)
    return waiting !== null && this.#conclude(waiting, error, EMPTY, 0)
  }

  /** `from` has no room for what has this number now: the next try comes at its time. */
  busy(from: Identity, number: Numbered): boolean {
    const waiting = this.table.find(false, from.key, number)
    if (waiting === null) return false
    waiting.wasBusy = true
    return true
  }

  /** Nobody waits for it any more. */
  cancel(waiting: Waiting, error: MeshError): void {
    this.#conclude(waiting, error, EMPTY, 0)
  }

  /** What has this number was sealed for another epoch than that of `from`. Once a message it is sealed again at once. */
  wrongEpoch(from: Identity, number: Numbered, epoch: number, nowMs: number): boolean {
    const waiting = this.table.find(false, from.key, number)
    if (waiting === null) return false
    waiting.destination.epoch = epoch
    if (!waiting.wasResealed && waiting.state === 'sent') {
      waiting.wasResealed = true
      waiting.state = 'ready'
      this.table.dueNow(waiting, nowMs)
    }
    return true
  }

  /** The answer to a question, over so many links. */
  answered(from: Identity, number: Numbered, epoch: number, hops: number, nowMs: number): boolean {
    const ping = this.table.find(true, from.key, number)
    const question = this.#given.destinations.of(from).question?.number
    const isOurs = question?.epoch === number.epoch && question.sequence === number.sequence
    if (ping === null && !isOurs) return false
    this.learn(from, epoch, nowMs)
    if (ping !== null) this.#conclude(ping, null, EMPTY, hops)
    return true
  }

  /** A relay knows no way for this envelope of ours. It may lie, so it costs no more than the try. */
  unreachable(envelopeKey: string, nowMs: number): boolean {
    const waiting = this.table.findEnvelope(envelopeKey)
    if (waiting === null || waiting.state !== 'sent') return false
    waiting.wasUnreachable = true
    this.table.dueNow(waiting, nowMs)
    return true
  }

  /** Tries again what is due, at most so many. */
  tick(nowMs: number, triesMax: number = SEALS_PER_TICK): void {
    for (const waiting of this.table.takeDue(nowMs, triesMax)) this.#attempt(waiting, nowMs)
  }

  nextDeadlineMs(): number {
    return this.table.earliestMs
  }

  /** Everything that waits fails with this. */
  close(error: MeshError): void {
    for (const waiting of this.table.all()) this.#conclude(waiting, error, EMPTY, 0)
  }

  #attempt(waiting: Waiting, nowMs: number): void {
    if (nowMs >= waiting.endMs) return this.#fail(waiting, 'timed-out', 'nothing came back in time')
    const { destination, isLarge } = waiting
    if (waiting.state === 'ready') {
      const departure = this.#sendSealed(waiting, !isLarge && waiting.tries > 1, nowMs)
      if (this.#isPutOff(waiting, departure, nowMs)) return
      return this.#away(waiting, 'sent', departure, nowMs)
    }
    if (waiting.tries >= TRIES_MAX) return this.#giveUp(waiting)
    // Silence after the known way: it may lead nowhere.
    if (waiting.state === 'sent') this.#given.relay.routes.forget(destination.originKey)
    const flooding = waiting.tries > 0 || waiting.floodsFirst
    const knowsWay =
      !isLarge || (waiting.tries === 0 && this.#given.relay.routes.find(destination.originKey, nowMs) !== null)
    const asks = waiting.kind !== Kind.question && (destination.epoch === 0 || !knowsWay)
    const departure = asks
      ? this.#ask(destination, flooding, nowMs)
      : this.#sendSealed(waiting, flooding && !isLarge, nowMs)
    if (this.#isPutOff(waiting, departure, nowMs)) return
    waiting.tries++
    this.#away(waiting, asks ? 'asking' : 'sent', departure, nowMs)
  }

  #isPutOff(waiting: Waiting, departure: Departure, nowMs: number): boolean {
    if (departure !== 'held' || nowMs - waiting.sinceMs >= PATIENCE_MS) return false
    this.table.dueAt(waiting, nowMs + HELD_MS)
    return true
  }

  #away(waiting: Waiting, state: 'asking' | 'sent', departure: Departure, nowMs: number): void {
    if (departure === 'routed' || departure === 'flooded') waiting.hasLeft = true
    waiting.state = state
    const transferMs = waiting.isLarge && state === 'sent' ? waiting.payload.length / SLOW_BYTES_PER_MS : 0
    this.table.dueAt(waiting, nowMs + FIRST_WAIT_MS * 2 ** (waiting.tries - 1) + transferMs)
  }

  #ask(destination: Destination, flooding: boolean, nowMs: number): Departure {
    const question = destination.question
    if (question !== null && nowMs - question.leftMs < QUESTION_AGAIN_MS && (question.flooded || !flooding))
      return 'routed'
    const expected = this.#given.relay.foresee(destination.originKey, false, nowMs)
    if (expected !== 'possible') return expected
    const number = question?.number ?? this.#questionNumber()
    const body = this.#seal(destination, { kind: Kind.question, number, answered: null, topic: '', payload: EMPTY })
    const departure = this.#dispatch(body, destination, flooding, nowMs)
    const leftMs = departure === 'routed' || departure === 'flooded' ? nowMs : Number.NEGATIVE_INFINITY
    destination.question = { number, leftMs, flooded: departure === 'flooded' }
    return departure
  }

  #sendSealed(waiting: Waiting, flooding: boolean, nowMs: number): Departure {
    const expected = this.#given.relay.foresee(waiting.destination.originKey, waiting.isLarge, nowMs)
    if (expected !== 'possible') return expected
    const body = this.#seal(waiting.destination, waiting)
    if (waiting.isLarge) this.table.sentAs(waiting, textKey(this.#given.sha256(body.subarray(HEADER_BYTES))))
    return this.#dispatch(body, waiting.destination, flooding, nowMs)
  }

  #seal(
    destination: Destination,
    what: Pick<Content, 'kind' | 'answered' | 'topic' | 'payload'> & { readonly number: Numbered },
  ): Uint8Array {
    const { kind, number, answered, topic, payload } = what
    this.counters.sealed++
    const content = { destinationEpoch: destination.epoch, ...number, kind, answered, topic, payload }
    return this.#given.envelopes.seal(destination.identity, encodeContent(content))
  }

  #dispatch(body: Uint8Array, destination: Destination, flooding: boolean, nowMs: number): Departure {
    return this.#given.relay.dispatch(body, destination.originKey, flooding, nowMs)
  }

  #giveUp(waiting: Waiting): void {
    if (!waiting.hasLeft) return this.#fail(waiting, 'unreachable', 'no link could take it')
    if (waiting.wasUnreachable) return this.#fail(waiting, 'unreachable', 'nobody on the way knows where it is')
    if (waiting.wasBusy) return this.#fail(waiting, 'timed-out', 'it is too busy to take this')
    this.#fail(waiting, 'timed-out', `no answer to ${waiting.tries} tries`)
  }

  #fail(waiting: Waiting, code: ErrorCode, why: string): void {
    this.#conclude(waiting, new MeshError(code, `${waiting.destination.identity.id}: ${why}`), EMPTY, 0)
  }

  #conclude(waiting: Waiting, error: MeshError | null, payload: Uint8Array, hops: number): boolean {
    if (!this.table.settle(waiting, error, payload, hops)) return false
    if (waiting.kind !== Kind.reply) {
      if (error === null) this.counters.confirmed++
      else this.counters.failed++
    }
    return true
  }

  #nextNumber(destination: Destination): Numbered {
    const { ownEpochs, destinations } = this.#given
    return { epoch: ownEpochs.current, sequence: destinations.nextSequence(destination) }
  }

  #questionNumber(): Numbered {
    return { epoch: this.#given.ownEpochs.current, sequence: this.#questions++ }
  }
}

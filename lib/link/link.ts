// An open link: frames in and out over one proven connection. It cuts what comes into frames and hands them on, sends what
// its queue holds in as few records as it can, keeps the heartbeat, and ends with a goodbye. It does not know what bundles,
// envelopes or streams are, nor other links. docs/protocol.md, "Records", "Frames", "Heartbeat" and "Goodbye".
//
//   open ──close()──▶ closing ──flushed, or out of time──▶ over
//     └──goodbye, FIN, fault, silence──────────────────────▶ over

import { MeshError } from '../errors.ts'
import { type Frame, FrameType } from '../framing/frames.ts'
import { decodeGoodbye, encodeGoodbye, GoodbyeCode } from '../framing/goodbye.ts'
import type { Identity } from '../identity/identities.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Socket } from '../io/world.ts'
import { DUPLICATE_DRAIN_MS, GOODBYE_FLUSH_MS, WRITE_STALL_MS } from '../limits.ts'
import type { About } from './about.ts'
import { Answers } from './answers.ts'
import type { Farewells } from './farewells.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { type Brake, Intake } from './intake.ts'
import { decodePeers, goodbyeReason, type Opened } from './opening.ts'
import { Outflow } from './outflow.ts'
import { type OutgoingFrame, plainFrame, type QueueBudget, type SendClass } from './send-queue.ts'

/** Counted over all links of a node. */
export interface LinkCounters {
  bytesIn: number
  bytesOut: number
  framesIn: number
  framesOut: number
  unknownFrames: number
}

export interface LinkContext {
  readonly clock: Clock
  readonly farewells: Farewells
  readonly fraction: () => number
  readonly heartbeat: HeartbeatOptions
  readonly budget: QueueBudget
  readonly brake: Brake
  readonly counters: LinkCounters
}

export interface LinkEvents {
  /**
   * A frame that is not the link's own business; `body` is the receiver's to keep. False: nobody here understands the type.
   * Throwing a MeshError with a remote fault ends the link with goodbye 3.
   */
  frame(type: number, body: Uint8Array): boolean
  /**
   * Part of a large frame is here, `start` (good for this call only) of `length` bytes of its body; called again whenever more of
   * it came. What it will be is not known before all of it is here.
   */
  underWay?(type: number, start: Uint8Array, length: number): void
  /** The body of the `peers` frame that answers an `ask-peers` for `count` of them. */
  peersAsked(count: number): Uint8Array
  peersTold(records: readonly Uint8Array[]): void
  /** Records went out: there is room again. */
  progressed(): void
  /**
   * All that this end had to say, its goodbye last, is with the system: nothing comes of the link any more but `closed`, when the
   * other end has hung up too. Not called where a link ends otherwise.
   */
  parted?(): void
  /** Once, last: the link is over. `error` says why, also for an orderly end; `goodbyeCode` is what the other end gave. */
  closed(error: MeshError, goodbyeCode: number | null): void
}

/**
 * `draining`: closing as the lesser of two connections, still reading what is under way. `superseded`: the other end has
 * closed this one in favour of another that is still opening here; what is queued waits to be taken over.
 */
type Phase = 'open' | 'draining' | 'closing' | 'superseded' | 'over'

export class Link {
  readonly identity: Identity
  readonly about: About
  readonly features: readonly string[]
  readonly direction: 'in' | 'out'
  /** Multiaddr text of the other end. */
  readonly address: string
  readonly openedAtMs: number
  readonly #context: LinkContext
  readonly #events: LinkEvents
  readonly #socket: Socket
  readonly #intake: Intake
  readonly #outflow: Outflow
  readonly #heartbeat: Heartbeat
  readonly #answers: Answers
  readonly #alarm: Alarm
  #phase: Phase = 'open'
  #closeError: MeshError | null = null
  #flushByMs = Number.POSITIVE_INFINITY
  #destroyByMs = Number.POSITIVE_INFINITY
  #reported = false

  constructor(parts: Opened, direction: 'in' | 'out', address: string, context: LinkContext, events: LinkEvents) {
    const nowMs = context.clock.nowMs()
    this.identity = parts.identity
    this.about = parts.about
    this.features = parts.features
    this.direction = direction
    this.address = address
    this.openedAtMs = nowMs
    this.#context = context
    this.#events = events
    this.#socket = parts.socket
    const { clock, brake, budget, counters } = context
    this.#intake = new Intake(parts, clock, brake, {
      isReading: () => this.#isReading,
      frame: (frame) => this.#frame(frame),
      underWay: (type, start, length) => this.#events.underWay?.(type, start, length),
      fault: (error) => this.#fault(error),
    })
    this.#outflow = new Outflow(parts, clock, budget, counters, () => this.#pumped())
    this.#heartbeat = new Heartbeat(context.heartbeat, context.fraction, nowMs)
    this.#answers = new Answers({
      answer: (frame) => this.send('control', frame),
      peersAsked: (count) => this.#events.peersAsked(count),
    })
    this.#alarm = new Alarm(clock, () => this.#tick())
  }

  /** Begins to read and send. Called once, after whoever hears the events knows this link. */
  start(): void {
    this.#socket.attach({
      data: (bytes) => this.#received(bytes),
      drained: () => this.#outflow.pump(),
      ended: () => this.#otherEnded(),
      closed: (error) => this.#socketClosed(error),
    })
    this.#setAlarm()
    this.#socket.shareReadBuffer?.()
    this.#intake.read(this.#context.clock.nowMs())
  }

  /** IP literal of the other end. */
  get remoteHost(): string {
    return this.#socket.remote.host
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  get roundTripMs(): number | null {
    return this.#heartbeat.roundTripMs
  }

  /** Bytes that wait here and in the socket. */
  get queuedBytes(): number {
    return this.#outflow.waitingBytes
  }

  get bundleBytes(): number {
    return this.#outflow.queue.bundleBytes
  }

  /** Bytes that went out within the last CARRIED_MS; see Outflow. */
  get carriedBytes(): number {
    return this.#outflow.carriedBytes
  }

  get isStalled(): boolean {
    return this.#outflow.queue.isStalled
  }

  /** Queues a frame that must not be dropped; whoever sends it bounds it. Ignored when the link is closing. */
  send(into: SendClass, frame: OutgoingFrame): void {
    if (!this.#isQueueing) return frame.dropped()
    this.#outflow.push(into, frame)
  }

  /** Queues a `peers` frame that was not asked for. One waits at most: the newest. */
  tellPeers(body: Uint8Array): void {
    this.#answers.tellPeers(body)
  }

  /** Queues a bundle; false when the queue is full or the link is closing. */
  offer(frame: OutgoingFrame): boolean {
    return this.#isQueueing && this.#outflow.offer(frame)
  }

  /** Whether `offer` would take a bundle with a body of so many bytes. */
  wouldTake(bodyLength: number): boolean {
    return this.#isQueueing && this.#outflow.queue.wouldTake(bodyLength)
  }

  /** Sends now what otherwise would go out together at the end of this turn. */
  flush(): void {
    this.#outflow.flush()
  }

  /** Takes a frame out of the queue; false when it has begun or is not here. */
  withdraw(frame: OutgoingFrame): boolean {
    return this.#outflow.queue.withdraw(frame)
  }

  /** Takes what has not begun out of the queue, to be sent elsewhere. */
  takeQueue(): { into: SendClass; frame: OutgoingFrame }[] {
    return this.#outflow.queue.takeAll()
  }

  /** No other connection takes over: drops what a superseded link still holds. */
  abandon(): void {
    if (this.#phase !== 'superseded') return
    this.#phase = 'over'
    this.#outflow.queue.clear()
  }

  /**
   * Says goodbye and closes. What waits is sent before it when the code is `shuttingDown` and time allows (half of
   * GOODBYE_FLUSH_MS); with other codes it is dropped, and `before` alone goes before the goodbye. `closed` follows.
   */
  close(code: number, text: string, before: OutgoingFrame | null = null): void {
    if (this.#phase === 'draining' && code === GoodbyeCode.shuttingDown) return this.#hurry()
    if (this.#phase !== 'open') return
    this.#phase = code === GoodbyeCode.duplicate ? 'draining' : 'closing'
    this.#closeError = new MeshError('disconnected', goodbyeReason(code, text))
    this.#sayGoodbye(code, text, code === GoodbyeCode.shuttingDown, before)
  }

  /** Ends it without a goodbye. */
  cut(): void {
    this.#destroy(this.#closeError ?? new MeshError('disconnected', 'the link was cut off'), true)
  }

  /** What is still under way on a losing duplicate is not worth holding up the end of this node. */
  #hurry(): void {
    this.#destroyByMs = Math.min(this.#destroyByMs, this.#context.clock.nowMs() + GOODBYE_FLUSH_MS)
    this.#setAlarm()
  }

  #sayGoodbye(code: number, text: string, flush: boolean, before: OutgoingFrame | null): void {
    const nowMs = this.#context.clock.nowMs()
    this.#outflow.endWith(plainFrame(FrameType.goodbye, encodeGoodbye(code, text)))
    this.#flushByMs = flush ? nowMs + GOODBYE_FLUSH_MS / 2 : nowMs
    this.#destroyByMs = nowMs + (this.#phase === 'draining' ? DUPLICATE_DRAIN_MS : GOODBYE_FLUSH_MS)
    if (!flush) this.#outflow.queue.clear()
    if (before !== null) this.#outflow.queue.push('control', before)
    this.#outflow.pump()
    this.#setAlarm()
  }

  // Input

  #received(bytes: Uint8Array): void {
    if (!this.#isReading) return
    this.#context.counters.bytesIn += bytes.length
    const nowMs = this.#context.clock.nowMs()
    this.#heartbeat.heard(nowMs)
    this.#intake.received(bytes, nowMs)
  }

  get #isQueueing(): boolean {
    return this.#phase === 'open' || this.#phase === 'superseded'
  }

  get #isReading(): boolean {
    return this.#phase === 'open' || this.#phase === 'draining'
  }

  #frame(frame: Frame): void {
    const { counters, clock } = this.#context
    counters.framesIn++
    if (!frame.known) {
      counters.unknownFrames++
      return
    }
    switch (frame.type) {
      case FrameType.ping:
        return this.#answers.ping(frame.body)
      case FrameType.pong:
        return this.#heartbeat.pong(frame.body, clock.nowMs())
      case FrameType.goodbye:
        return this.#goodbyeReceived(frame.body)
      case FrameType.askPeers:
        return this.#answers.askPeers(frame.body, clock.nowMs())
      case FrameType.peers:
        return this.#events.peersTold(decodePeers(frame.body))
      case FrameType.about:
        throw new MeshError('bad-frame', 'a second about frame')
      default:
        if (!this.#events.frame(frame.type, frame.body)) counters.unknownFrames++
    }
  }

  #goodbyeReceived(body: Uint8Array): void {
    const { code, text } = decodeGoodbye(body)
    const error = this.#closeError ?? new MeshError('peer-said-goodbye', goodbyeReason(code, text))
    // A losing duplicate is read to its end at the other end too, and a frame that has begun here goes nowhere else.
    if (code === GoodbyeCode.duplicate || this.#phase === 'draining') this.#outflow.finishFrame()
    if (code === GoodbyeCode.duplicate && this.#phase === 'open') {
      this.#phase = 'superseded'
      this.#outflow.stop()
      this.#alarm.cancel()
      this.#report(error, code)
    } else {
      this.#over(error, code)
    }
    // What we still had to say to it has no reader; our own goodbye, when it is under way, goes out.
    const isDuplicate = code === GoodbyeCode.duplicate
    this.#context.farewells.closeSoon(this.#socket, isDuplicate ? DUPLICATE_DRAIN_MS : GOODBYE_FLUSH_MS)
  }

  #otherEnded(): void {
    if (this.#phase === 'over') return
    this.#over(this.#closeError ?? new MeshError('connection-lost', 'the other end closed without a goodbye'), null)
    this.#context.farewells.closeSoon(this.#socket)
  }

  #socketClosed(cause: Error | null): void {
    const reason = cause === null ? 'the connection was closed' : `the connection was lost: ${cause.message}`
    this.#over(this.#closeError ?? new MeshError('connection-lost', reason, { cause }), null)
  }

  /** The other end broke the protocol. It is told where frames still work; a record that does not open ends in silence. */
  #fault(error: MeshError): void {
    if (error.code === 'bad-record') {
      this.#over(error, null)
      this.#socket.destroy()
      return
    }
    this.#phase = 'closing'
    this.#closeError = error
    this.#sayGoodbye(GoodbyeCode.protocolError, error.message, false, null)
    this.#report(error, null)
  }

  // Output

  #pumped(): void {
    if (this.#phase === 'open') {
      this.#setAlarm()
      this.#events.progressed()
    } else if (this.#outflow.isDone) {
      this.#socket.end()
      if (this.#phase === 'closing' && this.#socket.unsentBytes === 0) this.#events.parted?.()
    }
  }

  // Time

  #setAlarm(): void {
    if (this.#phase === 'over') return
    const stallMs = (this.#outflow.stuckSinceMs ?? Number.POSITIVE_INFINITY) + WRITE_STALL_MS
    const beatMs = this.#phase === 'open' ? this.#heartbeat.deadlineMs : Number.POSITIVE_INFINITY
    const flushMs = this.#outflow.isEnding ? this.#flushByMs : Number.POSITIVE_INFINITY
    this.#alarm.set(Math.min(stallMs, beatMs, flushMs, this.#destroyByMs))
  }

  #tick(): void {
    if (this.#phase === 'over') return
    const nowMs = this.#context.clock.nowMs()
    this.#outflow.measureProgress(nowMs)
    if (nowMs >= this.#destroyByMs) return this.#destroy(this.#closeError!, false)
    if (nowMs - (this.#outflow.stuckSinceMs ?? nowMs) >= WRITE_STALL_MS) {
      const seconds = WRITE_STALL_MS / 1000
      return this.#destroy(new MeshError('peer-stuck', `the neighbour took no bytes for ${seconds} s`), true)
    }
    if (this.#outflow.isEnding && nowMs >= this.#flushByMs) {
      this.#outflow.queue.clear()
      this.#flushByMs = Number.POSITIVE_INFINITY
      this.#outflow.pump()
    }
    if (this.#phase === 'open') this.#beat(nowMs)
    this.#setAlarm()
  }

  #beat(nowMs: number): void {
    const due = this.#heartbeat.tick(nowMs)
    if (due === 'dead') {
      const { missedMax } = this.#context.heartbeat
      this.#destroy(new MeshError('peer-silent', `nothing came from the neighbour over ${missedMax} pings`), true)
    } else if (due !== null) {
      this.#outflow.queue.push('control', plainFrame(FrameType.ping, due))
      this.#outflow.pump()
    }
  }

  #destroy(error: MeshError, reset: boolean): void {
    this.#over(error, null)
    this.#socket.destroy({ reset })
  }

  #over(error: MeshError, goodbyeCode: number | null): void {
    if (this.#phase === 'over' || this.#phase === 'superseded') return
    this.#phase = 'over'
    this.#outflow.stop()
    this.#alarm.cancel()
    this.#outflow.queue.clear()
    this.#report(error, goodbyeCode)
  }

  #report(error: MeshError, goodbyeCode: number | null): void {
    if (this.#reported) return
    this.#reported = true
    this.#events.closed(error, goodbyeCode)
  }
}

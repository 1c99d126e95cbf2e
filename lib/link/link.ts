// An open link: frames in and out over one proven connection. It cuts what comes into frames and hands them on, sends what
// its queue holds in as few records as it can, keeps the heartbeat, and ends with a goodbye. It does not know what bundles,
// envelopes or streams are, nor other links. docs/protocol.md, "Records", "Frames", "Heartbeat" and "Goodbye".
//
//   open ──close()──▶ closing ──flushed, or out of time──▶ over
//     └──goodbye, FIN, fault, silence──────────────────────▶ over

import { EMPTY } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { type Frame, type FrameReader, FrameType } from '../framing/frames.ts'
import { decodeGoodbye, encodeGoodbye, GoodbyeCode } from '../framing/goodbye.ts'
import { recordBuffers } from '../framing/record-buffers.ts'
import { type RecordOpener, type RecordReader, type RecordSealer, sealedLength } from '../framing/records.ts'
import type { Identity } from '../identity/identities.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Socket } from '../io/world.ts'
import {
  DUPLICATE_DRAIN_MS,
  FRAMES_PER_TURN_MAX,
  GOODBYE_FLUSH_MS,
  PEERS_MAX,
  RECORD_PLAIN_BYTES_MAX,
  SOCKET_UNSENT_BYTES_MAX,
  TURN_MS_MAX,
  WRITE_STALL_MS,
} from '../limits.ts'
import type { About } from './about.ts'
import type { Farewells } from './farewells.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { decodePeers, goodbyeReason, type Opened } from './opening.ts'
import { type OutgoingFrame, plainFrame, type QueueBudget, type SendClass, SendQueue } from './send-queue.ts'

/** A neighbour that asks for peers more often than this gets no answer. */
const ASK_PEERS_MS = 1_000
/** One buffer for all links: a record is sealed out of it before the next is filled. */
const plain = new Uint8Array(RECORD_PLAIN_BYTES_MAX)

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
  readonly counters: LinkCounters
}

export interface LinkEvents {
  /**
   * A frame that is not the link's own business; `body` is the receiver's to keep. False: nobody here understands the type.
   * Throwing a MeshError with a remote fault ends the link with goodbye 3.
   */
  frame(type: number, body: Uint8Array): boolean
  /** The body of the `peers` frame that answers an `ask-peers` for `count` of them. */
  peersAsked(count: number): Uint8Array
  peersTold(records: readonly Uint8Array[]): void
  /** Records went out: there is room again. */
  progressed(): void
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
  readonly #records: RecordReader
  readonly #frames: FrameReader
  readonly #sealer: RecordSealer
  readonly #opener: RecordOpener
  readonly #queue: SendQueue
  readonly #heartbeat: Heartbeat
  readonly #alarm: Alarm
  #phase: Phase = 'open'
  #pumpScheduled = false
  /** Out of turn: what is left of the input is read at the end of this turn. */
  #yielded = false
  #pong: { body: Uint8Array } | null = null
  #askedPeersMs = Number.NEGATIVE_INFINITY
  #writtenBytes = 0
  #handedBytes = 0
  #progressMs: number
  /** The last frame to send, once everything before it has gone or time is up. */
  #goodbye: Uint8Array | null = null
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
    this.#records = parts.records
    this.#frames = parts.frames
    this.#sealer = parts.sealer
    this.#opener = parts.opener
    this.#queue = new SendQueue(context.budget)
    this.#heartbeat = new Heartbeat(context.heartbeat, context.fraction, nowMs)
    this.#progressMs = nowMs
    this.#alarm = new Alarm(context.clock, () => this.#tick())
  }

  /** Begins to read and send. Called once, after whoever hears the events knows this link. */
  start(): void {
    this.#socket.attach({
      data: (bytes) => this.#received(bytes),
      drained: () => this.#drained(),
      ended: () => this.#otherEnded(),
      closed: (error) => this.#socketClosed(error),
    })
    this.#setAlarm()
    this.#socket.shareReadBuffer?.()
    this.#read()
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  get roundTripMs(): number | null {
    return this.#heartbeat.roundTripMs
  }

  /** Bytes that wait here and in the socket. */
  get queuedBytes(): number {
    return this.#queue.bytes + this.#socket.unsentBytes
  }

  get bundleBytes(): number {
    return this.#queue.bundleBytes
  }

  /** Queues a frame that must not be dropped; whoever sends it bounds it. Ignored when the link is closing. */
  send(into: SendClass, frame: OutgoingFrame): void {
    if (!this.#queueing()) return frame.dropped()
    this.#queue.push(into, frame)
    this.#schedulePump()
  }

  /** Queues a bundle; false when the queue is full or the link is closing. */
  offer(frame: OutgoingFrame): boolean {
    if (!this.#queueing() || !this.#queue.offer(frame)) return false
    this.#schedulePump()
    return true
  }

  /** Whether `offer` would take a bundle with a body of so many bytes. */
  wouldTake(bodyLength: number): boolean {
    return this.#queueing() && this.#queue.wouldTake(bodyLength)
  }

  /** Takes a frame out of the queue; false when it has begun or is not here. */
  withdraw(frame: OutgoingFrame): boolean {
    return this.#queue.withdraw(frame)
  }

  /** Takes what has not begun out of the queue, to be sent elsewhere. */
  takeQueue(): { into: SendClass; frame: OutgoingFrame }[] {
    return this.#queue.takeAll()
  }

  /** No other connection takes over: drops what a superseded link still holds. */
  abandon(): void {
    if (this.#phase !== 'superseded') return
    this.#phase = 'over'
    this.#queue.clear()
  }

  /**
   * Says goodbye and closes. What waits is sent before it when the code is `shuttingDown` and time allows (half of
   * GOODBYE_FLUSH_MS); with other codes it is dropped. `closed` follows.
   */
  close(code: number, text: string): void {
    if (this.#phase === 'draining' && code === GoodbyeCode.shuttingDown) return this.#hurry()
    if (this.#phase !== 'open') return
    this.#phase = code === GoodbyeCode.duplicate ? 'draining' : 'closing'
    this.#closeError = new MeshError('disconnected', goodbyeReason(code, text))
    this.#sayGoodbye(code, text, code === GoodbyeCode.shuttingDown)
  }

  /** What is still under way on a losing duplicate is not worth holding up the end of this node. */
  #hurry(): void {
    this.#destroyByMs = Math.min(this.#destroyByMs, this.#context.clock.nowMs() + GOODBYE_FLUSH_MS)
    this.#setAlarm()
  }

  #sayGoodbye(code: number, text: string, flush: boolean): void {
    const nowMs = this.#context.clock.nowMs()
    this.#goodbye = encodeGoodbye(code, text)
    this.#flushByMs = flush ? nowMs + GOODBYE_FLUSH_MS / 2 : nowMs
    this.#destroyByMs = nowMs + (this.#phase === 'draining' ? DUPLICATE_DRAIN_MS : GOODBYE_FLUSH_MS)
    if (!flush) this.#queue.clear()
    this.#pump()
    this.#setAlarm()
  }

  // Input

  #received(bytes: Uint8Array): void {
    if (!this.#reading()) return
    this.#context.counters.bytesIn += bytes.length
    this.#heartbeat.heard(this.#context.clock.nowMs())
    this.#records.push(bytes)
    if (!this.#yielded) this.#read()
    this.#records.keep()
  }

  #read(): void {
    const { clock } = this.#context
    const startMs = clock.nowMs()
    let frames = 0
    try {
      while (this.#reading()) {
        const frame = this.#frames.next()
        if (frame !== null) {
          this.#frame(frame)
          if (++frames >= FRAMES_PER_TURN_MAX || clock.nowMs() - startMs >= TURN_MS_MAX) return this.#yield()
          continue
        }
        const record = this.#records.next()
        if (record === null) return
        this.#frames.push(this.#opener.open(record))
      }
    } catch (error) {
      if (!(error instanceof MeshError) || error.fault !== 'remote') throw error
      this.#fault(error)
    }
  }

  #queueing(): boolean {
    return this.#phase === 'open' || this.#phase === 'superseded'
  }

  #reading(): boolean {
    return this.#phase === 'open' || this.#phase === 'draining'
  }

  #yield(): void {
    if (!this.#reading()) return
    this.#yielded = true
    this.#socket.pause()
    this.#context.clock.endOfTurn(() => {
      this.#yielded = false
      if (this.#reading()) this.#read()
      // Also when nothing is read any more: a paused socket does not notice that its other end has left.
      if (!this.#yielded) this.#socket.resume()
    })
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
        return this.#answerPing(frame.body)
      case FrameType.pong:
        return this.#heartbeat.pong(frame.body, clock.nowMs())
      case FrameType.goodbye:
        return this.#goodbyeReceived(frame.body)
      case FrameType.askPeers:
        return this.#peersAsked(frame.body)
      case FrameType.peers:
        return this.#events.peersTold(decodePeers(frame.body))
      case FrameType.about:
        throw new MeshError('bad-frame', 'a second about frame')
      default:
        if (!this.#events.frame(frame.type, frame.body)) counters.unknownFrames++
    }
  }

  #answerPing(body: Uint8Array): void {
    // One pong waits at most: it answers the newest ping.
    if (this.#pong !== null) {
      this.#pong.body = body
      return
    }
    const pong: OutgoingFrame & { body: Uint8Array } = {
      type: FrameType.pong,
      body,
      place: null,
      begin: () => {
        this.#pong = null
        return EMPTY
      },
      dropped: () => {},
    }
    this.#pong = pong
    this.send('control', pong)
  }

  #peersAsked(body: Uint8Array): void {
    const reader = new CborReader(body)
    const elements = reader.array()
    if (elements < 1) throw new MeshError('bad-frame', 'an ask-peers frame without a number')
    const count = Math.min(PEERS_MAX, reader.uint())
    for (let extra = 1; extra < elements; extra++) reader.skip()
    reader.finish()
    const nowMs = this.#context.clock.nowMs()
    if (nowMs - this.#askedPeersMs < ASK_PEERS_MS) return
    this.#askedPeersMs = nowMs
    this.send('control', plainFrame(FrameType.peers, this.#events.peersAsked(count)))
  }

  #goodbyeReceived(body: Uint8Array): void {
    const { code, text } = decodeGoodbye(body)
    const error = this.#closeError ?? new MeshError('peer-said-goodbye', goodbyeReason(code, text))
    // A losing duplicate is read to its end at the other end too, and a frame that has begun here goes nowhere else.
    if (code === GoodbyeCode.duplicate || this.#phase === 'draining') this.#finishFrame()
    if (code === GoodbyeCode.duplicate && this.#phase === 'open') {
      this.#phase = 'superseded'
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
    this.#sayGoodbye(GoodbyeCode.protocolError, error.message, false)
    this.#report(error, null)
  }

  // Output

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    this.#context.clock.endOfTurn(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#phase === 'over' || this.#phase === 'superseded') return
    const { clock, counters } = this.#context
    const nowMs = clock.nowMs()
    const begunBefore = this.#queue.begun
    // The time that a neighbour may take begins when something waits for it.
    this.#measureProgress(nowMs)
    while (this.#socket.unsentBytes < SOCKET_UNSENT_BYTES_MAX) {
      const whole = this.#queue.takeWhole(RECORD_PLAIN_BYTES_MAX)
      if (whole !== null) {
        this.#writeRecord(whole)
        continue
      }
      const length = this.#queue.fill(plain, 0, RECORD_PLAIN_BYTES_MAX, nowMs)
      if (length === 0) {
        if (this.#goodbye === null) break
        this.#queue.push('control', plainFrame(FrameType.goodbye, this.#goodbye))
        this.#goodbye = null
        continue
      }
      this.#writeRecord(plain.subarray(0, length))
    }
    counters.framesOut += this.#queue.begun - begunBefore
    this.#measureProgress(nowMs)
    if (this.#phase !== 'open') {
      if (this.#goodbye === null && this.#queue.isEmpty) this.#socket.end()
      return
    }
    this.#setAlarm()
    this.#events.progressed()
  }

  /** Seals the bytes and writes the record. */
  #writeRecord(content: Uint8Array): void {
    const { bytes, release } = recordBuffers.take(sealedLength(content.length))
    this.#sealer.seal(content, bytes, 0)
    this.#context.counters.bytesOut += bytes.length
    this.#writtenBytes += bytes.length
    this.#socket.write(bytes, release)
  }

  /** Writes the rest of the frame that is under way, whatever the socket still holds. */
  #finishFrame(): void {
    for (;;) {
      const length = this.#queue.fillCurrent(plain, 0, RECORD_PLAIN_BYTES_MAX)
      if (length === 0) return
      this.#writeRecord(plain.subarray(0, length))
    }
  }

  #drained(): void {
    this.#pump()
  }

  #measureProgress(nowMs: number): void {
    const handed = this.#writtenBytes - this.#socket.unsentBytes
    if (handed > this.#handedBytes || this.#socket.unsentBytes === 0) this.#progressMs = nowMs
    this.#handedBytes = handed
  }

  // Time

  #setAlarm(): void {
    if (this.#phase === 'over') return
    const stallMs = this.#socket.unsentBytes > 0 ? this.#progressMs + WRITE_STALL_MS : Number.POSITIVE_INFINITY
    const beatMs = this.#phase === 'open' ? this.#heartbeat.deadlineMs : Number.POSITIVE_INFINITY
    const flushMs = this.#goodbye === null ? Number.POSITIVE_INFINITY : this.#flushByMs
    this.#alarm.set(Math.min(stallMs, beatMs, flushMs, this.#destroyByMs))
  }

  #tick(): void {
    if (this.#phase === 'over') return
    const nowMs = this.#context.clock.nowMs()
    this.#measureProgress(nowMs)
    if (nowMs >= this.#destroyByMs) return this.#destroy(this.#closeError!, false)
    if (nowMs - this.#progressMs >= WRITE_STALL_MS) {
      const seconds = WRITE_STALL_MS / 1000
      return this.#destroy(new MeshError('peer-stuck', `the neighbour took no bytes for ${seconds} s`), true)
    }
    if (this.#goodbye !== null && nowMs >= this.#flushByMs) {
      this.#queue.clear()
      this.#flushByMs = Number.POSITIVE_INFINITY
      this.#pump()
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
      this.#queue.push('control', plainFrame(FrameType.ping, due))
      this.#pump()
    }
  }

  #destroy(error: MeshError, reset: boolean): void {
    this.#over(error, null)
    this.#socket.destroy({ reset })
  }

  #over(error: MeshError, goodbyeCode: number | null): void {
    if (this.#phase === 'over' || this.#phase === 'superseded') return
    this.#phase = 'over'
    this.#alarm.cancel()
    this.#queue.clear()
    this.#report(error, goodbyeCode)
  }

  #report(error: MeshError, goodbyeCode: number | null): void {
    if (this.#reported) return
    this.#reported = true
    this.#events.closed(error, goodbyeCode)
  }
}

// All streams of one link: gives them their numbers, sorts what comes in, and keeps the peer to the rules. How one stream
// lives is in stream.ts. It knows its link by a narrow interface only (carrier.ts). docs/protocol.md, "Streams".

import { MeshError, reasonOf } from '../errors.ts'
import { FrameType } from '../framing/frames.ts'
import { STREAM_ANSWERS_OWED_MAX, STREAMS_OPENING_MAX, STREAMS_PER_LINK_MAX } from '../limits.ts'
import { LateFrame, type StreamCarrier } from './carrier.ts'
import { CreditPool, type WindowBudget } from './credit-pool.ts'
import { DataSchedule } from './data-schedule.ts'
import { MeshStream } from './duplex.ts'
import {
  badStream,
  decodeAccept,
  decodeEnd,
  decodeNumber,
  decodeOpen,
  encodeAccept,
  encodeOpen,
  readStream,
  varints,
} from './messages.ts'
import { type Asked, type Opening, Openings } from './openings.ts'
import { ReceiveWindow } from './receive-window.ts'
import { checkProtocolNames, type ProtocolChoice, type StreamRegistry } from './registry.ts'
import { StreamResetCode, StreamResetError } from './reset-codes.ts'
import { Stream, type StreamHost } from './stream.ts'

export interface StreamsParts {
  /** Whether this end opened the connection: it decides which numbers are ours. */
  readonly isDialer: boolean
  /** Peer id text of the other end. */
  readonly peer: string
  readonly carrier: StreamCarrier
  readonly registry: StreamRegistry
  /** Shared by all links of a node. */
  readonly budget: WindowBudget
  /** Monotonic milliseconds. */
  nowMs(): number
  /** Runs after everything that this turn of the event loop brings has been handled. The program is called from there only. */
  endOfTurn(run: () => void): void
  /** The link's own measure of a round trip, or null. */
  roundTripMs(): number | null
  /** A handler threw or rejected; its stream has been reset. */
  handlerFailed(protocol: string, reason: string): void
}

export class Streams {
  readonly #parts: StreamsParts
  readonly #schedule: DataSchedule
  readonly #pool: CreditPool
  readonly #host: StreamHost
  readonly #openings: Openings
  readonly #table = new Map<number, Stream | Opening>()
  /** 1 for odd numbers, 0 for even ones. */
  readonly #ourParity: 0 | 1
  #nextOurs: number
  #lastTheirs = 0
  #streams = 0
  /** Answers to the other end's opens that have not begun to leave. */
  #answersOwed = 0
  #shortestMs: number | null = null
  /** Streams with something to tell the program. */
  readonly #later = new Set<Stream>()
  #isLaterSet = false
  #closedBy: MeshError | null = null

  constructor(parts: StreamsParts) {
    this.#parts = parts
    this.#schedule = new DataSchedule(parts.carrier)
    this.#pool = new CreditPool(parts.budget)
    this.#ourParity = parts.isDialer ? 1 : 0
    this.#nextOurs = parts.isDialer ? 1 : 2
    this.#openings = new Openings({
      ask: (opening) => this.#ask(opening),
      giveUp: (asked, resetCode) => this.#giveUp(asked, resetCode),
    })
    this.#host = {
      carrier: parts.carrier,
      schedule: this.#schedule,
      nowMs: () => parts.nowMs(),
      roundTripMs: () => this.#roundTripMs(),
      later: (stream) => this.#notifyLater(stream),
      over: (stream, resetCode) => this.#over(stream, resetCode),
    }
  }

  /** Streams and openings of this link; after its end, streams that are still being read. */
  get count(): number {
    return this.#streams + this.#openings.count
  }

  /** Sum of all windows: what the other end can make us hold. */
  get windowBytes(): number {
    return this.#pool.bytes
  }

  /** Milliseconds of `nowMs` at which `tick` has something to do; Infinity when never. Changes with each `open`. */
  nextDeadlineMs(): number {
    return this.#openings.nextDeadlineMs
  }

  tick(): void {
    this.#openings.tick(this.#parts.nowMs())
  }

  /**
   * Opens a stream by the first of the names that the other end has a handler for. Rejects with MeshError `bad-argument`,
   * `aborted`, `timed-out` (10 s), `too-many-streams`, `stream-reset` when the other end refuses, or what `closed` was given.
   */
  async open(names: readonly string[], signal?: AbortSignal): Promise<MeshStream> {
    checkProtocolNames(names)
    if (this.#closedBy !== null) throw this.#closedBy
    if (this.count >= STREAMS_PER_LINK_MAX) {
      throw new MeshError('too-many-streams', `there are ${STREAMS_PER_LINK_MAX} streams with this neighbour already`)
    }
    return this.#openings.open(names, this.#parts.nowMs(), signal)
  }

  /**
   * Takes a frame; `body` is kept. False for a type that is none of streams. Throws MeshError `bad-stream`, `bad-cbor` or
   * `bad-frame` for what no honest peer sends.
   */
  received(type: number, body: Uint8Array): boolean {
    if (type < FrameType.open || type > FrameType.accept) return false
    if (this.#closedBy !== null) return true
    switch (type) {
      case FrameType.open:
        this.#openReceived(body)
        break
      case FrameType.accept:
        this.#acceptReceived(body)
        break
      case FrameType.data:
        this.#dataReceived(body)
        break
      case FrameType.credit: {
        const { stream, value } = decodeNumber(body)
        this.#accepted(stream, 'credit')?.credited(value)
        break
      }
      case FrameType.end:
        this.#accepted(decodeEnd(body), 'an end')?.ended()
        break
      default:
        this.#resetReceived(body)
    }
    return true
  }

  /**
   * The link is over and nothing is sent any more. Every stream ends with `error`, behind what came on it and was not read yet;
   * those on which both ends had said all are read to their end as if nothing had happened.
   */
  closed(error: MeshError): void {
    if (this.#closedBy !== null) return
    this.#closedBy = error
    this.#schedule.stop()
    // All windows first: what is only promised leaves the room for what has come.
    for (const entry of this.#table.values()) {
      if (entry instanceof Stream) entry.window.end()
      else entry.asked!.window.close()
    }
    this.#pool.retire()
    for (const entry of this.#table.values()) if (entry instanceof Stream) entry.cut(error)
    this.#table.clear()
    this.#openings.close(error)
    this.#schedule.close()
  }

  // What comes in

  #openReceived(body: Uint8Array): void {
    const { stream: number, names, credit } = decodeOpen(body)
    if (number % 2 === this.#ourParity) throw badStream(`an open with number ${number}, which is this end's to give`)
    if (number <= this.#lastTheirs) throw badStream(`an open with number ${number} after ${this.#lastTheirs}`)
    this.#lastTheirs = number
    // Whoever takes no answers and asks on would have us keep them all.
    if (this.#answersOwed >= STREAM_ANSWERS_OWED_MAX)
      throw badStream(`over ${STREAM_ANSWERS_OWED_MAX} unanswered opens`)
    if (this.#answersOwed >= STREAMS_OPENING_MAX || this.count >= STREAMS_PER_LINK_MAX) {
      return this.#refuse(number, StreamResetCode.tooManyStreams)
    }
    const choice = this.#parts.registry.choose(names)
    if (choice === null) return this.#refuse(number, StreamResetCode.unknownProtocol)
    this.#accept(number, choice, credit)
  }

  #refuse(number: number, resetCode: number): void {
    this.#answer(FrameType.reset, () => varints(number, resetCode))
  }

  #accept(number: number, choice: ProtocolChoice, credit: number): void {
    const window = new ReceiveWindow(this.#pool)
    const stream = new Stream(this.#host, number, window, credit)
    this.#add(stream)
    this.#answer(FrameType.accept, () => {
      stream.awaitedSinceMs = this.#parts.nowMs()
      return encodeAccept({ stream: number, index: choice.index, credit: window.grant() })
    })
    stream.startLater(() => this.#handOver(stream, choice))
  }

  #answer(type: number, write: () => Uint8Array): void {
    this.#answersOwed++
    const frame = new LateFrame(type, () => {
      this.#answersOwed--
      return write()
    })
    this.#parts.carrier.control(frame)
  }

  #handOver(stream: Stream, { name, handler }: ProtocolChoice): void {
    const duplex = new MeshStream(stream, name, this.#parts.peer)
    const failed = (error: unknown): void => {
      // A handler that fails because its stream was reset has nothing to add, and one may reset it by such an error.
      const isNews = error !== duplex.errored && !(error instanceof StreamResetError)
      if (isNews) this.#parts.handlerFailed(name, reasonOf(error))
      duplex.destroy(error instanceof Error ? error : new Error(reasonOf(error)))
    }
    try {
      Promise.resolve(handler(duplex)).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  #acceptReceived(body: Uint8Array): void {
    const { stream: number, index, credit } = decodeAccept(body)
    const entry = this.#find(number, 'an accept')
    if (entry === null) return
    if (entry instanceof Stream) throw badStream('an accept of a stream that is open')
    const name = entry.names[index]
    if (name === undefined) throw badStream(`an accept of name ${index} of ${entry.names.length}`)
    const { window, sentMs } = entry.asked!
    this.#measured(sentMs)
    const stream = new Stream(this.#host, number, window, credit)
    this.#add(stream)
    const duplex = new MeshStream(stream, name, this.#parts.peer)
    this.#openings.answered(entry)
    entry.resolve(duplex)
  }

  #dataReceived(body: Uint8Array): void {
    const { value: number, next } = readStream(body)
    const stream = this.#accepted(number, 'data')
    if (stream === null) return
    if (stream.awaitedSinceMs !== null) {
      this.#measured(stream.awaitedSinceMs)
      stream.awaitedSinceMs = null
    }
    stream.data(body.subarray(next))
  }

  #resetReceived(body: Uint8Array): void {
    const { stream: number, value: code } = decodeNumber(body)
    const entry = this.#find(number, 'a reset')
    if (entry === null) return
    const error = new StreamResetError(code)
    if (entry instanceof Stream) return entry.fail(error)
    entry.asked!.window.close()
    this.#table.delete(number)
    this.#openings.answered(entry)
    entry.reject(error)
  }

  /** The stream that a frame is for; null when it is over already, and the frame comes too late. */
  #accepted(number: number, what: string): Stream | null {
    const entry = this.#find(number, what)
    if (entry === null || entry instanceof Stream) return entry
    throw badStream(`${what} for a stream that was not accepted`)
  }

  #find(number: number, what: string): Stream | Opening | null {
    const entry = this.#table.get(number)
    if (entry !== undefined) return entry instanceof Stream && entry.isSilent ? null : entry
    // Numbers ascend, so those up to the highest were used, or passed over for good.
    const isOurs = number % 2 === this.#ourParity
    if (number > (isOurs ? this.#nextOurs - 2 : this.#lastTheirs)) {
      throw badStream(`${what} for stream ${number}, which was never opened`)
    }
    return null
  }

  // What goes out

  #ask(opening: Opening): Asked {
    const number = this.#nextOurs
    this.#nextOurs += 2
    const window = new ReceiveWindow(this.#pool)
    this.#table.set(number, opening)
    const body = encodeOpen({ stream: number, names: opening.names, credit: window.grant() })
    this.#parts.carrier.control(new LateFrame(FrameType.open, () => body))
    return { number, window, sentMs: this.#parts.nowMs() }
  }

  #giveUp({ number, window }: Asked, resetCode: number): void {
    window.close()
    this.#table.delete(number)
    this.#sendReset(number, resetCode)
  }

  #sendReset(number: number, resetCode: number): void {
    this.#parts.carrier.control(new LateFrame(FrameType.reset, () => varints(number, resetCode)))
  }

  // The streams' host

  #add(stream: Stream): void {
    this.#table.set(stream.number, stream)
    this.#streams++
  }

  #over(stream: Stream, resetCode: number | null): void {
    this.#streams--
    this.#table.delete(stream.number)
    if (resetCode !== null && this.#closedBy === null) this.#sendReset(stream.number, resetCode)
  }

  #measured(sinceMs: number): void {
    const roundTripMs = this.#parts.nowMs() - sinceMs
    if (this.#shortestMs === null || roundTripMs < this.#shortestMs) this.#shortestMs = roundTripMs
  }

  #roundTripMs(): number | null {
    const linkMs = this.#parts.roundTripMs()
    if (linkMs === null || this.#shortestMs === null) return linkMs ?? this.#shortestMs
    return Math.min(linkMs, this.#shortestMs)
  }

  #notifyLater(stream: Stream): void {
    this.#later.add(stream)
    if (this.#isLaterSet) return
    this.#isLaterSet = true
    this.#parts.endOfTurn(() => this.#notifyAll())
  }

  /** Streams that have news again meanwhile wait for the next turn. A listener that throws leaves the others their turn. */
  #notifyAll(): void {
    let left = this.#later.size
    try {
      for (const stream of this.#later) {
        if (left-- === 0) break
        this.#later.delete(stream)
        stream.notify()
      }
    } finally {
      this.#isLaterSet = false
      const [next] = this.#later
      if (next !== undefined) this.#notifyLater(next)
    }
  }
}

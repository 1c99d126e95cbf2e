// One stream that both ends have agreed on: what came and was not read, what was written and did not leave, the credit of
// both directions, and how it ends. Not the opening (opening.ts) and not what the program holds in its hands (duplex.ts).
// docs/protocol.md, "Streams".
//
// The program is only ever called from `notify`, which the link's turn does not reach: a listener that throws there hurts
// nobody else.

import { MeshError } from '../errors.ts'
import { FrameType } from '../framing/frames.ts'
import { INTEGER_MAX } from '../limits.ts'
import { LateFrame, type StreamCarrier } from './carrier.ts'
import { DATA_BYTES_MAX, type DataSchedule, type DataSource } from './data-schedule.ts'
import { Inbox } from './inbox.ts'
import { badStream, varints } from './messages.ts'
import { Outbox } from './outbox.ts'
import type { ReceiveWindow } from './receive-window.ts'

/** What the streams of one link share. */
export interface StreamHost {
  readonly carrier: StreamCarrier
  readonly schedule: DataSchedule
  nowMs(): number
  /** The shortest round trip known, or null. */
  roundTripMs(): number | null
  /** Calls `notify` after this turn, once. */
  later(stream: Stream): void
  /** Forget it. With a code the other end has to be told. */
  over(stream: Stream, resetCode: number | null): void
}

/** The program's side. Called from `notify` only. */
export interface StreamUser {
  /** Somebody has begun to read: what came while the link was there is waited for before the stream fails. */
  readonly isRead: boolean
  /** There is more to `take`, or nothing more will come. */
  arrived(): void
  /** The last `write` is done with its pieces; with an error when not all of them left. */
  written(error: Error | null): void
  /** The end of this side has left. */
  ended(): void
  /** The stream is over before its time. `isBehindEnd`: the other end had said all, and the reader is to hear of that first. */
  failed(error: Error, isBehindEnd: boolean): void
}

/** What a program may write to a link that is over before it has to read on: more than what turns questions to answers holds. */
const LOST_BYTES_MAX: number = 8 * 1_048_576

export class Stream implements DataSource {
  readonly number: number
  readonly prefix: Uint8Array
  readonly window: ReceiveWindow
  /** Since when the other end's first data may be under way, for whoever measures round trips; null: not, or no more. */
  awaitedSinceMs: number | null = null
  readonly #host: StreamHost
  readonly #inbox = new Inbox()
  readonly #outbox = new Outbox()
  #user: StreamUser | null = null
  /** Bytes that the other end still allows, and all that it ever did. */
  #credit: number
  #creditInAll: number
  /** Data frames on their way out that still refer to the program's bytes. */
  #dataFrames = 0
  #creditFrame: LateFrame | null = null
  #isWriting = false
  /** The end of this side: not asked for, waiting behind the data, given to the link, gone. */
  #end: 'none' | 'wanted' | 'queued' | 'left' = 'none'
  #otherEnded = false
  /** `done`: in good order; `dropped`: by a reset, from whichever end, or with the link. */
  #over: 'no' | 'done' | 'dropped' = 'no'
  #failure: Error | null = null
  #isFailedBehindEnd = false
  /** Why the link is over, while what came on it is still being read. */
  #cutBy: Error | null = null
  /** What was written since then and since anything was read. */
  #lostBytes = 0
  /** A write was under way when the stream was dropped. */
  #isCutOff = false
  #start: (() => void) | null = null
  /** What the program has to hear. */
  readonly #news = { arrived: false, written: false, ended: false, failed: false }

  constructor(host: StreamHost, number: number, window: ReceiveWindow, credit: number) {
    this.#host = host
    this.number = number
    this.prefix = varints(number)
    this.window = window
    this.#credit = credit
    this.#creditInAll = credit
  }

  /** Whoever is to hear of this stream; set once, at its beginning. */
  attach(user: StreamUser): void {
    this.#user = user
  }

  /** Calls `start`, which is to attach someone, after this turn; never when the stream is dropped before. */
  startLater(start: () => void): void {
    this.#start = start
    this.#host.later(this)
  }

  /** Both ends have said all. What came may still wait to be read. */
  get isSilent(): boolean {
    return this.#otherEnded && this.#end === 'left'
  }

  get isOver(): boolean {
    return this.#over !== 'no'
  }

  // What comes in. All of these throw MeshError `bad-stream`.

  data(bytes: Uint8Array): void {
    if (this.#otherEnded) throw badStream('data behind the end of a stream')
    this.window.received(bytes.length, this.#host.nowMs)
    if (bytes.length === 0) return
    this.#inbox.put(bytes)
    this.#tell('arrived')
  }

  credited(bytes: number): void {
    if (bytes > INTEGER_MAX - this.#creditInAll) throw badStream('credit for more than 2^53 - 1 bytes on one stream')
    this.#creditInAll += bytes
    this.#credit += bytes
    this.#host.schedule.ready(this)
  }

  ended(): void {
    if (this.#otherEnded) throw badStream('a second end of a stream')
    this.#otherEnded = true
    this.window.end()
    this.#withdrawCredit()
    this.#tell('arrived')
    this.#settle()
  }

  /** The other end gave up: the program is told, what waits is dropped. */
  fail(error: Error): void {
    if (this.isOver) return
    this.#failure = error
    this.#drop()
    this.#tell('failed')
    this.#host.over(this, null)
  }

  /**
   * The link is over, and the window was ended. What came can still be read, as far as there is room to keep it, and behind it
   * the stream fails with `error`, unless both ends had said all. What this side writes goes nowhere: a reader that is fed by
   * its own answers would stand still if that failed first, and who only writes hears of the failure at once.
   */
  cut(error: Error): void {
    if (this.isOver) return
    if (this.window.unreadBytes === 0) return this.#failBehindAll(error)
    if (!this.window.linger()) return this.fail(error)
    this.#cutBy = error
    this.#outbox.clear()
    this.#withdrawCredit()
    this.#host.schedule.remove(this)
    this.#afterFrames()
    this.#host.later(this)
  }

  // What the program does.

  /** The next bytes that came; null when there are none now. */
  take(): Uint8Array | null {
    return this.#inbox.take()
  }

  /** Everything that the other end had to say was taken: never so where some of it was dropped. */
  get isTakenToItsEnd(): boolean {
    return this.#otherEnded && this.#inbox.bytes === 0 && this.#over !== 'dropped'
  }

  /** The program has read `total` bytes in all: what it has only taken into its own buffers does not count. */
  consumed(total: number): void {
    if (this.isOver) return
    const { nowMs, roundTripMs, carrier } = this.#host
    if (this.window.read(total, nowMs, roundTripMs) && this.#creditFrame === null) {
      this.#creditFrame = new LateFrame(FrameType.credit, () => {
        this.#creditFrame = null
        return varints(this.number, this.window.grant())
      })
      carrier.control(this.#creditFrame)
    }
    if (this.#cutBy !== null) this.#goOnWriting()
    if (this.#otherEnded || this.#cutBy !== null) this.#settle()
  }

  /** Sends the pieces, which are the stream's until `written`. One write at a time. */
  write(pieces: readonly Uint8Array[]): void {
    this.#isWriting = true
    if (this.isOver) this.#isCutOff = true
    else if (this.#cutBy === null) this.#outbox.fill(pieces)
    else for (const piece of pieces) this.#lostBytes += piece.length
    this.#afterFrames()
    this.#host.schedule.ready(this)
  }

  /** Nothing more will be written: the other end is told behind all that was. */
  end(): void {
    if (this.isOver || this.#end !== 'none') return
    this.#end = 'wanted'
    if (this.#cutBy === null) this.#host.schedule.ready(this)
    else this.#host.later(this)
  }

  /** The program gives the stream up. */
  abandon(resetCode: number): void {
    if (this.isOver) return
    const isSilent = this.isSilent
    this.#drop()
    this.#host.over(this, isSilent ? null : resetCode)
  }

  // What the schedule asks and tells.

  get isReady(): boolean {
    if (this.isOver) return false
    return this.#outbox.bytes > 0 ? this.#credit > 0 : this.#end === 'wanted'
  }

  nextData(): Uint8Array | null {
    if (this.#outbox.bytes === 0) {
      this.#end = 'queued'
      return null
    }
    const data = this.#outbox.take(Math.min(this.#credit, DATA_BYTES_MAX))
    this.#credit -= data.length
    this.#dataFrames++
    return data
  }

  dataDone(): void {
    this.#dataFrames--
    this.#afterFrames()
  }

  endLeft(): void {
    this.#end = 'left'
    this.#tell('ended')
    this.#settle()
  }

  /** Tells the program what has happened since. May throw what a listener of the program throws. */
  notify(): void {
    const news = this.#news
    try {
      const start = this.#start
      this.#start = null
      if (start !== null && this.#over !== 'dropped') start()
      const user = this.#user
      if (user === null) return
      if (this.#cutBy !== null && !user.isRead) this.#failWriter(this.#cutBy)
      if (took(news, 'arrived') && this.#over !== 'dropped') user.arrived()
      if (took(news, 'written')) user.written(this.#isCutOff ? this.#whyNotWritten() : null)
      if (took(news, 'ended') && this.#over !== 'dropped') user.ended()
      if (took(news, 'failed')) user.failed(this.#failure!, this.#isFailedBehindEnd)
    } finally {
      const isMore = news.arrived || news.written || news.ended || news.failed
      if (isMore && this.#user !== null) this.#host.later(this)
    }
  }

  #whyNotWritten(): Error {
    return this.#failure ?? new MeshError('aborted', 'the stream was destroyed before all of it had left')
  }

  #tell(what: 'arrived' | 'written' | 'ended' | 'failed'): void {
    this.#news[what] = true
    this.#host.later(this)
  }

  /** The program's bytes come free once no frame refers to them, whatever became of the stream. */
  #afterFrames(): void {
    if (!this.#isWriting || this.#dataFrames > 0 || this.#outbox.bytes > 0) return
    if (this.#lostBytes > LOST_BYTES_MAX && !this.isOver) return
    this.#isWriting = false
    this.#tell('written')
  }

  /** Whoever reads may need what it writes to be taken. */
  #goOnWriting(): void {
    this.#lostBytes = 0
    this.#afterFrames()
  }

  #withdrawCredit(): void {
    if (this.#creditFrame === null) return
    this.#host.carrier.withdraw(this.#creditFrame)
    this.#creditFrame = null
  }

  /** Nobody reads what came, and a write or an end waits that can never leave. */
  #failWriter(error: Error): void {
    if (this.isOver) return
    const isWritten = this.#isWriting || this.#news.written
    if (!isWritten && this.#end !== 'wanted' && this.#end !== 'queued') return
    this.#isCutOff = isWritten
    this.fail(error)
  }

  /** All that came was read. */
  #failBehindAll(error: Error): void {
    this.#isFailedBehindEnd = this.#otherEnded
    this.fail(error)
  }

  #drop(): void {
    this.#over = 'dropped'
    this.#isCutOff ||= this.#isWriting
    this.#inbox.clear()
    this.#outbox.clear()
    this.#withdrawCredit()
    this.window.close()
    this.#host.schedule.remove(this)
    this.#afterFrames()
  }

  /** Over in good order, once both ends have said all and the program has read it; or not, where the link was cut before. */
  #settle(): void {
    if (this.isOver || this.window.unreadBytes > 0) return
    if (!this.isSilent) {
      if (this.#cutBy !== null) this.#failBehindAll(this.#cutBy)
      return
    }
    this.#over = 'done'
    this.window.close()
    this.#host.over(this, null)
  }
}

/** Whether there was such news; there is none from now on. */
function took(news: Record<'arrived' | 'written' | 'ended' | 'failed', boolean>, what: keyof typeof news): boolean {
  const was = news[what]
  news[what] = false
  return was
}

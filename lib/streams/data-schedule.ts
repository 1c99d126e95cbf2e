// Whose turn it is: the data of all streams of a link leaves one frame each, round and round. One frame of all of them waits
// in the link's queue at a time, and the next is chosen when it begins to leave; so a newcomer waits for one frame of a bulk
// transfer, and what streams have to send does not fill the link's queue. It does not look into streams.
// docs/protocol.md, "Scheduling".

import { FrameType } from '../framing/frames.ts'
import { RECORD_PLAIN_BYTES_MAX } from '../limits.ts'
import type { OutgoingFrame, QueuePlace, StreamCarrier } from './carrier.ts'

/** With the frame's head and the longest stream number, a full data frame still fits one record, and is read without copying. */
export const DATA_BYTES_MAX: number = RECORD_PLAIN_BYTES_MAX - 16

/** A stream as the schedule sees it. */
export interface DataSource {
  /** The stream's number as it stands at the head of its frames. */
  readonly prefix: Uint8Array
  /** There is data that may be sent, or an end to be told. */
  readonly isReady: boolean
  /** The next body, at most DATA_BYTES_MAX; null: nothing but the end is left to send. Only asked when it is ready. */
  nextData(): Uint8Array | null
  /** A frame with data is not needed any more: it was copied out, or taken back, or never will leave. */
  dataDone(): void
  /** The end has left. */
  endLeft(): void
}

export class DataSchedule {
  readonly #carrier: StreamCarrier
  /** Ready streams, in the order of their turns. */
  readonly #ring = new Set<DataSource>()
  /** Frames given to the carrier and not done with. */
  readonly #frames = new Set<SourceFrame>()
  /** The one that has not begun to leave. */
  #waiting: SourceFrame | null = null
  #isOver = false

  constructor(carrier: StreamCarrier) {
    this.#carrier = carrier
  }

  /** The stream may have become ready: it takes its turn behind the others. */
  ready(source: DataSource): void {
    // The stream whose frame waits comes back when that one begins.
    if (this.#isOver || !source.isReady || this.#waiting?.source === source) return
    this.#ring.add(source)
    this.#next()
  }

  /** The stream is over: nothing of it is to leave any more, but for what has already begun. */
  remove(source: DataSource): void {
    this.#ring.delete(source)
    const waiting = this.#waiting
    if (waiting?.source !== source || !this.#carrier.withdraw(waiting)) return
    this.#waiting = null
    this.#done(waiting)
    this.#next()
  }

  /** Nothing more is given to the link. */
  stop(): void {
    this.#isOver = true
    this.#ring.clear()
  }

  /** The link is over: what it had begun is not needed any more either. */
  close(): void {
    this.stop()
    for (const frame of this.#frames) this.#done(frame)
  }

  begun(frame: SourceFrame): void {
    this.#waiting = null
    if (frame.type === FrameType.end) frame.source.endLeft()
    if (frame.source.isReady && !this.#isOver) this.#ring.add(frame.source)
    this.#next()
  }

  finished(frame: SourceFrame): void {
    this.#done(frame)
  }

  #next(): void {
    if (this.#waiting !== null || this.#isOver) return
    const [source] = this.#ring
    if (source === undefined) return
    this.#ring.delete(source)
    this.#waiting = new SourceFrame(this, source, source.nextData())
    this.#frames.add(this.#waiting)
    this.#carrier.send(this.#waiting)
  }

  #done(frame: SourceFrame): void {
    if (!this.#frames.delete(frame)) return
    if (frame.type === FrameType.data) frame.source.dataDone()
  }
}

/** A data or end frame of one stream. */
class SourceFrame implements OutgoingFrame {
  readonly type: number
  readonly body: Uint8Array
  readonly source: DataSource
  place: QueuePlace | null = null
  readonly #schedule: DataSchedule

  constructor(schedule: DataSchedule, source: DataSource, data: Uint8Array | null) {
    this.#schedule = schedule
    this.source = source
    this.type = data === null ? FrameType.end : FrameType.data
    this.body = data ?? NOTHING
  }

  begin(): Uint8Array {
    this.#schedule.begun(this)
    return this.source.prefix
  }

  finished(): void {
    this.#schedule.finished(this)
  }

  dropped(): void {
    this.#schedule.stop()
  }
}

const NOTHING = new Uint8Array(0)

// What goes out on an open link: the frames of its queue, packed into records, each sealed once, and written as far as the
// socket takes them. docs/protocol.md, "Records" and "Scheduling".

import { recordBuffers } from '../framing/record-buffers.ts'
import { type RecordSealer, sealedLength } from '../framing/records.ts'
import type { Clock, Socket } from '../io/world.ts'
import { CARRIED_MS, RECORD_PLAIN_BYTES_MAX, SOCKET_UNSENT_BYTES_MAX } from '../limits.ts'
import { type OutgoingFrame, type QueueBudget, type SendClass, SendQueue } from './send-queue.ts'

/** One buffer for all links: a record is sealed out of it before the next is filled. */
const plain = new Uint8Array(RECORD_PLAIN_BYTES_MAX)

/** A period is counted until something is sent after so long; two of them and the beginning of a third are within CARRIED_MS. */
const PERIOD_MS: number = CARRIED_MS / 3

/** Counted over all links of a node. */
export interface OutflowCounters {
  bytesOut: number
  framesOut: number
}

export class Outflow {
  readonly queue: SendQueue
  readonly #socket: Socket
  readonly #sealer: RecordSealer
  readonly #clock: Clock
  readonly #counters: OutflowCounters
  readonly #progressed: () => void
  #isScheduled = false
  #isOver = false
  #writtenBytes = 0
  #handedBytes = 0
  #progressMs: number
  /** Since when the present period is counted, and what the system took in the one before. */
  #periodMs: number
  #handedBeforePeriod = 0
  #lastPeriodBytes = 0
  /** Sent once everything before it has gone. */
  #last: OutgoingFrame | null = null

  /** `progressed` is called after each `pump`: there may be room again. */
  constructor(
    parts: { readonly socket: Socket; readonly sealer: RecordSealer },
    clock: Clock,
    budget: QueueBudget,
    counters: OutflowCounters,
    progressed: () => void,
  ) {
    this.queue = new SendQueue(budget)
    this.#socket = parts.socket
    this.#sealer = parts.sealer
    this.#clock = clock
    this.#counters = counters
    this.#progressed = progressed
    this.#progressMs = clock.nowMs()
    this.#periodMs = this.#progressMs
  }

  /** Bytes that wait here and in the socket. */
  get waitingBytes(): number {
    return this.queue.bytes + this.#socket.unsentBytes
  }

  /** Since when the other end has taken nothing that waits for it; null while nothing does. */
  get stuckSinceMs(): number | null {
    return this.#socket.unsentBytes > 0 ? this.#progressMs : null
  }

  /** Bytes that the system took within the last CARRIED_MS; those of the first half of it may be missing. */
  get carriedBytes(): number {
    this.measureProgress(this.#clock.nowMs())
    return this.#lastPeriodBytes + this.#handedBytes - this.#handedBeforePeriod
  }

  /** Everything was handed to the socket, `endWith`'s frame included. */
  get isDone(): boolean {
    return this.#last === null && this.queue.isEmpty
  }

  /** `endWith`'s frame has not been sent yet. */
  get isEnding(): boolean {
    return this.#last !== null
  }

  push(into: SendClass, frame: OutgoingFrame): void {
    this.queue.push(into, frame)
    this.#schedule()
  }

  offer(frame: OutgoingFrame): boolean {
    if (!this.queue.offer(frame)) return false
    this.#schedule()
    return true
  }

  /** The last frame of this link: goes behind all that waits. */
  endWith(frame: OutgoingFrame): void {
    this.#last = frame
  }

  /** Nothing is written any more. What has not begun stays in the queue, for whoever takes it over. */
  stop(): void {
    this.#isOver = true
  }

  pump(): void {
    if (this.#isOver) return
    const nowMs = this.#clock.nowMs()
    const { queue } = this
    const begunBefore = queue.begun
    // The time that a neighbour may take begins when something waits for it.
    this.measureProgress(nowMs)
    while (this.#socket.unsentBytes < SOCKET_UNSENT_BYTES_MAX) {
      const whole = queue.takeWhole(RECORD_PLAIN_BYTES_MAX)
      if (whole !== null) {
        this.#writeRecord(whole)
        continue
      }
      const length = queue.fill(plain, 0, RECORD_PLAIN_BYTES_MAX, nowMs)
      if (length === 0) {
        if (this.#last === null) break
        queue.push('control', this.#last)
        this.#last = null
        continue
      }
      this.#writeRecord(plain.subarray(0, length))
    }
    this.#counters.framesOut += queue.begun - begunBefore
    this.measureProgress(nowMs)
    this.#progressed()
  }

  /** Writes the rest of the frame that is under way, whatever the socket still holds. */
  finishFrame(): void {
    for (;;) {
      const length = this.queue.fillCurrent(plain, 0, RECORD_PLAIN_BYTES_MAX)
      if (length === 0) return
      this.#writeRecord(plain.subarray(0, length))
    }
  }

  measureProgress(nowMs: number): void {
    const handed = this.#writtenBytes - this.#socket.unsentBytes
    if (handed > this.#handedBytes || this.#socket.unsentBytes === 0) this.#progressMs = nowMs
    this.#handedBytes = handed
    const elapsedMs = nowMs - this.#periodMs
    if (elapsedMs < PERIOD_MS) return
    this.#lastPeriodBytes = elapsedMs < 2 * PERIOD_MS ? handed - this.#handedBeforePeriod : 0
    this.#handedBeforePeriod = handed
    this.#periodMs = nowMs
  }

  /** What was put off to the end of this turn goes out now. */
  flush(): void {
    if (!this.#isScheduled) return
    this.#isScheduled = false
    this.pump()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.endOfTurn(() => this.flush())
  }

  /** Seals the bytes and writes the record. */
  #writeRecord(content: Uint8Array): void {
    const { bytes, release } = recordBuffers.take(sealedLength(content.length))
    this.#sealer.seal(content, bytes, 0)
    this.#counters.bytesOut += bytes.length
    this.#writtenBytes += bytes.length
    this.#socket.write(bytes, release)
  }
}

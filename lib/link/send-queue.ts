// What waits to be sent on one link, and in which order it leaves: link and control frames first, the rest by deficit round
// robin (Shreedhar and Varghese, 1995), as one byte stream cut into records. Pure: bytes out, no socket, no cipher.
// docs/protocol.md, "Scheduling".

import { EMPTY } from '../bytes.ts'
import { frameHeadLength, writeFrameHead } from '../framing/frames.ts'
import { LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX } from '../limits.ts'

/** A frame that waits. The queue calls exactly one of `begin` and `dropped`, once, unless it was withdrawn. */
export interface OutgoingFrame {
  readonly type: number
  /** The body, or its rest behind what `begin` returns. Not written to by anyone. */
  readonly body: Uint8Array
  /** Its place in the queue where it waits; set by the queue. */
  place: QueuePlace | null
  /** The frame's turn has come: returns the bytes of the body that go before `body`. */
  begin(nowMs: number): Uint8Array
  /** It has begun and all of it has been copied out: the queue does not look at `body` again. */
  finished?(): void
  /** The link closed before the frame's turn came. */
  dropped(): void
}

export type SendClass = 'control' | 'direct' | 'bundle' | 'repair' | 'stream'

/** Bytes that a class may send before the next one gets its turn; control does not take part. */
const QUANTUM_BYTES: Readonly<Record<Exclude<SendClass, 'control'>, number>> = {
  direct: 4 * 4_096,
  bundle: 8 * 4_096,
  repair: 2 * 4_096,
  stream: 2 * 4_096,
}
const ROUND: readonly (keyof typeof QUANTUM_BYTES)[] = ['direct', 'bundle', 'repair', 'stream']
/** Frame head and prefix, roughly: what a queued frame costs beside its body. */
const FRAME_OVERHEAD_BYTES = 16

/** Bytes owed by several queues together. */
export interface QueueBudget {
  bytes: number
  readonly bytesMax: number
}

/** A frame whose whole body is known now. */
export function plainFrame(type: number, body: Uint8Array): OutgoingFrame {
  return { type, body, place: null, begin: () => EMPTY, dropped: () => {} }
}

/** A frame's place in a queue. Withdrawn, it is empty: a place that waits its turn must not keep the frame in memory. */
export interface QueuePlace {
  frame: OutgoingFrame | null
  readonly into: SendClass
}

class Fifo {
  waiting: (QueuePlace | null)[] = []
  at = 0
  deficit = 0

  /** Places, the empty ones included. */
  get length(): number {
    return this.waiting.length - this.at
  }

  /** The first frame that waits, behind empty places, which are let go of; null when there is none. */
  first(): OutgoingFrame | null {
    while (this.length > 0) {
      const { frame } = this.waiting[this.at]!
      if (frame !== null) return frame
      this.shift()
    }
    return null
  }

  shift(): QueuePlace {
    const place = this.waiting[this.at]!
    this.waiting[this.at++] = null
    if (this.at === this.waiting.length) {
      this.waiting = []
      this.at = 0
    } else if (this.at > 256 && this.at * 2 > this.waiting.length) {
      // Moving the rest down only now and then keeps the cost per frame constant.
      this.waiting = this.waiting.slice(this.at)
      this.at = 0
    }
    return place
  }
}

export class SendQueue {
  readonly #classes: Readonly<Record<SendClass, Fifo>> = {
    control: new Fifo(),
    direct: new Fifo(),
    bundle: new Fifo(),
    repair: new Fifo(),
    stream: new Fifo(),
  }
  readonly #budget: QueueBudget
  /** Index in ROUND of the class whose turn it is. */
  #turn = 0
  /** That class has got what it may send in this turn. */
  #turnBegun = false
  /** Chosen to be the next to begin. */
  #next: QueuePlace | null = null
  /** Under way: begun, and not all copied out. */
  #current: OutgoingFrame | null = null
  #head: Uint8Array = EMPTY
  #headAt = 0
  #body: Uint8Array = EMPTY
  #bodyAt = 0
  /** Frames begun so far. */
  begun = 0
  #bytes = 0
  #bundleBytes = 0
  /** Its bundles were too many: no other until they are gone, so that there is one gap and not a thousand. */
  #stalled = false

  constructor(budget: QueueBudget) {
    this.#budget = budget
  }

  /** Bytes of the frames that have not begun. */
  get bytes(): number {
    return this.#bytes
  }

  /** The part of `bytes` that is bundles. */
  get bundleBytes(): number {
    return this.#bundleBytes
  }

  /** It has refused bundles, and refuses more, until none waits any more. */
  get isStalled(): boolean {
    return this.#stalled && this.#bundleBytes > 0
  }

  /** Nothing waits and no frame is under way. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && !this.#midFrame
  }

  /**
   * Whether `offer` would take a bundle with a body of so many bytes. Only bundles count against their bound: what a
   * neighbour asked for goes beside them, in its own share, and must not keep the new ones out. No neighbour may be owed more of
   * them than is left for all: so however many take hardly anything, as much as one of these holds is left for the others.
   */
  wouldTake(bodyLength: number): boolean {
    if (this.#bytes === 0) return true
    const leftBytes = this.#budget.bytesMax - this.#budget.bytes
    if (bodyLength > leftBytes) return false
    if (this.#bundleBytes === 0) return true
    return (
      !this.#stalled &&
      this.#bundleBytes + bodyLength <= Math.min(LINK_QUEUE_BYTES_MAX, leftBytes) &&
      this.#classes.bundle.length < LINK_QUEUE_FRAMES_MAX
    )
  }

  /** Queues a bundle, or refuses it when the queue is full: false. */
  offer(frame: OutgoingFrame): boolean {
    this.#stalled = !this.wouldTake(frame.body.length)
    if (!this.#stalled) this.push('bundle', frame)
    return !this.#stalled
  }

  /** Queues what must not be dropped; whoever sends it bounds it. */
  push(into: SendClass, frame: OutgoingFrame): void {
    const place: QueuePlace = { frame, into }
    frame.place = place
    this.#classes[into].waiting.push(place)
    this.#count(frame, into, 1)
  }

  /** Takes a frame out of the queue; false when it has begun or is not here. The frame hears nothing. */
  withdraw(frame: OutgoingFrame): boolean {
    const { place } = frame
    if (place === null) return false
    place.frame = null
    frame.place = null
    this.#count(frame, place.into, -1)
    // Only empty places are left: without this, queueing and withdrawing by turns would pile them up.
    if (this.#bytes === 0) this.takeAll()
    return true
  }

  /** Empties the queue of all that has not begun, most urgent class first. The frames hear nothing. */
  takeAll(): { into: SendClass; frame: OutgoingFrame }[] {
    const taken: QueuePlace[] = this.#next === null ? [] : [this.#next]
    this.#next = null
    for (const into of ['control', ...ROUND] as const) {
      const fifo = this.#classes[into]
      while (fifo.length > 0) taken.push(fifo.shift())
    }
    const live: { into: SendClass; frame: OutgoingFrame }[] = []
    for (const { frame, into } of taken) {
      if (frame === null) continue
      frame.place = null
      this.#count(frame, into, -1)
      live.push({ into, frame })
    }
    return live
  }

  /** Drops all that has not begun and tells each frame. */
  clear(): void {
    for (const { frame } of this.takeAll()) frame.dropped()
  }

  /**
   * The next `length` bytes of the stream as they lie in the frame that is under way, without copying; null when it is not
   * in the middle of a body with more than that left.
   */
  takeWhole(length: number): Uint8Array | null {
    if (this.#headAt < this.#head.length || this.#body.length - this.#bodyAt <= length) return null
    const bytes = this.#body.subarray(this.#bodyAt, this.#bodyAt + length)
    this.#bodyAt += length
    return bytes
  }

  /**
   * Writes the next bytes of the stream into `into` from `at`, at most to `end`; returns the offset behind them. A frame
   * that would fit a record of its own but not the rest of this one is left for the next record: a whole frame in one
   * record is read without copying.
   */
  fill(into: Uint8Array, at: number, end: number, nowMs: number): number {
    const start = at
    for (;;) {
      at = this.#copyCurrent(into, at, end)
      if (at === end) return at
      this.#next ??= this.#select()
      const next = this.#next
      if (next === null) return at
      if (next.frame !== null) {
        const size = cost(next.frame)
        if (at > start && size > end - at && size <= end - start) return at
        this.#begin(next.frame, next.into, nowMs)
      }
      this.#next = null
    }
  }

  /** As `fill`, but no further than the end of the frame that is under way. */
  fillCurrent(into: Uint8Array, at: number, end: number): number {
    return this.#copyCurrent(into, at, end)
  }

  get #midFrame(): boolean {
    return this.#headAt < this.#head.length || this.#bodyAt < this.#body.length
  }

  #begin(frame: OutgoingFrame, from: SendClass, nowMs: number): void {
    this.#count(frame, from, -1)
    this.begun++
    frame.place = null
    const prefix = frame.begin(nowMs)
    const bodyLength = prefix.length + frame.body.length
    const head = new Uint8Array(frameHeadLength(bodyLength) + prefix.length)
    head.set(prefix, writeFrameHead(head, 0, frame.type, bodyLength))
    this.#head = head
    this.#headAt = 0
    this.#body = frame.body
    this.#bodyAt = 0
    this.#current = frame
  }

  #copyCurrent(into: Uint8Array, at: number, end: number): number {
    const headBytes = Math.min(this.#head.length - this.#headAt, end - at)
    if (headBytes > 0) {
      into.set(this.#head.subarray(this.#headAt, this.#headAt + headBytes), at)
      this.#headAt += headBytes
      at += headBytes
    }
    const bodyBytes = Math.min(this.#body.length - this.#bodyAt, end - at)
    if (bodyBytes > 0) {
      into.set(this.#body.subarray(this.#bodyAt, this.#bodyAt + bodyBytes), at)
      this.#bodyAt += bodyBytes
      at += bodyBytes
    }
    if (!this.#midFrame) {
      this.#head = EMPTY
      this.#body = EMPTY
      this.#current?.finished?.()
      this.#current = null
      this.#headAt = 0
      this.#bodyAt = 0
    }
    return at
  }

  /** The next frame by priority and deficit, or null when nothing waits. */
  #select(): QueuePlace | null {
    const { control } = this.#classes
    if (control.first() !== null) return control.shift()
    let empty = 0
    while (empty < ROUND.length) {
      const name = ROUND[this.#turn]!
      const fifo = this.#classes[name]
      const first = fifo.first()
      if (first === null) {
        fifo.deficit = 0
        empty++
      } else {
        empty = 0
        if (!this.#turnBegun) fifo.deficit += QUANTUM_BYTES[name]
        this.#turnBegun = true
        const size = cost(first)
        if (size <= fifo.deficit) {
          fifo.deficit -= size
          return fifo.shift()
        }
      }
      this.#turn = (this.#turn + 1) % ROUND.length
      this.#turnBegun = false
    }
    return null
  }

  #count(frame: OutgoingFrame, into: SendClass, sign: 1 | -1): void {
    const bytes = sign * cost(frame)
    this.#bytes += bytes
    this.#budget.bytes += bytes
    if (into === 'bundle') this.#bundleBytes += bytes
  }
}

function cost(frame: OutgoingFrame): number {
  return frame.body.length + FRAME_OVERHEAD_BYTES
}

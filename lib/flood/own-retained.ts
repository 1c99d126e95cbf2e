// The current values that this node's program has published: kept so that each can be published anew at half of its
// time-to-live, which keeps it alive as long as this node is. A removal is a value too, until its time-to-live is over:
// without it, a node that missed it would go on to give the old one. docs/protocol.md, "Retained messages".

import { copyBytes, utf8 } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock } from '../io/world.ts'
import { ageAt, type Bundle, type BundleMessages } from './bundle.ts'
import type { StoredBundle } from './bundle-store.ts'
import type { Publisher, RetainedKeeper } from './publisher.ts'
import { messagesOf } from './readers/read-bundle.ts'
import { RESERVED_PREFIX } from './topics.ts'

/** Topics of which this node may have a current value, removed ones whose time-to-live runs included. */
export const OWN_RETAINED_MAX = 65_536
export const OWN_RETAINED_BYTES_MAX: number = 64 * 1_048_576
/** Part of the time-to-live after which a value is published anew: up to half, earlier by chance. */
const AGAIN_AFTER_MIN = 0.4
const AGAIN_AFTER_MAX = 0.5
/** What was due while this node was away is spread over so long. */
const OVERDUE_SPREAD_MS = 60_000
/** Each publication is a signature: so many in one turn of the event loop, and a pause between rounds. */
const PER_TURN_MAX = 16
const PAUSE_MS = 250
/** A removal is told again at half of what is left of it, as long as this much is. */
const REMOVAL_LEFT_S_MIN = 60

interface Value {
  readonly payload: Uint8Array
  readonly timeToLiveS: number
  /** By the monotonic clock. */
  againMs: number
  /** Of a removal: when it need not be told any more. */
  readonly endsMs: number
  /** Of an earlier run: which of them it was, so that a later one is known. Null: published in this run. */
  readonly before: { readonly epoch: number; readonly sequence: number } | null
}

export interface OwnRetainedOptions {
  readonly publisher: Pick<Publisher, 'keepRetainedIn' | 'publishAgain'>
  readonly clock: Clock
  /** 0 <= x < 1. */
  readonly fraction: () => number
}

export class OwnRetained implements RetainedKeeper {
  readonly #options: OwnRetainedOptions
  readonly #values = new Map<string, Value>()
  readonly #alarm: Alarm
  /** When the alarm rings. */
  #alarmMs = Number.POSITIVE_INFINITY
  #bytes = 0
  #isOver = false

  constructor(options: OwnRetainedOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => this.#refresh(this.#due()))
    options.publisher.keepRetainedIn(this)
  }

  get counts(): { values: number; bytes: number } {
    return { values: this.#values.size, bytes: this.#bytes }
  }

  /**
   * Takes over what an earlier run published: `stored` as the store gives it for this node's own key. What the program
   * publishes meanwhile counts. Reads some of it a turn.
   */
  restore(stored: Iterable<StoredBundle>): void {
    this.#restore(stored[Symbol.iterator]())
  }

  admit(topic: string, _payload: Uint8Array | string, bytes: number): void {
    const known = this.#values.get(topic)
    const bytesThen = this.#bytes - (known?.payload.length ?? 0) + bytes
    if ((known === undefined && this.#values.size >= OWN_RETAINED_MAX) || bytesThen > OWN_RETAINED_BYTES_MAX) {
      throw new MeshError(
        'too-large',
        `a node has at most ${OWN_RETAINED_MAX} retained values of ${OWN_RETAINED_BYTES_MAX} bytes in all; remove some by publishing an empty one`,
      )
    }
  }

  published(topic: string, payload: Uint8Array | string, timeToLiveS: number): void {
    const bytes = typeof payload === 'string' ? utf8(payload) : copyBytes(payload)
    this.#keep(topic, bytes, timeToLiveS, 0, null)
  }

  /**
   * A current value of this node's own came from others: an earlier run published it, and this one's store did not know (a
   * restored backup, or a kill before the commit). It takes the place of an older one, and of none that this run published.
   */
  cameBack(bundle: Bundle, { topics, payloads }: BundleMessages): void {
    this.#takeOver(bundle, topics[0]!, bundle.sealed.subarray(payloads[0]!, payloads[1]!))
  }

  /** Publishes nothing any more. */
  stop(): void {
    this.#isOver = true
    this.#alarm.cancel()
    this.#values.clear()
    this.#bytes = 0
  }

  #restore(stored: Iterator<StoredBundle>): void {
    for (let count = 0; count < PER_TURN_MAX && !this.#isOver; count++) {
      const next = stored.next()
      if (next.done) return
      const { bundle } = next.value
      const { topics, payloads } = messagesOf(bundle)
      if (topics[0] === undefined) continue
      this.#takeOver(bundle, topics[0], bundle.sealed.subarray(payloads[0]!, payloads[1]!))
    }
    if (!this.#isOver) this.#options.clock.endOfTurn(() => this.#restore(stored))
  }

  #takeOver(bundle: Bundle, topic: string, payload: Uint8Array): void {
    const { epoch, first: sequence, timeToLiveS } = bundle
    // What is below the mesh's own prefix is published by the mesh.
    if (this.#isOver || topic.startsWith(RESERVED_PREFIX)) return
    const known = this.#values.get(topic)
    if (known !== undefined && (known.before === null || !isLater({ epoch, sequence }, known.before))) return
    const bytesThen = this.#bytes - (known?.payload.length ?? 0) + payload.length
    if ((known === undefined && this.#values.size >= OWN_RETAINED_MAX) || bytesThen > OWN_RETAINED_BYTES_MAX) return
    const ageMs = ageAt(bundle, this.#options.clock.nowMs())
    this.#keep(topic, copyBytes(payload), timeToLiveS, ageMs, { epoch, sequence })
  }

  #keep(topic: string, payload: Uint8Array, timeToLiveS: number, ageMs: number, before: Value['before']): void {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const endsMs = nowMs - ageMs + timeToLiveS * 1000
    const value: Value = { payload, timeToLiveS, againMs: this.#againMs(nowMs, timeToLiveS, ageMs), endsMs, before }
    this.#bytes += payload.length - (this.#values.get(topic)?.payload.length ?? 0)
    this.#values.set(topic, value)
    if (value.againMs < this.#alarmMs) this.#setAlarm(value.againMs)
  }

  #againMs(nowMs: number, timeToLiveS: number, ageMs: number): number {
    const { fraction } = this.#options
    const part = AGAIN_AFTER_MIN + (AGAIN_AFTER_MAX - AGAIN_AFTER_MIN) * fraction()
    const waitMs = timeToLiveS * 1000 * part - ageMs
    if (waitMs > 0) return nowMs + waitMs
    const leftMs = Math.max(0, timeToLiveS * 1000 - ageMs)
    return nowMs + fraction() * Math.min(OVERDUE_SPREAD_MS, leftMs / 2)
  }

  #setAlarm(atMs: number): void {
    this.#alarmMs = atMs
    this.#alarm.set(atMs)
  }

  /** What is to be published now, a little early rather than each at its own moment. */
  #due(): Iterator<string> {
    this.#alarmMs = Number.POSITIVE_INFINITY
    const untilMs = this.#options.clock.nowMs() + PAUSE_MS
    const due: string[] = []
    for (const [topic, { againMs }] of this.#values) if (againMs <= untilMs) due.push(topic)
    return due[Symbol.iterator]()
  }

  #refresh(due: Iterator<string>): void {
    const { clock, publisher } = this.#options
    for (let count = 0; count < PER_TURN_MAX && !this.#isOver; count++) {
      const next = due.next()
      if (next.done) return this.#rest(0)
      const value = this.#values.get(next.value)
      const nowMs = clock.nowMs()
      // The program published another one meanwhile.
      if (value === undefined || value.againMs > nowMs + PAUSE_MS) continue
      const isRemoval = value.payload.length === 0
      const timeToLiveS = isRemoval ? Math.floor((value.endsMs - nowMs) / 1000) : value.timeToLiveS
      if (isRemoval && timeToLiveS < REMOVAL_LEFT_S_MIN) {
        this.#values.delete(next.value)
        continue
      }
      // Publishing waits for slow neighbours and for the disk, and so does this.
      if (!publisher.publishAgain(next.value, value.payload, timeToLiveS)) return this.#rest(PAUSE_MS)
      value.againMs = this.#againMs(nowMs, timeToLiveS, 0)
    }
    if (!this.#isOver) clock.endOfTurn(() => this.#refresh(due))
  }

  /** Until the next is due, and at least so long. */
  #rest(pauseMs: number): void {
    if (this.#isOver) return
    let atMs = Number.POSITIVE_INFINITY
    for (const { againMs } of this.#values.values()) atMs = Math.min(atMs, againMs)
    if (atMs < Number.POSITIVE_INFINITY) this.#setAlarm(Math.max(atMs, this.#options.clock.nowMs() + pauseMs))
  }
}

function isLater(one: NonNullable<Value['before']>, other: NonNullable<Value['before']>): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.sequence > other.sequence)
}

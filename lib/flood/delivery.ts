// Hands the messages of one bundle to the subscriptions that want them as they come, each with a payload of its own. On the way
// of every message, so: one look-up for messages in a row on one topic, one copy for small payloads in a row, no promise.
// Whether a bundle is due is the router's and the order's business. docs/protocol.md, "Forwarding".

import { copyBytes, EMPTY } from '../bytes.ts'
import { keepInPlace } from '../memory.ts'
import { type Bundle, BundleFlag, type BundleMessages, publishedMs } from './bundle.ts'
import { DeliveredMessage, type MessageOrigin } from './message.ts'
import { OWN_BUFFER_BYTES, PayloadCopies, plainView, SLAB_BYTES } from './payload-copies.ts'
import type { Subscriber, Subscriptions } from './subscriptions.ts'

const NOBODY: readonly Subscriber[] = []

export class Delivery {
  /** Given to handlers so far, counted for each. */
  messages = 0
  /** Of their payloads. */
  bytes = 0
  readonly #subscriptions: Subscriptions
  readonly #unixMs: () => number
  readonly #copies = new PayloadCopies()

  constructor(subscriptions: Subscriptions, unixMs: () => number) {
    this.#subscriptions = subscriptions
    this.#unixMs = unixMs
  }

  /** Whether `deliver` would find a subscriber now. */
  isWanted(bundle: Bundle, { topics }: BundleMessages, nowMs: number): boolean {
    const bornMs = publishedMs(bundle, nowMs, this.#unixMs())
    for (let i = 0; i < topics.length; i++) {
      if (i > 0 && topics[i] === topics[i - 1]) continue
      for (const { sinceMs } of this.#subscriptions.matching(topics[i]!)) if (sinceMs <= bornMs + 1) return true
    }
    return false
  }

  /** `from`: peer id of the origin. `isShared`: someone else reads the bundle's bytes, or may: nobody is given a view of them. */
  deliver(bundle: Bundle, messages: BundleMessages, from: string, isShared: boolean, nowMs: number): void {
    const { topics, payloads } = messages
    const { epoch, sentAtMs, hops, sealed, first } = bundle
    const retained = (bundle.flags & BundleFlag.retained) !== 0
    const origin: MessageOrigin = { from, epoch, sentAtMs, hops, replayed: false, retained }
    // A subscription hears what was published after it was made; history has its own ways to be asked for.
    const bornMs = publishedMs(bundle, nowMs, this.#unixMs())
    let topic = ''
    let subscribers = NOBODY
    // Small payloads in a row are copied together: sealed[runStart, runEnd) is in `run`.
    let run: Uint8Array = EMPTY
    let runStart = 0
    let runEnd = 0
    for (let i = 0; i < topics.length; i++) {
      if (topics[i] !== topic) {
        topic = topics[i]!
        subscribers = this.#subscriptions.matching(topic)
      }
      const start = payloads[i * 2]!
      const end = payloads[i * 2 + 1]!
      if (subscribers.length === 1 && end - start < OWN_BUFFER_BYTES) {
        const subscriber = subscribers[0]!
        if (subscriber.sinceMs > bornMs + 1) continue
        if (end > runEnd) {
          runStart = start
          runEnd = endOfRun(messages, i)
          run = copyBytes(sealed.subarray(start, runEnd))
          if (runEnd > end) keepInPlace(run)
        }
        const data = run.subarray(start - runStart, end - runStart)
        this.messages++
        this.bytes += end - start
        subscriber.deliver(new DeliveredMessage(topic, data, first + i, origin))
      } else if (subscribers.length > 0) {
        this.#deliverToAll(subscribers, bundle, topic, first + i, start, end, origin, isShared, bornMs)
      }
    }
  }

  #deliverToAll(
    subscribers: readonly Subscriber[],
    { sealed, buffer, count }: Bundle,
    topic: string,
    sequence: number,
    start: number,
    end: number,
    origin: MessageOrigin,
    isShared: boolean,
    bornMs: number,
  ): void {
    // A large payload that nobody else holds is handed over as it is, unless keeping it would keep ten times as much.
    const isLarge = end - start >= OWN_BUFFER_BYTES && (end - start) * 10 >= sealed.buffer.byteLength
    const handOver = isLarge && !isShared && subscribers.length === 1
    if (handOver) {
      buffer?.leave()
      if (count > 1) keepInPlace(sealed)
    }
    for (const subscriber of subscribers) {
      if (subscriber.sinceMs > bornMs + 1) continue
      const data = handOver ? plainView(sealed, start, end) : this.#copies.copy(sealed, start, end)
      this.messages++
      this.bytes += data.length
      subscriber.deliver(new DeliveredMessage(topic, data, sequence, origin))
    }
  }
}

/** Up to where the payloads of one topic, from message `from` on, may be copied together: one slab at most. */
function endOfRun({ topics, payloads }: BundleMessages, from: number): number {
  const topic = topics[from]
  const last = payloads[from * 2]! + SLAB_BYTES
  let end = payloads[from * 2 + 1]!
  for (let i = from + 1; i < topics.length && topics[i] === topic && payloads[i * 2 + 1]! <= last; i++) {
    end = payloads[i * 2 + 1]!
  }
  return end
}

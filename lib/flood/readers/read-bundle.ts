// One bundle on its way from the store to a subscriber, and taking it apart into messages. docs/protocol.md, "Bundles".

import { CborReader } from '../../framing/cbor-reader.ts'
import { keepInPlace } from '../../memory.ts'
import { type Bundle, BundleFlag, type BundleMessages, bornMs, readBundleMessages, SIGNATURE_BYTES } from '../bundle.ts'
import { DeliveredMessage, type MessageOrigin } from '../message.ts'
import { OWN_BUFFER_BYTES, type PayloadCopies, plainView } from '../payload-copies.ts'
import type { TopicPattern } from '../topics.ts'
import type { OpenBundle } from './durable-offset.ts'

export interface ReadBundle {
  readonly bundle: Bundle
  readonly arrival: number
  /** Messages before this place were done in an earlier run, or lie before where the reading began. */
  readonly from: number
  /** For a durable reader: what of it is done. */
  readonly open: OpenBundle | null
}

/** One message for this subscriber. */
export interface Delivery {
  readonly message: DeliveredMessage
  /** Of the payload. */
  readonly bytes: number
  readonly read: ReadBundle
  /** Its place in the bundle, counted from 0. */
  readonly index: number
}

/** Of a durable subscription that acknowledges by hand. */
class AcknowledgedMessage extends DeliveredMessage {
  readonly #acknowledged: () => void

  constructor(topic: string, data: Uint8Array, sequence: number, origin: MessageOrigin, acknowledged: () => void) {
    super(topic, data, sequence, origin)
    this.#acknowledged = acknowledged
  }

  override ack(): void {
    this.#acknowledged()
  }
}

/** Whether its time-to-live, if it has one, is over. */
export function isExpired(bundle: Bundle, nowMs: number): boolean {
  return bundle.timeToLiveS > 0 && nowMs - bornMs(bundle) > bundle.timeToLiveS * 1000
}

export function isRetained({ flags }: Bundle): boolean {
  return (flags & BundleFlag.retained) !== 0
}

/** The messages of a bundle of which only the bytes are there. Throws MeshError `bad-bundle` or `bad-cbor`. */
export function messagesOf(bundle: Bundle): BundleMessages {
  const reader = new CborReader(bundle.sealed, SIGNATURE_BYTES)
  reader.array()
  reader.uint()
  reader.bytes(32)
  for (let i = 0; i < 5; i++) reader.uint()
  return readBundleMessages({ bundle, messagesAt: reader.at })
}

/** A bundle being taken apart, message by message. */
export class Unpacking {
  readonly read: ReadBundle
  readonly #messages: BundleMessages
  readonly #origin: MessageOrigin
  readonly #copies: PayloadCopies
  #index: number

  /** Throws MeshError `bad-bundle` or `bad-cbor`. */
  constructor(read: ReadBundle, from: string, replayed: boolean, copies: PayloadCopies) {
    const { epoch, sentAtMs, hops } = read.bundle
    this.read = read
    this.#messages = messagesOf(read.bundle)
    this.#origin = { from, epoch, sentAtMs, hops, replayed, retained: isRetained(read.bundle) }
    this.#copies = copies
    this.#index = read.from
  }

  /**
   * The next message whose topic matches, or null when none is left; `skipped` hears of those that do not, as their first
   * place and how many they are.
   */
  next(
    pattern: TopicPattern,
    acknowledged: ((delivery: Delivery) => void) | null,
    skipped: (index: number, count: number) => void,
  ): Delivery | null {
    const { topics } = this.#messages
    const begun = this.#index
    let topic: string | null = null
    while (this.#index < topics.length) {
      const index = this.#index++
      // Most messages of a bundle share their topic.
      if (topics[index] === topic) continue
      topic = topics[index]!
      if (!pattern.matches(topic)) continue
      if (index > begun) skipped(begun, index - begun)
      return this.deliveryOf(this.read, index, acknowledged)
    }
    if (begun < topics.length) skipped(begun, topics.length - begun)
    return null
  }

  /** One message, made anew. */
  deliveryOf(read: ReadBundle, index: number, acknowledged: ((delivery: Delivery) => void) | null): Delivery {
    const { bundle, open } = read
    const topic = this.#messages.topics[index]!
    const [start, end] = [this.#messages.payloads[index * 2]!, this.#messages.payloads[index * 2 + 1]!]
    // The store gave these bytes away. A large payload is handed over as it is, unless keeping it would keep ten times as
    // much, or it may have to be delivered again.
    const isLarge = end - start >= OWN_BUFFER_BYTES && (end - start) * 10 >= bundle.sealed.buffer.byteLength
    const handOver = isLarge && open === null
    if (handOver && bundle.count > 1) keepInPlace(bundle.sealed)
    const data = handOver ? plainView(bundle.sealed, start, end) : this.#copies.copy(bundle.sealed, start, end)
    const sequence = bundle.first + index
    const message: DeliveredMessage =
      acknowledged === null
        ? new DeliveredMessage(topic, data, sequence, this.#origin)
        : new AcknowledgedMessage(topic, data, sequence, this.#origin, () => acknowledged(delivery))
    const delivery: Delivery = { message, bytes: data.length, read, index }
    return delivery
  }
}

// A topic whose payloads are values of one type: a codec at each end, nothing more.

import { reasonOf } from '../errors.ts'
import type { Message, PublishOptions, Receipt, SubscribeOptions, Subscription } from '../types.ts'

/** Turns values into payloads and back. `decode` may throw: its argument comes from others. */
export interface Codec<T> {
  encode(value: T): string | Uint8Array
  decode(data: Uint8Array): T
}

/** JSON as UTF-8. What arrives is whatever JSON the sender wrote: check it before you trust its shape. */
// biome-ignore lint/suspicious/noExplicitAny: the one codec that serves every type
export const json: Codec<any> = {
  encode: (value) => JSON.stringify(value),
  decode: (data) => JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8')),
}

/** What a typed topic needs of a Mesh. */
export interface TopicCarrier {
  publish(topic: string, data: string | Uint8Array, options?: PublishOptions): Promise<Receipt>
  subscribe(pattern: string, handler: (message: Message) => unknown, options?: SubscribeOptions): Subscription
  warn(code: string, text: string): void
}

export class TypedTopic<T> {
  readonly name: string
  readonly #codec: Codec<T>
  readonly #carrier: TopicCarrier

  constructor(name: string, codec: Codec<T>, carrier: TopicCarrier) {
    this.name = name
    this.#codec = codec
    this.#carrier = carrier
  }

  /** As `Mesh.publish`; rejects also with what the codec throws. */
  async publish(value: T, options?: PublishOptions): Promise<Receipt> {
    return this.#carrier.publish(this.name, this.#codec.encode(value), options)
  }

  /**
   * As `Mesh.subscribe`. A payload that the codec refuses becomes a warning `undecodable` and is not delivered; for a
   * durable subscription it is done. The removal of a retained value has no value and is not delivered either.
   */
  subscribe(handler: (value: T, message: Message) => unknown, options?: SubscribeOptions): Subscription {
    const decoded = (message: Message): unknown => {
      if (message.retained && message.data.length === 0) return message.ack()
      let value: T
      try {
        value = this.#codec.decode(message.data)
      } catch (error) {
        this.#carrier.warn('undecodable', `a message on ${this.name} from ${message.from}: ${reasonOf(error)}`)
        return message.ack()
      }
      // A durable subscription waits for the promise, and so it must get it.
      return handler(value, message)
    }
    return this.#carrier.subscribe(this.name, decoded, options)
  }
}

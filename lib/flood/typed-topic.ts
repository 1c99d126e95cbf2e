// A topic whose payloads are values of one type: a codec at each end, nothing more.

import { reasonOf } from '../errors.ts'
import type { Message, Receipt, Subscription } from '../types.ts'

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
  publish(topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<Receipt>
  subscribe(pattern: string, handler: (message: Message) => void): Subscription
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
  async publish(value: T, options?: { signal?: AbortSignal }): Promise<Receipt> {
    return this.#carrier.publish(this.name, this.#codec.encode(value), options)
  }

  /** As `Mesh.subscribe`. A payload that the codec refuses becomes a warning `undecodable` and is not delivered. */
  subscribe(handler: (value: T, message: Message) => void): Subscription {
    return this.#carrier.subscribe(this.name, (message) => {
      let value: T
      try {
        value = this.#codec.decode(message.data)
      } catch (error) {
        this.#carrier.warn('undecodable', `a message on ${this.name} from ${message.from}: ${reasonOf(error)}`)
        return
      }
      handler(value, message)
    })
  }
}

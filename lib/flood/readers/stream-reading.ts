// A reader's messages as an async iterable. A durable one counts a message as done when the next is asked for, unless that is
// left to the program. docs/guide.md, "Durable readers".

import type { Message, MessageStream } from '../../types.ts'
import type { Delivery } from './read-bundle.ts'
import type { StoreReader } from './store-reader.ts'

export class StreamReading implements MessageStream {
  readonly #reader: StoreReader
  readonly #onEnd: () => void
  /** Those who asked for a message before there was one. */
  readonly #waiting: ((delivery: Delivery | null) => void)[] = []

  constructor(reader: StoreReader, onEnd: () => void) {
    this.#reader = reader
    this.#onEnd = onEnd
    reader.ready = () => this.#serve()
  }

  get pattern(): string {
    return this.#reader.pattern.text
  }

  get dropped(): number {
    return this.#reader.dropped
  }

  unsubscribe(): void {
    if (this.#reader.isOver) return
    this.#reader.end()
    this.#onEnd()
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    // More than one where the program asked for several at once.
    const given: Delivery[] = []
    return {
      next: async () => {
        for (const delivery of given.splice(0)) this.#reader.done(delivery)
        const delivery = await this.#next()
        if (delivery === null) return { done: true, value: undefined }
        if (this.#reader.options.durable !== null && this.#reader.options.ack === 'auto') given.push(delivery)
        return { done: false, value: delivery.message }
      },
      return: async () => {
        this.unsubscribe()
        this.#reader.discard()
        return { done: true, value: undefined }
      },
    }
  }

  #next(): Promise<Delivery | null> {
    const delivery = this.#waiting.length === 0 ? this.#reader.take() : null
    if (delivery !== null || this.#reader.isOver) return Promise.resolve(delivery)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const delivery = this.#reader.take()
      if (delivery === null && !this.#reader.isOver) return
      this.#waiting.shift()!(delivery)
    }
  }
}

// Hands a reader's messages to a callback, one after the other, waiting for the promises it returns. What a handler throws is
// a warning; where the reader is durable, the message is not done then, and comes again until it is. docs/guide.md, "Durable
// readers".

import { reasonOf } from '../../errors.ts'
import type { Timer } from '../../io/world.ts'
import { promiseOf } from '../../promised.ts'
import type { Message } from '../../types.ts'
import type { Delivery } from './read-bundle.ts'
import type { StoreReader } from './store-reader.ts'

/** First and longest wait before a failed message is handed out again; doubles between. */
export const RETRY_FIRST_MS = 1_000
export const RETRY_MAX_MS = 60_000
/** Calls and time of one turn of the event loop. */
const CALLS_PER_TURN_MAX = 256
const TURN_MS_MAX = 3

export class HandlerReading {
  readonly #reader: StoreReader
  readonly #handler: (message: Message) => unknown
  readonly #warn: (code: string, text: string) => void
  /** A message that failed and comes next again. */
  #failed: Delivery | null = null
  #failures = 0
  /** The handler's promise, a retry or the next turn is awaited. */
  #isWaiting = false
  #timer: Timer | null = null

  constructor(reader: StoreReader, handler: (message: Message) => unknown, warn: (code: string, text: string) => void) {
    this.#reader = reader
    this.#handler = handler
    this.#warn = warn
    reader.ready = () => this.#run()
  }

  /** No call comes after it, but for one that is under way. */
  end(): void {
    this.#timer?.cancel()
    this.#reader.end()
  }

  #run(): void {
    if (this.#isWaiting || this.#reader.isOver) return
    const { clock } = this.#reader
    const startMs = clock.nowMs()
    for (let calls = 0; !this.#isWaiting; calls++) {
      if (calls >= CALLS_PER_TURN_MAX || clock.nowMs() - startMs >= TURN_MS_MAX) {
        this.#isWaiting = true
        return clock.endOfTurn(() => this.#goOn())
      }
      const delivery = this.#failed ?? this.#reader.take()
      if (delivery === null || this.#reader.isOver) return
      this.#failed = null
      this.#call(delivery)
    }
  }

  #call(delivery: Delivery): void {
    let promise: Promise<unknown> | null
    try {
      promise = promiseOf(this.#handler(delivery.message))
    } catch (error) {
      return this.#threw(delivery, error)
    }
    if (promise === null) return this.#returned(delivery)
    if (this.#reader.options.overflow === 'drop') {
      promise.catch((error: unknown) => this.#tell(error))
      return
    }
    this.#isWaiting = true
    promise.then(
      () => {
        this.#returned(delivery)
        this.#goOn()
      },
      (error: unknown) => {
        this.#isWaiting = false
        this.#threw(delivery, error)
        this.#run()
      },
    )
  }

  #goOn(): void {
    this.#isWaiting = false
    this.#run()
  }

  #returned(delivery: Delivery): void {
    this.#failures = 0
    if (this.#reader.options.ack === 'auto') this.#reader.done(delivery)
  }

  #threw(delivery: Delivery, error: unknown): void {
    this.#tell(error)
    if (this.#reader.isOver || this.#reader.isDone(delivery)) return
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#failures)
    this.#failures++
    // The handler may have changed the payload, which was its own.
    this.#failed = this.#reader.again(delivery)
    this.#isWaiting = true
    this.#timer = this.#reader.clock.timer(delayMs, () => this.#goOn())
  }

  #tell(error: unknown): void {
    const { pattern } = this.#reader
    this.#warn('handler-failed', `the handler of the subscription to ${pattern.text} threw: ${reasonOf(error)}`)
  }
}

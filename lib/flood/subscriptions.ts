// Who in this program wants which topics, and handing messages to them. docs/protocol.md, "Topics".

import { MeshError, reasonOf } from '../errors.ts'
import type { Message, MessageStream, Subscription } from '../types.ts'
import { TopicPattern } from './topics.ts'

/** Messages that an iterated subscription holds for a slow reader, unless it says otherwise. */
export const STREAM_QUEUE_MAX = 10_000
export const SUBSCRIPTIONS_MAX = 100_000
/** Topics whose subscribers are remembered; when full, the memory starts afresh. */
const CACHED_TOPICS_MAX = 4_096

/** One subscription as the router sees it. */
export interface Subscriber {
  readonly pattern: TopicPattern
  /** By the monotonic clock: only what is younger is live for it. */
  readonly sinceMs: number
  deliver(message: Message): void
}

const NOBODY: readonly Subscriber[] = []

export class Subscriptions {
  readonly #warn: (code: string, text: string) => void
  readonly #exact = new Map<string, Set<Subscriber>>()
  readonly #wild = new Set<Subscriber>()
  readonly #streams = new Set<QueuedStream>()
  readonly #cache = new Map<string, readonly Subscriber[]>()
  #count = 0

  /** `warn` hears of handlers that threw. */
  constructor(warn: (code: string, text: string) => void) {
    this.#warn = warn
  }

  /** Those who want this topic; the same array until a subscription changes. */
  matching(topic: string): readonly Subscriber[] {
    const known = this.#cache.get(topic)
    if (known !== undefined) return known
    const found = [...(this.#exact.get(topic) ?? [])]
    for (const subscriber of this.#wild) if (subscriber.pattern.matches(topic)) found.push(subscriber)
    if (this.#cache.size >= CACHED_TOPICS_MAX) this.#cache.clear()
    const result = found.length === 0 ? NOBODY : found
    this.#cache.set(topic, result)
    return result
  }

  /** Calls `handler` for each message, in the order of arrival. What it throws becomes a warning. */
  subscribe(pattern: string, handler: (message: Message) => void, nowMs: number): Subscription {
    if (typeof handler !== 'function') throw new MeshError('bad-argument', 'a subscription handler must be a function')
    let isOver = false
    const deliver = (message: Message): void => {
      // The rest of a bundle that is just being delivered still comes here.
      if (isOver) return
      const failed = (error: unknown): void => {
        this.#warn('handler-failed', `the handler of the subscription to ${pattern} threw: ${reasonOf(error)}`)
      }
      try {
        const result: unknown = handler(message)
        // An async handler fails later; its rejection, which may be of a sender's making, must not end the program.
        if (result instanceof Promise) result.catch(failed)
      } catch (error) {
        failed(error)
      }
    }
    const subscriber: Subscriber = { pattern: new TopicPattern(pattern), sinceMs: nowMs, deliver }
    this.#add(subscriber)
    const unsubscribe = (): void => {
      isOver = true
      this.#remove(subscriber)
    }
    return { pattern, unsubscribe }
  }

  /** A subscription to iterate. `queueMax` messages wait for the reader; beyond, the oldest is dropped and counted. */
  stream(pattern: string, options: { queueMax?: number; signal?: AbortSignal }, nowMs: number): MessageStream {
    const { queueMax = STREAM_QUEUE_MAX, signal } = options
    if (!Number.isInteger(queueMax) || queueMax < 1) {
      throw new MeshError('bad-argument', 'queueMax must be a whole number of at least 1')
    }
    const stream = new QueuedStream(pattern, queueMax, signal, () => {
      this.#remove(subscriber)
      this.#streams.delete(stream)
    })
    const deliver = (message: Message): void => stream.push(message)
    const subscriber: Subscriber = { pattern: new TopicPattern(pattern), sinceMs: nowMs, deliver }
    if (signal?.aborted) stream.unsubscribe()
    else {
      this.#add(subscriber)
      this.#streams.add(stream)
    }
    return stream
  }

  /** Ends every iteration after what is queued, and forgets all. */
  close(): void {
    for (const stream of [...this.#streams]) stream.unsubscribe()
    this.#exact.clear()
    this.#wild.clear()
    this.#cache.clear()
    this.#count = 0
  }

  #add(subscriber: Subscriber): void {
    if (this.#count >= SUBSCRIPTIONS_MAX) {
      throw new MeshError('too-large', `at most ${SUBSCRIPTIONS_MAX} subscriptions; unsubscribe some first`)
    }
    if (subscriber.pattern.exact) {
      const topic = subscriber.pattern.text
      const group = this.#exact.get(topic) ?? new Set()
      this.#exact.set(topic, group.add(subscriber))
    } else {
      this.#wild.add(subscriber)
    }
    this.#count++
    this.#cache.clear()
  }

  #remove(subscriber: Subscriber): void {
    const topic = subscriber.pattern.text
    const group = this.#exact.get(topic)
    if (this.#wild.delete(subscriber) || group?.delete(subscriber)) {
      if (group?.size === 0) this.#exact.delete(topic)
      this.#count--
      this.#cache.clear()
    }
  }
}

/** The queue between the router and one `for await`. */
class QueuedStream implements MessageStream {
  readonly pattern: string
  dropped = 0
  readonly #queueMax: number
  readonly #signal: AbortSignal | undefined
  readonly #onEnd: () => void
  #queue: (Message | undefined)[] = []
  #at = 0
  #waiting: ((result: IteratorResult<Message, undefined>) => void)[] = []
  #ended = false
  readonly #abort = (): void => this.unsubscribe()

  constructor(pattern: string, queueMax: number, signal: AbortSignal | undefined, onEnd: () => void) {
    this.pattern = pattern
    this.#queueMax = queueMax
    this.#signal = signal
    this.#onEnd = onEnd
    signal?.addEventListener('abort', this.#abort)
  }

  push(message: Message): void {
    if (this.#ended) return
    const reader = this.#waiting.shift()
    if (reader !== undefined) {
      reader({ done: false, value: message })
      return
    }
    if (this.#queue.length - this.#at >= this.#queueMax) {
      this.#take()
      this.dropped++
    }
    this.#queue.push(message)
  }

  unsubscribe(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#onEnd()
    for (const reader of this.#waiting.splice(0)) reader({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return {
      next: () => {
        if (this.#queue.length > this.#at) return Promise.resolve({ done: false, value: this.#take() })
        if (this.#ended) return Promise.resolve({ done: true, value: undefined })
        return new Promise((resolve) => this.#waiting.push(resolve))
      },
      return: () => {
        this.unsubscribe()
        this.#queue = []
        this.#at = 0
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  #take(): Message {
    const message = this.#queue[this.#at]!
    this.#queue[this.#at++] = undefined
    // Moving the rest down only now and then keeps the cost per message constant.
    if (this.#at > 1024 && this.#at * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#at)
      this.#at = 0
    }
    return message
  }
}

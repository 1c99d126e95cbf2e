// Who in this program wants which topics, and handing messages to them. What is live comes from the router as it arrives;
// subscriptions that look back, or may not miss anything, read the store instead (readers/). docs/protocol.md, "Topics".

import { MeshError, reasonOf } from '../errors.ts'
import { promiseOf } from '../promised.ts'
import type { MeshEvents, Message, MessageStream, SubscribeOptions, Subscription } from '../types.ts'
import { Fifo } from './readers/fifo.ts'
import type { ReadContext } from './readers/read-context.ts'
import { resolveSubscribeOptions, type Storage } from './readers/read-options.ts'
import { Readers } from './readers/readers.ts'
import { TopicPattern } from './topics.ts'

export const SUBSCRIPTIONS_MAX = 100_000
/** Topics whose subscribers are remembered; when full, the memory starts afresh. */
const CACHED_TOPICS_MAX = 4_096

/** One live subscription as the router sees it. */
export interface Subscriber {
  readonly pattern: TopicPattern
  /** By the monotonic clock: only what is younger is live for it. */
  readonly sinceMs: number
  deliver(message: Message): void
}

/** What subscriptions that read the store need; without it there are none. */
export interface Reading {
  /** What this node keeps, by its options. */
  readonly storage: Storage
  /** A reader in `origin` order passed over what did not come. */
  gap(gap: MeshEvents['gap'][0]): void
}

const NOBODY: readonly Subscriber[] = []

export class Subscriptions {
  /** What subscriptions that read the store have been given; the router counts the others. */
  readonly delivered: { messages: number; bytes: number } = { messages: 0, bytes: 0 }
  readonly #warn: (code: string, text: string) => void
  readonly #storage: Storage
  readonly #readers: Readers
  readonly #exact = new Map<string, Set<Subscriber>>()
  readonly #wild = new Set<Subscriber>()
  readonly #streams = new Set<QueuedStream>()
  /** What takes our listeners off the signals of subscriptions with handlers: a signal may outlive this node. */
  readonly #watched = new Set<() => void>()
  readonly #cache = new Map<string, readonly Subscriber[]>()
  #count = 0
  #isClosed = false

  /** `warn` hears of handlers that threw and of readers that could not do what they were asked. */
  constructor(warn: (code: string, text: string) => void, reading: Reading | null = null) {
    this.#warn = warn
    this.#storage = reading?.storage ?? { keepsBundles: false, isDurable: false }
    this.#readers = new Readers({ warn, delivered: this.delivered, gap: (gap) => reading?.gap(gap) })
  }

  /** Those who want this topic as it comes; the same array until a subscription changes. */
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

  /** The store is there: those who read it begin, now and from now on. */
  attach(context: ReadContext): void {
    this.#readers.attach(context)
  }

  /**
   * Calls `handler` for each message, as the router delivers it or as `options` say. What it throws becomes a warning. Throws
   * MeshError `bad-topic`, `bad-argument`, `bad-option`, `already-registered`, `too-large`; `not-running` after `close`.
   */
  subscribe(
    pattern: string,
    handler: (message: Message) => unknown,
    nowMs: number,
    options: SubscribeOptions = {},
  ): Subscription {
    if (typeof handler !== 'function') throw new MeshError('bad-argument', 'a subscription handler must be a function')
    this.#checkOpen()
    const resolved = resolveSubscribeOptions(options, this.#storage)
    const { signal } = options
    const made =
      resolved.kind === 'live'
        ? this.#subscribeLive(pattern, handler, nowMs)
        : this.#readers.subscribe(pattern, handler, resolved, nowMs)
    if (signal === undefined) return made
    const unsubscribe = (): void => {
      forget()
      made.unsubscribe()
    }
    const forget = (): void => {
      signal.removeEventListener('abort', unsubscribe)
      this.#watched.delete(forget)
    }
    signal.addEventListener('abort', unsubscribe)
    this.#watched.add(forget)
    if (signal.aborted) unsubscribe()
    return { pattern, unsubscribe }
  }

  /** A subscription to iterate. Throws as `subscribe` does. */
  stream(pattern: string, options: SubscribeOptions, nowMs: number): MessageStream {
    this.#checkOpen()
    const resolved = resolveSubscribeOptions(options, this.#storage)
    const { signal } = options
    if (resolved.kind === 'read') return this.#readers.stream(pattern, resolved, signal, nowMs)
    const deliver = (message: Message): void => stream.push(message)
    const subscriber: Subscriber = { pattern: new TopicPattern(pattern), sinceMs: nowMs, deliver }
    const isOver = signal?.aborted ?? false
    if (!isOver) this.#add(subscriber)
    // Listens to the signal, and so comes behind all that throws.
    const stream = new QueuedStream(pattern, resolved.queueMax, signal, () => {
      this.#remove(subscriber)
      this.#streams.delete(stream)
    })
    if (isOver) stream.unsubscribe()
    else this.#streams.add(stream)
    return stream
  }

  /** Ends every iteration after what is queued, writes durable readers' offsets, and forgets all; for good. */
  close(): void {
    this.#isClosed = true
    for (const stream of [...this.#streams]) stream.unsubscribe()
    for (const forget of [...this.#watched]) forget()
    this.#readers.close()
    this.#exact.clear()
    this.#wild.clear()
    this.#cache.clear()
    this.#count = 0
  }

  /** Nothing would ever come, nor end an iteration. */
  #checkOpen(): void {
    if (this.#isClosed) throw new MeshError('not-running', 'this mesh was stopped; make a new one')
  }

  #subscribeLive(pattern: string, handler: (message: Message) => unknown, nowMs: number): Subscription {
    let isOver = false
    const deliver = (message: Message): void => {
      // The rest of a bundle that is just being delivered still comes here.
      if (isOver) return
      const failed = (error: unknown): void => {
        this.#warn('handler-failed', `the handler of the subscription to ${pattern} threw: ${reasonOf(error)}`)
      }
      try {
        // An async handler fails later; its rejection, which may be of a sender's making, must not end the program.
        promiseOf(handler(message))?.catch(failed)
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
  readonly #queue = new Fifo<Message>()
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
    if (this.#queue.size >= this.#queueMax) {
      this.#queue.shift()
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
        const message = this.#queue.shift()
        if (message !== undefined) return Promise.resolve({ done: false, value: message })
        if (this.#ended) return Promise.resolve({ done: true, value: undefined })
        return new Promise((resolve) => this.#waiting.push(resolve))
      },
      return: () => {
        this.unsubscribe()
        this.#queue.clear()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }
}

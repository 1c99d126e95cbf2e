// All subscriptions of this program that read the store: begins them when there is one, keeps durable names apart, and ends
// them. What a single one does is in store-reader.ts.

import { MeshError } from '../../errors.ts'
import type { Timer } from '../../io/world.ts'
import type { Message, MessageStream, Subscription } from '../../types.ts'
import { TopicPattern } from '../topics.ts'
import { HandlerReading } from './handler-reading.ts'
import type { ReadContext, ReaderNotices } from './read-context.ts'
import type { ReadOptions } from './read-options.ts'
import { StoreReader } from './store-reader.ts'
import { StreamReading } from './stream-reading.ts'

/** Each has a queue and looks for itself. */
export const READERS_MAX = 1_024
/** One that could not find out where it begins tries again after so long. */
export const BEGIN_AGAIN_MS = 1_000

export class Readers {
  readonly #notices: ReaderNotices
  /** Each with what ends it. */
  readonly #readings = new Map<StoreReader, Subscription>()
  readonly #names = new Set<string>()
  /** How far they came in earlier runs could not be read; they have not begun. With the newest arrival when they should have. */
  readonly #late = new Map<StoreReader, number>()
  #lateTimer: Timer | null = null
  #context: ReadContext | null = null

  constructor(notices: ReaderNotices) {
    this.#notices = notices
  }

  /** The store is there: those that were made before begin now. */
  attach(context: ReadContext): void {
    this.#context = context
    for (const reader of [...this.#readings.keys()]) this.#beginReading(reader, context)
  }

  /** Throws MeshError `bad-topic`, `already-registered`, `too-large`. `nowMs`: by the monotonic clock. */
  subscribe(
    pattern: string,
    handler: (message: Message) => unknown,
    options: ReadOptions,
    nowMs: number,
  ): Subscription {
    const reader = this.#make(pattern, options, nowMs)
    const reading = new HandlerReading(reader, handler, (code, text) => this.#notices.warn(code, text))
    const unsubscribe = (): void => {
      reading.end()
      this.#remove(reader)
    }
    return this.#begin(reader, { pattern, unsubscribe })
  }

  /** Throws as `subscribe` does. */
  stream(pattern: string, options: ReadOptions, signal: AbortSignal | undefined, nowMs: number): MessageStream {
    const reader = this.#make(pattern, options, nowMs)
    const stream: StreamReading = new StreamReading(reader, () => {
      signal?.removeEventListener('abort', abort)
      this.#remove(reader)
    })
    const abort = (): void => stream.unsubscribe()
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) {
      stream.unsubscribe()
      return stream
    }
    return this.#begin(reader, stream)
  }

  /** Ends them all; durable ones write down how far they came. */
  close(): void {
    for (const reading of [...this.#readings.values()]) reading.unsubscribe()
    this.#lateTimer?.cancel()
    this.#lateTimer = null
    this.#context = null
  }

  #make(pattern: string, options: ReadOptions, nowMs: number): StoreReader {
    const { durable } = options
    const reader = new StoreReader(new TopicPattern(pattern), options, this.#notices, nowMs)
    if (durable !== null && this.#names.has(durable)) {
      const name = JSON.stringify(durable)
      const text = `there is a durable subscription named ${name} already; end it first, or choose another name`
      throw new MeshError('already-registered', text)
    }
    if (this.#readings.size >= READERS_MAX) {
      throw new MeshError('too-large', `at most ${READERS_MAX} subscriptions that read the store; end some first`)
    }
    return reader
  }

  #begin<T extends Subscription>(reader: StoreReader, reading: T): T {
    this.#readings.set(reader, reading)
    if (reader.options.durable !== null) this.#names.add(reader.options.durable)
    if (this.#context !== null) this.#beginReading(reader, this.#context)
    return reading
  }

  #beginReading(reader: StoreReader, context: ReadContext, last: number = context.store.lastArrival): void {
    try {
      reader.begin(context, last)
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'data-folder') throw error
      // The store itself has warned.
      this.#late.set(reader, last)
      this.#lateTimer ??= context.clock.timer(BEGIN_AGAIN_MS, () => this.#beginLate(context))
    }
  }

  #beginLate(context: ReadContext): void {
    this.#lateTimer = null
    const late = [...this.#late]
    this.#late.clear()
    for (const [reader, last] of late) this.#beginReading(reader, context, last)
  }

  #remove(reader: StoreReader): void {
    if (!this.#readings.delete(reader)) return
    this.#late.delete(reader)
    if (reader.options.durable !== null) this.#names.delete(reader.options.durable)
  }
}

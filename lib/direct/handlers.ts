// Who takes messages and requests here, by exact topic, and the requests that are being answered. A handler is the program's
// own code: it may throw, take its time, or return nonsense. docs/protocol.md, "Requests".

import { EMPTY, utf8 } from '../bytes.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { DIRECT_REQUESTS_BYTES_MAX, DIRECT_REQUESTS_MAX, PAYLOAD_BYTES_MAX } from '../limits.ts'
import { promiseOf } from '../promised.ts'
import { Trouble } from './content.ts'
import { failureBytes } from './failure-text.ts'

/** One direct message or request, as its handler gets it. */
export interface DirectMessage {
  /** Peer id of the source, proven by the envelope. */
  readonly from: string
  readonly topic: string
  /** The handler's own. */
  readonly data: Uint8Array
  /** `<source>/<epoch>/<sequence>`: unique among what came from there to this node. */
  readonly id: string
}

export type MessageHandler = (message: DirectMessage) => void | Promise<void>
/** `signal` fires when this node stops. */
export type RequestHandler = (
  request: DirectMessage,
  signal: AbortSignal,
) => Uint8Array | string | Promise<Uint8Array | string>

/** What became of a request: the payload, with an empty `trouble`; or one of `Trouble` and its text. */
export type Answered = (trouble: string, payload: Uint8Array) => void

export interface HandlersEvents {
  /** An answer was given outside any call, so that something may be due earlier than before. */
  answeredLater(): void
  warn(code: string, text: string): void
}

export interface HandlersBounds {
  readonly countMax: number
  readonly bytesMax: number
}

const BOUNDS: HandlersBounds = { countMax: DIRECT_REQUESTS_MAX, bytesMax: DIRECT_REQUESTS_BYTES_MAX }

export class Handlers {
  readonly #events: HandlersEvents
  readonly #bounds: HandlersBounds
  readonly #messages = new Map<string, MessageHandler>()
  readonly #requests = new Map<string, RequestHandler>()
  readonly #closing = new AbortController()
  #running = 0
  #runningBytes = 0

  constructor(events: HandlersEvents, bounds: HandlersBounds = BOUNDS) {
    this.#events = events
    this.#bounds = bounds
  }

  /** Requests that are being answered. */
  get running(): number {
    return this.#running
  }

  /** Throws MeshError `already-registered`. Returns what takes it back. */
  onMessage(topic: string, handler: MessageHandler): () => void {
    return register(this.#messages, topic, handler)
  }

  /** Throws MeshError `already-registered`. Returns what takes it back; requests that run go on. */
  onRequest(topic: string, handler: RequestHandler): () => void {
    return register(this.#requests, topic, handler)
  }

  takesMessages(topic: string): boolean {
    return this.#messages.has(topic)
  }

  /** Whether one more request of so many bytes is beyond the bounds. */
  isFull(bytes: number): boolean {
    return this.#running >= this.#bounds.countMax || this.#runningBytes + bytes > this.#bounds.bytesMax
  }

  deliver(message: DirectMessage): void {
    const { topic } = message
    const failed = (error: unknown): void =>
      this.#events.warn('handler-failed', `the handler of direct messages on ${topic} threw: ${reasonOf(error)}`)
    try {
      promiseOf(this.#messages.get(topic)?.(message))?.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Calls `answered` once, before this returns or later; never after `close`. */
  run(request: DirectMessage, answered: Answered): void {
    const handler = this.#requests.get(request.topic)
    if (handler === undefined) return answered(Trouble.noHandler, EMPTY)
    const bytes = request.data.length
    this.#running++
    this.#runningBytes += bytes
    const { signal } = this.#closing
    const done = (trouble: string, payload: Uint8Array): void => {
      this.#running--
      this.#runningBytes -= bytes
      if (!signal.aborted) answered(trouble, payload)
    }
    const failed = (error: unknown): void => done(Trouble.failed, failureBytes(reasonOf(error)))
    const returned = (result: unknown): void => {
      const payload = typeof result === 'string' ? utf8(result) : result
      if (!(payload instanceof Uint8Array)) return failed('the handler returned neither bytes nor text')
      if (payload.length > PAYLOAD_BYTES_MAX) return failed(`the reply is larger than ${PAYLOAD_BYTES_MAX} bytes`)
      done('', payload.slice())
    }
    let result: unknown
    try {
      result = handler(request, signal)
    } catch (error) {
      return failed(error)
    }
    if (typeof result === 'string' || result instanceof Uint8Array) return returned(result)
    Promise.resolve(result)
      .then(returned, failed)
      .finally(() => this.#events.answeredLater())
  }

  /** Handlers that run are told by their signal; nothing is answered any more. */
  close(): void {
    this.#closing.abort()
  }
}

function register<T>(handlers: Map<string, T>, topic: string, handler: T): () => void {
  if (handlers.has(topic)) throw new MeshError('already-registered', `there is a handler for ${topic} already`)
  handlers.set(topic, handler)
  return () => {
    if (handlers.get(topic) === handler) handlers.delete(topic)
  }
}

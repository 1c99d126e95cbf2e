// The caller's side of the local API: calls to the node that runs here, over its socket. Knows HTTP and errors, and no
// command. docs/api.md.

import { once } from 'node:events'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { reasonOf } from '../../lib/errors.ts'
import { type ApiPlace, connectPathOf } from '../api/place.ts'
import { codeOf, Failure } from '../failures.ts'
import { LineInput } from '../input.ts'

/** Values of a query; null and undefined leave a name out. */
export type QueryValues = Readonly<Record<string, string | number | readonly string[] | null | undefined>>
export type JsonObject = Readonly<Record<string, unknown>>

/** A line of the API: a message of the largest payload with every byte escaped. */
const LINE_BYTES_MAX = 8 * 1_048_576
/** An answer that is not a list is far shorter, and a list of all nodes that can be shorter than this. */
const ANSWER_BYTES_MAX = 256 * 1_048_576
const ANSWER_TIMEOUT_MS = 10_000

/** An error that the node answered with. `code` is the node's; `streamCode` that of a stream that was reset. */
export class ApiFailure extends Failure {
  readonly streamCode: number | null

  constructor(code: string, text: string, streamCode: number | null = null) {
    super(code, text)
    this.streamCode = streamCode
  }
}

/** A connection that was switched to a stream. */
export interface Switched {
  readonly socket: Socket
  readonly head: Uint8Array
  readonly headers: IncomingMessage['headers']
}

export class NodeClient {
  readonly #place: ApiPlace
  readonly #platform: NodeJS.Platform

  constructor(place: ApiPlace, platform: NodeJS.Platform) {
    this.#place = place
    this.#platform = platform
  }

  /** Rejects with ApiFailure, or Failure `not-running` or `timed-out`, as every call here. */
  async get(path: string, query: QueryValues = {}, timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<JsonObject> {
    return this.#answer(this.#request('GET', path, query), timeoutMs)
  }

  async post(path: string, body: object, timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<JsonObject> {
    const request = this.#request('POST', path, {}, { 'content-type': 'application/json' })
    // Its failure is that of the answer.
    request.end(JSON.stringify(body))
    return this.#answer(request, timeoutMs)
  }

  /**
   * The lines of an answer that has no end of its own, in batches; reading no further holds the node back. Ends when the
   * node ends it or `signal` is aborted; Failure `not-running` when the node went away.
   */
  async *lines(path: string, query: QueryValues, signal: AbortSignal): AsyncGenerator<JsonObject[], undefined> {
    const request = this.#request('GET', path, query)
    const abort = (): void => void request.destroy()
    signal.addEventListener('abort', abort, { once: true })
    try {
      if (signal.aborted) return
      request.end()
      const response = await this.#responseSoon(request)
      yield* batches(response)
      if (!response.complete) throw gone()
    } catch (error) {
      if (signal.aborted) return
      throw isCut(error) ? gone(error) : error
    } finally {
      signal.removeEventListener('abort', abort)
      request.destroy()
    }
  }

  /** Sends `body` to its end, however long that takes, and gives the lines of the answer as they come. */
  async *upload(path: string, query: QueryValues, body: Readable): AsyncGenerator<JsonObject[], undefined> {
    const request = this.#request('POST', path, query, { 'content-type': 'application/x-ndjson' })
    const sent = pipeline(body, request)
    // What broke the sending shows in the answer, or is thrown behind it.
    sent.catch(() => undefined)
    try {
      request.flushHeaders()
      const response = await this.#responseSoon(request)
      yield* batches(response)
      if (!response.complete) throw gone()
      await sent
    } catch (error) {
      throw isCut(error) ? gone(error) : error
    } finally {
      request.destroy()
    }
  }

  /** Switches a connection. Aborting leaves it. */
  async switch(
    method: 'GET' | 'POST',
    path: string,
    query: QueryValues,
    protocol: string,
    signal: AbortSignal,
  ): Promise<Switched> {
    signal.throwIfAborted()
    const request = this.#request(method, path, query, { connection: 'Upgrade', upgrade: protocol })
    const abort = (): void => void request.destroy(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      request.end()
      return await new Promise<Switched>((resolve, reject) => {
        request.once('upgrade', ({ headers }: IncomingMessage, socket: Socket, head: Uint8Array) => {
          resolve({ socket, head, headers })
        })
        this.#response(request).then(
          (response) => {
            response.destroy()
            reject(new ApiFailure('failed', `the node answered ${response.statusCode} where a stream was asked for`))
          },
          (error) => reject(signal.aborted ? signal.reason : error),
        )
      })
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  #request(method: string, path: string, query: QueryValues, headers: Record<string, string> = {}): ClientRequest {
    const connectPath = connectPathOf(this.#place, this.#platform)
    if (connectPath === null) throw this.#notRunning()
    const request = httpRequest({
      method,
      path: `${path}${queryText(query)}`,
      headers: { host: 'meshd', ...headers },
      // Half-open: a stream's ends are told inside it, and neither side may close the other's.
      createConnection: () => connect({ path: connectPath, allowHalfOpen: true }),
    })
    // Whoever waits for the answer hears of it there.
    request.on('error', () => undefined)
    return request
  }

  async #answer(request: ClientRequest, timeoutMs: number): Promise<JsonObject> {
    if (!request.writableEnded) request.end()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      request.destroy()
    }, timeoutMs)
    try {
      const response = await this.#response(request)
      const value = JSON.parse((await bytesOf(response)).toString()) as JsonObject
      if (!response.complete) throw gone()
      return value
    } catch (error) {
      if (isLate) throw late(timeoutMs, error)
      throw isCut(error) ? gone(error) : error
    } finally {
      clearTimeout(timer)
      request.destroy()
    }
  }

  /** As `#response`, where the answer begins at once. */
  async #responseSoon(request: ClientRequest): Promise<IncomingMessage> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      request.destroy()
    }, ANSWER_TIMEOUT_MS)
    try {
      return await this.#response(request)
    } catch (error) {
      throw isLate ? late(ANSWER_TIMEOUT_MS, error) : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** The head of a good answer. */
  async #response(request: ClientRequest): Promise<IncomingMessage> {
    let response: IncomingMessage
    try {
      ;[response] = (await once(request, 'response')) as [IncomingMessage]
    } catch (error) {
      throw this.#unreached(error)
    }
    if (response.statusCode === 200) return response
    const text = (await bytesOf(response)).toString()
    request.destroy()
    throw failureIn(text, response.statusCode ?? 0)
  }

  #unreached(error: unknown): unknown {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return this.#notRunning(error)
    if (code === 'EACCES' || code === 'EPERM') {
      const text = `the local socket ${this.#place.path} belongs to another user; run this as the one whose node it is`
      return new Failure('local-api', text, { cause: error })
    }
    return isCut(error) ? gone(error) : error
  }

  #notRunning(cause?: unknown): Failure {
    const { path } = this.#place
    const text = `no node is running at ${path}; start one with \`meshd run\`, or say where it is with --data-dir or --api`
    return new Failure('not-running', text, { cause })
  }
}

function queryText(values: QueryValues): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

async function* batches(response: IncomingMessage): AsyncGenerator<JsonObject[], undefined> {
  const input = new LineInput(response as AsyncIterable<Uint8Array>, LINE_BYTES_MAX)
  for (let lines = await input.batch(); lines !== null; lines = await input.batch()) {
    yield lines.map((line) => {
      if (line.kind === 'too-long') throw new Failure('failed', 'the node sent a line that is too long')
      return JSON.parse(Buffer.from(line.bytes.buffer, line.bytes.byteOffset, line.bytes.length).toString())
    })
  }
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new Failure('failed', 'the answer of the node is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function failureIn(text: string, status: number): Failure {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; streamCode?: number } }
    return new ApiFailure(error.code, error.message, error.streamCode ?? null)
  } catch (cause) {
    return new Failure('failed', `the node answered ${status}: ${reasonOf(text).slice(0, 200)}`, { cause })
  }
}

/** The connection was there, and then was no more. */
function isCut(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'].includes(codeOf(error))
}

function late(timeoutMs: number, cause: unknown): Failure {
  return new Failure('timed-out', `the node did not answer within ${timeoutMs / 1_000} s`, { cause })
}

function gone(cause?: unknown): Failure {
  return new Failure('not-running', 'the node went away in the middle; start it again with `meshd run`', { cause })
}

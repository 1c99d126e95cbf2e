// Answers of the local API: JSON, and errors as `{ error: { code, message } }` with the status that fits. docs/api.md,
// "Errors".

import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { MeshError, reasonOf } from '../../lib/errors.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { codeOf } from '../failures.ts'
import { jsonLine } from '../json-events.ts'

/** A call that cannot be done as it was made; `code` is stable. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number

  constructor(status: number, code: string, text: string, options?: { cause?: unknown }) {
    super(text, options)
    this.status = status
    this.code = code
  }
}

const STATUS: Readonly<Record<string, number>> = {
  'bad-argument': 400,
  'bad-option': 400,
  'bad-topic': 400,
  'bad-peer-id': 400,
  'bad-address': 400,
  'no-handler': 404,
  'already-registered': 409,
  'too-large': 413,
  'too-many-streams': 429,
  'request-failed': 502,
  unreachable: 502,
  'dial-failed': 502,
  'name-not-found': 502,
  'not-running': 503,
  shutdown: 503,
  aborted: 503,
  'timed-out': 504,
}
/** Items of a list that are written in one turn of the event loop. */
const ITEMS_PER_TURN = 256

/** The HTTP status that belongs to what was thrown. */
export function statusOf(error: unknown): number {
  if (error instanceof ApiError) return error.status
  if (!(error instanceof MeshError)) return 500
  return STATUS[error.code] ?? (error.fault === 'remote' ? 502 : 500)
}

/** The body that tells an error, with its newline. */
export function errorBody(error: unknown): string {
  const streamCode = error instanceof StreamResetError ? { streamCode: error.streamCode } : {}
  return jsonLine({ error: { code: codeOf(error), message: reasonOf(error), ...streamCode } })
}

/** One JSON object, with a newline behind it. */
export function answerJson(response: ServerResponse, value: object, status = 200): void {
  answer(response, jsonLine(value), status)
}

/** Where the answer has begun already, the connection is cut: then the caller sees that it is not whole. */
export function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy()
  else answer(response, errorBody(error), statusOf(error))
}

/** `{ <name>: [ … ] }`, in steps, since a network may have ten thousands of nodes. */
export async function answerList(response: ServerResponse, name: string, items: readonly object[]): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.write(`{${JSON.stringify(name)}:[`)
  for (let at = 0; at < items.length && !response.destroyed; at += ITEMS_PER_TURN) {
    const texts = items.slice(at, at + ITEMS_PER_TURN).map((item) => jsonLine(item).trimEnd())
    const hasRoom = response.write(`${at === 0 ? '\n' : ',\n'}${texts.join(',\n')}`)
    if (hasRoom) await turn()
    else await drained(response)
  }
  response.end('\n]}\n')
}

/** Resolves when there is room again, or nobody will read any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function answer(response: ServerResponse, text: string, status: number): void {
  const bytes = Buffer.from(text)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'cache-control': 'no-store',
  })
  response.end(bytes)
}

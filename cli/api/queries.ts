// Reads what a caller sent: the query of the address and the body, strictly. What is not known is refused, so that nothing is
// half done. Throws ApiError. docs/api.md, "Calls".

import type { IncomingMessage } from 'node:http'
import { textOf } from '../../lib/bytes.ts'
import { ApiError } from './answers.ts'

/** One message of the largest payload in base64, its topic and the JSON around them, with room. */
export const BODY_BYTES_MAX = 1_572_864
/** What a body that is too long may still bring while its caller does not yet read the answer. */
const DISCARDED_BYTES_MAX: number = 64 * 1_048_576
/** Longest time that a call can wait: timers go no further. */
export const TIMEOUT_MS_MAX: number = 2 ** 31 - 1

export class Query {
  readonly #values: URLSearchParams

  /** Throws when it holds a name that is not among `known`. */
  constructor(text: string, known: readonly string[]) {
    this.#values = new URLSearchParams(text)
    for (const name of this.#values.keys()) {
      if (known.includes(name)) continue
      const may = known.length === 0 ? 'this call takes none' : `known are ${known.join(', ')}`
      throw bad(`unknown name ${JSON.stringify(name)} in the query; ${may}`)
    }
  }

  text(name: string): string | null {
    const [first, second] = this.#values.getAll(name)
    if (second !== undefined) throw bad(`${name} was given more than once`)
    return first ?? null
  }

  required(name: string): string {
    const text = this.text(name)
    if (text === null || text === '') throw bad(`the query needs ${name}`)
    return text
  }

  texts(name: string): string[] {
    return this.#values.getAll(name)
  }

  whole(name: string, min: number, max: number): number | null {
    const text = this.text(name)
    if (text === null) return null
    const value = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : null
    if (value === null || value < min || value > max) throw bad(`${name} must be a whole number from ${min} to ${max}`)
    return value
  }

  choice<T extends string>(name: string, allowed: readonly T[]): T | null {
    const text = this.text(name)
    const found = allowed.find((one) => one === text)
    if (text !== null && found === undefined) throw bad(`${name} must be ${allowed.join(' or ')}`)
    return found ?? null
  }
}

/** The type of a body without its parameters, in lower case; empty where none was given. */
export function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}

/** The body as one JSON object, whose names are among `known`. */
export async function readObject(
  request: IncomingMessage,
  known: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  if (contentType(request) !== 'application/json') {
    const text = 'the body must be JSON, and say so: content-type: application/json'
    throw new ApiError(415, 'bad-argument', text)
  }
  const text = textOf(await readBody(request))
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch (cause) {
    throw bad('the body is not JSON in UTF-8', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('the body is not a JSON object')
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown === undefined) return value as Record<string, unknown>
  throw bad(`unknown name ${JSON.stringify(unknown)} in the body; known are ${known.join(', ')}`)
}

/** A text of the body. */
export function textIn(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name]
  if (typeof value !== 'string' || value === '') throw bad(`${JSON.stringify(name)} must be text`)
  return value
}

/** A whole number of the body; null where it is absent. */
export function wholeIn(
  body: Readonly<Record<string, unknown>>,
  name: string,
  min: number,
  max: number,
): number | null {
  const value = body[name]
  if (value === undefined) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw bad(`${JSON.stringify(name)} must be a whole number from ${min} to ${max}`)
}

export function bad(text: string, cause?: unknown): ApiError {
  return new ApiError(400, 'bad-argument', text, { cause })
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    // Most callers read no answer before they have sent everything.
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk)
    else if (bytes > DISCARDED_BYTES_MAX) break
  }
  if (bytes <= BODY_BYTES_MAX) return Buffer.concat(chunks)
  const text = `the body is longer than ${BODY_BYTES_MAX} bytes; a payload has 1 MiB at most, and needs least room as data64`
  throw new ApiError(413, 'too-large', text)
}

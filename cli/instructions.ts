// Reads one line of standard input under --json: an instruction, or text to publish. docs/cli.md, "Instructions". Pure.

import { textOf } from '../lib/bytes.ts'
import { TIME_TO_LIVE_S_MAX } from '../lib/limits.ts'

export type Instruction =
  /** Not an instruction: the line itself is to be published on `--topic`. */
  | { readonly kind: 'text' }
  | ({ readonly kind: 'publish' } & Publication)
  /** Meant as an instruction and wrong; `text` says how, and what would be right. */
  | { readonly kind: 'malformed'; readonly text: string }

export interface Payload {
  readonly data: Uint8Array | string
}

export interface Publication extends Payload {
  readonly topic: string
  /** Of these, what was given. */
  readonly options: { readonly retain?: boolean; readonly timeToLiveS?: number }
}

const SHOULD =
  'it must be {"publish":{"topic":"…","data":"…"}}, with "data64" (base64) in place of "data", "retain" and "ttl" if wanted'
const KNOWN = ['topic', 'data', 'data64', 'retain', 'ttl']
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const OPENING_BRACE = 0x7b

/**
 * An instruction is a line that is a JSON object with the name `publish`. Names that are not known are refused, so that a
 * newer program learns that this node does not do what it asks.
 */
export function parseInstruction(line: Uint8Array): Instruction {
  const object = objectOf(line)
  if (object === null || !Object.hasOwn(object, 'publish')) return { kind: 'text' }
  const other = Object.keys(object).find((name) => name !== 'publish')
  if (other !== undefined) return malformed(`${JSON.stringify(other)} is unknown beside "publish"`)
  const publish = object.publish
  if (!isObject(publish)) return malformed('"publish" is not an object')
  const unknown = Object.keys(publish).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) return malformed(`${JSON.stringify(unknown)} is unknown in "publish"`)
  const publication = publicationOf(publish)
  return typeof publication === 'string' ? malformed(publication) : { kind: 'publish', ...publication }
}

/** What is to be published, from an object with `topic`, `data` or `data64`, `retain` and `ttl`; or what is wrong with it. */
export function publicationOf(publish: Readonly<Record<string, unknown>>): Publication | string {
  const { topic, retain, ttl } = publish
  if (retain !== undefined && typeof retain !== 'boolean') return '"retain" is neither true nor false'
  if (ttl !== undefined && !isTimeToLive(ttl)) {
    return `"ttl" is not a whole number of seconds from 1 to ${TIME_TO_LIVE_S_MAX}`
  }
  const options = { ...(retain === undefined ? {} : { retain }), ...(ttl === undefined ? {} : { timeToLiveS: ttl }) }
  if (typeof topic !== 'string') return '"topic" is not text'
  const payload = payloadOf(publish)
  return typeof payload === 'string' ? payload : { topic, data: payload.data, options }
}

/** The payload of an object with either `data` or `data64`; or what is wrong with it. */
export function payloadOf({ data, data64 }: Readonly<Record<string, unknown>>): Payload | string {
  if ((data === undefined) === (data64 === undefined)) return 'it has not exactly one of "data" and "data64"'
  if (data !== undefined) {
    // A lone surrogate has no UTF-8: it would arrive as another character.
    return typeof data === 'string' && data.isWellFormed() ? { data } : '"data" is not valid text'
  }
  if (typeof data64 !== 'string' || !BASE64.test(data64)) return '"data64" is not base64'
  return { data: Buffer.from(data64, 'base64') }
}

function objectOf(line: Uint8Array): Record<string, unknown> | null {
  // Most lines are plain text: these need no parser.
  const start = line.findIndex((byte) => byte !== 0x20 && byte !== 0x09)
  if (line[start] !== OPENING_BRACE) return null
  const text = textOf(line)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isTimeToLive(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= TIME_TO_LIVE_S_MAX
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(why: string): Instruction {
  return { kind: 'malformed', text: `nothing was published: ${why}; ${SHOULD}` }
}

// What the two ends of a file transfer say to each other, beside the file's bytes: one JSON object a line. Pure: text in, checked
// objects out. docs/files.md has the whole conversation.

import { MeshError } from '../../lib/errors.ts'

/** The name under which nodes that take files have a handler. */
export const FILES_PROTOCOL = '/meshd/files/1'

/** A name of 240 bytes with every character escaped, and room for what is to come. */
export const LINE_BYTES_MAX = 4_096
const ERROR_TEXT_UNITS_MAX = 500

/** What the sender offers. */
export interface Offer {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** When the file was last changed, by the sender's clock: whole Unix milliseconds. */
  readonly mtimeMs: number
}

/** What the receiver has of it. */
export interface Held {
  readonly have: number
  /** SHA-256 of these bytes, 64 hex digits. */
  readonly sha256: string
}

/** Why a receiver does not take a file. From `failed` on it is nobody's wrong; `busy` may be tried again. */
export const REFUSALS = [
  'bad-request',
  'bad-name',
  'too-large',
  'busy',
  'disk-full',
  'wrong-hash',
  'too-many-of-that-name',
  'failed',
] as const
export type RefusalCode = (typeof REFUSALS)[number]

/** The other end refuses, or this end has to: `code` is stable, the text is for people. */
export class Refusal extends Error {
  readonly code: RefusalCode

  constructor(code: RefusalCode, text: string, options?: { cause?: unknown }) {
    super(text, options)
    this.code = code
  }
}

/** One line with its newline. */
export function encodeLine(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

/** The line with which a receiver refuses. */
export function encodeRefusal({ code, message }: Refusal): Uint8Array {
  return encodeLine({ error: { code, text: message.slice(0, ERROR_TEXT_UNITS_MAX) } })
}

/** Throws Refusal `bad-request`. Names that are not known are passed over: later versions may say more. */
export function parseOffer(line: Uint8Array): Offer {
  const { name, size, mtimeMs } = objectOf(line) ?? {}
  const isOffer = typeof name === 'string' && isCount(size) && isCount(mtimeMs)
  if (!isOffer) throw new Refusal('bad-request', 'the first line is no offer: {"name":"…","size":0,"mtimeMs":0}')
  return { name, size, mtimeMs }
}

/** Where the sender will begin, or null: it is still looking. Throws Refusal `bad-request` for what is neither. */
export function parseFrom(line: Uint8Array, have: number): number | null {
  const { from, wait } = objectOf(line) ?? {}
  if (wait === true) return null
  if (from === 0 || (isCount(from) && from === have)) return from
  throw new Refusal('bad-request', `the second line says no place to begin: {"from":0} or {"from":${have}}`)
}

/** The hash that the sender says the file has. Throws Refusal `bad-request`. */
export function parseHash(line: Uint8Array): string {
  const { sha256 } = objectOf(line) ?? {}
  if (!isHash(sha256)) throw new Refusal('bad-request', 'what follows the bytes is no hash: {"sha256":"…"}')
  return sha256
}

/** Throws Refusal with what the receiver says, or MeshError `bad-frame` for what no receiver says. */
export function parseHeld(line: Uint8Array, size: number): Held {
  const { have, sha256 } = answerOf(line)
  if (!isCount(have) || have > size || !isHash(sha256)) throw nonsense()
  return { have, sha256 }
}

/** The name under which the receiver keeps the file. Throws as `parseHeld`. */
export function parseDone(line: Uint8Array): string {
  const { done } = answerOf(line)
  const name = isObject(done) ? done.name : undefined
  if (typeof name !== 'string') throw nonsense()
  return name
}

/** Throws Refusal when the line is one. */
function answerOf(line: Uint8Array): Record<string, unknown> {
  const answer = objectOf(line)
  if (answer === null) throw nonsense()
  const { error } = answer
  if (!isObject(error)) return answer
  const code = REFUSALS.find((known) => known === error.code) ?? 'failed'
  const text = typeof error.text === 'string' ? error.text.slice(0, ERROR_TEXT_UNITS_MAX) : 'it gave no reason'
  throw new Refusal(code, text)
}

function nonsense(): MeshError {
  return new MeshError('bad-frame', `the other end does not speak ${FILES_PROTOCOL} as it should`)
}

function objectOf(line: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

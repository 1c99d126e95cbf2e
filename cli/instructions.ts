// Reads one line of standard input under --json: an instruction, or text to publish. docs/cli.md, "Instructions". Pure.

import { textOf } from '../lib/bytes.ts'

export type Instruction =
  /** Not an instruction: the line itself is to be published on `--topic`. */
  | { readonly kind: 'text' }
  | { readonly kind: 'publish'; readonly topic: string; readonly data: Uint8Array | string }
  /** Meant as an instruction and wrong; `text` says how, and what would be right. */
  | { readonly kind: 'malformed'; readonly text: string }

const SHOULD = 'it must be {"publish":{"topic":"…","data":"…"}}, or "data64" with base64 in place of "data"'
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
  const unknown = Object.keys(publish).find((name) => !['topic', 'data', 'data64'].includes(name))
  if (unknown !== undefined) return malformed(`${JSON.stringify(unknown)} is unknown in "publish"`)
  const { topic, data, data64 } = publish
  if (typeof topic !== 'string') return malformed('"topic" is not text')
  if ((data === undefined) === (data64 === undefined)) return malformed('it has not exactly one of "data" and "data64"')
  if (data !== undefined) {
    // A lone surrogate has no UTF-8: it would arrive as another character.
    if (typeof data !== 'string' || !data.isWellFormed()) return malformed('"data" is not valid text')
    return { kind: 'publish', topic, data }
  }
  if (typeof data64 !== 'string' || !BASE64.test(data64)) return malformed('"data64" is not base64')
  return { kind: 'publish', topic, data: Buffer.from(data64, 'base64') }
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(why: string): Instruction {
  return { kind: 'malformed', text: `nothing was published: ${why}; ${SHOULD}` }
}

// The bodies of the six stream frames, to bytes and back. What they do to a stream is said elsewhere.
// docs/protocol.md, "Stream frames".
//
//   open    stream || CBOR [[protocol name, …], credit]        accept  stream || CBOR [index of the name, credit]
//   data    stream || bytes                                    credit  stream || bytes granted
//   end     stream                                             reset   stream || code

import { concatBytes } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { encodeCbor } from '../framing/cbor.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { readVarint, varintLength, writeVarint } from '../framing/varint.ts'
import { PROTOCOL_NAME_BYTES_MAX, PROTOCOL_NAMES_MAX } from '../limits.ts'

export interface OpenMessage {
  readonly stream: number
  /** Names of protocols, the one that the opener likes best first. */
  readonly names: readonly string[]
  /** Bytes that the other end may send once it has accepted. */
  readonly credit: number
}

export interface AcceptMessage {
  readonly stream: number
  /** Which of the names that were offered. */
  readonly index: number
  readonly credit: number
}

/** A number of a stream, and the one number that stands behind it. */
export interface NumberMessage {
  readonly stream: number
  readonly value: number
}

/** A remote fault in what a peer does with streams. */
export function badStream(what: string): MeshError {
  return new MeshError('bad-stream', what)
}

/** One varint after the other. */
export function varints(...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.reduce((length, number) => length + varintLength(number), 0))
  let at = 0
  for (const number of numbers) at = writeVarint(bytes, at, number)
  return bytes
}

export function encodeOpen(message: OpenMessage): Uint8Array {
  return concatBytes(varints(message.stream), encodeCbor([message.names, message.credit]))
}

export function encodeAccept(message: AcceptMessage): Uint8Array {
  return concatBytes(varints(message.stream), encodeCbor([message.index, message.credit]))
}

/**
 * The number at the head of every stream frame, and the offset behind it. Throws MeshError `bad-stream` or `bad-frame`, as
 * all that follow here do; those with CBOR in them also `bad-cbor`.
 */
export function readStream(body: Uint8Array): { value: number; next: number } {
  const head = readVarint(body, 0, body.length)
  if (head === null) throw badStream('a stream frame that ends in its number')
  if (head.value === 0) throw badStream('stream number 0')
  return head
}

/** Elements past those known are ignored. */
export function decodeOpen(body: Uint8Array): OpenMessage {
  const { value: stream, next } = readStream(body)
  const reader = new CborReader(body, next)
  const elements = reader.array(2)
  const count = reader.array()
  if (count < 1 || count > PROTOCOL_NAMES_MAX) throw badStream(`an open with ${count} protocol names`)
  const names: string[] = []
  for (let i = 0; i < count; i++) {
    const name = reader.text(PROTOCOL_NAME_BYTES_MAX)
    if (name === '') throw badStream('an empty protocol name')
    names.push(name)
  }
  const credit = reader.uint()
  finish(reader, elements)
  return { stream, names, credit }
}

/** Elements past those known are ignored. */
export function decodeAccept(body: Uint8Array): AcceptMessage {
  const { value: stream, next } = readStream(body)
  const reader = new CborReader(body, next)
  const elements = reader.array(2)
  const index = reader.uint()
  const credit = reader.uint()
  finish(reader, elements)
  return { stream, index, credit }
}

/** `credit` and `reset`: two varints and nothing else. */
export function decodeNumber(body: Uint8Array): NumberMessage {
  const { value: stream, next } = readStream(body)
  const second = readVarint(body, next, body.length)
  if (second === null) throw badStream('a credit or reset that ends too early')
  if (second.next !== body.length) throw badStream(`a credit or reset with ${body.length - second.next} bytes too many`)
  return { stream, value: second.value }
}

/** The number of the stream, and nothing else. */
export function decodeEnd(body: Uint8Array): number {
  const { value, next } = readStream(body)
  if (next !== body.length) throw badStream(`an end with ${body.length - next} bytes too many`)
  return value
}

function finish(reader: CborReader, elements: number): void {
  for (let extra = 2; extra < elements; extra++) reader.skip()
  reader.finish()
}

// What an envelope holds: one CBOR array that says what kind of thing it is, which number it has, what it answers, and the
// payload. Reads and writes it; what follows from it is for post.ts and inbox.ts. docs/protocol.md, "Contents".

import { utf8 } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CBOR_NULL, Major } from '../framing/cbor-check.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { headLength, writeHead } from '../framing/cbor-writer.ts'
import { PAYLOAD_BYTES_MAX, TOPIC_BYTES_MAX } from '../limits.ts'

export const Kind = {
  message: 0,
  acknowledgement: 1,
  request: 2,
  reply: 3,
  error: 4,
  question: 5,
  answer: 6,
} as const

/** What stands in the topic's place of an error, or of a reply that is none. */
export const Trouble = {
  /** The handler failed; the payload is its text. */
  failed: 'failed',
  /** Nothing takes that topic. */
  noHandler: 'no-handler',
  /** A bound is reached; later it may go. */
  busy: 'busy',
  /** Sealed for another epoch than the one that this error names as its own. */
  epoch: 'epoch',
  /** A relay knows no way for an envelope that is too large to flood; the payload is its SHA-256. */
  unreachable: 'unreachable',
} as const

/** Names one message, request, reply or question of a node. */
export interface Numbered {
  readonly epoch: number
  readonly sequence: number
}

export interface Content {
  /** The destination's epoch as its sender knows it; 0 where that does not matter. */
  readonly destinationEpoch: number
  readonly epoch: number
  readonly sequence: number
  readonly kind: number
  readonly answered: Numbered | null
  readonly topic: string
  /** Read: a view of what was opened. */
  readonly payload: Uint8Array
}

/** True for what may be the topic of a message or request: the rules of topics that are published on. */
export function isDirectTopic(topic: string): boolean {
  for (let i = 0; i < topic.length; i++) {
    const unit = topic.charCodeAt(i)
    if (unit === 0x00 || unit === 0x23 || unit === 0x2b) return false
  }
  return topic.length > 0 && Buffer.byteLength(topic) <= TOPIC_BYTES_MAX
}

/** The most bytes that a content of these takes. */
export function contentLengthMax(topic: string, payload: Uint8Array): number {
  return 64 + Buffer.byteLength(topic) + payload.length
}

export function encodeContent(content: Content): Uint8Array {
  const { answered, payload } = content
  const topic = utf8(content.topic)
  const numbers = [content.destinationEpoch, content.epoch, content.sequence, content.kind]
  let length = 1 + headLength(topic.length) + topic.length + headLength(payload.length) + payload.length
  for (const number of numbers) length += headLength(number)
  length += 1 + (answered === null ? 0 : headLength(answered.epoch) + headLength(answered.sequence))
  const out = new Uint8Array(length)
  let at = writeHead(out, 0, Major.array, 7)
  for (const number of numbers) at = writeHead(out, at, Major.unsigned, number)
  if (answered === null) {
    out[at++] = CBOR_NULL
  } else {
    at = writeHead(out, at, Major.array, 2)
    at = writeHead(out, at, Major.unsigned, answered.epoch)
    at = writeHead(out, at, Major.unsigned, answered.sequence)
  }
  at = writeHead(out, at, Major.text, topic.length)
  out.set(topic, at)
  at = writeHead(out, at + topic.length, Major.bytes, payload.length)
  out.set(payload, at)
  return out
}

/**
 * Reads what was opened; null for a kind that this version does not know. Throws MeshError `bad-cbor` when it is no content
 * at all, `bad-direct` when it is none of its kind: faults of its source, not of the neighbour that brought it.
 */
export function decodeContent(plain: Uint8Array): Content | null {
  const reader = new CborReader(plain)
  const elements = reader.array(7)
  const destinationEpoch = reader.uint()
  const epoch = reader.uint()
  const sequence = reader.uint()
  const kind = reader.uint()
  const answered = readAnswered(reader, plain)
  const topic = reader.text(TOPIC_BYTES_MAX)
  const payload = reader.bytes(PAYLOAD_BYTES_MAX)
  for (let extra = 7; extra < elements; extra++) reader.skip()
  reader.finish()
  const content: Content = { destinationEpoch, epoch, sequence, kind, answered, topic, payload }
  switch (kind) {
    case Kind.message:
    case Kind.request:
      if (answered !== null || !isDirectTopic(topic)) throw bad('a message or request without a topic')
      return content
    case Kind.question:
      if (answered !== null) throw bad('a question that answers something')
      return content
    case Kind.acknowledgement:
    case Kind.reply:
    case Kind.answer:
      if (answered === null) throw bad('a reply or acknowledgement that answers nothing')
      return content
    case Kind.error:
      if (topic === Trouble.unreachable ? payload.length !== 32 : answered === null) throw bad('an error about nothing')
      return content
    default:
      return null
  }
}

function readAnswered(reader: CborReader, plain: Uint8Array): Numbered | null {
  if (plain[reader.at] === CBOR_NULL) {
    reader.at++
    return null
  }
  const parts = reader.array(2)
  const epoch = reader.uint()
  const sequence = reader.uint()
  for (let extra = 2; extra < parts; extra++) reader.skip(2)
  return { epoch, sequence }
}

function bad(what: string): MeshError {
  return new MeshError('bad-direct', `an envelope with ${what}`)
}

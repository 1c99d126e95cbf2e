// The bundle: one or more messages of one origin under one signature, the unit that floods. This module reads and writes
// its bytes; whether it is new, genuine or wanted is the router's business. docs/protocol.md, "Bundles".
//
//   frame body   hops (1) || age ms (varint) || signature (64) || signed part
//   signed part  CBOR [1, origin, epoch, first sequence, sent-at ms, flags, time-to-live s, [[topic, payload], …]]
//   signature    over "mesh/1 bundle" || network id || SHA-256(signed part)
//
// Signature and signed part are never encoded again: every relay passes on the very bytes that came. Only hops and age,
// which stand before them and are not signed, are written anew for each link.

import { bytesKey, concatBytes, copyBytes, utf8 } from '../bytes.ts'
import type { Primitives, Signer } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { readVarint } from '../framing/varint.ts'
import {
  BUNDLE_MESSAGES_MAX,
  BUNDLE_SEALED_BYTES_MAX,
  INTEGER_MAX,
  PAYLOAD_BYTES_MAX,
  RECORD_PLAIN_BYTES_MAX,
  TOPIC_BYTES_MAX,
} from '../limits.ts'
import type { BundleBuffer } from './bundle-buffers.ts'
import { isTopicText } from './topics.ts'

export const BUNDLE_VERSION = 1
export const SIGNATURE_BYTES = 64
/** Head of an array of two. */
const TWO_ELEMENTS = 0x82
/** A message's elements lie in it, in the list of messages and in the signed part. */
const MESSAGE_DEPTH = 3
/** Flag bits of the signed part. */
export const BundleFlag = { retained: 1 } as const

/** What every holder of a bundle knows of it. */
export interface Bundle {
  /** Ed25519 public key of the origin, 32 bytes. */
  readonly origin: Uint8Array
  /** The same as one-byte text: the key under which tables know this origin. */
  readonly originKey: string
  readonly epoch: number
  readonly first: number
  readonly count: number
  readonly sentAtMs: number
  readonly flags: number
  readonly timeToLiveS: number
  /** Signature and signed part, as they go on the wire. Shared by every queue; nobody writes to it. */
  readonly sealed: Uint8Array
  /** Holds `sealed` where that is used again later: see bundle-buffers.ts. Null for small ones that others sent. */
  readonly buffer: BundleBuffer | null
  /** Links crossed when it came here; 0 for our own. */
  readonly hops: number
  /** How long it had travelled when it came here. */
  readonly ageMs: number
  /** When it came here, by the monotonic clock. */
  readonly heldSinceMs: number
  /** Unique per (origin, epoch, first sequence): what queues know it by. */
  readonly key: string
}

/** The messages of a received bundle, as places in its `sealed` bytes. */
export interface BundleMessages {
  readonly topics: readonly string[]
  /** start, end, start, end, … of each payload. */
  readonly payloads: readonly number[]
}

/** The head of a received bundle, and where its messages begin. */
export interface BundleHead {
  readonly bundle: Bundle
  /** Offset in `bundle.sealed` of the message array's head. */
  readonly messagesAt: number
}

/**
 * Reads a frame body as far as the router needs it to tell whether it is a duplicate. Owns nothing: the bundle's bytes are
 * subarrays of `body`, which is `buffer`'s where there is one. Returns null for a version that we do not know.
 * Throws MeshError `bad-bundle` or `bad-cbor` when the bytes prove that no honest node made them.
 */
export function readBundleHead(body: Uint8Array, nowMs: number, buffer: BundleBuffer | null = null): BundleHead | null {
  const hops = body[0]
  if (hops === undefined || hops === 0) throw new MeshError('bad-bundle', 'a bundle that crossed no link')
  const age = readVarint(body, 1, body.length)
  if (age === null) throw new MeshError('bad-bundle', 'a bundle that ends in its age')
  const sealed = body.subarray(age.next)
  if (sealed.length <= SIGNATURE_BYTES) throw new MeshError('bad-bundle', 'a bundle without a signed part')
  if (sealed.length > BUNDLE_SEALED_BYTES_MAX) {
    const text = `a bundle of ${sealed.length} bytes without hops and age; at most ${BUNDLE_SEALED_BYTES_MAX} are allowed`
    throw new MeshError('bad-bundle', text)
  }
  const reader = new CborReader(sealed, SIGNATURE_BYTES)
  const elements = reader.array()
  if (elements < 1) throw new MeshError('bad-bundle', 'a signed part without a version')
  if (reader.uint() !== BUNDLE_VERSION) return null
  if (elements < 8) throw new MeshError('bad-bundle', 'a signed part with too few elements')
  const origin = reader.bytes(32)
  if (origin.length !== 32) throw new MeshError('bad-bundle', 'an origin that is not 32 bytes')
  const epoch = reader.uint()
  const first = reader.uint()
  const sentAtMs = reader.uint()
  const flags = reader.uint()
  const timeToLiveS = reader.uint()
  const messagesAt = reader.at
  const count = reader.array()
  if (count < 1 || count > BUNDLE_MESSAGES_MAX) throw new MeshError('bad-bundle', `a bundle of ${count} messages`)
  if (first > INTEGER_MAX - (count - 1)) throw new MeshError('bad-bundle', 'sequence numbers past 2^53 - 1')
  const originKey = bytesKey(origin)
  const bundle: Bundle = {
    origin,
    originKey,
    epoch,
    first,
    count,
    sentAtMs,
    flags,
    timeToLiveS,
    sealed,
    buffer,
    hops,
    ageMs: age.value,
    heldSinceMs: nowMs,
    key: bundleKey(originKey, epoch, first),
  }
  return { bundle, messagesAt }
}

/** Origin and epoch of a bundle of whose frame body only the start is here; null when that does not tell, or is none. */
export function originIn(start: Uint8Array): { originKey: string; epoch: number } | null {
  try {
    return readBundleHead(start, 0)?.bundle ?? null
  } catch (error) {
    // Whose fault it is will be seen when all of it is here.
    if (error instanceof MeshError && error.fault === 'remote') return null
    throw error
  }
}

/** Checks every message and the end of the signed part. Throws MeshError `bad-bundle` or `bad-cbor`. */
export function readBundleMessages(head: BundleHead): BundleMessages {
  const { sealed, count } = head.bundle
  const reader = new CborReader(sealed, SIGNATURE_BYTES)
  const elements = reader.array()
  reader.at = head.messagesAt
  reader.array()
  const topics: string[] = []
  const payloads: number[] = []
  let topic = ''
  let topicAt = 0
  let topicEnd = 0
  for (let i = 0; i < count; i++) {
    // Nearly all: two elements, on the topic of the one before. Whatever is not just so is read the long way.
    const headAt = i === 0 ? -1 : behindTopic(sealed, topicAt, topicEnd, reader.at)
    const start = headAt === -1 ? -1 : behindShortHead(sealed, headAt)
    if (start !== -1) {
      const end = start + lengthInHead(sealed, headAt, start)
      if (end <= sealed.length) {
        topics.push(topic)
        payloads.push(start, end)
        reader.at = end
        continue
      }
    }
    const parts = reader.array()
    if (parts < 2) throw new MeshError('bad-bundle', 'a message without topic and payload')
    // Most messages of a bundle share their topic: equal bytes are equal text, already checked.
    const at = reader.at
    if (i > 0 && sameBytes(sealed, topicAt, topicEnd, at)) {
      reader.at = at + (topicEnd - topicAt)
    } else {
      topic = reader.text(TOPIC_BYTES_MAX)
      if (!isTopicText(topic)) throw new MeshError('bad-bundle', 'a topic that is empty, has a wildcard or U+0000')
      topicAt = at
      topicEnd = reader.at
    }
    const payload = reader.bytes(PAYLOAD_BYTES_MAX)
    topics.push(topic)
    payloads.push(reader.at - payload.length, reader.at)
    for (let extra = 2; extra < parts; extra++) reader.skip(MESSAGE_DEPTH)
  }
  for (let extra = 8; extra < elements; extra++) reader.skip()
  reader.finish()
  return { topics, payloads }
}

/** Where the payload begins of a message at `at` of two elements whose topic is bytes[from, to) again; -1: it is another. */
function behindTopic(bytes: Uint8Array, from: number, to: number, at: number): number {
  return bytes[at] === TWO_ELEMENTS && sameBytes(bytes, from, to, at + 1) ? at + 1 + (to - from) : -1
}

/**
 * The offset behind the head at `at` of a byte string of up to 65,535 bytes that is written in its shortest form; -1: it is
 * something else, and CborReader says what.
 */
function behindShortHead(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!
  if (head >= 0x40 && head < 0x58) return at + 1
  if (head === 0x58 && bytes[at + 1]! >= 24) return at + 2
  return head === 0x59 && bytes[at + 1]! > 0 && at + 3 <= bytes.length ? at + 3 : -1
}

/** What that head says, when it ends at `behind`. */
function lengthInHead(bytes: Uint8Array, at: number, behind: number): number {
  switch (behind - at) {
    case 1:
      return bytes[at]! - 0x40
    case 2:
      return bytes[at + 1]!
    default:
      return (bytes[at + 1]! << 8) | bytes[at + 2]!
  }
}

function sameBytes(bytes: Uint8Array, from: number, to: number, at: number): boolean {
  if (at + (to - from) > bytes.length) return false
  for (let i = from; i < to; i++) if (bytes[i] !== bytes[at + i - from]) return false
  return true
}

/** `originKey` as in `Bundle`. */
export function bundleKey(originKey: string, epoch: number, first: number): string {
  return `${originKey}${epoch}/${first}`
}

/** A bundle's age as it must be told when it leaves now: what it came with, and our own share. Whole milliseconds. */
export function ageAt(bundle: Bundle, nowMs: number): number {
  return Math.min(INTEGER_MAX, bundle.ageMs + Math.max(0, Math.floor(nowMs - bundle.heldSinceMs)))
}

/** When it was published, by the monotonic clock of this run; negative for what is older than it. */
export function bornMs({ heldSinceMs, ageMs }: Bundle): number {
  return heldSinceMs - ageMs
}

/**
 * When it was published as far as there is reason to believe, by the monotonic clock: by its age, which anybody on the way may have
 * raised, or by its origin's clock, whose word is signed, where that says later and nothing impossible.
 */
export function publishedMs(bundle: Bundle, nowMs: number, unixMs: number): number {
  const agoMs = unixMs - bundle.sentAtMs
  return agoMs < 0 ? bornMs(bundle) : Math.max(bornMs(bundle), nowMs - agoMs)
}

/** A small bundle cut from a large record would keep the whole record in memory for as long as it is queued: copies it. */
export function unpinned(bundle: Bundle): Bundle {
  if (isWorthItsBuffer(bundle)) return bundle
  return { ...bundle, buffer: null, sealed: copyBytes(bundle.sealed), origin: copyBytes(bundle.origin) }
}

/** How much memory `unpinned(bundle).sealed` keeps. */
export function unpinnedBytes(bundle: Bundle): number {
  return isWorthItsBuffer(bundle) ? bundle.sealed.buffer.byteLength : bundle.sealed.length
}

function isWorthItsBuffer({ sealed }: Bundle): boolean {
  return sealed.length * 4 >= sealed.buffer.byteLength
}

/** Makes and checks bundle signatures for one network. */
export class BundleSigning {
  readonly #primitives: Primitives
  readonly #text: Uint8Array
  readonly #digestAt: number

  constructor(networkId: Uint8Array, primitives: Primitives) {
    this.#primitives = primitives
    const prefix = concatBytes(utf8('mesh/1 bundle'), networkId)
    this.#digestAt = prefix.length
    this.#text = concatBytes(prefix, new Uint8Array(32))
  }

  /** Writes the signature into the first 64 bytes of `sealed`, whose rest is the signed part. */
  sign(sealed: Uint8Array, signer: Signer): void {
    sealed.set(signer.sign(this.#signedText(sealed)), 0)
  }

  verify(bundle: Bundle): boolean {
    const text = this.#signedText(bundle.sealed)
    return this.#primitives.ed25519Verify(bundle.origin, text, bundle.sealed.subarray(0, SIGNATURE_BYTES))
  }

  #signedText(sealed: Uint8Array): Uint8Array {
    this.#text.set(this.#primitives.sha256(sealed.subarray(SIGNATURE_BYTES)), this.#digestAt)
    return this.#text
  }
}

/** A bundle of this size fits one record, whole, with what the send queue reckons for frame head, hops and age. */
export const BUNDLE_FILL_BYTES_MAX: number = RECORD_PLAIN_BYTES_MAX - 16 - SIGNATURE_BYTES

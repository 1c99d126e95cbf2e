// Gathers messages of this node into the bytes of one bundle: payloads are copied once, where they will stand on the wire,
// and the head, whose length depends on the count, is written before them at the end. docs/protocol.md, "Bundles".

import type { Signer } from '../crypto/primitives.ts'
import { headLength, writeHead } from '../framing/cbor-writer.ts'
import { BUNDLE_MESSAGES_MAX } from '../limits.ts'
import {
  BUNDLE_FILL_BYTES_MAX,
  BUNDLE_VERSION,
  type Bundle,
  type BundleSigning,
  bundleKey,
  SIGNATURE_BYTES,
} from './bundle.ts'
import { type BundleBuffer, BundleBuffers } from './bundle-buffers.ts'

// CBOR major types (RFC 8949, section 3.1)
const UINT = 0
const BYTES = 2
const TEXT = 3
const ARRAY = 4

/** Signature, array head, version, origin, and five numbers of at most 9 bytes, message array's head of at most 3. */
const HEAD_ROOM: number = SIGNATURE_BYTES + 1 + 1 + 34 + 5 * 9 + 3
/** What an origin of very many small messages may fill: one signature for four records. */
export const WIDE_FILL_BYTES_MAX = 262_144
/** So few messages do not yet spread the cost of a signature: a bundle of large ones may go beyond one record. */
const FEW_MESSAGES = 16
const LARGE_FILL_BYTES_MAX: number = 8 * 65_600
const BUFFER_BYTES_MIN = 2_048
const NO_BUFFER = Buffer.alloc(0)

export interface BuilderOrigin {
  readonly publicKey: Uint8Array
  readonly originKey: string
  readonly signer: Signer
}

export class BundleBuilder {
  readonly #buffers = new BundleBuffers()
  #held: BundleBuffer<Buffer> | null = null
  #buffer: Buffer = NO_BUFFER
  #expectedBytes = BUFFER_BYTES_MIN
  #fillBytes: number = BUNDLE_FILL_BYTES_MAX
  #end = HEAD_ROOM
  #count = 0
  #lastTopic = ''
  #lastTopicBytes: Uint8Array = new Uint8Array(0)

  get count(): number {
    return this.#count
  }

  /** Bytes of the messages so far. */
  get bytes(): number {
    return this.#end - HEAD_ROOM
  }

  /** Bytes at which a bundle of small messages is full, from one record up to WIDE_FILL_BYTES_MAX. */
  set fillBytes(bytes: number) {
    this.#fillBytes = Math.min(WIDE_FILL_BYTES_MAX, Math.max(BUNDLE_FILL_BYTES_MAX, bytes))
  }

  /** Whether one more message still fits this bundle. An empty bundle takes any message. */
  fits(topicLength: number, payloadLength: number): boolean {
    if (this.#count === 0) return true
    if (this.#count >= BUNDLE_MESSAGES_MAX) return false
    // A text of n UTF-16 units has at most 3n bytes of UTF-8; heads are at most 1 + 5 + 5.
    return this.#end + topicLength * 3 + payloadLength + 11 <= this.#bytesMax
  }

  /** Whether it should be sealed now rather than wait for more. */
  get isFull(): boolean {
    return this.#count >= BUNDLE_MESSAGES_MAX || this.#end >= this.#bytesMax
  }

  get #bytesMax(): number {
    return this.#count < FEW_MESSAGES ? LARGE_FILL_BYTES_MAX : this.#fillBytes
  }

  /** `topic` was checked. Text payloads are written as UTF-8. Copies: the caller may reuse its bytes at once. */
  add(topic: string, payload: Uint8Array | string): void {
    const topicBytes = this.#encodedTopic(topic)
    const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    this.#reserve(topicBytes.length + length + 6)
    const buffer = this.#buffer
    let at = this.#end
    buffer[at++] = 0x82
    buffer.set(topicBytes, at)
    at = writeHead(buffer, at + topicBytes.length, BYTES, length)
    if (typeof payload === 'string') buffer.write(payload, at)
    else buffer.set(payload, at)
    this.#end = at + length
    this.#count++
  }

  /**
   * Closes the bundle with its head and signature, and starts an empty one. At least one message must be in it. The caller
   * holds its `buffer` and releases it.
   */
  seal(
    origin: BuilderOrigin,
    signing: BundleSigning,
    numbers: { epoch: number; first: number; sentAtMs: number; flags: number; timeToLiveS: number },
    nowMs: number,
  ): Bundle {
    const { epoch, first, sentAtMs, flags, timeToLiveS } = numbers
    const count = this.#count
    const values = [epoch, first, sentAtMs, flags, timeToLiveS]
    let headBytes = 1 + 1 + 34 + headLength(count)
    for (const value of values) headBytes += headLength(value)
    const start = HEAD_ROOM - headBytes - SIGNATURE_BYTES
    const buffer = this.#buffer
    let at = writeHead(buffer, start + SIGNATURE_BYTES, ARRAY, 8)
    at = writeHead(buffer, at, UINT, BUNDLE_VERSION)
    at = writeHead(buffer, at, BYTES, 32)
    buffer.set(origin.publicKey, at)
    at += 32
    for (const value of values) at = writeHead(buffer, at, UINT, value)
    writeHead(buffer, at, ARRAY, count)
    const sealed = new Uint8Array(buffer.buffer, buffer.byteOffset + start, this.#end - start)
    signing.sign(sealed, origin.signer)
    // The next bundle is likely as large as this one. This one's buffer belongs to whoever holds the bundle.
    const held = this.#held!
    this.#held = null
    this.#expectedBytes = Math.min(this.#end, LARGE_FILL_BYTES_MAX)
    this.#buffer = NO_BUFFER
    this.#end = HEAD_ROOM
    this.#count = 0
    return {
      origin: origin.publicKey,
      originKey: origin.originKey,
      epoch,
      first,
      count,
      sentAtMs,
      flags,
      timeToLiveS,
      sealed,
      buffer: held,
      hops: 0,
      ageMs: 0,
      heldSinceMs: nowMs,
      key: bundleKey(origin.originKey, epoch, first),
    }
  }

  #encodedTopic(topic: string): Uint8Array {
    if (topic === this.#lastTopic) return this.#lastTopicBytes
    const length = Buffer.byteLength(topic)
    const bytes = Buffer.alloc(headLength(length) + length)
    bytes.write(topic, writeHead(bytes, 0, TEXT, length))
    this.#lastTopic = topic
    this.#lastTopicBytes = bytes
    return bytes
  }

  #reserve(more: number): void {
    const needed = this.#end + more
    if (needed <= this.#buffer.length) return
    const likely = Math.max(this.#expectedBytes, Math.min(this.#buffer.length * 2, LARGE_FILL_BYTES_MAX))
    const grown = this.#buffers.take(Math.max(needed, likely))
    if (this.#count > 0) grown.bytes.set(this.#buffer.subarray(HEAD_ROOM, this.#end), HEAD_ROOM)
    this.#held?.release()
    this.#held = grown
    this.#buffer = grown.bytes
  }
}

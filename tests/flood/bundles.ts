// Bundles from small numbers for the tests of the flood, sealed by the real builder or written by hand.

import { readFileSync } from 'node:fs'
import { bytesKey, concatBytes } from '../../lib/bytes.ts'
import { BundleBuilder } from '../../lib/flood/builder.ts'
import { type Bundle, BundleSigning, readBundleHead, readBundleMessages } from '../../lib/flood/bundle.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { varintLength, writeVarint } from '../../lib/framing/varint.ts'
import { completedNative } from '../crypto/providers.ts'
import { keyPairOf, openNetwork } from '../identity/nodes.ts'
import type { Hex } from '../tools/vectors/fixed.ts'

/** A vector of spec/vectors/bundles.json; which fields it has depends on its kind. */
export interface BundleVector {
  readonly name: string
  readonly kind: string
  readonly body: Hex
  readonly reason?: string | null
  readonly seed?: string
  readonly networkId: string
  readonly epoch: number
  readonly first: number
  readonly sentAtMs: number
  readonly flags: number
  readonly timeToLiveS: number
  readonly hops: number
  readonly ageMs: number
  readonly messages: readonly { topic: string; payload: Hex }[]
}

export const bundleVectors: readonly BundleVector[] = (
  JSON.parse(readFileSync(new URL('../../spec/vectors/bundles.json', import.meta.url), 'utf8')) as {
    vectors: BundleVector[]
  }
).vectors

/** Topics and payloads of a frame body; null for another version. Throws what the readers throw. */
export function readBundle(body: Uint8Array): { topics: readonly string[]; payloads: Uint8Array[] } | null {
  const head = readBundleHead(body, 0)
  if (head === null) return null
  const { topics, payloads } = readBundleMessages(head)
  const { sealed } = head.bundle
  return { topics, payloads: topics.map((_, i) => sealed.slice(payloads[i * 2]!, payloads[i * 2 + 1]!)) }
}

export const signing: BundleSigning = new BundleSigning(openNetwork.id, completedNative)

export interface BundleInput {
  /** Number of the origin's key pair. */
  origin: number
  epoch: number
  first: number
  sentAtMs: number
  flags: number
  timeToLiveS: number
  messages: readonly (readonly [topic: string, payload: Uint8Array | string])[]
}

const ORDINARY: BundleInput = {
  origin: 1,
  epoch: 1,
  first: 0,
  sentAtMs: 1_800_000_000_000,
  flags: 0,
  timeToLiveS: 0,
  messages: [['chat', 'hello']],
}

export function originKeyOf(number: number): string {
  return bytesKey(keyPairOf(number).identity.publicKey)
}

/** Sealed by the real builder. */
export function sealedBundle(given: Partial<BundleInput> = {}): Bundle {
  const { origin, messages, ...numbers } = { ...ORDINARY, ...given }
  const { signer, identity } = keyPairOf(origin)
  const builder = new BundleBuilder()
  for (const [topic, payload] of messages) builder.add(topic, payload)
  return builder.seal({ publicKey: identity.publicKey, originKey: originKeyOf(origin), signer }, signing, numbers, 0)
}

/** A frame body. */
export function bodyOf(sealed: Uint8Array, hops = 1, ageMs = 0): Uint8Array {
  const head = new Uint8Array(1 + varintLength(ageMs))
  head[0] = hops
  writeVarint(head, 1, ageMs)
  return concatBytes(head, sealed)
}

export function bundleBody(given: Partial<BundleInput> = {}, hops = 1, ageMs = 0): Uint8Array {
  return bodyOf(sealedBundle(given).sealed, hops, ageMs)
}

/** Signs any signed part as this origin, sound or not. */
export function signed(signedPart: Uint8Array, origin = 1): Uint8Array {
  const sealed = concatBytes(new Uint8Array(64), signedPart)
  signing.sign(sealed, keyPairOf(origin).signer)
  return sealed
}

/** A bundle whose signed part is this array. */
export function bundleOfElements(elements: readonly CborInput[], origin = 1): Uint8Array {
  return bodyOf(signed(encodeCbor(elements), origin))
}

export function elementsOf(given: Partial<BundleInput> = {}): CborInput[] {
  const { origin, epoch, first, sentAtMs, flags, timeToLiveS, messages } = { ...ORDINARY, ...given }
  const pairs = messages.map(([topic, payload]) => {
    return [topic, typeof payload === 'string' ? new TextEncoder().encode(payload) : payload]
  })
  return [1, keyPairOf(origin).identity.publicKey, epoch, first, sentAtMs, flags, timeToLiveS, pairs]
}

// spec/vectors/bundles.json: bundles and the verdicts on them. docs/protocol.md section 8.

import { bytesKey, concatBytes, EMPTY, toHex, utf8 } from '../../../lib/bytes.ts'
import { BundleBuilder } from '../../../lib/flood/builder.ts'
import { BundleSigning, SIGNATURE_BYTES } from '../../../lib/flood/bundle.ts'
import { messageId } from '../../../lib/flood/message.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { varintLength, writeVarint } from '../../../lib/framing/varint.ts'
import type { KeyPair } from '../../../lib/identity/key-pair.ts'
import type { Network } from '../../../lib/identity/network.ts'
import { type Cast, counting, EPOCH, packed, SENT_AT_MS, type Vector, type VectorFile } from './fixed.ts'
import { rejectedBundles } from './rejected-bundles.ts'

export interface BundleContent {
  readonly messages: readonly { readonly topic: string; readonly payload: Uint8Array }[]
  readonly epoch?: number
  readonly first?: number
  readonly sentAtMs?: number
  readonly flags?: number
  readonly timeToLiveS?: number
}

/** Signature and signed part of a bundle as the library makes it. */
export function bundleParts(
  cast: Cast,
  keys: KeyPair,
  network: Network,
  content: BundleContent,
): { signature: Uint8Array; signedPart: Uint8Array } {
  const { epoch = EPOCH, first = 0, sentAtMs = SENT_AT_MS, flags = 0, timeToLiveS = 0 } = content
  const builder = new BundleBuilder()
  for (const { topic, payload } of content.messages) builder.add(topic, payload)
  const { publicKey } = keys.identity
  const origin = { publicKey, originKey: bytesKey(publicKey), signer: keys.signer }
  const signing = new BundleSigning(network.id, cast.primitives)
  const { sealed } = builder.seal(origin, signing, { epoch, first, sentAtMs, flags, timeToLiveS }, 0)
  return { signature: sealed.subarray(0, SIGNATURE_BYTES), signedPart: sealed.subarray(SIGNATURE_BYTES) }
}

/** What stands before the signature. */
export function bundlePrefix(hops: number, ageMs: number): Uint8Array {
  const prefix = new Uint8Array(1 + varintLength(ageMs))
  prefix[0] = hops
  writeVarint(prefix, 1, ageMs)
  return prefix
}

export function bundleBody(
  cast: Cast,
  keys: KeyPair,
  network: Network,
  hops: number,
  ageMs: number,
  content: BundleContent,
): Uint8Array {
  const { signature, signedPart } = bundleParts(cast, keys, network, content)
  return concatBytes(bundlePrefix(hops, ageMs), signature, signedPart)
}

/** A body whose signed part may be anything; the signature over it is genuine. */
export function signedBody(cast: Cast, keys: KeyPair, network: Network, signedPart: Uint8Array): Uint8Array {
  const signing = new BundleSigning(network.id, cast.primitives)
  const sealed = concatBytes(new Uint8Array(SIGNATURE_BYTES), signedPart)
  signing.sign(sealed, keys.signer)
  return concatBytes(bundlePrefix(1, 0), sealed)
}

/** The elements of a signed part with one message, to be changed by whoever asks. */
export function elementsOf(keys: KeyPair): CborInput[] {
  return [1, keys.identity.publicKey, EPOCH, 0, SENT_AT_MS, 0, 0, [['chat', utf8('hello')]]]
}

export function judged(
  name: string,
  network: Network,
  body: Uint8Array,
  verdict: 'accept' | 'ignore' | 'reject',
  reason: string | null,
  after: readonly Uint8Array[] = [],
): Vector {
  return {
    name,
    kind: 'bundle-judged',
    networkId: toHex(network.id),
    after: after.map((before) => toHex(before)),
    body: packed(body),
    verdict,
    reason,
  }
}

export function bundleVectors(cast: Cast): VectorFile {
  return {
    about:
      'Bundles that are accepted, with everything they are made of; bodies with the verdict of a node that has taken the bodies ' +
      'in `after` before, in that order, and nothing else.',
    vectors: [...accepted(cast), ...unusual(cast), ...remembered(cast), ...rejectedBundles(cast)],
  }
}

function accepted(cast: Cast): Vector[] {
  const { dialer, third, open, lab } = cast
  const text = (topic: string, payload: string): { topic: string; payload: Uint8Array } => ({
    topic,
    payload: utf8(payload),
  })
  const vector = (
    name: string,
    keys: KeyPair,
    network: Network,
    hops: number,
    ageMs: number,
    content: BundleContent,
  ): Vector => {
    const { signature, signedPart } = bundleParts(cast, keys, network, content)
    const { epoch = EPOCH, first = 0, sentAtMs = SENT_AT_MS, flags = 0, timeToLiveS = 0, messages } = content
    return {
      name,
      kind: 'bundle',
      seed: toHex(keys.seed),
      networkId: toHex(network.id),
      hops,
      ageMs,
      epoch,
      first,
      sentAtMs,
      flags,
      timeToLiveS,
      messages: messages.map(({ topic, payload }) => ({ topic, payload: packed(payload) })),
      signedPart: packed(signedPart),
      signature: toHex(signature),
      body: packed(concatBytes(bundlePrefix(hops, ageMs), signature, signedPart)),
      ids: messages.map((_, i) => messageId(keys.identity.id, epoch, first + i)),
      verdict: 'accept',
    }
  }
  return [
    vector('bundle-one-message', dialer, open, 1, 0, { messages: [text('chat', 'hello')] }),
    vector('bundle-two-messages', dialer, open, 2, 150, {
      messages: [text('chat', 'one'), text('sensors/1/temperature', '21.5')],
      first: 41,
    }),
    vector('bundle-in-a-private-network', third, lab, 1, 3, { messages: [text('chat', 'secret')] }),
    vector('bundle-unicode-topic', third, open, 3, 16_384, { messages: [text('nouvelles/café/☕', 'été')] }),
    vector('bundle-empty-levels', third, open, 1, 0, { messages: [text('//', 'x')] }),
    vector('bundle-empty-payload', dialer, open, 1, 0, { messages: [{ topic: 'chat', payload: EMPTY }] }),
    vector('bundle-topic-of-255-bytes', dialer, open, 1, 0, { messages: [text('t'.repeat(255), 'x')] }),
    vector('bundle-topic-of-the-mesh', dialer, open, 1, 0, { messages: [text('$mesh/node', 'x')] }),
    vector('bundle-32-hops', dialer, open, 32, 5_000, { messages: [text('chat', 'far')] }),
    vector('bundle-255-hops', dialer, open, 255, 5_000, { messages: [text('chat', 'farther')] }),
    vector('bundle-7-days-old', dialer, open, 1, 604_800_000, { messages: [text('chat', 'old')] }),
    vector('bundle-unknown-flags', dialer, open, 1, 0, { messages: [text('chat', 'x')], flags: 6 }),
    vector('bundle-retained', dialer, open, 1, 0, { messages: [text('state', 'on')], flags: 1, timeToLiveS: 7_200 }),
    vector('bundle-largest-numbers', dialer, open, 1, 0, {
      messages: [text('chat', 'last')],
      epoch: Number.MAX_SAFE_INTEGER,
      first: Number.MAX_SAFE_INTEGER,
      sentAtMs: Number.MAX_SAFE_INTEGER,
    }),
    vector('bundle-largest-payload', dialer, open, 1, 0, {
      messages: [{ topic: 'blob', payload: new Uint8Array(1_048_576) }],
    }),
  ]
}

/** Accepted: the most messages, and what only a later version makes. */
function unusual(cast: Cast): Vector[] {
  const { dialer, open } = cast
  const elements = elementsOf(dialer)
  const more = encodeCbor([...elements, 'later', [1, [2]]])
  const inner = encodeCbor([...elements.slice(0, 7), [['chat', utf8('hello'), 'later']]])
  const small = Array.from({ length: 1_024 }, (_, i) => ({ topic: 't', payload: Uint8Array.of(i & 0xff) }))
  return [
    judged('bundle-1024-messages', open, bundleBody(cast, dialer, open, 1, 0, { messages: small }), 'accept', null),
    judged('bundle-with-more-elements', open, signedBody(cast, dialer, open, more), 'accept', null),
    judged('bundle-with-more-in-a-message', open, signedBody(cast, dialer, open, inner), 'accept', null),
  ]
}

/** Verdicts that depend on what came before. */
function remembered(cast: Cast): Vector[] {
  const { dialer, listener, open, lab } = cast
  const body = (first: number, texts: readonly string[], keys = dialer, hops = 1, ageMs = 0): Uint8Array =>
    bundleBody(cast, keys, open, hops, ageMs, {
      first,
      messages: texts.map((payload) => ({ topic: 'chat', payload: utf8(payload) })),
    })
  const forged = body(0, ['one'])
  forged[10] = forged[10]! ^ 1
  const foreign = bundleBody(cast, dialer, lab, 1, 0, { messages: [{ topic: 'chat', payload: utf8('one') }] })
  const later = encodeCbor([2, counting(0), 'anything'])
  return [
    judged('bundle-again', open, body(0, ['one']), 'ignore', 'duplicate', [body(0, ['one'])]),
    judged('bundle-again-by-a-longer-way', open, body(0, ['one'], dialer, 9, 77), 'ignore', 'duplicate', [
      body(0, ['one']),
    ]),
    judged('bundle-next', open, body(1, ['two']), 'accept', null, [body(0, ['one'])]),
    judged('bundle-before', open, body(0, ['one']), 'accept', null, [body(1, ['two'])]),
    judged('bundle-same-numbers-of-another-origin', open, body(0, ['one'], listener), 'accept', null, [
      body(0, ['one']),
    ]),
    judged('bundle-other-content-same-numbers', open, body(0, ['other']), 'ignore', 'duplicate', [body(0, ['one'])]),
    judged('bundle-overlap', open, body(0, ['one', 'two']), 'ignore', 'equivocation', [body(0, ['one'])]),
    judged('bundle-forged-copy-of-what-was-taken', open, forged, 'ignore', 'duplicate', [body(0, ['one'])]),
    judged('bundle-8-days-old', open, body(0, ['one'], dialer, 1, 604_800_001), 'ignore', 'too-old'),
    judged('bundle-of-a-later-version', open, signedBody(cast, dialer, open, later), 'ignore', 'unknown-version'),
    judged('bundle-of-another-network', open, foreign, 'reject', 'bad-signature'),
  ]
}

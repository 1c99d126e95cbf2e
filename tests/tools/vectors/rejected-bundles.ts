// The part of spec/vectors/bundles.json that is provably wrong: each reason of docs/protocol.md section 8.3 to reject. Unless
// the reason is the signature, it is genuine, so that nothing else can be the reason.

import { concatBytes, fromHex, utf8 } from '../../../lib/bytes.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { bundleBody, bundleParts, bundlePrefix, elementsOf, judged, signedBody } from './bundles.ts'
import { type Cast, EPOCH, SENT_AT_MS, type Vector } from './fixed.ts'

export function rejectedBundles(cast: Cast): Vector[] {
  return [...brokenHeads(cast), ...brokenElements(cast), ...brokenMessages(cast), ...brokenSignatures(cast)]
}

function hello(topic: string = 'chat'): { messages: { topic: string; payload: Uint8Array }[] } {
  return { messages: [{ topic, payload: utf8('hello') }] }
}

function brokenHeads(cast: Cast): Vector[] {
  const { dialer, open } = cast
  const { signature, signedPart } = bundleParts(cast, dialer, open, hello())
  const cases: [string, Uint8Array][] = [
    ['empty', new Uint8Array(0)],
    ['hops-0', concatBytes(bundlePrefix(0, 0), signature, signedPart)],
    ['without-age', Uint8Array.of(1)],
    ['age-cut-short', Uint8Array.of(1, 0x80)],
    ['age-overlong', concatBytes(Uint8Array.of(1, 0x80, 0x00), signature, signedPart)],
    ['age-above-53-bits', concatBytes(fromHex('018080808080808010'), signature, signedPart)],
    ['signature-cut-short', concatBytes(bundlePrefix(1, 0), signature.subarray(0, 63))],
    ['without-signed-part', concatBytes(bundlePrefix(1, 0), signature)],
    ['signed-part-cut-short', concatBytes(bundlePrefix(1, 0), signature, signedPart.subarray(0, -1))],
    ['byte-too-many', signedBody(cast, dialer, open, concatBytes(signedPart, Uint8Array.of(0)))],
  ]
  return cases.map(([name, body]) => judged(`rejected-${name}`, open, body, 'reject', 'malformed'))
}

/** Each with one element of the signed part changed. */
function brokenElements(cast: Cast): Vector[] {
  const { dialer, open } = cast
  const good = elementsOf(dialer)
  const changed = (place: number, element: CborInput): Uint8Array =>
    encodeCbor(good.map((old, i) => (i === place ? element : old)))
  const many = Array.from({ length: 1_025 }, (): CborInput => ['t', new Uint8Array(0)])
  const floatEpoch = fromHex(
    `8801${'5820'}${Buffer.from(dialer.identity.publicKey).toString('hex')}fb3ff000000000000000000000818261744161`,
  )
  const cases: [string, Uint8Array][] = [
    ['map', encodeCbor(new Map([[1, 1]]))],
    ['empty-array', encodeCbor([])],
    ['version-as-text', changed(0, '1')],
    ['too-few-elements', encodeCbor(good.slice(0, 7))],
    ['origin-of-31-bytes', changed(1, dialer.identity.publicKey.subarray(0, 31))],
    ['origin-of-33-bytes', changed(1, new Uint8Array(33))],
    ['origin-as-text', changed(1, 'a'.repeat(32))],
    ['epoch-as-text', changed(2, 'now')],
    ['epoch-as-float', floatEpoch],
    ['sequence-null', changed(3, null)],
    ['sent-at-as-array', changed(4, [SENT_AT_MS])],
    ['flags-as-boolean', changed(5, true)],
    ['time-to-live-as-bytes', changed(6, new Uint8Array(1))],
    ['messages-as-map', changed(7, new Map([[1, 1]]))],
    ['no-messages', changed(7, [])],
    ['1025-messages', changed(7, many)],
    ['numbers-past-the-end', encodeCbor([1, good[1]!, EPOCH, Number.MAX_SAFE_INTEGER, 0, 0, 0, [hi(), hi()]])],
    ['further-element-with-tag', concatBytes(Uint8Array.of(0x89), encodeCbor(good).subarray(1), fromHex('c000'))],
  ]
  return cases.map(([name, part]) =>
    judged(`rejected-${name}`, open, signedBody(cast, dialer, open, part), 'reject', 'malformed'),
  )
}

function hi(): CborInput {
  return ['chat', utf8('hi')]
}

function brokenMessages(cast: Cast): Vector[] {
  const { dialer, open } = cast
  const good = elementsOf(dialer)
  const message = (...elements: CborInput[]): Uint8Array => encodeCbor([...good.slice(0, 7), [elements]])
  const payload = utf8('hello')
  const invalidText = encodeCbor([...good.slice(0, 7), [['~~', payload]]])
  invalidText.set([0xff, 0xfe], invalidText.indexOf(0x7e))
  const cases: [string, Uint8Array][] = [
    ['topic-empty', message('', payload)],
    ['topic-of-256-bytes', message('t'.repeat(256), payload)],
    ['topic-with-zero', message('a\0b', payload)],
    ['topic-with-plus', message('a/+/b', payload)],
    ['topic-with-hash', message('a/#', payload)],
    ['topic-not-utf-8', invalidText],
    ['topic-as-bytes', message(payload, payload)],
    ['payload-as-text', message('chat', 'hello')],
    ['payload-missing', message('chat')],
    ['payload-above-1-mib', message('blob', new Uint8Array(1_048_577))],
  ]
  return cases.map(([name, part]) =>
    judged(`rejected-${name}`, open, signedBody(cast, dialer, open, part), 'reject', 'malformed'),
  )
}

function brokenSignatures(cast: Cast): Vector[] {
  const { dialer, third, open } = cast
  const flipped = bundleBody(cast, dialer, open, 1, 0, hello())
  flipped[2] = flipped[2]! ^ 1
  const changed = bundleBody(cast, dialer, open, 1, 0, hello())
  changed[changed.length - 1] = changed[changed.length - 1]! ^ 1
  const elements = elementsOf(dialer)
  const claim = (origin: Uint8Array): Uint8Array => encodeCbor([1, origin, ...elements.slice(2)])
  const neutral = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))
  return [
    judged('rejected-signature-flipped-bit', open, flipped, 'reject', 'bad-signature'),
    judged('rejected-changed-payload', open, changed, 'reject', 'bad-signature'),
    judged(
      'rejected-signed-by-another',
      open,
      signedBody(cast, third, open, encodeCbor(elements)),
      'reject',
      'bad-signature',
    ),
    judged(
      'rejected-origin-of-small-order',
      open,
      signedBody(cast, dialer, open, claim(neutral)),
      'reject',
      'bad-origin',
    ),
    judged(
      'rejected-origin-not-canonical',
      open,
      signedBody(cast, dialer, open, claim(new Uint8Array(32).fill(0xff))),
      'reject',
      'bad-origin',
    ),
  ]
}

// spec/vectors/frames.json: varints, the CBOR profile, a frame of each type, and broken ones. docs/protocol.md sections 1, 5
// and 7.

import { concatBytes, fromHex, toHex, utf8 } from '../../../lib/bytes.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { encodeFrame, FrameType, frameBodyMax, writeFrameHead } from '../../../lib/framing/frames.ts'
import { encodeGoodbye, GoodbyeCode } from '../../../lib/framing/goodbye.ts'
import { varintLength, writeVarint } from '../../../lib/framing/varint.ts'
import { parseAddress } from '../../../lib/identity/address.ts'
import { encodeNodeRecord } from '../../../lib/identity/node-record.ts'
import { encodeAbout } from '../../../lib/link/about.ts'
import { bundleBody } from './bundles.ts'
import { type Cast, counting, packed, SENT_AT_MS, type Vector, type VectorFile } from './fixed.ts'
import { repairFrames } from './repair.ts'
import { refusedStreamFrames, streamFrames } from './streams.ts'

export function frameVectors(cast: Cast): VectorFile {
  return {
    about:
      'Varints; CBOR items inside and outside the profile; frames, with what the link frames among them say; frames that are a ' +
      'protocol error.',
    vectors: [...varints(), ...cborItems(), ...frames(cast), ...refusedFrames(cast)],
  }
}

function varints(): Vector[] {
  const good: [string, number][] = [
    ['varint-0', 0],
    ['varint-127', 127],
    ['varint-128', 128],
    ['varint-300', 300],
    ['varint-16384', 16_384],
    ['varint-largest', Number.MAX_SAFE_INTEGER],
  ]
  const bad: [string, string][] = [
    ['varint-overlong-zero', '8000'],
    ['varint-overlong-one', '8100'],
    ['varint-above-53-bits', '8080808080808010'],
    ['varint-of-nine-bytes', '808080808080808001'],
  ]
  return [
    ...good.map(([name, value]) => {
      const bytes = new Uint8Array(varintLength(value))
      writeVarint(bytes, 0, value)
      return { name, kind: 'varint', value, bytes: toHex(bytes) }
    }),
    ...bad.map(([name, bytes]) => ({ name, kind: 'varint-refused', bytes, error: 'bad-frame' })),
  ]
}

function cborItems(): Vector[] {
  const nested = (depth: number): string => `${'81'.repeat(depth - 1)}80`
  const map = (entries: number): string => {
    const heads = Array.from({ length: entries }, (_, i) =>
      i < 24 ? toHex(Uint8Array.of(i)) : `18${toHex(Uint8Array.of(i))}`,
    )
    return `${entries < 24 ? toHex(Uint8Array.of(0xa0 + entries)) : `b8${toHex(Uint8Array.of(entries))}`}${heads.map((key) => `${key}f6`).join('')}`
  }
  const item = (name: string, bytes: string, allowed: boolean): Vector => ({
    name,
    kind: 'cbor',
    bytes,
    error: allowed ? 'none' : 'bad-cbor',
  })
  return [
    item('cbor-integer-largest', '1b001fffffffffffff', true),
    item('cbor-integer-too-large', '1b0020000000000000', false),
    item('cbor-integer-not-shortest', '1817', false),
    item('cbor-integer-not-shortest-in-4-bytes', '1a0000ffff', false),
    item('cbor-integer-negative', '20', false),
    item('cbor-false-true-null', '83f4f5f6', true),
    item('cbor-undefined', 'f7', false),
    item('cbor-simple-value', 'f820', false),
    item('cbor-float', 'fb3ff0000000000000', false),
    item('cbor-tag', 'c000', false),
    item('cbor-text-two-characters', '65c3a9e29895', true),
    item('cbor-text-not-utf-8', '61ff', false),
    item('cbor-text-surrogate', '63eda080', false),
    item('cbor-text-cut-short', '6261', false),
    item('cbor-bytes-indefinite', '5f4101ff', false),
    item('cbor-array-indefinite', '9f01ff', false),
    item('cbor-array-longer-than-its-bytes', '9a0001000000', false),
    item('cbor-nesting-6', nested(6), true),
    item('cbor-nesting-7', nested(7), false),
    item('cbor-map-of-64', map(64), true),
    item('cbor-map-of-65', map(65), false),
    item('cbor-map-key-twice', 'a201f601f6', false),
    item('cbor-map-key-text-and-integer', 'a201f66131f6', true),
    item('cbor-map-key-bytes', 'a14101f6', false),
    item('cbor-map-key-null', 'a1f6f6', false),
    item('cbor-byte-too-many', '0000', false),
    item('cbor-nothing', '', false),
  ]
}

function frames(cast: Cast): Vector[] {
  const { listener, open, primitives } = cast
  const record = encodeNodeRecord(listener, open, SENT_AT_MS, [parseAddress('192.0.2.1:6374')], primitives)
  const vector = (name: string, type: number, body: Uint8Array, meaning: object = {}): Vector => {
    const known = frameBodyMax(type) !== null
    const shown = known ? { body: packed(body) } : { length: body.length }
    return { name, kind: 'frame', type, known, bytes: packed(encodeFrame(type, body)), ...shown, ...meaning }
  }
  const about = (name: string, body: Uint8Array, meaning: object): Vector =>
    vector(name, FrameType.about, body, {
      sender: toHex(listener.identity.publicKey),
      networkId: toHex(open.id),
      ...meaning,
    })
  const anna = { agent: 'meshd/0.1', name: 'anna', record: null, observed: null, keep: false }
  const later = encodeCbor(
    new Map<number, CborInput>([
      [1, 'meshd/9'],
      [2, ''],
      [77, [1, 'new']],
    ]),
  )
  return [
    vector('frame-ping', FrameType.ping, counting(1, 8)),
    vector('frame-pong', FrameType.pong, counting(1, 8)),
    vector('frame-goodbye', FrameType.goodbye, encodeGoodbye(GoodbyeCode.duplicate, 'duplicate'), {
      code: 1,
      text: 'duplicate',
    }),
    vector('frame-goodbye-unknown-code-and-more', FrameType.goodbye, encodeCbor([99, '', 'later']), {
      code: 99,
      text: '',
    }),
    vector('frame-ask-peers', FrameType.askPeers, encodeCbor([8]), { howMany: 8 }),
    vector('frame-peers', FrameType.peers, encodeCbor([record]), {
      networkId: toHex(open.id),
      identities: [toHex(listener.identity.publicKey)],
    }),
    vector('frame-peers-none', FrameType.peers, encodeCbor([]), { networkId: toHex(open.id), identities: [] }),
    about('frame-about', encodeAbout(anna), { agent: 'meshd/0.1', nodeName: 'anna', hasRecord: false, keep: false }),
    about('frame-about-with-record', encodeAbout({ ...anna, name: 'Zoë', record, observed: addressBytes() }), {
      agent: 'meshd/0.1',
      nodeName: 'Zoë',
      hasRecord: true,
      keep: false,
    }),
    about('frame-about-of-a-link-to-keep', encodeAbout({ ...anna, keep: true }), {
      agent: 'meshd/0.1',
      nodeName: 'anna',
      hasRecord: false,
      keep: true,
    }),
    about('frame-about-empty-map', encodeCbor(new Map()), { agent: '', nodeName: '', hasRecord: false, keep: false }),
    about('frame-about-of-a-later-version', later, { agent: 'meshd/9', nodeName: '', hasRecord: false, keep: false }),
    vector('frame-bundle', FrameType.bundle, bundleBody(cast, cast.dialer, open, 1, 0, { messages: hello() })),
    vector('frame-direct', FrameType.direct, directBody()),
    ...repairFrames(cast).map(([name, type, body, meaning]) => vector(name, type, body, meaning)),
    ...streamFrames().map(([name, type, body, meaning]) => vector(name, type, body, meaning)),
    vector('frame-unknown-empty', 0x7f, new Uint8Array(0)),
    vector('frame-unknown', 0xff, utf8('from a later version')),
    vector('frame-unknown-of-the-largest-size', 0x06, new Uint8Array(1_114_112)),
  ]
}

function hello(): { topic: string; payload: Uint8Array }[] {
  return [{ topic: 'chat', payload: utf8('hello') }]
}

function addressBytes(): Uint8Array {
  return Uint8Array.of(0x04, 198, 51, 100, 7, 0x06, 0xc3, 0x50)
}

/** Well formed for everybody on the way; it opens nowhere. */
function directBody(): Uint8Array {
  const parts = [
    counting(0),
    counting(0x20),
    Uint8Array.of(1),
    counting(0x40, 96),
    Uint8Array.of(0, 17),
    counting(0x50, 17),
  ]
  return concatBytes(...parts)
}

function refusedFrames(cast: Cast): Vector[] {
  const { listener, open, primitives } = cast
  const record = encodeNodeRecord(listener, open, SENT_AT_MS, [], primitives)
  const forged = record.slice()
  forged[0] = forged[0]! ^ 1
  const map = (...entries: [number, CborInput][]): Uint8Array => encodeCbor(new Map(entries))
  const cases: [string, Uint8Array][] = [
    ['ping-of-7-bytes', encodeFrame(FrameType.ping, counting(0, 7))],
    ['ping-of-9-bytes', encodeFrame(FrameType.ping, counting(0, 9))],
    ['length-overlong', Uint8Array.of(FrameType.ping, 0x88, 0x00, ...counting(0, 8))],
    ['length-above-53-bits', Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['unknown-too-long', headOf(0x7f, 1_114_113)],
    ['bundle-too-long', headOf(FrameType.bundle, 1_114_113)],
    ['about-too-long', headOf(FrameType.about, 4_097)],
    ['peers-too-long', headOf(FrameType.peers, 65_537)],
    ['goodbye-too-long', headOf(FrameType.goodbye, 1_025)],
    ['want-too-long', headOf(FrameType.want, 262_145)],
    ['goodbye-without-text', encodeFrame(FrameType.goodbye, encodeCbor([1]))],
    ['goodbye-text-of-201-bytes', encodeFrame(FrameType.goodbye, encodeCbor([1, 'x'.repeat(201)]))],
    ['goodbye-byte-too-many', encodeFrame(FrameType.goodbye, concatBytes(encodeCbor([1, '']), Uint8Array.of(0)))],
    ['ask-peers-as-text', encodeFrame(FrameType.askPeers, encodeCbor(['8']))],
    ['about-array', encodeFrame(FrameType.about, encodeCbor(['meshd/0.1']))],
    ['about-name-of-65-bytes', encodeFrame(FrameType.about, map([2, 'n'.repeat(65)]))],
    ['about-agent-as-bytes', encodeFrame(FrameType.about, map([1, counting(0, 4)]))],
    ['about-key-twice', encodeFrame(FrameType.about, fromHex('a2026161026162'))],
    ['about-observed-of-257-bytes', encodeFrame(FrameType.about, map([4, new Uint8Array(257)]))],
    ['about-keep-as-bool', encodeFrame(FrameType.about, map([6, true]))],
    ['about-certificate-of-2049-bytes', encodeFrame(FrameType.about, map([5, new Uint8Array(2_049)]))],
    ['peers-of-33', encodeFrame(FrameType.peers, encodeCbor(Array.from({ length: 33 }, () => record)))],
    ['peers-with-text', encodeFrame(FrameType.peers, encodeCbor(['record']))],
    ['peers-with-forged-record', encodeFrame(FrameType.peers, encodeCbor([record, forged]))],
    ['mode-too-long', headOf(FrameType.mode, 33)],
    ...refusedStreamFrames(),
  ]
  return cases.map(([name, bytes]) => ({
    name: `refused-${name}`,
    kind: 'frames-refused',
    bytes: packed(bytes),
    sender: toHex(listener.identity.publicKey),
    networkId: toHex(open.id),
    accepted: false,
  }))
}

/** A frame's head alone: a length that is too large must be refused before the body comes. */
function headOf(type: number, length: number): Uint8Array {
  const head = new Uint8Array(1 + varintLength(length))
  writeFrameHead(head, 0, type, length)
  return head
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { encodeFrame, FrameReader, FrameType, frameBodyMax } from '../../lib/framing/frames.ts'
import { PROTOCOL_NAME_BYTES_MAX, PROTOCOL_NAMES_MAX } from '../../lib/limits.ts'
import {
  decodeAccept,
  decodeEnd,
  decodeNumber,
  decodeOpen,
  encodeAccept,
  encodeOpen,
  readStream,
  varints,
} from '../../lib/streams/messages.ts'
import { seeded } from '../crypto/seeded.ts'

const most = Number.MAX_SAFE_INTEGER
const OPEN = '018282682f66696c65732f32682f66696c65732f311a00040000'
const ACCEPT = '0182001a00040000'

function refused(decode: (body: Uint8Array) => unknown, body: Uint8Array, what: string): void {
  assert.throws(
    () => decode(body),
    (error) => error instanceof MeshError && error.fault === 'remote' && error.code.startsWith('bad-'),
    what,
  )
}

const DECODERS: readonly [string, (body: Uint8Array) => unknown, string][] = [
  ['open', decodeOpen, OPEN],
  ['accept', decodeAccept, ACCEPT],
  ['credit', decodeNumber, '01808004'],
  ['reset', decodeNumber, 'ac0203'],
  ['end', decodeEnd, 'ac02'],
]

test('bodies are the bytes that the protocol says', () => {
  const open = { stream: 1, names: ['/files/2', '/files/1'], credit: 262_144 }
  assert.equal(toHex(encodeOpen(open)), OPEN)
  assert.deepEqual(decodeOpen(fromHex(OPEN)), open)
  const accept = { stream: 1, index: 0, credit: 262_144 }
  assert.equal(toHex(encodeAccept(accept)), ACCEPT)
  assert.deepEqual(decodeAccept(fromHex(ACCEPT)), accept)
  assert.equal(toHex(varints(1, 65_536)), '01808004')
  assert.deepEqual(decodeNumber(fromHex('01808004')), { stream: 1, value: 65_536 })
  assert.equal(toHex(varints(300)), 'ac02')
  assert.equal(decodeEnd(fromHex('ac02')), 300)
  assert.deepEqual(readStream(fromHex('ac02ffff')), { value: 300, next: 2 })
})

test('the largest numbers pass, and one more does not', () => {
  assert.deepEqual(decodeNumber(varints(most, most)), { stream: most, value: most })
  assert.equal(decodeOpen(encodeOpen({ stream: most, names: ['x'], credit: most })).credit, most)
  refused(decodeEnd, fromHex('8080808080808010'), 'a number of 2^53')
  refused(decodeNumber, concatBytes(varints(1), fromHex('8080808080808010')), 'a credit of 2^53')
  refused(decodeOpen, fromHex('018281612f1b0020000000000000'), 'a first credit of 2^53')
})

test('every body that is cut short is refused', () => {
  for (const [name, decode, hex] of DECODERS) {
    const whole = fromHex(hex)
    decode(whole)
    for (let length = 0; length < whole.length; length++) {
      refused(decode, whole.subarray(0, length), `${name} of ${length} bytes`)
    }
  }
})

test('bytes behind a body are refused', () => {
  for (const [name, decode, hex] of DECODERS) refused(decode, fromHex(`${hex}00`), name)
})

test('number 0 and overlong numbers are refused', () => {
  for (const [name, decode, hex] of DECODERS) {
    const rest = fromHex(hex).subarray(hex.startsWith('ac02') ? 2 : 1)
    refused(decode, concatBytes(Uint8Array.of(0), rest), `${name} of stream 0`)
    refused(decode, concatBytes(Uint8Array.of(0x81, 0), rest), `${name} with an overlong number`)
  }
})

test('names have 1 to 64 bytes, and an open 1 to 16 of them', () => {
  const body = (names: CborInput): Uint8Array => concatBytes(varints(1), encodeCbor([names, 0]))
  const longest = 'ä'.repeat(PROTOCOL_NAME_BYTES_MAX / 2)
  assert.deepEqual(decodeOpen(body([longest])).names, [longest])
  refused(decodeOpen, body([`${longest}x`]), '65 bytes')
  refused(decodeOpen, body(['']), 'an empty name')
  refused(decodeOpen, body(['/files/1', '']), 'an empty second name')
  const most = Array.from({ length: PROTOCOL_NAMES_MAX }, () => longest)
  assert.equal(decodeOpen(body(most)).names.length, PROTOCOL_NAMES_MAX)
  assert.ok(body(most).length <= frameBodyMax(FrameType.open)!)
  refused(decodeOpen, body([...most, 'x']), '17 names')
  refused(decodeOpen, body([]), 'no name')
  refused(decodeOpen, body('x'), 'a name in place of a list')
  refused(decodeOpen, body([new Uint8Array(1)]), 'a name of bytes')
})

test('elements behind those known are ignored, but checked', () => {
  const open = concatBytes(varints(3), encodeCbor([['x'], 7, [1, 'later']]))
  assert.deepEqual(decodeOpen(open), { stream: 3, names: ['x'], credit: 7 })
  const accept = concatBytes(varints(3), encodeCbor([2, 7, null]))
  assert.deepEqual(decodeAccept(accept), { stream: 3, index: 2, credit: 7 })
  refused(decodeAccept, fromHex('0383020720'), 'a negative number behind')
  refused(decodeAccept, concatBytes(varints(3), encodeCbor([2])), 'too few elements')
  refused(decodeOpen, concatBytes(varints(3), encodeCbor([['x']])), 'too few elements')
})

test('as frames they come out of the stream of bytes wherever it is cut', () => {
  const frames: [number, Uint8Array][] = [
    [FrameType.open, fromHex(OPEN)],
    [FrameType.accept, fromHex(ACCEPT)],
    [FrameType.data, fromHex('ac02616263')],
    [FrameType.credit, varints(300, most)],
    [FrameType.end, varints(most)],
    [FrameType.reset, varints(most, most)],
  ]
  const wire = concatBytes(...frames.map(([type, body]) => encodeFrame(type, body)))
  for (let cut = 0; cut <= wire.length; cut++) {
    const reader = new FrameReader()
    const got: [number, Uint8Array][] = []
    for (const piece of [wire.slice(0, cut), wire.slice(cut)]) {
      reader.push(piece)
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        got.push([frame.type, new Uint8Array(frame.body)])
      }
    }
    assert.deepEqual(got, frames)
  }
})

test('random bytes are read or refused, and nothing else', () => {
  const random = seeded(5)
  for (let i = 0; i < 20_000; i++) {
    const body = random.bytes(random.below(24))
    // Half of them begin like something true.
    if (i % 2 === 0) body.set(fromHex(DECODERS[i % DECODERS.length]![2]).subarray(0, Math.min(body.length, i % 11)))
    for (const [, decode] of DECODERS) {
      try {
        decode(body)
      } catch (error) {
        assert.ok(error instanceof MeshError && error.fault === 'remote', String(error))
      }
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { FEATURE_BYTES_MAX, FEATURES_MAX } from '../../lib/limits.ts'
import { decodeHandshakePayload, encodeHandshakePayload } from '../../lib/link/handshake-payload.ts'
import { seeded } from '../crypto/seeded.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
const HEX = `a2015820${toHex(KEY)}0282616162c3bc`

function refused(payload: Uint8Array, code: 'bad-handshake' | 'bad-cbor' = 'bad-handshake'): void {
  assert.throws(() => decodeHandshakePayload(payload), { code })
}

function payloadOf(features: CborInput, publicKey: CborInput = KEY): Uint8Array {
  return encodeCbor(
    new Map<number, CborInput>([
      [1, publicKey],
      [2, features],
    ]),
  )
}

test('a payload is what it is on the wire, and is read as it was written', () => {
  const payload = { publicKey: KEY, features: ['a', 'ü'] }
  assert.equal(toHex(encodeHandshakePayload(payload)), HEX)
  assert.deepEqual(decodeHandshakePayload(fromHex(HEX)), payload)
})

test('features may be missing, and keys of a later version are passed over', () => {
  const later = new Map<number, CborInput>([
    [1, KEY],
    [9, ['x', 1]],
  ])
  assert.deepEqual(decodeHandshakePayload(encodeCbor(later)), { publicKey: KEY, features: [] })
})

test('no payload that was cut short is taken', () => {
  const whole = fromHex(HEX)
  for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length), 'bad-cbor')
})

test('an identity has 32 bytes', () => {
  for (const length of [0, 31, 33]) refused(payloadOf([], new Uint8Array(length)))
  refused(payloadOf([], 'x'.repeat(32)))
  refused(encodeCbor(new Map([[2, ['a']]])))
  refused(encodeCbor([KEY]))
})

test('features are texts within their bounds', () => {
  const long = 'x'.repeat(FEATURE_BYTES_MAX)
  const many = new Array<string>(FEATURES_MAX).fill(long)
  assert.deepEqual(decodeHandshakePayload(payloadOf(many)).features, many)
  refused(payloadOf([...many, 'x']))
  refused(payloadOf([`${long}x`]))
  // Bytes count, not letters.
  refused(payloadOf(['ü'.repeat(FEATURE_BYTES_MAX / 2 + 1)]))
  for (const wrong of [1, 'a', [1], [utf8('a')], new Map()]) refused(payloadOf(wrong as CborInput))
})

test('random bytes are refused or read, and nothing else', () => {
  const random = seeded(61)
  for (let round = 0; round < 2_000; round++) {
    try {
      decodeHandshakePayload(random.bytes(random.below(80)))
    } catch (error) {
      assert.ok(error instanceof MeshError && error.fault === 'remote')
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { addressToBytes, parseAddress } from '../../lib/identity/address.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { networkOf } from '../../lib/identity/network.ts'
import { decodeNodeRecord, encodeNodeRecord, type NodeRecord } from '../../lib/identity/node-record.ts'
import { completedNative as primitives } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork as network } from './nodes.ts'

const PAIR = keyPairOf(1)
const TIME = 1_790_000_000_000
const ADDRESSES = ['/ip4/192.0.2.1/tcp/6374', '/ip6/2001:db8::1/tcp/6374', '/dns/example.org/tcp/6374'].map((text) =>
  parseAddress(text),
)

function decode(bytes: Uint8Array): NodeRecord {
  return decodeNodeRecord(bytes, network, identities, primitives)
}

/** A record with any signed part, rightly signed. */
function signed(value: CborInput | Uint8Array, raw = false): Uint8Array {
  const signedPart = raw ? (value as Uint8Array) : encodeCbor(value as CborInput)
  const text = concatBytes(utf8('mesh/1 node'), network.id, primitives.sha256(signedPart))
  return concatBytes(PAIR.signer.sign(text), signedPart)
}

test('a record is read as it was written', () => {
  const bytes = encodeNodeRecord(PAIR, network, TIME, ADDRESSES, primitives)
  const record = decode(bytes)
  assert.equal(record.identity, PAIR.identity)
  assert.equal(record.issuedAtMs, TIME)
  assert.deepEqual(record.addresses, ADDRESSES)
  assert.deepEqual(record.bytes, bytes)
  assert.notEqual(record.bytes.buffer, bytes.buffer)
})

test('the bytes of a record are known', () => {
  const bytes = encodeNodeRecord(PAIR, network, TIME, ADDRESSES.slice(0, 1), primitives)
  assert.equal(
    toHex(bytes.subarray(64)),
    `84015820${toHex(PAIR.identity.publicKey)}1b000001a0c4506c008148${'04c00002010618e6'}`,
  )
  const text = concatBytes(utf8('mesh/1 node'), network.id, primitives.sha256(bytes.subarray(64)))
  assert.equal(primitives.ed25519Verify(PAIR.identity.publicKey, text, bytes.subarray(0, 64)), true)
})

test("a peer in an address is not written: the record's own key says who it is", () => {
  const [first] = ADDRESSES
  const bytes = encodeNodeRecord(PAIR, network, TIME, [{ ...first!, peer: keyPairOf(2).identity.id }], primitives)
  assert.deepEqual(decode(bytes).addresses, [first])
})

test('eight addresses are the most, and none is fine', () => {
  const eight = Array.from({ length: 8 }, (_, i) => parseAddress(`${'a.'.repeat(123)}abc${i}:80`))
  const bytes = encodeNodeRecord(PAIR, network, TIME, eight, primitives)
  assert.deepEqual(decode(bytes).addresses, eight)
  const nine = [...eight, ...ADDRESSES.slice(0, 1)]
  assert.throws(() => encodeNodeRecord(PAIR, network, TIME, nine, primitives), { code: 'bad-argument' })
  const places = nine.map((address) => addressToBytes(address))
  assert.throws(() => decode(signed([1, PAIR.identity.publicKey, TIME, places])), { code: 'bad-peers' })
  assert.deepEqual(decode(encodeNodeRecord(PAIR, network, TIME, [], primitives)).addresses, [])
})

test('a record has at most 2,560 bytes', () => {
  const record = (filler: number): Uint8Array => signed([1, PAIR.identity.publicKey, TIME, [], new Uint8Array(filler)])
  const empty = record(300).length - 300
  assert.equal(record(2_560 - empty).length, 2_560)
  assert.equal(decode(record(2_560 - empty)).issuedAtMs, TIME)
  assert.throws(() => decode(record(2_561 - empty)), { code: 'bad-peers', message: /2561/ })
})

test('elements past the fourth are ignored', () => {
  const places = ADDRESSES.map((address) => addressToBytes(address))
  assert.deepEqual(decode(signed([1, PAIR.identity.publicKey, TIME, places, 'later', [1]])).addresses, ADDRESSES)
})

test('addresses that we do not know, or that name a peer, are left out without fault', () => {
  const known = addressToBytes(ADDRESSES[0]!)
  const withPeer = addressToBytes({ ...ADDRESSES[0]!, peer: PAIR.identity.id })
  const quic = fromHex('04c0000201910204d2cc03')
  const junk = fromHex('ffffffff')
  const portZero = fromHex('04c0000201060000')
  const places = [quic, known, withPeer, junk, portZero, new Uint8Array(0)]
  assert.deepEqual(decode(signed([1, PAIR.identity.publicKey, TIME, places])).addresses, [ADDRESSES[0]])
})

test('a record of another network, another key or another domain is refused', () => {
  const other = networkOf('other', null, primitives)
  const bytes = encodeNodeRecord(PAIR, network, TIME, ADDRESSES, primitives)
  assert.throws(() => decodeNodeRecord(bytes, other, identities, primitives), { code: 'bad-peers', fault: 'remote' })
  const part = bytes.subarray(64)
  assert.throws(() => decode(concatBytes(keyPairOf(2).signer.sign(part), part)), { code: 'bad-peers' })
  const digest = primitives.sha256(part)
  const wrongDomain = PAIR.signer.sign(concatBytes(utf8('mesh/1 bundle'), network.id, digest))
  assert.throws(() => decode(concatBytes(wrongDomain, part)), { code: 'bad-peers' })
})

test('a record of a key that is no identity is refused although it verifies', () => {
  // The neutral element: R = neutral and S = 0 verify for every text.
  const neutral = Uint8Array.of(1, ...new Uint8Array(31))
  const signature = Uint8Array.of(1, ...new Uint8Array(63))
  const record = concatBytes(signature, encodeCbor([1, neutral, TIME, []]))
  assert.throws(() => decode(record), { code: 'bad-peers', message: /identity/ })
})

test('a forgery is refused before any curve work is done on its key', () => {
  const bytes = encodeNodeRecord(PAIR, network, TIME, ADDRESSES, primitives)
  bytes[0]! ^= 1
  const untouched = new (class extends Identities {
    override admit(): never {
      assert.fail('admitted')
    }
  })()
  assert.throws(() => decodeNodeRecord(bytes, network, untouched, primitives), { code: 'bad-peers' })
})

test('a signed part that is not the array it should be is refused although it is rightly signed', () => {
  const key = PAIR.identity.publicKey
  const cases: CborInput[] = [
    1,
    'text',
    new Map([[1, 1]]),
    [],
    [1],
    [1, key],
    [1, key, TIME],
    [2, key, TIME, []],
    [0, key, TIME, []],
    [true, key, TIME, []],
    [1, key.subarray(1), TIME, []],
    [1, 'key', TIME, []],
    [1, key, 'now', []],
    [1, key, null, []],
    [1, key, TIME, null],
    [1, key, TIME, new Map()],
    [1, key, TIME, ['/ip4/192.0.2.1/tcp/80']],
    [1, key, TIME, [1]],
    [1, key, TIME, [new Uint8Array(257)]],
  ]
  for (const value of cases) assert.throws(() => decode(signed(value)), { code: 'bad-peers', fault: 'remote' })
  // Negative, fractional and oversized times, an indefinite array, a byte too many.
  const head = `84015820${toHex(key)}`
  for (const hex of [
    `${head}2080`,
    `${head}f93c0080`,
    `${head}1bffffffffffffffff80`,
    `9f015820${toHex(key)}0080ff`,
    `${head}008000`,
  ]) {
    assert.throws(() => decode(signed(fromHex(hex), true)), { code: 'bad-peers' }, hex)
  }
})

test('a record that is cut anywhere, or has one bit changed anywhere, is refused', () => {
  const bytes = encodeNodeRecord(PAIR, network, TIME, ADDRESSES, primitives)
  const random = seeded(111)
  for (let at = 0; at < bytes.length; at++) {
    assert.throws(() => decode(bytes.subarray(0, at)), { code: 'bad-peers' })
    const bent = bytes.slice()
    bent[at]! ^= 1 << random.below(8)
    assert.throws(() => decode(bent), { code: 'bad-peers' })
  }
})

test('any bytes give a bad-peers error and nothing else', () => {
  const random = seeded(112)
  for (let round = 0; round < 500; round++) {
    const bytes = random.below(2) === 0 ? random.bytes(random.below(400)) : signed(random.bytes(random.below(60)), true)
    assert.throws(
      () => decode(bytes),
      (error) => error instanceof MeshError && error.code === 'bad-peers',
    )
  }
})

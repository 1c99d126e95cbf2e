import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, fromHex, toHex } from '../../lib/bytes.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { parseAddress } from '../../lib/identity/address.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import { BOOK_PEERS_MAX } from '../../lib/limits.ts'
import { type BookEntry, decodeBook, encodeBook } from '../../lib/neighbours/book-file.ts'
import { seeded } from '../crypto/seeded.ts'
import { identityOf, newBook } from './fixture.ts'

const NETWORK = new Uint8Array(32).fill(7)
const digest = (bytes: Uint8Array): Uint8Array => noble.sha256(bytes)

function entryOf(number: number, ...texts: readonly string[]): BookEntry {
  const publicKey = new Uint8Array(32).fill(number)
  const addresses = texts.map((text, i) => ({ address: parseAddress(text), foundAtUnixMs: i * 1_000, failures: i }))
  return { peer: peerIdOf(publicKey), publicKey, issuedAtMs: 5, record: Uint8Array.of(1, 2), addresses }
}

const sealed = (body: Uint8Array): Uint8Array => concatBytes(digest(concatBytes(NETWORK, body)), body)
const read = (value: CborInput): BookEntry[] | null => decodeBook(sealed(encodeCbor(value)), NETWORK, digest)
const key = new Uint8Array(32)
const address = fromHex('04c00002010618e6')

test('what is written is read back', () => {
  const entries = [
    entryOf(1, '192.0.2.1:6374', '[2001:db8::1]:1', '/dns4/node.example/tcp/9'),
    { ...entryOf(2, '/ip6zone/eth0/ip6/fe80::1/tcp/6374'), record: null, issuedAtMs: 0 },
  ]
  const bytes = encodeBook(entries, NETWORK, digest)
  assert.deepEqual(decodeBook(bytes, NETWORK, digest), entries)
  assert.deepEqual(decodeBook(encodeBook([], NETWORK, digest), NETWORK, digest), [])
})

test('a book of one peer is these bytes', () => {
  const body = encodeBook([entryOf(1, '192.0.2.1:6374')], NETWORK, digest).subarray(32)
  assert.equal(toHex(body), `8201818${`45820${'01'.repeat(32)}05420102`}8183${'4804c00002010618e6'}0000`)
})

test('a book with any bit changed, cut anywhere, or of another network is not read', () => {
  const bytes = encodeBook([entryOf(1, '192.0.2.1:6374')], NETWORK, digest)
  for (let at = 0; at < bytes.length; at++) {
    assert.equal(decodeBook(bytes.with(at, bytes[at]! ^ 1), NETWORK, digest), null)
    assert.equal(decodeBook(bytes.subarray(0, at), NETWORK, digest), null)
  }
  assert.equal(decodeBook(bytes, new Uint8Array(32), digest), null)
})

test('sound bytes that are no book are not read', () => {
  const entry = [key, 1, null, [[address, 0, 0]]]
  assert.equal(read([1, [entry]])?.length, 1)
  for (const value of [
    [2, [entry]],
    [1, [entry], 1],
    [1],
    1,
    [1, entry],
    [1, [[key.subarray(1), 1, null, [[address, 0, 0]]]]],
    [1, [[key, 1, null, []]]],
    [1, [[key, 1, null, Array.from({ length: 9 }, () => [address, 0, 0])]]],
    [1, [[key, 1, new Uint8Array(2_561), [[address, 0, 0]]]]],
    [1, [[key, 1, 'text', [[address, 0, 0]]]]],
    [1, [[key, 1, null, [[address, 0]]]]],
    [1, [[key, 1, null, [[new Uint8Array(3), 0, 0]]]]],
    [1, [[key, 1, null, [[address, 0, 0]], 'later']]],
    [1, Array.from({ length: BOOK_PEERS_MAX + 1 }, () => entry)],
  ] satisfies CborInput[]) {
    assert.equal(read(value), null)
  }
  const random = seeded(3)
  for (let run = 0; run < 1_000; run++) decodeBook(sealed(random.bytes(random.below(60))), NETWORK, digest)
})

test('a full book of the longest entries can be written and read', () => {
  const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example`
  const entries = Array.from({ length: BOOK_PEERS_MAX }, (_, i) => {
    const publicKey = new Uint8Array(32)
    new DataView(publicKey.buffer).setUint16(0, i)
    const texts = Array.from({ length: 8 }, (_, port) => `/dns4/${name}/tcp/${port + 1}`)
    return { ...entryOf(0, ...texts), publicKey, peer: peerIdOf(publicKey), record: new Uint8Array(2_560) }
  })
  const bytes = encodeBook(entries, NETWORK, digest)
  assert.equal(decodeBook(bytes, NETWORK, digest)?.length, BOOK_PEERS_MAX)
})

test('a book that comes back knows whom it had found, and keeps what it cannot know', () => {
  const own = identityOf(500)
  const before = newBook(own)
  const record = { issuedAtMs: 1, addresses: [parseAddress('192.0.2.2:1')], bytes: Uint8Array.of(9) }
  before.succeeded(identityOf(1), parseAddress('node.example:1'))
  before.learn({ ...record, identity: identityOf(2) }, record.addresses, 'teller')
  before.succeeded(identityOf(3), parseAddress(`${'a'.repeat(60)}.${`${'b'.repeat(60)}.`.repeat(3)}e:1`))
  const after = newBook(own)
  assert.equal(after.decode(before.encode()), true)
  assert.equal(after.size, 2)
  const choice = after.choose(0, false, () => true)
  assert.deepEqual([choice?.isProven, choice?.source, choice?.address.host], [true, 'book', 'node.example'])
  assert.equal(after.isDirty, false)
  assert.equal(newBook(own).decode(Uint8Array.of(1, 2, 3)), false)
})

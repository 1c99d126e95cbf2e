import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base58btc } from 'multiformats/bases/base58'
import { bases } from 'multiformats/basics'
import { concatBytes, fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { peerIdBytes, peerIdOf, publicKeyOfPeerId, shortId } from '../../lib/identity/peer-id.ts'
import { seeded } from '../crypto/seeded.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'

const KEY = fromHex('8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394')
const ID = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const ED25519_HEAD = '002408011220'

interface Vectors {
  keys: Record<'key_type' | 'multihash' | 'peer_id' | 'peer_id_cid_base32' | 'peer_id_cid_base36', string>[]
  valid_texts: { text: string; multihash: string }[]
  invalid_texts: { text: string; why: string }[]
}

test('a key and its id turn into each other', () => {
  assert.equal(peerIdOf(KEY), ID)
  assert.deepEqual(publicKeyOfPeerId(ID), KEY)
  assert.equal(toHex(peerIdBytes(KEY)), ED25519_HEAD + toHex(KEY))
  assert.equal(shortId(ID), 'Lr2NASuq')
})

test('the keys and texts of libp2p are read, those of other key types refused', {
  skip: skipWithout('peer-ids.json'),
}, () => {
  const { keys, valid_texts, invalid_texts } = outsideVectors('peer-ids.json') as Vectors
  const texts = keys.flatMap((key) =>
    [key.peer_id, key.peer_id_cid_base32, key.peer_id_cid_base36].map((text) => ({ text, multihash: key.multihash })),
  )
  const counts = { read: 0, refused: 0 }
  for (const { text, multihash } of [...texts, ...valid_texts]) {
    if (multihash.startsWith(ED25519_HEAD)) {
      counts.read++
      const key = publicKeyOfPeerId(text)
      assert.equal(ED25519_HEAD + toHex(key), multihash)
      assert.equal(toHex(peerIdBytes(publicKeyOfPeerId(peerIdOf(key)))), multihash)
    } else {
      counts.refused++
      assert.throws(() => publicKeyOfPeerId(text), { code: 'bad-peer-id', message: /12D3KooW/ })
    }
  }
  assert.deepEqual(counts, { read: 18, refused: 22 })
  for (const { text, why } of invalid_texts) {
    assert.throws(() => publicKeyOfPeerId(text), { code: 'bad-peer-id', fault: 'local' }, why)
  }
})

test('the CID form is read in every multibase', () => {
  const cid = concatBytes(Uint8Array.of(1, 0x72), peerIdBytes(KEY))
  for (const base of Object.values(bases)) {
    assert.deepEqual(publicKeyOfPeerId(base.encoder.encode(cid)), KEY, base.name)
  }
})

test('a multihash in multibase without the head of a CID, or a CID of another codec, is refused', () => {
  for (const head of [[], [1, 0x70], [0, 0x72], [2, 0x72], [1, 0xf2, 0]]) {
    const text = bases.base32.encoder.encode(concatBytes(Uint8Array.from(head), peerIdBytes(KEY)))
    assert.throws(() => publicKeyOfPeerId(text), { code: 'bad-peer-id' })
  }
  const bare = base58btc.baseEncode(concatBytes(Uint8Array.of(1, 0x72), peerIdBytes(KEY)))
  assert.throws(() => publicKeyOfPeerId(bare), { code: 'bad-peer-id' })
})

test('an id that is cut short, prolonged or mistyped anywhere is refused', () => {
  for (let length = 0; length < ID.length; length++) {
    assert.throws(() => publicKeyOfPeerId(ID.slice(0, length)), { code: 'bad-peer-id' })
  }
  for (const text of [
    `${ID}1`,
    `1${ID}`,
    ` ${ID}`,
    `${ID}\n`,
    ID.replace('K', '0'),
    ID.toLowerCase(),
    'x'.repeat(100_000),
  ]) {
    assert.throws(() => publicKeyOfPeerId(text), { code: 'bad-peer-id' })
  }
})

test('only keys of 32 bytes have an id', () => {
  for (const length of [0, 31, 33]) assert.throws(() => peerIdOf(new Uint8Array(length)), TypeError)
})

test('what is no text is a bad-peer-id error', () => {
  for (const given of [undefined, null, 7, {}, ['12D3KooW'], new Uint8Array(32)]) {
    assert.throws(() => publicKeyOfPeerId(given as never), { code: 'bad-peer-id' })
  }
})

test('any text gives a key or a bad-peer-id error', () => {
  const random = seeded(71)
  for (let round = 0; round < 300; round++) {
    const noise = String.fromCharCode(...random.bytes(random.below(60)))
    for (const text of [
      noise,
      `1${noise}`,
      `k${noise}`,
      `b${noise}`,
      `🚀${noise}`,
      base58btc.baseEncode(random.bytes(38)),
    ]) {
      try {
        assert.equal(publicKeyOfPeerId(text).length, 32)
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'bad-peer-id', String(error))
      }
    }
  }
})

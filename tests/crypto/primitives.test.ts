// Hashes, key derivation, X25519 and ChaCha20-Poly1305: outside vectors, and the providers against each other.

import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { EMPTY, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import * as fast from '../../lib/crypto/native.ts'
import * as portable from '../../lib/crypto/noble.ts'
import { noble } from '../../lib/crypto/noble.ts'
import * as sodium from '../../lib/crypto/sodium.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'
import { others, providers, skipWithoutSodium } from './providers.ts'
import { seeded } from './seeded.ts'

interface Wycheproof<T> {
  testGroups: (T & { tests: (Record<string, string> & { tcId: number; size: number })[] })[]
}

for (const [name, primitives] of providers) {
  test(`${name}: hashes and HMAC give the published answers`, () => {
    assert.equal(toHex(primitives.sha256(EMPTY)), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    assert.equal(
      toHex(primitives.sha512(utf8('abc'))),
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    )
    // RFC 4231, test case 2.
    assert.equal(
      toHex(primitives.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'))),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  test(`${name}: HKDF gives Wycheproof's answers`, { skip: skipWithout('wycheproof-hkdf_sha256_test.json') }, () => {
    const { testGroups } = outsideVectors('wycheproof-hkdf_sha256_test.json') as Wycheproof<object>
    let count = 0
    for (const one of testGroups.flatMap(({ tests }) => tests)) {
      count++
      const derive = (): Uint8Array =>
        primitives.hkdfSha256(fromHex(one.ikm!), fromHex(one.salt!), fromHex(one.info!), one.size)
      if (one.result === 'valid') assert.equal(toHex(derive()), one.okm, `case ${one.tcId}`)
      else assert.throws(derive, `case ${one.tcId}`)
    }
    assert.equal(count, 86)
  })

  test(`${name}: X25519 gives Wycheproof's answers`, { skip: skipWithout('wycheproof-x25519_test.json') }, () => {
    const { testGroups } = outsideVectors('wycheproof-x25519_test.json') as Wycheproof<object>
    let zero = 0
    for (const one of testGroups.flatMap(({ tests }) => tests)) {
      const shared = primitives.x25519(fromHex(one.private!), fromHex(one.public!))
      if (/^0+$/.test(one.shared!)) zero++
      assert.equal(shared === null ? '00'.repeat(32) : toHex(shared), one.shared, `case ${one.tcId}`)
    }
    assert.equal(zero, 31)
  })

  test(`${name}: X25519 keys of other lengths are refused as our own mistake`, () => {
    const key = new Uint8Array(32).fill(9)
    for (const wrong of [EMPTY, key.subarray(1), new Uint8Array(33)]) {
      assert.throws(() => primitives.x25519(wrong, key), TypeError)
      assert.throws(() => primitives.x25519(key, wrong), TypeError)
      assert.throws(() => primitives.x25519PublicKey(wrong), TypeError)
      assert.throws(() => primitives.x25519Pair(wrong), TypeError)
      assert.throws(() => primitives.x25519Pair(key).agree(wrong), TypeError)
      assert.throws(() => primitives.ed25519Signer(wrong), TypeError)
      assert.throws(() => primitives.aead(wrong), TypeError)
    }
  })

  test(`${name}: X25519 gives the keys of RFC 7748, section 6.1`, () => {
    const bob = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
    assert.equal(
      toHex(primitives.x25519PublicKey(bob)),
      'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    )
    const alicePublic = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    assert.equal(
      toHex(primitives.x25519(bob, alicePublic)!),
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    )
    const kept = bob.slice()
    const pair = primitives.x25519Pair(kept)
    kept.fill(0)
    assert.deepEqual(pair.publicKey, primitives.x25519PublicKey(bob))
    for (let time = 0; time < 2; time++) assert.deepEqual(pair.agree(alicePublic), primitives.x25519(bob, alicePublic))
    assert.equal(pair.agree(new Uint8Array(32)), null)
  })

  test(`${name}: nothing opens that was changed, and what is too short to hold a tag is null`, () => {
    const aead = primitives.aead(new Uint8Array(32).fill(3))
    const sealed = aead.seal(5, utf8('ad'), utf8('some text'))
    assert.deepEqual(aead.open(5, utf8('ad'), sealed), utf8('some text'))
    for (let i = 0; i < sealed.length; i++) {
      const bent = sealed.slice()
      bent[i]! ^= 0x10
      assert.equal(aead.open(5, utf8('ad'), bent), null)
      assert.equal(aead.open(5, utf8('ad'), sealed.subarray(0, i)), null)
    }
    assert.equal(aead.open(6, utf8('ad'), sealed), null)
    assert.equal(aead.open(5, EMPTY, sealed), null)
  })

  test(`${name}: a nonce that is no counter throws instead of being used`, () => {
    const aead = primitives.aead(new Uint8Array(32))
    for (const nonce of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => aead.seal(nonce, EMPTY, EMPTY), RangeError)
      assert.throws(() => aead.open(nonce, EMPTY, new Uint8Array(16)), RangeError)
      assert.throws(() => aead.sealInto(nonce, EMPTY, new Uint8Array(16), 0), RangeError)
    }
  })

  test(`${name}: sealInto writes what seal returns, at its place and nowhere else`, () => {
    const aead = primitives.aead(new Uint8Array(32).fill(4))
    for (const at of [0, 1, 2, 3, 7]) {
      const into = new Uint8Array(64).fill(0xaa)
      const end = aead.sealInto(9, utf8('plain'), into, at)
      assert.equal(end, at + 21)
      assert.deepEqual(into.slice(at, end), aead.seal(9, EMPTY, utf8('plain')))
      assert.ok(
        into.subarray(0, at).every((byte) => byte === 0xaa) && into.subarray(end).every((byte) => byte === 0xaa),
      )
    }
  })

  test(`${name}: answers are plain arrays of their own`, () => {
    const aead = primitives.aead(new Uint8Array(32))
    const key = new Uint8Array(32).fill(7)
    const answers = [
      primitives.sha256(key),
      primitives.sha512(key),
      primitives.hmacSha256(key, key),
      primitives.hkdfSha256(key, key, key, 40),
      primitives.x25519PublicKey(key),
      primitives.x25519(key, primitives.x25519PublicKey(key)),
      primitives.ed25519Signer(key).publicKey,
      primitives.ed25519Signer(key).sign(key),
      aead.seal(0, EMPTY, key),
      aead.open(0, EMPTY, aead.seal(0, EMPTY, key)),
    ]
    for (const answer of answers) {
      assert.equal(Object.getPrototypeOf(answer), Uint8Array.prototype)
      assert.ok(answer!.buffer.byteLength <= answer!.length + 16, 'no slice of a pool')
    }
  })
}

test("AEAD gives Wycheproof's answers", { skip: skipWithout('wycheproof-chacha20_poly1305_test.json') }, () => {
  const { testGroups } = outsideVectors('wycheproof-chacha20_poly1305_test.json') as Wycheproof<{ ivSize: number }>
  const counts = { otherNonceSizes: 0, run: 0 }
  for (const { ivSize, tests } of testGroups) {
    for (const one of tests) {
      // There is no way to hand a provider a nonce that is not 12 bytes long.
      if (ivSize !== 96) {
        counts.otherNonceSizes++
        continue
      }
      counts.run++
      const [key, nonce, ad, text] = [fromHex(one.key!), fromHex(one.iv!), fromHex(one.aad!), fromHex(one.msg!)]
      const sealed = fromHex(one.ct! + one.tag!)
      const expected = one.result === 'valid' ? text : null
      const secret = createSecretKey(key)
      assert.deepEqual(portable.openWithNonce(key, nonce, ad, sealed), expected, `case ${one.tcId}`)
      assert.deepEqual(fast.openWithNonce(secret, nonce, ad, sealed), expected, `case ${one.tcId}`)
      if (sodium.binding !== null) {
        const plain = new Uint8Array(sealed.length - 16)
        const isGenuine = sodium.openWithNonce(sodium.binding, key, nonce, ad, sealed, plain)
        assert.deepEqual(isGenuine ? plain : null, expected, `case ${one.tcId}`)
      }
      if (expected === null) continue
      const into = new Uint8Array(sealed.length)
      assert.equal(fast.sealWithNonce(secret, nonce, ad, text, into, 0), sealed.length)
      assert.deepEqual(into, sealed)
      assert.deepEqual(portable.sealWithNonce(key, nonce, ad, text), sealed)
      if (sodium.binding === null) continue
      into.fill(0)
      sodium.sealWithNonce(sodium.binding, key, nonce, ad, text, into)
      assert.deepEqual(into, sealed)
    }
  }
  assert.deepEqual(counts, { otherNonceSizes: 9, run: 316 })
})

for (const [name, other] of others) {
  test(`${name} agrees with the portable provider on random inputs`, () => {
    const random = seeded(21)
    for (let round = 0; round < 40; round++) {
      const [key, data, info] = [random.bytes(32), random.bytes(random.below(300)), random.bytes(random.below(80))]
      for (const hash of ['sha256', 'sha512'] as const) assert.deepEqual(noble[hash](data), other[hash](data))
      const length = 1 + random.below(200)
      assert.deepEqual(noble.hmacSha256(info, data), other.hmacSha256(info, data))
      assert.deepEqual(noble.hkdfSha256(data, info, key, length), other.hkdfSha256(data, info, key, length))
      const theirs = random.bytes(32)
      assert.deepEqual(noble.x25519PublicKey(key), other.x25519PublicKey(key))
      assert.deepEqual(noble.x25519(key, theirs), other.x25519(key, theirs))
      assert.deepEqual(noble.x25519Pair(key).publicKey, other.x25519Pair(key).publicKey)
      assert.deepEqual(noble.x25519Pair(key).agree(theirs), other.x25519Pair(key).agree(theirs))
      const [a, b] = [noble.aead(key), other.aead(key)]
      const nonce = random.below(2 ** 32) * random.below(2 ** 21)
      const sealed = a.seal(nonce, info, data)
      assert.deepEqual(b.seal(nonce, info, data), sealed)
      assert.deepEqual(b.open(nonce, info, sealed), data)
      assert.deepEqual(a.open(nonce, info, sealed), data)
    }
  })

  test(`${name} agrees on hashes and records of every length around those where its way changes`, () => {
    const random = seeded(22)
    const key = random.bytes(32)
    const [a, b] = [noble.aead(key), other.aead(key)]
    for (const length of [
      0, 1, 63, 64, 511, 512, 513, 1_023, 1_024, 4_095, 4_096, 4_097, 16_367, 16_368, 16_369, 16_384, 16_385, 65_519,
    ]) {
      const data = random.bytes(length)
      assert.deepEqual(noble.sha256(data), other.sha256(data), `${length} bytes`)
      const sealed = a.seal(length, EMPTY, data)
      const into = new Uint8Array(sealed.length + 7)
      assert.equal(b.sealInto(length, data, into, 3), sealed.length + 3)
      assert.deepEqual(into.subarray(3, -4), sealed, `${length} bytes`)
      assert.deepEqual(into.subarray(-4), new Uint8Array(4), 'nothing behind it is touched')
      assert.deepEqual(b.open(length, EMPTY, sealed), data, `${length} bytes`)
      for (const aead of [a, b]) {
        const room = new Uint8Array(length + 2)
        assert.equal(aead.openInto(length, sealed, room.subarray(1, -1)), true)
        assert.deepEqual(room.subarray(1, -1), data, `${length} bytes`)
        assert.deepEqual([room[0], room.at(-1)], [0, 0], 'nothing beside it is touched')
        assert.equal(aead.openInto(length + 1, sealed, room.subarray(1, -1)), false)
      }
    }
  })

  test(`${name} agrees on the longest and the shortest HKDF outputs, and an info of over a kilobyte`, () => {
    const info = new Uint8Array(2_000).fill(5)
    for (const length of [1, 32, 33, 8_160]) {
      assert.deepEqual(noble.hkdfSha256(EMPTY, EMPTY, info, length), other.hkdfSha256(EMPTY, EMPTY, info, length))
    }
    assert.throws(() => noble.hkdfSha256(EMPTY, EMPTY, EMPTY, 8_161))
    assert.throws(() => other.hkdfSha256(EMPTY, EMPTY, EMPTY, 8_161))
  })

  test(`${name} agrees at the nonces where an encoding could slip, before and after rekeying`, () => {
    const key = new Uint8Array(32).fill(6)
    const text = utf8('border')
    let [a, b] = [noble.aead(key), other.aead(key)]
    for (let times = 0; times < 3; times++) {
      for (const nonce of [0, 1, 255, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]) {
        const sealed = a.seal(nonce, EMPTY, text)
        assert.deepEqual(b.seal(nonce, EMPTY, text), sealed)
        assert.deepEqual(b.open(nonce, EMPTY, sealed), text)
      }
      ;[a, b] = [a.rekeyed(), b.rekeyed()]
    }
  })
}

test('what libsodium would write beyond its place is not asked of it', { skip: skipWithoutSodium }, () => {
  const aead = sodium.sodium.aead!(new Uint8Array(32))
  const sealed = aead.seal(0, EMPTY, new Uint8Array(100).fill(1))
  for (const length of [0, 99, 101]) {
    const place = new Uint8Array(length)
    assert.throws(() => aead.openInto(0, sealed, place), RangeError)
    assert.deepEqual(place, new Uint8Array(length))
  }
  assert.throws(() => aead.sealInto(0, new Uint8Array(100), new Uint8Array(115), 0), RangeError)
})

test('rekeying twice is not rekeying once, and leaves the old cipher as it was', () => {
  for (const [, primitives] of providers) {
    const first = primitives.aead(new Uint8Array(32).fill(8))
    const before = toHex(first.seal(0, EMPTY, EMPTY))
    const second = first.rekeyed()
    const all = [first, second, second.rekeyed()].map((aead) => toHex(aead.seal(0, EMPTY, EMPTY)))
    assert.equal(new Set(all).size, 3)
    assert.equal(all[0], before)
  }
})

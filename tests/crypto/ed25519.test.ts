// One verdict on every signature, the crafted ones included: S < L and encode([S]B - [k]A) = R, in all providers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { concatBytes, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'
import { others, providers } from './providers.ts'
import { seeded } from './seeded.ts'

const { Point } = ed25519
const L = Point.CURVE().n
const TORSION = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex, true))

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0')).reverse()
}

function challenge(R: Uint8Array, A: Uint8Array, message: Uint8Array): bigint {
  const digest = noble.sha512(concatBytes(R, A, message)).reverse()
  return BigInt(`0x${toHex(digest)}`) % L
}

/** All providers' answer; it must be one. */
function verdict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const portable = noble.ed25519Verify(publicKey, message, signature)
  for (const [name, { ed25519Verify }] of others) {
    const answer = ed25519Verify(publicKey, message, signature)
    assert.equal(answer, portable, `${name} differs on ${toHex(publicKey)} ${toHex(message)} ${toHex(signature)}`)
  }
  return portable
}

interface SignatureVector {
  name: string
  seed: string
  publicKey: string
  message: string
  signature: string
}

test('the signatures of RFC 8032 come out and verify', { skip: skipWithout('ed25519-rfc8032.json') }, () => {
  const { vectors } = outsideVectors('ed25519-rfc8032.json') as { vectors: SignatureVector[] }
  assert.equal(vectors.length, 5)
  for (const vector of vectors) {
    for (const [name, primitives] of providers) {
      const signer = primitives.ed25519Signer(fromHex(vector.seed))
      assert.equal(toHex(signer.publicKey), vector.publicKey, name)
      assert.equal(toHex(signer.sign(fromHex(vector.message))), vector.signature, name)
    }
    assert.equal(verdict(fromHex(vector.publicKey), fromHex(vector.message), fromHex(vector.signature)), true)
  }
})

test('every Wycheproof signature is judged as it should be', {
  skip: skipWithout('wycheproof-ed25519_test.json'),
}, () => {
  const { testGroups } = outsideVectors('wycheproof-ed25519_test.json') as {
    testGroups: { publicKey: { pk: string }; tests: { tcId: number; msg: string; sig: string; result: string }[] }[]
  }
  let count = 0
  for (const { publicKey, tests } of testGroups) {
    for (const { tcId, msg, sig, result } of tests) {
      count++
      assert.equal(verdict(fromHex(publicKey.pk), fromHex(msg), fromHex(sig)), result === 'valid', `case ${tcId}`)
    }
  }
  assert.equal(count, 151)
})

test('the speccheck cases are judged by the one equation', {
  skip: skipWithout('ed25519-speccheck-cases.json'),
}, () => {
  const cases = outsideVectors('ed25519-speccheck-cases.json') as Record<'message' | 'pub_key' | 'signature', string>[]
  const verdicts = cases.map((one) => verdict(fromHex(one.pub_key), fromHex(one.message), fromHex(one.signature)))
  // 0 to 3: small or mixed order, cofactorless equation holds. 4, 5: only the cofactored one does. 6, 7: S is not below L.
  // 8, 9: R is not canonical. 10, 11: A is not; in 11 the equation holds over the bytes as they came.
  assert.deepEqual(verdicts, [true, true, true, true, false, false, false, false, false, false, false, true])
})

test('wrong lengths are false and never throw', () => {
  const signer = noble.ed25519Signer(new Uint8Array(32).fill(1))
  const message = utf8('hello')
  const signature = signer.sign(message)
  for (let length = 0; length <= 64; length++) {
    assert.equal(verdict(signer.publicKey, message, signature.subarray(0, length)), length === 64)
    if (length !== 32) {
      assert.equal(verdict(concatBytes(signer.publicKey, signature).subarray(0, length), message, signature), false)
    }
  }
  assert.equal(verdict(signer.publicKey, message, concatBytes(signature, Uint8Array.of(0))), false)
})

test('a signature with one flipped bit is refused, wherever the bit is', () => {
  const random = seeded(11)
  const signer = noble.ed25519Signer(random.bytes(32))
  const message = random.bytes(77)
  const signature = signer.sign(message)
  assert.equal(verdict(signer.publicKey, message, signature), true)
  for (let i = 0; i < 64; i++) {
    const bent = signature.slice()
    bent[i]! ^= 1 << random.below(8)
    assert.equal(verdict(signer.publicKey, message, bent), false)
  }
})

test('S with L added to it is refused', () => {
  const signer = noble.ed25519Signer(new Uint8Array(32).fill(2))
  const message = utf8('malleable')
  const signature = signer.sign(message)
  const S = BigInt(`0x${toHex(signature.slice(32).reverse())}`)
  for (let times = 1n; S + times * L < 1n << 256n; times++) {
    assert.equal(
      verdict(signer.publicKey, message, concatBytes(signature.subarray(0, 32), littleEndian(S + times * L))),
      false,
    )
  }
})

test('R with torsion is refused although the cofactored equation holds', () => {
  const random = seeded(12)
  for (const torsion of TORSION) {
    const a = BigInt(`0x${toHex(random.bytes(31))}`)
    const r = BigInt(`0x${toHex(random.bytes(31))}`)
    const A = Point.BASE.multiply(a).toBytes()
    const R = Point.BASE.multiply(r).add(torsion).toBytes()
    const message = random.bytes(20)
    const k = challenge(R, A, message)
    const signature = concatBytes(R, littleEndian((r + k * a) % L))
    assert.equal(verdict(A, message, signature), torsion.is0())
    assert.equal(
      ed25519.verify(signature, message, A, { zip215: true }),
      true,
      'the crafted signature is the intended one',
    )
  }
})

test('A with torsion is accepted exactly when k makes the torsion vanish', () => {
  const random = seeded(13)
  const seen = { true: 0, false: 0 }
  for (const torsion of TORSION) {
    for (let round = 0; round < 12; round++) {
      const a = BigInt(`0x${toHex(random.bytes(31))}`)
      const r = BigInt(`0x${toHex(random.bytes(31))}`)
      const A = Point.BASE.multiply(a).add(torsion).toBytes()
      const R = Point.BASE.multiply(r).toBytes()
      const message = random.bytes(20)
      const k = challenge(R, A, message)
      const signature = concatBytes(R, littleEndian((r + k * a) % L))
      const vanishes = k % 8n === 0n || torsion.multiplyUnsafe(k % 8n).is0()
      assert.equal(verdict(A, message, signature), vanishes)
      seen[`${vanishes}`]++
    }
  }
  assert.ok(seen.true > 10 && seen.false > 10, 'both answers were met')
})

test('odd encodings of A and R get one verdict from all providers', () => {
  const p = 2n ** 255n - 19n
  const encodings: Uint8Array[] = []
  // All y from p to 2^255 - 1 (not reduced) and their small twins, each with and without the sign bit.
  for (let y = 0n; y < 19n; y++) {
    for (const value of [y, y + p, p - 1n - y]) {
      const plain = littleEndian(value)
      const signed = plain.slice()
      signed[31]! |= 0x80
      encodings.push(plain, signed)
    }
  }
  encodings.push(...TORSION.map((point) => point.toBytes()), new Uint8Array(32).fill(0xff))
  let accepted = 0
  for (const A of encodings) {
    for (const R of encodings.slice(0, 24).concat(A, ...TORSION.map((point) => point.toBytes()))) {
      if (verdict(A, utf8('odd'), concatBytes(R, new Uint8Array(32)))) accepted++
    }
  }
  assert.ok(accepted > 0, 'some of them verify, which is why admission is a question of its own')
})

test('random keys, messages and signatures get one verdict from all providers', () => {
  const random = seeded(14)
  for (let round = 0; round < 60; round++) {
    const seed = random.bytes(32)
    const message = random.bytes(random.below(200))
    const a = noble.ed25519Signer(seed)
    const signature = a.sign(message)
    for (const [name, { ed25519Signer }] of others) {
      const b = ed25519Signer(seed)
      assert.deepEqual(a.publicKey, b.publicKey, name)
      assert.deepEqual(b.sign(message), signature, name)
    }
    assert.equal(verdict(a.publicKey, message, signature), true)
    assert.equal(verdict(random.bytes(32), message, signature), false)
    assert.equal(verdict(a.publicKey, message, random.bytes(64)), false)
  }
})

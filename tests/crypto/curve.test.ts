import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { isReduced, x25519FromEd25519 } from '../../lib/crypto/curve.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { providers } from './providers.ts'
import { seeded } from './seeded.ts'

const { Point } = ed25519
const P = 2n ** 255n - 19n

/** What `acceptableX25519Key` decides, the long way: multiplied by the order of the base point, nothing may be left. */
function isAcceptableByDefinition(publicKey: Uint8Array): boolean {
  try {
    const point = Point.fromBytes(publicKey, false)
    return !point.isSmallOrder() && point.isTorsionFree()
  } catch {
    return false
  }
}

/** By all providers, which must agree. */
function isAcceptablePoint(publicKey: Uint8Array): boolean {
  const [first, ...rest] = providers.map(([, primitives]) => primitives.acceptableX25519Key(publicKey))
  for (const other of rest) assert.deepEqual(first, other)
  if (first !== null) assert.deepEqual(first, x25519FromEd25519(publicKey))
  return first! !== null
}

function encoded(y: bigint, sign: 0 | 1): Uint8Array {
  const bytes = fromHex(y.toString(16).padStart(64, '0')).reverse()
  bytes[31]! |= sign << 7
  return bytes
}

test('the keys of seeds are acceptable, and so are their negatives', () => {
  const random = seeded(31)
  for (let round = 0; round < 10; round++) {
    const { publicKey } = noble.ed25519Signer(random.bytes(32))
    assert.equal(isAcceptablePoint(publicKey), true)
    const negative = publicKey.slice()
    negative[31]! ^= 0x80
    assert.equal(isAcceptablePoint(negative), true)
    assert.deepEqual(x25519FromEd25519(negative), x25519FromEd25519(publicKey))
  }
})

test('no point of small order is acceptable', () => {
  for (const hex of ED25519_TORSION_SUBGROUP) assert.equal(isAcceptablePoint(fromHex(hex)), false, hex)
})

test('no point with torsion is acceptable', () => {
  const { publicKey } = noble.ed25519Signer(new Uint8Array(32).fill(1))
  for (const hex of ED25519_TORSION_SUBGROUP) {
    const torsion = Point.fromHex(hex, true)
    const point = Point.fromBytes(publicKey).add(torsion)
    assert.equal(isAcceptablePoint(point.toBytes()), torsion.is0(), hex)
  }
})

test('no encoding that is not canonical is acceptable', () => {
  for (let y = P; y < 2n ** 255n; y++) {
    assert.equal(isAcceptablePoint(encoded(y, 0)), false)
    assert.equal(isAcceptablePoint(encoded(y, 1)), false)
    assert.equal(x25519FromEd25519(encoded(y, 0)), null)
  }
  assert.equal(isAcceptablePoint(encoded(1n, 1)), false)
  assert.equal(isAcceptablePoint(encoded(P - 1n, 1)), false)
})

test('what is reduced is told from the bytes', () => {
  for (const sign of [0, 1] as const) {
    for (const y of [0n, 1n, P / 2n, P - 2n ** 200n, P - 256n, P - 20n, P - 1n]) assert.ok(isReduced(encoded(y, sign)))
    for (let y = P; y < 2n ** 255n; y++) assert.ok(!isReduced(encoded(y, sign)))
  }
})

test('what is not on the curve, or not 32 bytes, is not acceptable', () => {
  assert.equal(isAcceptablePoint(encoded(2n, 0)), false)
  for (const length of [0, 1, 31, 33, 64]) assert.equal(isAcceptablePoint(new Uint8Array(length).fill(5)), false)
})

test('y = 1 has no X25519 key', () => {
  assert.equal(x25519FromEd25519(encoded(1n, 0)), null)
  assert.equal(x25519FromEd25519(encoded(1n, 1)), null)
  assert.equal(toHex(x25519FromEd25519(encoded(P - 1n, 0))!), '00'.repeat(32))
})

test('the map gives the X25519 key of the clamped hash of the seed', () => {
  const random = seeded(32)
  for (let round = 0; round < 10; round++) {
    const seed = random.bytes(32)
    const privateKey = noble.sha512(seed).slice(0, 32)
    assert.deepEqual(x25519FromEd25519(noble.ed25519Signer(seed).publicKey), noble.x25519PublicKey(privateKey))
  }
})

test('the key of RFC 8032, section 7.1, test 1 maps to a known one', () => {
  const publicKey = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  assert.equal(toHex(x25519FromEd25519(publicKey)!), 'd85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e')
})

test('one X25519 operation decides as multiplying by the order of the base point does', () => {
  const random = seeded(34)
  const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex, true))
  let acceptable = 0
  let refused = 0
  for (let round = 0; round < 12; round++) {
    const point = Point.fromBytes(noble.ed25519Signer(random.bytes(32)).publicKey)
    const mixed = point.add(torsion[round % torsion.length]!)
    for (const bytes of [mixed.toBytes(), mixed.negate().toBytes(), random.bytes(32), encoded(BigInt(round), 0)]) {
      const isAcceptable = isAcceptableByDefinition(bytes)
      assert.equal(isAcceptablePoint(bytes), isAcceptable, toHex(bytes))
      if (isAcceptable) acceptable++
      else refused++
    }
  }
  assert.ok(acceptable > 0 && refused > 0)
})

test('the multiplier of that operation is -1 modulo the order of the base point, and clamping leaves it as it is', () => {
  const n = 5n * Point.CURVE().n - 1n
  assert.equal((n + 1n) % Point.CURVE().n, 0n)
  assert.equal(n % 8n, 0n)
  assert.equal(n >> 254n, 1n)
  // The twist has 4 times this prime many points. No n - 1 or n + 1 that it divides: no point of it is mapped to itself.
  const twist = 2n ** 253n - 55484635554744707071703875581767296995n
  for (const multiple of [n - 1n, n + 1n]) {
    assert.notEqual(multiple % twist, 0n)
    assert.equal(multiple % 2n, 1n)
  }
})

test('any 32 bytes get an answer', () => {
  const random = seeded(33)
  for (let round = 0; round < 60; round++) {
    const bytes = random.bytes(32)
    assert.equal(typeof isAcceptablePoint(bytes), 'boolean')
    const key = x25519FromEd25519(bytes)
    assert.ok(key === null || key.length === 32)
  }
})

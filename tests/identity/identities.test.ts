import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { primitives } from '../../lib/crypto/choose.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'

function publicKeyOf(number: number): Uint8Array {
  return noble.ed25519Signer(new Uint8Array(32).fill(number)).publicKey
}

test('an admitted identity has its id, its X25519 key and the hex of that', () => {
  const publicKey = publicKeyOf(1)
  const identity = new Identities().admit(publicKey)!
  assert.deepEqual(identity.publicKey, publicKey)
  assert.equal(identity.id, peerIdOf(publicKey))
  assert.deepEqual(identity.x25519Key, noble.x25519PublicKey(noble.sha512(new Uint8Array(32).fill(1)).slice(0, 32)))
  assert.equal(identity.key, toHex(identity.x25519Key))
})

test('the same key gives the same object, whatever array it comes in', () => {
  const identities = new Identities()
  const chunk = new Uint8Array(100)
  chunk.set(publicKeyOf(2), 7)
  assert.equal(identities.admit(chunk.subarray(7, 39)), identities.admit(publicKeyOf(2)))
})

test('an identity owns its bytes: those it was admitted from may change', () => {
  const given = publicKeyOf(3)
  const identity = new Identities().admit(given)!
  given.fill(0)
  assert.deepEqual(identity.publicKey, publicKeyOf(3))
  assert.equal(identity.publicKey.buffer.byteLength, 32)
})

test('a key and its negative are two ids with one key', () => {
  const identities = new Identities()
  const a = identities.admit(publicKeyOf(4))!
  const negative = publicKeyOf(4)
  negative[31]! ^= 0x80
  const b = identities.admit(negative)!
  assert.notEqual(a.id, b.id)
  assert.equal(a.key, b.key)
})

test('what is no acceptable point is refused, and refused again', () => {
  const identities = new Identities()
  const bad = [...ED25519_TORSION_SUBGROUP.map(fromHex), new Uint8Array(32).fill(0xff), new Uint8Array(32).fill(2)]
  for (const publicKey of [...bad, ...bad]) assert.equal(identities.admit(publicKey), null)
  for (const length of [0, 31, 33, 64]) assert.equal(identities.admit(new Uint8Array(length)), null)
})

test('the cache forgets what was unused for longest, and a forgotten key is admitted anew', () => {
  const identities = new Identities(2)
  const [a, b] = [identities.admit(publicKeyOf(5)), identities.admit(publicKeyOf(6))]
  assert.equal(identities.admit(publicKeyOf(5)), a)
  identities.admit(publicKeyOf(7))
  assert.equal(identities.admit(publicKeyOf(5)), a)
  const again = identities.admit(publicKeyOf(6))
  assert.notEqual(again, b)
  assert.deepEqual(again!.publicKey, b!.publicKey)
})

test('a flood of refused keys does not push admitted ones out', () => {
  const identities = new Identities(1)
  const identity = identities.admit(publicKeyOf(8))
  let refused = 0
  for (let i = 0; refused < 1_100; i++) {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setUint32(4, i)
    if (primitives.acceptableX25519Key(bytes) !== null) continue
    assert.equal(identities.admit(bytes), null)
    refused++
  }
  assert.equal(identities.admit(publicKeyOf(8)), identity)
})

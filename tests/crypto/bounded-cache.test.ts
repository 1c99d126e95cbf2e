import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedCache } from '../../lib/crypto/bounded-cache.ts'
import { native, VERIFY_KEYS_MAX, verifyKeysCached } from '../../lib/crypto/native.ts'
import { seeded } from './seeded.ts'

test('a full cache drops what was used longest ago', () => {
  const cache = new BoundedCache<string, number>(3)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.set('c', 3)
  assert.equal(cache.get('a'), 1)
  cache.set('d', 4)
  assert.equal(cache.get('b'), undefined)
  assert.deepEqual(
    ['a', 'c', 'd'].map((key) => cache.get(key)),
    [1, 3, 4],
  )
  assert.equal(cache.size, 3)
})

test('setting a key again replaces its value and takes no second place', () => {
  const cache = new BoundedCache<string, number>(2)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.set('a', 3)
  assert.equal(cache.size, 2)
  assert.equal(cache.get('a'), 3)
  assert.equal(cache.get('b'), 2)
})

test('a cache of no entries is refused', () => {
  for (const entriesMax of [0, -1, 1.5, Number.NaN]) assert.throws(() => new BoundedCache(entriesMax), RangeError)
})

const skip = native.ed25519Verify === undefined ? 'this Node has no native Ed25519' : false

test('the native provider keeps no more public keys than its bound', { skip }, () => {
  const random = seeded(41)
  const signature = new Uint8Array(64)
  for (let i = 0; i < VERIFY_KEYS_MAX + 50; i++) native.ed25519Verify!(random.bytes(32), signature, signature)
  assert.equal(verifyKeysCached(), VERIFY_KEYS_MAX)
})

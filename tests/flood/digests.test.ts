import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { concatBytes, toHex } from '../../lib/bytes.ts'
import { primitives } from '../../lib/crypto/choose.ts'
import { BUCKETS, DIGEST_BYTES, Digests } from '../../lib/flood/digests.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { keyBytes } from '../../lib/flood/repair-frames.ts'
import { seeded } from '../crypto/seeded.ts'
import { plainOriginKey } from './fake-store.ts'

type Content = Map<string, Map<number, number[]>>

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function number(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.floor(value / 256 ** (length - 1 - i)) % 256)
}

/** All 256, as docs/protocol.md has them, worked out anew. */
function slowDigests(content: Content): string[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => {
    const parts: Uint8Array[] = []
    for (const key of Array.from(content.keys()).sort((a, b) => Buffer.compare(keyBytes(a), keyBytes(b)))) {
      if (sha256(keyBytes(key))[0] !== bucket) continue
      parts.push(keyBytes(key))
      for (const [epoch, ranges] of Array.from(content.get(key)!).sort(([a], [b]) => a - b)) {
        parts.push(number(epoch, 8), number(ranges.length / 2, 4), ...ranges.map((bound) => number(bound, 8)))
      }
    }
    return parts.length === 0 ? '00'.repeat(16) : toHex(sha256(concatBytes(...parts)).subarray(0, 16))
  })
}

function allOf(digests: Digests): string[] {
  while (digests.settle(7) >= 7);
  return Array.from({ length: BUCKETS }, (_, bucket) => {
    const out = new Uint8Array(DIGEST_BYTES + 2)
    digests.digest(bucket, out, 1)
    return toHex(out.subarray(1, 17))
  })
}

test('they are what the protocol says, after every kind of change', () => {
  const random = seeded(7)
  const holdings = new Holdings()
  const digests = new Digests(holdings, primitives)
  assert.deepEqual(allOf(digests), slowDigests(new Map()))
  const content: Content = new Map()
  for (let step = 0; step < 400; step++) {
    const key = plainOriginKey(random.below(60) * 997)
    const epoch = random.below(3) * 2 ** 50 + 1
    const first = random.below(50) * 2 ** 40
    const last = first + random.below(10)
    if (random.below(3) > 0) holdings.add(key, epoch, first, last)
    else holdings.remove(key, epoch, first, last)
    const epochs = content.get(key) ?? new Map<number, number[]>()
    const ranges = holdings.ranges(key, epoch)
    if (ranges.length > 0) epochs.set(epoch, ranges)
    else epochs.delete(epoch)
    if (epochs.size > 0) content.set(key, epochs)
    else content.delete(key)
    if (step % 20 === 19) assert.deepEqual(allOf(digests), slowDigests(content), `step ${step}`)
  }
})

test('a bucket lists its origins in ascending order, and those alone that are held', () => {
  const holdings = new Holdings()
  const digests = new Digests(holdings, primitives)
  for (let i = 0; i < 3_000; i++) holdings.add(plainOriginKey(i), 1, 0, 0)
  for (let i = 0; i < 3_000; i += 2) holdings.remove(plainOriginKey(i), 1, 0, 0)
  allOf(digests)
  let count = 0
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const keys = digests.origins(bucket).map(({ key }) => key)
    count += keys.length
    assert.deepEqual(keys, keys.slice().sort())
    for (const key of keys) assert.equal(digests.bucketOf(keyBytes(key)), bucket)
  }
  assert.equal(count, 1_500)
})

test('taking notice of many origins goes in steps of about what was asked for', () => {
  const holdings = new Holdings()
  const digests = new Digests(holdings, primitives)
  for (let i = 0; i < 1_000; i++) holdings.add(plainOriginKey(i), 1, 0, 0)
  const costs: number[] = []
  while ((costs.at(-1) ?? 300) >= 300) costs.push(digests.settle(300))
  assert.deepEqual(costs, [300, 300, 300, 100])
})

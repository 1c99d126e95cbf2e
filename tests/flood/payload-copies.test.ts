import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OWN_BUFFER_BYTES, PayloadCopies, plainView } from '../../lib/flood/payload-copies.ts'
import { seeded } from '../crypto/seeded.ts'

test('a copy has the bytes that were asked for and shares none with the source', () => {
  const copies = new PayloadCopies()
  const source = Uint8Array.of(1, 2, 3, 4, 5)
  const copy = copies.copy(source, 1, 4)
  source.fill(9)
  assert.deepEqual(copy, Uint8Array.of(2, 3, 4))
})

test('changing one copy changes no other', () => {
  const random = seeded(8)
  const copies = new PayloadCopies()
  const source = random.bytes(5_000)
  const kept: { copy: Uint8Array; expected: Uint8Array }[] = []
  for (let i = 0; i < 400; i++) {
    const start = random.below(3_000)
    const end = start + random.below(i % 10 === 0 ? 2_000 : 60)
    const copy = copies.copy(source, start, end)
    copy.fill(i)
    kept.push({ copy, expected: new Uint8Array(end - start).fill(i) })
  }
  for (const { copy, expected } of kept) assert.deepEqual(copy, expected)
})

test('a small payload that is kept holds at most one slab, a large one itself alone', () => {
  const copies = new PayloadCopies()
  const source = new Uint8Array(100_000)
  assert.equal(copies.copy(source, 0, OWN_BUFFER_BYTES).buffer.byteLength, OWN_BUFFER_BYTES)
  for (let i = 0; i < 50; i++) {
    assert.ok(copies.copy(source, 0, OWN_BUFFER_BYTES - 1).buffer.byteLength <= 8_192)
  }
})

test('copies are plain Uint8Arrays, also of a Buffer', () => {
  for (const length of [3, OWN_BUFFER_BYTES]) {
    const copy = new PayloadCopies().copy(Buffer.alloc(length, 7), 0, length)
    assert.equal(Object.getPrototypeOf(copy), Uint8Array.prototype)
    assert.equal(copy.length, length)
  }
  assert.equal(Object.getPrototypeOf(plainView(Buffer.alloc(4), 1, 3)), Uint8Array.prototype)
})

test('a view lies where it was asked for', () => {
  const source = Uint8Array.of(0, 1, 2, 3, 4, 5).subarray(1)
  assert.deepEqual(plainView(source, 1, 3), Uint8Array.of(2, 3))
})

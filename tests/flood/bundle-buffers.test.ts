import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BundleBuffers, receivedBuffer } from '../../lib/flood/bundle-buffers.ts'

test('a buffer comes back when its last holder has released it, and not before', () => {
  const buffers = new BundleBuffers()
  const first = buffers.take(1_000)
  first.hold()
  first.release()
  const second = buffers.take(1_000)
  assert.notEqual(second.bytes, first.bytes)
  first.release()
  assert.equal(buffers.take(900).bytes, first.bytes)
  assert.notEqual(buffers.take(900).bytes, first.bytes)
})

test('a buffer is not given out for much less than it holds, nor for more', () => {
  const buffers = new BundleBuffers()
  const large = buffers.take(100_000)
  large.release()
  assert.notEqual(buffers.take(100).bytes, large.bytes)
  assert.notEqual(buffers.take(100_001).bytes, large.bytes)
  assert.equal(buffers.take(50_000).bytes, large.bytes)
})

test('releasing more often than holding is a broken invariant', () => {
  const buffer = new BundleBuffers().take(10)
  buffer.release()
  assert.throws(() => buffer.release(), /released more often/)
})

test('no more than 4 MiB are kept', () => {
  const buffers = new BundleBuffers()
  const taken = Array.from({ length: 6 }, () => buffers.take(1_048_576))
  for (const buffer of taken) buffer.release()
  const again = Array.from({ length: 6 }, () => buffers.take(1_048_576).bytes)
  assert.equal(again.filter((bytes) => taken.some((buffer) => buffer.bytes === bytes)).length, 4)
})

test('what was left to its readers does not come back when the last holder has released it', () => {
  const buffers = new BundleBuffers()
  const left = buffers.take(1_000)
  left.leave()
  left.release()
  assert.notEqual(buffers.take(1_000).bytes, left.bytes)
  const body = new Uint8Array(20_000)
  const buffer = receivedBuffer(body)!
  buffer.hold()
  buffer.leave()
  buffer.release()
  buffer.release()
  assert.equal(body.length, 20_000)
})

test('what was received is given back when it is large and a buffer of its own', () => {
  const body = new Uint8Array(20_000)
  receivedBuffer(body)!.release()
  assert.equal(body.length, 0)
  assert.equal(receivedBuffer(new Uint8Array(1_000)), null)
  assert.equal(receivedBuffer(new Uint8Array(40_000).subarray(1)), null)
})

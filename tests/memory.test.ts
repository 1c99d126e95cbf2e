import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bufferMade, giveBack, heldElements } from '../lib/memory.ts'

test('however many buffers are made, one array is held at a time', () => {
  for (let i = 0; i < 1_000; i++) bufferMade(65_519)
  assert.equal(heldElements(), 8_192)
})

test('the memory of a buffer is freed at once, and every view of it is empty', () => {
  const buffer = new ArrayBuffer(100_000)
  const [whole, part] = [new Uint8Array(buffer), new Uint8Array(buffer, 10, 20)]
  giveBack(whole)
  assert.deepEqual([buffer.byteLength, whole.length, part.length], [0, 0, 0])
})

test('a hundred gigabytes can be made and given back', () => {
  for (let i = 0; i < 100_000; i++) giveBack(new Uint8Array(Buffer.allocUnsafeSlow(1_048_576).buffer))
  assert.ok(process.memoryUsage.rss() < 1_000_000_000)
})

test('a part of a larger buffer is left alone', () => {
  const buffer = new ArrayBuffer(64)
  giveBack(new Uint8Array(buffer, 0, 63))
  giveBack(new Uint8Array(buffer, 1))
  giveBack(Buffer.from('cut from the pool of Node'))
  assert.equal(buffer.byteLength, 64)
  giveBack(new Uint8Array(new SharedArrayBuffer(8)))
})

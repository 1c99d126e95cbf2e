import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeRandom } from '../../lib/io/random.ts'

test('bytes are a plain Uint8Array of its own, of the length asked for, and differ each time', () => {
  for (const length of [0, 1, 32, 65_536]) {
    const bytes = nodeRandom.bytes(length)
    assert.equal(bytes.length, length)
    assert.equal(bytes.buffer.byteLength, length)
    assert.equal(Buffer.isBuffer(bytes), false)
  }
  assert.notDeepEqual(nodeRandom.bytes(32), nodeRandom.bytes(32))
})

test('short requests do not share bytes, whatever their lengths', () => {
  const seen = new Set<string>()
  for (let i = 0; i < 2_000; i++) {
    const bytes = nodeRandom.bytes(8 + (i % 57))
    assert.equal(bytes.buffer.byteLength, bytes.length)
    seen.add(Buffer.from(bytes.subarray(0, 8)).toString('hex'))
    bytes.fill(0)
  }
  assert.equal(seen.size, 2_000)
})

test('a fraction is at least 0 and below 1', () => {
  for (let i = 0; i < 1000; i++) {
    const fraction = nodeRandom.fraction()
    assert.ok(fraction >= 0 && fraction < 1)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bufferMade, heldElements } from '../../lib/crypto/young-garbage.ts'

test('however many buffers are made, one array is held at a time', () => {
  for (let i = 0; i < 1_000; i++) bufferMade(65_519)
  assert.equal(heldElements(), 8_192)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { Outbox } from '../../lib/streams/outbox.ts'
import { seeded } from '../crypto/seeded.ts'

test('the pieces of a write come out in order, in portions of any size', () => {
  const random = seeded(9)
  const outbox = new Outbox()
  for (let round = 0; round < 500; round++) {
    const pieces = Array.from({ length: random.below(20) }, () =>
      random.bytes(random.below(random.below(2) * 9_000 + 10)),
    )
    outbox.fill(pieces)
    const whole = concatBytes(...pieces)
    assert.equal(outbox.bytes, whole.length)
    let got: Uint8Array = EMPTY
    while (outbox.bytes > 0) {
      const bytesMax = random.below(20_000) + 1
      const part = outbox.take(bytesMax)
      assert.ok(part.length > 0 && part.length <= bytesMax)
      got = concatBytes(got, part)
      assert.equal(outbox.bytes, whole.length - got.length)
    }
    assert.deepEqual(got, whole)
    assert.equal(outbox.take(100).length, 0)
  }
})

test('a large piece is not copied', () => {
  const outbox = new Outbox()
  const piece = new Uint8Array(100_000)
  outbox.fill([piece, Uint8Array.of(1)])
  const first = outbox.take(65_503)
  assert.equal(first.buffer, piece.buffer)
  assert.equal(first.length, 65_503)
  const second = outbox.take(65_503)
  assert.equal(second.buffer, piece.buffer)
  assert.equal(second.length, 100_000 - 65_503)
  assert.deepEqual(outbox.take(65_503), Uint8Array.of(1))
})

test('small pieces leave together', () => {
  const outbox = new Outbox()
  outbox.fill(Array.from({ length: 300 }, (_, i) => Uint8Array.of(i)))
  assert.equal(outbox.take(256).length, 256)
  assert.equal(outbox.take(65_503).length, 44)
  assert.equal(outbox.bytes, 0)
})

test('without credit nothing is taken', () => {
  const outbox = new Outbox()
  outbox.fill([Uint8Array.of(1)])
  assert.equal(outbox.take(0).length, 0)
  assert.equal(outbox.bytes, 1)
  outbox.clear()
  assert.equal(outbox.bytes, 0)
})

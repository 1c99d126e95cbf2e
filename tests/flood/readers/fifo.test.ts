import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fifo } from '../../../lib/flood/readers/fifo.ts'
import { seeded } from '../../crypto/seeded.ts'

test('what goes in comes out in its order, as a plain array has it, over many thousands', () => {
  const random = seeded(1)
  const fifo = new Fifo<{ n: number }>()
  const reference: { n: number }[] = []
  for (let n = 0; n < 50_000; n++) {
    // It grows first and shrinks later.
    if (random.below(256) < (n < 25_000 ? 160 : 96)) {
      const item = { n }
      fifo.push(item)
      reference.push(item)
    } else {
      assert.equal(fifo.shift(), reference.shift())
    }
    assert.equal(fifo.size, reference.length)
    assert.equal(fifo.peek(), reference[0])
  }
  fifo.clear()
  assert.equal(fifo.size, 0)
  assert.equal(fifo.shift(), undefined)
})

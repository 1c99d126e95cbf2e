import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Superseded } from '../../lib/neighbours/superseded.ts'

test('five duplicates with one neighbour within a minute are suspicious, and then it counts from the start', () => {
  const superseded = new Superseded()
  const happened = Array.from({ length: 11 }, (_, i) => superseded.happened('a', i * 1_000))
  assert.deepEqual(
    happened.flatMap((suspicious, i) => (suspicious ? [i] : [])),
    [4, 9],
  )
})

test('neighbours are counted apart, and what is older than a minute not at all', () => {
  const superseded = new Superseded()
  for (let i = 0; i < 40; i++) assert.equal(superseded.happened(`${i % 10}`, i * 10), false)
  for (let i = 0; i < 20; i++) assert.equal(superseded.happened('slow', 1_000 + i * 15_001), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Superseded } from '../../lib/neighbours/superseded.ts'

test('five duplicates with each of two neighbours within a minute are suspicious, and then it counts from the start', () => {
  const superseded = new Superseded()
  const happened = Array.from({ length: 22 }, (_, i) => superseded.happened(i % 2 === 0 ? 'a' : 'b', i * 1_000))
  assert.deepEqual(
    happened.flatMap((suspicious, i) => (suspicious ? [i] : [])),
    [9, 19],
  )
})

test('one neighbour alone is no reason for suspicion, however often it says so', () => {
  const superseded = new Superseded()
  for (let i = 0; i < 4; i++) assert.equal(superseded.happened('honest', i), false)
  for (let i = 0; i < 200; i++) assert.equal(superseded.happened('hostile', 10 + i), false)
  assert.equal(superseded.happened('honest', 220), true, 'until another has said so as often')
})

test('neighbours are counted apart, and what is older than a minute not at all', () => {
  const superseded = new Superseded()
  for (let i = 0; i < 40; i++) assert.equal(superseded.happened(`${i % 10}`, i * 10), false)
  for (let i = 0; i < 20; i++) assert.equal(superseded.happened(i % 2 ? 'slow' : 'slower', 1_000 + i * 7_501), false)
})

test('neighbours that come and go do not pile up', () => {
  const superseded = new Superseded()
  for (let i = 0; i < 4; i++) for (const key of ['a', 'b']) superseded.happened(key, i)
  for (let i = 0; i < 1_000; i++) assert.equal(superseded.happened(`passing ${i}`, 10), false)
  for (const key of ['a', 'b']) assert.equal(superseded.happened(key, 20), false, 'forgotten')
})

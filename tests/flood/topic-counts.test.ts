import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TOPICS_COUNTED_MAX, TopicCounts } from '../../lib/flood/topic-counts.ts'

test('messages and bytes add up by topic, those heard last first', () => {
  const counts = new TopicCounts()
  counts.note('a', 1, 10, 100)
  counts.note('b', 2, 20, 200)
  counts.note('a', 3, 30, 300)
  counts.note('c', 1, 0, 300)
  assert.deepEqual(counts.snapshot(1_000), [
    { topic: 'a', messages: 4, bytes: 40, lastMs: 700 },
    { topic: 'c', messages: 1, bytes: 0, lastMs: 700 },
    { topic: 'b', messages: 2, bytes: 20, lastMs: 800 },
  ])
})

test('the table is bounded, and made-up topics push out each other before those that are heard again', () => {
  const counts = new TopicCounts(16)
  for (let i = 0; i < 8; i++) counts.note(`real ${i}`, 1, 1, 0)
  for (let i = 0; i < 1_000; i++) {
    for (let j = 0; j < 8; j++) counts.note(`real ${j}`, 1, 1, i)
    counts.note(`made up ${i}`, 1, 1, i)
  }
  assert.equal(counts.size, 16)
  const topics = counts.snapshot(1_000).map(({ topic }) => topic)
  for (let i = 0; i < 8; i++) assert.ok(topics.includes(`real ${i}`))
  assert.ok(topics.includes('made up 999'))
})

test('at the bound a newcomer always finds a place, even when all are heard again and again', () => {
  const counts = new TopicCounts()
  for (let i = 0; i < TOPICS_COUNTED_MAX; i++) {
    counts.note(`${i}`, 1, 1, 0)
    counts.note(`${i}`, 1, 1, 0)
  }
  assert.equal(counts.size, TOPICS_COUNTED_MAX)
  counts.note('new', 1, 1, 0)
  assert.equal(counts.size, TOPICS_COUNTED_MAX)
  assert.ok(counts.snapshot(0).some(({ topic }) => topic === 'new'))
})

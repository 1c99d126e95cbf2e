import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READERS_MAX } from '../../../lib/flood/readers/readers.ts'
import { Shelf } from './shelf.ts'

test('an abort ends a reader, with a handler or iterated; aborted before, it never begins', async () => {
  const shelf = new Shelf()
  const controller = new AbortController()
  const { signal } = controller
  const heard: string[] = []
  const subscribe = (): void => {
    shelf.subscriptions.subscribe('t', (message) => heard.push(message.text()), 0, { since: 'stored', signal })
  }
  subscribe()
  const stream = shelf.subscriptions.stream('t', { since: 'stored', signal }, 0)
  shelf.arrive({ first: 0 })
  await shelf.settle()
  controller.abort()
  shelf.arrive({ first: 1 })
  subscribe()
  const never = shelf.subscriptions.stream('t', { durable: 'x', signal }, 0)
  await shelf.settle()
  const iterated: string[] = []
  for await (const message of stream) iterated.push(message.text())
  for await (const message of never) iterated.push(message.text())
  assert.deepEqual([heard, iterated], [['0'], ['0']])
  shelf.subscriptions.stream('t', { durable: 'x' }, 0)
})

test('leaving a loop ends its reader', async () => {
  const shelf = new Shelf()
  const stream = shelf.subscriptions.stream('t', { since: 'stored' }, 0)
  shelf.arrive({ first: 0, count: 5 })
  await shelf.settle()
  for await (const message of stream) {
    assert.equal(message.text(), '0')
    break
  }
  for await (const message of stream) assert.fail(message.text())
})

test('what is read out of the store counts as delivered', async () => {
  const shelf = new Shelf()
  shelf.subscriptions.subscribe('t', () => {}, 0, { since: 'stored' })
  shelf.arrive({ first: 10, count: 3 })
  await shelf.settle()
  assert.deepEqual(shelf.subscriptions.delivered, { messages: 3, bytes: 6 })
})

test('so many subscriptions read the store and not one more, until one ends', () => {
  const shelf = new Shelf()
  const one = (): { unsubscribe(): void } => shelf.subscriptions.subscribe('t', () => {}, 0, { since: 'stored' })
  const first = one()
  for (let i = 1; i < READERS_MAX; i++) one()
  assert.throws(one, { code: 'too-large' })
  first.unsubscribe()
  one()
})

test('a pattern that is none is refused, and its name stays free', () => {
  const shelf = new Shelf()
  assert.throws(() => shelf.subscriptions.stream('a+', { durable: 'x' }, 0), { code: 'bad-topic' })
  shelf.subscriptions.stream('a', { durable: 'x' }, 0)
})

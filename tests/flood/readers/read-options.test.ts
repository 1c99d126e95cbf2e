import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveSubscribeOptions } from '../../../lib/flood/readers/read-options.ts'
import type { SubscribeOptions } from '../../../lib/types.ts'

const EVERYTHING = { keepsBundles: true, isDurable: true }

function resolve(options: SubscribeOptions, storage = EVERYTHING): ReturnType<typeof resolveSubscribeOptions> {
  return resolveSubscribeOptions(options, storage)
}

test('without since, order and durable a subscription is a live one', () => {
  assert.deepEqual(resolve({}), { kind: 'live', queueMax: 10_000 })
  assert.deepEqual(resolve({ queueMax: 5, overflow: 'drop' }), { kind: 'live', queueMax: 5 })
})

test('with any of them it reads the store, and the rest has its defaults', () => {
  const defaults = {
    kind: 'read',
    since: null,
    order: 'arrival',
    gapTimeoutMs: 30_000,
    durable: null,
    ack: 'auto',
    queueMax: 10_000,
    overflow: 'pause',
  }
  assert.deepEqual(resolve({ order: 'arrival' }), defaults)
  assert.deepEqual(resolve({ since: 'stored', overflow: 'drop' }), {
    ...defaults,
    since: { kind: 'stored' },
    overflow: 'drop',
  })
  assert.deepEqual(resolve({ durable: 'x', ack: 'manual', queueMax: 1, order: 'origin', gapTimeoutMs: 5 }), {
    ...defaults,
    durable: 'x',
    ack: 'manual',
    queueMax: 1,
    order: 'origin',
    gapTimeoutMs: 5,
  })
})

const WRONG: readonly [SubscribeOptions, RegExp][] = [
  [{ since: 'later' }, /^since must be a time back such as 90s, .* 'retained'$/],
  [{ order: 'time' as 'origin' }, /^order must be 'arrival' or 'origin'/],
  [{ ack: 'never' as 'auto', durable: 'x' }, /^ack must be/],
  [{ overflow: 'grow' as 'drop' }, /^overflow must be/],
  [{ queueMax: 0 }, /^queueMax must be/],
  [{ queueMax: 1.5 }, /^queueMax must be/],
  [{ gapTimeoutMs: 0, order: 'origin' }, /^gapTimeoutMs must be/],
  [{ gapTimeoutMs: 86_400_001, order: 'origin' }, /^gapTimeoutMs must be/],
  [{ durable: '' }, /^durable must be a name of 1 to 128 bytes/],
  [{ durable: 'é'.repeat(65) }, /^durable must be/],
  [{ durable: 'a\0b' }, /^durable must be/],
  [{ durable: 'a\ud800' }, /^durable must be/],
  [{ durable: 7 as unknown as string }, /^durable must be/],
  [{ overflow: 'pause' }, /^overflow 'pause' needs since, order or durable/],
  [{ ack: 'manual' }, /^ack 'manual' needs durable/],
  [{ durable: 'x', overflow: 'drop' }, /exclude each other/],
  [{ durabel: 'x' } as SubscribeOptions, /^unknown subscription option durabel; known are since/],
  [null as unknown as SubscribeOptions, /must be an object/],
]
for (const [options, message] of WRONG) {
  test(`the options ${JSON.stringify(options)} are refused`, () => {
    assert.throws(() => resolve(options), { code: 'bad-argument', message })
  })
}

test('a name of the largest size is a name', () => {
  assert.equal(resolve({ durable: 'é'.repeat(64) }).kind, 'read')
})

test('what this node does not keep cannot be read', () => {
  const inMemory = { keepsBundles: true, isDurable: false }
  assert.throws(() => resolve({ durable: 'x' }, inMemory), { code: 'bad-option', message: /dataDir/ })
  const nothing = { keepsBundles: false, isDurable: true }
  for (const options of [{ since: '1s' }, { order: 'origin' }, { durable: 'x' }] as const) {
    assert.throws(() => resolve(options, nothing), { code: 'bad-option', message: /store\.bytesMax must not be 0/ })
  }
  assert.equal(resolve({}, { keepsBundles: false, isDurable: false }).kind, 'live')
})

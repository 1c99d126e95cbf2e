import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../cli/failures.ts'
import { listen, readsStore } from '../../cli/listening.ts'
import type { Settings } from '../../cli/settings.ts'
import { FakeMesh, SETTINGS } from './fake-node.ts'

function told(mesh: FakeMesh, changes: Partial<Settings>): string[] {
  const heard: string[] = []
  listen(mesh, { ...SETTINGS, ...changes }, (message) => {
    heard.push(`${message.topic} ${message.text()}`)
    return undefined
  })
  return heard
}

test('what is live needs no store', () => {
  const mesh = new FakeMesh({})
  const heard = told(mesh, { subscribe: ['a/+', '#'] })
  assert.deepEqual(mesh.subscribed, [
    { pattern: 'chat', options: undefined },
    { pattern: 'a/+', options: undefined },
    { pattern: '#', options: undefined },
  ])
  for (const topic of ['chat', 'a/b', 'c']) mesh.deliver(topic, 'x')
  assert.deepEqual(heard, ['chat x', 'a/b x', 'c x'])
  assert.equal(readsStore(SETTINGS), false)
})

test('each of since, durable and order reads the store, as it says', () => {
  const asked: [Partial<Settings>, object][] = [
    [{ since: '10m' }, { order: 'arrival', since: '10m' }],
    [{ order: 'origin' }, { order: 'origin' }],
    [
      { durable: 'x', since: 'stored' },
      { order: 'arrival', since: 'stored', durable: 'x', ack: 'manual' },
    ],
  ]
  for (const [changes, options] of asked) {
    const mesh = new FakeMesh({})
    told(mesh, changes)
    assert.deepEqual(mesh.subscribed, [{ pattern: 'chat', options }])
    assert.equal(readsStore({ ...SETTINGS, ...changes }), true)
  }
})

test('several patterns have one reader, and what none of them matches is acknowledged at once', () => {
  const mesh = new FakeMesh({})
  const heard = told(mesh, { durable: 'x', subscribe: ['a/#'] })
  assert.equal(mesh.subscribed.length, 1)
  assert.equal(mesh.subscribed[0]!.pattern, '#')
  for (const topic of ['chat', 'b', 'a/b']) mesh.deliver(topic, 'x')
  assert.deepEqual(heard, ['chat x', 'a/b x'])
  assert.deepEqual(mesh.acknowledged, [1])
})

test('a pattern that a reader of everything does not reach must be alone', () => {
  const mesh = new FakeMesh({})
  assert.throws(() => told(mesh, { since: '1m', durable: "it's", order: 'origin', subscribe: ['$mesh/node'] }), {
    code: 'usage',
    message:
      "with --since 1m --durable 'it'\\''s' --order origin, $mesh/node cannot be read together with chat; leave it out here, " +
      "and ask the running node: meshd sub '$mesh/node' --since 1m --durable 'it'\\''s' --order origin",
  })
  assert.throws(() => told(mesh, { since: '1m', topic: '$x', subscribe: ['a/#'] }), UsageError)
  told(mesh, { since: '1m', topic: '$SYS/x' })
  assert.equal(mesh.subscribed[0]!.pattern, '$SYS/x')
})

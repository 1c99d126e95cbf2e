// Publishing and subscribing on whole nodes: receipts, patterns, streams, typed topics.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, type Message } from '../../lib/index.ts'
import { lineOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

async function pair(): Promise<{ mesh: VirtualMesh; a: VirtualNode; b: VirtualNode }> {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  // Both have told of themselves.
  await mesh.time.run(100)
  return { mesh, a, b }
}

test('a receipt names the message and every open neighbour', async () => {
  const { mesh, a, b } = await pair()
  const receipt = await mesh.time.of(a.mesh.publish('chat', 'x'))
  await mesh.time.run(10)
  assert.deepEqual(receipt.neighbours, [{ peer: b.mesh.id, outcome: 'queued' }])
  assert.equal(b.messages[0]!.id, receipt.id)
  assert.match(receipt.id, new RegExp(`^${a.mesh.id}/\\d+/\\d+$`))
  const second = await mesh.time.of(a.mesh.publish('chat', 'y'))
  const sequenceOf = (id: string): number => Number(id.slice(id.lastIndexOf('/') + 1))
  assert.equal(sequenceOf(second.id), sequenceOf(receipt.id) + 1)
  await mesh.stop()
})

test('a publication with no neighbour says that nobody got it', async () => {
  const mesh = new VirtualMesh()
  const node = (await mesh.started(1)).hear()
  const receipt = await mesh.time.of(node.mesh.publish('chat', 'x'))
  assert.deepEqual(receipt.neighbours, [])
  await mesh.time.run(10)
  assert.deepEqual(receipt.neighbours, [])
  const late = await mesh.started(2)
  late.hear()
  await mesh.join(late, node)
  await mesh.time.run(10)
  assert.deepEqual(receipt.neighbours, [])
  assert.deepEqual(late.texts, [])
  await mesh.stop()
})

test('a receipt says so when the link was lost before the message left', async () => {
  const { mesh, a, b } = await pair()
  mesh.network.cut(a.ip, b.ip)
  // More than the path's window: the rest waits in the queue.
  const receipts = []
  for (let i = 0; i < 8; i++) {
    receipts.push(await mesh.time.of(a.mesh.publish('chat', new Uint8Array(100_000))))
    await mesh.time.run(10)
  }
  assert.equal(receipts.at(-1)!.neighbours[0]!.outcome, 'queued')
  mesh.network.reset(a.ip, b.ip)
  await mesh.time.run(10)
  assert.deepEqual(receipts.at(-1)!.neighbours, [{ peer: b.mesh.id, outcome: 'dropped' }])
  assert.deepEqual(receipts[0]!.neighbours, [{ peer: b.mesh.id, outcome: 'queued' }])
  await mesh.stop()
})

test('a node does not hear its own messages, not even when a ring brings them back', async () => {
  const mesh = new VirtualMesh()
  const nodes = await mesh.graph(3, [
    [0, 1],
    [1, 2],
    [2, 0],
  ])
  await mesh.time.of(nodes[0]!.mesh.publish('chat', 'mine'))
  await mesh.time.run(100)
  assert.deepEqual(
    nodes.map(({ texts }) => texts.length),
    [0, 1, 1],
  )
  await mesh.stop()
})

test('a subscription hears nothing that is older than itself', async () => {
  const mesh = new VirtualMesh()
  const [a, , c] = (await mesh.graph(3, lineOf(3))) as [VirtualNode, VirtualNode, VirtualNode]
  mesh.network.path('10.0.0.1', '10.0.0.2').delayMs = 500
  await mesh.time.of(a.mesh.publish('chat', 'before'))
  await mesh.time.run(100)
  const late: string[] = []
  c.mesh.subscribe('chat', (message) => late.push(message.text()))
  await mesh.time.of(a.mesh.publish('chat', 'after'))
  await mesh.time.run(2_000)
  assert.deepEqual(c.texts, ['before', 'after'])
  // The delay of a path is on no clock: a relay counts only its own share, so what it cannot know passes as live.
  assert.equal(late.at(-1), 'after')
  const later: string[] = []
  c.mesh.subscribe('chat', (message) => later.push(message.text()))
  await mesh.time.run(1_000)
  assert.deepEqual(later, [])
  await mesh.stop()
})

test('patterns choose topics as MQTT has it', async () => {
  const { mesh, a, b } = await pair()
  const heard = new Map<string, string[]>()
  const patterns = ['a/b', 'a/+', 'a/#', '#', '+', '+/b', 'a/+/c', '$SYS/#']
  for (const pattern of patterns) {
    const topics: string[] = []
    heard.set(pattern, topics)
    b.mesh.subscribe(pattern, ({ topic }) => topics.push(topic))
  }
  for (const topic of ['a', 'a/b', 'a/b/c', 'b', 'a/', '$SYS/b']) await mesh.time.of(a.mesh.publish(topic, ''))
  await mesh.time.run(50)
  assert.deepEqual(Object.fromEntries(heard), {
    'a/b': ['a/b'],
    'a/+': ['a/b', 'a/'],
    'a/#': ['a', 'a/b', 'a/b/c', 'a/'],
    '#': ['a', 'a/b', 'a/b/c', 'b', 'a/'],
    '+': ['a', 'b'],
    '+/b': ['a/b'],
    'a/+/c': ['a/b/c'],
    '$SYS/#': ['$SYS/b'],
  })
  await mesh.stop()
})

test('bad topics, payloads and patterns are refused with a reason', async () => {
  const { mesh, a } = await pair()
  for (const topic of ['', 'a+', 'a/#', 'x'.repeat(256), '$mesh/node', 'a\0b']) {
    await assert.rejects(a.mesh.publish(topic, 'x'), { code: 'bad-topic' })
  }
  await assert.rejects(a.mesh.publish('chat', new Uint8Array(1_048_577)), { code: 'too-large' })
  await assert.rejects(a.mesh.publish('chat', 5 as never), { code: 'bad-argument' })
  assert.throws(() => a.mesh.subscribe('a+', () => {}), { code: 'bad-topic' })
  assert.throws(() => a.mesh.subscribe('a', 'no function' as never), { code: 'bad-argument' })
  await mesh.stop()
})

test('every subscriber has a payload of its own', async () => {
  const { mesh, a, b } = await pair()
  const data: Uint8Array[] = []
  for (let i = 0; i < 2; i++) {
    b.mesh.subscribe('chat', (message) => {
      data.push(message.data.slice())
      message.data.fill(0)
    })
  }
  for (const size of [3, 5_000, 200_000]) {
    data.length = 0
    const payload = new Uint8Array(size).fill(7)
    await mesh.time.of(a.mesh.publish('chat', payload))
    payload.fill(9)
    await mesh.time.run(50)
    assert.deepEqual(
      data.map((bytes) => bytes.every((byte) => byte === 7)),
      [true, true],
      `${size} bytes`,
    )
  }
  await mesh.stop()
})

test('a handler that throws becomes a warning, and the others go on', async () => {
  const { mesh, a, b } = await pair()
  b.mesh.subscribe('chat', () => {
    throw new Error('my handler')
  })
  const after: string[] = []
  b.mesh.subscribe('chat', (message) => after.push(message.text()))
  await mesh.time.of(a.mesh.publish('chat', 'x'))
  await mesh.time.run(10)
  assert.deepEqual(after, ['x'])
  assert.deepEqual(
    b.of('warning').map(({ code }) => code),
    ['handler-failed'],
  )
  assert.deepEqual(b.of('neighbourDown'), [])
  await mesh.stop()
})

test('an unsubscribed handler hears nothing more, also when it unsubscribes itself', async () => {
  const { mesh, a, b } = await pair()
  const heard: string[] = []
  const subscription = b.mesh.subscribe('chat', (message) => {
    heard.push(message.text())
    subscription.unsubscribe()
  })
  for (const text of ['1', '2', '3']) {
    await mesh.time.of(a.mesh.publish('chat', text))
    await mesh.time.run(10)
  }
  assert.deepEqual(heard, ['1'])
  await mesh.stop()
})

test('an iterated subscription holds a bounded number of messages and counts those that it dropped', async () => {
  const { mesh, a, b } = await pair()
  const stream = b.mesh.subscribe('chat', { queueMax: 3 })
  for (let i = 0; i < 10; i++) await mesh.time.of(a.mesh.publish('chat', String(i)))
  await mesh.time.run(100)
  assert.equal(stream.dropped, 7)
  const iterator = stream[Symbol.asyncIterator]()
  const read: Message[] = []
  for (let i = 0; i < 3; i++) read.push((await iterator.next()).value!)
  assert.deepEqual(
    read.map((message) => message.text()),
    ['7', '8', '9'],
  )
  const next = iterator.next()
  await mesh.time.of(a.mesh.publish('chat', 'live'))
  assert.equal((await mesh.time.of(next)).value!.text(), 'live')
  const waiting = iterator.next()
  stream.unsubscribe()
  assert.equal((await mesh.time.of(waiting)).done, true)
  assert.throws(() => b.mesh.subscribe('chat', { queueMax: 0 }), { code: 'bad-argument' })
  await mesh.stop()
})

test('leaving a for-await loop ends the subscription, and so does an abort', async () => {
  const { mesh, a, b } = await pair()
  const read: string[] = []
  const reading = (async () => {
    for await (const message of b.mesh.subscribe('chat')) {
      read.push(message.text())
      if (read.length === 2) break
    }
  })()
  for (let i = 0; i < 4; i++) await mesh.time.of(a.mesh.publish('chat', String(i)))
  await mesh.time.of(reading)
  assert.deepEqual(read, ['0', '1'])
  const abort = new AbortController()
  const aborted = (async () => {
    for await (const message of b.mesh.subscribe('chat', { signal: abort.signal })) read.push(message.text())
  })()
  abort.abort()
  await mesh.time.of(aborted)
  const never = b.mesh.subscribe('chat', { signal: AbortSignal.abort() })
  assert.equal((await never[Symbol.asyncIterator]().next()).done, true)
  await mesh.stop()
})

test('a typed topic carries values, and a payload that is none becomes a warning', async () => {
  const { mesh, a, b } = await pair()
  const typed = b.mesh.topic<{ n: number }>('numbers', json)
  const values: { n: number }[] = []
  const subscription = typed.subscribe((value, message) => {
    values.push(value)
    assert.equal(message.from, a.mesh.id)
  })
  await mesh.time.of(a.mesh.topic<{ n: number }>('numbers', json).publish({ n: 1 }))
  await mesh.time.of(a.mesh.publish('numbers', 'no JSON'))
  await mesh.time.of(a.mesh.publish('numbers', '{"n":2}'))
  await mesh.time.run(10)
  assert.deepEqual(values, [{ n: 1 }, { n: 2 }])
  assert.deepEqual(
    b.of('warning').map(({ code }) => code),
    ['undecodable'],
  )
  subscription.unsubscribe()
  await mesh.stop()
})

test('what one turn publishes goes out as one bundle, at once', async () => {
  const { mesh, a, b } = await pair()
  const before = a.mesh.stats().published
  const sinceMs = mesh.time.nowMs
  const publications = Array.from({ length: 50 }, (_, i) => a.mesh.publish('chat', String(i)))
  await mesh.time.of(Promise.all(publications))
  await mesh.time.until('all are there', () => b.messages.length === 50, 100)
  assert.ok(mesh.time.nowMs - sinceMs <= 8, `${mesh.time.nowMs - sinceMs} ms`)
  const { published } = a.mesh.stats()
  assert.equal(published.messages - before.messages, 50)
  assert.equal(published.bundles - before.bundles, 1)
  assert.deepEqual(
    b.texts,
    Array.from({ length: 50 }, (_, i) => String(i)),
  )
  await mesh.stop()
})

test('a publication is aborted before it is made', async () => {
  const { mesh, a } = await pair()
  const { messages } = a.mesh.stats().published
  await assert.rejects(a.mesh.publish('chat', 'x', { signal: AbortSignal.abort() }), { code: 'aborted' })
  assert.equal(a.mesh.stats().published.messages, messages)
  await mesh.stop()
})

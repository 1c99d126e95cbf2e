// Between two nodes of a whole mesh: messages and requests over relays, streams over links that are there or made for them.
// docs/protocol.md sections 9 and 10.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { keyPairOf } from '../identity/nodes.ts'
import { chance } from '../virtual/chance.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

async function line(count: number): Promise<{ mesh: VirtualMesh; nodes: VirtualNode[] }> {
  const mesh = new VirtualMesh()
  const nodes = await mesh.graph(
    count,
    Array.from({ length: count - 1 }, (_, i) => [i, i + 1] as const),
  )
  await mesh.time.run(12_000)
  return { mesh, nodes }
}

async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test('a request is answered over four relays, and a node that is gone fails it in time', async () => {
  const { mesh, nodes } = await line(6)
  const [a, f] = [nodes[0]!, nodes[5]!]
  f.mesh.reply('time', ({ data, from }) => `${text(data)} for ${from}`)
  const reply = await mesh.time.of(a.mesh.request(f.mesh.id, 'time', 'noon'))
  assert.equal(text(reply), `noon for ${a.mesh.id}`)
  await mesh.time.of(assert.rejects(a.mesh.request(f.mesh.id, 'weather', ''), { code: 'no-handler' }))
  f.mesh.reply('broken', () => {
    throw new Error('no clock here')
  })
  const failed = a.mesh.request(f.mesh.id, 'broken', '')
  await mesh.time.of(assert.rejects(failed, { code: 'request-failed', message: /no clock here/ }))
  const { hops } = await mesh.time.of(a.mesh.ping(f.mesh.id))
  assert.equal(hops, 5)

  mesh.kill(f)
  const startedMs = mesh.time.nowMs
  await mesh.time.of(
    assert.rejects(a.mesh.request(f.mesh.id, 'time', 'late'), (error: { code: string }) => {
      return error.code === 'timed-out' || error.code === 'unreachable'
    }),
  )
  assert.ok(mesh.time.nowMs - startedMs <= 10_100)
  await mesh.stop()
})

test('a message is handed over once and acknowledged, also when a handler was registered before the start', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [mesh.node(1), mesh.node(2)]
  const got: string[] = []
  const takeBack = b.mesh.receive('inbox', ({ from, data }) => {
    got.push(`${from} ${text(data)}`)
  })
  assert.throws(() => b.mesh.receive('inbox', () => {}), { code: 'already-registered' })
  assert.throws(() => b.mesh.receive('a/#', () => {}), { code: 'bad-topic' })
  await mesh.start(a, b)
  await mesh.join(a, b)
  await mesh.time.of(a.mesh.send(b.mesh.id, 'inbox', 'hello'))
  assert.deepEqual(got, [`${a.mesh.id} hello`])
  takeBack()
  await mesh.time.of(assert.rejects(a.mesh.send(b.mesh.id, 'inbox', 'again'), { code: 'no-handler' }))
  await mesh.stop()
  await assert.rejects(a.mesh.send(b.mesh.id, 'inbox', 'late'), { code: 'not-running' })
})

test('a stream carries both directions, ends them apart, and is opened by the best name that both have', async () => {
  const { mesh, nodes } = await line(2)
  const [a, b] = nodes as [VirtualNode, VirtualNode]
  b.mesh.handle('/echo/1', (stream) => {
    stream.pipe(stream)
  })
  const random = chance(5)
  const sent = Buffer.from(random.bytes(3_000_000))
  const stream = await mesh.time.of(a.mesh.open(b.mesh.id, ['/echo/2', '/echo/1']))
  assert.equal(stream.protocol, '/echo/1')
  assert.equal(stream.peer, b.mesh.id)
  stream.end(sent)
  const received = await mesh.time.of(readAll(stream))
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  assert.equal(digest(received), digest(sent))
  await mesh.time.of(assert.rejects(a.mesh.open(b.mesh.id, '/none/1'), { code: 'stream-reset' }))
  b.mesh.unhandle('/echo/1')
  await mesh.time.of(assert.rejects(a.mesh.open(b.mesh.id, '/echo/1'), { code: 'stream-reset' }))
  await mesh.stop()
})

test('a stream to a node that is no neighbour makes a link for itself, which goes when it is idle', async () => {
  const { mesh, nodes } = await line(4)
  const [a, d] = [nodes[0]!, nodes[3]!]
  d.mesh.handle('/hello/1', (stream) => {
    stream.end('hello')
  })
  assert.ok(!a.hasNeighbour(d))
  const stream = await mesh.time.of(a.mesh.open(d.mesh.id, '/hello/1'))
  stream.end()
  assert.equal(text(await mesh.time.of(readAll(stream))), 'hello')
  assert.ok(a.hasNeighbour(d))
  await mesh.time.run(120_000)
  assert.ok(!a.hasNeighbour(d))
  assert.equal(a.mesh.stats().neighbours, 1)
  await mesh.time.of(assert.rejects(a.mesh.open(keyPairOf(99).identity.id, '/hello/1'), { code: 'unreachable' }))
  const own = { code: 'bad-argument', message: 'that peer is this node itself' }
  await mesh.time.of(assert.rejects(a.mesh.open(a.mesh.id, '/hello/1'), own))
  await mesh.time.of(assert.rejects(a.mesh.send(a.mesh.id, 'hello', ''), own))
  await mesh.stop()
})

test('a link that breaks ends its streams with a reason, and nothing keeps the nodes from stopping', async () => {
  const { mesh, nodes } = await line(2)
  const [a, b] = nodes as [VirtualNode, VirtualNode]
  const held: Duplex[] = []
  b.mesh.handle('/hold/1', (stream) => {
    held.push(stream)
  })
  const stream = await mesh.time.of(a.mesh.open(b.mesh.id, '/hold/1'))
  stream.write('x')
  await mesh.time.run(100)
  const over = new Promise<Error>((resolve) => stream.once('error', resolve))
  mesh.network.reset(a.ip, b.ip)
  assert.equal(((await mesh.time.of(over)) as { code?: string }).code, 'connection-lost')
  await mesh.time.run(100)
  // What came is read first.
  const reading = readAll(held[0]!)
  await mesh.time.of(assert.rejects(reading, { code: 'connection-lost' }))
  assert.ok(held[0]!.destroyed)
  await mesh.stop()
})

test('streams, requests and the flood share one link, and a reader that stops holds up nobody else', async () => {
  const { mesh, nodes } = await line(2)
  const [a, b] = nodes as [VirtualNode, VirtualNode]
  b.mesh.handle('/stuck/1', () => {})
  b.mesh.reply('echo', ({ data }) => data)
  const stream = await mesh.time.of(a.mesh.open(b.mesh.id, '/stuck/1'))
  let written = 0
  const chunk = new Uint8Array(65_536)
  while (stream.write(chunk)) written += chunk.length
  await mesh.time.run(5_000)
  assert.ok(written < 2 ** 20, `${written} bytes taken`)
  for (let i = 0; i < 50; i++) await mesh.time.of(a.mesh.publish('chat', `${i}`))
  assert.equal(text(await mesh.time.of(a.mesh.request(b.mesh.id, 'echo', 'still here'))), 'still here')
  await mesh.time.run(1_000)
  assert.equal(b.messages.length, 50)
  stream.destroy()
  await mesh.stop()
  assert.deepEqual(a.leftovers, { timers: 0, sockets: 0, listeners: 0 })
  assert.deepEqual(b.leftovers, { timers: 0, sockets: 0, listeners: 0 })
})

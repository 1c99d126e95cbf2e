// The life of one node: starting, stopping, and what is left of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { MemoryFiles } from '../virtual/world.ts'

const NOTHING = { timers: 0, sockets: 0, listeners: 0 }

test('starting twice is starting once, and stopping twice is stopping once', async () => {
  const mesh = new VirtualMesh()
  const node = mesh.node(1)
  const first = node.mesh.start()
  assert.equal(node.mesh.start(), first)
  await mesh.time.of(first)
  await mesh.time.of(node.mesh.start())
  assert.equal(node.of('listening').length, 1)
  assert.deepEqual(node.mesh.addresses, [`/ip4/10.0.0.1/tcp/6374/p2p/${node.mesh.id}`])
  const stopping = node.mesh.stop()
  assert.equal(node.mesh.stop(), stopping)
  await mesh.time.of(stopping)
  await mesh.time.of(node.mesh.stop())
  assert.deepEqual(node.leftovers, NOTHING)
  await assert.rejects(node.mesh.start(), { code: 'not-running' })
  assert.throws(() => node.mesh.subscribe('chat'), { code: 'not-running' })
  assert.throws(() => node.mesh.subscribe('chat', () => {}, { since: 'stored' }), { code: 'not-running' })
})

test('what was never started stops, and nothing works before the start', async () => {
  const mesh = new VirtualMesh()
  const node = mesh.node(1)
  await assert.rejects(node.mesh.publish('chat', 'x'), { code: 'not-running' })
  await assert.rejects(node.mesh.connect('10.0.0.2:6374'), { code: 'not-running' })
  assert.throws(() => node.mesh.id, { code: 'not-running' })
  assert.deepEqual(node.mesh.neighbours(), [])
  await mesh.time.of(node.mesh.stop())
  await assert.rejects(node.mesh.start(), { code: 'not-running' })
})

test('a node that is stopped while it starts leaves nothing open', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  const node = mesh.node(1, { dataDir: '/data' }, { files })
  const starting = assert.rejects(node.mesh.start(), { code: 'not-running' })
  await mesh.time.of(node.mesh.stop())
  await mesh.time.of(starting)
  assert.deepEqual(node.leftovers, NOTHING)
  assert.equal(files.lockCount, 0)
})

test('a failed start leaves nothing open and may be tried again', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  const first = await mesh.started(1)
  const second = mesh.node(
    2,
    { dataDir: '/data', listen: ['10.0.0.1:7000', '10.0.0.1:6374'] },
    { ip: '10.0.0.1', files },
  )
  await assert.rejects(mesh.time.of(second.mesh.start()), { code: 'listen-failed' })
  assert.equal(second.world.clock.timerCount, 0)
  assert.equal(second.host.listenerCount, 1)
  assert.equal(files.lockCount, 0)
  await mesh.stop(first)
  await mesh.time.of(second.mesh.start())
  assert.equal(second.host.listenerCount, 2)
  await mesh.stop()
  assert.deepEqual(second.leftovers, NOTHING)
  assert.equal(files.lockCount, 0)
})

test('two nodes do not share a data folder', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  await mesh.started(1, { dataDir: '/data' }, { files })
  const second = mesh.node(2, { dataDir: '/data' }, { files })
  await assert.rejects(mesh.time.of(second.mesh.start()), { code: 'data-folder' })
  assert.equal(second.host.listenerCount, 0)
  await mesh.stop()
})

test('a node keeps its identity in its data folder, and its epochs ascend also with a clock that was set back', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  const epochs: number[] = []
  const ids = new Set<string>()
  for (let run = 0; run < 3; run++) {
    const node = mesh.node(1, { dataDir: '/data' }, { files, run })
    node.world.clock.unixAheadMs = -run * 3_600_000
    await mesh.start(node)
    ids.add(node.mesh.id)
    const receipt = await mesh.time.of(node.mesh.publish('chat', 'x'))
    epochs.push(Number(receipt.id.split('/')[1]))
    await mesh.stop(node)
  }
  assert.equal(ids.size, 1)
  assert.deepEqual(
    epochs,
    [...new Set(epochs)].sort((a, b) => a - b),
  )
})

test('a goodbye on stop is seen at once by the neighbours, and what was published before it still arrives', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = (await mesh.graph(3, [
    [0, 1],
    [2, 1],
  ])) as [VirtualNode, VirtualNode, VirtualNode]
  const stoppedAtMs = mesh.time.nowMs
  void b.mesh.publish('chat', 'last words')
  await mesh.time.of(b.mesh.stop())
  await mesh.time.run(5)
  for (const node of [a, c]) {
    assert.deepEqual(node.texts, ['last words'])
    const [down] = node.of('neighbourDown')
    assert.equal(down!.peer, b.mesh.id)
    assert.match(down!.reason, /^goodbye 0 \(shuttingDown\)/)
    assert.ok(down!.atMs - stoppedAtMs <= 2, `${down!.atMs - stoppedAtMs} ms`)
    // Whoever had dialled it will do so again, in case it restarts.
    assert.ok(down!.retryInMs! > 0)
    assert.deepEqual(node.neighbours, [])
  }
  assert.deepEqual(b.leftovers, NOTHING)
  await mesh.stop(a, c)
})

test('after stop no timer, socket or event of a node is left, whatever it was doing', async () => {
  const mesh = new VirtualMesh()
  const nodes = await mesh.graph(4, lineOf(4))
  const busy = mesh.node(9, { seeds: ['10.0.0.1:6374', '10.0.0.77:6374', '10.0.0.2:6374'] })
  mesh.network.cut('10.0.0.9', '10.0.0.2')
  await mesh.start(busy)
  // Dials under way, an open link, a link that is being opened, a publication that is gathered.
  await mesh.time.run(3)
  const dial = assert.rejects(busy.mesh.connect('10.0.0.3:6374'), { code: 'shutdown' })
  void busy.mesh.publish('chat', 'x')
  const stream = busy.mesh.subscribe('chat')[Symbol.asyncIterator]()
  const ended = stream.next()
  await mesh.time.of(busy.mesh.stop())
  const saidCount = busy.said.length
  await mesh.time.settle()
  assert.deepEqual(busy.leftovers, NOTHING)
  assert.equal((await mesh.time.of(ended)).done, true)
  await mesh.time.of(dial)
  await assert.rejects(busy.mesh.publish('chat', 'x'), { code: 'not-running' })
  await assert.rejects(busy.mesh.connect('10.0.0.1:6374'), { code: 'not-running' })
  await mesh.time.run(120_000)
  assert.equal(busy.said.length, saidCount)
  assert.deepEqual(busy.leftovers, NOTHING)
  await mesh.stop()
  await mesh.time.settle()
  for (const node of nodes) assert.deepEqual(node.leftovers, NOTHING)
})

test('stopping at any moment of the opening leaves nothing at either end', async () => {
  for (let quarterMs = 0; quarterMs <= 40; quarterMs++) {
    const mesh = new VirtualMesh(quarterMs)
    const [a, b] = [mesh.node(1, { seeds: ['10.0.0.2:6374'] }), mesh.node(2)]
    await mesh.start(b)
    await mesh.start(a)
    await mesh.time.run(quarterMs / 4)
    await mesh.time.of(a.mesh.stop())
    await mesh.time.settle()
    assert.deepEqual(a.leftovers, NOTHING, `a, after ${quarterMs / 4} ms`)
    await mesh.time.of(b.mesh.stop())
    await mesh.time.run(10)
    assert.deepEqual(b.leftovers, NOTHING, `b, after ${quarterMs / 4} ms`)
    const up = b.of('neighbourUp').length
    assert.equal(b.of('neighbourDown').length, up)
  }
})

test('a node stops within a second when its neighbours do not answer', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  mesh.network.cut(a.ip, b.ip)
  const sinceMs = mesh.time.nowMs
  void a.mesh.publish('chat', 'nobody reads this')
  await mesh.time.of(a.mesh.stop())
  assert.ok(mesh.time.nowMs - sinceMs <= 1_000)
  assert.deepEqual(a.leftovers, NOTHING)
  await mesh.stop(b)
})

test('a mesh is disposed of by stopping it', async () => {
  const mesh = new VirtualMesh()
  const node = await mesh.started(1)
  await mesh.time.of(node.mesh[Symbol.asyncDispose]())
  assert.deepEqual(node.leftovers, NOTHING)
})

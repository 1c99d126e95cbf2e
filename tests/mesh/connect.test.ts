// Asking for one link: how `connect` ends, what `disconnect` undoes, and two nodes that dial each other at once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../lib/index.ts'
import { rounds } from '../tools/all-tests.ts'
import { chance } from '../virtual/chance.ts'
import { lineOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { NameTable } from '../virtual/world.ts'

const KEY = new Uint8Array(32).fill(1)

/** The error that the promise ends with. */
async function failureOf(mesh: VirtualMesh, promise: Promise<unknown>): Promise<MeshError> {
  const error = await mesh.time.of(
    promise.then(
      () => null,
      (reason: unknown) => reason,
    ),
  )
  assert.ok(error instanceof MeshError, 'it should have failed')
  return error
}

test('connect resolves with the peer id once both ends have the link', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [await mesh.started(1), await mesh.started(2)]
  assert.equal(await mesh.time.of(a.mesh.connect(b.address)), b.mesh.id)
  await mesh.linked(a, b)
  assert.deepEqual(
    a.of('neighbourUp').map(({ peer, direction, name, address }) => ({ peer, direction, name, address })),
    [{ peer: b.mesh.id, direction: 'out', name: 'node 2', address: '/ip4/10.0.0.2/tcp/6374' }],
  )
  assert.equal(b.of('neighbourUp')[0]!.direction, 'in')
  // Again is at once.
  assert.equal(await mesh.time.of(a.mesh.connect(b.address), 0), b.mesh.id)
  assert.equal(await mesh.time.of(a.mesh.connect(`/ip4/10.0.0.2/tcp/6374/p2p/${b.mesh.id}`), 0), b.mesh.id)
  await mesh.stop()
})

test('a name that leads to ourselves too is a seed like any other', async () => {
  const others = '10.0.0.2'
  for (const hosts of [['10.0.0.1'], ['10.0.0.1', others], [others, '10.0.0.1']]) {
    const mesh = new VirtualMesh()
    const names = new NameTable()
    names.set('mesh.example', hosts)
    const a = await mesh.started(1, { seeds: ['mesh.example:6374'] }, { names })
    // Nobody else is there yet.
    await mesh.time.run(600_000)
    assert.equal(a.of('dialFailed').filter(({ retryInMs }) => retryInMs === null).length, 0)
    names.set('mesh.example', hosts.includes(others) ? hosts : [...hosts, others])
    const b = await mesh.started(2)
    await mesh.linked(a, b)
    const failed = a.of('dialFailed').length
    await mesh.time.run(600_000)
    assert.equal(a.of('dialFailed').length, failed)
    await mesh.stop()
  }
})

test('a name that leads to ourselves and to a neighbour is not dialled', async () => {
  for (const hosts of [
    ['10.0.0.1', '10.0.0.2'],
    ['10.0.0.2', '10.0.0.1'],
  ]) {
    const mesh = new VirtualMesh()
    const names = new NameTable()
    const a = await mesh.started(1, { seeds: ['mesh.example:6374'] }, { names })
    const b = await mesh.started(2)
    await mesh.join(b, a)
    names.set('mesh.example', hosts)
    await mesh.time.run(120_000)
    const asked = names.asked.length
    await mesh.time.run(600_000)
    assert.equal(names.asked.length, asked)
    await mesh.stop()
  }
})

test('connect rejects with the reason, and the address is not dialled again', async () => {
  const mesh = new VirtualMesh()
  const names = new NameTable()
  const a = await mesh.started(1, {}, { names })
  const b = await mesh.started(2)
  const private2 = await mesh.started(3, { network: { name: 'default', key: KEY } })
  const other = await mesh.started(4, { network: { name: 'other' } })
  const stranger = `/ip4/10.0.0.2/tcp/6374/p2p/${private2.mesh.id}`
  names.set('empty.example', [])
  const cases: [string, MeshError['code']][] = [
    ['10.0.0.2:7777', 'dial-failed'],
    ['10.0.0.99:6374', 'dial-failed'],
    ['unknown.example:6374', 'name-not-found'],
    ['empty.example:6374', 'name-not-found'],
    [stranger, 'wrong-identity'],
    [private2.address, 'connection-lost'],
    [other.address, 'connection-lost'],
    ['127.0.0.1:6374', 'dial-failed'],
    [a.address, 'self-connection'],
    [`/ip4/10.0.0.77/tcp/1/p2p/${a.mesh.id}`, 'self-connection'],
    ['no address', 'bad-address'],
  ]
  for (const [address, code] of cases) {
    const error = await failureOf(mesh, a.mesh.connect(address))
    assert.equal(error.code, code, `${address}: ${error.message}`)
  }
  assert.match((await failureOf(mesh, a.mesh.connect('10.0.0.2:7777'))).message, /refused/)
  assert.ok(a.of('dialFailed').every(({ retryInMs }) => retryInMs === null))
  const dials = a.of('dialFailed').length
  await mesh.time.run(600_000)
  assert.equal(a.of('dialFailed').length, dials)
  assert.deepEqual(a.neighbours, [])
  assert.deepEqual(b.neighbours, [])
  await mesh.stop()
})

test('a name is tried at all of its addresses', async () => {
  const mesh = new VirtualMesh()
  const names = new NameTable()
  const a = await mesh.started(1, {}, { names })
  const b = await mesh.started(2)
  names.set('two.example', ['10.0.0.99', '10.0.0.2'])
  assert.equal(await mesh.time.of(a.mesh.connect('two.example:6374')), b.mesh.id)
  names.set('none.example', ['10.0.0.98', '10.0.0.99'])
  const error = await failureOf(mesh, a.mesh.connect('none.example:6374'))
  assert.equal(error.code, 'dial-failed')
  assert.match(error.message, /10\.0\.0\.98.*10\.0\.0\.99/)
  await mesh.stop()
})

test('connect to what does not answer ends within five seconds, whether TCP or the handshake hangs', async () => {
  const mesh = new VirtualMesh()
  const a = await mesh.started(1)
  mesh.network.host('10.0.0.2')
  mesh.network.cut(a.ip, '10.0.0.2')
  const sinceMs = mesh.time.nowMs
  const unreachable = await failureOf(mesh, a.mesh.connect('10.0.0.2:6374'))
  assert.equal(unreachable.code, 'dial-failed')
  assert.ok(mesh.time.nowMs - sinceMs <= 5_001)
  const silent = mesh.network.host('10.0.0.3')
  await silent.tcp.listen({ host: '::', port: 6374 }, () => {})
  const halfwayMs = mesh.time.nowMs
  assert.equal((await failureOf(mesh, a.mesh.connect('10.0.0.3:6374'))).code, 'handshake-timeout')
  assert.ok(mesh.time.nowMs - halfwayMs <= 5_010)
  await mesh.stop()
})

test('connect and disconnect take an abort', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [await mesh.started(1), await mesh.started(2)]
  assert.equal((await failureOf(mesh, a.mesh.connect(b.address, { signal: AbortSignal.abort() }))).code, 'aborted')
  for (const waitMs of [0, 0.5, 1.5, 2.5, 3.5, 4.5]) {
    const abort = new AbortController()
    const failure = assert.rejects(a.mesh.connect(b.address, { signal: abort.signal }), { code: 'aborted' })
    await mesh.time.run(waitMs)
    abort.abort()
    await failure
    await mesh.time.run(20)
    assert.deepEqual([a.neighbours, b.neighbours], [[], []], `after ${waitMs} ms`)
  }
  assert.deepEqual([a.host.sockets.size, b.host.sockets.size], [0, 0])
  await mesh.join(a, b)
  await mesh.stop()
})

test('an abort ends a dial at once that would hang for seconds', async () => {
  const mesh = new VirtualMesh()
  const a = await mesh.started(1)
  const silent = mesh.network.host('10.0.0.3')
  await silent.tcp.listen({ host: '::', port: 6374 }, () => {})
  const abort = new AbortController()
  const failure = assert.rejects(a.mesh.connect('10.0.0.3:6374', { signal: abort.signal }), { code: 'aborted' })
  await mesh.time.run(500)
  assert.equal(a.host.sockets.size, 1)
  abort.abort()
  await failure
  await mesh.time.run(20)
  assert.equal(a.host.sockets.size, 0)
  await mesh.stop()
})

test('an abort of one connect leaves another to the same address alone', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [await mesh.started(1), await mesh.started(2)]
  const abort = new AbortController()
  const aborted = assert.rejects(a.mesh.connect(b.address, { signal: abort.signal }), { code: 'aborted' })
  const other = a.mesh.connect(b.address)
  await mesh.time.run(1.5)
  abort.abort()
  await aborted
  assert.equal(await mesh.time.of(other), b.mesh.id)
  await mesh.stop()
})

test('disconnect closes the link, and neither end dials again by itself', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  await mesh.time.of(a.mesh.disconnect(b.mesh.id))
  await mesh.time.run(10)
  assert.deepEqual([a.neighbours, b.neighbours], [[], []])
  assert.deepEqual(
    a.of('neighbourDown').map(({ retryInMs }) => retryInMs),
    [null],
  )
  assert.match(b.of('neighbourDown')[0]!.reason, /goodbye 0/)
  await mesh.time.run(600_000)
  assert.deepEqual([a.neighbours, b.neighbours], [[], []])
  assert.deepEqual(a.mesh.neighbours(), [])
  await mesh.time.of(a.mesh.disconnect(b.mesh.id))
  await mesh.time.of(a.mesh.disconnect('nobody'))
  await mesh.join(a, b)
  await mesh.stop()
})

test('disconnect does not wait for an end that is slow to hang up, which hears the goodbye all the same', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  mesh.network.path('10.0.0.1', '10.0.0.2').delayMs = 200
  const startMs = mesh.time.nowMs
  await mesh.time.of(a.mesh.disconnect(b.mesh.id))
  assert.ok(mesh.time.nowMs - startMs < 200, `${mesh.time.nowMs - startMs} ms`)
  assert.deepEqual([a.neighbours, a.mesh.neighbours()], [[], []])
  // Stopping does wait: the goodbye must not be lost with the process.
  await mesh.time.of(a.mesh.stop())
  assert.match(b.of('neighbourDown')[0]!.reason, /goodbye 0/)
  await mesh.stop()
})

test('disconnect also stops a seed from being dialled', async () => {
  const mesh = new VirtualMesh()
  const b = await mesh.started(2)
  const a = await mesh.started(1, { seeds: [b.address] })
  await mesh.linked(a, b)
  await mesh.time.of(a.mesh.disconnect(b.mesh.id))
  await mesh.time.run(600_000)
  assert.deepEqual([a.neighbours, b.neighbours], [[], []])
  await mesh.stop()
})

test('two nodes that dial each other at the same time keep one link, and nobody goes down or loses a message', async () => {
  for (let seed = 0; seed < rounds(20, 40); seed++) {
    const mesh = new VirtualMesh(seed)
    mesh.network.chunkBytesMax = seed % 2 === 0 ? null : 60
    const delayMs = 1 + (seed % 5)
    mesh.network.path('10.0.0.1', '10.0.0.2').delayMs = delayMs
    const [a, b] = [mesh.node(1).hear(), mesh.node(2).hear()]
    await mesh.start(a, b)
    const dials = [a.mesh.connect(b.address)]
    await mesh.time.run(((seed % 10) * delayMs) / 2)
    dials.push(b.mesh.connect(a.address))
    // Whoever has the link first begins to talk.
    const sent = { a: [] as string[], b: [] as string[] }
    for (let i = 0; i < 60; i++) {
      if (a.neighbours.length > 0) {
        sent.a.push(`a${i}`)
        void a.mesh.publish('chat', `a${i}`)
      }
      if (b.neighbours.length > 0) {
        sent.b.push(`b${i}`)
        void b.mesh.publish('chat', `b${i}`)
      }
      await mesh.time.run(1)
    }
    await mesh.time.of(Promise.all(dials))
    await mesh.time.run(6_000)
    assert.deepEqual(a.neighbours, [b.mesh.id], `seed ${seed}`)
    assert.deepEqual(b.neighbours, [a.mesh.id], `seed ${seed}`)
    assert.equal(a.host.sockets.size, 1, `seed ${seed}`)
    assert.equal(b.host.sockets.size, 1, `seed ${seed}`)
    for (const node of [a, b]) {
      assert.equal(node.of('neighbourUp').length, 1, `seed ${seed}`)
      assert.deepEqual(node.of('neighbourDown'), [], `seed ${seed}`)
      assert.deepEqual(node.of('dialFailed'), [], `seed ${seed}`)
    }
    // The other end may open the link a moment later than the first message was sent: nothing is lost all the same.
    assert.deepEqual(b.texts, sent.a, `seed ${seed}`)
    assert.deepEqual(a.texts, sent.b, `seed ${seed}`)
    await mesh.stop()
  }
})

test('large messages that are half sent when a duplicate is settled are not lost', async () => {
  for (const seed of [4, 6, 22, 55]) {
    const mesh = new VirtualMesh(seed)
    const random = chance(seed)
    mesh.network.chunkBytesMax = 20_000
    const delayMs = 5 + random.below(25)
    mesh.network.path('10.0.0.1', '10.0.0.2').delayMs = delayMs
    const [a, b] = [mesh.node(1).hear(), mesh.node(2).hear()]
    await mesh.start(a, b)
    const dials = [a.mesh.connect(b.address)]
    await mesh.time.run(random.below(10 * delayMs) / 2)
    dials.push(b.mesh.connect(a.address))
    const sent = new Map<VirtualNode, string[]>([
      [a, []],
      [b, []],
    ])
    for (let i = 0; i < 150; i++) {
      for (const node of [a, b]) {
        if (node.neighbours.length === 0) continue
        void node.mesh.publish('chat', new Uint8Array(random.below(100_000))).then(({ id }) => sent.get(node)!.push(id))
      }
      await mesh.time.run(1)
    }
    await mesh.time.of(Promise.all(dials))
    await mesh.time.run(6_000)
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      assert.deepEqual(node.of('neighbourDown'), [], `seed ${seed}`)
      assert.deepEqual(node.messages.map(({ id }) => id).toSorted(), sent.get(other)!.toSorted(), `seed ${seed}`)
    }
    await mesh.stop()
  }
})

/** From its second write on, which is message 3, what this node sends on connections that it dials is late. */
function delayDials({ mesh, node, lateMs }: { mesh: VirtualMesh; node: VirtualNode; lateMs: number }): void {
  const { time } = mesh
  const { tcp } = node.world
  const dial = tcp.dial.bind(tcp)
  tcp.dial = async (...where) => {
    const socket = await dial(...where)
    const write = socket.write.bind(socket)
    let writes = 0
    let untilMs = 0
    socket.write = (bytes, sent) => {
      if (++writes === 2) untilMs = time.nowMs + lateMs
      if (writes < 2 || time.nowMs >= untilMs) return write(bytes, sent)
      const copy = bytes.slice()
      sent?.()
      time.after(untilMs - time.nowMs, () => write(copy))
      return true
    }
    return socket
  }
}

test('a stream that runs on the losing one of two connections ends, and nobody is blamed for what is under way', async () => {
  for (const [first, second] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const mesh = new VirtualMesh(3)
    const [a, b] = [mesh.node(first), mesh.node(second)]
    mesh.network.path(a.ip, b.ip).delayMs = 10
    delayDials({ mesh, node: b, lateMs: 300 })
    await mesh.start(a, b)
    a.mesh.handle('count/1', (stream) => void stream.resume())
    const dials = [a.mesh.connect(b.address)]
    await mesh.time.run(5)
    dials.push(b.mesh.connect(a.address))
    await mesh.time.run(75)
    const stream = await mesh.time.of(b.mesh.open(a.mesh.id, 'count/1'))
    stream.on('error', () => {})
    for (let i = 0; i < 400; i++) {
      if (!stream.destroyed) stream.write(new Uint8Array(100))
      await mesh.time.run(2)
    }
    await mesh.time.of(Promise.all(dials))
    await mesh.time.run(6_000)
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      assert.deepEqual(node.mesh.stats().closed, { disconnected: 1 })
      assert.deepEqual(node.neighbours, [other.mesh.id])
      assert.deepEqual(node.of('neighbourDown'), [])
    }
    // It lives on if the connection that it ran on is the one that stays.
    stream.destroy()
    await mesh.stop()
  }
})

test('all nodes of a group that dial each other at once end with one link for each pair', async () => {
  const mesh = new VirtualMesh(5)
  const nodes = Array.from({ length: 5 }, (_, index) => mesh.node(index + 1).hear())
  await mesh.start(...nodes)
  const dials = nodes.flatMap((a) => nodes.filter((b) => a !== b).map((b) => a.mesh.connect(b.address)))
  await mesh.time.of(Promise.all(dials))
  await mesh.time.run(6_000)
  for (const node of nodes) {
    assert.equal(node.neighbours.length, 4)
    assert.equal(node.host.sockets.size, 4)
    assert.deepEqual(node.of('neighbourDown'), [])
  }
  await mesh.time.of(nodes[0]!.mesh.publish('chat', 'x'))
  await mesh.time.run(50)
  assert.deepEqual(
    nodes.map(({ texts }) => texts.length),
    [0, 1, 1, 1, 1],
  )
  await mesh.stop()
})

test('a neighbour whose link the other end has forgotten comes back over a new one, without going down', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, lineOf(2))) as [VirtualNode, VirtualNode]
  // The process of a dies, and no one tells b.
  mesh.network.cut(a.ip, b.ip)
  mesh.kill(a)
  await mesh.time.run(1_000)
  mesh.network.restore(a.ip, b.ip)
  const again = await mesh.started(1, {}, { run: 1 })
  again.hear()
  await mesh.join(again, b)
  await mesh.time.of(again.mesh.publish('chat', 'here again'))
  await mesh.time.of(b.mesh.publish('chat', 'welcome'))
  await mesh.time.run(6_000)
  assert.deepEqual(b.texts, ['here again'])
  assert.deepEqual(again.texts, ['welcome'])
  assert.equal(b.host.sockets.size, 1)
  await mesh.stop()
})

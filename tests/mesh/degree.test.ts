// How many links a node holds: a full one tells newcomers of others and sends them away.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HALF_OPEN_PER_ADDRESS_MAX, NEWCOMERS_MAX } from '../../lib/limits.ts'
import { FakeLan } from '../discovery/fake-lan.ts'
import { VirtualMesh } from '../virtual/mesh.ts'

test('a full node tells a newcomer of its neighbours and says goodbye 2, and the newcomer finds them', async () => {
  const mesh = new VirtualMesh()
  const hub = await mesh.started(1, { degree: { max: 3 } })
  const others = [await mesh.started(2), await mesh.started(3), await mesh.started(4)]
  for (const other of others) await mesh.join(other, hub)
  const newcomer = (await mesh.started(5, { seeds: [hub.address], degree: { target: 6 } })).hear()
  await mesh.time.until('it finds others', () => newcomer.neighbours.length >= 3)
  const [failure] = newcomer.of('dialFailed')
  assert.equal(failure!.address, '/ip4/10.0.0.1/tcp/6374')
  assert.match(failure!.reason, /goodbye 2 \(tooMany\)/)
  assert.ok(failure!.retryInMs! >= 30_000 && failure!.retryInMs! <= 60_000)
  assert.deepEqual(newcomer.neighbours.toSorted(), others.map((other) => other.mesh.id).toSorted())
  assert.deepEqual(hub.neighbours.toSorted(), others.map((other) => other.mesh.id).toSorted())
  assert.equal(hub.mesh.stats().refused['too-many-neighbours'], 1)
  for (const entry of newcomer.mesh.neighbours()) {
    if (entry.state === 'open') assert.equal(entry.source, 'exchange')
  }
  await mesh.time.of(hub.mesh.publish('chat', 'x'))
  await mesh.time.run(50)
  assert.deepEqual(newcomer.texts, ['x'])
  await mesh.stop()
  await mesh.time.settle()
  assert.deepEqual(hub.leftovers, { timers: 0, sockets: 0, listeners: 0 })
})

test('a node that listens nowhere is not told to others', async () => {
  const mesh = new VirtualMesh()
  const hub = await mesh.started(1, { degree: { max: 1 } })
  const hidden = await mesh.started(2, { listen: [] })
  assert.deepEqual(hidden.mesh.addresses, [])
  await mesh.join(hidden, hub)
  const newcomer = await mesh.started(3, { seeds: [hub.address], degree: { target: 6 } })
  await mesh.time.run(10_000)
  assert.deepEqual(newcomer.neighbours, [])
  assert.equal(newcomer.mesh.neighbours().length, 1)
  await mesh.stop()
})

test('with target 0 a node dials nobody whom others told it of', async () => {
  const mesh = new VirtualMesh()
  const hub = await mesh.started(1, { degree: { max: 1 } })
  await mesh.join(await mesh.started(2), hub)
  const newcomer = await mesh.started(3, { seeds: [hub.address] })
  await mesh.time.run(600_000)
  assert.deepEqual(newcomer.neighbours, [])
  await mesh.stop()
})

test('a link of a stranger gives way to a peer that was asked for', async () => {
  const mesh = new VirtualMesh()
  const [old, young, wanted] = [await mesh.started(2), await mesh.started(3), await mesh.started(4)]
  const hub = await mesh.started(1, { degree: { max: 2 } })
  await mesh.join(old, hub)
  await mesh.join(young, hub)
  await mesh.join(hub, wanted)
  await mesh.time.run(10)
  assert.deepEqual(hub.neighbours.toSorted(), [old.mesh.id, wanted.mesh.id].toSorted())
  assert.match(young.of('neighbourDown')[0]!.reason, /goodbye 2/)
  await mesh.stop()
})

test('half-open connections of strangers are bounded, and honest nodes still get in afterwards', async () => {
  const mesh = new VirtualMesh()
  const hub = await mesh.started(1)
  const hosts = 1.25 * (NEWCOMERS_MAX / HALF_OPEN_PER_ADDRESS_MAX)
  const crowd = Array.from({ length: hosts }, (_, index) => mesh.network.host(`10.1.0.${index + 1}`))
  for (const host of crowd) {
    for (let i = 0; i < HALF_OPEN_PER_ADDRESS_MAX; i++) {
      void host.tcp.dial({ host: hub.ip, port: 6374 }, new AbortController().signal)
    }
  }
  await mesh.time.run(100)
  assert.ok(hub.host.sockets.size <= NEWCOMERS_MAX)
  assert.equal(hub.mesh.stats().refused['too-many-handshakes'], hosts * HALF_OPEN_PER_ADDRESS_MAX - NEWCOMERS_MAX)
  await mesh.time.run(5_000)
  assert.equal(hub.host.sockets.size, 0)
  assert.equal(hub.mesh.stats().refused['handshake-timeout'], NEWCOMERS_MAX)
  await mesh.join(await mesh.started(2), hub)
  await mesh.stop()
})

test('nodes on one local network find each other without being told', async () => {
  const mesh = new VirtualMesh()
  const lan = new FakeLan()
  const nodes = [1, 2, 3].map((number) =>
    mesh.node(number, { mdns: true, degree: { target: 6 } }, { multicast: lan.host(`10.0.0.${number}`).multicast }),
  )
  await mesh.start(...nodes)
  // The local network of memory has a clock of its own; both move together.
  for (let i = 0; i < 400 && nodes.some((node) => node.neighbours.length < 2); i++) {
    lan.clock.advance(25)
    await mesh.time.run(25)
  }
  for (const node of nodes) assert.equal(node.neighbours.length, 2)
  assert.ok(nodes[0]!.mesh.neighbours().every(({ source }) => source === 'mdns' || source === 'inbound'))
  await mesh.stop()
})

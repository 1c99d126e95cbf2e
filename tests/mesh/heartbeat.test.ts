// Whether a link still lives: pings on quiet links, silence, and a neighbour that takes no bytes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

async function pairOf(
  options: Parameters<VirtualMesh['graph']>[2] = {},
): Promise<[VirtualMesh, VirtualNode, VirtualNode]> {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]], options)) as [VirtualNode, VirtualNode]
  return [mesh, a, b]
}

test('the round-trip time is measured', async () => {
  const [mesh, a] = await pairOf()
  assert.equal(a.mesh.neighbours()[0]!.roundTripMs, null)
  mesh.network.path('10.0.0.1', '10.0.0.2').delayMs = 35
  await mesh.time.run(34_000)
  assert.equal(a.mesh.neighbours()[0]!.roundTripMs, 70)
  await mesh.stop()
})

test('a quiet link stays open for a day', async () => {
  const [mesh, a, b] = await pairOf()
  await mesh.time.run(86_400_000)
  assert.deepEqual([a.of('neighbourDown'), b.of('neighbourDown')], [[], []])
  assert.ok(a.mesh.neighbours()[0]!.openForMs! >= 86_400_000)
  await mesh.stop()
})

test('a link on which nothing comes any more ends as silent after three unanswered pings, at both ends', async () => {
  const [mesh, a, b] = await pairOf()
  await mesh.time.run(5_000)
  mesh.network.cut(a.ip, b.ip)
  const cutAtMs = mesh.time.nowMs
  await mesh.time.until('both ends see it', () => a.neighbours.length + b.neighbours.length === 0, 140_000)
  for (const node of [a, b]) {
    const [down] = node.of('neighbourDown')
    assert.match(down!.reason, /nothing came from the neighbour over 3 pings/)
    const silentMs = down!.atMs - cutAtMs
    assert.ok(silentMs >= 3 * 27_000 && silentMs <= 4 * 33_000, `${silentMs} ms`)
    assert.equal(node.mesh.stats().closed['peer-silent'], 1)
  }
  mesh.network.restore(a.ip, b.ip)
  await mesh.linked(a, b)
  await mesh.stop()
})

test('the heartbeat follows its options', async () => {
  const [mesh, a, b] = await pairOf({ heartbeat: { intervalMs: 1_000, missedMax: 1 } })
  mesh.network.cut(a.ip, b.ip)
  await mesh.time.run(2_300)
  assert.equal(a.neighbours.length + b.neighbours.length, 0)
  await mesh.stop()
})

test('a link lives through traffic that only goes one way', async () => {
  const [mesh, a, b] = await pairOf({ heartbeat: { intervalMs: 1_000, missedMax: 2 } })
  for (let i = 0; i < 600; i++) {
    await mesh.time.of(a.mesh.publish('chat', String(i)))
    await mesh.time.run(100)
  }
  assert.equal(b.messages.length, 600)
  assert.deepEqual([a.of('neighbourDown'), b.of('neighbourDown')], [[], []])
  await mesh.stop()
})

test('a neighbour that was idle for long has its full time when it takes no bytes', async () => {
  const [mesh, a, b] = await pairOf({ heartbeat: { intervalMs: 600_000 } })
  await mesh.time.run(120_000)
  // Its kernel's buffer is full to the last byte, so nothing is owed to it until the next write.
  for (const socket of a.host.sockets) socket.blockWrites()
  const sinceMs = mesh.time.nowMs
  void a.mesh.publish('chat', 'x')
  await mesh.time.until('the link ends', () => a.of('neighbourDown').length > 0)
  const [down] = a.of('neighbourDown')
  assert.equal(down!.peer, b.mesh.id)
  assert.match(down!.reason, /took no bytes for 30 s/)
  assert.ok(down!.atMs - sinceMs >= 30_000, `${down!.atMs - sinceMs} ms`)
  await mesh.stop()
})

// Links that break, and come back by themselves: cuts, resets, crashes, and a seed that takes an hour to appear.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { NameTable } from '../virtual/world.ts'

test('a reset link comes back, and messages published after that arrive once', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  for (let round = 0; round < 5; round++) {
    mesh.network.reset(a.ip, b.ip)
    await mesh.time.run(1)
    const down = a.of('neighbourDown')
    assert.equal(down.length, round + 1)
    assert.ok(down.at(-1)!.retryInMs! >= 50 && down.at(-1)!.retryInMs! <= 60_000)
    assert.match(down.at(-1)!.reason, /ECONNRESET/)
    // Who was dialled does not dial.
    assert.equal(b.of('neighbourDown').at(-1)!.retryInMs, null)
    await mesh.linked(a, b)
    await mesh.time.of(a.mesh.publish('chat', String(round)))
    await mesh.time.run(50)
  }
  assert.deepEqual(b.texts, ['0', '1', '2', '3', '4'])
  await mesh.stop()
})

test('the wait between dials grows up to the bound, is told, and starts over after a link that lived', async () => {
  const mesh = new VirtualMesh()
  mesh.network.host('10.0.0.2')
  const a = await mesh.started(1, { seeds: ['10.0.0.2:6374'], backoff: { firstMs: 500, maxMs: 8_000 } })
  await mesh.time.run(300_000)
  const failures = a.of('dialFailed')
  assert.ok(failures.length >= 40, `${failures.length} dials`)
  for (const [index, failure] of failures.entries()) {
    assert.equal(failure.address, '/ip4/10.0.0.2/tcp/6374')
    assert.match(failure.reason, /refused/)
    const boundMs = Math.min(8_000, 500 * 2 ** index)
    assert.ok(failure.retryInMs! >= 50 && failure.retryInMs! <= boundMs)
    const next = failures[index + 1]
    if (next !== undefined) {
      const waitedMs = next.atMs - failure.atMs
      assert.ok(Math.abs(waitedMs - failure.retryInMs!) <= 5, `${waitedMs} instead of ${failure.retryInMs}`)
    }
  }
  const b = await mesh.started(2)
  await mesh.linked(a, b)
  await mesh.time.run(31_000)
  mesh.network.reset(a.ip, b.ip)
  await mesh.time.run(1)
  assert.ok(a.of('neighbourDown')[0]!.retryInMs! <= 500)
  await mesh.stop()
})

test('a seed that does not listen for an hour is joined within a minute after it does', async () => {
  const mesh = new VirtualMesh()
  const names = new NameTable()
  names.set('seed.example', ['10.0.0.2'])
  const a = await mesh.started(1, { seeds: ['seed.example:6374'] }, { names })
  mesh.network.host('10.0.0.2')
  await mesh.time.run(3_600_000)
  const failures = a.of('dialFailed')
  assert.ok(failures.length >= 60, `${failures.length} dials`)
  assert.ok(failures.length <= 400, `${failures.length} dials`)
  assert.ok(failures.every(({ reason, retryInMs }) => reason !== '' && retryInMs !== null && retryInMs <= 60_000))
  // A name is resolved anew at each try.
  assert.ok(names.asked.length >= failures.length)
  const b = await mesh.started(2)
  const sinceMs = mesh.time.nowMs
  await mesh.linked(a, b, 60_100)
  assert.ok(mesh.time.nowMs - sinceMs <= 60_100)
  await mesh.stop()
})

test('a neighbour that crashes and starts again is found again, with the links of others untouched', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = (await mesh.graph(3, lineOf(3))) as [VirtualNode, VirtualNode, VirtualNode]
  await mesh.time.run(40_000)
  mesh.kill(b)
  await mesh.time.run(2_000)
  assert.deepEqual(a.neighbours, [])
  assert.deepEqual(c.neighbours, [])
  const again = (await mesh.started(2, { seeds: [c.address] }, { run: 1 })).hear()
  await mesh.linked(a, again)
  await mesh.linked(again, c)
  // What they said of themselves meanwhile comes by repair first.
  await mesh.time.run(1_000)
  await mesh.time.of(a.mesh.publish('chat', 'through'))
  await mesh.time.run(10)
  await mesh.time.of(again.mesh.publish('chat', 'from the new run'))
  await mesh.time.run(50)
  assert.deepEqual(c.texts, ['through', 'from the new run'])
  assert.deepEqual(a.texts, ['from the new run'])
  await mesh.stop()
})

test('what passed a cut late is not delivered again after the link came back', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = (await mesh.graph(3, [
    [0, 1],
    [1, 2],
    [2, 0],
  ])) as [VirtualNode, VirtualNode, VirtualNode]
  mesh.network.cut(a.ip, c.ip)
  for (let i = 0; i < 20; i++) {
    await mesh.time.of(a.mesh.publish('chat', String(i)))
    await mesh.time.run(20)
  }
  assert.equal(c.messages.length, 20)
  mesh.network.restore(a.ip, c.ip)
  await mesh.time.run(1_000)
  mesh.network.reset(a.ip, c.ip)
  mesh.network.reset(a.ip, b.ip)
  await mesh.linked(a, b)
  await mesh.linked(a, c)
  await mesh.time.run(10_000)
  const numbers = Array.from({ length: 20 }, (_, i) => String(i))
  assert.deepEqual(b.texts, numbers)
  assert.deepEqual(c.texts, numbers)
  assert.ok(c.mesh.stats().bundles.duplicate >= 20)
  await mesh.stop()
})

test('a cut shorter than the heartbeat loses nothing', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  mesh.network.cut(a.ip, b.ip)
  for (let i = 0; i < 10; i++) await mesh.time.of(a.mesh.publish('chat', String(i)))
  await mesh.time.run(40_000)
  mesh.network.restore(a.ip, b.ip)
  await mesh.time.run(1_000)
  assert.equal(b.messages.length, 10)
  assert.deepEqual([a.of('neighbourDown'), b.of('neighbourDown')], [[], []])
  await mesh.stop()
})

test('a peer that accepts and closes at once is dialled less and less often', async () => {
  const mesh = new VirtualMesh()
  const host = mesh.network.host('10.0.0.2')
  let accepted = 0
  await host.tcp.listen({ host: '::', port: 6374 }, (socket) => {
    accepted++
    socket.destroy()
  })
  const a = await mesh.started(1, { seeds: ['10.0.0.2:6374'] })
  await mesh.time.run(600_000)
  assert.ok(accepted >= 10 && accepted <= 80, `${accepted} connections`)
  assert.equal(a.of('dialFailed').length, accepted)
  assert.equal(host.sockets.size, 0)
  await mesh.stop()
})

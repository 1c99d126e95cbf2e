// What was missed comes again: whole nodes on a virtual network whose links fail, whose halves live apart, whose nodes are
// away. docs/protocol.md section 8.9.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDisk } from '../virtual/database.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { MemoryFiles } from '../virtual/world.ts'

const HOUR_MS = 3_600_000
const KEPT = { store: { ageMsMax: 3 * HOUR_MS } }

/** Messages of an hour, one a minute. */
async function anHour(mesh: VirtualMesh, ...speakers: readonly VirtualNode[]): Promise<void> {
  for (let minute = 0; minute < 60; minute++) {
    for (const speaker of speakers) {
      await mesh.time.of(speaker.mesh.publish('chat', `${speaker.number} at minute ${minute}`))
    }
    await mesh.time.run(60_000)
  }
}

test('two halves that lived apart for an hour tell each other what the other lacks, once, and are quiet again', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c, d] = (await mesh.graph(
    4,
    [
      [0, 1],
      [2, 3],
      [1, 2],
    ],
    KEPT,
  )) as [VirtualNode, VirtualNode, VirtualNode, VirtualNode]
  const readers = [a, b, c, d].map((node) => {
    const heard: string[] = []
    node.mesh.subscribe('chat', (message) => heard.push(message.text()), { since: 'stored' })
    return heard
  })
  await mesh.time.run(2_000)
  mesh.network.cut(b.ip, c.ip)
  await anHour(mesh, a, d)
  assert.ok(!b.hasNeighbour(c))
  const before = [a, b, c, d].map((node) => node.mesh.stats())
  mesh.network.restore(b.ip, c.ip)
  await mesh.linked(b, c, 10 * 60_000)
  await mesh.time.run(10_000)
  for (const [i, heard] of readers.entries()) {
    const speakers = [1, 4].filter((number) => number !== i + 1)
    const expected = speakers.flatMap((number) =>
      Array.from({ length: 60 }, (_, minute) => `${number} at minute ${minute}`),
    )
    assert.deepEqual([...heard].sort(), expected.sort(), `node ${i + 1}`)
  }
  // Each bundle crossed the healed link once: what b and c asked each other for is what they lacked.
  const after = [a, b, c, d].map((node) => node.mesh.stats())
  for (const at of [1, 2]) {
    const received = after[at]!.repair.received - before[at]!.repair.received
    const lacked = after[at]!.bundles.accepted - before[at]!.bundles.accepted
    assert.ok(received <= lacked && received >= 60, `${received} of ${lacked}`)
    assert.equal(after[at]!.repair.timeouts, 0)
  }
  // Live subscriptions hear nothing of what is older than they can be told of as live.
  assert.ok(a.messages.every(({ replayed }) => !replayed))
  const duplicates = after.map(({ bundles }, i) => bundles.duplicate - before[i]!.bundles.duplicate)
  assert.ok(
    duplicates.every((count) => count <= 4),
    duplicates.join(),
  )

  // Quiet: in the next minutes nothing but heartbeats crosses any link.
  await mesh.time.run(60_000)
  const quiet = [a, b, c, d].map((node) => node.mesh.stats())
  await mesh.time.run(5 * 60_000)
  for (const [i, node] of [a, b, c, d].entries()) {
    const { repair, links } = node.mesh.stats()
    assert.equal(repair.haveBytesOut, quiet[i]!.repair.haveBytesOut, `node ${i + 1}`)
    assert.equal(repair.requests, quiet[i]!.repair.requests)
    // A ping and a pong of 26 bytes each, half a minute apart, on at most two links.
    assert.ok(
      links.bytesOut - quiet[i]!.links.bytesOut < 60 * 2 * 2 * 12,
      `${links.bytesOut - quiet[i]!.links.bytesOut} bytes`,
    )
  }
  await mesh.stop()
})

test('a newcomer has the current values within a second, before the history', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  for (let i = 0; i < 3_000; i++) {
    await mesh.time.of(a.mesh.publish('log', `line ${i}`))
    if (i % 50 === 0) await mesh.time.run(10)
  }
  for (let i = 0; i < 20; i++) await mesh.time.of(a.mesh.publish(`config/${i}`, `old ${i}`, { retain: true }))
  for (let i = 0; i < 20; i++) await mesh.time.of(a.mesh.publish(`config/${i}`, `new ${i}`, { retain: true }))
  await mesh.time.of(a.mesh.publish('config/0', '', { retain: true }))
  await mesh.time.run(2_000)
  const late = await mesh.started(3)
  const values = new Map<string, string>()
  late.mesh.subscribe('config/#', (message) => values.set(message.topic, message.text()), { since: 'retained' })
  await mesh.join(late, b)
  await mesh.time.run(1_000)
  assert.deepEqual(
    [...values].filter(([, value]) => value !== '').sort(),
    Array.from({ length: 19 }, (_, i) => [`config/${i + 1}`, `new ${i + 1}`]).sort(),
  )
  await mesh.stop()
})

test('a node with a data folder that was off has all of what it missed, and its durable reader each once', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  const [files, disk] = [new MemoryFiles(), new MemoryDisk()]
  const heard: string[] = []
  const reading = (node: VirtualNode): void => {
    node.mesh.subscribe('chat', (message) => heard.push(message.text()), { durable: 'reader', since: 'stored' })
  }
  const first = await mesh.started(3, { dataDir: '/data' }, { files, disk })
  reading(first)
  await mesh.join(first, b)
  for (let i = 0; i < 100; i++) await mesh.time.of(a.mesh.publish('chat', `${i}`))
  await mesh.time.run(3_000)
  assert.equal(heard.length, 100)
  mesh.kill(first)
  for (let i = 100; i < 300; i++) await mesh.time.of(a.mesh.publish('chat', `${i}`))
  await mesh.time.run(60_000)
  const second = await mesh.started(3, { dataDir: '/data' }, { files, disk, run: 1 })
  reading(second)
  await mesh.join(second, b)
  await mesh.time.run(5_000)
  assert.deepEqual(
    [...heard].sort((x, y) => Number(x) - Number(y)),
    Array.from({ length: 300 }, (_, i) => `${i}`),
  )
  await mesh.stop()
})

test('confirmed says that neighbours hold a message, and says nothing too early', async () => {
  const mesh = new VirtualMesh()
  const a = await mesh.started(1)
  const receipt = await mesh.time.of(a.mesh.publish('chat', 'alone'))
  assert.deepEqual(await mesh.time.of(receipt.confirmed(0)), [])
  let holders: readonly string[] | null = null
  const waiting = receipt.confirmed(2).then((peers) => {
    holders = peers
  })
  await mesh.time.run(60_000)
  assert.equal(holders, null)
  const b = await mesh.started(2)
  await mesh.join(b, a)
  await mesh.time.run(10_000)
  assert.equal(holders, null)
  const c = await mesh.started(3)
  await mesh.join(c, a)
  await mesh.time.of(waiting)
  assert.deepEqual([...holders!].sort(), [b.mesh.id, c.mesh.id].sort())
  const late = assert.rejects(receipt.confirmed(3, { timeout: 500 }), { code: 'timed-out' })
  await mesh.time.run(600)
  await late
  await mesh.stop()
})

test('a large message that relays had no room for is there all the same', async () => {
  const mesh = new VirtualMesh()
  const nodes = (await mesh.graph(5, [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
  ])) as VirtualNode[]
  const payload = new Uint8Array(1_000_000)
  for (let i = 0; i < 30; i++) await mesh.time.of(nodes[0]!.mesh.publish('large', payload))
  await mesh.time.run(60_000)
  for (const node of nodes.slice(1)) assert.equal(node.messages.length, 30, `node ${node.number}`)
  await mesh.stop()
})

test('what is published with no neighbour waits in the store, and goes out when one comes', async () => {
  const mesh = new VirtualMesh()
  const a = await mesh.started(1)
  const receipts = []
  for (let i = 0; i < 20; i++) receipts.push(await mesh.time.of(a.mesh.publish('chat', `${i}`)))
  assert.deepEqual(receipts[0]!.neighbours, [])
  await mesh.time.run(5 * 60_000)
  const b = mesh.node(2)
  const heard: string[] = []
  b.mesh.subscribe('chat', (message) => heard.push(message.text()), { since: 'stored' })
  await mesh.start(b)
  await mesh.join(b, a)
  await mesh.time.run(1_000)
  assert.deepEqual(
    heard,
    receipts.map((_, i) => `${i}`),
  )
  assert.deepEqual(await mesh.time.of(receipts[19]!.confirmed(1, { timeout: 2_000 })), [b.mesh.id])
  await mesh.stop()
})

test('what a neighbour cannot read at the moment is asked for again', async () => {
  const mesh = new VirtualMesh(3)
  const disk = new MemoryDisk()
  const b = await mesh.started(2, { dataDir: '/data' }, { disk })
  for (let i = 0; i < 5; i++) await mesh.time.of(b.mesh.publish('history', `${i}`))
  await mesh.time.run(2_000)
  const a = await mesh.started(1, KEPT)
  const heard: string[] = []
  a.mesh.subscribe('history', (message) => heard.push(message.text()), { since: 'stored' })
  await mesh.join(a, b)
  disk.isUnreadable = true
  await mesh.time.run(500)
  assert.deepEqual(heard, [])
  disk.isUnreadable = false
  await mesh.time.run(30_000)
  assert.deepEqual(heard, ['0', '1', '2', '3', '4'])
  await mesh.stop()
})

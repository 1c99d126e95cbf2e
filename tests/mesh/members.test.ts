// Whole nodes that hold their own links and know each other: from one seed, through deaths, over a split, against liars.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshOptions } from '../../lib/index.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { MemoryFiles } from '../virtual/world.ts'

/** Who went down, by each node's own account. */
function downsOf(node: VirtualNode): { peer: string; name: string; reason: string }[] {
  const downs: { peer: string; name: string; reason: string }[] = []
  node.mesh.on('nodeDown', (down) => downs.push(down))
  return downs
}

const BY_ITSELF: MeshOptions = { degree: { target: 6 } }

function degreesOf(nodes: readonly VirtualNode[]): number[] {
  return nodes.map((node) => node.neighbours.length).sort((a, b) => a - b)
}

/** Nodes in the part that the first one belongs to. */
function partOf(nodes: readonly VirtualNode[]): number {
  const byId = new Map(nodes.map((node) => [node.mesh.id, node]))
  const part = nodes.slice(0, 1)
  for (const node of part) {
    for (const peer of node.neighbours) {
      const other = byId.get(peer)
      if (other !== undefined && !part.includes(other)) part.push(other)
    }
  }
  return part.length
}

function assertHolds(nodes: readonly VirtualNode[], what: string): void {
  const degrees = degreesOf(nodes)
  assert.equal(partOf(nodes), nodes.length, `${what}: it fell apart`)
  assert.ok(degrees[0]! >= 4 && degrees.at(-1)! <= 8, `${what}: ${degrees}`)
}

test('thirty nodes from one seed hold four to eight links each after two minutes, also without the seed and five more', async () => {
  const mesh = new VirtualMesh(21)
  const seed = await mesh.started(1, BY_ITSELF)
  const others: VirtualNode[] = []
  for (let number = 2; number <= 30; number++) {
    others.push(await mesh.started(number, { ...BY_ITSELF, seeds: [seed.address] }))
  }
  const nodes = [seed, ...others]
  const downs = nodes.map(downsOf)
  await mesh.time.run(120_000)
  assertHolds(nodes, 'after two minutes')
  for (const node of nodes) {
    const known = node.mesh.nodes()
    assert.equal(known.length, 30)
    assert.ok(known.every(({ up }) => up))
    assert.ok(known.every(({ hops }) => hops !== null && hops <= 4))
  }
  for (const node of nodes.slice(0, 6)) mesh.kill(node)
  const left = nodes.slice(6)
  await mesh.time.run(90_000)
  assertHolds(left, 'after six deaths')
  const gone = nodes.slice(0, 6).map((node) => node.mesh.id)
  for (const told of downs.slice(6)) {
    assert.deepEqual(told.map(({ peer }) => peer).toSorted(), gone.toSorted())
    assert.ok(told.every(({ reason }) => reason === 'unreachable'))
  }
  await mesh.stop()
})

test('a node that stops has left, and the others say so at once', async () => {
  const mesh = new VirtualMesh(22)
  const seed = await mesh.started(1, BY_ITSELF)
  const [a, b] = [
    await mesh.started(2, { ...BY_ITSELF, seeds: [seed.address], name: 'anna' }),
    await mesh.started(3, { ...BY_ITSELF, seeds: [seed.address] }),
  ]
  const downs = [seed, b].map(downsOf)
  await mesh.time.until('all know all', () => [seed, a, b].every((node) => node.mesh.nodes().length === 3))
  await mesh.time.run(30_000)
  const id = a.mesh.id
  await mesh.stop(a)
  await mesh.time.run(1_000)
  for (const told of downs) assert.deepEqual(told, [{ peer: id, name: 'anna', reason: 'left' }])
  for (const node of [seed, b]) assert.equal(node.mesh.nodes().length, 2)
  await mesh.stop()
  await mesh.time.settle()
  assert.deepEqual(seed.leftovers, { timers: 0, sockets: 0, listeners: 0 })
})

test('a node that moved is found although an earlier run told of itself with a clock a year ahead', async () => {
  const mesh = new VirtualMesh(26)
  const [hub, far] = [await mesh.started(1), await mesh.started(3)]
  await mesh.join(far, hub)
  const files = new MemoryFiles()
  const ahead = mesh.node(2, { dataDir: '/data' }, { files })
  ahead.world.clock.unixAheadMs = 365 * 86_400_000
  await mesh.start(ahead)
  await mesh.join(ahead, hub)
  await mesh.time.run(30_000)
  await mesh.stop(ahead)
  await mesh.time.run(60_000)

  const moved = await mesh.started(2, { dataDir: '/data' }, { files, ip: '10.0.0.9', run: 1 })
  assert.equal(moved.mesh.id, ahead.mesh.id)
  moved.mesh.handle('/x', (stream) => stream.end('here'))
  await mesh.join(moved, hub)
  await mesh.time.run(30_000)
  const [known] = far.mesh.find(moved.mesh.id)
  assert.deepEqual(known?.addresses, [`/ip4/10.0.0.9/tcp/6374/p2p/${moved.mesh.id}`])
  // It is dialled there: the two are no neighbours yet.
  const stream = await mesh.time.of(far.mesh.open(moved.mesh.id, ['/x']))
  stream.destroy()
  await mesh.stop()
})

test('a network that was split finds together by itself', async () => {
  const mesh = new VirtualMesh(23)
  const seed = await mesh.started(1, BY_ITSELF)
  const nodes = [seed]
  for (let number = 2; number <= 12; number++) {
    nodes.push(await mesh.started(number, { ...BY_ITSELF, seeds: [seed.address] }))
  }
  await mesh.time.run(90_000)
  const halves = [nodes.slice(0, 6), nodes.slice(6)] as const
  for (const a of halves[0]) for (const b of halves[1]) mesh.network.cut(a.ip, b.ip)
  await mesh.time.run(600_000)
  for (const half of halves) assert.equal(partOf(half), 6)
  for (const a of halves[0]) for (const b of halves[1]) mesh.network.restore(a.ip, b.ip)
  await mesh.time.run(180_000)
  assert.equal(partOf(nodes), 12)
  for (const node of nodes) assert.ok(node.mesh.nodes().every(({ up }) => up))
  await mesh.stop()
})

test('a node whose seeds are all dead comes back over the address book in its data folder', async () => {
  const mesh = new VirtualMesh(24)
  const seed = await mesh.started(1, BY_ITSELF)
  const others: VirtualNode[] = []
  for (const number of [2, 3, 4]) others.push(await mesh.started(number, { ...BY_ITSELF, seeds: [seed.address] }))
  const files = new MemoryFiles()
  const options = { ...BY_ITSELF, seeds: [seed.address], dataDir: '/data' }
  const first = await mesh.started(5, options, { files })
  await mesh.time.until('it has four neighbours', () => first.neighbours.length === 4)
  await mesh.time.run(30_000)
  mesh.kill(first)
  mesh.kill(seed)
  await mesh.time.run(120_000)
  const again = await mesh.started(5, options, { files, run: 1 })
  await mesh.time.until('it is back', () => again.neighbours.length === 3, 30_000)
  assert.ok(again.mesh.neighbours().some(({ source }) => source === 'book'))
  await mesh.stop()
})

test('what a public neighbour tells of private addresses is dialled by nobody outside', async () => {
  const mesh = new VirtualMesh(25)
  const hub = await mesh.started(1, BY_ITSELF, { ip: '203.0.113.1' })
  // This one dials nobody by itself, so that no link of its own leads outside.
  const inside = await mesh.started(2, { seeds: [hub.address] })
  const outside = await mesh.started(3, { ...BY_ITSELF, seeds: [hub.address] }, { ip: '198.51.100.7' })
  await mesh.time.run(600_000)
  assert.ok(hub.hasNeighbour(inside))
  assert.deepEqual(outside.neighbours, [hub.mesh.id])
  assert.equal(outside.mesh.neighbours().length, 1)
  assert.deepEqual(outside.of('dialFailed'), [])
  const known = outside.mesh.nodes().find(({ peer }) => peer === inside.mesh.id)
  assert.deepEqual(known?.addresses, [`/ip4/10.0.0.2/tcp/6374/p2p/${inside.mesh.id}`])
  await mesh.stop()
})

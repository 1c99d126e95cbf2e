// Messages over whole nodes: who gets what, how often, over how many links.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chance } from '../virtual/chance.ts'
import { distances, lineOf, randomGraph, ringOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

async function everyoneOnce(count: number, edges: [number, number][], seed: number): Promise<void> {
  const mesh = new VirtualMesh(seed)
  const nodes = await mesh.graph(count, edges)
  for (const node of nodes) {
    await mesh.time.of(node.mesh.publish('chat', `from ${node.number}`))
    await mesh.time.run(100)
  }
  for (const [index, node] of nodes.entries()) {
    const others = nodes.filter((other) => other !== node)
    assert.deepEqual(node.texts.toSorted(), others.map((other) => `from ${other.number}`).toSorted())
    const far = distances(count, edges, index)
    for (const message of node.messages) {
      const origin = nodes.findIndex((other) => other.mesh.id === message.from)
      assert.equal(message.hops, far[origin], `links from ${origin} to ${index}`)
      assert.equal(message.topic, 'chat')
      assert.equal(message.replayed, false)
    }
  }
  await mesh.stop()
}

test('over a line every other node gets each message once, with the links that it crossed', async () => {
  await everyoneOnce(5, lineOf(5), 1)
})

test('over a ring every other node gets each message once, by the shortest way', async () => {
  await everyoneOnce(6, ringOf(6), 2)
})

test('over random graphs every other node gets each message once, by the shortest way', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = chance(seed)
    await everyoneOnce(8, randomGraph(8, 6, random.below), seed)
  }
})

test('messages of one origin arrive in the order of their publication, whatever their size', async () => {
  const mesh = new VirtualMesh(3)
  mesh.network.chunkBytesMax = 4_000
  const [a, , c] = (await mesh.graph(3, lineOf(3))) as [VirtualNode, VirtualNode, VirtualNode]
  const random = chance(9)
  const sizes = Array.from({ length: 200 }, () => (random.below(20) === 0 ? random.below(100_000) : random.below(300)))
  for (const size of sizes) await mesh.time.of(a.mesh.publish('chat', new Uint8Array(size)))
  await mesh.time.run(1_000)
  assert.deepEqual(
    c.messages.map((message) => message.data.length),
    sizes,
  )
  assert.deepEqual(
    c.messages.map((message) => message.sequence),
    sizes.map((_, index) => c.messages[0]!.sequence + index),
  )
  await mesh.stop()
})

test('a short link that opens in the middle of a burst over a long way loses no message and keeps their order', async () => {
  const mesh = new VirtualMesh(4)
  const [a, b, c, d] = (await mesh.graph(4, lineOf(4))) as [VirtualNode, VirtualNode, VirtualNode, VirtualNode]
  for (const [from, to] of [
    [a, b],
    [b, c],
    [c, d],
  ] as const) {
    mesh.network.path(from.ip, to.ip).delayMs = 60
  }
  const texts = Array.from({ length: 300 }, (_, number) => `number ${number}`)
  let joining: Promise<string> | null = null
  for (const [number, text] of texts.entries()) {
    await mesh.time.of(a.mesh.publish('chat', text))
    if (number === 100) joining = d.mesh.connect(a.address)
    await mesh.time.run(5)
  }
  await mesh.time.of(joining!)
  await mesh.time.run(1_000)
  for (const node of [b, c, d]) assert.deepEqual(node.texts, texts, `node ${node.number}`)
  assert.deepEqual([...new Set(d.messages.map(({ hops }) => hops))], [3, 1])
  const { reordered, messages } = d.mesh.stats().delivered
  assert.ok(reordered > 0 && reordered < messages / 2, `${reordered} of ${messages} waited`)
  // For this one the old way stays the shorter.
  assert.equal(b.mesh.stats().delivered.reordered, 0)
  await mesh.stop()
  await mesh.time.settle()
  assert.deepEqual(d.leftovers, { timers: 0, sockets: 0, listeners: 0 })
})

test('a node that stops delivers what still waits for earlier messages', async () => {
  const mesh = new VirtualMesh(5)
  const [a, b, c] = (await mesh.graph(3, lineOf(3))) as [VirtualNode, VirtualNode, VirtualNode]
  await mesh.time.of(a.mesh.publish('chat', 'first'))
  await mesh.time.run(100)
  mesh.network.cut(b.ip, c.ip)
  await mesh.time.of(a.mesh.publish('chat', 'on a dead way'))
  await mesh.time.run(100)
  await mesh.join(c, a)
  await mesh.time.of(a.mesh.publish('chat', 'by the new link'))
  await mesh.time.run(5)
  assert.deepEqual(c.texts, ['first'])
  await mesh.stop(c)
  assert.deepEqual(c.texts, ['first', 'by the new link'])
  await mesh.stop()
})

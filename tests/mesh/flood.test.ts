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
    sizes.map((_, index) => index),
  )
  await mesh.stop()
})

// Random graphs, random publications, links that are cut and come back, nodes that die and start again: whatever happens,
// nothing is delivered twice, what no cut stood in the way of is delivered, everything stays bounded, and quiet returns.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { LINK_QUEUE_BYTES_MAX } from '../../lib/limits.ts'
import { rounds } from '../tools/all-tests.ts'
import { chance } from '../virtual/chance.ts'
import { randomGraph, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

const SEED = 20_260_101
/** Short, so that broken links are noticed soon. */
const OPTIONS = {
  heartbeat: { intervalMs: 2_000, missedMax: 2 },
  backoff: { firstMs: 200, maxMs: 2_000, resetAfterMs: 5_000 },
}

const graphs: fc.Arbitrary<{ count: number; extra: number; seed: number; chunkBytesMax: number | null }> = fc.record({
  count: fc.integer({ min: 3, max: 8 }),
  extra: fc.integer({ min: 0, max: 6 }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  chunkBytesMax: fc.constantFrom(null, 300, 5_000),
})

type Graph = { count: number; extra: number; seed: number; chunkBytesMax: number | null }

async function build({ count, extra, seed, chunkBytesMax }: Graph): Promise<Built> {
  const mesh = new VirtualMesh(seed)
  mesh.network.chunkBytesMax = chunkBytesMax
  mesh.network.trace = []
  const random = chance(seed)
  const edges = randomGraph(count, extra, random.below)
  for (const [a, b] of edges) mesh.network.path(`10.0.0.${a + 1}`, `10.0.0.${b + 1}`).delayMs = 1 + random.below(20)
  const nodes = await mesh.graph(count, edges, OPTIONS)
  return { mesh, nodes, edges, below: random.below }
}

interface Built {
  readonly mesh: VirtualMesh
  readonly nodes: VirtualNode[]
  readonly edges: [number, number][]
  readonly below: (limit: number) => number
}

function assertNeverTwice(nodes: Iterable<VirtualNode>): void {
  for (const node of nodes) {
    const ids = node.messages.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length, `node ${node.number} got something twice`)
    assert.ok(node.messages.every(({ from }) => from !== node.mesh.id))
  }
}

function assertBounded(nodes: Iterable<VirtualNode>, count: number): void {
  for (const { mesh } of nodes) {
    const { links, seen } = mesh.stats()
    assert.ok(links.queuedBytes <= count * LINK_QUEUE_BYTES_MAX)
    assert.ok(seen.origins <= count)
    // Each death gives one more epoch; gaps of lost links give ranges.
    assert.ok(seen.epochs <= count * 8)
    assert.ok(seen.ranges <= count * 256)
    assert.ok(mesh.neighbours().length <= count * 2)
  }
}

/** Nothing happens but heartbeats: a few events for each link and interval. */
async function assertQuiet({ mesh, edges }: Built): Promise<void> {
  const before = mesh.time.eventCount
  await mesh.time.run(10_000)
  const events = mesh.time.eventCount - before
  assert.ok(events <= edges.length * 2 * 6 * 40, `${events} events in ten quiet seconds over ${edges.length} links`)
}

async function publishRandomly(built: Built, rounds: number): Promise<Map<string, number>> {
  const { mesh, nodes, below } = built
  const sent = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    const index = below(nodes.length)
    const burst = 1 + below(below(4) === 0 ? 40 : 3)
    for (let i = 0; i < burst; i++) {
      const size = below(10) === 0 ? below(60_000) : below(200)
      void nodes[index]!.mesh.publish('chat', new Uint8Array(size)).then(({ id }) => sent.set(id, index))
    }
    await mesh.time.run(below(30))
  }
  await mesh.time.run(2_000)
  return sent
}

test('while no link breaks, every node gets every message exactly once', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      const built = await build(graph)
      const sent = await publishRandomly(built, 25)
      assertNeverTwice(built.nodes)
      for (const [index, node] of built.nodes.entries()) {
        const expected = [...sent]
          .filter(([, origin]) => origin !== index)
          .map(([id]) => id.split('/').slice(1).join('/'))
        assert.equal(node.messages.length, expected.length)
        assert.deepEqual(node.of('neighbourDown'), [])
      }
      assertBounded(built.nodes, graph.count)
      await assertQuiet(built)
      await built.mesh.stop()
    }),
    { seed: SEED, numRuns: rounds(5, 10) },
  )
})

/** Breaks and mends things at random while messages flow. Returns every run of every node. */
async function turmoil(built: Built, steps: number): Promise<VirtualNode[]> {
  const { mesh, nodes, edges, below } = built
  const runs = [...nodes]
  const cut = new Set<number>()
  for (let step = 0; step < steps; step++) {
    const index = below(edges.length)
    const [a, b] = edges[index]!
    const [hostA, hostB] = [`10.0.0.${a + 1}`, `10.0.0.${b + 1}`]
    switch (below(8)) {
      case 0:
        mesh.network.cut(hostA, hostB)
        cut.add(index)
        break
      case 1:
      case 2:
        mesh.network.restore(hostA, hostB)
        cut.delete(index)
        break
      case 3:
        mesh.network.reset(hostA, hostB)
        break
      case 4: {
        if (below(3) > 0) break
        const seeds = edges.flatMap(([from, to]) => (from === a ? [`10.0.0.${to + 1}:6374`] : []))
        if (below(2) === 0) mesh.kill(nodes[a]!)
        else await mesh.stop(nodes[a]!)
        await mesh.time.run(below(500))
        nodes[a] = mesh.node(a + 1, { ...OPTIONS, seeds }, { run: step + 1 }).hear()
        runs.push(nodes[a]!)
        await mesh.start(nodes[a]!)
        break
      }
      default:
        for (let i = below(10); i >= 0; i--) {
          nodes[below(nodes.length)]!.mesh.publish('chat', new Uint8Array(below(3_000))).catch(assert.fail)
        }
    }
    await mesh.time.run(below(10) === 0 ? below(6_000) : below(40))
  }
  for (const index of cut) mesh.network.restore(`10.0.0.${edges[index]![0] + 1}`, `10.0.0.${edges[index]![1] + 1}`)
  return runs
}

test('through cuts, resets and deaths nothing comes twice, all links come back, and then all is delivered again', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      const built = await build(graph)
      const { mesh, nodes, edges } = built
      const runs = await turmoil(built, 60)
      assertBounded(nodes, graph.count)
      for (const [a, b] of edges) await mesh.linked(nodes[a]!, nodes[b]!, 60_000)
      // Duplicates that were being settled are, and what was on its way has come.
      await mesh.time.run(10_000)
      assertNeverTwice(runs)
      assertBounded(nodes, graph.count)
      const before = nodes.map((node) => node.messages.length)
      await mesh.time.of(nodes[0]!.mesh.publish('chat', 'all is well'))
      await mesh.time.run(2_000)
      for (const [index, node] of nodes.entries()) {
        assert.equal(node.messages.length - before[index]!, index === 0 ? 0 : 1, `node ${node.number}`)
      }
      assertNeverTwice(runs)
      await assertQuiet(built)
      for (const node of nodes) {
        assert.deepEqual(Object.values(node.mesh.stats().bundles.rejected), [0, 0, 0])
        assert.equal(node.mesh.stats().links.queuedBytes, 0)
        const own = edges.filter(([a, b]) => a === node.number - 1 || b === node.number - 1)
        assert.equal(node.neighbours.length, new Set(own.flat()).size - 1)
      }
      await mesh.stop()
      await mesh.time.run(1_000)
      for (const node of nodes) assert.deepEqual(node.leftovers, { timers: 0, sockets: 0, listeners: 0 })
    }),
    { seed: SEED, numRuns: rounds(6, 12) },
  )
})

test('the same seed gives the same trace', async () => {
  const traceOf = async (): Promise<string> => {
    const built = await build({ count: 5, extra: 3, seed: 77, chunkBytesMax: 700 })
    await turmoil(built, 40)
    await built.mesh.time.run(20_000)
    await built.mesh.stop()
    const { trace } = built.mesh.network
    assert.ok(trace!.length > 500, `${trace!.length} arrivals`)
    return createHash('sha256').update(trace!.join('\n')).digest('hex')
  }
  assert.equal(await traceOf(), await traceOf())
})

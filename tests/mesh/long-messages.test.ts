// Messages of a megabyte over links that take their time for one: each crosses a tree, though neighbours tell of it long before it is
// here. docs/protocol.md sections 8.9.2 and 8.9.8.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshStats } from '../../lib/index.ts'
import { chance } from '../virtual/chance.ts'
import { VirtualMesh } from '../virtual/mesh.ts'
import { OPTIONS, regularGraph } from './crowd.ts'

const NODES = 8
const LONG_BYTES = 1_048_576

for (const bytesPerMs of [10_000, 2_500]) {
  test(`at ${bytesPerMs} bytes a millisecond a megabyte comes once, and is not asked for while it is on its way`, async () => {
    const mesh = new VirtualMesh(5)
    const edges = regularGraph(NODES, 4, chance(5).below)
    for (const [a, b] of edges) mesh.network.path(`10.0.0.${a + 1}`, `10.0.0.${b + 1}`).bytesPerMs = bytesPerMs
    const nodes = await mesh.graph(NODES, edges, OPTIONS)
    await mesh.time.run(12_000)
    const publisher = nodes[0]!.mesh
    const transferMs = LONG_BYTES / bytesPerMs
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        void publisher.publish('long', new Uint8Array(LONG_BYTES).fill(i))
        await mesh.time.run(transferMs * 1.5)
      }
      await mesh.time.run(10 * transferMs)
    }
    const sum = (of: (stats: MeshStats) => number): number =>
      nodes.reduce((all, node) => all + of(node.mesh.stats()), 0)
    const counted = (): number[] => [
      sum(({ bundles }) => bundles.accepted),
      sum(({ bundles }) => bundles.duplicate),
      sum(({ repair }) => repair.requests),
    ]
    await publish(4)
    const before = counted()
    await publish(8)
    const [accepted, duplicates, requests] = counted().map((after, i) => after - before[i]!)
    assert.equal(accepted, 8 * (NODES - 1))
    assert.deepEqual({ duplicates, requests }, { duplicates: 0, requests: 0 })
    await mesh.stop()
  })
}

// Whole nodes on a virtual network with links of different length, what each of them heard of what was published, how long that
// took, and what it cost. For tests that count copies and delays.

import assert from 'node:assert/strict'
import type { MeshOptions, MeshStats } from '../../lib/index.ts'
import { chance } from '../virtual/chance.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import type { VirtualPath } from '../virtual/network.ts'

export const COUNT = 16
export const DEGREE = 4
/** Links that fail come back after the test. */
export const OPTIONS: MeshOptions = { backoff: { firstMs: 60_000 } }

/** A random connected graph in which each node has the same degree. */
export function regularGraph(count: number, degree: number, below: (limit: number) => number): [number, number][] {
  for (;;) {
    const ends = Array.from({ length: count * degree }, (_, i) => i % count)
    for (let i = ends.length - 1; i > 0; i--) {
      const j = below(i + 1)
      ;[ends[i], ends[j]] = [ends[j]!, ends[i]!]
    }
    const edges = new Map<string, [number, number]>()
    for (let i = 0; i < ends.length; i += 2) {
      const [a, b] = [Math.min(ends[i]!, ends[i + 1]!), Math.max(ends[i]!, ends[i + 1]!)]
      if (a !== b) edges.set(`${a} ${b}`, [a, b])
    }
    if (edges.size === (count * degree) / 2) return [...edges.values()]
  }
}

/** Who published it and when, and how long it took to whom. */
export interface Sent {
  readonly by: number
  readonly atMs: number
  readonly tookMs: Map<number, number>
  /** How often it was delivered once more. */
  twice: number
}

/** Sixteen nodes of degree four, or others; what each heard of what was published, and when. */
export class Crowd {
  readonly mesh: VirtualMesh
  readonly nodes: VirtualNode[] = []
  readonly edges: [number, number][]
  readonly below: (limit: number) => number
  /** Nodes that are not counted on any more. */
  readonly gone: Set<number> = new Set<number>()
  /** By text. */
  readonly sent: Map<string, Sent> = new Map()
  #number = 0

  constructor(
    seed: number,
    edgesOf: (below: (limit: number) => number) => [number, number][] = (below) => regularGraph(COUNT, DEGREE, below),
  ) {
    this.mesh = new VirtualMesh(seed)
    this.below = chance(seed).below
    this.edges = edgesOf(this.below)
  }

  async build(options: (index: number) => MeshOptions = () => ({}), delayMsMax = 20): Promise<this> {
    const count = Math.max(...this.edges.flat()) + 1
    for (const edge of this.edges) this.path(edge).delayMs = 1 + this.below(delayMsMax)
    for (let i = 0; i < count; i++) this.listen(i, this.mesh.node(i + 1, { ...OPTIONS, ...options(i) }))
    await this.mesh.start(...this.nodes)
    for (const [a, b] of this.edges) await this.mesh.join(this.nodes[a]!, this.nodes[b]!)
    // What nodes tell of themselves has gone out.
    await this.mesh.time.run(12_000)
    return this
  }

  listen(index: number, node: VirtualNode): VirtualNode {
    this.nodes[index] = node
    node.mesh.subscribe('chat', (message) => {
      const entry = this.sent.get(message.text())!
      if (entry.tookMs.has(index)) entry.twice++
      entry.tookMs.set(index, this.mesh.time.nowMs - entry.atMs)
    })
    return node
  }

  path([a, b]: readonly [number, number]): VirtualPath {
    return this.mesh.network.path(`10.0.0.${a + 1}`, `10.0.0.${b + 1}`)
  }

  /** So many messages, one every `everyMs`, by these nodes in turn, each after a call of `before`. Returns those of them. */
  async publish(
    count: number,
    everyMs: number,
    by: readonly number[],
    before: (i: number) => void = () => {},
  ): Promise<string[]> {
    const texts: string[] = []
    for (let i = 0; i < count; i++) {
      before(i)
      const from = by[i % by.length]!
      const text = `${this.#number++}`
      texts.push(text)
      this.sent.set(text, { by: from, atMs: this.mesh.time.nowMs, tookMs: new Map(), twice: 0 })
      void this.nodes[from]!.mesh.publish('chat', text)
      await this.mesh.time.run(everyMs)
    }
    await this.mesh.time.run(2_000)
    return texts
  }

  /** Milliseconds that they took, ascending; fails when one is missing or came twice. */
  took(texts: readonly string[]): number[] {
    const all: number[] = []
    for (const text of texts) {
      const { by, tookMs, twice } = this.sent.get(text)!
      assert.equal(twice, 0, `${text} was delivered twice`)
      for (const [index] of this.nodes.entries()) {
        if (index === by || this.gone.has(index)) continue
        const ms = tookMs.get(index)
        assert.ok(ms !== undefined, `${text} of node ${by + 1} did not come to node ${index + 1}`)
        all.push(ms)
      }
    }
    return all.sort((a, b) => a - b)
  }

  sum(of: (stats: MeshStats) => number): number {
    let sum = 0
    for (const [i, { mesh }] of this.nodes.entries()) if (!this.gone.has(i)) sum += of(mesh.stats())
    return sum
  }

  /** Bundles that crossed a link while `run` ran, by what was new; and what else happened. */
  async counted(run: () => Promise<string[]>): Promise<{
    copies: number
    texts: string[]
    declined: number
    grafts: number
    requests: number
    haveBytes: number
    frames: number
  }> {
    const look = () => ({
      accepted: this.sum(({ bundles }) => bundles.accepted),
      duplicates: this.sum(({ bundles }) => bundles.duplicate),
      declined: this.sum(({ links }) => links.declined),
      grafts: this.sum(({ links }) => links.grafts),
      requests: this.sum(({ repair }) => repair.requests),
      haveBytes: this.sum(({ repair }) => repair.haveBytesOut),
      frames: this.sum(({ links }) => links.framesOut),
    })
    const before = look()
    const texts = await run()
    const after = look()
    const grown = (what: keyof typeof before): number => after[what] - before[what]
    return {
      copies: (grown('accepted') + grown('duplicates')) / grown('accepted'),
      texts,
      declined: grown('declined'),
      grafts: grown('grafts'),
      requests: grown('requests'),
      haveBytes: grown('haveBytes'),
      frames: grown('frames'),
    }
  }

  async stop(): Promise<void> {
    await this.mesh.stop(...this.nodes.filter((_, i) => !this.gone.has(i)))
  }
}

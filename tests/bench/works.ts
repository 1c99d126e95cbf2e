// The works: what each does, with how much, and which of its figures counts.

import {
  type HandshakeWork,
  type IdleWork,
  MEMORY_FLAGS,
  type MemoryWork,
  runHandshakes,
  runIdle,
  runMemory,
} from './connections.ts'
import type { Crew } from './crew.ts'
import type { Figures } from './figures.ts'
import { type FlowWork, runFlow } from './flow.ts'
import type { Stream } from './tally.ts'

export type Plan = FlowWork | HandshakeWork | MemoryWork | IdleWork

/** One row of the first table. */
export interface MainFigure {
  readonly name: keyof Figures
  readonly label: string
  /** What is in the row is the figure multiplied by this. */
  readonly factor?: number
}

export interface Work {
  readonly name: string
  readonly title: string
  readonly main: readonly MainFigure[]
  /** `share`: of the full amount, above 0. */
  plan(share: number): Plan
}

const KIBIBYTE = 1_024
const MEBIBYTE = 1_048_576

function stream(publisher: number, payloadBytes: number, count: number): Stream {
  return { publisher, payloadBytes, count, warmUp: Math.max(1, Math.ceil(count / 10)), perSecond: null }
}

function flow(nodes: number, degree: number, streams: readonly Stream[]): FlowWork {
  return { kind: 'flow', nodes, degree, streams }
}

const deliveries: MainFigure = { name: 'perSecond', label: 'deliveries/s' }
const megabytes: MainFigure = { name: 'megabytesPerSecond', label: 'MB/s delivered' }
const latencies: readonly MainFigure[] = [
  { name: 'p50Ms', label: 'latency p50, ms' },
  { name: 'p99Ms', label: 'latency p99, ms' },
]
const caughtUp: MainFigure = { name: 'perSecond', label: 'messages/s' }

export const WORKS: readonly Work[] = [
  {
    name: 'link',
    title: 'two nodes, 256 B',
    main: [deliveries],
    plan: (share) => flow(2, 1, [stream(0, 256, Math.ceil(300_000 * share))]),
  },
  {
    name: 'large-link',
    title: 'two nodes, 64 KiB',
    main: [megabytes],
    plan: (share) => flow(2, 1, [stream(0, 64 * KIBIBYTE, Math.ceil(8_000 * share))]),
  },
  {
    name: 'large-flood',
    title: '8 nodes of degree 4, 1 MiB',
    main: [megabytes],
    plan: (share) => flow(8, 4, [stream(0, MEBIBYTE, Math.ceil(100 * share))]),
  },
  {
    name: 'flood',
    title: '16 nodes of degree 4, 256 B',
    main: [deliveries],
    plan: (share) => flow(16, 4, [stream(0, 256, Math.ceil(40_000 * share))]),
  },
  {
    name: 'slow-flood',
    title: '16 nodes of degree 4, 256 B at 100/s',
    main: latencies,
    plan: (share) => flow(16, 4, [{ ...stream(0, 256, Math.ceil(1_000 * share)), warmUp: 200, perSecond: 100 }]),
  },
  {
    name: 'all-to-all',
    title: '8 nodes of degree 4, all publish, 256 B',
    main: [deliveries],
    plan: (share) =>
      flow(
        8,
        4,
        Array.from({ length: 8 }, (_, node) => stream(node, 256, Math.ceil(5_000 * share))),
      ),
  },
  {
    name: 'beside-large',
    title: '8 nodes of degree 4, 256 B at 100/s while another node publishes 1 MiB at 10/s',
    main: latencies,
    plan: (share) =>
      flow(8, 4, [
        { ...stream(0, MEBIBYTE, Math.ceil(100 * share)), perSecond: 10 },
        { ...stream(5, 256, Math.ceil(1_000 * share)), perSecond: 100 },
      ]),
  },
  {
    name: 'handshakes',
    title: 'dial, prove, hang up, one after the other',
    main: [{ name: 'perSecond', label: 'links/s' }],
    plan: (share) => ({ kind: 'handshakes', count: Math.ceil(300 * share) }),
  },
  {
    name: 'memory',
    title: 'one node, a link to each of 200 others',
    main: [
      { name: 'rssBytesPerLink', label: 'KiB of process a link', factor: 1 / KIBIBYTE },
      { name: 'heapBytesPerLink', label: 'KiB of heap a link', factor: 1 / KIBIBYTE },
    ],
    plan: (share) => ({ kind: 'memory', count: Math.ceil(200 * share) }),
  },
  {
    name: 'idle',
    title: 'one node, 20 neighbours, nobody publishes',
    main: [
      { name: 'idleCpuFraction', label: '% of a core', factor: 100 },
      { name: 'idleRssBytes', label: 'MB of process', factor: 1e-6 },
    ],
    plan: (share) => ({ kind: 'idle', neighbours: 20, seconds: Math.ceil(30 * share) }),
  },
  {
    name: 'catch-up',
    title: 'a node comes back to 100,000 messages of 256 B',
    main: [caughtUp],
    plan: (share) => ({ ...flow(2, 1, [stream(0, 256, Math.ceil(100_000 * share))]), kind: 'catch-up' }),
  },
  {
    name: 'catch-up-single',
    title: 'a node comes back to 5,000 messages that were published one by one',
    main: [caughtUp],
    plan: (share) => {
      const single = { ...stream(0, 256, Math.ceil(5_000 * share)), perSecond: 1_000 }
      return { ...flow(2, 1, [single]), kind: 'catch-up' }
    },
  },
]

/** The works whose names begin with one of `names`; all when there are none. Throws Error for a name that fits none. */
export function worksOf(names: readonly string[], all: readonly Work[]): readonly Work[] {
  const unknown = names.find((name) => !all.some((work) => work.name.startsWith(name)))
  if (unknown !== undefined) throw new Error(`no work ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? all : all.filter((work) => names.some((name) => work.name.startsWith(name)))
}

export function processesOf(plan: Plan): number {
  return 'nodes' in plan ? plan.nodes : 2
}

/** For Node. */
export function flagsOf(plan: Plan): readonly string[] {
  return plan.kind === 'memory' || plan.kind === 'idle' ? MEMORY_FLAGS : []
}

export function runPlan(crew: Crew, plan: Plan): Promise<Figures> {
  switch (plan.kind) {
    case 'flow':
    case 'catch-up':
      return runFlow(crew, plan)
    case 'handshakes':
      return runHandshakes(crew, plan)
    case 'memory':
      return runMemory(crew, plan)
    case 'idle':
      return runIdle(crew, plan)
  }
}

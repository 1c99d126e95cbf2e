// Works in which messages flow: over one link, over a graph, from one node or from all, and to a node that was away.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Crew, Span } from './crew.ts'
import { type Figures, joinHistograms, percentile } from './figures.ts'
import { regularGraph } from './graph.ts'
import type { Counted, Stream } from './tally.ts'

export interface FlowWork {
  readonly kind: 'flow' | 'catch-up'
  readonly nodes: number
  readonly degree: number
  readonly streams: readonly Stream[]
}

const SEED = 6374
const LINKS_MS_MAX = 20_000
/** Without a single arrival for so long, what is missing is lost. */
const STALLED_MS = 10_000
const WORK_MS_MAX = 180_000

/** Joins the nodes, warms up, and has all that is published arrive. */
export async function runFlow(crew: Crew, work: FlowWork): Promise<Figures> {
  const { workers } = crew
  const addresses: string[] = []
  for (const [own, worker] of workers.entries()) {
    addresses.push(await crew.open(worker, true))
    await worker.order('expect', own, work.streams)
  }
  if (!crew.hasBroker) {
    for (const edge of regularGraph(work.nodes, work.degree, SEED)) {
      // The later one dials: in a catch-up it is the one that leaves and comes back.
      await workers[Math.max(...edge)]!.order('dial', addresses[Math.min(...edge)]!)
    }
    await allLinked(crew, work.degree)
  }
  // What links say to each other when they are new is not part of the work.
  await sleep(1_000)
  await publishAndSettle(crew, 'warm-up')
  if (work.kind === 'catch-up') return catchUp(crew, work, addresses[0]!)
  const [startMs, span] = await crew.measured(() => publishAndSettle(crew, 'all'))
  const counted = await Promise.all(workers.map((worker) => worker.order('counted')))
  return figuresOf(work, counted, span, startMs)
}

/** The second node leaves, the first one publishes, the second comes back. */
async function catchUp(crew: Crew, work: FlowWork, address: string): Promise<Figures> {
  const [publisher, reader] = [crew.workers[0]!, crew.workers[1]!]
  await reader.order('hangUp')
  while ((await publisher.order('links')) > 0) await sleep(50)
  await publisher.order('publish', 'rest')
  const startMs = await reader.order('now')
  const [, span] = await crew.measured(async () => {
    await reader.order('dial', address)
    await reader.order('settled', 'all', STALLED_MS, WORK_MS_MAX)
  })
  const counted = [await publisher.order('counted'), await reader.order('counted')]
  const { p50Ms: _, p99Ms: __, ...figures } = figuresOf(work, counted, span, startMs)
  return figures
}

async function allLinked(crew: Crew, degree: number): Promise<void> {
  for (const startMs = performance.now(); ; ) {
    const links = await Promise.all(crew.workers.map((worker) => worker.order('links')))
    if (links.every((count) => count >= degree)) return
    if (performance.now() - startMs > LINKS_MS_MAX) throw new Error(`links after 20 s: ${links.join(' ')}`)
    await sleep(100)
  }
}

/** Answers when the first publisher began. */
async function publishAndSettle(crew: Crew, part: 'warm-up' | 'all'): Promise<number> {
  const publishing = crew.workers.map((worker) => worker.order('publish', part === 'all' ? 'rest' : part))
  const settling = crew.workers.map((worker) => worker.order('settled', part, STALLED_MS, WORK_MS_MAX))
  const [starts] = await Promise.all([Promise.all(publishing), Promise.all(settling)])
  return Math.min(...starts)
}

function figuresOf(work: FlowWork, counted: readonly Counted[], span: Span, startMs: number): Figures {
  const sum = (of: (one: Counted) => number): number => counted.reduce((total, one) => total + of(one), 0)
  const delivered = sum((one) => one.delivered)
  const bytes = sum((one) => one.bytes)
  const published = work.streams.reduce((total, { count }) => total + count, 0)
  const seconds = (Math.max(...counted.map((one) => one.lastAtMs)) - startMs) / 1_000
  const latencies = joinHistograms(counted.map((one) => one.latencies))
  const [p50Ms, p99Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.99)]
  return {
    perSecond: delivered / seconds,
    megabytesPerSecond: bytes / seconds / 1e6,
    cpuUs: (span.cpuMs * 1_000) / delivered,
    ...(p50Ms === undefined || p99Ms === undefined ? {} : { p50Ms, p99Ms }),
    rssBytesMax: span.rssBytesMax,
    published,
    lost: published * (work.nodes - 1) - delivered,
    duplicates: sum((one) => one.duplicates),
    corrupt: sum((one) => one.corrupt),
    ...(span.wireBytes === null ? {} : { wirePerUseful: span.wireBytes / bytes }),
    ...(span.otherCores === null ? {} : { otherCores: span.otherCores }),
  }
}

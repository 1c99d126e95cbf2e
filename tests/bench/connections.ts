// Works about connections themselves: how fast they are made, and what they cost while nothing happens.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Crew, Span } from './crew.ts'
import type { Figures } from './figures.ts'

export interface HandshakeWork {
  readonly kind: 'handshakes'
  readonly count: number
}

export interface MemoryWork {
  readonly kind: 'memory'
  readonly count: number
}

export interface IdleWork {
  readonly kind: 'idle'
  readonly neighbours: number
  readonly seconds: number
}

/** The young generation grows in steps of megabytes, which would hide what a connection holds. */
export const MEMORY_FLAGS: readonly string[] = ['--expose-gc', '--max-semi-space-size=1']

/** Nodes tell each other of new ones, and forget what all hold some seconds after that: only then is a link at rest. */
const TOLD_MS = 5_000
/** By then V8 has also given back what making the connections took, once, at the cost of two collections. */
const RESTING_MS = 20_000

/** Dials, is proven, hangs up, one after the other. */
export async function runHandshakes(crew: Crew, { count }: HandshakeWork): Promise<Figures> {
  const [listener, dialler] = [crew.workers[0]!, crew.workers[1]!]
  const address = await crew.open(listener, true)
  await crew.open(dialler, false)
  await dialler.order('dialTimes', address, Math.ceil(count / 10))
  let elapsedMs = 0
  const [, span] = await crew.measured(async () => {
    const startMs = performance.now()
    await dialler.order('dialTimes', address, count)
    elapsedMs = performance.now() - startMs
  })
  return { perSecond: (count * 1_000) / elapsedMs, cpuUs: (span.cpuMs * 1_000) / count, ...others(span) }
}

/** So many nodes of one process dial one node, a third of them to warm up; what the accepting one holds for each of the rest. */
export async function runMemory(crew: Crew, { count }: MemoryWork): Promise<Figures> {
  const [listener, crowd] = [crew.workers[0]!, crew.workers[1]!]
  const address = await crew.open(listener, true)
  await listener.order('expect', 0, [])
  const first = Math.ceil(count / 2)
  await crew.open(crowd, false, first + count)
  await crowd.order('dialAll', address, 0, first)
  await sleep(TOLD_MS)
  const before = await crew.memory(listener)
  await crowd.order('dialAll', address, first, first + count)
  await sleep(TOLD_MS)
  const after = await crew.memory(listener)
  return {
    rssBytesPerLink: (after.rssBytes - before.rssBytes) / count,
    ...(after.heapBytes === null ? {} : { heapBytesPerLink: (after.heapBytes - before.heapBytes!) / count }),
  }
}

/** What a node with some neighbours takes while nobody publishes. */
export async function runIdle(crew: Crew, { neighbours, seconds }: IdleWork): Promise<Figures> {
  const [listener, crowd] = [crew.workers[0]!, crew.workers[1]!]
  const address = await crew.open(listener, true)
  await listener.order('expect', 0, [])
  await crew.open(crowd, false, neighbours)
  await crowd.order('dialAll', address, 0, neighbours)
  await sleep(Math.min(RESTING_MS, seconds * 1_000))
  await listener.order('mark')
  await sleep(seconds * 1_000)
  const { cpuMs } = await listener.order('usage')
  const { rssBytes } = await listener.order('memory')
  return { idleCpuFraction: cpuMs / (seconds * 1_000), idleRssBytes: rssBytes }
}

function others({ otherCores }: Span): Figures {
  return otherCores === null ? {} : { otherCores }
}

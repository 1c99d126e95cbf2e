// A chain of six nodes, each in a process and a network namespace of its own, with a data folder. Both ends publish at full
// speed while inner nodes are killed with -9 and started again and cables are pulled. When all is quiet, each of the six
// must have handed every message to its durable reader, once.
//
//   node --import tsx tests/faults/chain.ts [messages an end] [kills] [cuts]

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createNamespaces } from '../netns/namespaces.ts'
import { FaultProcess } from './fault-process.ts'

const NODES = 6
const PORT = 6374

export interface ChainPlan {
  /** By each end. */
  readonly messages: number
  readonly kills: number
  readonly cuts: number
  /** Of the choice of victims. */
  readonly seed: number
  /** After the last publication, for all to have everything. */
  readonly settleMsMax: number
}

export interface ChainResult {
  /** Per node: messages its reader has, of those that others published, and how many it lacks. */
  readonly nodes: readonly { readonly delivered: number; readonly lost: number; readonly redelivered: number }[]
  readonly expected: number
  readonly bad: number
  readonly repaired: number
  readonly settleMs: number
  readonly warnings: readonly string[]
}

export async function runChain(plan: ChainPlan, say: (text: string) => void = () => {}): Promise<ChainResult> {
  using network = createNamespaces(NODES)
  const root = mkdtempSync(join(tmpdir(), 'meshd-chain-'))
  const random = mulberry(plan.seed)
  const nodes = network.all.map((namespace, i) => {
    const left = network.all[i - 1]
    const seeds = left === undefined ? [] : [`${left.ip4}:${PORT}`]
    const folder = mkdtempSync(join(root, `${i}-`))
    return new FaultProcess({ folder, listen: `${namespace.ip4}:${PORT}`, seeds }, namespace.name)
  })
  try {
    for (const node of nodes) await node.start()
    const [first, last] = [nodes[0]!, nodes[NODES - 1]!]
    const rounds = Math.max(1, plan.kills)
    const share = Math.floor(plan.messages / rounds)
    let repaired = 0
    for (let round = 0; round < rounds; round++) {
      const count = round === rounds - 1 ? plan.messages - share * round : share
      const publishing = Promise.all([
        first.publish('work', share * round, count),
        last.publish('work', share * round, count),
      ])
      publishing.catch(() => {})
      if (round < plan.cuts) {
        const at = 1 + Math.floor(random() * (NODES - 2))
        say(`round ${round}: cable of node ${at} out for a second`)
        network.all[at]!.setCable(false)
        await sleep(1_000)
        network.all[at]!.setCable(true)
      }
      if (round < plan.kills) {
        const at = 1 + Math.floor(random() * (NODES - 2))
        const victim = nodes[at]!
        const before = await victim.report()
        repaired += before.repaired
        await sleep(random() * 150)
        await victim.kill()
        say(`round ${round}: node ${at} killed at ${before.delivered} messages`)
        await sleep(200 + random() * 800)
        await victim.start()
      }
      await publishing
    }
    // Each reader hears what others publish: the ends lack their own.
    const expected = 2 * plan.messages
    const needs = nodes.map((_, i) => (i === 0 || i === NODES - 1 ? plan.messages : expected))
    const startedMs = performance.now()
    let reports = await Promise.all(nodes.map((node) => node.report()))
    while (
      performance.now() - startedMs < plan.settleMsMax &&
      reports.some(({ delivered }, i) => delivered < needs[i]!)
    ) {
      await sleep(250)
      reports = await Promise.all(nodes.map((node) => node.report()))
    }
    const settleMs = Math.round(performance.now() - startedMs)
    // What comes twice would come now.
    await sleep(1_500)
    reports = await Promise.all(nodes.map((node) => node.report()))
    return {
      nodes: reports.map(({ delivered, redelivered }, i) => ({ delivered, lost: needs[i]! - delivered, redelivered })),
      expected,
      bad: reports.reduce((sum, { bad }) => sum + bad, 0),
      repaired: repaired + reports.reduce((sum, report) => sum + report.repaired, 0),
      settleMs,
      warnings: nodes.flatMap((node, i) => node.warnings.map((text) => `node ${i}: ${text}`)),
    }
  } finally {
    await Promise.all(nodes.map((node) => node.stop().catch(() => {})))
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** A small generator, so that a seed gives the same victims again. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [messages = 50_000, kills = 10, cuts = 2, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number)
  console.log(`chain of ${NODES}: ${messages} messages by each end, ${kills} kills, ${cuts} cuts, seed ${seed}`)
  const result = await runChain({ messages, kills, cuts, seed, settleMsMax: 120_000 }, (text) => console.log(text))
  for (const [i, { delivered, lost, redelivered }] of result.nodes.entries()) {
    console.log(`node ${i}: delivered ${delivered}, lost ${lost}, came again and was recognised ${redelivered}`)
  }
  console.log(`repaired bundles ${result.repaired}, damaged messages ${result.bad}, quiet after ${result.settleMs} ms`)
  for (const warning of result.warnings) console.log(warning)
  process.exitCode = result.bad > 0 || result.nodes.some(({ lost }) => lost !== 0) ? 1 : 0
}

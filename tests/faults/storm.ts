// A storm: a crowd, in a few processes, dials one node in the same instant, while that one goes on publishing to neighbours that
// it has had before. All of the crowd must get in soon, and its old neighbours must not miss a message nor wait for one.
// Everything runs on loopback, where the bound on newcomers from one address does not hold.
//
//   node --import tsx tests/faults/storm.ts [newcomers] [processes]
//
// runs it twice. First the crowd are bare links (bare-link.ts), so that the machine has time for the node that they dial. Then
// they are nodes, each of which tells all others of itself and checks what they and the publisher say: with 200 of them on one
// machine that is 40,000 signatures, and 200 for each message, so that fewer are published.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { childScript } from '../tools/child-script.ts'
import type { StormAnswer, StormOrder, StormReport } from './storm-node.ts'

const NODE = childScript(fileURLToPath(new URL('storm-node.ts', import.meta.url)))

export interface StormPlan {
  readonly newcomers: number
  /** Of the newcomers; the hub and its old neighbours have one each. */
  readonly processes: number
  readonly oldNeighbours: number
  /** Whether the newcomers are nodes or bare links. */
  readonly areNodes: boolean
  /** By the hub; the crowd comes after the first second. */
  readonly messages: number
  readonly perSecond: number
}

export interface StormResult {
  /** Newcomers that got a link, and how long the last and the median one took. */
  readonly connected: number
  readonly lastMs: number
  readonly medianMs: number
  /** Tries that failed, by reason. */
  readonly failures: Readonly<Record<string, number>>
  /** Links of the hub at the end. */
  readonly neighbours: number
  /** Messages that old neighbours did not get, or got twice. */
  readonly lost: number
  readonly twice: number
  /** How long messages took to the old neighbours, those of the two seconds from the storm on. */
  readonly medianDelayMs: number
  readonly p99DelayMs: number
  readonly longestDelayMs: number
  /** For so long at most the hub was at one thing. */
  readonly longestTurnMs: number
  readonly warnings: readonly string[]
}

const NETWORK = 'storm'
const STORM_AFTER_MS = 1_000

export async function runStorm(plan: StormPlan): Promise<StormResult> {
  const common = { network: { name: NETWORK }, mdns: false, listen: [] }
  const hub = new StormProcess()
  const old = new StormProcess()
  const crowd = Array.from({ length: plan.processes }, () => new StormProcess())
  const all = [hub, old, ...crowd]
  try {
    const [address] = await hub.start(1, { ...common, listen: ['127.0.0.1:0'], degree: { target: 0, max: 256 } })
    await old.start(plan.oldNeighbours, { ...common, degree: { target: 0 } })
    const share = Math.ceil(plan.newcomers / plan.processes)
    const starts = crowd.map((process, i) => {
      const nodes = Math.min(share, plan.newcomers - i * share)
      if (!plan.areNodes) return process.startBare(nodes, NETWORK)
      return process.start(nodes, { ...common, degree: { target: 0 } })
    })
    await Promise.all(starts)
    old.order({ order: 'listen' })
    await old.connect(address!)
    const published = hub.publish(plan.messages, plan.perSecond)
    await new Promise((resolve) => setTimeout(resolve, STORM_AFTER_MS))
    const storm = await Promise.all(crowd.map((process) => process.connect(address!)))
    await published
    const heard = await old.reportWith(plan.messages)
    const { neighbours, longestTurnMs, warnings } = await hub.report()
    return {
      ...inOf(storm),
      ...delaysOf(heard, plan),
      longestTurnMs: Math.round(longestTurnMs),
      neighbours,
      warnings: [...warnings, ...heard.warnings],
    }
  } finally {
    await Promise.all(all.map((process) => process.stop()))
  }
}

function inOf(
  storm: readonly (StormAnswer & { answer: 'connected' })[],
): Pick<StormResult, 'connected' | 'lastMs' | 'medianMs' | 'failures'> {
  const took = storm.flatMap(({ tookMs }) => tookMs).sort((a, b) => a - b)
  const failures: Record<string, number> = {}
  for (const reason of storm.flatMap((one) => one.failures)) failures[reason] = (failures[reason] ?? 0) + 1
  return { connected: took.length, lastMs: Math.round(at(took, 1)), medianMs: Math.round(at(took, 0.5)), failures }
}

function delaysOf(
  { delays }: StormReport,
  { messages, perSecond }: StormPlan,
): Pick<StormResult, 'lost' | 'twice' | 'medianDelayMs' | 'p99DelayMs' | 'longestDelayMs'> {
  let lost = 0
  let twice = 0
  const storm: number[] = []
  const from = (STORM_AFTER_MS * perSecond) / 1_000
  for (const own of delays) {
    const numbers = new Set(own.map(([number]) => number))
    lost += messages - numbers.size
    twice += own.length - numbers.size
    for (const [number, ms] of own) if (number >= from && number < from + 2 * perSecond) storm.push(ms)
  }
  storm.sort((a, b) => a - b)
  const [medianDelayMs, p99DelayMs, longestDelayMs] = [0.5, 0.99, 1].map(
    (share) => Math.round(at(storm, share) * 10) / 10,
  )
  return { lost, twice, medianDelayMs: medianDelayMs!, p99DelayMs: p99DelayMs!, longestDelayMs: longestDelayMs! }
}

/** The value below which that share of the ascending values lies. */
function at(values: readonly number[], share: number): number {
  return values[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN
}

class StormProcess {
  readonly #child: ChildProcess = spawn(process.execPath, [NODE], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })

  async start(nodes: number, options: (StormOrder & { order: 'start' })['options']): Promise<readonly string[]> {
    return (await this.#ask({ order: 'start', nodes, options }, 'started')).addresses
  }

  async startBare(nodes: number, network: string): Promise<readonly string[]> {
    return (await this.#ask({ order: 'start-bare', nodes, network }, 'started')).addresses
  }

  connect(address: string): Promise<StormAnswer & { answer: 'connected' }> {
    return this.#ask({ order: 'connect', address }, 'connected')
  }

  async publish(count: number, perSecond: number): Promise<void> {
    await this.#ask({ order: 'publish', count, perSecond }, 'published')
  }

  async report(): Promise<StormReport> {
    return (await this.#ask({ order: 'report' }, 'report')).report
  }

  /** The report once each node has heard so many messages, or after 10 s. */
  async reportWith(messages: number): Promise<StormReport> {
    const startMs = performance.now()
    for (;;) {
      const report = await this.report()
      if (report.delays.every((own) => own.length >= messages) || performance.now() - startMs > 10_000) return report
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Ends it in an orderly way; killed when that takes more than 10 s. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.order({ order: 'stop' })
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(late)
  }

  order(order: StormOrder): void {
    this.#child.send(order)
  }

  #ask<K extends StormAnswer['answer']>(order: StormOrder, kind: K): Promise<StormAnswer & { answer: K }> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: StormAnswer): void => {
        if (answer.answer !== kind) return
        settle()
        resolve(answer as StormAnswer & { answer: K })
      }
      const onExit = (): void => {
        settle()
        reject(new Error(`a process of the storm ended before it answered ${kind}`))
      }
      const settle = (): void => {
        this.#child.off('message', onMessage)
        this.#child.off('exit', onExit)
      }
      this.#child.on('message', onMessage)
      this.#child.on('exit', onExit)
      this.order(order)
    })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [newcomers = 200, processes = 3] = process.argv.slice(2).map(Number)
  for (const [areNodes, perSecond] of [
    [false, 100],
    [true, 10],
  ] as const) {
    const what = areNodes ? 'nodes' : 'bare links'
    console.log(`${newcomers} ${what} in ${processes} processes at once, ${perSecond} messages a second`)
    const plan = { newcomers, processes, oldNeighbours: 4, areNodes, messages: 6 * perSecond, perSecond }
    const result = await runStorm(plan)
    console.log(JSON.stringify(result, null, 2))
    const isWell = result.connected === newcomers && result.lost === 0 && result.twice === 0 && result.lastMs <= 3_000
    if (!isWell) process.exitCode = 1
  }
}

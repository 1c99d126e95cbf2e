// `npm run bench`: meshd beside raw node:net on the same work, in the same run, each node in a process of its own on
// loopback. Prints one Markdown table of medians. Speeds of a machine come and go; the ratios are what is worth reading.
// `lost`: what a meshd relay dropped because the next link was behind (docs/protocol.md, "Scheduling"); raw TCP holds the
// publisher back instead. Not a test. `npm run bench -- 1` takes one run of each instead of three.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { PeerKind } from './peer.ts'
import type { Orders, Received, Usage } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
const KINDS: readonly PeerKind[] = ['meshd', 'raw']
const RUNS = Number(process.argv[2] ?? 3)

/** One process with one node. */
class Worker {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  #orders = 0

  constructor() {
    this.#child = fork(WORKER, { execArgv: ['--import', 'tsx'], env: { ...process.env, NODE_OPTIONS: '' } })
    this.#child.on('message', ({ number, answer, error }: { number: number; answer?: unknown; error?: string }) => {
      const { resolve, reject } = this.#waiting.get(number)!
      this.#waiting.delete(number)
      if (error === undefined) resolve(answer)
      else reject(new Error(error))
    })
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a worker ended with ${code}`))
    })
  }

  order<N extends keyof Orders>(name: N, ...given: Parameters<Orders[N]>): Promise<Awaited<ReturnType<Orders[N]>>> {
    const number = this.#orders++
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (answer: unknown) => void, reject })
      this.#child.send({ number, name, given })
    })
  }

  /** Resolves when the process is over, whatever state it was in. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

interface Result {
  readonly perSecond: number
  readonly cpuUs: number
  readonly rssBytesMax: number
  /** Messages that did not arrive, of all that were published. */
  readonly lostFraction: number
}

interface Workload {
  readonly name: string
  readonly unit: string
  readonly processes: number
  run(kind: PeerKind, workers: readonly Worker[]): Promise<Result>
}

/** Each dials the one before it; the first publishes, the last counts. */
function line(name: string, processes: number, payloadBytes: number, count: number): Workload {
  async function run(kind: PeerKind, workers: readonly Worker[]): Promise<Result> {
    const [first, last] = [workers[0]!, workers.at(-1)!]
    let before = ''
    for (const [i, worker] of workers.entries()) {
      const address = await worker.order('open', kind, i + 1 < workers.length)
      if (before !== '') await worker.order('dial', before)
      before = address
    }
    await flow(first, last, Math.ceil(count / 10), payloadBytes)
    return measured(workers, count, () => flow(first, last, count, payloadBytes))
  }
  return { name, unit: 'messages', processes, run }
}

async function flow(from: Worker, to: Worker, count: number, payloadBytes: number): Promise<Received> {
  await to.order('expect', count, payloadBytes)
  const [received] = await Promise.all([to.order('received'), from.order('publish', count, payloadBytes)])
  return received
}

const handshakes: Workload = {
  name: 'dial, prove, hang up, one after the other',
  unit: 'links',
  processes: 2,
  async run(kind, workers) {
    const [listener, dialler] = [workers[0]!, workers[1]!]
    const address = await listener.order('open', kind, true)
    await dialler.order('open', kind, false)
    await dialler.order('dialTimes', address, 30)
    const count = 300
    return measured(workers, count, async () => {
      await dialler.order('dialTimes', address, count)
      return { count, idleMs: 0 }
    })
  },
}

async function measured(workers: readonly Worker[], count: number, work: () => Promise<Received>): Promise<Result> {
  await Promise.all(workers.map((worker) => worker.order('mark')))
  const startMs = performance.now()
  const { count: done, idleMs } = await work()
  const elapsedMs = performance.now() - startMs - idleMs
  const usages: Usage[] = await Promise.all(workers.map((worker) => worker.order('usage')))
  const cpuMs = usages.reduce((sum, usage) => sum + usage.cpuMs, 0)
  return {
    perSecond: (done * 1000) / elapsedMs,
    cpuUs: (cpuMs * 1000) / done,
    rssBytesMax: Math.max(...usages.map((usage) => usage.rssBytesMax)),
    lostFraction: 1 - done / count,
  }
}

async function runOnce(workload: Workload, kind: PeerKind): Promise<Result> {
  const workers = Array.from({ length: workload.processes }, () => new Worker())
  try {
    return await workload.run(kind, workers)
  } finally {
    await Promise.all(workers.map((worker) => worker.end()))
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function medianResult(results: readonly Result[]): Result {
  return {
    perSecond: median(results.map(({ perSecond }) => perSecond)),
    cpuUs: median(results.map(({ cpuUs }) => cpuUs)),
    rssBytesMax: median(results.map(({ rssBytesMax }) => rssBytesMax)),
    // The worst, not the median: one run that loses is worth knowing.
    lostFraction: Math.max(...results.map(({ lostFraction }) => lostFraction)),
  }
}

const WORKLOADS: readonly Workload[] = [
  line('two processes, 256 B, full speed', 2, 256, 300_000),
  line('two processes, 64 KiB, full speed', 2, 65_536, 5_000),
  line('through a relay, three processes, 256 B', 3, 256, 150_000),
  handshakes,
]

const whole = (value: number): string => Math.round(value).toLocaleString('en')
const fine = (value: number): string => (value >= 100 ? whole(value) : value.toPrecision(2))
const percent = (fraction: number): string => (fraction === 0 ? '0' : `${(fraction * 100).toFixed(1)} %`)

console.log(`Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model}, medians of ${RUNS}, loopback`)
console.log('')
console.log(
  '| work | meshd /s | raw TCP /s | ratio | meshd CPU µs | raw CPU µs | ratio | meshd peak RSS | raw | lost: meshd, raw |',
)
console.log('| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |')
for (const workload of WORKLOADS) {
  const results: Record<PeerKind, Result[]> = { meshd: [], raw: [] }
  // Turn about, so that a noisy minute hits both.
  for (let run = 0; run < RUNS; run++) for (const kind of KINDS) results[kind].push(await runOnce(workload, kind))
  const [meshd, raw] = [medianResult(results.meshd), medianResult(results.raw)]
  const cells = [
    `${workload.name} (${workload.unit})`,
    whole(meshd.perSecond),
    whole(raw.perSecond),
    (meshd.perSecond / raw.perSecond).toFixed(2),
    fine(meshd.cpuUs),
    fine(raw.cpuUs),
    (meshd.cpuUs / raw.cpuUs).toFixed(1),
    `${whole(meshd.rssBytesMax / 1e6)} MB`,
    `${whole(raw.rssBytesMax / 1e6)} MB`,
    `${percent(meshd.lostFraction)}, ${percent(raw.lostFraction)}`,
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

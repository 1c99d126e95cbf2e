// The processes of one run: starts them, gives them orders, measures what they used, and ends them.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { MeshOptions } from '../../lib/index.ts'
import { busyCores, loopbackBytes, PEERS_FOLDER } from './machine.ts'
import type { PeerKind, PeerSetting } from './peer.ts'
import type { Orders } from './worker.ts'

/** `.js` where all of this was built, `.ts` through tsx. */
const EXTENSION = extname(fileURLToPath(import.meta.url))
const sibling = (name: string): string => fileURLToPath(new URL(`${name}${EXTENSION}`, import.meta.url))
const LOADER = EXTENSION === '.ts' ? ['--import', 'tsx'] : []

/** One process. */
export class Worker {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  #orders = 0

  constructor(flags: readonly string[]) {
    const env = { ...process.env, NODE_OPTIONS: '' }
    this.#child = fork(sibling('worker'), { execArgv: [...LOADER, ...flags], env })
    this.#child.on('message', ({ number, answer, error }: { number: number; answer?: unknown; error?: string }) => {
      const { resolve, reject } = this.#waiting.get(number)!
      this.#waiting.delete(number)
      if (error === undefined) resolve(answer)
      else reject(new Error(error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`a node's process ended with ${code ?? signal}`))
    })
  }

  /** Rejects with what was thrown there, or when the process ends. */
  order<N extends keyof Orders>(name: N, ...given: Parameters<Orders[N]>): Promise<Awaited<ReturnType<Orders[N]>>> {
    const number = this.#orders++
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (answer: unknown) => void, reject })
      this.#child.send({ number, name, given }, (error) => error && reject(error))
    })
  }

  /** Resolves when the process is over, whatever state it was in. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

interface Broker {
  readonly address: string
  readonly pid: number
  stop(): void
}

/** What a piece of work took. */
export interface Span {
  readonly cpuMs: number
  readonly rssBytesMax: number
  /** Null where the system does not say, or something else was using loopback before. */
  readonly wireBytes: number | null
  readonly otherCores: number | null
}

export interface CrewSetting {
  readonly kind: PeerKind
  readonly processes: number
  readonly certificate: string
  readonly meshOptions: MeshOptions
  /** For Node, in each process. */
  readonly flags?: readonly string[]
}

/** The processes of one run, and the broker where there is one. `end` has to be called, whatever happens. */
export class Crew {
  readonly workers: readonly Worker[]
  readonly #setting: CrewSetting
  readonly #broker: Broker | null

  static async gather(setting: CrewSetting): Promise<Crew> {
    let broker: Broker | null = null
    if (setting.kind.hasBroker === true) {
      const module = (await import(pathToFileURL(pathOf(setting.kind)).href)) as { startBroker(): Promise<Broker> }
      broker = await module.startBroker()
    }
    return new Crew(setting, broker)
  }

  private constructor(setting: CrewSetting, broker: Broker | null) {
    this.#setting = setting
    this.#broker = broker
    this.workers = Array.from({ length: setting.processes }, () => new Worker(setting.flags ?? []))
  }

  get hasBroker(): boolean {
    return this.#broker !== null
  }

  /** Makes `nodes` nodes in a process, and answers the first one's address. */
  open(worker: Worker, listens: boolean, nodes = 1): Promise<string> {
    const { kind, certificate, meshOptions } = this.#setting
    const setting: PeerSetting = { listens, certificate, meshOptions, broker: this.#broker?.address ?? '' }
    return worker.order('open', pathOf(kind), setting, nodes)
  }

  /** Memory of the broker, else of a process. */
  async memory(worker: Worker): Promise<{ rssBytes: number; heapBytes: number | null }> {
    if (this.#broker === null) return worker.order('memory')
    const [, kibibytes] = /VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${this.#broker.pid}/status`, 'utf8'))!
    return { rssBytes: Number(kibibytes) * 1024, heapBytes: null }
  }

  /** Has `work` done, and says what it took of all processes together. */
  async measured<T>(work: () => Promise<T>): Promise<[T, Span]> {
    const isQuiet = await isLoopbackQuiet()
    await Promise.all(this.workers.map((worker) => worker.order('mark')))
    const brokerBefore = this.#brokerCpuMs()
    const ownBefore = process.cpuUsage()
    const wireBefore = loopbackBytes()
    const others = busyCores()
    const result = await work()
    const wireAfter = loopbackBytes()
    const usages = await Promise.all(this.workers.map((worker) => worker.order('usage')))
    const own = process.cpuUsage(ownBefore)
    const cpuMs = usages.reduce((sum, usage) => sum + usage.cpuMs, this.#brokerCpuMs() - brokerBefore)
    const span = {
      cpuMs,
      rssBytesMax: Math.max(...usages.map((usage) => usage.rssBytesMax)),
      wireBytes: isQuiet && wireBefore !== null ? wireAfter! - wireBefore : null,
      otherCores: others(cpuMs + (own.user + own.system) / 1000),
    }
    return [result, span]
  }

  async end(): Promise<void> {
    this.#broker?.stop()
    await Promise.all(this.workers.map((worker) => worker.end()))
  }

  /** Linux counts in hundredths of a second. */
  #brokerCpuMs(): number {
    if (this.#broker === null) return 0
    const fields = readFileSync(`/proc/${this.#broker.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
}

function pathOf(kind: PeerKind): string {
  return kind.isBuiltIn ? sibling(`adapters/${kind.file}`) : `${PEERS_FOLDER}/${kind.file}.js`
}

const QUIET_BYTES = 20_000

async function isLoopbackQuiet(): Promise<boolean> {
  const before = loopbackBytes()
  await new Promise((resolve) => setTimeout(resolve, 200))
  return before !== null && loopbackBytes()! - before < QUIET_BYTES
}

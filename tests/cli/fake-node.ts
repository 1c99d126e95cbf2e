// A node without a network, and a process without a terminal, for tests of the program: what `run` does to them can be
// seen, and what a network would do to it can be played.

import { EventEmitter } from 'node:events'
import { PassThrough, type Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { Host, MeshNode } from '../../cli/mode.ts'
import { run } from '../../cli/run.ts'
import type { Settings } from '../../cli/settings.ts'
import { utf8 } from '../../lib/bytes.ts'
import { TopicPattern } from '../../lib/flood/topics.ts'
import type { MeshOptions } from '../../lib/options.ts'
import type { MeshEvents, Message, NeighbourSnapshot, Outcome, Receipt, Subscription } from '../../lib/types.ts'

export const ALICE = '12D3KooWAliceAliceAliceAliceAliceAliceAliceAliceALICE'
export const BOB = '12D3KooWBobBobBobBobBobBobBobBobBobBobBobBobBobBobBOB'

export class FakeMesh implements MeshNode {
  readonly id = '12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFAKE'
  readonly addresses: readonly string[] = [
    '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFAKE',
  ]
  readonly events: EventEmitter = new EventEmitter()
  readonly published: { topic: string; data: string | Uint8Array }[] = []
  readonly calls: string[] = []
  readonly options: MeshOptions
  outcomes: Outcome[] = ['queued']
  snapshots: NeighbourSnapshot[] = []
  /** While set, `publish` waits for it. */
  gate: Promise<void> | null = null
  publishError: Error | null = null
  startError: Error | null = null
  stopDelay: Promise<void> | null = null
  readonly #subscriptions = new Set<{ pattern: TopicPattern; handler: (message: Message) => void }>()

  constructor(options: MeshOptions) {
    this.options = options
  }

  async start(): Promise<void> {
    this.calls.push('start')
    if (this.startError !== null) throw this.startError
    this.events.emit('listening', { id: this.id, addresses: this.addresses })
  }

  async stop(): Promise<void> {
    this.calls.push('stop')
    await this.stopDelay
  }

  subscribe(pattern: string, handler: (message: Message) => void): Subscription {
    const entry = { pattern: new TopicPattern(pattern), handler }
    this.#subscriptions.add(entry)
    return {
      pattern,
      unsubscribe: () => void this.#subscriptions.delete(entry),
    }
  }

  async publish(topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<Receipt> {
    await this.gate
    options?.signal?.throwIfAborted()
    if (this.publishError !== null) throw this.publishError
    this.published.push({ topic, data })
    const neighbours = this.outcomes.map((outcome) => ({ peer: ALICE, outcome }))
    return { id: `${this.id}/1/${this.published.length - 1}`, neighbours }
  }

  neighbours(): NeighbourSnapshot[] {
    return this.snapshots
  }

  on<K extends keyof MeshEvents>(event: K, listener: (...args: MeshEvents[K]) => void): this {
    this.events.on(event, listener as (...args: unknown[]) => void)
    return this
  }

  emit<K extends keyof MeshEvents>(event: K, ...args: MeshEvents[K]): void {
    this.events.emit(event, ...args)
  }

  /** A message arrives. */
  deliver(topic: string, data: string | Uint8Array, from: string = ALICE): void {
    const bytes = typeof data === 'string' ? utf8(data) : data
    const message: Message = {
      topic,
      data: bytes,
      from,
      id: `${from}/1/0`,
      sequence: 0,
      sentAtMs: 0,
      hops: 1,
      replayed: false,
      text: () => Buffer.from(bytes).toString(),
      json: () => JSON.parse(Buffer.from(bytes).toString()),
    }
    for (const { pattern, handler } of this.#subscriptions) if (pattern.matches(topic)) handler(message)
  }

  publishedTexts(): string[] {
    return this.published.map(({ data }) => Buffer.from(data).toString())
  }
}

export const SETTINGS: Settings = Object.freeze({
  listen: ['127.0.0.1:0'],
  seeds: [],
  network: 'default',
  networkKeyFile: null,
  name: 'me',
  dataDir: null,
  mdns: false,
  topic: 'chat',
  subscribe: [],
  json: false,
  logLevel: 'info',
})

/** A process that can be watched. With `terminal` standard input and output are terminals. */
export class FakeHost implements Host {
  readonly stdin: PassThrough & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown } = new PassThrough()
  readonly stdout: Writable & { isTTY?: boolean; columns?: number }
  readonly stderr: PassThrough = new PassThrough()
  readonly signals: EventEmitter = new EventEmitter()
  readonly platform = 'linux'
  readonly agent = 'meshd/test'
  readonly exits: number[] = []
  readonly meshes: FakeMesh[] = []
  readonly rawModes: boolean[] = []
  #out = ''
  #err = ''
  /** Changes the node before it is used. */
  readonly #prepare: (mesh: FakeMesh) => void

  constructor(
    options: {
      terminal?: boolean
      stdout?: Writable
      stdoutTerminal?: boolean
      prepare?: (mesh: FakeMesh) => void
    } = {},
  ) {
    this.#prepare = options.prepare ?? (() => undefined)
    this.stdout = options.stdout ?? new PassThrough()
    if (options.terminal) {
      this.stdin.isTTY = true
      this.stdin.setRawMode = (raw) => this.rawModes.push(raw)
    }
    if (options.terminal || options.stdoutTerminal) {
      this.stdout.isTTY = true
      this.stdout.columns = 40
    }
    if (options.stdout === undefined) {
      ;(this.stdout as PassThrough).on('data', (chunk) => {
        this.#out += chunk
      })
    }
    this.stderr.on('data', (chunk) => {
      this.#err += chunk
    })
  }

  get mesh(): FakeMesh {
    return this.meshes[0]!
  }

  get out(): string {
    return this.#out
  }

  get err(): string {
    return this.#err
  }

  nowMs(): number {
    return 0
  }

  makeMesh(options: MeshOptions): FakeMesh {
    const mesh = new FakeMesh(options)
    this.#prepare(mesh)
    this.meshes.push(mesh)
    return mesh
  }

  exit(code: number): void {
    this.exits.push(code)
  }

  /** Lets the event loop turn until `condition` holds; fails when it does not within 10,000 turns. */
  async until(condition: () => boolean, what = 'the condition'): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > 10_000) throw new Error(`${what} did not come; out: ${this.#out}; err: ${this.#err}`)
      await turn()
    }
  }
}

/** A run that has started. */
export interface Started {
  readonly host: FakeHost
  readonly mesh: FakeMesh
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number>
  readonly ended: Promise<number>
}

/** Starts `run` and waits until the node has been started. */
export async function start(settings: Partial<Settings> = {}, host: FakeHost = new FakeHost()): Promise<Started> {
  const ended = run({ ...SETTINGS, ...settings }, host)
  await host.until(() => host.meshes.length === 1 && host.mesh.calls.includes('start'), 'the start')
  const stop = (): Promise<number> => {
    host.signals.emit('SIGTERM')
    return ended
  }
  return { host, mesh: host.mesh, stop, ended }
}

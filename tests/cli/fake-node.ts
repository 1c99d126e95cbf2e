// A node without a network, and a process without a terminal, for tests of the program: what `run` does to them can be
// seen, and what a network would do to it can be played.

import { EventEmitter } from 'node:events'
import { PassThrough, type Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { Host, MeshNode } from '../../cli/mode.ts'
import { run } from '../../cli/run.ts'
import type { Settings } from '../../cli/settings.ts'
import type { DoorStream } from '../../cli/streams/door.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { RequestHandler } from '../../lib/direct/handlers.ts'
import { MeshError } from '../../lib/errors.ts'
import type { TopicCount } from '../../lib/flood/topic-counts.ts'
import { TopicPattern } from '../../lib/flood/topics.ts'
import type { MeshOptions } from '../../lib/options.ts'
import type {
  MeshEvents,
  MeshStats,
  Message,
  NeighbourSnapshot,
  NodeSnapshot,
  Outcome,
  PublishOptions,
  Receipt,
  SubscribeOptions,
  Subscription,
} from '../../lib/types.ts'

export const ALICE = '12D3KooWAliceAliceAliceAliceAliceAliceAliceAliceALICE'
export const BOB = '12D3KooWBobBobBobBobBobBobBobBobBobBobBobBobBobBobBOB'

/** A different number everywhere, so that none can be taken for another. */
export const STATS: MeshStats = {
  neighbours: 2,
  nodes: 3,
  published: { messages: 4, bundles: 5, bytes: 6 },
  delivered: { messages: 7, bytes: 8, reordered: 37 },
  bundles: {
    accepted: 9,
    duplicate: 10,
    ignored: { 'too-old': 11 },
    rejected: { malformed: 12 },
    checked: { accept: 38, ignore: 39, reject: 40, overdue: 41 },
  },
  links: {
    bytesIn: 13,
    bytesOut: 14,
    framesIn: 15,
    framesOut: 16,
    unknownFrames: 17,
    bundlesDropped: 18,
    bundlesWithdrawn: 19,
    bundlesAnnounced: 42,
    declined: 43,
    grafts: 44,
    queuedBytes: 20,
  },
  refused: { 'bad-preamble': 21 },
  closed: { 'peer-silent': 22, 'made-up-by-a-peer': 23 },
  seen: { origins: 24, epochs: 25, ranges: 26 },
  store: { bundles: 27, bytes: 28, pendingBytes: 29, notSaved: 30 },
  repair: { received: 31, given: 32, requests: 33, timeouts: 34, haveBytesOut: 35, haveBytesIn: 36 },
}

export interface FakeDirect {
  send(peer: string, topic: string, data: string | Uint8Array, signal?: AbortSignal): Promise<void>
  request(peer: string, topic: string, data: string | Uint8Array, signal?: AbortSignal): Promise<Uint8Array>
  ping(peer: string, signal?: AbortSignal): Promise<{ timeMs: number; hops: number }>
  open(peer: string, names: readonly string[], signal?: AbortSignal): Promise<DoorStream>
}

export class FakeMesh implements MeshNode {
  readonly id = '12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFAKE'
  readonly addresses: readonly string[] = [
    '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFAKE',
  ]
  readonly events: EventEmitter = new EventEmitter()
  readonly published: { topic: string; data: string | Uint8Array; options: PublishOptions }[] = []
  /** What was asked of each subscription, beside its pattern. */
  readonly subscribed: { pattern: string; options: SubscribeOptions | undefined }[] = []
  /** Sequence numbers that were acknowledged. */
  readonly acknowledged: number[] = []
  readonly calls: string[] = []
  readonly sniffed: Map<string, (socket: unknown) => void> = new Map()
  readonly handlers: Map<string, (stream: DoorStream) => unknown> = new Map()
  readonly repliers: Map<string, RequestHandler> = new Map()
  readonly options: MeshOptions
  outcomes: Outcome[] = ['queued']
  snapshots: NeighbourSnapshot[] = []
  nodeSnapshots: NodeSnapshot[] = []
  topicCounts: TopicCount[] = []
  /** What calls to one other node do; each test says what it needs. */
  direct: FakeDirect = {
    send: async () => undefined,
    request: async (_peer, _topic, data) => Buffer.from(data as string),
    ping: async () => ({ timeMs: 12.34, hops: 2 }),
    open: () => Promise.reject(new Error('nobody opens streams here')),
  }
  /** What `confirmed` of the receipts gives, by their number; `stopped` is aborted when the node stops. */
  confirm: (number: number, stopped: AbortSignal) => Promise<readonly string[]> = async () => [ALICE]
  readonly #stopped = new AbortController()
  #delivered = 0
  /** While set, `publish` waits for it. */
  gate: Promise<void> | null = null
  publishError: Error | null = null
  startError: Error | null = null
  stopDelay: Promise<void> | null = null
  readonly #subscriptions = new Set<{ pattern: TopicPattern; handler: (message: Message) => unknown }>()

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
    this.#stopped.abort()
    await this.stopDelay
  }

  subscribe(pattern: string, handler: (message: Message) => unknown, options?: SubscribeOptions): Subscription {
    this.subscribed.push({ pattern, options })
    const entry = { pattern: new TopicPattern(pattern), handler }
    this.#subscriptions.add(entry)
    return {
      pattern,
      unsubscribe: () => void this.#subscriptions.delete(entry),
    }
  }

  async publish(topic: string, data: string | Uint8Array, given: PublishOptions = {}): Promise<Receipt> {
    const { signal, ...options } = given
    await this.gate
    signal?.throwIfAborted()
    if (this.publishError !== null) throw this.publishError
    this.published.push({ topic, data, options })
    const neighbours = this.outcomes.map((outcome) => ({ peer: ALICE, outcome }))
    const number = this.published.length - 1
    const confirmed = (): Promise<readonly string[]> => this.confirm(number, this.#stopped.signal)
    return { id: `${this.id}/1/${number}`, neighbours, confirmed }
  }

  neighbours(): NeighbourSnapshot[] {
    return this.snapshots
  }

  topics(): TopicCount[] {
    return this.topicCounts
  }

  find(text: string): NodeSnapshot[] {
    const meant = ({ peer, name }: NodeSnapshot): boolean => peer === text || name === text || peer.startsWith(text)
    return text === '' ? [] : this.nodeSnapshots.filter(meant)
  }

  send(peer: string, topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<void> {
    return this.direct.send(peer, topic, data, options?.signal)
  }

  request(
    peer: string,
    topic: string,
    data: string | Uint8Array,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Uint8Array> {
    return this.direct.request(peer, topic, data, options?.signal)
  }

  ping(peer: string, options?: { signal?: AbortSignal }): Promise<{ timeMs: number; hops: number }> {
    return this.direct.ping(peer, options?.signal)
  }

  reply(topic: string, handler: RequestHandler): () => void {
    if (this.repliers.has(topic)) throw new MeshError('already-registered', `there is a handler for ${topic} already`)
    this.repliers.set(topic, handler)
    return () => void this.repliers.delete(topic)
  }

  unhandle(name: string): void {
    this.handlers.delete(name)
  }

  open(peer: string, names: readonly string[], options?: { signal?: AbortSignal }): Promise<DoorStream> {
    return this.direct.open(peer, names, options?.signal)
  }

  stats(): MeshStats {
    return STATS
  }

  sniff(prefix: string, handler: (socket: unknown) => void): () => void {
    this.sniffed.set(prefix, handler)
    return () => void this.sniffed.delete(prefix)
  }

  handle(name: string, handler: (stream: DoorStream) => unknown): void {
    this.handlers.set(name, handler)
  }

  nodes(): NodeSnapshot[] {
    return this.nodeSnapshots
  }

  on<K extends keyof MeshEvents>(event: K, listener: (...args: MeshEvents[K]) => void): this {
    this.events.on(event, listener as (...args: unknown[]) => void)
    return this
  }

  emit<K extends keyof MeshEvents>(event: K, ...args: MeshEvents[K]): void {
    this.events.emit(event, ...args)
  }

  /** A message arrives. What the handlers return. */
  deliver(topic: string, data: string | Uint8Array, from: string = ALICE): unknown[] {
    const sequence = this.#delivered++
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
      retained: false,
      ack: () => void this.acknowledged.push(sequence),
      text: () => Buffer.from(bytes).toString(),
      json: () => JSON.parse(Buffer.from(bytes).toString()),
    }
    const results: unknown[] = []
    for (const { pattern, handler } of this.#subscriptions) if (pattern.matches(topic)) results.push(handler(message))
    return results
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
  api: null,
  mdns: false,
  topic: 'chat',
  subscribe: [],
  since: null,
  durable: null,
  order: 'arrival',
  exitAfterInput: false,
  confirmTimeoutMs: 30_000,
  storeBytesMax: null,
  storeAgeMsMax: null,
  degree: null,
  flood: null,
  acceptFiles: null,
  acceptFilesBytesMax: 2 ** 30,
  http: null,
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

  /** Lets the event loop turn until `condition` holds; fails when it does not within ten seconds. */
  async until(condition: () => boolean, what = 'the condition'): Promise<void> {
    const lateAtMs = performance.now() + 10_000
    while (!condition()) {
      if (performance.now() > lateAtMs) throw new Error(`${what} did not come; out: ${this.#out}; err: ${this.#err}`)
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

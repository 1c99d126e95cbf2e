// The node as a program embeds it: options in, life cycle, and the calls of the public surface handed to the modules that
// answer them. Wires (with wiring.ts) and decides nothing.

import { EventEmitter } from 'node:events'
import { utf8 } from './bytes.ts'
import { optionsOf } from './call-options.ts'
import type { MessageHandler, RequestHandler } from './direct/handlers.ts'
import { MeshError, reasonOf } from './errors.ts'
import { Checks } from './flood/checks.ts'
import { Subscriptions } from './flood/subscriptions.ts'
import type { TopicCount } from './flood/topic-counts.ts'
import { type Codec, TypedTopic } from './flood/typed-topic.ts'
import { formatAddress, parseAddress } from './identity/address.ts'
import { nodeWorld } from './io/node.ts'
import type { Timer, World } from './io/world.ts'
import { Sniffer, type SniffHandler } from './link/preamble.ts'
import { Registrations } from './one-to-one.ts'
import { type MeshOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import { Running } from './running.ts'
import { neighboursOf, statsOf, wholeMs } from './snapshots.ts'
import type { MeshStream } from './streams/duplex.ts'
import type { StreamHandler } from './streams/registry.ts'
import type {
  Check,
  MeshEvents,
  MeshStats,
  Message,
  MessageStream,
  NeighbourSnapshot,
  NodeSnapshot,
  PublishOptions,
  Receipt,
  SubscribeOptions,
  Subscription,
  ValidateOptions,
} from './types.ts'
import type { WiringEvents } from './wiring.ts'

const ALIVE_MS = 86_400_000

type Phase = 'new' | 'starting' | 'running' | 'stopped'

/**
 * One node of a mesh. Every method that takes a peer takes a peer id as text. Errors are MeshError; docs/errors.md lists the
 * codes.
 */
export class Mesh extends EventEmitter<MeshEvents> implements AsyncDisposable {
  readonly #options: ResolvedOptions
  readonly #world: World
  readonly #sniffer = new Sniffer()
  readonly #subscriptions: Subscriptions
  readonly #registrations = new Registrations()
  readonly #checks = new Checks((code, text) => this.#warn(code, text))
  #phase: Phase = 'new'
  #starting: Promise<void> | null = null
  #stopping: Promise<void> | null = null
  #running: Running | null = null
  #aliveTimer: Timer | null = null

  /** Throws MeshError `bad-option`. `world` is the door to sockets and time; tests hand in a simulated one. */
  constructor(options: MeshOptions = {}, world: World = nodeWorld()) {
    super()
    this.#options = resolveOptions(options)
    this.#world = world
    const { store, dataDir } = this.#options
    const storage = { keepsBundles: store.bytesMax > 0, isDurable: dataDir !== null && store.bytesMax > 0 }
    this.#subscriptions = new Subscriptions((code, text) => this.#warn(code, text), {
      storage,
      gap: (gap) => this.#tell('gap', gap),
    })
    for (const text of this.#options.listen) checkAddress('listen', text, true)
    for (const text of this.#options.seeds) checkAddress('seeds', text, false)
  }

  /**
   * Loads or makes the identity, listens, and starts to look for neighbours. Twice is once. Rejects with MeshError
   * `listen-failed`, `key-file` or `data-folder`; nothing is left open then.
   */
  start(): Promise<void> {
    if (this.#phase === 'stopped') {
      return Promise.reject(new MeshError('not-running', 'this mesh was stopped; make a new one'))
    }
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = null
      if (this.#phase === 'starting') this.#phase = 'new'
      throw error
    })
    return this.#starting
  }

  /** Says goodbye to the neighbours and lets go of everything. Twice is once. No event comes after it has resolved. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Peer id text. */
  get id(): string {
    return this.#run.keyPair.identity.id
  }

  /** Multiaddrs with `/p2p/<id>` under which this node can be reached, best first; empty without a listener. */
  get addresses(): readonly string[] {
    return this.#run.addresses.map(formatAddress)
  }

  /**
   * Messages on topics that match `pattern` (MQTT's `+` and `#`) from other nodes: those published after this call, or as
   * `options` say. With a handler it is called for each, in its origin's order where half a second of waiting makes that so; what it throws becomes a
   * `warning`.
   * Without one the result is an async iterable with a bounded queue (`queueMax`, 10,000). Throws MeshError `bad-topic`,
   * `bad-argument`, `bad-option`, `already-registered` (a durable name that is being read), `too-large`; `not-running` once
   * stopped.
   */
  subscribe(pattern: string, handler: (message: Message) => unknown, options?: SubscribeOptions): Subscription
  subscribe(pattern: string, options?: SubscribeOptions): MessageStream
  subscribe(
    pattern: string,
    how: ((message: Message) => unknown) | SubscribeOptions = {},
    options?: SubscribeOptions,
  ): Subscription | MessageStream {
    const nowMs = this.#world.clock.nowMs()
    if (typeof how === 'object' && how !== null) return this.#subscriptions.stream(pattern, how, nowMs)
    return this.#subscriptions.subscribe(pattern, how, nowMs, options)
  }

  /**
   * Sends `data` (text goes as UTF-8; at most 1 MiB) to every node of the network. Resolves when it is queued; waits while
   * even the fastest neighbour, or this node's own disk, is behind, and for a moment for slower ones. Rejects with MeshError `bad-topic`, `bad-argument`,
   * `too-large`, `aborted`, `not-running`, `identity-in-use`.
   */
  publish(topic: string, data: string | Uint8Array, options?: PublishOptions): Promise<Receipt> {
    if (this.#running === null) return Promise.reject(this.#notRunning())
    return this.#running.wiring.flood.publisher.publish(topic, data, options)
  }

  /**
   * Has `check` judge every message from other nodes on topics that match `pattern`, before it is delivered here and passed
   * on. The messages of a bundle stand or fall together. Returns what takes the check back. Throws MeshError `bad-topic` (also
   * for `$mesh/…`), `bad-argument`, `too-large`.
   */
  validate(pattern: string, check: Check, options?: ValidateOptions): () => void {
    return this.#checks.register(pattern, check, options)
  }

  /** A topic whose payloads are values: see `json` for a codec. */
  topic<T>(name: string, codec: Codec<T>): TypedTopic<T> {
    return new TypedTopic(name, codec, {
      publish: (topic, data, options) => this.publish(topic, data, options),
      subscribe: (pattern, handler, options) => this.subscribe(pattern, handler, options),
      warn: (code, text) => this.#warn(code, text),
    })
  }

  /**
   * Dials `address` and keeps it as a neighbour from then on. Resolves with the peer id once the link is open; rejects with
   * the reason of this try. MeshError `bad-address`, `dial-failed`, `wrong-identity`, `aborted`, ….
   */
  async connect(address: string, options?: { signal?: AbortSignal }): Promise<string> {
    if (typeof address !== 'string') throw new MeshError('bad-argument', 'connect takes an address as text')
    const signal = optionsOf('connect', options, ['signal'])?.signal
    return this.#run.wiring.reaching.connect(parseAddress(address), signal)
  }

  /** Closes the link with that peer and stops wanting it. Resolves when it is closed here and the peer's goodbye on its way. */
  async disconnect(peer: string): Promise<void> {
    await this.#run.wiring.disconnect(peer)
  }

  /**
   * Sends `data` to one node, sealed for it alone, over however many links there are between. Resolves when that node has
   * handed it to its handler (`receive`). Rejects with MeshError `no-handler`, `unreachable`, `timed-out` (after three tries:
   * it may have come through all the same), `too-large` (1 MiB), `bad-peer-id`, `bad-argument`, `bad-topic`, `aborted`,
   * `not-running`.
   */
  async send(
    peer: string,
    topic: string,
    data: string | Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<void> {
    const known = optionsOf('send', options, ['signal'])
    await this.#run.wiring.oneToOne.direct.send(peer, topic, bytesOf(data), known)
  }

  /**
   * As `send`, and resolves with the reply. Rejects also with `request-failed` when the handler there failed; `timed-out`
   * after `timeoutMs` (10,000).
   */
  async request(
    peer: string,
    topic: string,
    data: string | Uint8Array,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Uint8Array> {
    const known = optionsOf('request', options, ['timeoutMs', 'signal'])
    return this.#run.wiring.oneToOne.direct.request(peer, topic, bytesOf(data), known)
  }

  /** Takes what others `send` on exactly this topic. Throws MeshError `bad-topic`, `bad-argument`, `already-registered`. Returns what takes it back. */
  receive(topic: string, handler: MessageHandler): () => void {
    return this.#registrations.onMessage(topic, handler)
  }

  /** Answers what others `request` on exactly this topic. Throws MeshError `bad-topic`, `bad-argument`, `already-registered`. Returns what takes it back. */
  reply(topic: string, handler: RequestHandler): () => void {
    return this.#registrations.onRequest(topic, handler)
  }

  /** Asks any node of the mesh for a sign of life: the time both ways, and the links that the answer crossed. Rejects as `request`. */
  async ping(
    peer: string,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<{ timeMs: number; hops: number }> {
    const known = optionsOf('ping', options, ['timeoutMs', 'signal'])
    const { hops, roundTripMs } = await this.#run.wiring.oneToOne.direct.ping(peer, known)
    return { timeMs: roundTripMs, hops }
  }

  /** Gives each stream that another node opens under this name to `handler`. Throws MeshError `bad-argument`, `already-registered`. */
  handle(protocol: string, handler: StreamHandler): void {
    this.#registrations.streams.handle(protocol, handler)
  }

  /** Takes the handler back; streams that it has got go on. */
  unhandle(protocol: string): void {
    this.#registrations.streams.unhandle(protocol)
  }

  /**
   * Opens a stream to a node, by the first of the names that it has a handler for: a node:stream Duplex. A node that is no
   * neighbour is dialled first, and that link is closed when it has been idle. Rejects with MeshError `unreachable`,
   * `connection-lost`, `stream-reset`, `timed-out`, `too-many-streams`, `bad-peer-id`, `bad-argument`, `aborted`, `not-running`.
   */
  async open(
    peer: string,
    protocol: string | readonly string[],
    options?: { signal?: AbortSignal },
  ): Promise<MeshStream> {
    const names = typeof protocol === 'string' ? [protocol] : protocol
    return this.#run.wiring.oneToOne.open(peer, names, optionsOf('open', options, ['signal'])?.signal)
  }

  /** The nodes that `text` can mean: the one with that peer id, else those of that name, else those whose peer id begins or ends so. */
  find(text: string): NodeSnapshot[] {
    if (this.#running === null) return []
    return this.#running.wiring.acquaintance.members.find(text, this.#world.clock.nowMs())
  }

  /** The topics on which others published lately, at most 4,096, with how much came on each; those heard last first. */
  topics(): TopicCount[] {
    if (this.#running === null) return []
    return this.#running.wiring.flood.router.topicCounts.snapshot(this.#world.clock.nowMs())
  }

  /** Every node that is known to be in the mesh, or was lately; this one first. */
  nodes(): NodeSnapshot[] {
    if (this.#running === null) return []
    return this.#running.wiring.acquaintance.members.snapshot(this.#world.clock.nowMs())
  }

  /** Every link, wanted address and ban, as plain data. */
  neighbours(): NeighbourSnapshot[] {
    return this.#running === null ? [] : neighboursOf(this.#running.wiring, this.#world.clock.nowMs())
  }

  stats(): MeshStats {
    return statsOf(this.#run.wiring, this.#subscriptions)
  }

  /**
   * Gives connections whose first bytes are `prefix` to `handler`, as a `net.Socket` with those bytes still to be read: other
   * protocols on the mesh port. Returns a function that takes it back. Throws MeshError `bad-argument`, `already-registered`.
   */
  sniff(prefix: Uint8Array | string, handler: SniffHandler): () => void {
    const bytes = typeof prefix === 'string' ? utf8(prefix) : prefix
    return this.#sniffer.register(bytes, (socket) => {
      try {
        handler(socket)
      } catch (error) {
        // Its first bytes come from strangers: they must not end the program.
        ;(socket as { destroy(): void }).destroy()
        this.#warn('handler-failed', `the handler of a sniffed prefix threw: ${reasonOf(error)}`)
      }
    })
  }

  async #start(): Promise<void> {
    this.#phase = 'starting'
    const standing = {
      options: this.#options,
      world: this.#world,
      sniffer: this.#sniffer,
      subscriptions: this.#subscriptions,
      checks: this.#checks,
      registrations: this.#registrations,
    }
    const running = await Running.make(standing, this.#events())
    if (this.#phase !== 'starting') {
      await running.leave()
      await running.release()
      throw new MeshError('not-running', 'stopped while starting')
    }
    this.#running = running
    this.#phase = 'running'
    this.#stayAlive()
    this.#tell('listening', { id: this.id, addresses: this.addresses })
    running.start()
  }

  /** What happens within, as our own events. */
  #events(): WiringEvents {
    return {
      neighbourUp: ({ identity, address, direction, about }) => {
        this.#tell('neighbourUp', { peer: identity.id, address, direction, name: about.name })
      },
      neighbourDown: ({ identity }, reason, retryInMs, code) => {
        this.#tell('neighbourDown', { peer: identity.id, reason, code, retryInMs: wholeMs(retryInMs) })
      },
      dialFailed: (address, reason, retryInMs, code) => {
        this.#tell('dialFailed', { address, reason, code, retryInMs: wholeMs(retryInMs) })
      },
      nodeUp: (peer, name) => this.#tell('nodeUp', { peer, name }),
      nodeDown: (peer, name, reason) => this.#tell('nodeDown', { peer, name, reason }),
      warn: (code, text) => this.#warn(code, text),
    }
  }

  async #stop(): Promise<void> {
    if (this.#running === null) {
      this.#phase = 'stopped'
      // A start that is under way sees the phase and undoes itself; its own caller hears of what went wrong.
      await this.#starting?.catch(() => {})
      if (this.#running === null) return this.#subscriptions.close()
    }
    const running: Running = this.#running
    this.#aliveTimer?.cancel()
    await running.leave()
    this.#phase = 'stopped'
    this.#subscriptions.close()
    await running.release()
  }

  /** A node that only waits (no listener, nothing to dial now) must not let the process end. */
  #stayAlive(): void {
    this.#aliveTimer = this.#world.clock.timer(ALIVE_MS, () => this.#stayAlive())
  }

  get #run(): Running {
    if (this.#running === null) throw this.#notRunning()
    return this.#running
  }

  #notRunning(): MeshError {
    return new MeshError('not-running', 'this mesh is not running; call and await start() first')
  }

  #warn(code: string, text: string): void {
    this.#tell('warning', { code, text })
  }

  #tell<K extends keyof MeshEvents>(event: K, ...details: MeshEvents[K]): void {
    if (this.#phase === 'stopped') return
    // The emitter's own typing does not follow a key through a variable.
    const emitter = this as { emit(event: string, ...details: unknown[]): boolean }
    try {
      emitter.emit(event, ...details)
    } catch (error) {
      // Thrown in the middle of our own work it would leave that half done.
      if (event !== 'warning') return this.#warn('handler-failed', `a listener of ${event} threw: ${reasonOf(error)}`)
      this.#world.clock.endOfTurn(() => {
        throw error
      })
    }
  }
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  if (typeof data === 'string') return utf8(data)
  if (data instanceof Uint8Array) return data
  throw new MeshError('bad-argument', 'a payload must be text or a Uint8Array')
}

/** Throws MeshError `bad-address` that names the option and the address. */
function checkAddress(option: string, text: string, allowPortZero: boolean): void {
  try {
    parseAddress(text, { allowPortZero })
  } catch (cause) {
    throw new MeshError('bad-address', `option ${option}, ${JSON.stringify(text)}: ${reasonOf(cause)}`, { cause })
  }
}

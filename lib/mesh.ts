// The node as a program embeds it: options in, life cycle, and the calls of the public surface handed to the modules that
// answer them. Wires (with wiring.ts) and decides nothing.

import { EventEmitter } from 'node:events'
import { utf8 } from './bytes.ts'
import { primitives } from './crypto/choose.ts'
import { MdnsDiscovery } from './discovery/mdns.ts'
import { MeshError, reasonOf } from './errors.ts'
import { Subscriptions } from './flood/subscriptions.ts'
import { type Codec, TypedTopic } from './flood/typed-topic.ts'
import { type Address, formatAddress, parseAddress } from './identity/address.ts'
import { Identities } from './identity/identities.ts'
import { scopeOf } from './identity/ip.ts'
import { KeptState } from './identity/kept-state.ts'
import { type KeyPair, keyPairFromSeed } from './identity/key-pair.ts'
import { networkOf } from './identity/network.ts'
import { ownAddresses } from './identity/own-addresses.ts'
import { nodeWorld } from './io/node.ts'
import type { Listener, Timer, World } from './io/world.ts'
import type { Link } from './link/link.ts'
import { Sniffer, type SniffHandler } from './link/preamble.ts'
import { type MeshOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import type {
  MeshEvents,
  MeshStats,
  Message,
  MessageStream,
  NeighbourSnapshot,
  Receipt,
  Subscription,
} from './types.ts'
import { Wiring } from './wiring.ts'

const ALIVE_MS = 86_400_000

/** What is there between `start` and `stop`. */
interface Running {
  readonly keyPair: KeyPair
  readonly wiring: Wiring
  readonly listeners: Listener[]
  readonly mdns: MdnsDiscovery | null
  readonly kept: KeptState
}

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
    this.#subscriptions = new Subscriptions((code, text) => this.#warn(code, text))
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
    return this.#addresses(this.#run).map(formatAddress)
  }

  /**
   * Messages on topics that match `pattern` (MQTT's `+` and `#`) from other nodes, published after this call. With a
   * handler it is called for each, in the order of arrival; what it throws becomes a `warning`. Without one the result is
   * an async iterable with a bounded queue (`queueMax`, 10,000). Throws MeshError `bad-topic`.
   */
  subscribe(pattern: string, handler: (message: Message) => void): Subscription
  subscribe(pattern: string, options?: { queueMax?: number; signal?: AbortSignal }): MessageStream
  subscribe(
    pattern: string,
    how: ((message: Message) => void) | { queueMax?: number; signal?: AbortSignal } = {},
  ): Subscription | MessageStream {
    const nowMs = this.#world.clock.nowMs()
    if (typeof how === 'object' && how !== null) return this.#subscriptions.stream(pattern, how, nowMs)
    return this.#subscriptions.subscribe(pattern, how, nowMs)
  }

  /**
   * Sends `data` (text goes as UTF-8; at most 1 MiB) to every node of the network. Resolves when it is queued; waits while
   * even the fastest neighbour is behind. Rejects with MeshError `bad-topic`, `bad-argument`, `too-large`, `aborted`,
   * `not-running`, `identity-in-use`.
   */
  publish(topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<Receipt> {
    if (this.#running === null) return Promise.reject(this.#notRunning())
    return this.#running.wiring.publisher.publish(topic, data, options?.signal)
  }

  /** A topic whose payloads are values: see `json` for a codec. */
  topic<T>(name: string, codec: Codec<T>): TypedTopic<T> {
    return new TypedTopic(name, codec, {
      publish: (topic, data, options) => this.publish(topic, data, options),
      subscribe: (pattern, handler) => this.subscribe(pattern, handler),
      warn: (code, text) => this.#warn(code, text),
    })
  }

  /**
   * Dials `address` and keeps it as a neighbour from then on. Resolves with the peer id once the link is open; rejects with
   * the reason of this try. MeshError `bad-address`, `dial-failed`, `wrong-identity`, `aborted`, ….
   */
  async connect(address: string, options?: { signal?: AbortSignal }): Promise<string> {
    if (typeof address !== 'string') throw new MeshError('bad-argument', 'connect takes an address as text')
    return this.#run.wiring.connect(parseAddress(address), options?.signal)
  }

  /** Closes the link with that peer and stops wanting it. Resolves when it is closed. */
  async disconnect(peer: string): Promise<void> {
    await this.#run.wiring.disconnect(peer)
  }

  /** Every link, wanted address and ban, as plain data. */
  neighbours(): NeighbourSnapshot[] {
    if (this.#running === null) return []
    return this.#running.wiring.table.snapshot(this.#world.clock.nowMs()).map(({ link: of, ...entry }) => {
      const link = of as Link | null
      return {
        ...entry,
        openForMs: wholeMs(entry.openForMs),
        retryInMs: wholeMs(entry.retryInMs),
        name: link?.about.name ?? null,
        agent: link?.about.agent ?? null,
        roundTripMs: link?.roundTripMs ?? null,
        queuedBytes: link?.queuedBytes ?? 0,
      }
    })
  }

  stats(): MeshStats {
    const { table, router, publisher, counters, refused, closed, queuedBytes } = this.#run.wiring
    const { bytesIn, bytesOut, framesIn, framesOut, unknownFrames, bundlesDropped, bundlesWithdrawn } = counters
    return {
      neighbours: table.openCount,
      published: { messages: publisher.messages, bundles: publisher.bundles, bytes: publisher.payloadBytes },
      delivered: { messages: router.deliveredMessages, bytes: router.deliveredBytes },
      bundles: {
        accepted: router.accepted,
        duplicate: router.duplicates,
        ignored: { ...router.ignored },
        rejected: { ...router.rejected },
      },
      links: { bytesIn, bytesOut, framesIn, framesOut, unknownFrames, bundlesDropped, bundlesWithdrawn, queuedBytes },
      refused: { ...refused },
      closed: { ...closed },
      seen: router.seen.counts,
    }
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
    const undo: (() => Promise<unknown>)[] = []
    try {
      await this.#build(undo)
    } catch (error) {
      for (const step of undo.reverse()) await step()
      throw error
    }
  }

  async #build(undo: (() => Promise<unknown>)[]): Promise<void> {
    const { tcp } = this.#world
    const kept = await KeptState.open(this.#world, this.#options.dataDir, (code, text) => this.#warn(code, text))
    undo.push(() => kept.release())
    const identities = new Identities()
    const keyPair = keyPairFromSeed(this.#options.identity ?? (await kept.seed()), identities, primitives)
    const { name, key } = this.#options.network
    const network = networkOf(name, key, primitives)
    const listeners: Listener[] = []
    const addresses = (): readonly Address[] => (this.#running === null ? [] : this.#addresses(this.#running))
    const wiring = new Wiring({
      options: this.#options,
      world: this.#world,
      keyPair,
      network,
      identities,
      sniffer: this.#sniffer,
      subscriptions: this.#subscriptions,
      epoch: await kept.nextEpoch(0),
      nextEpoch: (after) => kept.nextEpoch(after),
      addresses,
      neighbourUp: ({ identity, address, direction, about }) => {
        this.#tell('neighbourUp', { peer: identity.id, address, direction, name: about.name })
      },
      neighbourDown: ({ identity }, reason, retryInMs, code) => {
        this.#tell('neighbourDown', { peer: identity.id, reason, code, retryInMs: wholeMs(retryInMs) })
      },
      dialFailed: (address, reason, retryInMs, code) => {
        this.#tell('dialFailed', { address, reason, code, retryInMs: wholeMs(retryInMs) })
      },
      warn: (code, text) => this.#warn(code, text),
    })
    undo.push(() => wiring.stop())
    for (const text of this.#options.listen) {
      const { host, port } = parseAddress(text, { allowPortZero: true })
      const listener = await tcp.listen({ host, port }, (socket) => wiring.reception.accept(socket))
      listeners.push(listener)
      undo.push(() => listener.close())
    }
    if (this.#phase !== 'starting') throw new MeshError('not-running', 'stopped while starting')
    const mdns = this.#mdns(keyPair.identity.id, network.tag, listeners, wiring)
    this.#running = { keyPair, wiring, listeners, mdns, kept }
    this.#phase = 'running'
    this.#stayAlive()
    this.#tell('listening', { id: this.id, addresses: this.addresses })
    wiring.start()
    for (const text of this.#options.seeds) wiring.want(parseAddress(text), 'seed')
    mdns?.start()
  }

  #mdns(peerId: string, networkTag: string, listeners: readonly Listener[], wiring: Wiring): MdnsDiscovery | null {
    const { clock, random, multicast } = this.#world
    if (!this.#options.mdns || multicast === null) return null
    return new MdnsDiscovery({
      clock,
      random,
      multicast,
      interfaces: () => this.#world.interfaces(),
      peerId,
      networkTag,
      // What only this machine can reach is not worth telling the network.
      port: () => listeners.find(({ endpoint }) => !isLoopback(endpoint.host))?.endpoint.port ?? null,
      found: ({ peer, host, port }) => {
        const kind = host.includes(':') ? 'ip6' : 'ip4'
        wiring.want({ host, kind, port, peer }, 'mdns')
      },
      warn: (code, text) => this.#warn(code, text),
    })
  }

  async #stop(): Promise<void> {
    const running = this.#running
    if (running === null) {
      this.#phase = 'stopped'
      // A start that is under way sees the phase and undoes itself; its own caller hears of what went wrong.
      await this.#starting?.catch(() => {})
      if (this.#running === null) return this.#subscriptions.close()
    }
    const { wiring, listeners, mdns, kept } = this.#running ?? running!
    this.#aliveTimer?.cancel()
    await Promise.all(listeners.map((listener) => listener.close()))
    await Promise.all([wiring.stop(), mdns?.stop()])
    this.#phase = 'stopped'
    this.#subscriptions.close()
    await kept.release()
  }

  /** A node that only waits (no listener, nothing to dial now) must not let the process end. */
  #stayAlive(): void {
    this.#aliveTimer = this.#world.clock.timer(ALIVE_MS, () => this.#stayAlive())
  }

  #addresses(running: Running): readonly Address[] {
    const endpoints = running.listeners.map((listener) => listener.endpoint)
    return ownAddresses(endpoints, this.#world.interfaces(), running.keyPair.identity.id)
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

/** '::' and '0.0.0.0' stand for every interface, and so not for loopback. */
function isLoopback(host: string): boolean {
  return host !== '::' && host !== '0.0.0.0' && scopeOf(host) === 'loopback'
}

/** Throws MeshError `bad-address` that names the option and the address. */
function checkAddress(option: string, text: string, allowPortZero: boolean): void {
  try {
    parseAddress(text, { allowPortZero })
  } catch (cause) {
    throw new MeshError('bad-address', `option ${option}, ${JSON.stringify(text)}: ${reasonOf(cause)}`, { cause })
  }
}

function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.ceil(ms)
}

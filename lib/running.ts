// What there is of a node between `start` and `stop`: made step by step, in the order in which the parts need each other, and
// let go of in the opposite one, also when a step fails.

import { primitives } from './crypto/choose.ts'
import { MdnsDiscovery } from './discovery/mdns.ts'
import type { BundleStore } from './flood/bundle-store.ts'
import type { Checks } from './flood/checks.ts'
import type { Subscriptions } from './flood/subscriptions.ts'
import { type Address, parseAddress } from './identity/address.ts'
import { Identities } from './identity/identities.ts'
import { scopeOf } from './identity/ip.ts'
import { KeptState } from './identity/kept-state.ts'
import { type KeyPair, keyPairFromSeed } from './identity/key-pair.ts'
import { type Network, networkOf } from './identity/network.ts'
import { ownAddresses } from './identity/own-addresses.ts'
import type { Listener, World } from './io/world.ts'
import { BookKeeper, openStore } from './keeping.ts'
import type { Sniffer } from './link/preamble.ts'
import type { Registrations } from './one-to-one.ts'
import type { ResolvedOptions } from './options.ts'
import { Wiring, type WiringEvents } from './wiring.ts'

/** What a node has before it runs: registrations can be made at any time. */
export interface Standing {
  readonly options: ResolvedOptions
  readonly world: World
  readonly sniffer: Sniffer
  readonly subscriptions: Subscriptions
  readonly checks: Checks
  readonly registrations: Registrations
}

interface Parts {
  readonly keyPair: KeyPair
  readonly network: Network
  readonly wiring: Wiring
  readonly listeners: readonly Listener[]
  readonly kept: KeptState
  readonly store: BundleStore
  readonly book: BookKeeper
}

export class Running {
  readonly keyPair: KeyPair
  readonly wiring: Wiring
  readonly #standing: Standing
  readonly #parts: Parts
  readonly #mdns: MdnsDiscovery | null

  /**
   * Loads or makes the identity, opens the store and listens; nothing is dialled yet. Rejects with MeshError `listen-failed`,
   * `key-file` or `data-folder`; nothing is left open then.
   */
  static async make(standing: Standing, events: WiringEvents): Promise<Running> {
    const undo: (() => Promise<unknown>)[] = []
    try {
      return new Running(standing, await build(standing, events, undo), events.warn)
    } catch (error) {
      for (const step of undo.reverse()) await step()
      throw error
    }
  }

  private constructor(standing: Standing, parts: Parts, warn: WiringEvents['warn']) {
    this.keyPair = parts.keyPair
    this.wiring = parts.wiring
    this.#standing = standing
    this.#parts = parts
    this.#mdns = this.#discovery(warn)
  }

  /** Under which this node can be reached now, best first. */
  get addresses(): readonly Address[] {
    return addressesOf(this.#parts.listeners, this.#standing.world, this.keyPair)
  }

  /** Looks for neighbours from now on. */
  start(): void {
    const { seeds } = this.#standing.options
    this.wiring.start()
    for (const text of seeds) this.wiring.want(parseAddress(text), 'seed')
    this.#mdns?.start()
  }

  /** Says goodbye to the neighbours: nothing comes in any more. */
  async leave(): Promise<void> {
    await Promise.all(this.#parts.listeners.map((listener) => listener.close()))
    await Promise.all([this.wiring.stop(), this.#mdns?.stop()])
  }

  /** Lets go of all files. */
  async release(): Promise<void> {
    const { book, store, kept } = this.#parts
    await book.stop()
    await store.close()
    await kept.release()
  }

  #discovery(warn: WiringEvents['warn']): MdnsDiscovery | null {
    const { options, world } = this.#standing
    const { keyPair, network, listeners } = this.#parts
    const { clock, random, multicast } = world
    if (!options.mdns || multicast === null) return null
    return new MdnsDiscovery({
      clock,
      random,
      multicast,
      interfaces: () => world.interfaces(),
      peerId: keyPair.identity.id,
      networkTag: network.tag,
      // What only this machine can reach is not worth telling the network.
      port: () => listeners.find(({ endpoint }) => !isLoopback(endpoint.host))?.endpoint.port ?? null,
      found: ({ peer, host, port }) => {
        const kind = host.includes(':') ? 'ip6' : 'ip4'
        this.wiring.want({ host, kind, port, peer }, 'mdns')
      },
      warn,
    })
  }
}

/** Leaves in `undo` what takes back what it has done so far. */
async function build(standing: Standing, events: WiringEvents, undo: (() => Promise<unknown>)[]): Promise<Parts> {
  const { options, world } = standing
  const { warn } = events
  const kept = await KeptState.open(world, options.dataDir, warn)
  undo.push(() => kept.release())
  const identities = new Identities()
  const keyPair = keyPairFromSeed(options.identity ?? (await kept.seed()), identities, primitives)
  const network = networkOf(options.network.name, options.network.key, primitives)
  const store = await openStore(world, kept, network.id, options.store, warn)
  undo.push(() => store.close())
  const listeners: Listener[] = []
  const wiring = new Wiring({
    ...standing,
    ...events,
    keyPair,
    network,
    identities,
    store,
    epoch: await kept.nextEpoch(0),
    nextEpoch: (after) => kept.nextEpoch(after),
    // Not before all of them are there: who is told of some would take them for all.
    addresses: () => (listeners.length < options.listen.length ? [] : addressesOf(listeners, world, keyPair)),
  })
  undo.push(() => wiring.stop())
  const book = new BookKeeper(world, wiring.acquaintance.book, kept, warn)
  await book.load()
  undo.push(() => book.stop())
  for (const text of options.listen) {
    const { host, port } = parseAddress(text, { allowPortZero: true })
    const listener = await world.tcp.listen({ host, port }, (socket) => wiring.openings.accept(socket))
    listeners.push(listener)
    undo.push(() => listener.close())
  }
  return { keyPair, network, wiring, listeners, kept, store, book }
}

function addressesOf(listeners: readonly Listener[], world: World, { identity }: KeyPair): readonly Address[] {
  const endpoints = listeners.map(({ endpoint }) => endpoint)
  return ownAddresses(endpoints, world.interfaces(), identity.id)
}

/** '::' and '0.0.0.0' stand for every interface, and so not for loopback. */
function isLoopback(host: string): boolean {
  return host !== '::' && host !== '0.0.0.0' && scopeOf(host) === 'loopback'
}

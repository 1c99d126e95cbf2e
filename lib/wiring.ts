// One running node: makes the modules and joins them. What comes in on a link goes to the flood; what the table of
// neighbours wants is dialled; links that open and close are told to both. It decides nothing itself. docs/architecture.md
// draws it.

import { primitives } from './crypto/choose.ts'
import { Exchange } from './discovery/exchange.ts'
import { OwnRecord } from './discovery/own-record.ts'
import { type ErrorCode, MeshError } from './errors.ts'
import { bytesKey } from './flood/bundle.ts'
import { BundleQueue } from './flood/bundle-queue.ts'
import { OwnEpoch } from './flood/own-epoch.ts'
import { Publisher } from './flood/publisher.ts'
import { Router } from './flood/router.ts'
import type { Subscriptions } from './flood/subscriptions.ts'
import { FrameType } from './framing/frames.ts'
import { GoodbyeCode } from './framing/goodbye.ts'
import { type Address, addressToBytes, formatAddress } from './identity/address.ts'
import type { Identities, Identity } from './identity/identities.ts'
import { parseIp } from './identity/ip.ts'
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import { Alarm } from './io/alarm.ts'
import type { Endpoint, World } from './io/world.ts'
import { ALL_QUEUES_BYTES_MAX, PEERS_MAX } from './limits.ts'
import { encodeAbout } from './link/about.ts'
import { Dialer } from './link/dialer.ts'
import { Farewells } from './link/farewells.ts'
import { Link, type LinkContext } from './link/link.ts'
import type { Admission, Opened, OpeningContext } from './link/opening.ts'
import type { Sniffer } from './link/preamble.ts'
import { Reception } from './link/reception.ts'
import { Superseded } from './neighbours/superseded.ts'
import { type DialAttempt, NeighbourTable, type TableLink, type Verdict } from './neighbours/table.ts'
import type { ResolvedOptions } from './options.ts'

export interface WiringOptions {
  readonly options: ResolvedOptions
  readonly world: World
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  readonly sniffer: Sniffer
  readonly subscriptions: Subscriptions
  readonly epoch: number
  /** Addresses under which this node can be reached now. */
  addresses(): readonly Address[]
  /** An epoch beyond `after`, durable where there is a data folder. */
  nextEpoch(after: number): Promise<number>
  neighbourUp(link: Link): void
  neighbourDown(link: Link, reason: string, retryInMs: number | null, code: ErrorCode): void
  dialFailed(address: string, reason: string, retryInMs: number | null, code: ErrorCode): void
  warn(code: string, text: string): void
}

interface Neighbour {
  readonly identity: Identity
  readonly bundles: BundleQueue
}

export class Wiring {
  readonly table: NeighbourTable
  readonly router: Router
  readonly publisher: Publisher
  readonly reception: Reception
  readonly counters = {
    bytesIn: 0,
    bytesOut: 0,
    framesIn: 0,
    framesOut: 0,
    unknownFrames: 0,
    bundlesDropped: 0,
    bundlesWithdrawn: 0,
  }
  readonly refused: Record<string, number> = {}
  readonly closed: Record<string, number> = {}
  readonly #given: WiringOptions
  readonly #farewells: Farewells
  readonly #ownRecord: OwnRecord
  readonly #ownEpoch: OwnEpoch
  readonly #superseded = new Superseded()
  readonly #exchange: Exchange
  readonly #dialer: Dialer
  readonly #linkContext: LinkContext
  readonly #tableAlarm: Alarm
  readonly #dials = new Map<number, AbortController>()
  /** By identity key; the same neighbour over whichever connection. */
  readonly #neighbours = new Map<string, Neighbour>()
  /** Links that are not over yet, and who waits for that. */
  readonly #links = new Map<Link, (() => void)[]>()

  constructor(given: WiringOptions) {
    this.#given = given
    const { options, world, keyPair, network, identities, subscriptions } = given
    const { clock, random } = world
    const fraction = (): number => random.fraction()
    this.#farewells = new Farewells(clock)
    this.#ownRecord = new OwnRecord({ keyPair, network, primitives, clock, addresses: () => given.addresses() })
    this.#exchange = new Exchange({
      network,
      identities,
      primitives,
      ownKey: keyPair.identity.key,
      fraction,
      found: (address, toldBy) => this.#withTable((nowMs) => this.table.want(address, 'exchange', nowMs, toldBy)),
    })
    this.#linkContext = {
      clock,
      farewells: this.#farewells,
      fraction,
      heartbeat: options.heartbeat,
      budget: { bytes: 0, bytesMax: ALL_QUEUES_BYTES_MAX },
      counters: this.counters,
    }
    const context = this.#openingContext()
    this.#dialer = new Dialer({ context, tcp: world.tcp, names: world.names, timeoutMs: options.handshakeTimeoutMs })
    this.reception = new Reception(context, given.sniffer, options.handshakeTimeoutMs, {
      admit: (identity) => admission(this.table.mayAdmit(identity, clock.nowMs())),
      refusalPeers: () => this.#exchange.tell(PEERS_MAX, null),
      opened: (parts) => this.#opened(parts, null, formatEndpoint(parts.socket.remote)),
      refused: (error, _remote, culprit) => {
        count(this.refused, error.code)
        this.#brokeProtocol(culprit, error)
      },
    })
    this.table = new NeighbourTable({
      own: keyPair.identity,
      degree: options.degree,
      backoff: options.backoff,
      fraction,
      actions: {
        dial: (attempt) => this.#dial(attempt),
        cancelDial: (attempt) => {
          this.#dials.get(attempt.number)?.abort()
          this.#dials.delete(attempt.number)
        },
        neighbourUp: (link) => this.#neighbourUp(link as Link),
        neighbourReplaced: (loser, winner) => this.#neighbourReplaced(loser as Link, winner as Link),
        neighbourDown: (link, reason, retryInMs, code) => this.#neighbourDown(link as Link, reason, retryInMs, code),
        dialFailed: (attempt, reason, retryInMs, code) => {
          given.dialFailed(formatAddress(attempt.address), reason, retryInMs, code)
        },
        warning: (code, text) => given.warn(code, text),
      },
    })
    this.#tableAlarm = new Alarm(clock, () => this.#withTable((nowMs) => this.table.tick(nowMs)))
    const originKey = bytesKey(keyPair.identity.publicKey)
    this.router = new Router({
      primitives,
      networkId: network.id,
      identities,
      subscriptions,
      ownOriginKey: originKey,
      nowMs: () => clock.nowMs(),
      actions: {
        rejected: (from, reason) => this.#rejected(from.key, reason),
        ownEpochMet: (epoch) => this.#ownEpoch.met(epoch),
      },
    })
    this.publisher = new Publisher({
      origin: { publicKey: keyPair.identity.publicKey, originKey, signer: keyPair.signer, peerId: keyPair.identity.id },
      signing: this.router.signing,
      clock,
      links: this.router,
      epoch: given.epoch,
      sealed: (bundle) => this.router.markOwn(bundle),
    })
    this.#ownEpoch = new OwnEpoch(this.publisher, given)
  }

  /** Every call that may change what the table wants to do next goes through here. */
  #withTable<T>(call: (nowMs: number) => T): T {
    const { clock } = this.#given.world
    const result = call(clock.nowMs())
    this.#tableAlarm.set(this.table.nextDeadlineMs())
    return result
  }

  start(): void {
    this.#withTable((nowMs) => this.table.start(nowMs))
  }

  want(address: Address, source: 'seed' | 'mdns'): void {
    this.#withTable((nowMs) => this.table.want(address, source, nowMs))
  }

  /** Dials and waits for the link: the peer id. Rejects with the reason, or `aborted`. */
  connect(address: Address, signal: AbortSignal | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new MeshError('aborted', 'connect was aborted', { cause: signal.reason }))
      const onAbort = (): void => {
        this.#withTable(withdraw)
        reject(new MeshError('aborted', 'connect was aborted', { cause: signal!.reason }))
      }
      const settle = (end: () => void): void => {
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const listener = {
        opened: (link: TableLink) => settle(() => resolve(link.identity.id)),
        failed: (error: MeshError) => settle(() => reject(error)),
      }
      signal?.addEventListener('abort', onAbort)
      const withdraw = this.#withTable((nowMs) => this.table.connect(address, listener, nowMs))
    })
  }

  /** Resolves when the link, if there was one, is over. */
  async disconnect(peer: string): Promise<void> {
    const link = this.table.link(peer) as Link | undefined
    this.#withTable((nowMs) => this.table.unwantPeer(peer, nowMs))
    const waiting = link === undefined ? undefined : this.#links.get(link)
    if (waiting !== undefined) await new Promise<void>((resolve) => waiting.push(resolve))
  }

  /** Says goodbye to all and resolves when every connection is over. */
  async stop(): Promise<void> {
    this.publisher.close(new MeshError('not-running', 'this node has stopped'))
    this.reception.close()
    const { clock } = this.#given.world
    this.table.stop(clock.nowMs())
    this.#tableAlarm.cancel()
    for (const link of this.#links.keys()) link.close(GoodbyeCode.shuttingDown, 'this node is stopping')
    for (const dial of this.#dials.values()) dial.abort()
    this.#dials.clear()
    await Promise.all(Array.from(this.#links.values(), (waiting) => new Promise<void>((done) => waiting.push(done))))
    this.#farewells.close()
  }

  get queuedBytes(): number {
    return this.#linkContext.budget.bytes
  }

  #openingContext(): OpeningContext {
    const { options, world, keyPair, network, identities } = this.#given
    return {
      clock: world.clock,
      farewells: this.#farewells,
      random: world.random,
      primitives,
      identities,
      keyPair,
      network,
      features: [],
      about: (remote) => {
        // A zone means something on this machine only.
        const observed = remote.host.includes('%') ? null : addressOf(remote)
        return encodeAbout({
          agent: options.agent,
          name: options.name,
          record: this.#ownRecord.bytes(),
          observed: observed === null ? null : addressToBytes(observed),
        })
      },
      checkRecord: (record, identity) => this.#exchange.check(record, identity),
    }
  }

  #dial(attempt: DialAttempt): void {
    const { clock } = this.#given.world
    const controller = new AbortController()
    this.#dials.set(attempt.number, controller)
    void this.#dialer.dial(attempt.address, controller.signal, {
      handshaking: () => this.#withTable((nowMs) => this.table.handshaking(attempt, nowMs)),
      admit: (identity) => admission(this.table.mayProceed(identity, attempt, clock.nowMs())),
      peersTold: (records, identity, socket) => {
        this.#exchange.told(records, { key: identity.key, host: socket.remote.host })
      },
      opened: (parts, address) => {
        this.#dials.delete(attempt.number)
        this.#opened(parts, attempt, address)
      },
      failed: (error, goodbyeCode, culprit) => {
        this.#dials.delete(attempt.number)
        this.#brokeProtocol(culprit, error)
        this.#withTable((nowMs) => this.table.dialFailed(attempt, error, nowMs, goodbyeCode))
      },
    })
  }

  #opened(parts: Opened, attempt: DialAttempt | null, address: string): void {
    const { identity, socket } = parts
    const link = new Link(parts, attempt === null ? 'in' : 'out', address, this.#linkContext, {
      frame: (type, body) => this.#frame(identity, type, body),
      peersAsked: (wanted) => this.#exchange.tell(wanted, identity.key),
      peersTold: (records) => this.#exchange.told(records, { key: identity.key, host: socket.remote.host }),
      progressed: () => this.#progressed(link),
      closed: (error, goodbyeCode) => this.#linkClosed(link, error, goodbyeCode),
    })
    this.#links.set(link, [])
    this.#withTable((nowMs) => this.table.opened(link, attempt, nowMs))
    link.start()
  }

  #frame(identity: Identity, type: number, body: Uint8Array): boolean {
    if (type !== FrameType.bundle) return false
    const neighbour = this.#neighbours.get(identity.key)
    if (neighbour !== undefined) this.router.received(neighbour.bundles, body)
    return true
  }

  #progressed(link: Link): void {
    this.publisher.resume()
    if (link.bundleBytes === 0) this.publisher.linkIdle()
  }

  #neighbourUp(link: Link): void {
    const { identity, about } = link
    const { key, id: peer } = identity
    const bundles = new BundleQueue({ key, peer }, link, this.counters)
    this.#neighbours.set(key, { identity, bundles })
    this.#exchange.neighbourUp(identity, about.record)
    this.router.addLink(bundles)
    this.#given.neighbourUp(link)
  }

  #neighbourReplaced(loser: Link, winner: Link): void {
    this.#neighbours.get(winner.identity.key)?.bundles.carryOver(winner)
    for (const { into, frame } of loser.takeQueue()) {
      // What the link itself had to say (pings, answers) belongs to that connection.
      if (into === 'control') frame.dropped()
      else winner.send(into, frame)
    }
  }

  #neighbourDown(link: Link, reason: string, retryInMs: number | null, code: ErrorCode): void {
    const neighbour = this.#neighbours.get(link.identity.key)
    if (neighbour !== undefined) {
      this.#neighbours.delete(link.identity.key)
      this.router.removeLink(neighbour.bundles)
    }
    link.abandon()
    this.#exchange.neighbourDown(link.identity)
    this.#given.neighbourDown(link, reason, retryInMs, code)
    this.publisher.resume()
  }

  #linkClosed(link: Link, error: MeshError, goodbyeCode: number | null): void {
    count(this.closed, error.code)
    if (goodbyeCode === GoodbyeCode.duplicate) this.#wasSuperseded(link.identity)
    this.#withTable((nowMs) => {
      // A record that does not open may be the work of someone on the path; the others are the neighbour's own.
      if (error.code.startsWith('bad-') && error.code !== 'bad-record')
        this.table.reject(link.identity, error.message, nowMs)
      this.table.closed(link, error, nowMs, goodbyeCode)
    })
    // The table keeps a superseded link only while another connection with that peer is about to take over.
    if (this.table.link(link.identity.key) !== link) link.abandon()
    for (const done of this.#links.get(link) ?? []) done()
    this.#links.delete(link)
  }

  /** Before the link was open; `culprit` null: nobody proven did. */
  #brokeProtocol(culprit: Identity | null, error: MeshError): void {
    if (culprit !== null) this.#withTable((nowMs) => this.table.reject(culprit, error.message, nowMs))
  }

  #wasSuperseded({ id, key }: Identity): void {
    if (!this.#superseded.happened(key, this.#given.world.clock.nowMs())) return
    const text = `${id} keeps closing our link for another one with our identity; is its key in use elsewhere?`
    this.#given.warn('identity-in-use', text)
  }

  #rejected(key: string, reason: string): void {
    const neighbour = this.#neighbours.get(key)
    if (neighbour !== undefined) this.#withTable((nowMs) => this.table.reject(neighbour.identity, reason, nowMs))
  }
}

function admission(verdict: Verdict): Admission {
  if (verdict.ok) return verdict
  return { ok: false, code: verdict.code, error: new MeshError(verdict.reason, verdict.text) }
}

function count(counters: Record<string, number>, code: ErrorCode): void {
  counters[code] = (counters[code] ?? 0) + 1
}

/** An endpoint as an address, or null when it is no IP literal. */
function addressOf(endpoint: Endpoint): Address | null {
  const ip = parseIp(endpoint.host)
  if (ip === null || endpoint.port === 0) return null
  return { host: endpoint.host, kind: ip.family, port: endpoint.port, peer: null }
}

function formatEndpoint(endpoint: Endpoint): string {
  const address = addressOf(endpoint)
  return address === null ? `${endpoint.host} port ${endpoint.port}` : formatAddress(address)
}

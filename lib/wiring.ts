// One running node: makes the modules and joins them. What comes in on a link goes to the flood; what the table of
// neighbours wants is dialled; links that open and close are told to all who must know. It decides nothing itself.
// docs/architecture.md draws it.

import { Acquaintance } from './acquaintance.ts'
import { bytesKey } from './bytes.ts'
import { primitives } from './crypto/choose.ts'
import { type ErrorCode, MeshError } from './errors.ts'
import type { BundleStore, StoredBundle } from './flood/bundle-store.ts'
import type { Checks } from './flood/checks.ts'
import { Flood } from './flood/flood.ts'
import { LAZY_LINKS, offersLazyLinks } from './flood/lazy-feature.ts'
import { messagesOf } from './flood/readers/read-bundle.ts'
import type { Subscriptions } from './flood/subscriptions.ts'
import { FrameType } from './framing/frames.ts'
import { GoodbyeCode } from './framing/goodbye.ts'
import { type Address, formatAddress } from './identity/address.ts'
import type { Identities, Identity } from './identity/identities.ts'
import { parseIp } from './identity/ip.ts'
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import { Alarm } from './io/alarm.ts'
import type { Endpoint, World } from './io/world.ts'
import { ALL_QUEUES_BYTES_MAX, NODE_TIME_TO_LIVE_S, PEERS_MAX } from './limits.ts'
import { Dialer } from './link/dialer.ts'
import { Farewells } from './link/farewells.ts'
import { Link, type LinkContext, type LinkCounters } from './link/link.ts'
import type { Admission, Opened, OpeningContext } from './link/opening.ts'
import type { Sniffer } from './link/preamble.ts'
import { Reception } from './link/reception.ts'
import { plainFrame } from './link/send-queue.ts'
import { NODE_TOPIC } from './members/node-payload.ts'
import { Superseded } from './neighbours/superseded.ts'
import {
  type ConnectListener,
  type DialAttempt,
  NeighbourTable,
  type TableLink,
  type Verdict,
} from './neighbours/table.ts'
import { addressesToVisit } from './neighbours/visits.ts'
import { OneToOne, type Registrations } from './one-to-one.ts'
import type { ResolvedOptions } from './options.ts'

/** Admitting an identity takes a tenth of a millisecond, ten times that with portable cryptography. */
const RECALLED_PER_TURN_MAX = 8

export interface WiringOptions {
  readonly options: ResolvedOptions
  readonly world: World
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  readonly sniffer: Sniffer
  readonly subscriptions: Subscriptions
  readonly checks: Checks
  readonly registrations: Registrations
  readonly store: BundleStore
  readonly epoch: number
  /** Addresses under which this node can be reached now. */
  addresses(): readonly Address[]
  /** An epoch beyond `after`, durable where there is a data folder. */
  nextEpoch(after: number): Promise<number>
  neighbourUp(link: Link): void
  neighbourDown(link: Link, reason: string, retryInMs: number | null, code: ErrorCode): void
  dialFailed(address: string, reason: string, retryInMs: number | null, code: ErrorCode): void
  nodeUp(peer: string, name: string): void
  nodeDown(peer: string, name: string, reason: 'left' | 'unreachable' | 'expired'): void
  warn(code: string, text: string): void
}

export class Wiring {
  readonly table: NeighbourTable
  readonly flood: Flood
  readonly acquaintance: Acquaintance
  readonly oneToOne: OneToOne
  readonly store: BundleStore
  readonly reception: Reception
  readonly counters: LinkCounters = { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0, unknownFrames: 0 }
  readonly refused: Record<string, number> = {}
  readonly closed: Record<string, number> = {}
  readonly #given: WiringOptions
  readonly #farewells: Farewells
  readonly #superseded = new Superseded()
  readonly #dialer: Dialer
  readonly #linkContext: LinkContext
  readonly #tableAlarm: Alarm
  #isStopped = false
  readonly #dials = new Map<number, AbortController>()
  /** Links that are not over yet. */
  readonly #links = new Map<Link, LinkEnd>()

  constructor(given: WiringOptions) {
    this.#given = given
    const { options, world, keyPair, store } = given
    const { clock, random } = world
    const fraction = (): number => random.fraction()
    this.#farewells = new Farewells(clock)
    this.store = store
    this.acquaintance = new Acquaintance({
      ...given,
      clock,
      random,
      primitives,
      publish: (payload) => this.#tellOfItself(payload),
      changed: () => this.#withTable((nowMs) => this.table.tick(nowMs)),
      lastHeardMs: (publicKey) => this.flood.seen.lastHeardMs(bytesKey(publicKey)),
    })
    this.#linkContext = {
      clock,
      farewells: this.#farewells,
      fraction,
      heartbeat: options.heartbeat,
      budget: { bytes: 0, bytesMax: ALL_QUEUES_BYTES_MAX },
      brake: {
        get isOn() {
          return store.isBehind
        },
        whenOff: (run) => {
          const end = store.onEased(() => {
            end()
            run()
          })
        },
      },
      counters: this.counters,
    }
    const context = this.#openingContext()
    this.#dialer = new Dialer({ context, tcp: world.tcp, names: world.names, timeoutMs: options.handshakeTimeoutMs })
    this.reception = new Reception(context, given.sniffer, options.handshakeTimeoutMs, {
      admit: (identity) => admission(this.table.mayAdmit(identity, clock.nowMs())),
      refusalPeers: () => this.acquaintance.exchange.tell(PEERS_MAX, null),
      opened: (parts) => this.#opened(parts, null, formatEndpoint(parts.socket.remote)),
      refused: (error, _remote, culprit) => {
        count(this.refused, error.code)
        this.#brokeProtocol(culprit, error)
      },
    })
    this.table = new NeighbourTable({
      own: keyPair.identity,
      book: this.acquaintance.book,
      topology: this.acquaintance.members,
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
        shed: (link) => this.#shed(link as Link),
        askPeers: (link) => this.#askPeers(link as Link),
        warning: (code, text) => given.warn(code, text),
      },
    })
    this.#tableAlarm = new Alarm(clock, () => this.#withTable((nowMs) => this.table.tick(nowMs)))
    this.flood = new Flood({
      ...given,
      clock,
      random,
      primitives,
      rejected: (identity, reason) => this.#withTable((nowMs) => this.table.reject(identity, reason, nowMs)),
      disapproved: (identity, isItsOwn) => {
        const blame = isItsOwn ? 'published' : 'passed-on'
        this.#withTable((nowMs) => this.table.reject(identity, 'rejected by a check of this program', nowMs, blame))
      },
      heard: (...what) => this.oneToOne.direct.heard(...what),
      retainedCame: (...what) => this.acquaintance.retainedCame(...what),
    })
    this.oneToOne = new OneToOne({
      ...given,
      clock,
      random,
      primitives,
      epoch: () => this.flood.publisher.epoch,
      knownEpoch: (originKey) => this.flood.seen.newestEpoch(originKey) ?? 0,
      links: () => this.#openLinks(),
      link: (peer) => this.table.link(peer) as Link | undefined,
      visit: (peer, signal) => this.visit(peer, signal),
      leave: (identityKey) => this.#withTable((nowMs) => this.table.leave(identityKey, nowMs)),
    })
  }

  /** Every call that may change what the table wants to do next goes through here. */
  #withTable<T>(call: (nowMs: number) => T): T {
    const { clock } = this.#given.world
    const result = call(clock.nowMs())
    this.#tableAlarm.set(this.table.nextDeadlineMs())
    return result
  }

  start(): void {
    this.flood.start()
    this.#recallMembers(this.store.retained(null)[Symbol.iterator]())
    this.#withTable((nowMs) => this.table.start(nowMs))
  }

  want(address: Address, source: 'seed' | 'mdns'): void {
    this.#withTable((nowMs) => this.table.want(address, source, nowMs))
  }

  /** Dials and waits for the link: the peer id. Rejects with the reason, or `aborted`. */
  async connect(address: Address, signal: AbortSignal | undefined): Promise<string> {
    const begin = (listener: ConnectListener, nowMs: number) => this.table.connect(address, listener, nowMs)
    return (await this.#linkFrom(begin, signal)).identity.id
  }

  /**
   * The open link with that peer, or one that is made for the purpose, over the addresses that are known of it. Rejects with
   * `unreachable`, `aborted`, `banned`, `too-many-neighbours`, `disconnected`, `shutdown` or `not-running`.
   */
  async visit(peer: string, signal: AbortSignal | undefined): Promise<Link> {
    const standing = this.table.link(peer) as Link | undefined
    if (standing?.isOpen) return standing
    const { book, members } = this.acquaintance
    const nodes = members.find(peer, this.#given.world.clock.nowMs()).filter((node) => node.peer === peer)
    const told = nodes.flatMap((node) => node.addresses)
    const addresses = addressesToVisit(book.addressesOf(peer), told)
    const begin = (listener: ConnectListener, nowMs: number) => this.table.visit(addresses, listener, nowMs)
    return (await this.#linkFrom(begin, signal)) as Link
  }

  /** Waits for the link that `begin` asks the table for. */
  #linkFrom(
    begin: (listener: ConnectListener, nowMs: number) => (nowMs: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<TableLink> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new MeshError('aborted', 'the wait was aborted', { cause: signal.reason }))
      const onAbort = (): void => {
        this.#withTable(withdraw)
        reject(new MeshError('aborted', 'the wait was aborted', { cause: signal!.reason }))
      }
      const settle = (end: () => void): void => {
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const listener = {
        opened: (link: TableLink) => settle(() => resolve(link)),
        failed: (error: MeshError) => settle(() => reject(error)),
      }
      signal?.addEventListener('abort', onAbort)
      const withdraw = this.#withTable((nowMs) => begin(listener, nowMs))
    })
  }

  /** Resolves when the goodbye is on its way, if there was a link to end; the connection's own end need not be waited for. */
  async disconnect(peer: string): Promise<void> {
    const link = this.table.link(peer) as Link | undefined
    const end = link === undefined ? undefined : this.#links.get(link)
    const parted = end === undefined ? null : new Promise<void>((resolve) => end.parted.push(resolve))
    this.#withTable((nowMs) => this.table.unwantPeer(peer, nowMs))
    await parted
  }

  /** Says goodbye to all and resolves when every connection is over. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.acquaintance.stop()
    this.flood.close()
    this.oneToOne.close()
    this.reception.close()
    const { clock } = this.#given.world
    this.table.stop(clock.nowMs())
    this.#tableAlarm.cancel()
    for (const link of this.#links.keys()) link.close(GoodbyeCode.shuttingDown, 'this node is stopping')
    for (const dial of this.#dials.values()) dial.abort()
    this.#dials.clear()
    await Promise.all(Array.from(this.#links.values(), ({ over }) => new Promise<void>((done) => over.push(done))))
    this.#farewells.close()
    this.flood.stop()
  }

  get queuedBytes(): number {
    return this.#linkContext.budget.bytes
  }

  #openingContext(): OpeningContext {
    const { world, keyPair, network, identities } = this.#given
    return {
      clock: world.clock,
      farewells: this.#farewells,
      random: world.random,
      primitives,
      identities,
      keyPair,
      network,
      features: offersLazyLinks(this.#given.options) ? [LAZY_LINKS] : [],
      about: (remote, keep) => {
        // A zone means something on this machine only.
        const observed = remote.host.includes('%') ? null : addressOf(remote)
        return this.acquaintance.about(observed, keep)
      },
      checkRecord: (record, identity) => this.acquaintance.exchange.check(record, identity),
    }
  }

  #dial(attempt: DialAttempt): void {
    const { clock } = this.#given.world
    const controller = new AbortController()
    this.#dials.set(attempt.number, controller)
    void this.#dialer.dial(attempt.address, attempt.keep, controller.signal, {
      handshaking: () => this.#withTable((nowMs) => this.table.handshaking(attempt, nowMs)),
      admit: (identity) => admission(this.table.mayProceed(identity, attempt, clock.nowMs())),
      peersTold: (records, identity, socket) => {
        this.acquaintance.exchange.told(records, { key: identity.key, host: socket.remote.host })
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
    const end: LinkEnd = { parted: [], over: [] }
    const link = new Link(parts, attempt === null ? 'in' : 'out', address, this.#linkContext, {
      frame: (type, body) => this.flood.frame(identity.key, type, body) || this.oneToOne.frame(link, type, body),
      underWay: (type, start, length) => this.flood.underWay(identity.key, type, start, length),
      peersAsked: (wanted) => this.acquaintance.exchange.tell(wanted, identity.key),
      peersTold: (records) => this.acquaintance.exchange.told(records, { key: identity.key, host: socket.remote.host }),
      progressed: () => this.flood.progressed(link.bundleBytes),
      parted: () => callAll(end.parted),
      closed: (error, goodbyeCode) => this.#linkClosed(link, error, goodbyeCode),
    })
    this.#links.set(link, end)
    this.#withTable((nowMs) => this.table.opened(link, attempt, nowMs))
    link.start()
  }

  #neighbourUp(link: Link): void {
    const { identity, about, remoteHost } = link
    this.flood.neighbourUp(identity, link, this.#isAble(link))
    this.acquaintance.neighbourUp(identity, about.record, remoteHost)
    this.oneToOne.neighbourUp(identity)
    this.#given.neighbourUp(link)
  }

  #neighbourReplaced(loser: Link, winner: Link): void {
    this.flood.neighbourReplaced(winner.identity.key, winner, this.#isAble(winner))
    this.oneToOne.linkOver(loser, new MeshError('connection-lost', 'another connection with that neighbour took over'))
    for (const { into, frame } of loser.takeQueue()) {
      // What the link itself had to say (pings, answers) belongs to that connection, and so do its streams.
      if (into === 'control' || into === 'stream') frame.dropped()
      else winner.send(into, frame)
    }
  }

  #neighbourDown(link: Link, reason: string, retryInMs: number | null, code: ErrorCode): void {
    this.flood.neighbourDown(link.identity.key)
    link.abandon()
    this.acquaintance.neighbourDown(link.identity)
    this.oneToOne.neighbourDown(link.identity.key)
    this.#given.neighbourDown(link, reason, retryInMs, code)
  }

  /** Both ends offer lazy links. */
  #isAble(link: Link): boolean {
    return link.features.includes(LAZY_LINKS) && offersLazyLinks(this.#given.options)
  }

  *#openLinks(): IterableIterator<Link> {
    for (const link of this.#links.keys()) if (link.isOpen && this.table.link(link.identity.key) === link) yield link
  }

  #shed(link: Link): void {
    const peers = plainFrame(FrameType.peers, this.acquaintance.exchange.tell(PEERS_MAX, link.identity.key))
    link.close(GoodbyeCode.tooMany, 'this node has enough neighbours', peers)
  }

  #askPeers(link: Link): void {
    link.send('control', plainFrame(FrameType.askPeers, this.acquaintance.exchange.ask()))
  }

  #tellOfItself(payload: Uint8Array): void {
    const how = { retain: true, timeToLiveS: NODE_TIME_TO_LIVE_S }
    try {
      this.flood.publisher.publishChecked(NODE_TOPIC, payload, how).catch(() => {})
    } catch (error) {
      // Publishing has ended; whoever ended it has said why.
      if (!(error instanceof MeshError)) throw error
    }
  }

  /** What members told before this run, some of it a turn: each is a new identity to admit. */
  #recallMembers(stored: Iterator<StoredBundle>): void {
    for (let count = 0; count < RECALLED_PER_TURN_MAX; count++) {
      const next = stored.next()
      if (next.done || this.#isStopped) return
      const { bundle } = next.value
      const identity = this.#given.identities.admit(bundle.origin)
      if (identity !== null) this.acquaintance.retainedCame(identity, bundle, messagesOf(bundle), null)
    }
    this.#given.world.clock.endOfTurn(() => this.#recallMembers(stored))
  }

  #linkClosed(link: Link, error: MeshError, goodbyeCode: number | null): void {
    count(this.closed, error.code)
    this.oneToOne.linkOver(link, error)
    if (goodbyeCode === GoodbyeCode.duplicate) this.#wasSuperseded(link.identity)
    this.#withTable((nowMs) => {
      // A record that does not open may be the work of someone on the path; the others are the neighbour's own.
      if (error.code.startsWith('bad-') && error.code !== 'bad-record')
        this.table.reject(link.identity, error.message, nowMs)
      this.table.closed(link, error, nowMs, goodbyeCode)
    })
    // The table keeps a superseded link only while another connection with that peer is about to take over.
    if (this.table.link(link.identity.key) !== link) link.abandon()
    const end = this.#links.get(link)
    this.#links.delete(link)
    if (end !== undefined) callAll([...end.parted, ...end.over])
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
}

/** Who waits for the end of a link. */
interface LinkEnd {
  /** For our goodbye to be on its way, or the link to be over. */
  readonly parted: (() => void)[]
  readonly over: (() => void)[]
}

function callAll(waiting: (() => void)[]): void {
  for (const call of waiting.splice(0)) call()
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

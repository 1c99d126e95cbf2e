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
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import { Alarm } from './io/alarm.ts'
import type { World } from './io/world.ts'
import { ALL_QUEUES_BYTES_MAX, NODE_TIME_TO_LIVE_S, PEERS_MAX } from './limits.ts'
import { DiskBrake } from './link/disk-brake.ts'
import { Farewells } from './link/farewells.ts'
import { Link, type LinkContext, type LinkCounters } from './link/link.ts'
import type { Opened } from './link/opening.ts'
import type { Sniffer } from './link/preamble.ts'
import { plainFrame } from './link/send-queue.ts'
import { Links } from './links.ts'
import { NODE_TOPIC } from './members/node-payload.ts'
import { Superseded } from './neighbours/superseded.ts'
import { type DialAttempt, NeighbourTable } from './neighbours/table.ts'
import { OneToOne, type Registrations } from './one-to-one.ts'
import { Openings } from './openings.ts'
import type { ResolvedOptions } from './options.ts'
import { Reaching } from './reaching.ts'

/** Admitting an identity takes a tenth of a millisecond, ten times that with portable cryptography. */
const RECALLED_PER_TURN_MAX = 8

/** What a running node tells. */
export interface WiringEvents {
  neighbourUp(link: Link): void
  neighbourDown(link: Link, reason: string, retryInMs: number | null, code: ErrorCode): void
  dialFailed(address: string, reason: string, retryInMs: number | null, code: ErrorCode): void
  nodeUp(peer: string, name: string): void
  nodeDown(peer: string, name: string, reason: 'left' | 'unreachable' | 'expired'): void
  warn(code: string, text: string): void
}

export interface WiringOptions extends WiringEvents {
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
}

export class Wiring {
  readonly table: NeighbourTable
  readonly flood: Flood
  readonly acquaintance: Acquaintance
  readonly reaching: Reaching
  readonly oneToOne: OneToOne
  readonly store: BundleStore
  readonly openings: Openings
  readonly counters: LinkCounters = { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0, unknownFrames: 0 }
  readonly refused: Record<string, number> = {}
  readonly closed: Record<string, number> = {}
  readonly #given: WiringOptions
  readonly #farewells: Farewells
  readonly #brake: DiskBrake
  readonly #superseded = new Superseded()
  readonly #linkContext: LinkContext
  readonly #tableAlarm: Alarm
  #isStopped = false
  readonly #links = new Links()

  constructor(given: WiringOptions) {
    this.#given = given
    const { options, world, keyPair, store } = given
    const { clock, random } = world
    const fraction = (): number => random.fraction()
    const farewells = new Farewells(clock)
    this.#farewells = farewells
    this.#brake = new DiskBrake(clock, store)
    this.store = store
    this.acquaintance = new Acquaintance({
      ...given,
      clock,
      random,
      primitives,
      publish: (payload) => this.#tellOfItself(payload),
      changed: () => this.#withTable((nowMs) => this.table.tick(nowMs)),
      tellNeighbour: (key, peers) => (this.table.link(key) as Link | undefined)?.tellPeers(peers),
      lastHeardMs: (publicKey) => this.flood.seen.lastHeardMs(bytesKey(publicKey)),
    })
    this.#linkContext = {
      clock,
      farewells,
      fraction,
      heartbeat: options.heartbeat,
      budget: { bytes: 0, bytesMax: ALL_QUEUES_BYTES_MAX },
      brake: this.#brake,
      counters: this.counters,
    }
    this.openings = new Openings({
      ...given,
      farewells,
      acquaintance: this.acquaintance,
      table: () => this.table,
      withTable: (call) => this.#withTable(call),
      refused: (code) => count(this.refused, code),
      opened: (parts, attempt, address) => this.#opened(parts, attempt, address),
    })
    this.table = new NeighbourTable({
      own: keyPair.identity,
      book: this.acquaintance.book,
      topology: this.acquaintance.members,
      degree: options.degree,
      backoff: options.backoff,
      fraction,
      actions: {
        dial: (attempt) => this.openings.dial(attempt),
        cancelDial: (attempt) => this.openings.cancelDial(attempt),
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
    this.reaching = new Reaching({
      clock,
      table: this.table,
      acquaintance: this.acquaintance,
      withTable: (call) => this.#withTable(call),
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
      visit: (peer, signal) => this.reaching.visit(peer, signal),
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

  /** Resolves when the goodbye is on its way, if there was a link to end; the connection's own end need not be waited for. */
  async disconnect(peer: string): Promise<void> {
    const link = this.table.link(peer) as Link | undefined
    const parted = link === undefined ? null : this.#links.whenParted(link)
    this.#withTable((nowMs) => this.table.unwantPeer(peer, nowMs))
    await parted
  }

  /** Says goodbye to all and resolves when every connection is over. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.acquaintance.stop()
    this.flood.close()
    this.oneToOne.close()
    this.openings.stop()
    const { clock } = this.#given.world
    this.table.stop(clock.nowMs())
    this.#tableAlarm.cancel()
    for (const link of this.#links) link.close(GoodbyeCode.shuttingDown, 'this node is stopping')
    await this.#links.whenAllOver()
    this.#farewells.close()
    this.#brake.close()
    this.flood.stop()
  }

  get queuedBytes(): number {
    return this.#linkContext.budget.bytes
  }

  #opened(parts: Opened, attempt: DialAttempt | null, address: string): void {
    const { identity, socket } = parts
    const link = new Link(parts, attempt === null ? 'in' : 'out', address, this.#linkContext, {
      frame: (type, body) => this.flood.frame(identity.key, type, body) || this.oneToOne.frame(link, type, body),
      underWay: (type, start, length) => this.flood.underWay(identity.key, type, start, length),
      peersAsked: (wanted) => this.acquaintance.exchange.tell(wanted, identity.key),
      peersTold: (records) => this.acquaintance.exchange.told(records, { key: identity.key, host: socket.remote.host }),
      progressed: () => this.flood.progressed(link.bundleBytes),
      parted: () => this.#links.parted(link),
      closed: (error, goodbyeCode) => this.#linkClosed(link, error, goodbyeCode),
    })
    this.#links.began(link)
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
    for (const link of this.#links) if (link.isOpen && this.table.link(link.identity.key) === link) yield link
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
    this.#links.over(link)
  }

  #wasSuperseded({ id, key }: Identity): void {
    if (!this.#superseded.happened(key, this.#given.world.clock.nowMs())) return
    const text = `${id} keeps closing our link for another one with our identity: our key is in use elsewhere, or that node is wrong`
    this.#given.warn('identity-in-use', text)
  }
}

function count(counters: Record<string, number>, code: ErrorCode): void {
  counters[code] = (counters[code] ?? 0) + 1
}

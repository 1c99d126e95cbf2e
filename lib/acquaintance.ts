// Whom this node knows, put together: the members that tell of themselves, the address book, and peer exchange with
// neighbours. What any of them learns of where a node can be reached goes into the book; what members tell of their links
// is what the table of neighbours goes by. It decides nothing itself. docs/protocol.md section 12.

import type { Primitives } from './crypto/primitives.ts'
import { Exchange } from './discovery/exchange.ts'
import { OwnRecord } from './discovery/own-record.ts'
import { type Bundle, type BundleMessages, publishedMs } from './flood/bundle.ts'
import { type Address, addressToBytes } from './identity/address.ts'
import type { Identities, Identity } from './identity/identities.ts'
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import type { NodeRecord } from './identity/node-record.ts'
import { Alarm } from './io/alarm.ts'
import type { Clock, Random } from './io/world.ts'
import { encodeAbout } from './link/about.ts'
import { Members } from './members/members.ts'
import { NODE_TOPIC } from './members/node-payload.ts'
import { AddressBook } from './neighbours/address-book.ts'
import type { ResolvedOptions } from './options.ts'

export interface AcquaintanceOptions {
  readonly options: ResolvedOptions
  readonly clock: Clock
  readonly random: Random
  readonly primitives: Primitives
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  /** Addresses under which this node can be reached now. */
  addresses(): readonly Address[]
  /** As `MembersActions`. */
  publish(payload: Uint8Array): void
  nodeUp(peer: string, name: string): void
  nodeDown(peer: string, name: string, reason: 'left' | 'unreachable' | 'expired'): void
  /** There may be somebody new to dial, or a link less needed than before. */
  changed(): void
  /** Sends the body of a `peers` frame to the open neighbour of this Identity.key. */
  tellNeighbour(key: string, peers: Uint8Array): void
  lastHeardMs(publicKey: Uint8Array): number | null
}

export class Acquaintance {
  readonly book: AddressBook
  readonly members: Members
  readonly exchange: Exchange
  readonly #given: AcquaintanceOptions
  readonly #ownRecord: OwnRecord
  readonly #alarm: Alarm
  #isStopped = false

  constructor(given: AcquaintanceOptions) {
    this.#given = given
    const { options, clock, random, primitives, keyPair, network, identities } = given
    const fraction = (): number => random.fraction()
    this.book = new AddressBook({
      own: keyPair.identity,
      networkId: network.id,
      digest: (bytes) => primitives.sha256(bytes),
      unixMs: () => clock.unixMs(),
      fraction,
    })
    this.exchange = new Exchange({
      network,
      identities,
      primitives,
      ownKey: keyPair.identity.key,
      fraction,
      found: (record, addresses, toldBy) => {
        if (this.book.learn(record, addresses, toldBy)) given.changed()
      },
      ownFound: ({ issuedAtMs }) => {
        if (this.#ownRecord.met(issuedAtMs)) this.#withMembers((nowMs) => this.members.ownChanged(nowMs))
      },
      neighbourOutdone: (key, { bytes }) => given.tellNeighbour(key, this.exchange.tellOne(bytes)),
      known: () => this.book.records(({ isProven, publicKey }) => isProven || this.members.isReachable(publicKey)),
    })
    this.#ownRecord = new OwnRecord({ keyPair, network, primitives, clock, addresses: () => given.addresses() })
    this.members = new Members({
      own: keyPair.identity,
      startedAtMs: Math.max(0, Math.floor(clock.unixMs())),
      fraction,
      about: () => ({ name: options.name, agent: options.agent, record: this.#ownRecord.bytes() }),
      readRecord: (bytes, identity) => this.exchange.read(bytes, identity),
      lastHeard: (publicKey) => given.lastHeardMs(publicKey),
      actions: {
        publish: (payload) => given.publish(payload),
        nodeUp: (peer, name) => given.nodeUp(peer, name),
        nodeDown: (peer, name, reason) => given.nodeDown(peer, name, reason),
        addressesTold: (record, toldBy) => this.#addressesTold(record, toldBy),
        topologyChanged: () => given.changed(),
      },
    })
    this.#alarm = new Alarm(clock, () => this.#withMembers((nowMs) => this.members.tick(nowMs)))
  }

  /** The body of our `about` for a connection whose other end is `observed`; see `About`. */
  about(observed: Address | null, keep: boolean): Uint8Array {
    const { agent, name } = this.#given.options
    return encodeAbout({
      agent,
      name,
      record: this.#ownRecord.bytes(),
      observed: observed === null ? null : addressToBytes(observed),
      keep,
    })
  }

  /** `host`: the neighbour's end of the connection; `record`: from its `about`. */
  neighbourUp(identity: Identity, record: Uint8Array | null, host: string): void {
    this.exchange.neighbourUp(identity, record, host)
    if (record !== null) this.#tellOfLater(identity, record)
    this.#withMembers((nowMs) => this.members.neighbourUp(identity, nowMs))
  }

  neighbourDown(identity: Identity): void {
    this.exchange.neighbourDown(identity)
    this.#withMembers((nowMs) => this.members.neighbourDown(identity, nowMs))
  }

  /** A current value of another node; `toldBy`: who brought it, null when it was in the store. */
  retainedCame(origin: Identity, bundle: Bundle, { topics, payloads }: BundleMessages, toldBy: string | null): void {
    if (topics[0] !== NODE_TOPIC) return
    const { epoch, first: sequence, timeToLiveS, sealed } = bundle
    this.#withMembers((nowMs) => {
      const ageMs = Math.max(0, nowMs - publishedMs(bundle, nowMs, this.#given.clock.unixMs()))
      const came = { epoch, sequence, ageMs, timeToLiveS, toldBy }
      this.members.recordCame(origin, sealed.subarray(payloads[0]!, payloads[1]!), came, nowMs)
    })
  }

  /** Takes back what this node told of itself. Links that end after it are no news any more. */
  stop(): void {
    this.#isStopped = true
    this.#alarm.cancel()
    this.members.stop()
  }

  /** Every call that may change when the members have to act next goes through here. */
  #withMembers(call: (nowMs: number) => void): void {
    call(this.#given.clock.nowMs())
    if (!this.#isStopped) this.#alarm.set(this.members.nextDeadlineMs())
  }

  /** Only the node itself can outdo what an earlier run of it told with a clock that was ahead. */
  #tellOfLater(identity: Identity, record: Uint8Array): void {
    const issuedAtMs = this.exchange.read(record, identity)?.issuedAtMs ?? Number.POSITIVE_INFINITY
    const later = this.book.laterThan(identity.id, issuedAtMs)
    if (later !== null) this.#given.tellNeighbour(identity.key, this.exchange.tellOne(later))
  }

  #addressesTold(record: NodeRecord, toldBy: string | null): void {
    if (toldBy !== null) this.exchange.passedOn(record, toldBy)
  }
}

// The nodes of the mesh, neighbours or not: who there is, by what each tells of itself on `$mesh/node`, and which of them can be
// reached, by the links that they tell of. A state machine: messages, links and the time come in, events go out. It publishes
// and dials nothing itself. docs/protocol.md section 12.4.

import { equalBytes } from '../bytes.ts'
import { formatAddress } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { NodeRecord } from '../identity/node-record.ts'
import { peerIdOf } from '../identity/peer-id.ts'
import { NODE_NEIGHBOURS_MAX, NODE_TIME_TO_LIVE_S, NODES_MAX } from '../limits.ts'
import type { NodeSnapshot } from '../types.ts'
import type { CameWith, DownReason, MembersActions, MembersOptions } from './contract.ts'
import { decodeNodePayload, encodeNodePayload, type NodePayload } from './node-payload.ts'
import { OwnNode } from './own-node.ts'
import { Topology } from './topology.ts'

export type * from './contract.ts'

/** Long enough for both ends of a new link to tell of it, which they do at most every 10 s. */
export const UNREACHABLE_MS = 15_000
/** What was made less than so long ago found a way here, whatever the topology says as yet. */
const FRESH_MS = 15_000
/** Whoever is first heard of with words of this age is as new in the network as this node may be. */
const NEWCOMER_MS = 1_000
/** Least time between two computations of who is reachable: each looks at every node, so it grows with them. */
const REVIEW_MS_MIN = 250
const REVIEW_NODES_PER_MS = 32
/** As many as newcomers can be verified between two reviews. */
const SPARE_MAX = 8_192

interface Member {
  readonly identity: Identity
  epoch: number
  sequence: number
  /** When it made the newest message, by our clock. */
  madeMs: number
  expiresMs: number
  /** Null: it has left; kept so that an older message does not bring it back. */
  told: Told | null
  isUp: boolean
  /** Since when it is up without being reachable; null while it is reachable, or down. */
  missedSinceMs: number | null
}

/** Of its payload, what the topology does not keep. */
interface Told {
  readonly name: string
  readonly agent: string
  readonly startedAtMs: number
  readonly neighbourCount: number
  readonly record: NodeRecord | null
}

export class Members {
  readonly #options: MembersOptions
  readonly #actions: MembersActions
  readonly #topology: Topology
  readonly #ownKey: string
  readonly #ownNode: OwnNode
  /** Without this node, by the text of the public key. */
  readonly #members = new Map<string, Member>()
  /** Open neighbours, by the text of the public key. */
  readonly #neighbours = new Map<string, Identity>()
  #upCount = 0
  #isDirty = false
  #isStopped = false
  #reviewedMs = -REVIEW_MS_MIN
  /** Who gives way to newcomers, as of the last review: no links lead there. The first to come last. */
  #spare: string[] = []
  /** When the next member expires or is given up, or earlier. */
  #sweepMs = Number.POSITIVE_INFINITY

  constructor(options: MembersOptions) {
    this.#options = options
    this.#actions = options.actions
    this.#ownKey = keyOf(options.own.publicKey)
    this.#topology = new Topology(this.#ownKey)
    this.#ownNode = new OwnNode({
      fraction: options.fraction,
      build: () => this.#ownPayload(),
      publish: (payload) => this.#actions.publish(payload),
    })
  }

  /** Nodes that are up, this one included. */
  get count(): number {
    return this.#upCount + 1
  }

  /**
   * A message on `$mesh/node` was accepted. One that is older than what is known, is our own, or says nothing that can be read is
   * nothing. Beyond NODES_MAX a newcomer takes the place of one that is down, and is ignored where all are up; open neighbours always
   * have a place.
   */
  recordCame(identity: Identity, payload: Uint8Array, came: CameWith, nowMs: number): void {
    const key = keyOf(identity.publicKey)
    if (key === this.#ownKey || this.#isStopped) return
    const known = this.#members.get(key)
    if (known !== undefined && !isNewer(came, known)) return
    const node = payload.length === 0 ? null : decodeNodePayload(payload)
    if (node === null && payload.length > 0) return
    const madeMs = nowMs - came.ageMs
    const expiresMs = madeMs + Math.min(came.timeToLiveS, NODE_TIME_TO_LIVE_S) * 1_000
    if (expiresMs <= nowMs || (known === undefined && !this.#hasRoomFor(key))) return
    if (known === undefined && came.ageMs < NEWCOMER_MS) this.#ownNode.newcomerTold()
    const member = known ?? newMember(identity)
    this.#members.set(key, member)
    member.epoch = came.epoch
    member.sequence = came.sequence
    member.madeMs = madeMs
    member.expiresMs = expiresMs
    this.#sweepMs = Math.min(this.#sweepMs, expiresMs)
    this.#isDirty = true
    if (node === null) this.#left(key, member)
    else this.#toldOf(key, member, node, came, nowMs)
  }

  /** A link is open. */
  neighbourUp(identity: Identity, nowMs: number): void {
    this.#neighbours.set(keyOf(identity.publicKey), identity)
    this.#linksChanged(nowMs)
  }

  /** The only link with this identity is over. */
  neighbourDown(identity: Identity, nowMs: number): void {
    if (this.#neighbours.delete(keyOf(identity.publicKey))) this.#linksChanged(nowMs)
  }

  /** What this node tells of itself is another thing now, though its links are the same. */
  ownChanged(nowMs: number): void {
    if (!this.#isStopped) this.#ownNode.changed(nowMs)
  }

  /** Does what is due: publishes, finds who is reachable, tells of those who came up, went down or expired. */
  tick(nowMs: number): void {
    if (this.#isStopped) return
    this.#ownNode.tick(nowMs)
    const reviewMs = this.#reviewMs()
    if (reviewMs !== null && nowMs >= reviewMs) this.#review(nowMs)
  }

  /** When `tick` has something to do, if nothing happens before; null: never. */
  nextDeadlineMs(): number | null {
    if (this.#isStopped) return null
    const [reviewMs, ownMs] = [this.#reviewMs(), this.#ownNode.nextDeadlineMs()]
    if (reviewMs === null || ownMs === null) return reviewMs ?? ownMs
    return Math.min(reviewMs, ownMs)
  }

  /** An orderly end: takes back what was published. No event and no deadline comes after it. */
  stop(): void {
    this.#isStopped = true
    this.#ownNode.stop()
  }

  /** Whether there is a way to this node by what is known; at most 250 ms behind, with very many nodes 2 s. Public key: 32 bytes. */
  isReachable(publicKey: Uint8Array): boolean {
    return this.#topology.hops(keyOf(publicKey)) !== null
  }

  /** How many neighbours a node has by its own words; null where it said nothing. */
  degreeOf(publicKey: Uint8Array): number | null {
    return this.#members.get(keyOf(publicKey))?.told?.neighbourCount ?? null
  }

  /** Whether a neighbour would stay joined with us without our link with it, by what nodes tell. */
  hasOtherWays(publicKey: Uint8Array): boolean {
    return this.#topology.hasOtherWays(keyOf(publicKey))
  }

  /** All nodes that told something of themselves, this one first, those that have left aside. In no other order. */
  snapshot(nowMs: number): NodeSnapshot[] {
    const nodes = [this.#ownSnapshot()]
    for (const [key, member] of this.#members) {
      if (member.told !== null) nodes.push(this.#snapshotOf(key, member, member.told, nowMs))
    }
    return nodes
  }

  /**
   * The nodes that a person can mean: the one with exactly this peer id, else those with this name, else those whose peer id
   * begins or ends with the text. Empty text means nobody.
   */
  find(text: string, nowMs: number): NodeSnapshot[] {
    if (text === '') return []
    const nodes = this.snapshot(nowMs)
    for (const isMeant of [
      ({ peer }: NodeSnapshot) => peer === text,
      ({ name }: NodeSnapshot) => name === text,
      ({ peer }: NodeSnapshot) => peer.startsWith(text) || peer.endsWith(text),
    ]) {
      const meant = nodes.filter(isMeant)
      if (meant.length > 0) return meant
    }
    return []
  }

  #toldOf(key: string, member: Member, node: NodePayload, came: CameWith, nowMs: number): void {
    const record = this.#recordOf(member, node)
    const { name, agent, startedAtMs, neighbourCount } = node
    const isNews = record !== null && record !== member.told?.record
    member.told = { name, agent, startedAtMs, neighbourCount, record }
    this.#topology.tell(key, node.neighbours.map(keyOf), neighbourCount > node.neighbours.length)
    if (came.ageMs < FRESH_MS) {
      if (member.missedSinceMs !== null || !member.isUp) member.missedSinceMs = nowMs
      this.#sweepMs = Math.min(this.#sweepMs, nowMs + UNREACHABLE_MS)
      this.#setUp(member)
    }
    if (isNews) this.#actions.addressesTold(record, came.toldBy)
  }

  /** The same bytes are not verified twice. */
  #recordOf(member: Member, { record }: NodePayload): NodeRecord | null {
    const before = member.told?.record ?? null
    if (record === null) return null
    if (before !== null && equalBytes(before.bytes, record)) return before
    return this.#options.readRecord(record, member.identity)
  }

  #left(key: string, member: Member): void {
    const name = member.told?.name ?? ''
    member.told = null
    this.#topology.forget(key)
    this.#setDown(member, name, 'left')
  }

  #linksChanged(nowMs: number): void {
    this.#topology.tell(this.#ownKey, [...this.#neighbours.keys()], false)
    this.#isDirty = true
    if (!this.#isStopped) this.#ownNode.changed(nowMs)
  }

  #hasRoomFor(key: string): boolean {
    if (this.#members.size < NODES_MAX) return true
    for (let spare = this.#spare.pop(); spare !== undefined; spare = this.#spare.pop()) {
      // It may have gone or come up since.
      if (this.#members.get(spare)?.isUp !== false) continue
      this.#members.delete(spare)
      this.#topology.forget(spare)
      return true
    }
    return this.#neighbours.has(key)
  }

  #reviewMs(): number | null {
    const pauseMs = Math.max(REVIEW_MS_MIN, this.#members.size / REVIEW_NODES_PER_MS)
    const dirtyMs = this.#isDirty ? this.#reviewedMs + pauseMs : Number.POSITIVE_INFINITY
    const nextMs = Math.min(dirtyMs, this.#sweepMs)
    return nextMs === Number.POSITIVE_INFINITY ? null : Math.max(nextMs, this.#reviewedMs)
  }

  #review(nowMs: number): void {
    const wasDirty = this.#isDirty
    this.#reviewedMs = nowMs
    this.#isDirty = false
    if (wasDirty) this.#topology.compute()
    this.#sweepMs = Number.POSITIVE_INFINITY
    this.#spare = []
    for (const [key, member] of this.#members) {
      this.#reviewMember(key, member, nowMs)
      if (!member.isUp && this.#spare.length < SPARE_MAX) this.#spare.push(key)
    }
    this.#spare.reverse()
    if (wasDirty) this.#actions.topologyChanged()
  }

  #reviewMember(key: string, member: Member, nowMs: number): void {
    const { told } = member
    if (member.expiresMs <= nowMs) {
      this.#members.delete(key)
      this.#topology.forget(key)
      this.#isDirty = true
      this.#setDown(member, told?.name ?? '', 'expired')
      return
    }
    this.#sweepMs = Math.min(this.#sweepMs, member.expiresMs)
    if (told === null) return
    if (this.#topology.hops(key) !== null) {
      member.missedSinceMs = null
      this.#setUp(member)
    } else if (member.isUp) {
      member.missedSinceMs ??= nowMs
      const giveUpMs = member.missedSinceMs + UNREACHABLE_MS
      if (giveUpMs <= nowMs) this.#setDown(member, told.name, 'unreachable')
      else this.#sweepMs = Math.min(this.#sweepMs, giveUpMs)
    }
  }

  #setUp(member: Member): void {
    if (member.isUp) return
    member.isUp = true
    this.#upCount++
    this.#actions.nodeUp(member.identity.id, member.told!.name)
  }

  #setDown(member: Member, name: string, reason: DownReason): void {
    member.missedSinceMs = null
    if (!member.isUp) return
    member.isUp = false
    this.#upCount--
    this.#actions.nodeDown(member.identity.id, name, reason)
  }

  #ownPayload(): Uint8Array {
    const { about, startedAtMs } = this.#options
    const keys = [...this.#neighbours.keys()].sort().slice(0, NODE_NEIGHBOURS_MAX)
    const neighbours = keys.map((key) => this.#neighbours.get(key)!.publicKey)
    return encodeNodePayload({ ...about(), neighbours, startedAtMs, neighbourCount: this.#neighbours.size })
  }

  #ownSnapshot(): NodeSnapshot {
    const { own, about, startedAtMs, readRecord } = this.#options
    const { name, agent, record } = about()
    return {
      peer: own.id,
      name,
      agent,
      addresses: addressTexts(record === null ? null : readRecord(record, own), own.id),
      neighbours: Array.from(this.#neighbours.values(), ({ id }) => id),
      startedAtMs,
      lastHeardMs: 0,
      hops: 0,
      up: true,
    }
  }

  #snapshotOf(key: string, member: Member, told: Told, nowMs: number): NodeSnapshot {
    const { id, publicKey } = member.identity
    const heardMs = Math.max(member.madeMs, this.#options.lastHeard(publicKey) ?? Number.NEGATIVE_INFINITY)
    return {
      peer: id,
      name: told.name,
      agent: told.agent,
      addresses: addressTexts(told.record, id),
      neighbours: Array.from(this.#topology.neighbours(key), (other) => this.#idOf(other)),
      startedAtMs: told.startedAtMs,
      lastHeardMs: Math.max(0, Math.floor(nowMs - heardMs)),
      hops: member.isUp ? this.#topology.hops(key) : null,
      up: member.isUp,
    }
  }

  #idOf(key: string): string {
    if (key === this.#ownKey) return this.#options.own.id
    return this.#members.get(key)?.identity.id ?? peerIdOf(new Uint8Array(Buffer.from(key, 'latin1')))
  }
}

function newMember(identity: Identity): Member {
  return {
    identity,
    epoch: 0,
    sequence: 0,
    madeMs: 0,
    expiresMs: 0,
    told: null,
    isUp: false,
    missedSinceMs: null,
  }
}

function isNewer(came: CameWith, known: Member): boolean {
  return came.epoch !== known.epoch ? came.epoch > known.epoch : came.sequence > known.sequence
}

/** One character for each byte: the text under which the topology knows a public key. */
function keyOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1')
}

function addressTexts(record: NodeRecord | null, peer: string): string[] {
  return (record?.addresses ?? []).map((address) => formatAddress({ ...address, peer }))
}

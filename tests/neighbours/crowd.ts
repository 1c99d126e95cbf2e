// Many nodes as far as links and membership go: each has the shipped table, address book and members, and between them is a
// network of messages that take 5 ms. No cryptography, no frames: so hundreds of nodes live an hour in a second.

import { MeshError } from '../../lib/errors.ts'
import type { Address } from '../../lib/identity/address.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import type { NodeRecord } from '../../lib/identity/node-record.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import { addressesWithinReach } from '../../lib/identity/reach.ts'
import { Members } from '../../lib/members/members.ts'
import type { AddressBook } from '../../lib/neighbours/address-book.ts'
import { type DialAttempt, NeighbourTable, type TableLink } from '../../lib/neighbours/table.ts'
import { identityOf, newBook, seeded } from './fixture.ts'

const STEP_MS = 5
const DEAD_MS = 5_000
/** What a neighbour lacks of the retained messages comes to it by repair, so long after the link has opened. */
const REPAIR_MS = 300

export interface Published {
  readonly origin: Identity
  readonly epoch: number
  readonly sequence: number
  readonly payload: Uint8Array
  readonly madeMs: number
}

export class CrowdLink implements TableLink {
  readonly identity: Identity
  readonly direction: 'in' | 'out'
  readonly address: string
  readonly remoteHost: string
  readonly about: { readonly keep: boolean }
  readonly roundTripMs: number | null
  readonly near: CrowdNode
  far!: CrowdLink
  isOver = false

  constructor(near: CrowdNode, far: CrowdNode, direction: 'in' | 'out', keep: boolean) {
    this.near = near
    this.identity = far.identity
    this.direction = direction
    this.address = far.host
    this.remoteHost = far.host
    this.about = { keep }
    this.roundTripMs = (near.number * 7 + far.number * 13) % 100
  }

  close(code: number, _text: string): void {
    this.end(code)
  }

  cut(): void {
    this.end(null)
  }

  /** Both ends hear of it: this one at once, the other after a step. */
  end(code: number | null): void {
    if (this.isOver) return
    this.isOver = true
    const { far, near } = this
    near.crowd.later(STEP_MS, () => {
      if (far.isOver) return
      far.isOver = true
      far.near.lost(far, code)
    })
    near.lost(this, null)
  }
}

export class CrowdNode {
  readonly crowd: Crowd
  readonly number: number
  readonly identity: Identity
  readonly book: AddressBook
  readonly members: Members
  readonly table: NeighbourTable
  /** By origin's Identity.key. */
  readonly retained: Map<string, Published> = new Map<string, Published>()
  readonly events: string[] = []
  readonly #epoch: number
  #sequence = 0
  #alarmMs = Number.POSITIVE_INFINITY
  isAlive = true
  dials = 0
  sheds = 0
  asks = 0

  constructor(crowd: Crowd, number: number, target: number, book: Uint8Array | null) {
    this.crowd = crowd
    this.number = number
    this.identity = personOf(number)
    this.#epoch = crowd.nowMs + 1
    const fraction = crowd.chance
    this.book = newBook(this.identity, fraction)
    if (book !== null) this.book.decode(book)
    this.members = new Members({
      own: this.identity,
      startedAtMs: crowd.nowMs,
      fraction,
      about: () => ({ name: `node ${number}`, agent: '', record: bytesOf(number) }),
      readRecord: (bytes) => crowd.recordOf(bytes),
      lastHeard: () => null,
      actions: {
        publish: (payload) => this.#publish(payload),
        nodeUp: (peer) => this.events.push(`up ${peer}`),
        nodeDown: (peer, _name, reason) => this.events.push(`down ${peer} ${reason}`),
        addressesTold: (record, toldBy) => this.told(record, toldBy),
        topologyChanged: () => this.table.tick(crowd.nowMs),
      },
    })
    this.table = new NeighbourTable({
      own: this.identity,
      book: this.book,
      topology: this.members,
      degree: { target, chosenMax: 12, max: 64 },
      backoff: { firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 },
      fraction,
      actions: {
        dial: (attempt) => {
          this.dials++
          crowd.dial(this, attempt)
        },
        cancelDial: () => {},
        neighbourUp: (link) => this.#neighbourUp(link as CrowdLink),
        neighbourReplaced: () => {},
        neighbourDown: (link) => this.members.neighbourDown(link.identity, crowd.nowMs),
        dialFailed: () => {},
        shed: (link) => {
          this.sheds++
          const { far } = link as CrowdLink
          crowd.later(STEP_MS, () => far.near.toldBy(this))
          link.close(2, '')
        },
        askPeers: (link) => {
          this.asks++
          const { far } = link as CrowdLink
          crowd.later(2 * STEP_MS, () => this.toldBy(far.near))
        },
        warning: () => {},
      },
    })
    this.table.start(crowd.nowMs)
    this.settle()
  }

  /** Its address. The number is the port; which network it is in can be seen from the host. */
  get host(): string {
    return '10.0.0.1'
  }

  get address(): Address {
    return { kind: 'ip4', host: this.host, port: this.number, peer: null }
  }

  get degree(): number {
    return this.table.openCount
  }

  links(): CrowdLink[] {
    return [...this.table.links()] as CrowdLink[]
  }

  /** After anything happened here: the next deadline is looked for. */
  settle(): void {
    const deadlines = [this.table.nextDeadlineMs(), this.members.nextDeadlineMs()].filter((at) => at !== null)
    const nextMs = Math.min(...deadlines)
    if (nextMs >= this.#alarmMs) return
    this.#alarmMs = nextMs
    this.crowd.later(
      Math.max(0, nextMs - this.crowd.nowMs),
      () => {
        if (this.#alarmMs !== nextMs) return
        this.#alarmMs = Number.POSITIVE_INFINITY
        this.members.tick(this.crowd.nowMs)
        this.table.tick(this.crowd.nowMs)
      },
      this,
    )
  }

  want(node: CrowdNode, source: 'seed' | 'manual' = 'seed'): void {
    this.table.want(node.address, source, this.crowd.nowMs)
    this.settle()
  }

  lost(link: CrowdLink, code: number | null): void {
    if (!this.isAlive) return
    this.table.closed(link, new MeshError('connection-lost', 'lost'), this.crowd.nowMs, code)
    this.settle()
  }

  told(record: NodeRecord, toldBy: string | null): void {
    if (toldBy === null) return
    if (this.book.learn(record, addressesWithinReach(record.addresses, this.host), toldBy)) {
      this.table.tick(this.crowd.nowMs)
    }
  }

  /** The other one answers `ask-peers`, or sends us away. */
  toldBy(other: CrowdNode): void {
    if (!this.isAlive || !other.isAlive) return
    const records = new Map(other.links().map((link) => [link.identity.id, bytesOf(link.far.near.number)]))
    for (const { peer, record } of other.book.records(
      ({ isProven, publicKey }) => isProven || other.members.isReachable(publicKey),
    )) {
      records.set(peer, record)
    }
    const all = [...records.values()]
    for (let left = 32; left > 0 && all.length > 0; left--) {
      const [bytes] = all.splice(Math.floor(this.crowd.chance() * all.length), 1)
      this.told(this.crowd.recordOf(bytes!), other.identity.key)
    }
    this.settle()
  }

  received(message: Published, from: CrowdNode | null): void {
    if (!this.isAlive) return
    const known = this.retained.get(message.origin.key)
    if (known !== undefined && !isNewer(message, known)) return
    this.retained.set(message.origin.key, message)
    const { crowd } = this
    if (from !== null) {
      const ageMs = crowd.nowMs - message.madeMs
      const came = { ...message, ageMs, timeToLiveS: 7_200, toldBy: from.identity.key }
      this.members.recordCame(message.origin, message.payload, came, crowd.nowMs)
    }
    for (const link of this.links()) {
      if (link.far.near !== from) crowd.later(STEP_MS, () => !link.isOver && link.far.near.received(message, this))
    }
    this.settle()
  }

  #neighbourUp(link: CrowdLink): void {
    const { crowd } = this
    this.members.neighbourUp(link.identity, crowd.nowMs)
    this.told(crowd.recordOf(bytesOf(link.far.near.number)), link.identity.key)
    crowd.later(REPAIR_MS, () => {
      if (link.isOver) return
      for (const message of this.retained.values()) link.far.near.received(message, this)
    })
  }

  #publish(payload: Uint8Array): void {
    const { crowd, identity: origin } = this
    crowd.published++
    const message = { origin, epoch: this.#epoch, sequence: this.#sequence++, payload, madeMs: crowd.nowMs }
    crowd.later(0, () => this.received(message, null))
  }
}

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  readonly node: CrowdNode | null
}

export class Crowd {
  nowMs = 1_000
  published = 0
  readonly chance: () => number
  readonly nodes: Map<number, CrowdNode> = new Map<number, CrowdNode>()
  /** Nodes of different sides cannot reach each other. */
  side: (number: number) => number = () => 0
  readonly #queue: Due[] = []
  #order = 0

  constructor(seed: number) {
    this.chance = seeded(seed)
  }

  /** Starts node `number`; with `seeds` it knows those, with `book` what an earlier run of it has written. */
  add(number: number, seeds: readonly number[] = [], target = 6, book: Uint8Array | null = null): CrowdNode {
    const node = new CrowdNode(this, number, target, book)
    this.nodes.set(number, node)
    for (const seed of seeds) {
      node.table.want({ kind: 'ip4', host: '10.0.0.1', port: seed, peer: null }, 'seed', this.nowMs)
    }
    node.settle()
    return node
  }

  /** Its process dies; its connections are reset. */
  kill(node: CrowdNode): void {
    node.isAlive = false
    this.nodes.delete(node.number)
    for (const link of node.links()) link.end(null)
  }

  /** The network falls apart by `side`; links between the parts break. */
  split(side: (number: number) => number): void {
    this.side = side
    for (const node of this.nodes.values()) {
      for (const link of node.links()) if (side(node.number) !== side(link.far.near.number)) link.end(null)
    }
  }

  later(delayMs: number, run: () => void, node: CrowdNode | null = null): void {
    const due = { atMs: this.nowMs + delayMs, order: this.#order++, run, node }
    let at = this.#queue.push(due) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(due, this.#queue[above]!)) break
      this.#queue[at] = this.#queue[above]!
      at = above
    }
    this.#queue[at] = due
  }

  run(ms: number, each: () => void = () => {}): void {
    const untilMs = this.nowMs + ms
    while (this.#queue.length > 0 && this.#queue[0]!.atMs <= untilMs) {
      const { atMs, run, node } = this.#shift()
      this.nowMs = Math.max(this.nowMs, atMs)
      if (node !== null && !node.isAlive) continue
      run()
      node?.settle()
      each()
    }
    this.nowMs = untilMs
  }

  dial(from: CrowdNode, attempt: DialAttempt): void {
    const { port, peer } = attempt.address
    const node = this.nodes.get(port)
    const isThere = node !== undefined && this.side(node.number) === this.side(from.number)
    this.later(isThere ? 4 * STEP_MS : DEAD_MS, () => {
      if (!from.isAlive) return
      if (!isThere || !node.isAlive) this.#failed(from, attempt, new MeshError('dial-failed', 'nobody there'), null)
      else this.#shakeHands(from, node, attempt, peer)
      from.settle()
    })
  }

  /** As a node record; its bytes are the number of the node. */
  recordOf(bytes: Uint8Array): NodeRecord {
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    const address: Address = { kind: 'ip4', host: '10.0.0.1', port: number, peer: null }
    return { identity: personOf(number), issuedAtMs: 1, addresses: [address], bytes }
  }

  get degrees(): number[] {
    return Array.from(this.nodes.values(), ({ degree }) => degree).sort((a, b) => a - b)
  }

  /** Nodes in the largest part that hangs together. */
  get largestPart(): number {
    let largest = 0
    const seen = new Set<CrowdNode>()
    for (const start of this.nodes.values()) {
      const part = [start]
      if (seen.has(start)) continue
      seen.add(start)
      for (const node of part) {
        for (const { far } of node.links()) {
          if (seen.has(far.near)) continue
          seen.add(far.near)
          part.push(far.near)
        }
      }
      largest = Math.max(largest, part.length)
    }
    return largest
  }

  #shakeHands(from: CrowdNode, to: CrowdNode, attempt: DialAttempt, expected: string | null): void {
    from.table.handshaking(attempt, this.nowMs)
    if (expected !== null && expected !== to.identity.id) throw new Error('the book names a wrong peer')
    const goesOn = from.table.mayProceed(to.identity, attempt, this.nowMs)
    if (!goesOn.ok) return this.#failed(from, attempt, new MeshError(goesOn.reason, goesOn.text), null)
    const admitted = to.table.mayAdmit(from.identity, from.host, this.nowMs)
    if (!admitted.ok) {
      from.toldBy(to)
      return this.#failed(from, attempt, new MeshError('peer-said-goodbye', admitted.text), admitted.code)
    }
    const inbound = new CrowdLink(to, from, 'in', attempt.keep)
    const outbound = new CrowdLink(from, to, 'out', false)
    inbound.far = outbound
    outbound.far = inbound
    to.table.opened(inbound, null, this.nowMs)
    from.table.opened(outbound, attempt, this.nowMs)
    to.settle()
  }

  #failed(from: CrowdNode, attempt: DialAttempt, error: MeshError, code: number | null): void {
    from.table.dialFailed(attempt, error, this.nowMs, code)
  }

  #shift(): Due {
    const first = this.#queue[0]!
    const last = this.#queue.pop()!
    if (this.#queue.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.#queue.length) break
      if (below + 1 < this.#queue.length && isBefore(this.#queue[below + 1]!, this.#queue[below]!)) below++
      if (!isBefore(this.#queue[below]!, last)) break
      this.#queue[at] = this.#queue[below]!
      at = below
    }
    this.#queue[at] = last
    return first
  }
}

const people = new Map<number, Identity>()

/** The identity of a node, with a peer id that comes back from a file. */
export function personOf(number: number): Identity {
  const known = people.get(number)
  if (known !== undefined) return known
  const identity = identityOf(number)
  const person = { ...identity, id: peerIdOf(identity.publicKey) }
  people.set(number, person)
  return person
}

function bytesOf(number: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

function isNewer(a: Published, b: Published): boolean {
  return a.epoch !== b.epoch ? a.epoch > b.epoch : a.sequence > b.sequence
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order
}

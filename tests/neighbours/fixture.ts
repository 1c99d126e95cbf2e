// A table of neighbours on a bench: identities without cryptography, links that record how they were closed, actions that
// are written down instead of done, and a clock that the test turns.

import { noble } from '../../lib/crypto/noble.ts'
import { MeshError } from '../../lib/errors.ts'
import { type Address, formatAddress, parseAddress } from '../../lib/identity/address.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import { AddressBook } from '../../lib/neighbours/address-book.ts'
import {
  type ConnectListener,
  type DialAttempt,
  NeighbourTable,
  type TableLink,
  type TableOptions,
  type TableTopology,
  type TargetSource,
} from '../../lib/neighbours/table.ts'

/** Identities in the order of their numbers, by X25519 key. */
export function identityOf(number: number): Identity {
  const x25519Key = new Uint8Array(32)
  new DataView(x25519Key.buffer).setUint32(0, number)
  const key = Buffer.from(x25519Key).toString('hex')
  return { publicKey: x25519Key, x25519Key, id: `peer-${number}`, key } as Identity
}

export function addressOf(port: number, peer: string | null = null): Address {
  return { host: '192.0.2.1', kind: 'ip4', port, peer }
}

/** A small seeded generator (mulberry32): 0 <= x < 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

export class FakeLink implements TableLink {
  readonly identity: Identity
  readonly direction: 'in' | 'out'
  readonly address: string
  readonly remoteHost: string
  readonly about = { keep: false }
  roundTripMs: number | null = null
  closedWith: number | null = null
  isCut = false
  onClose: (code: number) => void = () => {}

  constructor(identity: Identity, direction: 'in' | 'out', address = '/ip4/192.0.2.9/tcp/9') {
    this.identity = identity
    this.direction = direction
    this.address = address
    this.remoteHost = parseAddress(address).host
  }

  close(code: number, _text: string): void {
    this.closedWith = code
    this.onClose(code)
  }

  cut(): void {
    this.isCut = true
  }
}

/** An address book without a past. Records of another network are not told apart from these. */
export function newBook(
  own: Identity,
  fraction: () => number = () => 0.5,
  unixMs: () => number = () => 1_800_000_000_000,
): AddressBook {
  const digest = (bytes: Uint8Array): Uint8Array => noble.sha256(bytes)
  return new AddressBook({ own, networkId: new Uint8Array(32), digest, unixMs, fraction })
}

/** What nodes tell of their links, as the test says; by default nothing. */
export class FakeTopology implements TableTopology {
  readonly reachable: Set<number> = new Set<number>()
  readonly degrees: Map<number, number> = new Map<number, number>()
  readonly joined: Set<number> = new Set<number>()

  isReachable(publicKey: Uint8Array): boolean {
    return this.reachable.has(numberOf(publicKey))
  }

  degreeOf(publicKey: Uint8Array): number | null {
    return this.degrees.get(numberOf(publicKey)) ?? null
  }

  hasOtherWays(publicKey: Uint8Array): boolean {
    return this.joined.has(numberOf(publicKey))
  }
}

/** The number that `identityOf` was given. */
function numberOf(publicKey: Uint8Array): number {
  return new DataView(publicKey.buffer, publicKey.byteOffset).getUint32(0)
}

export class Waiter implements ConnectListener {
  link: TableLink | null = null
  error: MeshError | null = null

  opened(link: TableLink): void {
    if (this.link !== null || this.error !== null) throw new Error('told twice')
    this.link = link
  }

  failed(error: MeshError): void {
    if (this.link !== null || this.error !== null) throw new Error('told twice')
    this.error = error
  }

  get isWaiting(): boolean {
    return this.link === null && this.error === null
  }
}

export class Bench {
  nowMs: number = 1_000
  readonly table: NeighbourTable
  /** Attempts under way, as the surroundings see it. */
  readonly dials: Map<number, DialAttempt> = new Map<number, DialAttempt>()
  dialCount: number = 0
  readonly log: string[] = []
  readonly downs: { link: TableLink; reason: string; retryInMs: number | null }[] = []
  readonly failures: { attempt: DialAttempt; reason: string; retryInMs: number | null }[] = []
  readonly own: Identity
  readonly book: AddressBook
  readonly topology: FakeTopology = new FakeTopology()
  readonly shed: TableLink[] = []
  readonly asked: TableLink[] = []

  constructor(given: Partial<Omit<TableOptions, 'actions'>> = {}) {
    this.own = given.own ?? identityOf(500)
    this.book = given.book ?? newBook(this.own, given.fraction ?? seeded(2))
    this.table = new NeighbourTable({
      own: this.own,
      book: this.book,
      topology: given.topology ?? this.topology,
      degree: given.degree ?? { target: 6, chosenMax: 12, max: 64 },
      backoff: given.backoff ?? { firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 },
      fraction: given.fraction ?? seeded(1),
      actions: {
        dial: (attempt) => {
          if (this.dials.has(attempt.number)) throw new Error('dialled twice')
          this.dials.set(attempt.number, attempt)
          this.dialCount++
          this.log.push(`dial ${attempt.address.port}`)
        },
        cancelDial: (attempt) => {
          if (!this.dials.delete(attempt.number)) throw new Error('cancelled what is not under way')
          this.log.push(`cancel ${attempt.address.port}`)
        },
        neighbourUp: (link) => this.log.push(`up ${link.identity.id} ${link.direction}`),
        neighbourReplaced: (loser, winner) => this.log.push(`replaced ${loser.direction} by ${winner.direction}`),
        neighbourDown: (link, reason, retryInMs) => {
          this.downs.push({ link, reason, retryInMs })
          this.log.push(`down ${link.identity.id}`)
        },
        dialFailed: (attempt, reason, retryInMs) => {
          this.failures.push({ attempt, reason, retryInMs })
          this.log.push(`failed ${attempt.address.port}`)
        },
        shed: (link) => {
          this.shed.push(link)
          this.log.push(`shed ${link.identity.id}`)
          link.close(2, 'shed')
        },
        askPeers: (link) => this.asked.push(link),
        warning: (code) => this.log.push(`warning ${code}`),
      },
    })
  }

  static started(given: Partial<Omit<TableOptions, 'actions'>> = {}): Bench {
    const bench = new Bench(given)
    bench.table.start(bench.nowMs)
    return bench
  }

  want(port: number, source: TargetSource = 'seed', peer: string | null = null, toldBy: string | null = null): boolean {
    return this.table.want(addressOf(port, peer), source, this.nowMs, toldBy)
  }

  connect(port: number, peer: string | null = null): Waiter & { withdraw(): void } {
    const waiter = new Waiter()
    const withdraw = this.table.connect(addressOf(port, peer), waiter, this.nowMs)
    return Object.assign(waiter, { withdraw: () => withdraw(this.nowMs) })
  }

  /** Visits that peer at these ports, in this order. */
  visit(identity: Identity, ...ports: readonly number[]): Waiter & { withdraw(): void } {
    const waiter = new Waiter()
    const addresses = ports.map((port) => addressOf(port, identity.id))
    const withdraw = this.table.visit(addresses, waiter, this.nowMs)
    return Object.assign(waiter, { withdraw: () => withdraw(this.nowMs) })
  }

  /** The attempt under way to that port. */
  dialTo(port: number): DialAttempt | undefined {
    return [...this.dials.values()].find((attempt) => attempt.address.port === port)
  }

  get dialledPorts(): number[] {
    return [...this.dials.values()].map((attempt) => attempt.address.port)
  }

  /** The dial to that port goes through to an open link. Throws where it is not under way or refused. */
  open(port: number, identity: Identity): FakeLink {
    const attempt = this.dialTo(port)
    if (attempt === undefined) throw new Error(`no dial to ${port}`)
    this.table.handshaking(attempt, this.nowMs)
    const verdict = this.table.mayProceed(identity, attempt, this.nowMs)
    if (!verdict.ok) throw new Error(`refused: ${verdict.text}`)
    const link = new FakeLink(identity, 'out')
    this.dials.delete(attempt.number)
    this.table.opened(link, attempt, this.nowMs)
    return link
  }

  /** The dial to that port reaches message 2, is refused there, and fails with the verdict's reason. */
  refusedAt(port: number, identity: Identity): string {
    const attempt = this.dialTo(port)!
    this.table.handshaking(attempt, this.nowMs)
    const verdict = this.table.mayProceed(identity, attempt, this.nowMs)
    if (verdict.ok) throw new Error('not refused')
    this.fail(port, null, new MeshError(verdict.reason, verdict.text))
    return verdict.reason
  }

  fail(
    port: number,
    goodbyeCode: number | null = null,
    error: MeshError = new MeshError('dial-failed', 'refused'),
  ): void {
    const attempt = this.dialTo(port)
    if (attempt === undefined) throw new Error(`no dial to ${port}`)
    this.dials.delete(attempt.number)
    this.table.dialFailed(attempt, error, this.nowMs, goodbyeCode)
  }

  /** An inbound link comes, is admitted and opens; null when it is refused. */
  accept(identity: Identity, host = '192.0.2.9'): FakeLink | null {
    if (!this.table.mayAdmit(identity, host, this.nowMs).ok) return null
    const link = new FakeLink(
      identity,
      'in',
      formatAddress(parseAddress(`${host.includes(':') ? `[${host}]` : host}:9`)),
    )
    this.table.opened(link, null, this.nowMs)
    return link
  }

  end(link: TableLink, goodbyeCode: number | null = null): void {
    this.table.closed(link, new MeshError('connection-lost', 'connection lost'), this.nowMs, goodbyeCode)
  }

  /** Turns the clock to each deadline on the way and ticks there. `each` runs after every tick. */
  advance(ms: number, each: () => void = () => {}): void {
    const untilMs = this.nowMs + ms
    for (let steps = 0; ; steps++) {
      if (steps > 1_000_000) throw new Error('the clock does not get on')
      const deadlineMs = this.table.nextDeadlineMs()
      if (deadlineMs === null || deadlineMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, deadlineMs)
      this.table.tick(this.nowMs)
      each()
    }
    this.nowMs = untilMs
    this.table.tick(this.nowMs)
    each()
  }

  /** The state that `mesh.neighbours()` would show for that port; undefined where it is not shown. */
  stateOf(port: number): string | undefined {
    const text = `/tcp/${port}`
    return this.table.snapshot(this.nowMs).find(({ address }) => address.endsWith(text) || address.includes(`${text}/`))
      ?.state
  }
}

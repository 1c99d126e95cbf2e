// One wanted address: who wants it, what is known of the peer there, and which state it is in. It decides nothing.
// docs/protocol.md section 5.8.

import { type Address, formatAddress } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { Backoff } from './backoff.ts'
import type { ConnectListener, DialAttempt, TargetSource } from './contract.ts'

export type TargetState =
  /** To be dialled as soon as the limits allow. */
  | { readonly kind: 'wanted'; readonly sinceMs: number }
  /** Its name is being resolved, or TCP is connecting. */
  | { readonly kind: 'dialling'; readonly attempt: DialAttempt }
  /** TCP is connected, the link is not open yet. */
  | { readonly kind: 'handshaking'; readonly attempt: DialAttempt }
  /** Some link with its peer is open, dialled by either end and over whichever address. */
  | { readonly kind: 'linked' }
  /** The last try or link failed. */
  | { readonly kind: 'backing-off'; readonly untilMs: number }
  /** It is ourselves. */
  | { readonly kind: 'ours' }

const STRENGTH: Readonly<Record<TargetSource, number>> = { seed: 4, manual: 3, mdns: 2, exchange: 1, book: 0 }

/** The one of two sources that promises more: seed, then manual, mdns, exchange, book. */
export function strongerSource(a: TargetSource | null, b: TargetSource): TargetSource {
  return a !== null && STRENGTH[a] >= STRENGTH[b] ? a : b
}

/** Why a target was taken out of the address book. */
export interface FromBook {
  /** A dial of ours has found it before. */
  readonly isProven: boolean
  /** Chosen because it is near. */
  readonly isNear: boolean
  /** To find a part of the network that was lost, whatever the degree. */
  readonly isProbe: boolean
}

/** Under what two ways to write one address are the same. An expected identity makes it another wish. */
export function targetKey(address: Address): string {
  return `${address.kind}/${address.host}/${address.port}/${address.peer ?? ''}`
}

/** Peer id texts and Identity.key that the target is known by. */
export function namesOf({ address, proven }: Target): readonly string[] {
  const names = proven === null ? [] : [proven.id, proven.key]
  return address.peer === null ? names : [address.peer, ...names]
}

export class Target {
  readonly address: Address
  readonly key: string
  readonly backoff: Backoff
  /** Counts up over all targets of a table: the smaller is the older. */
  readonly order: number
  /** Who wants it for good; null: only those who wait, until their try has ended. */
  source: TargetSource | null
  /** Identity.key of the neighbour that told us of a candidate, where one did. */
  toldBy: string | null
  /** Null for an address that did not come from the book. */
  readonly book: FromBook | null
  /** Who proved to be there last; null as long as nobody has. */
  proven: Identity | null = null
  state: TargetState
  /** Text of the last failure, null after a success. */
  lastError: string | null = null
  /** Who waits for a neighbour. */
  readonly listeners: Set<ConnectListener> = new Set<ConnectListener>()
  /** Who waits for a link that is a visit. */
  readonly visitors: Set<ConnectListener> = new Set<ConnectListener>()

  constructor(given: {
    address: Address
    order: number
    source: TargetSource | null
    toldBy: string | null
    book?: FromBook | null
    backoff: Backoff
    nowMs: number
  }) {
    this.address = given.address
    this.key = targetKey(given.address)
    this.order = given.order
    this.source = given.source
    this.toldBy = given.toldBy
    this.book = given.book ?? null
    this.backoff = given.backoff
    this.state = { kind: 'wanted', sinceMs: given.nowMs }
  }

  /** A seed or a wish of the program that stands beyond the current try. */
  get asked(): boolean {
    return this.source === 'seed' || this.source === 'manual'
  }

  /** Whether someone waits for the end of its next try. */
  get isAwaited(): boolean {
    return this.listeners.size > 0 || this.visitors.size > 0
  }

  /** Asked for as a neighbour, by those who wait too; not by visitors, who may not push out anybody. */
  get isWish(): boolean {
    return this.listeners.size > 0 || this.asked
  }

  /** Whether someone waits for it or asked for it: then it is not bound to the rules for candidates. */
  get urgent(): boolean {
    return this.visitors.size > 0 || this.isWish
  }

  /** Wanted for nothing but what the address book says, or a visit: what becomes of it is told to the book, which remembers it. */
  get isFromBook(): boolean {
    return !this.isWish && this.source !== 'mdns' && (this.book !== null || this.source === null)
  }

  /** Whether somebody was found there before. */
  get isTried(): boolean {
    return this.proven !== null || this.book?.isProven === true
  }

  get isNear(): boolean {
    return this.source === 'mdns' || this.book?.isNear === true
  }

  /** For an attempt, a link or a snapshot: a waiting `connect` counts as manual, and a visit to a candidate as a visit. */
  get visibleSource(): TargetSource | 'visit' {
    if (this.listeners.size > 0) return strongerSource(this.source, 'manual')
    if (this.source === null || (this.visitors.size > 0 && !this.asked)) return 'visit'
    return this.source
  }

  /** The attempt under way, or null. */
  get attempt(): DialAttempt | null {
    return this.state.kind === 'dialling' || this.state.kind === 'handshaking' ? this.state.attempt : null
  }

  /** Peer id text: proven, or expected by the address, or null. */
  get peer(): string | null {
    return this.proven?.id ?? this.address.peer
  }

  /** Multiaddr text. */
  get text(): string {
    return formatAddress(this.address)
  }

  /** Whether this identity is known to be the one behind the address. */
  belongsTo(identity: Identity): boolean {
    return this.proven === null ? this.address.peer === identity.id : this.proven.key === identity.key
  }

  /** Remembers who proved to be there. One that the address does not expect is not its peer. */
  prove(identity: Identity): void {
    if (this.address.peer === null || this.address.peer === identity.id) this.proven = identity
  }

  /** Whether a dial to the other would reach the same socket or, as far as known, the same peer. */
  meets(other: Target): boolean {
    if (this.address.host === other.address.host && this.address.port === other.address.port) return true
    if (this.proven !== null) return other.belongsTo(this.proven)
    if (other.proven !== null) return this.belongsTo(other.proven)
    return this.address.peer !== null && this.address.peer === other.address.peer
  }

  /** Returns all who waited, and forgets them. */
  takeListeners(): readonly ConnectListener[] {
    const taken = [...this.listeners, ...this.visitors]
    this.listeners.clear()
    this.visitors.clear()
    return taken
  }
}

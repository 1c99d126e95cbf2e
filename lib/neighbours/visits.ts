// One wish for a link that serves a purpose: it goes through the addresses of a peer one after the other until a link with
// that peer is open, by whomever. It dials nothing: it waits at one target of the table at a time. And the rule that a visit
// becomes an ordinary link. No part of the protocol.

import { MeshError } from '../errors.ts'
import { type Address, formatAddress, parseAddress } from '../identity/address.ts'
import { isLocal } from '../identity/reach.ts'
import { LISTEN_ADDRESSES_MAX } from '../limits.ts'
import type { OpenNeighbour } from './admission.ts'
import type { ConnectListener, TableLink, TargetSource } from './contract.ts'
import { strongerSource, type Target } from './target.ts'
import type { Targets } from './targets.ts'

/** As many as a node may tell of itself, and as many where it was found. */
const ADDRESSES_MAX = 2 * LISTEN_ADDRESSES_MAX
/** With these no other address would do better. */
const FINAL: ReadonlySet<string> = new Set(['not-running', 'shutdown', 'disconnected', 'banned', 'too-many-neighbours'])

export class Visit implements ConnectListener {
  readonly #addresses: Address[]
  readonly #listener: ConnectListener
  readonly #join: (address: Address, visit: Visit) => Target | MeshError
  readonly #reasons: string[] = []
  /** The address that is being tried. */
  #place = ''
  #target: Target | null = null

  /**
   * `addresses`: all of them name the same peer; the first 16 count. `join` adds this visit to the visitors of that address, or
   * says why it cannot; when the peer has a link already it calls `opened` before it returns.
   */
  constructor(
    addresses: readonly Address[],
    listener: ConnectListener,
    join: (address: Address, visit: Visit) => Target | MeshError,
  ) {
    this.#addresses = addresses.slice(0, ADDRESSES_MAX)
    this.#listener = listener
    this.#join = join
  }

  /** The target that it waits at, or has waited at last; null before the first. */
  get target(): Target | null {
    return this.#target
  }

  /** Goes to the next address. Where none is left, its listener hears `unreachable`, with what each of them said. */
  next(): void {
    const address = this.#addresses.shift()
    if (address === undefined) {
      this.#listener.failed(new MeshError('unreachable', this.#reasons.join('; ') || 'no address of it is known'))
      return
    }
    this.#place = formatAddress(address)
    const joined = this.#join(address, this)
    if (joined instanceof MeshError) this.failed(joined)
    else this.#target = joined
  }

  opened(link: TableLink): void {
    this.#listener.opened(link)
  }

  failed(error: MeshError): void {
    if (FINAL.has(error.code)) {
      this.#listener.failed(error)
      return
    }
    this.#reasons.push(`${this.#place}: ${error.message}`)
    // The right peer has answered, and does not want the link: neither will it at its other addresses.
    if (error.code === 'peer-said-goodbye') this.#addresses.length = 0
    this.next()
  }
}

/**
 * Where to look for a peer: the addresses of the book, then those of `told`, multiaddr texts in which the peer tells of itself, that
 * are public IP literals. Where it may be reached else only the book knows: what it has was taken from somebody near enough.
 */
export function addressesToVisit(book: readonly Address[], told: readonly string[]): Address[] {
  const addresses = [...book]
  for (const address of told.map((text) => parseAddress(text))) {
    const { kind, host, port } = address
    const isPublic = (kind === 'ip4' || kind === 'ip6') && !isLocal(address)
    if (isPublic && !addresses.some((known) => known.host === host && known.port === port)) addresses.push(address)
  }
  return addresses
}

/** A visit to a peer that a seed or the program wants as a neighbour by now is a visit no longer. */
export function settleVisits(open: ReadonlyMap<string, OpenNeighbour>, targets: Targets): void {
  for (const neighbour of open.values()) {
    if (neighbour.source !== 'visit') continue
    let strongest: TargetSource | null = null
    for (const { asked, source } of targets.of(neighbour.link.identity)) {
      if (asked && source !== null) strongest = strongerSource(strongest, source)
    }
    neighbour.source = strongest ?? 'visit'
  }
}

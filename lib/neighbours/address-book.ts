// The peers that this node could dial: what others told of themselves, and where it has found somebody. It gives candidates to
// the table of neighbours, records to those who ask, and lasts over restarts as bytes (book-file.ts). It dials nothing and
// verifies nothing. What one node keeps for itself; docs/protocol.md section 12.2 has what it learns from.
//
// A book that anybody can write into is a weapon: everything told is bounded by who told it, what was proven by a dial of
// our own does not give way to what was only told, and failures are remembered so that made-up addresses are soon left alone. Nor
// does one machine that answers under many identities outnumber the others: places count, and not peers.

import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import { siteOf } from '../identity/ip.ts'
import type { NodeRecord } from '../identity/node-record.ts'
import { isLocal } from '../identity/reach.ts'
import { BOOK_PEERS_MAX, BOOK_PEERS_PER_TELLER_MAX, CANDIDATE_FAILURES_MAX, LISTEN_ADDRESSES_MAX } from '../limits.ts'
import { type BookAddress, type BookEntry, decodeBook, encodeBook } from './book-file.ts'

/** The first wait after all addresses of a peer have failed; it doubles up to `RETRY_MS_MAX`. */
const RETRY_MS = 30_000
const RETRY_MS_MAX = 600_000
/** Another address of the same peer may be tried sooner. */
const NEXT_ADDRESS_MS = 1_000
/** How near a peer on a local network is taken to be as long as no ping has told. */
const LOCAL_ROUND_TRIP_MS = 10
const NAME_LENGTH_MAX = 240

/** One peer as those who choose see it. */
export interface BookPeer {
  /** Peer id text. */
  readonly peer: string
  readonly publicKey: Uint8Array
  /** A dial of ours has found it at one of its addresses. */
  readonly isProven: boolean
}

/** Whom to dial. `address` names the peer that must be there. */
export interface BookChoice extends BookPeer {
  readonly address: Address
  readonly source: 'exchange' | 'book'
  /** Known or likely to be near. */
  readonly isNear: boolean
}

export interface AddressBookOptions {
  readonly own: Identity
  readonly networkId: Uint8Array
  /** SHA-256. */
  readonly digest: (bytes: Uint8Array) => Uint8Array
  readonly unixMs: () => number
  /** 0 <= x < 1. */
  readonly fraction: () => number
}

interface Peer extends BookPeer {
  isProven: boolean
  addresses: BookAddress[]
  /** Where it was found last, or else says that it is; see siteOf. */
  site: string
  record: Uint8Array | null
  issuedAtMs: number
  /** Whose word it is kept by: Identity.key; null once it is proven, or when it came from the file. */
  toldBy: string | null
  source: 'exchange' | 'book'
  notBeforeMs: number
  /** Of a past link's pings; null where there was none. */
  roundTripMs: number | null
}

export class AddressBook {
  readonly #options: AddressBookOptions
  /** By peer id text; the oldest first. */
  readonly #peers = new Map<string, Peer>()
  #isDirty = false

  constructor(options: AddressBookOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#peers.size
  }

  /** Whether `encode` gives something else than at the last `saved`. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /** What `encode` gave is being written. To be called right behind it. */
  saved(): void {
    this.#isDirty = false
  }

  /** At most BOOK_BYTES_MAX bytes for a file that nobody else reads. */
  encode(): Uint8Array {
    return encodeBook([...this.#peers.values()], this.#options.networkId, this.#options.digest)
  }

  /**
   * Fills an empty book with what `encode` gave. False, and the book stays empty: the bytes are damaged, of a later version, or of
   * another network.
   */
  decode(bytes: Uint8Array): boolean {
    const entries = decodeBook(bytes, this.#options.networkId, this.#options.digest)
    if (entries === null) return false
    for (const entry of entries) {
      if (entry.peer === this.#options.own.id || this.#peers.size >= BOOK_PEERS_MAX) continue
      const isProven = entry.addresses.some(({ foundAtUnixMs }) => foundAtUnixMs > 0)
      this.#peers.set(entry.peer, {
        ...entry,
        isProven,
        site: siteAmong(entry.addresses),
        toldBy: null,
        source: 'book',
        notBeforeMs: 0,
        roundTripMs: null,
      })
    }
    return true
  }

  /**
   * A node told where it can be reached. `record` is verified; `addresses` are those of it that may be taken from where it came;
   * `toldBy` is the Identity.key of the neighbour that it came from. Returns whether there is anybody new to dial.
   */
  learn(record: NodeRecord, addresses: readonly Address[], toldBy: string): boolean {
    const { id, publicKey } = record.identity
    const known = this.#peers.get(id)
    if (id === this.#options.own.id || (known === undefined && addresses.length === 0)) return false
    if (known === undefined) return this.#add(newPeer(id, publicKey, toldBy), record, addresses)
    if (record.issuedAtMs < known.issuedAtMs) return false
    return this.#take(known, record, addresses)
  }

  /** The record that is known of this peer, where it was issued later than that. */
  laterThan(peer: string, issuedAtMs: number): Uint8Array | null {
    const known = this.#peers.get(peer)
    return known !== undefined && known.issuedAtMs > issuedAtMs ? known.record : null
  }

  /** A dial of ours has found `identity` at `address`. */
  succeeded(identity: Identity, address: Address): void {
    // A longer name has no binary form that fits its 256 bytes.
    if (identity.key === this.#options.own.key || address.host.length > NAME_LENGTH_MAX) return
    const known = this.#peers.get(identity.id)
    const peer = known ?? newPeer(identity.id, identity.publicKey, null)
    peer.isProven = true
    peer.toldBy = null
    peer.notBeforeMs = 0
    if (known === undefined && !this.#insert(peer)) return
    let place = peer.addresses.find((other) => isSame(other.address, address))
    if (place === undefined) {
      place = { address: { ...address, peer: null }, foundAtUnixMs: 0, failures: 0 }
      if (peer.addresses.length >= LISTEN_ADDRESSES_MAX) peer.addresses.sort(byPromise).pop()
      peer.addresses.push(place)
    }
    place.foundAtUnixMs = Math.max(1, Math.floor(this.#options.unixMs()))
    place.failures = 0
    peer.site = siteOf(address.host)
    this.#isDirty = true
  }

  /** What pings say of a peer that is, or was, a neighbour. */
  measured(peer: string, roundTripMs: number | null): void {
    const known = this.#peers.get(peer)
    if (known !== undefined && roundTripMs !== null) known.roundTripMs = roundTripMs
  }

  /** Nobody was found at `address`, which names its peer. One that was never found and fails again and again is forgotten. */
  failed(address: Address, nowMs: number): void {
    const peer = address.peer === null ? undefined : this.#peers.get(address.peer)
    const place = peer?.addresses.find((other) => isSame(other.address, address))
    if (peer === undefined || place === undefined) return
    place.failures++
    const rounds = Math.min(...peer.addresses.map(({ failures }) => failures))
    if (!peer.isProven && rounds >= CANDIDATE_FAILURES_MAX) return this.forget(peer.peer)
    const waitMs = rounds === 0 ? NEXT_ADDRESS_MS : Math.min(RETRY_MS * 2 ** (rounds - 1), RETRY_MS_MAX)
    // Half of it is left to chance, so that many nodes do not knock in step at one that comes back.
    peer.notBeforeMs = nowMs + waitMs * (0.5 + 0.5 * this.#options.fraction())
  }

  /** That peer is there, and does not want us before then. */
  postpone(peer: string, untilMs: number): void {
    const known = this.#peers.get(peer)
    if (known !== undefined) known.notBeforeMs = Math.max(known.notBeforeMs, untilMs)
  }

  forget(peer: string): void {
    if (this.#peers.delete(peer)) this.#isDirty = true
  }

  /**
   * One of the peers that are due and `wanted`: proven ones before others; with `near` the one with the shortest round trip, peers
   * of local networks before those of which nothing is known. Among equals by chance, first the place and then the peer there.
   * Null where there is none.
   */
  choose(nowMs: number, near: boolean, wanted: (peer: BookPeer) => boolean): BookChoice | null {
    let equals: Peer[] = []
    for (const peer of this.#peers.values()) {
      if (peer.notBeforeMs > nowMs || !wanted(peer)) continue
      const order = equals.length === 0 ? -1 : compare(peer, equals[0]!, near)
      if (order < 0) equals = [peer]
      else if (order === 0) equals.push(peer)
    }
    if (equals.length === 0) return null
    const site = this.#oneOf([...new Set(equals.map((peer) => peer.site))])
    const best = this.#oneOf(equals.filter((peer) => peer.site === site))
    const { peer, publicKey, isProven, source, addresses } = best
    const { address } = addresses.reduce((a, b) => (byPromise(b, a) < 0 ? b : a))
    const isNear = farness(best) < Number.POSITIVE_INFINITY
    return { peer, publicKey, isProven, source, isNear, address: { ...address, peer } }
  }

  /**
   * Where to look for this peer, due or not, each address naming it: those where a dial of ours has found it come first, and
   * among these and the others the one that failed least. Empty: nothing is known.
   */
  addressesOf(peer: string): Address[] {
    const places = [...(this.#peers.get(peer)?.addresses ?? [])]
    places.sort((a, b) => Number(b.foundAtUnixMs > 0) - Number(a.foundAtUnixMs > 0) || byPromise(a, b))
    return places.map(({ address }) => ({ ...address, peer }))
  }

  /** When the next of the peers that are `wanted` is due; null where none is left. */
  nextDueMs(wanted: (peer: BookPeer) => boolean): number | null {
    let nextMs = Number.POSITIVE_INFINITY
    for (const peer of this.#peers.values()) {
      if (peer.notBeforeMs < nextMs && wanted(peer)) nextMs = peer.notBeforeMs
    }
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs
  }

  /** The records of peers that are `wanted`, as they came. */
  *records(wanted: (peer: BookPeer) => boolean): IterableIterator<{ peer: string; record: Uint8Array }> {
    for (const known of this.#peers.values()) {
      if (known.record !== null && wanted(known)) yield { peer: known.peer, record: known.record }
    }
  }

  #oneOf<T>(all: readonly T[]): T {
    return all[Math.floor(this.#options.fraction() * all.length)]!
  }

  #add(peer: Peer, record: NodeRecord, addresses: readonly Address[]): boolean {
    return this.#insert(peer) && this.#take(peer, record, addresses)
  }

  /**
   * Of a newer record the addresses replace the older ones, but for those that were proven and those that it names too and this
   * teller could not tell us. Of the same one, another teller can add what an earlier one was too far away for.
   */
  #take(peer: Peer, record: NodeRecord, addresses: readonly Address[]): boolean {
    const isSameRecord = record.issuedAtMs === peer.issuedAtMs && peer.record !== null
    const kept = isSameRecord
      ? peer.addresses
      : peer.addresses.filter(
          ({ address, foundAtUnixMs }) => foundAtUnixMs > 0 || record.addresses.some((named) => isSame(named, address)),
        )
    const added = addresses
      .filter((address) => !kept.some((other) => isSame(other.address, address)))
      .slice(0, LISTEN_ADDRESSES_MAX - kept.length)
      .map((address) => ({ address: { ...address, peer: null }, foundAtUnixMs: 0, failures: 0 }))
    if (isSameRecord && added.length === 0) return false
    peer.addresses = [...kept, ...added]
    peer.site = siteAmong(peer.addresses)
    peer.record = record.bytes
    peer.issuedAtMs = record.issuedAtMs
    // At a new place it may be there.
    if (added.length > 0) peer.notBeforeMs = 0
    if (peer.addresses.length === 0) this.#peers.delete(peer.peer)
    this.#isDirty = true
    return added.length > 0
  }

  #insert(peer: Peer): boolean {
    if (peer.toldBy !== null && this.#countOf(peer.toldBy) >= BOOK_PEERS_PER_TELLER_MAX) {
      this.#dropWorst((other) => other.toldBy === peer.toldBy)
    } else if (this.#peers.size >= BOOK_PEERS_MAX && !this.#makeRoom(peer.isProven)) {
      return false
    }
    this.#peers.set(peer.peer, peer)
    this.#isDirty = true
    return true
  }

  #countOf(toldBy: string): number {
    let count = 0
    for (const peer of this.#peers.values()) if (peer.toldBy === toldBy) count++
    return count
  }

  /**
   * Those of the teller with most peers give way first; proven peers only to another proven one, those of the place with most of them,
   * the longest not found first.
   */
  #makeRoom(forProven: boolean): boolean {
    const counts = new Map<string | null, number>()
    for (const { toldBy, isProven } of this.#peers.values()) {
      if (!isProven) counts.set(toldBy, (counts.get(toldBy) ?? 0) + 1)
    }
    let most: string | null = null
    for (const [toldBy, count] of counts) if (count > (counts.get(most) ?? 0)) most = toldBy
    if (counts.size > 0) return this.#dropWorst((peer) => !peer.isProven && peer.toldBy === most)
    return forProven && this.#dropCrowded()
  }

  #dropCrowded(): boolean {
    const counts = new Map<string, number>()
    for (const { site } of this.#peers.values()) counts.set(site, (counts.get(site) ?? 0) + 1)
    const most = Math.max(...counts.values())
    return this.#dropWorst(({ site }) => counts.get(site) === most)
  }

  /** The one found longest ago, then with most failures, then the oldest. */
  #dropWorst(isAmong: (peer: Peer) => boolean): boolean {
    let worst: Peer | null = null
    for (const peer of this.#peers.values()) {
      if (!isAmong(peer)) continue
      const order = worst === null ? -1 : foundAt(peer) - foundAt(worst) || failuresOf(worst) - failuresOf(peer)
      if (order < 0) worst = peer
    }
    if (worst !== null) this.#peers.delete(worst.peer)
    return worst !== null
  }
}

function newPeer(peer: string, publicKey: Uint8Array, toldBy: string | null): Peer {
  const nothing = { addresses: [], site: '', record: null, issuedAtMs: 0, notBeforeMs: 0, roundTripMs: null }
  return { peer, publicKey, isProven: false, toldBy, source: 'exchange', ...nothing }
}

/** Negative where `a` is to be dialled before `b`. */
function compare(a: Peer, b: Peer, near: boolean): number {
  const proven = Number(b.isProven) - Number(a.isProven)
  if (proven !== 0 || !near) return proven
  // Infinity less itself is no number.
  const [farA, farB] = [farness(a), farness(b)]
  return farA === farB ? 0 : farA - farB
}

function farness({ roundTripMs, addresses }: Peer): number {
  if (roundTripMs !== null) return roundTripMs
  return addresses.some(({ address }) => isLocal(address)) ? LOCAL_ROUND_TRIP_MS : Number.POSITIVE_INFINITY
}

/** The address that failed least, and among these where the peer was found last, comes first; then the node's own order. */
function byPromise(a: BookAddress, b: BookAddress): number {
  return a.failures - b.failures || b.foundAtUnixMs - a.foundAtUnixMs
}

function foundAt({ addresses }: BookEntry): number {
  return addresses.reduce((latest, { foundAtUnixMs }) => Math.max(latest, foundAtUnixMs), 0)
}

function siteAmong(addresses: readonly BookAddress[]): string {
  const [first] = [...addresses].sort((a, b) => b.foundAtUnixMs - a.foundAtUnixMs)
  return first === undefined ? '' : siteOf(first.address.host)
}

function failuresOf({ addresses }: BookEntry): number {
  return addresses.reduce((sum, { failures }) => sum + failures, 0)
}

function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

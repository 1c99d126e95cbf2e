// Peer exchange: node records told to those who ask or are sent away, and read from what others tell, in `peers`, in `about` and
// in what nodes say of themselves on `$mesh/node`. It checks records, and which of their addresses may be taken from whom. It
// keeps no book and decides nothing about links. docs/protocol.md, "Peer exchange".

import { toHex } from '../bytes.ts'
import { BoundedCache } from '../crypto/bounded-cache.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { encodeCbor } from '../framing/cbor.ts'
import type { Address } from '../identity/address.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import type { Network } from '../identity/network.ts'
import { decodeNodeRecord, type NodeRecord } from '../identity/node-record.ts'
import { addressesWithinReach } from '../identity/reach.ts'
import { NODE_RECORD_BYTES_MAX, PEERS_BYTES_MAX, PEERS_MAX } from '../limits.ts'

/** CBOR heads of an array of at most 32, and of a byte string of at most 2,560. */
const ARRAY_HEAD_BYTES = 2
const BYTES_HEAD_BYTES = 3
/**
 * Records that are remembered as genuine: the same one comes in a node's `about`, in what it tells of itself, and in what its
 * neighbours tell of it, and again whenever it comes back. Of the same bytes, so that nothing is held twice.
 */
const GENUINE_MAX = 1_024

export interface ExchangeOptions {
  readonly network: Network
  readonly identities: Identities
  readonly primitives: Primitives
  readonly ownKey: string
  readonly fraction: () => number
  /**
   * A node of which another one told. `addresses`: those of its record that may be taken from there, each worth a try; `toldBy` is
   * the Identity.key of the neighbour that told it.
   */
  found(record: NodeRecord, addresses: readonly Address[], toldBy: string): void
  /** Another node has this record of our own: of this run or of an earlier one. */
  ownFound(record: NodeRecord): void
  /** Others tell a record of an open neighbour that was issued later than the one that it has told us itself. */
  neighbourOutdone(key: string, record: NodeRecord): void
  /** Further peers that are likely to be there, by peer id text, with their records, which were verified when they came. */
  known(): Iterable<{ readonly peer: string; readonly record: Uint8Array }>
}

interface Neighbour {
  /** Its end of the connection: an IP literal. */
  readonly host: string
  /** The latest that anybody told; null where it listens nowhere. */
  record: NodeRecord | null
}

export class Exchange {
  readonly #options: ExchangeOptions
  /** By identity key; only of open neighbours, so bounded by the degree. */
  readonly #neighbours = new Map<string, Neighbour>()
  /** By the bytes that came, so that they are verified once. */
  readonly #checked = new WeakMap<Uint8Array, NodeRecord>()
  /** By SHA-256. */
  readonly #genuine = new BoundedCache<string, NodeRecord>(GENUINE_MAX)

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  /** Checks a node's own record, from its `about`. Throws MeshError `bad-peers` when it is not genuine or not its own. */
  check(record: Uint8Array, identity: Identity): void {
    const decoded = this.#decode(record)
    if (decoded.identity.id !== identity.id) {
      throw new MeshError('bad-peers', 'the node record in about is of another node')
    }
    this.#checked.set(record, decoded)
  }

  /** As `check`, for a record whose signer's fault nobody else can be blamed for: null where it does not hold. */
  read(record: Uint8Array, identity: Identity): NodeRecord | null {
    const known = this.#checked.get(record)
    if (known !== undefined) return known.identity.id === identity.id ? known : null
    try {
      this.check(record, identity)
    } catch (error) {
      if (error instanceof MeshError && error.code === 'bad-peers') return null
      throw error
    }
    return this.#checked.get(record) ?? null
  }

  /**
   * `record`: the very bytes that `check` has seen, or null when that neighbour listens nowhere. `host`: its end of the
   * connection, an IP literal.
   */
  neighbourUp(identity: Identity, record: Uint8Array | null, host: string): void {
    const decoded = record === null ? null : (this.#checked.get(record) ?? this.#decode(record))
    this.#neighbours.set(identity.key, { host, record: decoded })
    if (decoded !== null) this.#found(decoded, { key: identity.key, host })
  }

  neighbourDown(identity: Identity): void {
    this.#neighbours.delete(identity.key)
  }

  /** The body of an `ask-peers` frame. */
  ask(): Uint8Array {
    return encodeCbor([PEERS_MAX])
  }

  /**
   * The body of a `peers` frame with up to `count` records of neighbours and other known peers, chosen at random, without the
   * asker's own. Fewer where those would not fit the frame: nodes can make their records as long as they may be.
   */
  tell(count: number, askerKey: string | null): Uint8Array {
    const others = this.#tellable(askerKey)
    const chosen: Uint8Array[] = []
    let bodyLength = ARRAY_HEAD_BYTES
    while (chosen.length < Math.min(count, PEERS_MAX) && others.length > 0) {
      const [record] = others.splice(Math.floor(this.#options.fraction() * others.length), 1)
      bodyLength += BYTES_HEAD_BYTES + record!.length
      if (bodyLength > PEERS_BYTES_MAX) break
      chosen.push(record!)
    }
    return encodeCbor(chosen)
  }

  /** The body of a `peers` frame with this record alone. */
  tellOne(record: Uint8Array): Uint8Array {
    return encodeCbor([record])
  }

  /** Records told by a neighbour at `host`. Throws MeshError `bad-peers` when one is not genuine. */
  told(records: readonly Uint8Array[], teller: { key: string; host: string }): void {
    for (const bytes of records) this.#found(this.#decode(bytes), teller)
  }

  /** A record, checked already, that came in a message which an open neighbour passed on. */
  passedOn(record: NodeRecord, tellerKey: string): void {
    const teller = this.#neighbours.get(tellerKey)
    if (teller !== undefined) this.#found(record, { key: tellerKey, host: teller.host })
  }

  #found(record: NodeRecord, teller: { key: string; host: string }): void {
    const { key } = record.identity
    if (key === this.#options.ownKey) return this.#options.ownFound(record)
    const neighbour = this.#neighbours.get(key)
    if (neighbour?.record && record.issuedAtMs > neighbour.record.issuedAtMs) {
      neighbour.record = record
      if (teller.key !== key) this.#options.neighbourOutdone(key, record)
    }
    this.#options.found(record, addressesWithinReach(record.addresses, teller.host), teller.key)
  }

  /** One record for each node: a neighbour's own, or what is known. */
  #tellable(askerKey: string | null): Uint8Array[] {
    const asker = askerKey === null ? null : this.#neighbours.get(askerKey)?.record
    const records = new Map<string, Uint8Array>()
    for (const { peer, record } of this.#options.known()) records.set(peer, record)
    for (const { record } of this.#neighbours.values()) {
      if (record !== null) records.set(record.identity.id, record.bytes)
    }
    if (asker) records.delete(asker.identity.id)
    return [...records.values()]
  }

  #decode(bytes: Uint8Array): NodeRecord {
    const { network, identities, primitives } = this.#options
    if (bytes.length > NODE_RECORD_BYTES_MAX) throw new MeshError('bad-peers', `a node record of ${bytes.length} bytes`)
    const digest = toHex(primitives.sha256(bytes))
    let record = this.#genuine.get(digest)
    if (record === undefined) {
      record = decodeNodeRecord(bytes, network, identities, primitives)
      this.#genuine.set(digest, record)
    }
    return record
  }
}

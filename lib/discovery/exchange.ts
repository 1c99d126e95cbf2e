// Peer exchange: the newest node record of each neighbour, told to those who ask or are sent away, and the addresses taken
// from what others tell. Gives addresses to the table and decides nothing about links. docs/protocol.md, "Peer exchange".

import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { encodeCbor } from '../framing/cbor.ts'
import { type Address, type Scope, scopeOf } from '../identity/address.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import type { Network } from '../identity/network.ts'
import { decodeNodeRecord, type NodeRecord } from '../identity/node-record.ts'
import { PEERS_BYTES_MAX, PEERS_MAX } from '../limits.ts'

/** How far each scope reaches: an address is taken only over a connection at least as local. */
const REACH: Readonly<Record<Scope, number>> = { loopback: 0, link: 1, private: 1, public: 2 }

/** CBOR heads of an array of at most 32, and of a byte string of at most 2,560. */
const ARRAY_HEAD_BYTES = 2
const BYTES_HEAD_BYTES = 3

export interface ExchangeOptions {
  readonly network: Network
  readonly identities: Identities
  readonly primitives: Primitives
  readonly ownKey: string
  readonly fraction: () => number
  /** An address worth a try; `toldBy` is the key of the neighbour that told it. */
  found(address: Address, toldBy: string): void
}

export class Exchange {
  readonly #options: ExchangeOptions
  /** By identity key; only of open neighbours, so bounded by the degree. */
  readonly #records = new Map<string, NodeRecord>()
  /** By the bytes that came, so that they are verified once. */
  readonly #checked = new WeakMap<Uint8Array, NodeRecord>()

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

  /** `record`: the very bytes that `check` has seen, or null when that neighbour listens nowhere. */
  neighbourUp(identity: Identity, record: Uint8Array | null): void {
    if (record !== null) this.#records.set(identity.key, this.#checked.get(record) ?? this.#decode(record))
  }

  neighbourDown(identity: Identity): void {
    this.#records.delete(identity.key)
  }

  /**
   * The body of a `peers` frame with up to `count` records, chosen at random, without the asker's own. Fewer where those would
   * not fit the frame: neighbours can make their records as long as they may be.
   */
  tell(count: number, askerKey: string | null): Uint8Array {
    const others = [...this.#records.values()].filter((record) => record.identity.key !== askerKey)
    const chosen: Uint8Array[] = []
    let bodyLength = ARRAY_HEAD_BYTES
    while (chosen.length < Math.min(count, PEERS_MAX) && others.length > 0) {
      const [record] = others.splice(Math.floor(this.#options.fraction() * others.length), 1)
      bodyLength += BYTES_HEAD_BYTES + record!.bytes.length
      if (bodyLength > PEERS_BYTES_MAX) break
      chosen.push(record!.bytes)
    }
    return encodeCbor(chosen)
  }

  /** Records told by a neighbour at `host`. Throws MeshError `bad-peers` when one is not genuine. */
  told(records: readonly Uint8Array[], teller: { key: string; host: string }): void {
    const reach = REACH[scopeOf(teller.host)]
    for (const bytes of records) {
      const { identity, addresses } = this.#decode(bytes)
      if (identity.key === this.#options.ownKey) continue
      for (const address of addresses) {
        // A name may point anywhere, also to what only we can reach: only addresses as such are taken from others.
        if (address.kind !== 'ip4' && address.kind !== 'ip6') continue
        if (REACH[scopeOf(address.host)] < reach) continue
        this.#options.found({ ...address, peer: identity.id }, teller.key)
      }
    }
  }

  #decode(bytes: Uint8Array): NodeRecord {
    const { network, identities, primitives } = this.#options
    return decodeNodeRecord(bytes, network, identities, primitives)
  }
}

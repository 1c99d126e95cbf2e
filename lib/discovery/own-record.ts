// This node's own node record, as it stands now: signed anew only when its addresses have changed, or the machine's clock was set
// forward: of two records others go by the one that says that it was issued later. docs/protocol.md, "Node records".

import type { Primitives } from '../crypto/primitives.ts'
import { type Address, formatAddress } from '../identity/address.ts'
import type { KeyPair } from '../identity/key-pair.ts'
import type { Network } from '../identity/network.ts'
import { encodeNodeRecord } from '../identity/node-record.ts'
import type { Clock } from '../io/world.ts'
import { INTEGER_MAX } from '../limits.ts'

/** Asking the machine for its interfaces costs as much as a signature. */
const ADDRESSES_MS = 5_000
/** No clock drifts so far in a day. One that was behind at the start issued a record that an earlier run's may outdo. */
const SET_FORWARD_MS = 60_000

export interface OwnRecordOptions {
  readonly keyPair: KeyPair
  readonly network: Network
  readonly primitives: Primitives
  readonly clock: Clock
  /** Addresses under which this node can be reached now. */
  addresses(): readonly Address[]
}

export class OwnRecord {
  readonly #options: OwnRecordOptions
  #current: { readonly key: string; readonly bytes: Uint8Array | null; readonly asOfMs: number } | null = null
  #issuedAtMs = 0
  /** What the wall clock was ahead of the monotonic one when the record was signed. */
  #aheadMs = 0

  constructor(options: OwnRecordOptions) {
    this.#options = options
  }

  /** The record, or null when this node listens nowhere. At most 5 s behind the machine's addresses. */
  bytes(): Uint8Array | null {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    if (this.#current !== null && nowMs - this.#current.asOfMs < ADDRESSES_MS) return this.#current.bytes
    const addresses = this.#options.addresses()
    const key = addresses.map(formatAddress).join(' ')
    const wasSetForward = clock.unixMs() - nowMs - this.#aheadMs >= SET_FORWARD_MS
    const isCurrent = this.#current?.key === key && !wasSetForward
    const bytes = isCurrent ? this.#current!.bytes : this.#sign(addresses)
    this.#current = { key, bytes, asOfMs: nowMs }
    return bytes
  }

  /**
   * A record of this node's own that another node has, issued by an earlier run whose clock was ahead: the next one is issued later.
   * Returns whether there will be another one because of it.
   */
  met(issuedAtMs: number): boolean {
    if (issuedAtMs <= this.#issuedAtMs || issuedAtMs >= INTEGER_MAX) return false
    this.#issuedAtMs = issuedAtMs
    this.#current = null
    return true
  }

  #sign(addresses: readonly Address[]): Uint8Array | null {
    if (addresses.length === 0) return null
    const { keyPair, network, primitives, clock } = this.#options
    const unixMs = clock.unixMs()
    this.#aheadMs = unixMs - clock.nowMs()
    // Later than the one before also where the clock was set back.
    this.#issuedAtMs = Math.max(this.#issuedAtMs + 1, Math.floor(unixMs))
    return encodeNodeRecord(keyPair, network, this.#issuedAtMs, addresses, primitives)
  }
}

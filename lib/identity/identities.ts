// Who may be an identity, asked once per public key. An identity is a verdict about bytes, not a session: knowing one proves
// nothing about who is at the other end. docs/protocol.md section 2.

import { bytesKey, toHex } from '../bytes.ts'
import { BoundedCache } from '../crypto/bounded-cache.ts'
import { primitives } from '../crypto/choose.ts'
import { ORIGINS_MAX } from '../limits.ts'
import { peerIdOf } from './peer-id.ts'

/** An admitted public key. The byte arrays are its own; do not change them. */
export interface Identity {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The same key on the Montgomery curve, 32 bytes: Noise's static key. */
  readonly x25519Key: Uint8Array
  /** Peer id text, `12D3KooW…`. */
  readonly id: string
  /**
   * Hex of `x25519Key`: what bans, the duplicate-connection rule and the self check compare. A public key A and its negative
   * -A share it, so that the owner of one secret cannot pass for two nodes.
   */
  readonly key: string
}

/** Refused keys cost their sender a connection; this only spares us the curve work when the same one comes again. */
const REFUSED_MAX = 1_024

class AdmittedIdentity implements Identity {
  readonly publicKey: Uint8Array
  readonly x25519Key: Uint8Array
  readonly key: string
  #id: string | null = null

  constructor(publicKey: Uint8Array, x25519Key: Uint8Array) {
    this.publicKey = publicKey
    this.x25519Key = x25519Key
    this.key = toHex(x25519Key)
  }

  // Base58 costs some microseconds, and most identities are never shown to anybody.
  get id(): string {
    this.#id ??= peerIdOf(this.publicKey)
    return this.#id
  }
}

/** Admits public keys and remembers the verdicts, within bounds. */
export class Identities {
  readonly #admitted: BoundedCache<string, Identity>
  readonly #refused = new BoundedCache<string, true>(REFUSED_MAX)

  /**
   * `cacheMax`: how many admitted identities are remembered (about 600 bytes each; by default as many as the seen cache has
   * origins); one more drops the one that was unused for longest.
   */
  constructor(cacheMax: number = ORIGINS_MAX) {
    this.#admitted = new BoundedCache(cacheMax)
  }

  /**
   * The identity of a public key, or null when it is none: not 32 bytes, not canonical, of small order, or with torsion. The
   * same object for the same key as long as it is remembered. The first time costs 40 to 100 microseconds. `publicKey` is copied.
   * `key`: what `bytesKey` makes of it, where the caller has that already.
   */
  admit(publicKey: Uint8Array, key?: string): Identity | null {
    if (publicKey.length !== 32) return null
    const name = key ?? bytesKey(publicKey)
    const known = this.#admitted.get(name)
    if (known !== undefined) return known
    if (this.#refused.get(name)) return null
    const x25519Key = primitives.acceptableX25519Key(publicKey)
    if (x25519Key === null) {
      this.#refused.set(name, true)
      return null
    }
    const identity = new AdmittedIdentity(publicKey.slice(), x25519Key)
    this.#admitted.set(name, identity)
    return identity
  }
}

// Noise's CipherState (specification, section 5.1): a key, or none yet, and the counter that no message may share. Not the record
// layer: sizes, borders and the time to rekey are framing/records.ts. docs/protocol.md sections 5 and 6.

import type { Aead } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'

export class CipherState {
  #aead: Aead | null
  #nonce = 0

  /** Without a key (null), text passes through unchanged; handshakes begin like that. */
  constructor(aead: Aead | null) {
    this.#aead = aead
  }

  /** The nonce that the next message will use. */
  get nonce(): number {
    return this.#nonce
  }

  hasKey(): boolean {
    return this.#aead !== null
  }

  /** Cipher text with its 16-byte tag, or a copy of `plain` while there is no key. A new array. */
  encryptWithAd(associatedData: Uint8Array, plain: Uint8Array): Uint8Array {
    if (this.#aead === null) return plain.slice()
    const sealed = this.#aead.seal(this.#nonce, associatedData, plain)
    this.#nonce++
    return sealed
  }

  /** The plain text, a new array. Throws MeshError `bad-record` when it does not open; the nonce then stays as it was. */
  decryptWithAd(associatedData: Uint8Array, sealed: Uint8Array): Uint8Array {
    if (this.#aead === null) return sealed.slice()
    const plain = this.#aead.open(this.#nonce, associatedData, sealed)
    if (plain === null) throw doesNotOpen(sealed)
    this.#nonce++
    return plain
  }

  /**
   * `decryptWithAd` with empty associated data, written into `into`, which has the plain text's length; worth nothing when it
   * throws. Needs a key.
   */
  openInto(sealed: Uint8Array, into: Uint8Array): void {
    if (!this.#keyed().openInto(this.#nonce, sealed, into)) throw doesNotOpen(sealed)
    this.#nonce++
  }

  /**
   * `encryptWithAd` with empty associated data, written into `into` from `at`; the caller has made room for plain.length + 16.
   * Returns the offset behind the tag. Needs a key.
   */
  sealInto(plain: Uint8Array, into: Uint8Array, at: number): number {
    const end = this.#keyed().sealInto(this.#nonce, plain, into, at)
    this.#nonce++
    return end
  }

  /** Replaces the key by one made from it, so that taking the new key reveals nothing that came before. The nonce goes on. */
  rekey(): void {
    this.#aead = this.#keyed().rekeyed()
  }

  /** A state that goes its own way from here. */
  copy(): CipherState {
    const copy = new CipherState(this.#aead)
    copy.#nonce = this.#nonce
    return copy
  }

  #keyed(): Aead {
    if (this.#aead === null) throw new Error('this CipherState has no key')
    return this.#aead
  }
}

function doesNotOpen(sealed: Uint8Array): MeshError {
  return new MeshError('bad-record', `a record of ${sealed.length} bytes does not open`)
}

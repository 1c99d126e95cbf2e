// Noise's SymmetricState (specification, section 5.2): the chaining key, the transcript hash and the cipher of a handshake, for
// SHA-256 and ChaChaPoly. docs/protocol.md section 5.

import { concatBytes, EMPTY, utf8 } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { CipherState } from './cipher-state.ts'

const HASH_BYTES = 32

export class SymmetricState {
  readonly #primitives: Primitives
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #cipher: CipherState

  private constructor(primitives: Primitives, chainingKey: Uint8Array, hash: Uint8Array, cipher: CipherState) {
    this.#primitives = primitives
    this.#chainingKey = chainingKey
    this.#hash = hash
    this.#cipher = cipher
  }

  /** InitializeSymmetric: a name of at most 32 bytes stands for itself, padded with zeros; a longer one is hashed. */
  static initialize(protocolName: string, primitives: Primitives): SymmetricState {
    const name = utf8(protocolName)
    const hash =
      name.length <= HASH_BYTES ? concatBytes(name, new Uint8Array(HASH_BYTES - name.length)) : primitives.sha256(name)
    return new SymmetricState(primitives, hash, hash, new CipherState(null))
  }

  /** A state that goes its own way from here. The arrays inside are replaced, never written to, and so can be shared. */
  copy(): SymmetricState {
    return new SymmetricState(this.#primitives, this.#chainingKey, this.#hash, this.#cipher.copy())
  }

  hasKey(): boolean {
    return this.#cipher.hasKey()
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = this.#hkdf(input, 2)
    this.#chainingKey = chainingKey!
    this.#cipher = new CipherState(this.#primitives.aead(key!))
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#primitives.sha256(concatBytes(this.#hash, data))
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hash, key] = this.#hkdf(input, 3)
    this.#chainingKey = chainingKey!
    this.mixHash(hash!)
    this.#cipher = new CipherState(this.#primitives.aead(key!))
  }

  encryptAndHash(plain: Uint8Array): Uint8Array {
    const sealed = this.#cipher.encryptWithAd(this.#hash, plain)
    this.mixHash(sealed)
    return sealed
  }

  /** Throws MeshError `bad-record` when it does not open. */
  decryptAndHash(sealed: Uint8Array): Uint8Array {
    const plain = this.#cipher.decryptWithAd(this.#hash, sealed)
    this.mixHash(sealed)
    return plain
  }

  /** The cipher of the initiator's direction, then that of the responder's. */
  split(): [CipherState, CipherState] {
    const [first, second] = this.#hkdf(EMPTY, 2)
    return [new CipherState(this.#primitives.aead(first!)), new CipherState(this.#primitives.aead(second!))]
  }

  /** The transcript so far, 32 bytes: GetHandshakeHash once the handshake is over. A copy. */
  get hash(): Uint8Array {
    return this.#hash.slice()
  }

  // Noise's HKDF is RFC 5869's with the chaining key as salt and no info (section 4.3).
  #hkdf(input: Uint8Array, outputs: 2 | 3): Uint8Array[] {
    const out = this.#primitives.hkdfSha256(input, this.#chainingKey, EMPTY, outputs * HASH_BYTES)
    return Array.from({ length: outputs }, (_, i) => out.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES))
  }
}

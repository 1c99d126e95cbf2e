// A node's own keys, all made from one seed. Where the seed comes from is key-file.ts's matter. docs/protocol.md section 2.

import { expectLength } from '../crypto/inputs.ts'
import type { Primitives, Signer, X25519Pair } from '../crypto/primitives.ts'
import type { Identities, Identity } from './identities.ts'

export interface KeyPair {
  /** The RFC 8032 private key, 32 bytes: the one secret that the others follow from. */
  readonly seed: Uint8Array
  readonly identity: Identity
  readonly signer: Signer
  /** clamp(SHA-512(seed)[0..32]): the private key of `identity.x25519Key`. */
  readonly x25519PrivateKey: Uint8Array
  /** Agrees with `x25519PrivateKey`, without importing it each time. */
  readonly agree: X25519Pair['agree']
}

/** The keys of a 32-byte seed, which is copied. Throws TypeError on another length. */
export function keyPairFromSeed(seed: Uint8Array, identities: Identities, primitives: Primitives): KeyPair {
  expectLength('seed', seed, 32)
  const kept = seed.slice()
  const signer = primitives.ed25519Signer(kept)
  const identity = identities.admit(signer.publicKey)
  // A public key made from a seed is a multiple of the base point, so it cannot be refused.
  if (identity === null) throw new Error('the public key of a seed was not admitted')
  const x25519PrivateKey = primitives.sha512(kept).slice(0, 32)
  x25519PrivateKey[0] = x25519PrivateKey[0]! & 248
  x25519PrivateKey[31] = (x25519PrivateKey[31]! & 127) | 64
  const { agree } = primitives.x25519Pair(x25519PrivateKey)
  return Object.freeze({ seed: kept, identity, signer, x25519PrivateKey, agree })
}

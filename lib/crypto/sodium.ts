// The primitives that libsodium does faster than node:crypto, where the optional package `sodium-native` is installed and fits
// this machine. For a small record that is four times and more, since nothing is allocated for it and no object of OpenSSL's is
// set up; for a signature two to three. Each is tried on known answers when this module loads, and left out when it fails.
// Same contract as noble.ts; docs/protocol.md section 2.

import { createRequire } from 'node:module'
import { EMPTY } from '../bytes.ts'
import { TAG_BYTES } from '../limits.ts'
import { isReduced } from './curve.ts'
import { hkdfOver, hmacOver } from './hkdf.ts'
import { expectLength, REKEY_NONCE, writeNonce, ZEROS_32 } from './inputs.ts'
import { answering } from './known-answers.ts'
import { native } from './native.ts'
import { noble } from './noble.ts'
import type { Aead, Primitives, Signer, X25519Pair } from './primitives.ts'

/**
 * What is used of its native part, which the package's own functions call after a dozen checks each: a sparse message would spend
 * more time on these than on its cipher. So nothing is checked behind these calls, in memory that the call writes to: all lengths
 * are made right here, next to each call. Numbers below zero, or other than zero, say that it failed.
 */
export interface Binding {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    sealed: Uint8Array,
    plain: Uint8Array,
    associatedData: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
  /** Below zero where the tag does not match. */
  crypto_aead_chacha20poly1305_ietf_decrypt(
    plain: Uint8Array,
    sealed: Uint8Array,
    associatedData: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
  crypto_hash_sha256(digest: Uint8Array, data: Uint8Array): number
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): number
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): number
  /** Each of the three as its buffer, the offset there and the length. */
  crypto_sign_verify_detached(
    signature: ArrayBufferLike,
    signatureAt: number,
    signatureLength: number,
    message: ArrayBufferLike,
    messageAt: number,
    messageLength: number,
    publicKey: ArrayBufferLike,
    publicKeyAt: number,
    publicKeyLength: number,
  ): boolean
  crypto_scalarmult_base(publicKey: Uint8Array, privateKey: Uint8Array): number
  /** Not zero where it is no point of the curve, of small order, or with torsion. */
  crypto_sign_ed25519_pk_to_curve25519(x25519Key: Uint8Array, publicKey: Uint8Array): number
  /** Not zero where the result is all zero. */
  crypto_scalarmult(shared: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): number
}

/** For longer data OpenSSL is faster, which uses the processor's instructions for SHA-256 where it has them. */
const HASHED_BYTES_MAX = 512
/** For longer records OpenSSL is faster, which uses the widest instructions that the processor has. */
const SEALED_BYTES_MAX = 16_384
/** V8 clears what it allocates, which is worth avoiding from here on. */
const UNCLEARED_BYTES_MIN = 4_096

function load(): Binding | null {
  try {
    return createRequire(import.meta.url)('sodium-native/binding.js') as Binding
  } catch {
    // Not installed, or not for this system.
    return null
  }
}

function candidates(binding: Binding): Partial<Primitives> {
  const secondOpinion = native.ed25519Verify ?? noble.ed25519Verify
  const hashLong = native.sha256 ?? noble.sha256
  function sha256(data: Uint8Array): Uint8Array {
    if (data.length > HASHED_BYTES_MAX) return hashLong(data)
    const digest = new Uint8Array(32)
    binding.crypto_hash_sha256(digest, data)
    return digest
  }
  const hmacSha256 = hmacOver(sha256, native.hmacSha256 ?? noble.hmacSha256)
  return {
    sha256,
    hmacSha256,
    hkdfSha256: hkdfOver(hmacSha256),
    x25519(privateKey, publicKey) {
      expectLength('private key', privateKey, 32)
      expectLength('public key', publicKey, 32)
      return agreed(binding, privateKey, publicKey)
    },
    x25519PublicKey(privateKey) {
      expectLength('private key', privateKey, 32)
      return publicKeyOf(binding, privateKey)
    },
    x25519Pair(privateKey): X25519Pair {
      expectLength('private key', privateKey, 32)
      const kept = privateKey.slice()
      return {
        publicKey: publicKeyOf(binding, kept),
        agree(publicKey) {
          expectLength('public key', publicKey, 32)
          return agreed(binding, kept, publicKey)
        },
      }
    },
    /** libsodium looks at the curve, at small order and at torsion, and takes y modulo p. */
    acceptableX25519Key(publicKey) {
      if (publicKey.length !== 32 || !isReduced(publicKey)) return null
      const key = new Uint8Array(32)
      return binding.crypto_sign_ed25519_pk_to_curve25519(key, publicKey) === 0 ? key : null
    },
    ed25519Signer(seed): Signer {
      expectLength('seed', seed, 32)
      const publicKey = new Uint8Array(32)
      const secretKey = new Uint8Array(64)
      binding.crypto_sign_seed_keypair(publicKey, secretKey, seed)
      return {
        publicKey,
        sign(message) {
          const signature = new Uint8Array(64)
          binding.crypto_sign_detached(signature, message, secretKey)
          return signature
        },
      }
    },
    /** What libsodium accepts fulfils the equation. It refuses more than what does not: some points, in A and in R. */
    ed25519Verify(publicKey, message, signature) {
      if (publicKey.length !== 32 || signature.length !== 64) return false
      if (isVerified(binding, publicKey, message, signature)) return true
      return secondOpinion(publicKey, message, signature)
    },
    aead(key) {
      expectLength('key', key, 32)
      return new SodiumAead(binding, key.slice())
    },
  }
}

function publicKeyOf(binding: Binding, privateKey: Uint8Array): Uint8Array {
  const publicKey = new Uint8Array(32)
  binding.crypto_scalarmult_base(publicKey, privateKey)
  return publicKey
}

function agreed(binding: Binding, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  const shared = new Uint8Array(32)
  // Nothing else than a public key of low order can be wrong here.
  return binding.crypto_scalarmult(shared, privateKey, publicKey) === 0 ? shared : null
}

/** The key has 32 bytes and the signature 64. */
function isVerified(binding: Binding, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return binding.crypto_sign_verify_detached(
    signature.buffer,
    signature.byteOffset,
    64,
    message.buffer,
    message.byteOffset,
    message.length,
    publicKey.buffer,
    publicKey.byteOffset,
    32,
  )
}

/**
 * Seals under any 12-byte nonce into `sealed`, which has room for the tag and no more. Apart from `aead` only so that the tests
 * can run published cases.
 */
export function sealWithNonce(
  binding: Binding,
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plain: Uint8Array,
  sealed: Uint8Array,
): void {
  if (sealed.length !== plain.length + TAG_BYTES)
    throw new RangeError('what is sealed is a tag longer than the plain text')
  const ad = associatedData.length === 0 ? undefined : associatedData
  binding.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plain, ad, nonce, key)
}

/** Opens what `sealWithNonce` wrote into `plain`, which has its length; false when the tag does not match. */
export function openWithNonce(
  binding: Binding,
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
  plain: Uint8Array,
): boolean {
  if (sealed.length !== plain.length + TAG_BYTES)
    throw new RangeError('what is sealed is a tag longer than the plain text')
  const ad = associatedData.length === 0 ? undefined : associatedData
  return binding.crypto_aead_chacha20poly1305_ietf_decrypt(plain, sealed, ad, nonce, key) >= 0
}

/** Every byte of it is about to be written, or nobody will see it. */
function uncleared(length: number): Uint8Array {
  return length < UNCLEARED_BYTES_MIN ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

const aeadForLong = native.aead ?? noble.aead
/** What a nonce is written into for one call: ciphers are many, two for each link. */
const nonceBytes = new Uint8Array(12)

class SodiumAead implements Aead {
  readonly #binding: Binding
  readonly #key: Uint8Array
  /** For records of more than SEALED_BYTES_MAX; many links never have one. */
  #forLong: Aead | null = null

  /** Keeps `key`, of 32 bytes. */
  constructor(binding: Binding, key: Uint8Array) {
    this.#binding = binding
    this.#key = key
  }

  seal(nonce: number, associatedData: Uint8Array, plain: Uint8Array): Uint8Array {
    if (plain.length > SEALED_BYTES_MAX) return this.#long().seal(nonce, associatedData, plain)
    writeNonce(nonce, nonceBytes)
    const sealed = new Uint8Array(plain.length + TAG_BYTES)
    sealWithNonce(this.#binding, this.#key, nonceBytes, associatedData, plain, sealed)
    return sealed
  }

  open(nonce: number, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    if (sealed.length < TAG_BYTES) return null
    if (sealed.length > SEALED_BYTES_MAX) return this.#long().open(nonce, associatedData, sealed)
    writeNonce(nonce, nonceBytes)
    const plain = uncleared(sealed.length - TAG_BYTES)
    return openWithNonce(this.#binding, this.#key, nonceBytes, associatedData, sealed, plain) ? plain : null
  }

  openInto(nonce: number, sealed: Uint8Array, into: Uint8Array): boolean {
    if (sealed.length > SEALED_BYTES_MAX) return this.#long().openInto(nonce, sealed, into)
    writeNonce(nonce, nonceBytes)
    return openWithNonce(this.#binding, this.#key, nonceBytes, EMPTY, sealed, into)
  }

  sealInto(nonce: number, plain: Uint8Array, into: Uint8Array, at: number): number {
    if (plain.length > SEALED_BYTES_MAX) return this.#long().sealInto(nonce, plain, into, at)
    writeNonce(nonce, nonceBytes)
    const end = at + plain.length + TAG_BYTES
    sealWithNonce(this.#binding, this.#key, nonceBytes, EMPTY, plain, into.subarray(at, end))
    return end
  }

  rekeyed(): Aead {
    const out = new Uint8Array(32 + TAG_BYTES)
    sealWithNonce(this.#binding, this.#key, REKEY_NONCE, EMPTY, ZEROS_32, out)
    return new SodiumAead(this.#binding, out.slice(0, 32))
  }

  #long(): Aead {
    this.#forLong ??= aeadForLong(this.#key)
    return this.#forLong
  }
}

/** For the tests; null where it is not there. */
export const binding: Binding | null = load()

/** What libsodium does right here. Empty where it is not there; see choose.ts for what takes its place. */
export const sodium: Partial<Primitives> = binding === null ? {} : answering(candidates(binding))

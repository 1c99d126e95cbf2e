// The primitives that node:crypto (OpenSSL) has, ten times faster than the portable ones and safer against timing. A build
// may lack some of them or judge odd inputs otherwise, so each is tried on known answers once, when this module loads, and
// left out when it fails. Same contract as noble.ts; docs/protocol.md section 2.

import * as crypto from 'node:crypto'
import { EMPTY } from '../bytes.ts'
import { TAG_BYTES } from '../limits.ts'
import { giveBack, OUTSIDE_BYTES_MIN } from '../memory.ts'
import { BoundedCache } from './bounded-cache.ts'
import { acceptableX25519KeyOver } from './curve.ts'
import { hkdfOver, hmacOver } from './hkdf.ts'
import { expectLength, REKEY_NONCE, writeNonce, ZEROS_32 } from './inputs.ts'
import { answering } from './known-answers.ts'
import type { Aead, Primitives, Signer, X25519Pair } from './primitives.ts'

/**
 * Public keys kept ready to verify with: an import costs as much as a tenth of a verification, and a network of a few
 * thousand origins then never pays it twice. About 1 KiB each.
 */
export const VERIFY_KEYS_MAX = 4_096
const verifyKeys = new BoundedCache<string, crypto.KeyObject>(VERIFY_KEYS_MAX)

/** How many public keys are kept ready at this moment; never above VERIFY_KEYS_MAX. */
export function verifyKeysCached(): number {
  return verifyKeys.size
}

const AEAD = 'chacha20-poly1305'
const AEAD_OPTIONS = { authTagLength: TAG_BYTES }
/** A handshake agrees twice with one ephemeral key, and this many handshakes are under way at most. About 1 KiB each. */
const AGREE_KEYS_MAX = 64
const agreeKeys = new BoundedCache<string, crypto.KeyObject>(AGREE_KEYS_MAX)

// node:crypto answers with Buffers, whose `slice` shares memory where Uint8Array's copies: nobody outside may get one.
function plainArray(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

// JWK is the form that imports fastest by far: 7 microseconds against more than 100 for the DER forms.
function publicKeyObject(crv: 'Ed25519' | 'X25519', publicKey: Uint8Array): crypto.KeyObject {
  return crypto.createPublicKey({ key: { kty: 'OKP', crv, x: base64url(publicKey) }, format: 'jwk' })
}

// Importing a private key costs as much as agreeing with it, since OpenSSL makes the public key of it again. It is for whoever
// holds the key to keep it ready (x25519Pair, ed25519Signer): a cache here would keep ephemeral ones, and undo forward
// secrecy. The `x` that a private JWK has to have is not looked at.
function privateKeyObject(crv: 'Ed25519' | 'X25519', privateKey: Uint8Array): crypto.KeyObject {
  return crypto.createPrivateKey({ key: { kty: 'OKP', crv, d: base64url(privateKey), x: '' }, format: 'jwk' })
}

/** The 32 bytes of the public key that belongs to a private one. */
function publicBytes(privateKey: crypto.KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(crypto.createPublicKey(privateKey).export({ format: 'jwk' }).x!, 'base64url'))
}

function hashWith(algorithm: 'sha256' | 'sha512'): (data: Uint8Array) => Uint8Array {
  // The one-shot form is a third faster and not in every Node 20.
  if (typeof crypto.hash === 'function') return (data) => plainArray(crypto.hash(algorithm, data, 'buffer'))
  return (data) => plainArray(crypto.createHash(algorithm).update(data).digest())
}

const sha256 = hashWith('sha256')
const hmacObject = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  plainArray(crypto.createHmac('sha256', key).update(data).digest())
const hmacSha256 = typeof crypto.hash === 'function' ? hmacOver(sha256, hmacObject) : hmacObject

const candidates: Primitives = {
  sha256,
  sha512: hashWith('sha512'),
  hmacSha256,
  hkdfSha256: hkdfOver(hmacSha256),
  x25519,
  x25519PublicKey(privateKey) {
    expectLength('private key', privateKey, 32)
    return publicBytes(privateKeyObject('X25519', privateKey))
  },
  x25519Pair,
  acceptableX25519Key: acceptableX25519KeyOver(x25519Pair),
  ed25519Signer(seed): Signer {
    expectLength('seed', seed, 32)
    const key = privateKeyObject('Ed25519', seed)
    return { publicKey: publicBytes(key), sign: (message) => plainArray(crypto.sign(null, message, key)) }
  },
  ed25519Verify,
  aead(key) {
    expectLength('key', key, 32)
    return new NativeAead(key)
  },
}

function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  expectLength('private key', privateKey, 32)
  return agreed(privateKeyObject('X25519', privateKey), publicKey)
}

function x25519Pair(privateKey: Uint8Array): X25519Pair {
  expectLength('private key', privateKey, 32)
  const key = privateKeyObject('X25519', privateKey)
  return { publicKey: publicBytes(key), agree: (publicKey) => agreed(key, publicKey) }
}

function agreed(privateKey: crypto.KeyObject, publicKey: Uint8Array): Uint8Array | null {
  expectLength('public key', publicKey, 32)
  const name = latin1(publicKey)
  let key = agreeKeys.get(name)
  if (key === undefined) {
    key = publicKeyObject('X25519', publicKey)
    agreeKeys.set(name, key)
  }
  try {
    return plainArray(crypto.diffieHellman({ privateKey, publicKey: key }))
  } catch {
    // OpenSSL refuses to derive when the result is all zero; any 32 bytes import, so nothing else is left to fail.
    return null
  }
}

function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  const name = latin1(publicKey)
  let key = verifyKeys.get(name)
  if (key === undefined) {
    key = publicKeyObject('Ed25519', publicKey)
    verifyKeys.set(name, key)
  }
  return crypto.verify(null, message, key, signature)
}

/**
 * Seals under any 12-byte nonce: cipher text and tag go into `into` from `at`; returns the offset behind the tag. Apart from
 * `aead` only so that the tests can run published cases, whose nonces are no counters.
 */
export function sealWithNonce(
  secret: crypto.KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plain: Uint8Array,
  into: Uint8Array,
  at: number,
): number {
  const cipher = crypto.createCipheriv(AEAD, secret, nonce, AEAD_OPTIONS)
  if (associatedData.length > 0) cipher.setAAD(associatedData, { plaintextLength: plain.length })
  // A stream cipher gives all bytes at once; `final` adds none, it only makes the tag.
  const sealed = cipher.update(plain)
  into.set(sealed, at)
  if (sealed.length >= OUTSIDE_BYTES_MIN) giveBack(sealed)
  cipher.final()
  into.set(cipher.getAuthTag(), at + plain.length)
  return at + plain.length + TAG_BYTES
}

/** Opens what `sealWithNonce` wrote; null when the tag does not match or `sealed` is shorter than a tag. */
export function openWithNonce(
  secret: crypto.KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | null {
  const length = sealed.length - TAG_BYTES
  if (length < 0) return null
  const decipher = crypto.createDecipheriv(AEAD, secret, nonce, AEAD_OPTIONS)
  decipher.setAuthTag(sealed.subarray(length))
  if (associatedData.length > 0) decipher.setAAD(associatedData, { plaintextLength: length })
  // What `update` returns is not authenticated yet: it must not leave this function before `final` has passed.
  const plain = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch {
    return null
  }
  return plainArray(plain)
}

/** What a nonce is written into for one call: ciphers are many, two for each link. */
const nonceBytes = new Uint8Array(12)

class NativeAead implements Aead {
  /** As a KeyObject the key is copied into OpenSSL once, and not at every record. */
  readonly #secret: crypto.KeyObject

  constructor(key: Uint8Array) {
    this.#secret = crypto.createSecretKey(key)
  }

  seal(nonce: number, associatedData: Uint8Array, plain: Uint8Array): Uint8Array {
    writeNonce(nonce, nonceBytes)
    const out = new Uint8Array(plain.length + TAG_BYTES)
    sealWithNonce(this.#secret, nonceBytes, associatedData, plain, out, 0)
    return out
  }

  open(nonce: number, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    writeNonce(nonce, nonceBytes)
    return openWithNonce(this.#secret, nonceBytes, associatedData, sealed)
  }

  openInto(nonce: number, sealed: Uint8Array, into: Uint8Array): boolean {
    writeNonce(nonce, nonceBytes)
    const plain = openWithNonce(this.#secret, nonceBytes, EMPTY, sealed)
    if (plain === null) return false
    into.set(plain)
    if (plain.length >= OUTSIDE_BYTES_MIN) giveBack(plain)
    return true
  }

  sealInto(nonce: number, plain: Uint8Array, into: Uint8Array, at: number): number {
    writeNonce(nonce, nonceBytes)
    return sealWithNonce(this.#secret, nonceBytes, EMPTY, plain, into, at)
  }

  rekeyed(): Aead {
    const out = new Uint8Array(32 + TAG_BYTES)
    sealWithNonce(this.#secret, REKEY_NONCE, EMPTY, ZEROS_32, out, 0)
    return new NativeAead(out.subarray(0, 32))
  }
}

/** What this Node has and does right. Empty on a build that fails everything; see choose.ts for what takes their place. */
export const native: Partial<Primitives> = answering(candidates)

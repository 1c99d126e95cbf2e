// The portable provider of primitives, and the reference that the native one is held against. Everything is the noble
// libraries', except the verdict on a signature: their `verify` is cofactored and accepts more than docs/protocol.md
// section 2 allows. JavaScript cannot promise constant time; the native provider is the one to run where there is a choice.

import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { pow } from '@noble/curves/abstract/modular.js'
import { montgomery } from '@noble/curves/abstract/montgomery.js'
import { getPublicKey, hashes, Point, sign } from '@noble/ed25519'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, EMPTY, equalBytes } from '../bytes.ts'
import { TAG_BYTES } from '../limits.ts'
import { acceptableX25519KeyOver } from './curve.ts'
import { expectLength, REKEY_NONCE, writeNonce, ZEROS_32 } from './inputs.ts'
import type { Aead, Primitives, Signer, X25519Pair } from './primitives.ts'

// @noble/ed25519 brings no hash of its own; its synchronous functions take one through this hook.
hashes.sha512 = sha512

/** Order of the base point. */
const L = Point.CURVE().n

const P = 2n ** 255n - 19n

/**
 * X25519 (RFC 7748) by the ladder of @noble/curves. Its module ed25519.js has the same one ready, but computes tables for
 * signatures first, which every start of a program would pay for.
 */
const x25519 = montgomery({
  P,
  type: 'x25519',
  adjustScalarBytes: (bytes: Uint8Array): Uint8Array => {
    bytes[0] = bytes[0]! & 248
    bytes[31] = (bytes[31]! & 127) | 64
    return bytes
  },
  powPminus2: (x) => pow(x, P - 2n, P),
})

/** Every primitive in plain JavaScript. See `Primitives` for each one's contract. */
export const noble: Primitives = {
  sha256: (data) => sha256(data),
  sha512: (data) => sha512(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdfSha256: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  x25519(privateKey, publicKey) {
    expectLength('private key', privateKey, 32)
    expectLength('public key', publicKey, 32)
    try {
      return x25519.getSharedSecret(privateKey, publicKey)
    } catch {
      // With the lengths checked, the one thing left that noble refuses is the all-zero result of a low-order point.
      return null
    }
  },
  x25519PublicKey(privateKey) {
    expectLength('private key', privateKey, 32)
    return x25519.getPublicKey(privateKey)
  },
  x25519Pair(privateKey): X25519Pair {
    const publicKey = noble.x25519PublicKey(privateKey)
    const kept = privateKey.slice()
    return { publicKey, agree: (theirs) => noble.x25519(kept, theirs) }
  },
  acceptableX25519Key: acceptableX25519KeyOver((privateKey) => noble.x25519Pair(privateKey)),
  ed25519Signer(seed): Signer {
    expectLength('seed', seed, 32)
    const kept = seed.slice()
    return { publicKey: getPublicKey(kept), sign: (message) => sign(message, kept) }
  },
  ed25519Verify,
  aead(key) {
    expectLength('key', key, 32)
    return nobleAead(key.slice())
  },
}

/**
 * S < L and encode([S]B - [k]A) = R, byte for byte, with k = SHA-512(R || A || message) over the bytes as they came. A is
 * decoded as OpenSSL does it: y is taken modulo p, and x = 0 may have its sign bit set. Such keys are no acceptable
 * identities, but all providers must give one answer about them too.
 */
function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  const R = signature.subarray(0, 32)
  const S = integerFromLittleEndian(signature.subarray(32))
  if (S >= L) return false
  let A: Point
  try {
    A = Point.fromBytes(publicKey, true)
  } catch {
    // Not the encoding of a point on the curve: no signature verifies.
    return false
  }
  const k = integerFromLittleEndian(sha512(concatBytes(R, publicKey, message))) % L
  const expected = Point.BASE.multiply(S, false).subtract(A.multiply(k, false))
  return equalBytes(expected.toBytes(), R)
}

function integerFromLittleEndian(bytes: Uint8Array): bigint {
  let hex = '0x'
  for (let i = bytes.length - 1; i >= 0; i--) hex += bytes[i]!.toString(16).padStart(2, '0')
  return BigInt(hex)
}

/** ChaCha20-Poly1305 under any 12-byte nonce; native.ts has the same pair, and the tests hold both to published cases. */
export function sealWithNonce(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  return chacha20poly1305(key, nonce, associatedData).encrypt(plain)
}

/** The plain text; null when the tag does not match or `sealed` is shorter than a tag. */
export function openWithNonce(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | null {
  if (sealed.length < TAG_BYTES) return null
  try {
    return chacha20poly1305(key, nonce, associatedData).decrypt(sealed)
  } catch {
    // The sizes are right by now, so this is the tag that does not match.
    return null
  }
}

function nobleAead(key: Uint8Array): Aead {
  const nonceBytes = new Uint8Array(12)
  return {
    seal(nonce, associatedData, plain) {
      writeNonce(nonce, nonceBytes)
      return sealWithNonce(key, nonceBytes, associatedData, plain)
    },
    open(nonce, associatedData, sealed) {
      writeNonce(nonce, nonceBytes)
      return openWithNonce(key, nonceBytes, associatedData, sealed)
    },
    openInto(nonce, sealed, into) {
      writeNonce(nonce, nonceBytes)
      try {
        chacha20poly1305(key, nonceBytes).decrypt(sealed, into)
      } catch {
        return false
      }
      return true
    },
    sealInto(nonce, plain, into, at) {
      writeNonce(nonce, nonceBytes)
      const end = at + plain.length + TAG_BYTES
      chacha20poly1305(key, nonceBytes).encrypt(plain, into.subarray(at, end))
      return end
    },
    rekeyed: () => nobleAead(sealWithNonce(key, REKEY_NONCE, EMPTY, ZEROS_32).slice(0, 32)),
  }
}

// Questions about points on the Ed25519 curve that decide who may be an identity, and the map from an Ed25519 key to its
// X25519 key, for the providers whose library does not answer them. Not signatures. docs/protocol.md section 2.

import { invert, mod } from '@noble/curves/abstract/modular.js'
import { equalBytes, fromHex, toHex } from '../bytes.ts'
import { expectLength } from './inputs.ts'
import type { Primitives, X25519Pair } from './primitives.ts'

const P = 2n ** 255n - 19n
/** Order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

/**
 * Shows by one X25519 operation whether a point has a torsion part. Written as A = Q + T with Q of order L and T of order 1, 2,
 * 4 or 8, [n]A with n = 5L - 1 is -Q: n is -1 modulo L, and a multiple of 8. X25519 looks at u alone, which Q and -Q share; so
 * the result is u of Q, and equals u of A exactly when T is nothing. (T = -2Q would do too, but then A is of small order and the
 * result is 0.) A u that belongs to no point of the curve is one of its twist, where n - 1 and n + 1 share no factor with any
 * point's order, so that nothing is mapped to itself. n lies between 2^254 and 2^255, so clamping leaves it as it is.
 * tests/crypto/curve.test.ts holds this against multiplying by L.
 */
const TORSION_FREE: Uint8Array = littleEndian(5n * L - 1n)

/** `Primitives.acceptableX25519Key` by one X25519 operation of the provider's. */
export function acceptableX25519KeyOver(x25519Pair: Primitives['x25519Pair']): Primitives['acceptableX25519Key'] {
  // Made at the first question: whoever serves only other primitives never needs it.
  let multiply: X25519Pair['agree'] | null = null
  return (publicKey) => {
    if (publicKey.length !== 32) return null
    // The two points with x = 0 are of small order, and the sign of any other x may be set or not.
    const key = x25519FromEd25519(publicKey)
    if (key === null) return null
    multiply ??= x25519Pair(TORSION_FREE).agree
    const multiple = multiply(key)
    return multiple !== null && equalBytes(multiple, key) ? key : null
  }
}

/** Whether the y that 32 bytes hold is below p. */
export function isReduced(publicKey: Uint8Array): boolean {
  if (publicKey[0]! < 0xed || (publicKey[31]! & 0x7f) !== 0x7f) return true
  for (let i = 1; i < 31; i++) if (publicKey[i] !== 0xff) return true
  return false
}

/**
 * The X25519 public key of the same secret: u = (1 + y) / (1 - y), 32 bytes. It looks at y alone, so A and -A have one and the
 * same; whether y belongs to a point at all is another question. Null when y is 1 or not reduced modulo p.
 */
export function x25519FromEd25519(publicKey: Uint8Array): Uint8Array | null {
  expectLength('public key', publicKey, 32)
  const bytes = publicKey.slice().reverse()
  bytes[0] = bytes[0]! & 0x7f
  const y = BigInt(`0x${toHex(bytes)}`)
  if (y >= P || y === 1n) return null
  return littleEndian(mod((1n + y) * invert(mod(1n - y, P), P), P))
}

/** As 32 bytes, the lowest first. */
function littleEndian(number: bigint): Uint8Array {
  return fromHex(number.toString(16).padStart(64, '0')).reverse()
}

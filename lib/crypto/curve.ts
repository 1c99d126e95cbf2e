// Questions about points on the Ed25519 curve that decide who may be an identity, and the map from an Ed25519 key to its
// X25519 key. Not signatures. docs/protocol.md section 2.

import { invert, mod } from '@noble/curves/abstract/modular.js'
import { equalBytes, fromHex, toHex } from '../bytes.ts'
import { primitives } from './choose.ts'
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

/** The multiplier, ready to use, of each provider that was asked for. */
const multipliers = new WeakMap<Primitives['x25519Pair'], X25519Pair['agree']>()

/**
 * The X25519 key of an Ed25519 public key that may be an identity, 32 bytes: these are the 32 bytes that RFC 8032 writes for a
 * point on the curve (y below p, no sign on x = 0) which is not of small order and has no torsion part. Null for any other
 * bytes of any length. About 0.1 ms natively, 1 ms otherwise: cache the answer.
 */
export function acceptableX25519Key(
  publicKey: Uint8Array,
  { x25519Pair }: Pick<Primitives, 'x25519Pair'> = primitives,
): Uint8Array | null {
  if (publicKey.length !== 32) return null
  // The two points with x = 0 are of small order, and the sign of any other x may be set or not.
  const key = x25519FromEd25519(publicKey)
  if (key === null) return null
  let multiply = multipliers.get(x25519Pair)
  if (multiply === undefined) {
    multiply = x25519Pair(TORSION_FREE).agree
    multipliers.set(x25519Pair, multiply)
  }
  const multiple = multiply(key)
  return multiple !== null && equalBytes(multiple, key) ? key : null
}

/**
 * The X25519 public key of the same secret: u = (1 + y) / (1 - y), 32 bytes. It looks at y alone, so A and -A have one and the
 * same; whether y belongs to a point at all is acceptableX25519Key's question. Null when y is 1 or not reduced modulo p.
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

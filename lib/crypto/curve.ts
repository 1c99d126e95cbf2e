// Questions about points on the Ed25519 curve that decide who may be an identity, and the map from an Ed25519 key to its
// X25519 key. Not signatures. docs/protocol.md section 2.

import { ed25519 } from '@noble/curves/ed25519.js'
import { expectLength } from './inputs.ts'

const Fp = ed25519.Point.Fp

/**
 * True when these are the 32 bytes that RFC 8032 writes for a point on the curve (y below p, no sign on x = 0) which is not
 * of small order and has no torsion part. About 0.8 ms, nearly all for the torsion: cache the answer. Any other bytes of any
 * length are false.
 */
export function isAcceptablePoint(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false
  try {
    const point = ed25519.Point.fromBytes(publicKey, false)
    // The neutral element is the one point of small order that the torsion check lets pass; asking for it first also
    // keeps the eight famous bad keys cheap.
    return !point.isSmallOrder() && point.isTorsionFree()
  } catch {
    // With the length right, decoding fails only on what is not a canonical encoding of a point.
    return false
  }
}

/**
 * The X25519 public key of the same secret: u = (1 + y) / (1 - y), 32 bytes. It looks at y alone, so A and -A have one and the
 * same; whether y belongs to a point at all is isAcceptablePoint's question. Null when y is 1 or not reduced modulo p.
 */
export function x25519FromEd25519(publicKey: Uint8Array): Uint8Array | null {
  expectLength('public key', publicKey, 32)
  const encoded = publicKey.slice()
  encoded[31] = encoded[31]! & 0x7f
  const y = Fp.fromBytes(encoded, true)
  if (!Fp.isValid(y) || Fp.eql(y, Fp.ONE)) return null
  return Fp.toBytes(Fp.mul(Fp.add(Fp.ONE, y), Fp.inv(Fp.sub(Fp.ONE, y))))
}

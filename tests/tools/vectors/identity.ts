// spec/vectors/identity.json: keys, admission, signatures. docs/protocol.md section 2.

import { ed25519 } from '@noble/curves/ed25519.js'
import { concatBytes, toHex, utf8 } from '../../../lib/bytes.ts'
import { encodeCbor } from '../../../lib/framing/cbor.ts'
import type { KeyPair } from '../../../lib/identity/key-pair.ts'
import { peerIdBytes } from '../../../lib/identity/peer-id.ts'
import { bundleParts } from './bundles.ts'
import { type Cast, SENT_AT_MS, type Vector, type VectorFile } from './fixed.ts'

const { Point } = ed25519
const ORDER: bigint = Point.Fn.ORDER
const PRIME: bigint = Point.Fp.ORDER
/** A point of order 8. */
const TORSION = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')

export function identityVectors(cast: Cast): VectorFile {
  return {
    about: 'Identities: keys from seeds, which public keys are admitted, which signatures are valid.',
    vectors: [
      keyPair('key-pair-dialer', cast.dialer),
      keyPair('key-pair-listener', cast.listener),
      keyPair('key-pair-third', cast.third),
      ...admissions(cast),
      ...signatures(cast),
      ...signed(cast),
    ],
  }
}

function keyPair(name: string, keys: KeyPair): Vector {
  return {
    name,
    kind: 'key-pair',
    seed: toHex(keys.seed),
    publicKey: toHex(keys.identity.publicKey),
    x25519PrivateKey: toHex(keys.x25519PrivateKey),
    x25519PublicKey: toHex(keys.identity.x25519Key),
    peerIdBytes: toHex(peerIdBytes(keys.identity.publicKey)),
    peerId: keys.identity.id,
  }
}

function admissions(cast: Cast): Vector[] {
  const own = Point.fromBytes(cast.dialer.identity.publicKey)
  const offCurve = littleEndian(2n, 32)
  const zeroWithSign = littleEndian(1n | (1n << 255n), 32)
  const cases: [string, Uint8Array, boolean][] = [
    ['admission-ordinary-key', own.toBytes(), true],
    ['admission-negative-of-a-key', own.negate().toBytes(), true],
    ['admission-neutral-element', Point.ZERO.toBytes(), false],
    ['admission-order-2', littleEndian(PRIME - 1n, 32), false],
    ['admission-order-4', littleEndian(0n, 32), false],
    ['admission-order-8', TORSION.toBytes(), false],
    ['admission-key-with-torsion', own.add(TORSION).toBytes(), false],
    ['admission-not-on-the-curve', offCurve, false],
    ['admission-y-above-the-prime', littleEndian(PRIME + 3n, 32), false],
    ['admission-y-equals-the-prime', littleEndian(PRIME, 32), false],
    ['admission-x-zero-with-sign', zeroWithSign, false],
  ]
  return cases.map(([name, publicKey, admitted]) => ({
    name,
    kind: 'admission',
    publicKey: toHex(publicKey),
    admitted,
  }))
}

function signatures(cast: Cast): Vector[] {
  const { signer, identity } = cast.dialer
  const message = utf8('mesh')
  const good = signer.sign(message)
  const [r, s] = [good.subarray(0, 32), good.subarray(32)]
  const neutral = Point.ZERO.toBytes()
  const vector = (name: string, signature: Uint8Array, valid: boolean, publicKey = identity.publicKey): Vector => ({
    name,
    kind: 'signature',
    publicKey: toHex(publicKey),
    message: toHex(message),
    signature: toHex(signature),
    valid,
  })
  const flipped = good.slice()
  flipped[0] = flipped[0]! ^ 1
  return [
    vector('signature-valid', good, true),
    vector('signature-flipped-bit', flipped, false),
    vector('signature-of-another-key', good, false, cast.third.identity.publicKey),
    vector('signature-s-not-reduced', concatBytes(r, littleEndian(fromLittleEndian(s) + ORDER, 32)), false),
    vector('signature-r-with-torsion', torsionSignature(cast, message), false),
    vector('signature-of-neutral-element', concatBytes(neutral, new Uint8Array(32)), false, neutral),
    vector('signature-cut-short', good.subarray(0, 63), false),
  ]
}

/** Passes a check that multiplies by the cofactor, and no other: R has a part of order 8. */
function torsionSignature(cast: Cast, message: Uint8Array): Uint8Array {
  const { identity, x25519PrivateKey } = cast.dialer
  const secret = fromLittleEndian(x25519PrivateKey)
  const nonce = 12_345n
  const r = Point.BASE.multiply(nonce).add(TORSION).toBytes()
  const k = fromLittleEndian(cast.primitives.sha512(concatBytes(r, identity.publicKey, message))) % ORDER
  return concatBytes(r, littleEndian((nonce + k * secret) % ORDER, 32))
}

function signed(cast: Cast): Vector[] {
  const { primitives, open, dialer, listener } = cast
  const bundle = bundleParts(cast, dialer, open, { messages: [{ topic: 'chat', payload: utf8('hello') }] })
  const address = Uint8Array.of(0x04, 192, 0, 2, 1, 0x06, 0x18, 0xe6)
  const record = encodeCbor([1, listener.identity.publicKey, SENT_AT_MS, [address]])
  const vector = (name: string, keys: KeyPair, domain: string, signedPart: Uint8Array): Vector => {
    const digest = primitives.sha256(signedPart)
    const message = concatBytes(utf8(domain), open.id, digest)
    return {
      name,
      kind: 'signed',
      seed: toHex(keys.seed),
      domain,
      networkId: toHex(open.id),
      signedPart: toHex(signedPart),
      digest: toHex(digest),
      message: toHex(message),
      signature: toHex(keys.signer.sign(message)),
    }
  }
  return [
    vector('signed-bundle', dialer, 'mesh/1 bundle', bundle.signedPart),
    vector('signed-node-record', listener, 'mesh/1 node', record),
  ]
}

function littleEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

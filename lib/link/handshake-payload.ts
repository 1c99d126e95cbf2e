// What message 2 and 3 of the handshake carry beside the keys: who the sender is, and what it can do. The identity is a claim
// here; whether it is one, and the sender's own, is opening.ts's question. docs/protocol.md, "Handshake and opening".

import { MeshError } from '../errors.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../framing/cbor.ts'
import { FEATURE_BYTES_MAX, FEATURES_MAX } from '../limits.ts'

/** Keys of the map; numbers are never reused. */
const Key = { identity: 1, features: 2 } as const

export interface HandshakePayload {
  /** Ed25519, 32 bytes; not checked. */
  readonly publicKey: Uint8Array
  readonly features: readonly string[]
}

export function encodeHandshakePayload({ publicKey, features }: HandshakePayload): Uint8Array {
  return encodeCbor(
    new Map<number, Uint8Array | string[]>([
      [Key.identity, publicKey],
      [Key.features, [...features]],
    ]),
  )
}

/** Unknown keys are ignored, and features may be missing. Throws MeshError `bad-cbor` or `bad-handshake`. */
export function decodeHandshakePayload(payload: Uint8Array): HandshakePayload {
  const map = decodeCbor(payload)
  if (!(map instanceof Map)) throw new MeshError('bad-handshake', 'a handshake payload that is not a map')
  const publicKey = map.get(Key.identity)
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 32) {
    throw new MeshError('bad-handshake', 'a handshake payload without an identity of 32 bytes')
  }
  return { publicKey, features: decodeFeatures(map.get(Key.features)) }
}

function decodeFeatures(value: CborValue | undefined): readonly string[] {
  if (value === undefined) return []
  const valid =
    Array.isArray(value) &&
    value.length <= FEATURES_MAX &&
    value.every((item) => typeof item === 'string' && Buffer.byteLength(item) <= FEATURE_BYTES_MAX)
  if (!valid) throw new MeshError('bad-handshake', 'features must be at most 16 texts of at most 32 bytes')
  return value as string[]
}

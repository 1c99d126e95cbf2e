// What each end tells the other first on a proven connection: the `about` frame. Not proof of anything but the node record,
// which its node signed. docs/protocol.md, "About".

import { MeshError } from '../errors.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../framing/cbor.ts'
import { ADDRESS_BYTES_MAX, AGENT_BYTES_MAX, CERTIFICATE_BYTES_MAX, NAME_BYTES_MAX } from '../limits.ts'

/** Keys of the map; numbers are never reused. */
const Key = { agent: 1, name: 2, record: 3, observed: 4, certificate: 5, keep: 6 } as const

export interface About {
  /** Program and version, for people. */
  readonly agent: string
  /** For people; not unique, not proven. */
  readonly name: string
  /** The sender's own node record (lib/identity/node-record.ts), null when it listens nowhere. */
  readonly record: Uint8Array | null
  /** The receiver's address as the sender sees it, a binary multiaddr; null when not told. */
  readonly observed: Uint8Array | null
  /** The sender dialled because its program asked for this very link: the receiver does not shed it. */
  readonly keep: boolean
}

/** The frame body. */
export function encodeAbout(about: About): Uint8Array {
  const map = new Map<number, string | number | Uint8Array>([
    [Key.agent, about.agent],
    [Key.name, about.name],
  ])
  if (about.record !== null) map.set(Key.record, about.record)
  if (about.observed !== null) map.set(Key.observed, about.observed)
  if (about.keep) map.set(Key.keep, 1)
  return encodeCbor(map)
}

/** Unknown keys are ignored, missing ones are empty. Throws MeshError `bad-cbor` or `bad-frame`. */
export function decodeAbout(body: Uint8Array): About {
  const map = decodeCbor(body)
  if (!(map instanceof Map)) throw new MeshError('bad-frame', 'an about frame that is not a map')
  const certificate = map.get(Key.certificate)
  if (certificate !== undefined) bytes(certificate, 'certificate', CERTIFICATE_BYTES_MAX)
  return {
    agent: text(map.get(Key.agent), 'agent', AGENT_BYTES_MAX),
    name: text(map.get(Key.name), 'name', NAME_BYTES_MAX),
    record: bytes(map.get(Key.record), 'node record', Number.POSITIVE_INFINITY),
    observed: bytes(map.get(Key.observed), 'observed address', ADDRESS_BYTES_MAX),
    keep: number(map.get(Key.keep), 'keep') === 1,
  }
}

function text(value: CborValue | undefined, what: string, bytesMax: number): string {
  if (value === undefined) return ''
  if (typeof value !== 'string' || Buffer.byteLength(value) > bytesMax) {
    throw new MeshError('bad-frame', `in an about frame, ${what} must be text of at most ${bytesMax} bytes`)
  }
  return value
}

function bytes(value: CborValue | undefined, what: string, bytesMax: number): Uint8Array | null {
  if (value === undefined) return null
  if (!(value instanceof Uint8Array) || value.length > bytesMax) {
    throw new MeshError('bad-frame', `in an about frame, ${what} must be bytes, at most ${bytesMax}`)
  }
  return value
}

function number(value: CborValue | undefined, what: string): number {
  if (value === undefined) return 0
  if (typeof value !== 'number') throw new MeshError('bad-frame', `in an about frame, ${what} must be a number`)
  return value
}

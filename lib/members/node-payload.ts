// The payload of a message on `$mesh/node`: what a node tells the network of itself. Bytes to values and back; who sent it is
// proven by the bundle around it, and the node record inside is checked elsewhere. docs/protocol.md section 12.4.

import { MeshError } from '../errors.ts'
import { type CborInput, type CborValue, decodeCbor, encodeCbor } from '../framing/cbor.ts'
import {
  AGENT_BYTES_MAX,
  NAME_BYTES_MAX,
  NODE_NEIGHBOURS_MAX,
  NODE_PAYLOAD_BYTES_MAX,
  NODE_RECORD_BYTES_MAX,
} from '../limits.ts'

/** The topic of every node's own retained message. */
export const NODE_TOPIC = '$mesh/node'

const PUBLIC_KEY_BYTES = 32
/** Keys of the map; numbers are never reused. */
const Key = { name: 1, agent: 2, record: 3, neighbours: 4, started: 5, neighbourCount: 6 } as const

export interface NodePayload {
  /** For people; not unique, not proven. */
  readonly name: string
  readonly agent: string
  /** The node's own record, not verified; null when it listens nowhere. */
  readonly record: Uint8Array | null
  /** Public keys (32 bytes) of its open neighbours, at most 128. */
  readonly neighbours: readonly Uint8Array[]
  /** By its own clock, Unix milliseconds. */
  readonly startedAtMs: number
  /** How many neighbours it has; more than are listed when the list is cut. */
  readonly neighbourCount: number
}

/** Throws MeshError `bad-argument` for more than 128 neighbours or what CBOR cannot hold. */
export function encodeNodePayload(node: NodePayload): Uint8Array {
  if (node.neighbours.length > NODE_NEIGHBOURS_MAX) {
    throw new MeshError('bad-argument', `a node lists at most ${NODE_NEIGHBOURS_MAX} neighbours`)
  }
  const map = new Map<number, CborInput>([
    [Key.name, node.name],
    [Key.agent, node.agent],
  ])
  if (node.record !== null) map.set(Key.record, node.record)
  map.set(Key.neighbours, node.neighbours)
  map.set(Key.started, node.startedAtMs)
  map.set(Key.neighbourCount, node.neighbourCount)
  return encodeCbor(map)
}

/**
 * Missing keys are empty, unknown ones ignored. Null for anything that is not such a map within its bounds: whoever wrote it
 * has signed it, the neighbour that passed it on could not know. Byte strings are copies.
 */
export function decodeNodePayload(payload: Uint8Array): NodePayload | null {
  if (payload.length > NODE_PAYLOAD_BYTES_MAX) return null
  const map = mapOf(payload)
  if (map === null) return null
  const name = text(map.get(Key.name), NAME_BYTES_MAX)
  const agent = text(map.get(Key.agent), AGENT_BYTES_MAX)
  const record = map.get(Key.record)
  const neighbours = map.has(Key.neighbours) ? map.get(Key.neighbours) : []
  const startedAtMs = map.has(Key.started) ? map.get(Key.started) : 0
  if (name === null || agent === null || typeof startedAtMs !== 'number') return null
  if (record !== undefined && !isBytes(record, 1, NODE_RECORD_BYTES_MAX)) return null
  if (!Array.isArray(neighbours) || neighbours.length > NODE_NEIGHBOURS_MAX) return null
  if (!neighbours.every((key) => isBytes(key, PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES))) return null
  const neighbourCount = map.has(Key.neighbourCount) ? map.get(Key.neighbourCount) : neighbours.length
  if (typeof neighbourCount !== 'number' || neighbourCount < neighbours.length) return null
  return { name, agent, record: record ?? null, neighbours: neighbours as Uint8Array[], startedAtMs, neighbourCount }
}

function mapOf(payload: Uint8Array): Map<number | string, CborValue> | null {
  try {
    const value = decodeCbor(payload)
    return value instanceof Map ? value : null
  } catch (error) {
    if (error instanceof MeshError && error.code === 'bad-cbor') return null
    throw error
  }
}

/** Null where it is no text of at most `bytesMax` bytes. */
function text(value: CborValue | undefined, bytesMax: number): string | null {
  if (value === undefined) return ''
  return typeof value === 'string' && Buffer.byteLength(value) <= bytesMax ? value : null
}

function isBytes(value: CborValue, min: number, max: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= min && value.length <= max
}

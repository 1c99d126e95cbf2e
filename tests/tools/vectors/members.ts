// spec/vectors/members.json: what nodes say of themselves on `$mesh/node`. docs/protocol.md section 12.4.

import { toHex } from '../../../lib/bytes.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { parseAddress } from '../../../lib/identity/address.ts'
import { encodeNodeRecord } from '../../../lib/identity/node-record.ts'
import { encodeNodePayload, type NodePayload } from '../../../lib/members/node-payload.ts'
import { type Cast, packed, SENT_AT_MS, type Vector, type VectorFile } from './fixed.ts'

export function memberVectors(cast: Cast): VectorFile {
  return {
    about: 'Payloads on $mesh/node: made and read; with what a later version may add; those that say nothing.',
    vectors: [...made(cast), ...read(cast), ...unread()],
  }
}

function keyOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number)
}

function vector(name: string, payload: Uint8Array, node: NodePayload): Vector {
  return {
    name,
    kind: 'node-payload',
    payload: packed(payload),
    nodeName: node.name,
    agent: node.agent,
    record: node.record === null ? null : toHex(node.record),
    neighbours: node.neighbours.map(toHex),
    startedAtMs: node.startedAtMs,
    neighbourCount: node.neighbourCount,
  }
}

function made({ dialer, listener, third, open, primitives }: Cast): Vector[] {
  const record = encodeNodeRecord(listener, open, SENT_AT_MS, [parseAddress('192.0.2.1:6374')], primitives)
  const one = (name: string, node: NodePayload): Vector => vector(name, encodeNodePayload(node), node)
  const anna: NodePayload = {
    name: 'anna',
    agent: 'meshd/0.2',
    record: null,
    neighbours: [dialer.identity.publicKey, third.identity.publicKey],
    startedAtMs: SENT_AT_MS,
    neighbourCount: 2,
  }
  const many = Array.from({ length: 128 }, (_, i) => keyOf(i))
  return [
    one('node-payload', anna),
    one('node-payload-with-record', { ...anna, record }),
    one('node-payload-of-a-full-house', { ...anna, neighbours: many, neighbourCount: 300 }),
  ]
}

const EMPTY_NODE: NodePayload = {
  name: '',
  agent: '',
  record: null,
  neighbours: [],
  startedAtMs: 0,
  neighbourCount: 0,
}

function map(...entries: [number, CborInput][]): Uint8Array {
  return encodeCbor(new Map(entries))
}

function read({ dialer }: Cast): Vector[] {
  const key = dialer.identity.publicKey
  return [
    vector('node-payload-empty-map', map(), EMPTY_NODE),
    vector('node-payload-of-a-later-version', map([1, 'zoë'], [77, ['new']]), { ...EMPTY_NODE, name: 'zoë' }),
    vector('node-payload-without-count', map([4, [key]]), { ...EMPTY_NODE, neighbours: [key], neighbourCount: 1 }),
  ]
}

/** These leave what is known of the node as it was. */
function unread(): Vector[] {
  const cases: [string, Uint8Array][] = [
    ['array', encodeCbor(['anna'])],
    ['name-of-65-bytes', map([1, 'a'.repeat(65)])],
    ['name-as-bytes', map([1, keyOf(1)])],
    ['record-of-2561-bytes', map([3, new Uint8Array(2_561)])],
    ['record-null', map([3, null])],
    ['neighbour-of-31-bytes', map([4, [keyOf(1).subarray(1)]])],
    ['neighbours-129', map([4, Array.from({ length: 129 }, (_, i) => keyOf(i))])],
    ['count-below-the-list', map([4, [keyOf(1), keyOf(2)]], [6, 1])],
    ['byte-too-many', Uint8Array.of(0xa0, 0)],
    ['longer-than-8192-bytes', map([9, new Uint8Array(8_189)])],
  ]
  return cases.map(([name, payload]) => ({
    name: `node-payload-unread-${name}`,
    kind: 'node-payload-unread',
    payload: packed(payload),
    read: false,
  }))
}

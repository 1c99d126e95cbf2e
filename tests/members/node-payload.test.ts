import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { decodeNodePayload, encodeNodePayload, type NodePayload } from '../../lib/members/node-payload.ts'
import { seeded } from '../crypto/seeded.ts'

const key = (number: number): Uint8Array => new Uint8Array(32).fill(number)

const NODE: NodePayload = {
  name: 'anna',
  agent: 'meshd/0.1',
  record: Uint8Array.of(1, 2, 3),
  neighbours: [key(7), key(8)],
  startedAtMs: 1_800_000_000_000,
  neighbourCount: 2,
}
const HEX =
  'a60164616e6e6102696d657368642f302e310343010203' +
  `0482${`5820${'07'.repeat(32)}`}${`5820${'08'.repeat(32)}`}` +
  '051b000001a3185c50000602'

function entries(...given: [number, CborInput][]): NodePayload | null {
  return decodeNodePayload(encodeCbor(new Map(given)))
}

test('a payload is the map of the protocol document', () => {
  assert.equal(toHex(encodeNodePayload(NODE)), HEX)
  assert.deepEqual(decodeNodePayload(fromHex(HEX)), NODE)
})

test('a node without a listener has no record', () => {
  const hidden = { ...NODE, record: null }
  assert.deepEqual(decodeNodePayload(encodeNodePayload(hidden)), hidden)
})

test('missing keys are empty and unknown ones ignored', () => {
  const empty = { name: '', agent: '', record: null, neighbours: [], startedAtMs: 0, neighbourCount: 0 }
  assert.deepEqual(decodeNodePayload(fromHex('a0')), empty)
  assert.deepEqual(entries([9, [1, ['later']]]), empty)
  assert.equal(entries([4, [key(1)]])?.neighbourCount, 1)
})

test('each bound holds at its value and not one further', () => {
  assert.ok(entries([1, 'a'.repeat(64)], [2, 'b'.repeat(64)]))
  assert.equal(entries([1, '☕'.repeat(22)]), null)
  assert.equal(entries([2, 'a'.repeat(65)]), null)
  assert.ok(entries([3, new Uint8Array(2_560)]))
  assert.equal(entries([3, new Uint8Array(2_561)]), null)
  assert.equal(entries([3, new Uint8Array(0)]), null)
  const many = Array.from({ length: 128 }, (_, i) => key(i))
  assert.equal(entries([4, many])?.neighbours.length, 128)
  assert.equal(entries([4, [...many, key(200)]]), null)
  assert.throws(() => encodeNodePayload({ ...NODE, neighbours: [...many, key(200)] }), { code: 'bad-argument' })
  for (const length of [31, 33]) assert.equal(entries([4, [new Uint8Array(length)]]), null)
})

test('the longest payload fits its bound, and what is longer is not read', () => {
  const longest = encodeNodePayload({
    name: 'n'.repeat(64),
    agent: 'a'.repeat(64),
    record: new Uint8Array(2_560),
    neighbours: Array.from({ length: 128 }, (_, i) => key(i)),
    startedAtMs: Number.MAX_SAFE_INTEGER,
    neighbourCount: 4_096,
  })
  assert.ok(decodeNodePayload(longest))
  assert.ok(entries([9, new Uint8Array(8_192 - 5)]))
  assert.equal(entries([9, new Uint8Array(8_192 - 4)]), null)
})

test('a list that is longer than the number of neighbours is nothing', () => {
  assert.equal(entries([4, [key(1), key(2)]], [6, 1]), null)
  assert.equal(entries([4, [key(1)]], [6, 9])?.neighbourCount, 9)
})

test('values of another kind are nothing', () => {
  for (const of of [1, 2]) assert.equal(entries([of, key(1)]), null)
  for (const of of [3, 4]) assert.equal(entries([of, 'text']), null)
  for (const of of [5, 6]) assert.equal(entries([of, 'text']), null)
  for (const of of [1, 2, 3, 4, 5, 6]) assert.equal(entries([of, null]), null)
  assert.equal(entries([4, ['text']]), null)
  for (const hex of ['80', '00', '60', 'f6', '']) assert.equal(decodeNodePayload(fromHex(hex)), null)
})

test('every truncation is nothing, and random bytes give a payload or nothing', () => {
  const whole = fromHex(HEX)
  for (let length = 0; length < whole.length; length++) assert.equal(decodeNodePayload(whole.subarray(0, length)), null)
  const random = seeded(11)
  for (let run = 0; run < 3_000; run++) {
    const bytes = run % 2 === 0 ? random.bytes(random.below(80)) : whole.slice()
    if (run % 2 === 1) bytes[random.below(bytes.length)] = random.below(256)
    decodeNodePayload(bytes)
  }
})

test('what is read does not hold on to the bytes that it came in', () => {
  const bytes = encodeNodePayload(NODE)
  const node = decodeNodePayload(bytes)!
  bytes.fill(0)
  assert.deepEqual(node, NODE)
})

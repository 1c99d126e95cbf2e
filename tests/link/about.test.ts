import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { decodeAbout, encodeAbout } from '../../lib/link/about.ts'
import { seeded } from '../crypto/seeded.ts'

const refused = (error: unknown): boolean => error instanceof MeshError && error.fault === 'remote'

function decodeEntries(...entries: [number, CborInput][]): ReturnType<typeof decodeAbout> {
  return decodeAbout(encodeCbor(new Map(entries)))
}

test('an about is the map of the protocol document', () => {
  const about = { agent: 'meshd/0.1', name: 'anna', record: null, observed: null, keep: false }
  assert.equal(toHex(encodeAbout(about)), 'a201696d657368642f302e310264616e6e61')
  assert.deepEqual(decodeAbout(fromHex('a201696d657368642f302e310264616e6e61')), about)
})

test('record and observed address come through', () => {
  const about = {
    agent: '',
    name: '',
    record: Uint8Array.of(1, 2),
    observed: Uint8Array.of(4, 127, 0, 0, 1),
    keep: false,
  }
  assert.equal(toHex(encodeAbout(about)), 'a401600260034201020445047f000001')
  assert.deepEqual(decodeAbout(encodeAbout(about)), about)
})

test('missing keys are empty and unknown ones ignored, whatever their value', () => {
  assert.deepEqual(decodeAbout(fromHex('a0')), { agent: '', name: '', record: null, observed: null, keep: false })
  assert.deepEqual(decodeEntries([9, [1, 2]], [2, 'x']), {
    agent: '',
    name: 'x',
    record: null,
    observed: null,
    keep: false,
  })
})

test('a link that the program asked for is marked with 1, and any other number marks nothing', () => {
  const about = { agent: '', name: '', record: null, observed: null, keep: true }
  assert.equal(toHex(encodeAbout(about)), 'a3016002600601')
  assert.deepEqual(decodeAbout(fromHex('a3016002600601')), about)
  for (const other of [0, 2, 1_000_000]) assert.equal(decodeEntries([6, other]).keep, false)
})

test('each bound holds at its value and not one further', () => {
  assert.equal(decodeEntries([1, 'a'.repeat(64)]).agent.length, 64)
  assert.equal(decodeEntries([2, '☕'.repeat(21)]).name.length, 21)
  assert.equal(decodeEntries([4, new Uint8Array(256)]).observed?.length, 256)
  decodeEntries([5, new Uint8Array(2_048)])
  assert.throws(() => decodeEntries([1, 'a'.repeat(65)]), refused)
  assert.throws(() => decodeEntries([2, '☕'.repeat(22)]), refused)
  assert.throws(() => decodeEntries([4, new Uint8Array(257)]), refused)
  assert.throws(() => decodeEntries([5, new Uint8Array(2_049)]), refused)
})

test('values of another kind are refused', () => {
  for (const key of [1, 2]) assert.throws(() => decodeEntries([key, Uint8Array.of(1)]), refused)
  for (const key of [3, 4, 5]) assert.throws(() => decodeEntries([key, 'text']), refused)
  for (const key of [1, 2, 3, 4, 5]) assert.throws(() => decodeEntries([key, 7]), refused)
  for (const other of ['1', true, null, [1]]) assert.throws(() => decodeEntries([6, other]), refused)
  for (const hex of ['80', '00', '60', 'f6']) assert.throws(() => decodeAbout(fromHex(hex)), refused)
})

test('every truncation is refused, and random bytes give an about or a remote fault', () => {
  const whole = encodeAbout({
    agent: 'a',
    name: 'b',
    record: new Uint8Array(100),
    observed: new Uint8Array(8),
    keep: true,
  })
  for (let length = 0; length < whole.length; length++)
    assert.throws(() => decodeAbout(whole.subarray(0, length)), refused)
  const random = seeded(41)
  for (let run = 0; run < 2_000; run++) {
    const bytes = random.bytes(random.below(60))
    if (bytes.length > 0 && run % 2 === 0) bytes[0] = 0xa0 + (bytes[0]! % 4)
    try {
      decodeAbout(bytes)
    } catch (error) {
      if (!refused(error)) throw error
    }
  }
})

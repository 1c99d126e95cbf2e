import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../lib/bytes.ts'
import {
  currentValue,
  type DiskRecord,
  EMPTY_STATE,
  numberValue,
  offsetValue,
  rangesValue,
  readCurrent,
  readNumberValue,
  readOffsetValue,
  readRanges,
  readRecord,
  readState,
  recordValue,
  stateValue,
} from '../../lib/store/layout.ts'
import { chance } from '../virtual/chance.ts'
import { originKeyOf, originOf } from './bundles.ts'

const record: DiskRecord = {
  originKey: originKeyOf(200),
  epoch: 2 ** 50,
  first: 2 ** 53 - 1_024,
  count: 1_024,
  arrivedMs: 1_800_000_000_000,
  ageMs: 77,
  hops: 255,
  timeToLiveS: 604_800,
  sealedBytes: 1_114_112,
  lookMs: 1_800_000_000_500,
  wasCurrent: true,
}
const NETWORK = new Uint8Array(32).fill(3)

test('values have the bytes that they are to have', () => {
  const small = { ...record, epoch: 1, first: 2, count: 3, arrivedMs: 4, ageMs: 5, lookMs: 6, hops: 7 }
  assert.equal(
    toHex(recordValue({ ...small, timeToLiveS: 8, sealedBytes: 9 }, 6, true)),
    '0000000000000004000000000000000500000000000000060000000000000001000000000000000200000009000000080003' +
      `0701${toHex(originOf(200))}`,
  )
  assert.equal(toHex(rangesValue(1, 0, [3, 5, 200, 200])), '000000000000000103' + '02' + 'c301' + '00')
  assert.equal(toHex(rangesValue(2, 258, [3, 5])), '0102' + '000000000002' + '0302')
  assert.equal(toHex(offsetValue({ arrival: 5, index: 6 })), '00000000000000050000000000000006')
  assert.equal(
    toHex(currentValue({ arrival: 1, epoch: 2, sequence: 3, bytes: 4, isRemoval: true })),
    '0000000000000001000000000000000200000000000000030000000401',
  )
  assert.equal(toHex(numberValue(258)), '0000000000000102')
  assert.equal(
    toHex(stateValue(EMPTY_STATE, NETWORK)).slice(0, 8 + 64 + 16),
    `00000002${'03'.repeat(32)}0000000000000001`,
  )
})

test('what was written is what is read, at the borders too', () => {
  assert.deepEqual(readRecord(recordValue(record, record.lookMs, true)), record)
  const endless = readRecord(recordValue({ ...record, timeToLiveS: 2 ** 40 }, 0, false))!
  assert.equal(endless.timeToLiveS, 2 ** 32 - 1)
  for (const ranges of [[], [0, 0], [0, 2 ** 53 - 1], [1, 1, 3, 3, 2 ** 52, 2 ** 53 - 1]]) {
    assert.deepEqual(readRanges(rangesValue(9, 0, ranges)), { stamp: 9, below: 0, ranges })
    const stamp = 2 ** 48 - 1
    assert.deepEqual(readRanges(rangesValue(stamp, 65_535, ranges)), { stamp, below: 65_535, ranges })
  }
  const state = { ...EMPTY_STATE, nextArrival: 2 ** 53 - 1, bytes: 5, unixMs: 1_800_000_000_000 }
  assert.deepEqual(readState(stateValue(state, NETWORK), NETWORK), state)
})

test('cut short or with something behind it, a value is none', () => {
  const network = stateValue(EMPTY_STATE, NETWORK)
  const readers: [Uint8Array, (value: Uint8Array) => unknown][] = [
    [recordValue(record, 0, false), readRecord],
    [currentValue({ arrival: 1, epoch: 2, sequence: 3, bytes: 4, isRemoval: false }), readCurrent],
    [offsetValue({ arrival: 1, index: 2 }), readOffsetValue],
    [numberValue(3), readNumberValue],
    [network, (value) => readState(value, NETWORK)],
  ]
  for (const [value, read] of readers) {
    assert.notEqual(read(value), null)
    for (let length = 0; length < value.length; length++) assert.equal(read(value.subarray(0, length)), null)
    assert.equal(read(new Uint8Array([...value, 0])), null)
  }
  assert.equal(readRecord(null), null)
  assert.equal(readRanges(null), null)
})

test('ranges that end in the middle are none', () => {
  const value = rangesValue(1, 0, [300, 400, 1_000, 2_000])
  const whole = new Set([8, 8 + 3, value.length])
  for (let length = 0; length <= value.length; length++) {
    assert.equal(readRanges(value.subarray(0, length)) !== null, whole.has(length), `${length} bytes`)
  }
})

test('another network and another version are told apart', () => {
  const value = stateValue(EMPTY_STATE, NETWORK)
  assert.equal(readState(value, new Uint8Array(32)), null)
  value[3] = 3
  assert.equal(readState(value, NETWORK), null)
  value[3] = 0
  assert.equal(readState(value, NETWORK), null)
})

test('the version before is read too', () => {
  const value = stateValue({ ...EMPTY_STATE, bundles: 7 }, NETWORK)
  value[3] = 1
  assert.equal(readState(value, NETWORK)?.bundles, 7)
})

test('random bytes are read as something or nothing, and never throw but for numbers past 2^53', () => {
  const random = chance(2)
  for (let i = 0; i < 3_000; i++) {
    const bytes = random.bytes(random.below(120))
    readRecord(bytes)
    readCurrent(bytes)
    readState(bytes, NETWORK)
    try {
      readRanges(bytes)
    } catch (error) {
      assert.equal((error as { code: string }).code, 'bad-frame')
    }
  }
})

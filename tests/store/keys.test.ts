import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareBytes, toHex, utf8 } from '../../lib/bytes.ts'
import {
  currentPlace,
  expiryKey,
  numberKey,
  prefixRange,
  readNumber,
  readUint32,
  runBytes,
  runKey,
  Table,
  takenKey,
  textKey,
  writeNumber,
} from '../../lib/store/keys.ts'
import { chance } from '../virtual/chance.ts'
import { originKeyOf, originOf } from './bundles.ts'

const BORDERS = [0, 1, 255, 256, 65_535, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, 2 ** 53 - 1]

test('numbers are 8 bytes big-endian, up to 2^53 - 1', () => {
  const bytes = new Uint8Array(10).fill(0xaa)
  writeNumber(bytes, 1, 0x01_0203_0405_0607)
  assert.equal(toHex(bytes), 'aa0001020304050607aa')
  assert.equal(readUint32(bytes, 1), 0x00010203)
  for (const number of BORDERS) {
    writeNumber(bytes, 1, number)
    assert.equal(readNumber(bytes, 1), number)
  }
})

test('keys ascend as their numbers do', () => {
  const random = chance(1)
  const numbers = [...BORDERS, ...Array.from({ length: 200 }, () => random.below(2 ** 32) * (1 + random.below(1_000)))]
  numbers.sort((a, b) => a - b)
  const run = runBytes(originKeyOf(1), 5)
  for (let i = 1; i < numbers.length; i++) {
    const [a, b] = [numbers[i - 1]!, numbers[i]!]
    if (a === b) continue
    assert.ok(compareBytes(numberKey(Table.record, a), numberKey(Table.record, b)) < 0)
    assert.ok(compareBytes(expiryKey(a, 9), expiryKey(b, 1)) < 0)
    assert.ok(compareBytes(runKey(Table.sequence, run, a), runKey(Table.sequence, run, b)) < 0)
    assert.ok(compareBytes(runBytes(originKeyOf(1), a), runBytes(originKeyOf(1), b)) < 0)
  }
})

test('each key is its table’s byte and its fields', () => {
  const origin = toHex(originOf(7))
  const run = runBytes(originKeyOf(7), 258)
  assert.equal(toHex(run), `${origin}0000000000000102`)
  assert.equal(toHex(numberKey(Table.body, 513)), '030000000000000201')
  assert.equal(toHex(expiryKey(2, 3)), '0500000000000000020000000000000003')
  assert.equal(toHex(takenKey(run)), `06${toHex(run)}`)
  assert.equal(toHex(runKey(Table.held, run, 1)), `07${toHex(run)}0000000000000001`)
  assert.equal(toHex(runKey(Table.takenLeaf, run, 2)), `0b${toHex(run)}0000000000000002`)
  assert.equal(toHex(runKey(Table.heldLeaf, run, 3)), `0c${toHex(run)}0000000000000003`)
  const place = currentPlace(originKeyOf(7), utf8('a/é'))
  assert.equal(toHex(textKey(Table.current, place)), `08${origin}612fc3a9`)
  assert.equal(toHex(textKey(Table.offset, utf8('n'))), '0a6e')
})

test('the longest topic and the longest name make keys that a database takes', () => {
  assert.ok(textKey(Table.current, currentPlace(originKeyOf(1), new Uint8Array(255))).length <= 512)
})

test('a prefix covers what begins with it and nothing else', () => {
  const within = (prefix: readonly number[], key: readonly number[]): boolean => {
    const [from, to] = prefixRange(Table.taken, Uint8Array.from(prefix))
    const bytes = Uint8Array.from([Table.taken, ...key])
    return compareBytes(from, bytes) <= 0 && compareBytes(bytes, to) < 0
  }
  assert.ok(within([], []) && within([], [255, 255]) && within([1], [1, 255]) && within([255], [255, 255, 255]))
  assert.ok(within([3, 255], [3, 255, 0]))
  assert.ok(!within([1], [2]) && !within([1], [0, 255]) && !within([3, 255], [4]) && !within([3, 255], [3, 254, 255]))
  const [, end] = prefixRange(Table.taken, Uint8Array.of(255, 255))
  assert.equal(toHex(end), '07')
})

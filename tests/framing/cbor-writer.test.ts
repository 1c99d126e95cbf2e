import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../lib/bytes.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { headLength, writeHead } from '../../lib/framing/cbor-writer.ts'
import { SEEDED, wholeNumber } from './arbitrary.ts'

function headOf(major: number, value: number): string {
  const out = new Uint8Array(12).fill(0xee)
  const next = writeHead(out, 2, major, value)
  assert.equal(next, 2 + headLength(value))
  assert.equal(toHex(out.subarray(0, 2)) + toHex(out.subarray(next)), 'ee'.repeat(12 - headLength(value)))
  return toHex(out.subarray(2, next))
}

test('heads are in their shortest form at every border', () => {
  assert.equal(headOf(0, 0), '00')
  assert.equal(headOf(0, 23), '17')
  assert.equal(headOf(0, 24), '1818')
  assert.equal(headOf(2, 255), '58ff')
  assert.equal(headOf(2, 256), '590100')
  assert.equal(headOf(3, 65_535), '79ffff')
  assert.equal(headOf(4, 65_536), '9a00010000')
  assert.equal(headOf(5, 2 ** 32 - 1), 'baffffffff')
  assert.equal(headOf(0, 2 ** 32), '1b0000000100000000')
  assert.equal(headOf(0, 2 ** 53 - 1), '1b001fffffffffffff')
  assert.equal(headOf(7, 22), 'f6')
})

test('heads of numbers are those that the encoder writes', () => {
  fc.assert(
    fc.property(wholeNumber, (value) => assert.equal(headOf(0, value), toHex(encodeCbor(value)))),
    SEEDED,
  )
})

test('what is no whole number up to 2^53 - 1 has no head', () => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => writeHead(new Uint8Array(9), 0, 0, value), RangeError)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { readVarint, VARINT_BYTES_MAX, varintLength, writeVarint } from '../../lib/framing/varint.ts'
import { SEEDED, wholeNumber } from './arbitrary.ts'

const known: readonly [number, string][] = [
  [0, '00'],
  [1, '01'],
  [127, '7f'],
  [128, '8001'],
  [255, 'ff01'],
  [300, 'ac02'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [2 ** 28 - 1, 'ffffff7f'],
  [2 ** 28, '8080808001'],
  [2 ** 31, '8080808008'],
  [2 ** 32, '8080808010'],
  [2 ** 49 - 1, 'ffffffffffff7f'],
  [2 ** 49, '8080808080808001'],
  [2 ** 53 - 1, 'ffffffffffffff0f'],
]

function encode(value: number): Uint8Array {
  const out = new Uint8Array(varintLength(value))
  assert.equal(writeVarint(out, 0, value), out.length)
  return out
}

test('numbers have the encodings that are written here, both ways', () => {
  for (const [value, hex] of known) {
    assert.equal(toHex(encode(value)), hex)
    const bytes = fromHex(`ee${hex}ee`)
    assert.deepEqual(readVarint(bytes, 1, bytes.length), { value, next: 1 + hex.length / 2 })
  }
})

test('every number comes back, and every truncation waits for more', () => {
  fc.assert(
    fc.property(wholeNumber, (value) => {
      const bytes = encode(value)
      assert.ok(bytes.length <= VARINT_BYTES_MAX)
      assert.deepEqual(readVarint(bytes, 0, bytes.length), { value, next: bytes.length })
      for (let end = 0; end < bytes.length; end++) assert.equal(readVarint(bytes, 0, end), null)
    }),
    SEEDED,
  )
})

test('a varint that is not in its shortest form is refused', () => {
  for (const hex of ['8000', '808000', 'ff00', 'ffffffffffffff00']) {
    assert.throws(() => readVarint(fromHex(hex), 0, hex.length / 2), { code: 'bad-frame', message: /shortest/ })
  }
})

test('a varint above 2^53 - 1 is refused as soon as that is certain', () => {
  for (const hex of ['8080808080808010', '8080808080808080', 'ffffffffffffff8f', 'ffffffffffffffff01']) {
    assert.throws(() => readVarint(fromHex(hex), 0, hex.length / 2), { code: 'bad-frame', message: /2\^53/ })
  }
})

test('what is no whole number up to 2^53 - 1 is not written', () => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) {
    assert.throws(() => writeVarint(new Uint8Array(10), 0, value), RangeError)
  }
})

test('random bytes give a number in its one encoding, null or bad-frame', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      try {
        const read = readVarint(bytes, 0, bytes.length)
        if (read !== null) assert.equal(toHex(encode(read.value)), toHex(bytes.subarray(0, read.next)))
        else assert.ok(bytes.length < VARINT_BYTES_MAX)
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'bad-frame', String(error))
      }
    }),
    { ...SEEDED, numRuns: 5_000 },
  )
})

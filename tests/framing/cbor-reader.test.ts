import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from 'cbor-x'
import fc from 'fast-check'
import { concatBytes, fromHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { checkCbor } from '../../lib/framing/cbor-check.ts'
import { CborReader } from '../../lib/framing/cbor-reader.ts'
import { bytes, cborValue, SEEDED, text, wholeNumber } from './arbitrary.ts'

const other = new Decoder({ useRecords: false, mapsAsObjects: false, int64AsNumber: true, copyBuffers: true } as object)

type Row = [number, Uint8Array, string, [number, Uint8Array][]]

const row: fc.Arbitrary<Row> = fc.tuple(
  wholeNumber,
  bytes,
  text,
  fc.array(fc.tuple(wholeNumber, bytes), { maxLength: 40 }),
)

function readRow(given: Uint8Array): Row {
  const reader = new CborReader(given)
  assert.equal(reader.array(), 4)
  const first = reader.uint()
  const second = reader.bytes(300).slice()
  const third = reader.text(4_000)
  const inner: [number, Uint8Array][] = []
  for (let left = reader.array(); left > 0; left--) {
    assert.equal(reader.array(2), 2)
    inner.push([reader.uint(), reader.bytes(300).slice()])
  }
  reader.finish()
  return [first, second, third, inner]
}

test('the reader and cbor-x agree on random arrays', () => {
  fc.assert(
    fc.property(row, (value) => {
      const encoded = encodeCbor(value)
      const fast = readRow(encoded)
      assert.deepEqual(fast, value)
      assert.deepEqual(fast, other.decode(encoded.slice()))
    }),
    SEEDED,
  )
})

test('what the reader takes to the end has passed the checker, and damage is bad-cbor for both', () => {
  fc.assert(
    fc.property(row, fc.nat(), fc.nat(255), (value, at, byte) => {
      const damaged = encodeCbor(value)
      damaged[at % damaged.length] = byte
      let read = false
      try {
        readRow(damaged)
        read = true
      } catch (error) {
        const wrongCount = error instanceof assert.AssertionError
        assert.ok(wrongCount || (error instanceof MeshError && error.code === 'bad-cbor'), String(error))
      }
      if (read) checkCbor(damaged)
    }),
    { ...SEEDED, numRuns: 2_000 },
  )
})

test('it reads a part of an array of bytes, and byte strings are not copied', () => {
  const source = fromHex('ffff8243aabbcc05ffff')
  const reader = new CborReader(source, 2, 8)
  assert.equal(reader.array(), 2)
  const part = reader.bytes(3)
  assert.equal(part.buffer, source.buffer)
  assert.deepEqual(part, fromHex('aabbcc'))
  assert.equal(reader.at, 7)
  assert.equal(reader.uint(), 5)
  reader.finish()
})

const refused: readonly [what: string, hex: string, read: (reader: CborReader) => unknown][] = [
  ['a number where an array should be', '01', (reader) => reader.array()],
  ['an array where a number should be', '80', (reader) => reader.uint()],
  ['a text where bytes should be', '6161', (reader) => reader.bytes(9)],
  ['bytes where a text should be', '4161', (reader) => reader.text(9)],
  ['a tag', 'c100', (reader) => reader.uint()],
  ['a float', 'f90000', (reader) => reader.uint()],
  ['a negative number', '20', (reader) => reader.uint()],
  ['an indefinite array', '9fff', (reader) => reader.array()],
  ['an indefinite byte string', '5fff', (reader) => reader.bytes(9)],
  ['a reserved head', '1c', (reader) => reader.uint()],
  ['a number not in its shortest form', '1817', (reader) => reader.uint()],
  ['a length not in its shortest form', '580100', (reader) => reader.bytes(9)],
  ['a count not in its shortest form', '980100', (reader) => reader.array()],
  ['a number above 2^53 - 1', '1b0020000000000000', (reader) => reader.uint()],
  ['text that is not UTF-8', '62c328', (reader) => reader.text(9)],
  ['a count beyond the bytes left', '830000', (reader) => reader.array()],
  ['an array with too few elements', '8100', (reader) => reader.array(2)],
  ['a length beyond the bytes left', '430000', (reader) => reader.bytes(9)],
  ['a text beyond the bytes left', '636161', (reader) => reader.text(9)],
  ['nothing at all', '', (reader) => reader.uint()],
  ['half a head', '19ff', (reader) => reader.uint()],
  ['a tag to skip', 'c100', (reader) => reader.skip()],
  ['trailing bytes', '00', (reader) => reader.finish()],
]

for (const [what, hex, read] of refused) {
  test(`it refuses ${what}`, () => {
    assert.throws(() => read(new CborReader(fromHex(hex))), { code: 'bad-cbor', fault: 'remote' })
  })
}

test('bounds hold at max and max + 1', () => {
  assert.equal(new CborReader(fromHex('1819')).uint(25), 25)
  assert.throws(() => new CborReader(fromHex('1819')).uint(24), { code: 'bad-cbor' })
  assert.equal(new CborReader(fromHex('420000')).bytes(2).length, 2)
  assert.throws(() => new CborReader(fromHex('420000')).bytes(1), { code: 'bad-cbor' })
  assert.equal(new CborReader(fromHex('62c3bc')).text(2), 'ü')
  assert.throws(() => new CborReader(fromHex('62c3bc')).text(1), { code: 'bad-cbor' })
  assert.equal(new CborReader(fromHex('820000')).array(2), 2)
  assert.throws(() => new CborReader(fromHex('820000')).array(3), { code: 'bad-cbor' })
})

test('nothing behind the end is read', () => {
  const whole = encodeCbor([2 ** 40, new Uint8Array(30), 'some text', []])
  for (let end = 0; end < whole.length; end++) {
    const reader = new CborReader(concatBytes(whole, whole), 0, end)
    assert.throws(
      () => {
        reader.array()
        reader.uint()
        reader.bytes(30)
        reader.text(30)
        reader.array()
        reader.finish()
      },
      { code: 'bad-cbor' },
      `end ${end}`,
    )
  }
})

test('skip moves behind any allowed item', () => {
  fc.assert(
    fc.property(cborValue, (value) => {
      const encoded = encodeCbor(value)
      const reader = new CborReader(concatBytes(encoded, fromHex('05')))
      reader.skip(0)
      assert.equal(reader.at, encoded.length)
      assert.equal(reader.uint(), 5)
      reader.finish()
    }),
    SEEDED,
  )
})

test('skip counts the arrays that it lies in', () => {
  const fiveDeep = fromHex('8181818180')
  new CborReader(fiveDeep).skip(1)
  assert.throws(() => new CborReader(fiveDeep).skip(2), { code: 'bad-cbor' })
})

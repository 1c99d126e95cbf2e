import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from 'cbor-x'
import fc from 'fast-check'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { type CborInput, decodeCbor, encodeCbor } from '../../lib/framing/cbor.ts'
import { checkCbor } from '../../lib/framing/cbor-check.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'
import { cborValue, SEEDED } from './arbitrary.ts'

const EXAMPLES = 'cbor-rfc8949-appendix-a.json'
const other = new Decoder({ useRecords: false, mapsAsObjects: false, int64AsNumber: true, copyBuffers: true } as object)

const known: readonly [CborInput, string][] = [
  [0, '00'],
  [24, '1818'],
  [65_536, '1a00010000'],
  [2 ** 32 - 1, '1affffffff'],
  [2 ** 32, '1b0000000100000000'],
  [2 ** 53 - 1, '1b001fffffffffffff'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  ['', '60'],
  ['mesh', '646d657368'],
  ['水', '63e6b0b4'],
  [new Uint8Array([1, 2, 3]), '43010203'],
  [[], '80'],
  [[1, [2, '3'], null], '830182026133f6'],
  [
    new Map<number, CborInput>([
      [2, 'b'],
      [1, new Uint8Array([0xff])],
    ]),
    'a20261620141ff',
  ],
  [new Map([['key', 1]]), 'a1636b657901'],
]

test('values have the encodings that are written here, both ways', () => {
  for (const [value, hex] of known) {
    assert.equal(toHex(encodeCbor(value)), hex)
    assert.deepEqual(decodeCbor(fromHex(hex)), value)
  }
})

test('what is encoded passes the checker and decodes to the same value', () => {
  fc.assert(
    fc.property(cborValue, (value) => {
      const bytes = encodeCbor(value)
      checkCbor(bytes)
      assert.deepEqual(decodeCbor(bytes), value)
    }),
    SEEDED,
  )
})

test('it decodes as cbor-x with its native part does', () => {
  fc.assert(
    fc.property(cborValue, (value) => {
      const bytes = encodeCbor(value)
      assert.deepEqual(decodeCbor(bytes), other.decode(bytes.slice()))
    }),
    SEEDED,
  )
})

test('allowed items of RFC 8949 appendix A have one encoding: the one they came in', {
  skip: skipWithout(EXAMPLES),
}, () => {
  const { vectors } = outsideVectors(EXAMPLES) as { vectors: { hex: string }[] }
  let tried = 0
  for (const { hex } of vectors) {
    try {
      checkCbor(fromHex(hex))
    } catch {
      continue
    }
    assert.equal(toHex(encodeCbor(decodeCbor(fromHex(hex)))), hex)
    tried++
  }
  assert.equal(tried, 31)
})

test('text keeps a leading U+FEFF, whatever its length', () => {
  for (const length of [0, 1, 20, 60, 61, 62, 63, 64, 65, 300]) {
    const text = `\uFEFF${'a'.repeat(length)}`
    assert.equal(decodeCbor(encodeCbor(text)), text)
  }
})

test('text of every length keeps its shortest head', () => {
  for (const unit of ['a', 'ü', '水', '😀']) {
    for (const length of [
      0, 5, 7, 8, 11, 12, 23, 24, 31, 32, 63, 64, 85, 86, 127, 128, 255, 256, 21_845, 21_846, 65_536,
    ]) {
      const text = unit.repeat(length)
      assert.equal(decodeCbor(encodeCbor(text)), text)
    }
  }
})

test('negative integers decode where they are allowed', () => {
  assert.equal(decodeCbor(fromHex('20'), { negative: true }), -1)
  assert.equal(decodeCbor(fromHex('3b001ffffffffffffe'), { negative: true }), -(2 ** 53 - 1))
  assert.throws(() => decodeCbor(fromHex('20')), { code: 'bad-cbor' })
})

test('a decoded byte string is a plain array of its own, from a Buffer too', () => {
  const bytes = Buffer.from('43010203', 'hex')
  const decoded = decodeCbor(bytes) as Uint8Array
  assert.equal(Object.getPrototypeOf(decoded), Uint8Array.prototype)
  bytes.fill(0)
  assert.deepEqual(decoded, new Uint8Array([1, 2, 3]))
})

test('an encoding is a plain array of exactly its own bytes', () => {
  const first = encodeCbor([1, 2])
  const second = encodeCbor([3, 4])
  assert.equal(Object.getPrototypeOf(first), Uint8Array.prototype)
  assert.equal(first.buffer.byteLength, first.length)
  assert.equal(toHex(first), '820102')
  assert.equal(toHex(second), '820304')
})

test('a Buffer is encoded as a byte string without a tag, and nothing is left on the input', () => {
  const bytes = encodeCbor([Buffer.from([1])])
  assert.equal(toHex(bytes), '814101')
  decodeCbor(bytes)
  assert.deepEqual(Object.keys(bytes), ['0', '1', '2'])
})

test('what the wire has no form for is a bad argument', () => {
  let deep: CborInput = 0
  for (let i = 0; i < 6; i++) deep = [deep]
  assert.doesNotThrow(() => encodeCbor(deep))
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const wrong: readonly unknown[] = [
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    1n,
    undefined,
    [undefined],
    {},
    new Date(0),
    new Set([1]),
    new Uint16Array(1),
    new ArrayBuffer(1),
    () => 0,
    Symbol('s'),
    '\ud800',
    'a\udc00b',
    new Map([[-1, 0]]),
    new Map([[null, 0]]),
    new Map([[true, 0]]),
    new Map(Array.from({ length: 65 }, (_, i) => [i, 0])),
    [deep],
    cyclic,
    new Array(65_536).fill(0),
  ]
  for (const value of wrong) {
    assert.throws(() => encodeCbor(value as CborInput), { code: 'bad-argument' }, String(typeof value))
  }
  assert.equal(encodeCbor(new Array(65_535).fill(0)).length, 65_538)
})

test('the encoder goes on working after it has refused', () => {
  assert.throws(() => encodeCbor([1, '\ud800']))
  assert.equal(toHex(encodeCbor([1, 'x'])), '82016178')
})

test('random bytes either decode to a value with exactly that encoding or are bad-cbor', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      try {
        assert.equal(toHex(encodeCbor(decodeCbor(bytes))), toHex(bytes))
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'bad-cbor', String(error))
      }
    }),
    { ...SEEDED, numRuns: 5_000 },
  )
})

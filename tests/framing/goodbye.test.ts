import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { decodeGoodbye, encodeGoodbye, GOODBYE_TEXT_BYTES_MAX, GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { GOODBYE_BYTES_MAX } from '../../lib/limits.ts'
import { SEEDED } from './arbitrary.ts'

test('the codes have the numbers of the protocol', () => {
  assert.deepEqual(Object.values(GoodbyeCode), [0, 1, 2, 3, 4, 5, 6, 7])
})

test('a goodbye has the bytes that are written here, and comes back', () => {
  const bytes = encodeGoodbye(GoodbyeCode.shuttingDown, 'stop')
  assert.equal(toHex(bytes), '82006473746f70')
  assert.deepEqual(decodeGoodbye(bytes), { code: 0, text: 'stop' })
  assert.deepEqual(decodeGoodbye(fromHex('820760')), { code: 7, text: '' })
})

test('codes of later versions and further elements are taken', () => {
  assert.deepEqual(decodeGoodbye(encodeCbor([900, 'x', [1, new Map([[1, 2]])], null])), { code: 900, text: 'x' })
})

test('a text is cut to 200 bytes at the border of a character', () => {
  for (const [unit, kept] of [
    ['a', 200],
    ['ü', 100],
    ['水', 66],
    ['😀', 50],
  ] as const) {
    const { text } = decodeGoodbye(encodeGoodbye(3, unit.repeat(300)))
    assert.equal(text, unit.repeat(kept))
    assert.ok(utf8(text).length <= GOODBYE_TEXT_BYTES_MAX)
  }
  assert.equal(decodeGoodbye(encodeGoodbye(3, '\ud800')).text, '\ufffd')
})

test('a text of 200 bytes is taken, one of 201 is not', () => {
  assert.equal(decodeGoodbye(encodeCbor([0, 'x'.repeat(200)])).text.length, 200)
  assert.throws(() => decodeGoodbye(encodeCbor([0, 'x'.repeat(201)])), { code: 'bad-cbor' })
})

test('the longest goodbye fits its frame', () => {
  assert.ok(encodeGoodbye(2 ** 53 - 1, 'x'.repeat(500)).length <= GOODBYE_BYTES_MAX)
})

test('what is no goodbye is bad-cbor', () => {
  for (const hex of ['', '80', '8100', '800060', '826000', '820000', '82206130', '8200616100', 'a10060']) {
    assert.throws(() => decodeGoodbye(fromHex(hex)), { code: 'bad-cbor' }, hex)
  }
  const whole = encodeGoodbye(5, 'misbehaviour')
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeGoodbye(whole.slice(0, length)), { code: 'bad-cbor' })
  }
})

test('a code that is no whole number is the caller’s fault', () => {
  for (const code of [-1, 0.5, 2 ** 53]) assert.throws(() => encodeGoodbye(code, ''), { code: 'bad-argument' })
})

test('random bytes give a goodbye or bad-cbor', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      try {
        decodeGoodbye(bytes)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'bad-cbor', String(error))
      }
    }),
    { ...SEEDED, numRuns: 3_000 },
  )
})

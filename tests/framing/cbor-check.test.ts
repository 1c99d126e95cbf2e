import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { type CborBounds, checkCbor, checkItem } from '../../lib/framing/cbor-check.ts'
import { headLength, writeHead } from '../../lib/framing/cbor-writer.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../lib/limits.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'
import { cborValue, SEEDED } from './arbitrary.ts'

const MALFORMED = 'cbor-rfc8949-appendix-f-malformed.json'
const EXAMPLES = 'cbor-rfc8949-appendix-a.json'

function refuses(bytes: Uint8Array | string, reason: RegExp, bounds?: CborBounds): void {
  const given = typeof bytes === 'string' ? fromHex(bytes) : bytes
  assert.throws(
    () => checkCbor(given, bounds),
    (error) => error instanceof MeshError && error.code === 'bad-cbor' && reason.test(error.message),
    `should be refused: ${toHex(given.subarray(0, 40))}`,
  )
}

function accepts(hex: string, bounds?: CborBounds): void {
  assert.doesNotThrow(() => checkCbor(fromHex(hex), bounds), hex)
}

function head(major: number, value: number): Uint8Array {
  const out = new Uint8Array(headLength(value))
  writeHead(out, 0, major, value)
  return out
}

/** A map of unsigned keys with the value 0. */
function mapOf(keys: readonly number[]): Uint8Array {
  return concatBytes(head(5, keys.length), ...keys.flatMap((key) => [head(0, key), head(0, 0)]))
}

test('every malformed item of RFC 8949 appendix F is refused', { skip: skipWithout(MALFORMED) }, () => {
  const { vectors } = outsideVectors(MALFORMED) as { vectors: { hex: string }[] }
  assert.ok(vectors.length > 90)
  for (const { hex } of vectors) {
    refuses(hex, /^CBOR at byte \d+: /)
    refuses(hex, /^CBOR at byte \d+: /, { negative: true, depthMax: 100 })
  }
})

test('of RFC 8949 appendix A exactly the items inside our profile are accepted', {
  skip: skipWithout(EXAMPLES),
}, () => {
  const { vectors } = outsideVectors(EXAMPLES) as { vectors: { hex: string; diagnostic: string }[] }
  const accepted: string[] = []
  const withNegative: string[] = []
  for (const { hex, diagnostic } of vectors) {
    try {
      checkCbor(fromHex(hex), { negative: true })
      withNegative.push(diagnostic)
      checkCbor(fromHex(hex))
      accepted.push(diagnostic)
    } catch (error) {
      assert.ok(error instanceof MeshError && error.code === 'bad-cbor')
    }
  }
  const inside = [
    '0 1 10 23 24 25 100 1000 1000000 1000000000000 false true null',
    `h'' h'01020304' "" "a" "IETF" "\\"\\\\" "\\u00fc" "\\u6c34" "\\ud800\\udd51" []`,
  ].flatMap((line) => line.split(' '))
  inside.push(
    '[1, 2, 3]',
    '[1, [2, 3], [4, 5]]',
    `[${Array.from({ length: 25 }, (_, i) => i + 1).join(', ')}]`,
    '{}',
    '{1: 2, 3: 4}',
    '{"a": 1, "b": [2, 3]}',
    '["a", {"b": "c"}]',
    '{"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}',
  )
  assert.deepEqual(accepted, inside)
  assert.deepEqual(
    withNegative.filter((diagnostic) => !inside.includes(diagnostic)),
    ['-1', '-10', '-100', '-1000'],
  )
})

test('heads that are longer than they need be are refused', () => {
  for (const hex of [
    '1817',
    '1900ff',
    '1a0000ffff',
    '1b00000000ffffffff',
    '5800',
    '7817',
    '9800',
    'b800',
    '590001ff',
  ]) {
    refuses(hex, /shortest form/)
  }
  for (const hex of ['1818', '190100', '1a00010000', '1b0000000100000000']) accepts(hex)
})

test('integers end at 2^53 - 1, on both sides', () => {
  accepts('1b001fffffffffffff')
  refuses('1b0020000000000000', /above 2\^53/)
  refuses('1bffffffffffffffff', /above 2\^53/)
  accepts('3b001ffffffffffffe', { negative: true })
  refuses('3b001fffffffffffff', /below -\(2\^53/, { negative: true })
  refuses('20', /negative/)
})

test('tags, floats, undefined, simple values and indefinite lengths are named', () => {
  refuses('c100', /at byte 0: a tag/)
  refuses('8200c100', /at byte 2: a tag/)
  for (const hex of ['f90000', 'fa00000000', 'fb0000000000000000', 'f7', 'f0', 'f3', 'f8ff', 'ff']) {
    refuses(hex, /neither false, true nor null/)
  }
  for (const hex of ['9fff', 'bfff', '5fff', '7fff']) refuses(hex, /indefinite/)
})

test('text must be UTF-8', () => {
  for (const bad of ['80', 'c080', 'c3', 'e08080', 'eda080', 'f4908080', 'ff', '61c3']) {
    refuses(concatBytes(head(3, bad.length / 2), fromHex(bad)), /UTF-8/)
  }
  checkCbor(concatBytes(head(3, 3), fromHex('efbbbf')))
})

test('six containers may lie inside each other, seven may not', () => {
  accepts('818181818180')
  accepts('81818181818100')
  refuses('81818181818180', /at byte 6: nested too deeply/)
  refuses('818181818181a0', /at byte 6: nested too deeply/)
  accepts('a100a100a100a100a100a0')
  accepts('00', { depthMax: 0 })
  refuses('80', /nested/, { depthMax: 0 })
})

test('the items bound counts containers, keys and values', () => {
  accepts('83010203', { itemsMax: 4 })
  refuses('83010203', /too many items/, { itemsMax: 3 })
  accepts('a10102', { itemsMax: 3 })
  refuses('a10102', /too many items/, { itemsMax: 2 })
  const flood = (count: number) => concatBytes(head(4, count), new Uint8Array(count))
  checkCbor(flood(65_535))
  refuses(flood(65_536), /too many items/)
})

test('the bounds on bytes and on map entries hold at max and max + 1', () => {
  accepts('820102', { bytesMax: 3 })
  refuses('820102', /3 bytes where 2 are allowed/, { bytesMax: 2 })
  const keys = Array.from({ length: 65 }, (_, i) => i)
  checkCbor(mapOf(keys.slice(0, 64)))
  refuses(mapOf(keys), /a map of 65 entries/)
  checkCbor(mapOf(keys), { mapEntriesMax: 65 })
})

test('a map key that comes twice is refused wherever it stands', () => {
  refuses('a201020103', /at byte 3: a map key that was there before/)
  refuses('a3010203040105', /at byte 0: a map with a key twice/)
  refuses('a3616100616200616100', /key twice/)
  refuses('82a0a36161000000616100', /key twice/)
  accepts('a3010203040205')
  accepts('a3030002000100')
  accepts('a20100613100')
})

test('map keys are unsigned numbers or text', () => {
  for (const hex of ['a14000', 'a18000', 'a1a000', 'a1f500', 'a1f600']) refuses(hex, /map key that is no number/)
  refuses('a12000', /map key that is no number/, { negative: true })
})

test('no truncation of a valid item is valid, and no byte may follow it', () => {
  const whole = encodeCbor([
    1,
    new Uint8Array(30),
    'text',
    2 ** 40,
    new Map<number | string, number[]>([
      [1, [500]],
      ['x', [70_000]],
    ]),
  ])
  checkCbor(whole)
  for (let length = 0; length < whole.length; length++) refuses(whole.slice(0, length), /^CBOR at byte/)
  refuses(concatBytes(whole, new Uint8Array(1)), new RegExp(`at byte ${whole.length}: 1 bytes too many`))
})

test('checkItem stops behind its item and never looks past its end', () => {
  const bytes = fromHex('ff820102ff')
  assert.equal(checkItem(bytes, 1, 5), 4)
  assert.equal(checkItem(bytes, 1, 4), 4)
  assert.throws(() => checkItem(bytes, 1, 3), { code: 'bad-cbor' })
  assert.throws(() => checkItem(bytes, 5, 5), { code: 'bad-cbor' })
})

test('random bytes and damaged values give bad-cbor or nothing', () => {
  const onlyBadCbor = (bytes: Uint8Array) => {
    try {
      checkCbor(bytes, { negative: true })
    } catch (error) {
      assert.ok(error instanceof MeshError && error.code === 'bad-cbor', String(error))
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), onlyBadCbor), { ...SEEDED, numRuns: 5_000 })
  fc.assert(
    fc.property(cborValue, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = encodeCbor(value)
      bytes[at % bytes.length] = byte
      onlyBadCbor(bytes)
    }),
    SEEDED,
  )
})

/** How many bytes `check` looks at, those among them that it hands to the decoder of text, which cannot be seen otherwise. */
function bytesLookedAt(bytes: Uint8Array, check: (watched: Uint8Array) => void): number {
  let looked = 0
  const watched = new Proxy(bytes, {
    get(target, name) {
      if (name === 'subarray') {
        return (from: number, to: number) => {
          looked += to - from
          return target.subarray(from, to)
        }
      }
      if (typeof name === 'string' && /^\d+$/.test(name)) looked++
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  check(watched)
  return looked
}

/** Unsigned keys whose hashes are equal in V8's tables of up to 2^15 buckets, made as an attacker would. */
function collidingKeys(count: number): number[] {
  const keys: number[] = []
  for (let key = 0; keys.length < count; key++) {
    let x = key
    x = (~x + (x << 15)) >>> 0
    x = (x ^ (x >>> 12)) >>> 0
    x = (x + (x << 2)) >>> 0
    x = (x ^ (x >>> 4)) >>> 0
    x = Math.imul(x, 2057) >>> 0
    x = (x ^ (x >>> 16)) >>> 0
    if ((x & 0x3fff) === 5) keys.push(key)
  }
  return keys
}

const bombs: readonly [name: string, bytes: Uint8Array, looksMax: number][] = [
  ['a bignum of 64 KiB', concatBytes(fromHex('c2'), head(2, 65_536), new Uint8Array(65_536).fill(0xff)), 1],
  ['a bignum of 256 KiB', concatBytes(fromHex('c2'), head(2, 262_144), new Uint8Array(262_144).fill(0xff)), 1],
  ['packed tags of 70 KB', concatBytes(fromHex('d83384'), head(4, 35_000), new Uint8Array(70_000).fill(0xc6)), 1],
  ['shared references', concatBytes(...Array.from({ length: 26 }, () => fromHex('d81c82d81d00')), fromHex('00')), 1],
  ['arrays nested 100,000 deep', new Uint8Array(100_000).fill(0x81), CBOR_DEPTH_MAX + 1],
  ['maps nested 100,000 deep', new Uint8Array(100_000).map((_, i) => (i % 2 === 0 ? 0xa1 : 0x00)), 4 * CBOR_DEPTH_MAX],
  ['a flood of 1,000,000 elements', concatBytes(head(4, 1_000_000), new Uint8Array(1_000_000)), CBOR_ITEMS_MAX + 10],
  ['an array that claims 2^53 - 1 elements', concatBytes(head(4, 2 ** 53 - 1), new Uint8Array(65_536)), 10],
  ['a map that claims 2^32 entries', concatBytes(head(5, 2 ** 32), new Uint8Array(65_536)), 10],
  ['30,000 times the same key', mapOf(new Array<number>(30_000).fill(7)), 10],
  ['30,000 different keys', mapOf(Array.from({ length: 30_000 }, (_, i) => i)), 10],
  [
    'text of 1 MiB whose last byte is not UTF-8',
    concatBytes(head(3, 1_048_576), new Uint8Array(1_048_575), fromHex('ff')),
    1_048_576 + 10,
  ],
]

for (const [name, bytes, looksMax] of bombs) {
  test(`a bomb is refused before much of it is looked at: ${name}`, () => {
    const looked = bytesLookedAt(bytes, (watched) => {
      assert.throws(() => checkCbor(watched), { code: 'bad-cbor', message: /^CBOR at byte/ })
    })
    assert.ok(looked > 0 && looked <= looksMax, `looked at ${looked} of ${bytes.length} bytes`)
  })
}

// V8 hashes integers without a secret, so that the work of a Set or Map over chosen keys is the square of their number.
test('4,000 keys are told apart by looking at each a few times, and without a hash table', (t) => {
  const colliding = collidingKeys(4_000)
  const bounds = { mapEntriesMax: 4_000 }
  const texts = concatBytes(
    head(5, 4_000),
    ...colliding.flatMap((key) => [head(3, String(key).length), utf8(String(key)), head(0, 0)]),
  )
  const tables = [t.mock.method(Set.prototype, 'add'), t.mock.method(Map.prototype, 'set')]
  for (const bytes of [mapOf(colliding), mapOf(colliding.toReversed()), texts]) {
    const looked = bytesLookedAt(bytes, (watched) => checkCbor(watched, bounds))
    assert.ok(looked < 5 * bytes.length, `looked at ${looked} times at ${bytes.length} bytes`)
  }
  const withDuplicate = mapOf([...colliding.toReversed(), colliding[100]!].slice(1))
  refuses(withDuplicate, /key twice/, bounds)
  for (const table of tables) assert.equal(table.mock.callCount(), 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesKey, concatBytes, fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import {
  decodeGiven,
  decodeHave,
  decodeWant,
  type EpochNumbers,
  encodeGiven,
  encodeHave,
  encodeWant,
  entryLength,
  keyBytes,
} from '../../lib/flood/repair-frames.ts'
import { type CborInput, decodeCbor, encodeCbor } from '../../lib/framing/cbor.ts'
import {
  EPOCHS_PER_ORIGIN_MAX,
  HAVE_BYTES_MAX,
  HAVE_ENTRIES_MAX,
  INTEGER_MAX,
  RANGES_PER_EPOCH_MAX,
  WANT_BYTES_MAX,
  WANT_NUMBERS_MAX,
  WANT_RANGES_MAX,
} from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { plainOriginKey } from './fake-store.ts'

const KEY = bytesKey(Uint8Array.from({ length: 32 }, (_, i) => i + 0x10))
const KEY_HEX = toHex(keyBytes(KEY))
const DIGESTS = Uint8Array.from({ length: 4_096 }, (_, i) => i & 0xff)

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof MeshError, String(error))
    return error.code
  }
  return 'none'
}

function rangesOf(count: number, step = 2): number[] {
  return Array.from({ length: count }, (_, i) => [i * step, i * step]).flat()
}

/** As the generic encoder would write the same. */
function pairs(entries: readonly EpochNumbers[]): CborInput[] {
  const origins: [string, [number, readonly number[]][]][] = []
  for (const { originKey, epoch, ranges } of entries) {
    const last = origins.at(-1)
    if (last?.[0] === originKey) last[1].push([epoch, ranges])
    else origins.push([originKey, [[epoch, ranges]]])
  }
  return origins.map(([key, epochs]) => [keyBytes(key), epochs])
}

test('known answers', () => {
  const held = [{ originKey: KEY, epoch: 5, ranges: [0, 9, 12, 12] }]
  assert.equal(toHex(encodeHave({ digests: null, newestEpoch: 4, held })), `83f60481825820${KEY_HEX}8182058400090c0c`)
  assert.equal(
    toHex(encodeWant({ request: 1, ageMsMax: 60_000, wanted: held })),
    `830119ea6081825820${KEY_HEX}8182058400090c0c`,
  )
  assert.equal(toHex(encodeGiven({ request: 1, more: false })), '8201f4')
  assert.equal(toHex(encodeGiven({ request: 300, more: true })), '8219012cf5')
  const first = encodeHave({ digests: DIGESTS, newestEpoch: 0, held: [] })
  assert.equal(toHex(first.subarray(0, 6)), '835910000001')
  assert.equal(toHex(first.subarray(-4)), 'feff0080')
})

test('what is written is what the generic encoder writes, and is read back', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seeded(seed)
    const held: EpochNumbers[] = []
    for (let i = random.below(6); i > 0; i--) {
      const originKey = plainOriginKey(random.below(3))
      if (held.filter((one) => one.originKey === originKey).length >= EPOCHS_PER_ORIGIN_MAX) continue
      const start = random.below(2) * 2 ** 45
      const ranges = rangesOf(random.below(40), 1 + 2 ** random.below(30)).map((bound) => bound * 2 + start)
      held.push({ originKey, epoch: random.below(2 ** 31) * 2 ** random.below(22), ranges })
    }
    const newestEpoch = random.below(2) * INTEGER_MAX
    const digests = random.below(2) === 0 ? DIGESTS : null
    const have = encodeHave({ digests, newestEpoch, held })
    assert.equal(toHex(have), toHex(encodeCbor([digests, newestEpoch, pairs(held)])))
    assert.deepEqual(decodeHave(have), { digests, newestEpoch, held })
    const bound = held.reduce((sum, one) => sum + entryLength(one), 0)
    assert.ok(encodeHave({ digests: null, newestEpoch: 0, held }).length <= bound + 5)
    const wanted = held.map((one) => ({ ...one, ranges: one.ranges.filter((_, i) => i < 6) }))
    const want = encodeWant({ request: seed, ageMsMax: newestEpoch, wanted })
    assert.equal(toHex(want), toHex(encodeCbor([seed, newestEpoch, pairs(wanted)])))
    assert.deepEqual(decodeWant(want), { request: seed, ageMsMax: newestEpoch, wanted })
  }
  for (const given of [
    { request: 0, more: true },
    { request: INTEGER_MAX, more: false },
  ]) {
    assert.equal(toHex(encodeGiven(given)), toHex(encodeCbor([given.request, given.more])))
    assert.deepEqual(decodeGiven(encodeGiven(given)), given)
  }
})

test('elements of a later version are passed over, whatever they are', () => {
  const later: CborInput = [1, 'new', new Map([[1, null]])]
  const held = [
    [keyBytes(KEY), [[5, [0, 9], later, 7]], 'x', null],
    [keyBytes(KEY), [], 1],
  ]
  const expected = [{ originKey: KEY, epoch: 5, ranges: [0, 9] }]
  const [shallow, flat] = [
    [keyBytes(KEY), [[5, [0, 9], 'new', 7]], 'x', null],
    [keyBytes(KEY), [], 1],
  ]
  assert.deepEqual(decodeHave(encodeCbor([null, 0, [shallow, flat], later])).held, expected)
  assert.deepEqual(decodeWant(encodeCbor([1, 0, [shallow, flat], later])).wanted, expected)
  assert.deepEqual(decodeGiven(encodeCbor([1, true, later])), { request: 1, more: true })
  assert.equal(
    codeOf(() => encodeCbor([null, 0, held])),
    'bad-argument',
    'nested too deeply to be written',
  )
})

test('every truncation is refused', () => {
  const held = [{ originKey: KEY, epoch: 5, ranges: [0, 300, 70_000, 2 ** 40] }]
  const bodies = [
    [encodeHave({ digests: null, newestEpoch: 4, held }), decodeHave],
    [
      encodeWant({ request: 1, ageMsMax: 60_000, wanted: [{ originKey: KEY, epoch: 5, ranges: [0, 300] }] }),
      decodeWant,
    ],
    [encodeGiven({ request: 300, more: false }), decodeGiven],
  ] as const
  for (const [body, decode] of bodies) {
    decode(body)
    for (let end = 0; end < body.length; end++)
      assert.equal(
        codeOf(() => decode(body.subarray(0, end))),
        'bad-cbor',
      )
    assert.equal(
      codeOf(() => decode(concatBytes(body, Uint8Array.of(0)))),
      'bad-cbor',
    )
  }
})

test('what no honest node sends is refused', () => {
  const have = (held: CborInput, digests: CborInput = null): Uint8Array => encodeCbor([digests, 0, held])
  const ranges = (...bounds: CborInput[]): Uint8Array => have([[keyBytes(KEY), [[5, bounds]]]])
  const cases: [string, Uint8Array, string][] = [
    ['an origin of 31 bytes', have([[new Uint8Array(31), []]]), 'bad-frame'],
    ['an origin of 33 bytes', have([[new Uint8Array(33), []]]), 'bad-cbor'],
    ['an origin as text', have([['x'.repeat(32), []]]), 'bad-cbor'],
    ['a range without its end', ranges(0, 4, 6), 'bad-frame'],
    ['a range that goes down', ranges(5, 4), 'bad-frame'],
    ['ranges that touch', ranges(0, 4, 5, 9), 'bad-frame'],
    ['ranges that overlap', ranges(0, 4, 3, 9), 'bad-frame'],
    ['ranges that do not ascend', ranges(10, 14, 0, 2), 'bad-frame'],
    ['a bound that is no number', ranges('0', '1'), 'bad-cbor'],
    ['an epoch without ranges', have([[keyBytes(KEY), [[5]]]]), 'bad-cbor'],
    ['an origin without epochs', have([[keyBytes(KEY)]]), 'bad-cbor'],
    ['digests of 4,095 bytes', have([], new Uint8Array(4_095)), 'bad-frame'],
    ['digests of 4,097 bytes', have([], new Uint8Array(4_097)), 'bad-cbor'],
    ['digests as an array', have([], [1]), 'bad-cbor'],
    ['a map', encodeCbor(new Map([[1, 2]])), 'bad-cbor'],
    ['too few elements', encodeCbor([null, 0]), 'bad-cbor'],
    ['nothing', new Uint8Array(0), 'bad-cbor'],
  ]
  for (const [name, body, code] of cases)
    assert.equal(
      codeOf(() => decodeHave(body)),
      code,
      name,
    )
  assert.equal(
    codeOf(() => decodeGiven(encodeCbor([1, null]))),
    'bad-frame',
  )
  assert.equal(
    codeOf(() => decodeGiven(encodeCbor([1, 1]))),
    'bad-frame',
  )
  assert.equal(
    codeOf(() => decodeGiven(encodeCbor([1]))),
    'bad-cbor',
  )
})

test('each bound holds at its value and not beyond', () => {
  const have = (held: readonly EpochNumbers[]): Uint8Array => encodeHave({ digests: null, newestEpoch: 0, held })
  const want = (wanted: readonly EpochNumbers[]): Uint8Array => encodeWant({ request: 1, ageMsMax: 0, wanted })
  const one = (ranges: readonly number[], epoch = 1, originKey = KEY): EpochNumbers => ({ originKey, epoch, ranges })
  const epochs = (count: number): EpochNumbers[] => Array.from({ length: count }, (_, epoch) => one([0, 0], epoch))
  const entries = (count: number): EpochNumbers[] =>
    Array.from({ length: count }, (_, i) => one([0, 0], i % 64, plainOriginKey(Math.floor(i / 64))))
  const cases: [string, (count: number) => () => unknown, number][] = [
    ['epochs', (count) => () => decodeHave(have(epochs(count))), EPOCHS_PER_ORIGIN_MAX],
    ['ranges of an epoch', (count) => () => decodeHave(have([one(rangesOf(count))])), RANGES_PER_EPOCH_MAX],
    ['entries', (count) => () => decodeHave(have(entries(count))), HAVE_ENTRIES_MAX],
    ['ranges of a want', (count) => () => decodeWant(want([one(rangesOf(count))])), WANT_RANGES_MAX],
    ['numbers of a want', (count) => () => decodeWant(want([one([0, 0, 9, 7 + count])])), WANT_NUMBERS_MAX],
  ]
  for (const [name, decode, most] of cases) {
    assert.equal(codeOf(decode(most)), 'none', name)
    assert.equal(codeOf(decode(most + 1)), 'bad-frame', name)
  }
  assert.equal(
    codeOf(() => decodeWant(want([one([0, INTEGER_MAX])]))),
    'bad-frame',
  )
  const long = (bytes: number): Uint8Array => encodeCbor([null, 0, [], new Uint8Array(bytes - 9)])
  assert.equal(
    codeOf(() => decodeHave(long(HAVE_BYTES_MAX))),
    'none',
  )
  assert.equal(
    codeOf(() => decodeHave(long(HAVE_BYTES_MAX + 1))),
    'bad-cbor',
  )
  const longWant = (bytes: number): Uint8Array => encodeCbor([1, 0, [], new Uint8Array(bytes - 7)])
  assert.equal(
    codeOf(() => decodeWant(longWant(WANT_BYTES_MAX - 2))),
    'none',
  )
  assert.equal(
    codeOf(() => decodeWant(concatBytes(longWant(WANT_BYTES_MAX), Uint8Array.of(0)))),
    'bad-cbor',
  )
})

test('an epoch of the most and widest ranges fits a have', () => {
  const ranges = rangesOf(RANGES_PER_EPOCH_MAX).map((bound) => INTEGER_MAX - 20_000 + bound)
  const held = [{ originKey: KEY, epoch: INTEGER_MAX, ranges }]
  const body = encodeHave({ digests: null, newestEpoch: INTEGER_MAX, held })
  assert.ok(body.length <= HAVE_BYTES_MAX, `${body.length}`)
  assert.deepEqual(decodeHave(body).held, held)
})

test('changed and random bytes give values or an error of the sender', () => {
  const random = seeded(99)
  const body = encodeHave({
    digests: null,
    newestEpoch: 4,
    held: [1, 2, 3].map((epoch) => ({
      originKey: plainOriginKey(epoch),
      epoch: epoch * 2 ** 40,
      ranges: [0, 9, 300, 400],
    })),
  })
  for (let i = 0; i < 20_000; i++) {
    const bytes = i % 2 === 0 ? body.slice() : random.bytes(random.below(60))
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
    for (const decode of [decodeHave, decodeWant, decodeGiven]) {
      assert.ok(['none', 'bad-cbor', 'bad-frame'].includes(codeOf(() => decode(bytes))))
    }
  }
})

test('what the library writes is inside the profile', () => {
  const held = [{ originKey: KEY, epoch: 2 ** 50, ranges: [0, 23, 25, 2 ** 32] }]
  decodeCbor(encodeHave({ digests: DIGESTS, newestEpoch: 2 ** 33, held }))
  decodeCbor(encodeWant({ request: 1, ageMsMax: 2 ** 40, wanted: held }))
  assert.deepEqual(fromHex(KEY_HEX), keyBytes(KEY))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex } from '../../lib/bytes.ts'
import { decodeMode, encodeMode, type ModeFrame } from '../../lib/flood/mode-frame.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { FrameType, frameBodyMax } from '../../lib/framing/frames.ts'
import { MODE_TREES_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'

const KNOWN: readonly [string, ModeFrame][] = [
  ['820080', { mode: 'eager', trees: [] }],
  ['82018119ffff', { mode: 'lazy', trees: [65_535] }],
  ['8201821903a11929ac', { mode: 'lazy', trees: [929, 10_668] }],
  ['82008400171818190100', { mode: 'eager', trees: [0, 23, 24, 256] }],
]

for (const [hex, frame] of KNOWN) {
  test(`${hex} is ${frame.mode} for ${frame.trees.length} trees, both ways`, () => {
    assert.equal(toHex(encodeMode(frame)), hex)
    assert.deepEqual(decodeMode(fromHex(hex)), frame)
  })
}

test('as many trees as one frame has fit its bound, and one more is refused', () => {
  const trees = Array.from({ length: MODE_TREES_MAX }, (_, i) => 65_535 - i)
  const body = encodeMode({ mode: 'lazy', trees })
  assert.ok(body.length <= frameBodyMax(FrameType.mode)!, `${body.length} bytes`)
  assert.deepEqual(decodeMode(body).trees, trees)
  assert.throws(() => decodeMode(encodeMode({ mode: 'lazy', trees: [...trees, 1] })), { code: 'bad-frame' })
})

test('elements of a later version are ignored, and checked', () => {
  assert.deepEqual(decodeMode(encodeCbor([1, [7], 'later', [1]])), { mode: 'lazy', trees: [7] })
  assert.throws(() => decodeMode(fromHex('83018107ff')), { code: 'bad-cbor' })
})

test('what no honest node sends is refused', () => {
  for (const [body, code] of [
    [encodeCbor([2, [1]]), 'bad-frame'],
    [encodeCbor([0, [65_536]]), 'bad-frame'],
    [encodeCbor([1]), 'bad-cbor'],
    [encodeCbor([[], 1]), 'bad-cbor'],
    [encodeCbor([1, 1]), 'bad-cbor'],
    [encodeCbor([1, ['x']]), 'bad-cbor'],
    [fromHex('820180ff'), 'bad-cbor'],
    [fromHex('8201811803'), 'bad-cbor'],
    [fromHex(''), 'bad-cbor'],
  ] as const) {
    assert.throws(() => decodeMode(body), { code }, toHex(body))
  }
})

test('every truncation is refused', () => {
  const body = encodeMode({ mode: 'lazy', trees: [1, 300, 65_535] })
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => decodeMode(body.subarray(0, length)), { fault: 'remote' })
  }
})

test('random bytes are read or refused, and nothing else', () => {
  const random = seeded(13)
  for (let round = 0; round < 20_000; round++) {
    const body = Uint8Array.from({ length: random.below(33) }, () => random.below(256))
    if (body.length > 0 && round % 2 === 0)
      body.set([0x82, random.below(3), 0x80 + random.below(4)].slice(0, body.length))
    try {
      const { trees } = decodeMode(body)
      assert.ok(trees.length <= MODE_TREES_MAX && trees.every((tree) => tree >= 0 && tree < 65_536))
    } catch (error) {
      assert.equal((error as { fault?: string }).fault, 'remote')
    }
  }
})

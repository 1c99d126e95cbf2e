import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import {
  encodeFrame,
  type Frame,
  FrameReader,
  FrameType,
  frameBodyMax,
  frameHeadLength,
  writeFrameHead,
} from '../../lib/framing/frames.ts'
import { varintLength, writeVarint } from '../../lib/framing/varint.ts'
import { FRAME_BODY_BYTES_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { cuts, cutUp, SEEDED } from './arbitrary.ts'

const UNKNOWN = 0x77

function readAll(pieces: readonly Uint8Array[]): Frame[] {
  const reader = new FrameReader()
  const frames: Frame[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame)
  }
  return frames
}

function headOf(type: number, length: number): Uint8Array {
  const head = new Uint8Array(frameHeadLength(length))
  assert.equal(writeFrameHead(head, 0, type, length), head.length)
  return head
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function usedBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes that differ from place to place. */
function pattern(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 31 + (i >> 8)) & 0xff)
}

const stream = concatBytes(
  encodeFrame(FrameType.ping, pattern(8)),
  encodeFrame(UNKNOWN, pattern(300)),
  encodeFrame(FrameType.bundle, pattern(200)),
  encodeFrame(FrameType.about, new Uint8Array(0)),
  encodeFrame(UNKNOWN, new Uint8Array(0)),
  encodeFrame(FrameType.goodbye, pattern(5)),
)
const expected: readonly Frame[] = [
  { type: FrameType.ping, known: true, body: pattern(8), length: 8 },
  { type: UNKNOWN, known: false, body: new Uint8Array(0), length: 300 },
  { type: FrameType.bundle, known: true, body: pattern(200), length: 200 },
  { type: FrameType.about, known: true, body: new Uint8Array(0), length: 0 },
  { type: UNKNOWN, known: false, body: new Uint8Array(0), length: 0 },
  { type: FrameType.goodbye, known: true, body: pattern(5), length: 5 },
]

test('frames have the bytes that are written here', () => {
  assert.equal(toHex(encodeFrame(FrameType.ping, fromHex('0102030405060708'))), '00080102030405060708')
  assert.equal(toHex(encodeFrame(FrameType.goodbye, fromHex('820060'))), '0203820060')
  assert.equal(toHex(encodeFrame(FrameType.bundle, new Uint8Array(300)).subarray(0, 4)), '10ac0200')
  assert.equal(toHex(headOf(FrameType.data, FRAME_BODY_BYTES_MAX)), '31808044')
})

test('a stream split at every byte gives the same frames', () => {
  for (let at = 0; at <= stream.length; at++) {
    assert.deepEqual(readAll([stream.slice(0, at), stream.slice(at)]), expected, `split at ${at}`)
  }
})

test('a stream that comes byte by byte gives the same frames', () => {
  assert.deepEqual(readAll(cutUp(stream, [1])), expected)
})

test('a truncated stream gives the frames that are whole, and no error', () => {
  const ends = [10, 313, 516, 518, 520, 527]
  for (let length = 0; length <= stream.length; length++) {
    const whole = ends.filter((end) => end <= length).length
    assert.deepEqual(readAll([stream.slice(0, length)]), expected.slice(0, whole), `${length} bytes`)
  }
})

test('random frames in random pieces come out as they went in', () => {
  const frame = fc.tuple(
    fc.constantFrom(FrameType.bundle, FrameType.data, FrameType.have, UNKNOWN, 0xff),
    fc.oneof(fc.nat(40), fc.nat(5_000), fc.constantFrom(127, 128, 16_383, 16_384, 70_000)),
  )
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), cuts, (frames, sizes) => {
      const whole = concatBytes(...frames.map(([type, length]) => encodeFrame(type, pattern(length))))
      const read = readAll(cutUp(whole, sizes))
      assert.deepEqual(
        read.map(({ type, length }) => [type, length]),
        frames,
      )
      for (const { known, body, length } of read) assert.deepEqual(body, known ? pattern(length) : new Uint8Array(0))
    }),
    { ...SEEDED, numRuns: 150 },
  )
})

test('several pieces may be pushed before a frame is taken', () => {
  const reader = new FrameReader()
  for (const piece of cutUp(stream, [7])) reader.push(piece)
  assert.equal(reader.bufferedBytes, stream.length)
  const frames: Frame[] = []
  for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame)
  assert.deepEqual(frames, expected)
  assert.equal(reader.bufferedBytes, 0)
})

test('a body inside one piece is not copied, one that straddles pieces is', () => {
  const piece = encodeFrame(FrameType.bundle, pattern(3_000))
  const reader = new FrameReader()
  reader.push(piece)
  const inside = reader.next()!
  assert.equal(inside.body.buffer, piece.buffer)
  assert.equal(inside.body.byteOffset, 3)
  for (const part of cutUp(piece, [1_500])) reader.push(part)
  const joined = reader.next()!
  assert.equal(joined.body.buffer.byteLength, 3_000)
  assert.deepEqual(joined.body, pattern(3_000))
})

test('what is held follows the bytes received, not the length claimed', () => {
  const reader = new FrameReader()
  reader.push(headOf(FrameType.bundle, FRAME_BODY_BYTES_MAX))
  assert.equal(reader.next(), null)
  assert.equal(reader.bufferedBytes, 0)
  reader.push(new Uint8Array(100))
  assert.equal(reader.next(), null)
  assert.equal(reader.bufferedBytes, 100)
})

test('a body of a megabyte that comes byte by byte is held in few arrays', () => {
  const reader = new FrameReader()
  const body = pattern(FRAME_BODY_BYTES_MAX)
  const beforeBytes = usedBytes()
  reader.push(headOf(FrameType.bundle, body.length))
  for (let at = 0; at < body.length - 1; at++) {
    reader.push(body.slice(at, at + 1))
    if (at % 1_000 === 0) assert.equal(reader.next(), null)
  }
  reader.push(body.slice(body.length - 1))
  const heldBytes = usedBytes() - beforeBytes
  assert.deepEqual(reader.next()!.body, body)
  // A million arrays of one byte took 200 MB.
  assert.ok(heldBytes < 8_000_000, `${heldBytes} bytes`)
})

test('small pieces between large ones keep their order', () => {
  const body = pattern(40_000)
  const pieces = cutUp(encodeFrame(FrameType.data, body), [5, 3, 2_000, 10, 20, 1_024, 1_023, 1])
  assert.deepEqual(readAll(pieces)[0]!.body, body)
})

test('bodies taken from gathered pieces stay as they were', () => {
  const reader = new FrameReader()
  reader.push(fromHex('10'))
  const bodies: Uint8Array[] = []
  const frames = Array.from({ length: 300 }, (_, i) => encodeFrame(FrameType.bundle, new Uint8Array(100).fill(i)))
  for (const piece of cutUp(concatBytes(...frames).subarray(1), [90, 120])) {
    reader.push(piece)
    reader.push(new Uint8Array(0))
    const frame = reader.next()
    if (frame !== null) bodies.push(frame.body)
  }
  for (let frame = reader.next(); frame !== null; frame = reader.next()) bodies.push(frame.body)
  assert.deepEqual(
    bodies,
    frames.map((frame) => frame.subarray(2)),
  )
})

test('a skipped body is not kept', () => {
  const reader = new FrameReader()
  reader.push(headOf(UNKNOWN, 100_000))
  for (let i = 0; i < 99; i++) {
    reader.push(new Uint8Array(1_000))
    assert.equal(reader.next(), null)
    assert.equal(reader.bufferedBytes, 0)
  }
  reader.push(concatBytes(new Uint8Array(1_000), encodeFrame(FrameType.mode, fromHex('8100'))))
  assert.deepEqual(reader.next(), { type: UNKNOWN, known: false, body: new Uint8Array(0), length: 100_000 })
  assert.deepEqual(reader.next(), { type: FrameType.mode, known: true, body: fromHex('8100'), length: 2 })
})

for (const [name, type] of Object.entries(FrameType)) {
  const max = frameBodyMax(type)!
  test(`a ${name} frame may have ${max} bytes and not one more`, () => {
    assert.equal(readAll([encodeFrame(type, new Uint8Array(max))])[0]?.length, max)
    assert.throws(() => readAll([headOf(type, max + 1)]), { code: 'bad-frame', fault: 'remote' })
  })
}

test('ping and pong have exactly 8 bytes', () => {
  for (const type of [FrameType.ping, FrameType.pong]) {
    assert.throws(() => readAll([headOf(type, 7)]), { code: 'bad-frame', message: /exactly 8/ })
    assert.throws(() => readAll([headOf(type, 0)]), { code: 'bad-frame' })
  }
})

test('an unknown frame may be as long as any frame and not one byte more', () => {
  assert.equal(frameBodyMax(UNKNOWN), null)
  assert.equal(readAll([encodeFrame(UNKNOWN, new Uint8Array(FRAME_BODY_BYTES_MAX))])[0]?.length, FRAME_BODY_BYTES_MAX)
  assert.throws(() => readAll([headOf(UNKNOWN, FRAME_BODY_BYTES_MAX + 1)]), { code: 'bad-frame' })
})

test('a length that is no shortest varint is refused, in one piece or byte by byte', () => {
  for (const hex of ['108000', '10ffffffffffffffff01', '108080808080808010']) {
    for (const sizes of [[100], [1]]) {
      assert.throws(() => readAll(cutUp(fromHex(hex), sizes)), { code: 'bad-frame' })
    }
  }
})

test('after an error the reader goes on refusing', () => {
  const reader = new FrameReader()
  reader.push(headOf(FrameType.mode, 33))
  assert.throws(() => reader.next(), { code: 'bad-frame' })
  reader.push(stream)
  assert.throws(() => reader.next(), { code: 'bad-frame' })
})

test('the head has the length that frameHeadLength says', () => {
  for (const length of [0, 127, 128, 16_383, 16_384, FRAME_BODY_BYTES_MAX]) {
    assert.equal(frameHeadLength(length), 1 + varintLength(length))
    assert.equal(writeVarint(new Uint8Array(9), 0, length), varintLength(length))
  }
})

test('random bytes give frames, nothing or bad-frame', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), cuts, (bytes, sizes) => {
      try {
        const held = readAll(cutUp(bytes, sizes)).reduce((sum, { body }) => sum + body.length, 0)
        assert.ok(held <= bytes.length)
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'bad-frame', String(error))
      }
    }),
    { ...SEEDED, numRuns: 3_000 },
  )
})

test('beside what was sent: large and small bodies in pieces of any length stay what they were, whatever memory is given back', () => {
  const random = seeded(12)
  let landed = 0
  for (let run = 0; run < 60; run++) {
    const sent = Array.from({ length: 1 + random.below(12) }, () => {
      const length = random.below([40, 3_000, 17_000, 150_000][random.below(4)]!)
      return { type: random.below(8) === 0 ? UNKNOWN : FrameType.bundle, body: random.bytes(length) }
    })
    const stream = concatBytes(...sent.map(({ type, body }) => encodeFrame(type, body)))
    const reader = new FrameReader()
    const frames: Frame[] = []
    for (let at = 0; at < stream.length; ) {
      // Each piece owns its buffer, as an opened record does.
      const piece = stream.slice(at, at + 1 + random.below([30, 2_000, 65_519][random.below(3)]!))
      at += piece.length
      // Some are written straight to their place, where they have one.
      const place = random.below(2) === 0 ? reader.landing(piece.length) : null
      place?.set(piece)
      if (place === null) reader.push(piece)
      else reader.landed(place.length)
      landed += place === null ? 0 : 1
      if (random.below(4) > 0) for (let next = reader.next(); next !== null; next = reader.next()) frames.push(next)
    }
    for (let next = reader.next(); next !== null; next = reader.next()) frames.push(next)
    assert.equal(reader.bufferedBytes, 0)
    assert.deepEqual(
      frames.map(({ type, length }) => [type, length]),
      sent.map(({ type, body }) => [type, body.length]),
    )
    for (const [i, { known, body }] of frames.entries()) {
      assert.equal(Buffer.compare(body, known ? sent[i]!.body : new Uint8Array(0)), 0)
    }
  }
  assert.ok(landed > 100, `${landed}`)
})

test('only what lies wholly in a large body that is under way has its place there', () => {
  const reader = new FrameReader()
  assert.equal(reader.landing(10), null)
  const body = pattern(100_000)
  reader.push(concatBytes(headOf(FrameType.bundle, body.length), body.subarray(0, 40_000)))
  assert.equal(reader.landing(10), null, 'what was pushed comes first')
  assert.equal(reader.next(), null)
  for (const length of [0, -3, 60_001]) assert.equal(reader.landing(length), null, `${length}`)
  for (const [from, to] of [
    [40_000, 99_999],
    [99_999, 100_000],
  ] as const) {
    reader.landing(to - from)!.set(body.subarray(from, to))
    reader.landed(to - from)
    assert.equal(reader.bufferedBytes, to)
  }
  assert.equal(reader.landing(1), null)
  assert.deepEqual(reader.next()!.body, body)
  assert.equal(reader.landing(1), null)
  reader.push(headOf(FrameType.bundle, 3_000))
  assert.equal(reader.next(), null)
  assert.equal(reader.landing(1), null, 'a small body is joined once all is here')
})

test('the memory of a piece is free when all of it was copied to a large body, and kept while a body is a part of it', () => {
  const reader = new FrameReader()
  const stream = concatBytes(
    encodeFrame(FrameType.bundle, pattern(100_000)),
    encodeFrame(FrameType.bundle, pattern(2_000)),
  )
  const [first, second] = [stream.slice(0, 60_000), stream.slice(60_000)]
  reader.push(first)
  assert.equal(reader.next(), null)
  assert.deepEqual([first.length, reader.bufferedBytes > 59_000], [0, true])
  reader.push(second)
  assert.deepEqual(reader.next()!.body, pattern(100_000))
  const { body } = reader.next()!
  assert.equal(body.buffer, second.buffer)
  assert.deepEqual(body, pattern(2_000))
})

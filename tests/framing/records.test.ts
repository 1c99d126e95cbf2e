import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, EMPTY, fromHex, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type RecordCipher, RecordOpener, RecordReader, RecordSealer, sealedLength } from '../../lib/framing/records.ts'
import { RECORD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX, REKEY_EVERY_RECORDS, TAG_BYTES } from '../../lib/limits.ts'
import { cuts, cutUp, SEEDED } from './arbitrary.ts'

function record(body: Uint8Array): Uint8Array {
  return concatBytes(new Uint8Array([body.length >> 8, body.length & 0xff]), body)
}

function pattern(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 37 + (i >> 7)) & 0xff)
}

function readAll(reader: RecordReader, pieces: readonly Uint8Array[]): Uint8Array[] {
  const records: Uint8Array[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (let next = reader.next(); next !== null; next = reader.next()) records.push(next.slice())
  }
  return records
}

const bodies: readonly Uint8Array[] = [pattern(1), pattern(300), pattern(2), pattern(17)]
const stream: Uint8Array = concatBytes(...bodies.map(record))

test('a record is its length in two big-endian bytes and itself', () => {
  assert.deepEqual(readAll(new RecordReader(10), [fromHex('0003aabbcc000100')]), [fromHex('aabbcc'), fromHex('00')])
})

test('a stream split at every byte gives the same records', () => {
  for (let at = 0; at <= stream.length; at++) {
    assert.deepEqual(readAll(new RecordReader(300), [stream.slice(0, at), stream.slice(at)]), bodies, `split at ${at}`)
  }
  assert.deepEqual(readAll(new RecordReader(300), cutUp(stream, [1])), bodies)
})

test('a truncated stream gives the records that are whole, and the others once the rest has come', () => {
  const ends = [3, 305, 309, 328]
  for (let length = 0; length <= stream.length; length++) {
    for (const sizes of [[1_000], [1], [100]]) {
      const reader = new RecordReader(300)
      const records = readAll(reader, cutUp(stream.slice(0, length), sizes))
      const whole = ends.filter((end) => end <= length).length
      assert.deepEqual(records, bodies.slice(0, whole), `${length} bytes`)
      assert.equal(reader.bufferedBytes, length - (ends[whole - 1] ?? 0))
      assert.deepEqual(readAll(reader, [stream.slice(length)]), bodies.slice(whole))
      assert.equal(reader.bufferedBytes, 0)
    }
  }
})

test('random records in random chunks come out as they went in', () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: RECORD_BYTES_MAX })), {
    maxLength: 8,
  })
  fc.assert(
    fc.property(lengths, cuts, (wanted, sizes) => {
      const records = wanted.map(pattern)
      const reader = new RecordReader(RECORD_BYTES_MAX)
      assert.deepEqual(readAll(reader, cutUp(concatBytes(...records.map(record)), sizes)), records)
      assert.equal(reader.bufferedBytes, 0)
    }),
    { ...SEEDED, numRuns: 100 },
  )
})

test('several chunks may be pushed before a record is taken', () => {
  const reader = new RecordReader(300)
  for (const chunk of cutUp(stream, [4, 50])) reader.push(chunk)
  assert.equal(reader.bufferedBytes, stream.length)
  assert.deepEqual(reader.next(), bodies[0])
  assert.equal(reader.bufferedBytes, stream.length - 3)
  assert.deepEqual(readAll(reader, [EMPTY]), bodies.slice(1))
})

test('a record inside one chunk is not copied; one that straddles is good until the next call', () => {
  const reader = new RecordReader(300)
  const chunk = record(pattern(100))
  reader.push(chunk)
  assert.equal(reader.next()!.buffer, chunk.buffer)
  for (const part of cutUp(chunk, [30])) reader.push(part)
  assert.deepEqual(reader.next(), pattern(100))
})

test('a length of 0 or over the bound is refused as soon as both its bytes are there', () => {
  for (const [hex, max] of [
    ['0000', 10],
    ['000b', 10],
    ['ffff', 65_534],
    ['0801', 2_048],
  ] as const) {
    for (const sizes of [[2], [1]]) {
      assert.throws(() => readAll(new RecordReader(max), cutUp(fromHex(hex), sizes)), { code: 'bad-record' })
    }
    assert.deepEqual(readAll(new RecordReader(max), [fromHex(hex).slice(0, 1)]), [])
  }
  assert.deepEqual(readAll(new RecordReader(10), [record(pattern(10))]), [pattern(10)])
  assert.deepEqual(readAll(new RecordReader(RECORD_BYTES_MAX), [record(pattern(65_535))]), [pattern(65_535)])
})

test('after an error the reader goes on refusing', () => {
  const reader = new RecordReader(10)
  for (const byte of [0x00, 0x00]) reader.push(new Uint8Array([byte]))
  assert.throws(() => reader.next(), { code: 'bad-record' })
  reader.push(record(pattern(3)))
  assert.throws(() => reader.next(), { code: 'bad-record' })
})

test('the bound may change between two records of one chunk', () => {
  const reader = new RecordReader(10)
  reader.push(concatBytes(record(pattern(10)), record(pattern(500))))
  assert.deepEqual(reader.next(), pattern(10))
  reader.recordBytesMax = 500
  assert.deepEqual(reader.next(), pattern(500))
})

test('random bytes give records, nothing or bad-record', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), cuts, (bytes, sizes) => {
      try {
        readAll(new RecordReader(2_048), cutUp(bytes, sizes))
      } catch (error) {
        assert.ok(error instanceof MeshError && error.code === 'bad-record', String(error))
      }
    }),
    { ...SEEDED, numRuns: 2_000 },
  )
})

/** No cipher: a tag that names key generation and nonce, so that a test sees which record was sealed with what. */
class FakeCipher implements RecordCipher {
  nonce: number
  generation = 0

  constructor(nonce: number = 0) {
    this.nonce = nonce
  }

  sealInto(plain: Uint8Array, into: Uint8Array, at: number): number {
    into.set(plain, at)
    into.set(this.#tag(), at + plain.length)
    this.nonce++
    return at + plain.length + TAG_BYTES
  }

  decryptWithAd(ad: Uint8Array, sealed: Uint8Array): Uint8Array {
    assert.equal(ad.length, 0)
    const border = sealed.length - TAG_BYTES
    if (toHex(sealed.subarray(border)) !== toHex(this.#tag()))
      throw new MeshError('bad-record', 'the tag does not match')
    this.nonce++
    return sealed.slice(0, border)
  }

  openInto(sealed: Uint8Array, into: Uint8Array): void {
    into.set(this.decryptWithAd(EMPTY, sealed))
  }

  rekey(): void {
    this.generation++
  }

  #tag(): Uint8Array {
    const tag = new Uint8Array(TAG_BYTES)
    const view = new DataView(tag.buffer)
    view.setUint32(0, this.generation)
    view.setBigUint64(8, BigInt(this.nonce))
    return tag
  }
}

function sealed(sealer: RecordSealer, plain: Uint8Array): Uint8Array {
  const out = new Uint8Array(sealedLength(plain.length) + 4).fill(0xee)
  const next = sealer.seal(plain, out, 2)
  assert.equal(next, out.length - 2)
  assert.equal(toHex(out.subarray(0, 2)) + toHex(out.subarray(next)), 'eeeeeeee')
  return out.slice(2, next)
}

test('a sealed record is length, sealed text and tag, and opens again', () => {
  const bytes = sealed(new RecordSealer(new FakeCipher(5)), fromHex('aabb'))
  assert.equal(toHex(bytes), '0012aabb00000000000000000000000000000005')
  assert.deepEqual(new RecordOpener(new FakeCipher(5)).open(bytes.subarray(2)), fromHex('aabb'))
})

test('both directions rekey after the records with nonce 65,535 and 131,071, and at no other', () => {
  const sealing = new FakeCipher()
  const opening = new FakeCipher()
  const sealer = new RecordSealer(sealing)
  const opener = new RecordOpener(opening)
  const out = new Uint8Array(sealedLength(1))
  const into = new Uint8Array(1)
  for (let nonce = 0; nonce <= 2 * REKEY_EVERY_RECORDS + 1; nonce++) {
    assert.equal(sealing.generation, Math.floor(nonce / 65_536))
    sealer.seal(out.subarray(2, 3), out, 0)
    if (nonce % 2 === 0) opener.open(out.subarray(2))
    else opener.openInto(out.subarray(2), into)
    assert.equal(opening.generation, sealing.generation)
  }
  assert.equal(sealing.generation, 2)
  assert.equal(sealing.nonce, 131_074)
})

test('the largest record is 65,535 bytes, and neither an empty nor a larger one is sealed', () => {
  const sealer = new RecordSealer(new FakeCipher())
  const largest = sealed(sealer, pattern(RECORD_PLAIN_BYTES_MAX))
  assert.equal(largest.length, 2 + RECORD_BYTES_MAX)
  const [cut] = readAll(new RecordReader(RECORD_BYTES_MAX), [largest])
  assert.deepEqual(new RecordOpener(new FakeCipher()).open(cut!), pattern(65_519))
  for (const length of [0, RECORD_PLAIN_BYTES_MAX + 1]) {
    assert.throws(() => sealer.seal(new Uint8Array(length), new Uint8Array(70_000), 0), RangeError)
  }
})

test('a record that is too short, empty or changed does not open', () => {
  const opener = new RecordOpener(new FakeCipher())
  for (let length = 0; length <= TAG_BYTES; length++) {
    assert.throws(() => opener.open(new Uint8Array(length)), { code: 'bad-record', fault: 'remote' })
    assert.throws(() => opener.openInto(new Uint8Array(length), EMPTY), { code: 'bad-record', fault: 'remote' })
  }
  assert.throws(() => opener.open(new Uint8Array(RECORD_BYTES_MAX + 1)), { code: 'bad-record' })
  assert.throws(() => opener.open(pattern(40)), { code: 'bad-record' })
})

const realCipher = new URL('../../lib/noise/cipher-state.ts', import.meta.url)
const missing = existsSync(realCipher) ? false : 'lib/noise/cipher-state.ts is not here'

test('records sealed with the real cipher open with it, across a rekey', { skip: missing }, async () => {
  const { CipherState } = await import('../../lib/noise/cipher-state.ts')
  const { primitives } = await import('../../lib/crypto/choose.ts')
  const key = pattern(32)
  const sealer = new RecordSealer(new CipherState(primitives.aead(key)))
  const opener = new RecordOpener(new CipherState(primitives.aead(key)))
  const out = new Uint8Array(sealedLength(3))
  for (let nonce = 0; nonce < REKEY_EVERY_RECORDS + 2; nonce++) {
    const plain = new Uint8Array([nonce >> 16, nonce >> 8, nonce])
    sealer.seal(plain, out, 0)
    assert.deepEqual(new Uint8Array(opener.open(out.subarray(2))), plain)
  }
  const before = sealed(sealer, pattern(100)).subarray(2)
  before[50]! ^= 1
  assert.throws(() => opener.open(before), { code: 'bad-record' })
  before[50]! ^= 1
  assert.deepEqual(new Uint8Array(opener.open(before)), pattern(100))
  assert.throws(() => opener.open(before), { code: 'bad-record' }, 'a replayed record')
})

test('what was kept is not touched when the chunks are used for something else', () => {
  const bytes = concatBytes(...bodies.map(record))
  for (let at = 1; at < bytes.length; at++) {
    const reader = new RecordReader(300)
    const [first, second] = [bytes.slice(0, at), bytes.slice(at)]
    reader.push(first)
    const got: Uint8Array[] = []
    const one = reader.next()
    if (one !== null) got.push(one.slice())
    reader.keep()
    first.fill(0xee)
    got.push(...readAll(reader, [second]))
    assert.deepEqual(got, bodies, `cut at ${at}`)
  }
})

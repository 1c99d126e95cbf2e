// Rates of the framing layer's hot paths, for bodies of 256 bytes and of 64 KiB: `node --import tsx tests/bench/framing.ts`.
// Each figure is the best of several rounds, so other work on the machine matters little. Not a test: it asserts nothing.

import { encodeCbor } from '../../lib/framing/cbor.ts'
import { checkCbor } from '../../lib/framing/cbor-check.ts'
import { CborReader } from '../../lib/framing/cbor-reader.ts'
import { encodeFrame, FrameReader, FrameType } from '../../lib/framing/frames.ts'
import { RecordReader } from '../../lib/framing/records.ts'
import { RECORD_BYTES_MAX } from '../../lib/limits.ts'

const ROUNDS = 7
const ROUND_MS = 150
const CHUNK_BYTES = 65_536

/** Prints how often a second `run`, which handles `count` items of `bytes` bytes, gets through one. */
function measure(name: string, bytes: number, count: number, run: () => void): void {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    let calls = 0
    let elapsedMs = 0
    while (elapsedMs < ROUND_MS) {
      run()
      calls++
      elapsedMs = performance.now() - start
    }
    best = Math.max(best, (calls * count * 1000) / elapsedMs)
  }
  const rate = Math.round(best).toLocaleString('en').padStart(12)
  const megabytes = Math.round((best * bytes) / 1e6)
    .toLocaleString('en')
    .padStart(8)
  console.log(`${name.padEnd(34)} ${String(bytes).padStart(6)} B ${rate}/s ${megabytes} MB/s`)
}

/** `piece` repeated until a few chunks are full, cut as a socket would. */
function chunksOf(piece: Uint8Array): { chunks: Uint8Array[]; count: number } {
  const count = Math.max(16, Math.floor((4 * CHUNK_BYTES) / piece.length))
  const whole = new Uint8Array(count * piece.length)
  for (let i = 0; i < count; i++) whole.set(piece, i * piece.length)
  const chunks: Uint8Array[] = []
  for (let at = 0; at < whole.length; at += CHUNK_BYTES) chunks.push(whole.slice(at, at + CHUNK_BYTES))
  return { chunks, count }
}

function bundleLike(payloadBytes: number, messages: number): Uint8Array {
  const payload = new Uint8Array(payloadBytes)
  const rows = Array.from({ length: messages }, () => ['sensors/kitchen/temperature', payload])
  return encodeCbor([1, new Uint8Array(32), 2 ** 50, 1_000_000, 1_700_000_000_000, 0, 0, rows])
}

function readBundle(bytes: Uint8Array): void {
  const reader = new CborReader(bytes)
  reader.array(8)
  reader.uint()
  reader.bytes(32)
  for (let i = 0; i < 5; i++) reader.uint()
  for (let left = reader.array(); left > 0; left--) {
    reader.array(2)
    reader.text(255)
    reader.bytes(1_048_576)
  }
  reader.finish()
}

for (const bodyBytes of [256, 65_536]) {
  const frames = chunksOf(encodeFrame(FrameType.bundle, new Uint8Array(bodyBytes)))
  const frameReader = new FrameReader()
  measure('FrameReader', bodyBytes, frames.count, () => {
    for (const chunk of frames.chunks) {
      frameReader.push(chunk)
      while (frameReader.next() !== null);
    }
  })

  const length = Math.min(bodyBytes, RECORD_BYTES_MAX)
  const record = new Uint8Array(length + 2)
  record.set([length >> 8, length & 0xff])
  const records = chunksOf(record)
  const recordReader = new RecordReader(RECORD_BYTES_MAX)
  measure('RecordReader', length, records.count, () => {
    for (const chunk of records.chunks) {
      recordReader.push(chunk)
      while (recordReader.next() !== null);
    }
  })
}

for (const [name, bytes] of [
  ['one message', bundleLike(170, 1)],
  ['one message', bundleLike(65_446, 1)],
  ['220 messages', bundleLike(266, 220)],
] as const) {
  measure(`CborReader, bundle of ${name}`, bytes.length, 1, () => readBundle(bytes))
  measure(`checkCbor, bundle of ${name}`, bytes.length, 1, () => checkCbor(bytes))
}

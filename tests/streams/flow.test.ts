// How bytes flow: back-pressure, fairness, windows that grow with the delay.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameReader, FrameType } from '../../lib/framing/frames.ts'
import { LINK_WINDOWS_BYTES_MAX, STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MIN } from '../../lib/limits.ts'
import { plainFrame } from '../../lib/link/send-queue.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { readStream } from '../../lib/streams/messages.ts'
import { type End, Pair } from './pair.ts'

const CHUNK = Buffer.alloc(65_536, 7)

/** Writes for ever, as far as the stream takes it. */
function flood(stream: MeshStream): void {
  const more = (): void => {
    while (!stream.destroyed && stream.write(CHUNK));
  }
  stream.on('drain', more)
  more()
}

function countReceived(stream: MeshStream): { bytes: number } {
  const count = { bytes: 0 }
  stream.on('data', (chunk: Uint8Array) => {
    count.bytes += chunk.length
  })
  return count
}

/** The streams of the data frames that leave next, in order. */
function leaving(end: End, frames: number): number[] {
  const reader = new FrameReader()
  const record = new Uint8Array(65_519)
  const streams: number[] = []
  while (streams.length < frames) {
    const length = end.queue.fill(record, 0, record.length, 0)
    assert.ok(length > 0, 'nothing leaves')
    reader.push(record.slice(0, length))
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      if (frame.type === FrameType.data) streams.push(readStream(frame.body).value)
    }
  }
  return streams
}

test('a reader that stops holds the writer back, with what is held bounded, and goes on later', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  flood(near)
  await pair.settle()
  const stopped = pair.dialer.sentBytes
  assert.ok(stopped >= STREAM_WINDOW_BYTES && stopped < STREAM_WINDOW_BYTES + 1_000, `${stopped} bytes left`)
  assert.ok(near.writableLength <= 2 * near.writableHighWaterMark)
  assert.ok(far.readableLength <= far.readableHighWaterMark + 65_536)
  assert.equal(near.writableNeedDrain, true)
  assert.equal(pair.listener.streams.windowBytes, STREAM_WINDOW_BYTES)
  const received = countReceived(far)
  await pair.until(() => received.bytes > 10 * STREAM_WINDOW_BYTES)
  far.pause()
  await pair.settle()
  const held = received.bytes
  await pair.settle()
  assert.equal(received.bytes, held)
  assert.ok(pair.dialer.sentBytes - held <= pair.listener.streams.windowBytes + 100_000)
})

test('a stalled stream stalls no other one', async () => {
  const pair = new Pair()
  const stalled = await pair.open()
  const moving = await pair.open()
  flood(stalled.near)
  await pair.settle()
  flood(moving.near)
  const received = countReceived(moving.far)
  await pair.until(() => received.bytes > 20_000_000)
  assert.equal(pair.listener.streams.windowBytes <= LINK_WINDOWS_BYTES_MAX, true)
})

test('streams take turns, frame by frame', async () => {
  const pair = new Pair()
  const streams = [await pair.open(), await pair.open(), await pair.open()]
  for (const { near } of streams) near.write(Buffer.alloc(200_000))
  assert.deepEqual(leaving(pair.dialer, 9), [1, 3, 5, 1, 3, 5, 1, 3, 5])
})

test('a small stream waits for one frame of a bulk one and no more', async () => {
  const pair = new Pair()
  const bulk = await pair.open()
  const small = await pair.open()
  bulk.far.resume()
  small.far.resume()
  bulk.near.write(Buffer.alloc(STREAM_WINDOW_BYTES))
  small.near.write('x')
  assert.deepEqual(leaving(pair.dialer, 3), [1, 3, 1])
})

test('one frame of all streams together waits in the link’s queue', async () => {
  const pair = new Pair()
  const fars: MeshStream[] = []
  pair.listener.registry.handle('/x/1', (stream) => fars.push(stream))
  const openings = Array.from({ length: 50 }, () => pair.dialer.streams.open(['/x/1']))
  await pair.until(() => fars.length === 50)
  for (const opening of openings) flood(await opening)
  assert.ok(pair.dialer.queue.bytes <= 65_519, `${pair.dialer.queue.bytes}`)
})

test('a stream with tiny writes fills its frames', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.resume()
  const before = pair.dialer.queue.begun
  for (let i = 0; i < 20_000; i++) near.write(Buffer.from([i & 0xff]))
  await pair.until(() => near.writableLength === 0)
  assert.ok(pair.dialer.queue.begun - before < 50, `${pair.dialer.queue.begun - before} frames`)
})

test('there are few credits for much data', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.resume()
  near.resume()
  flood(near)
  flood(far)
  await pair.until(() => pair.dialer.sentBytes > 50_000_000)
  const credits = pair.dialer.heard.filter((type) => type === FrameType.credit).length
  const data = pair.listener.heard.filter((type) => type === FrameType.data).length
  assert.ok(credits > 0 && credits * 2 < data, `${credits} credits for ${data} data frames`)
})

test('credit goes ahead of data that waited before it', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  pair.listener.isShut = true
  far.write(Buffer.alloc(200_000))
  far.resume()
  flood(near)
  await pair.settle()
  const record = new Uint8Array(65_519)
  const length = pair.listener.queue.fill(record, 0, record.length, 0)
  assert.equal(record[0], FrameType.credit)
  assert.ok(length > 0)
})

for (const [delayMs, megabytesPerS] of [
  [25, 100],
  [25, 10],
  [1, 100],
  [100, 20],
] as const) {
  test(`with ${2 * delayMs} ms of delay a stream comes near a line of ${megabytesPerS} MB/s`, async () => {
    const pair = new Pair({ delayMs, bytesPerMs: megabytesPerS * 1_000, roundTripMs: null })
    const { near, far } = await pair.open()
    const received = countReceived(far)
    // Far beyond what Node would hold, since this wire has no buffer that could bridge the turn in which a writer is woken.
    const more = (): void => {
      while (near.writableLength < 4_000_000) near.write(CHUNK)
    }
    near.on('drain', more)
    more()
    // Growing takes a few round trips.
    const startMs = pair.nowMs
    await pair.until(() => pair.nowMs >= startMs + 20 * delayMs + 20, 1)
    const [fromBytes, fromMs] = [received.bytes, pair.nowMs]
    await pair.until(() => pair.nowMs >= fromMs + 1_000, 1)
    const rate = (received.bytes - fromBytes) / (pair.nowMs - fromMs) / 1_000
    assert.ok(rate > 0.9 * Math.min(megabytesPerS, 8_388 / (2 * delayMs)), `${rate} MB/s`)
  })
}

test('a slow reader does not make the window grow', async () => {
  const pair = new Pair({ delayMs: 25, bytesPerMs: 100_000 })
  const { near, far } = await pair.open()
  flood(near)
  for (let i = 0; i < 100; i++) {
    far.read(Math.min(far.readableLength, 20_000))
    const untilMs = pair.nowMs + 50
    await pair.until(() => pair.nowMs >= untilMs, 10)
  }
  assert.equal(pair.listener.streams.windowBytes, STREAM_WINDOW_BYTES)
})

test('a thousand streams that nobody reads keep within the bound, and all of them have said something', async () => {
  const pair = new Pair()
  const fars: MeshStream[] = []
  pair.listener.registry.handle('/x/1', (stream) => fars.push(stream))
  const openings = Array.from({ length: 1_000 }, () => pair.dialer.streams.open(['/x/1']))
  await pair.until(() => fars.length === 1_000)
  const nears = await Promise.all(openings)
  for (const near of nears) near.write(CHUNK)
  await pair.settle()
  const held = pair.listener.streams.windowBytes
  assert.ok(held <= LINK_WINDOWS_BYTES_MAX, `${held}`)
  assert.ok(fars.every((far) => far.readableLength >= STREAM_WINDOW_BYTES_MIN || far.readableFlowing === null))
  const counts = fars.map(countReceived)
  await pair.until(() => counts.every(({ bytes }) => bytes === CHUNK.length))
  for (const near of nears) near.destroy()
  await pair.settle()
  assert.equal(pair.listener.streams.windowBytes, 0)
})

test('data takes turns with the other classes of the link', async () => {
  const pair = new Pair()
  const { near } = await pair.open()
  near.write(Buffer.alloc(200_000))
  pair.dialer.queue.push('bundle', plainFrame(FrameType.bundle, new Uint8Array(1_000)))
  const record = new Uint8Array(2_000)
  const length = pair.dialer.queue.fill(record, 0, record.length, 0)
  assert.equal(record[0], FrameType.bundle)
  assert.ok(length > 1_000)
})

// What came on a stream before its link was over is not lost: it is read to its end where that came too, else up to the error.

import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { LINK_WINDOWS_BYTES_MAX, STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MIN } from '../../lib/limits.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { seeded } from '../crypto/seeded.ts'
import { Pair, turn } from './pair.ts'

const GONE = new MeshError('peer-said-goodbye', 'goodbye 0')
/** More than Node holds for a reader, less than a first window. */
const BYTES: Buffer = Buffer.from(seeded(4).bytes(200_000))

interface Reading {
  bytes(): Buffer
  /** `end` or the error, in the order in which they came. */
  readonly events: unknown[]
}

function read(stream: Duplex): Reading {
  const chunks: Buffer[] = []
  const events: unknown[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => events.push('end'))
  stream.on('error', (error) => events.push(error))
  stream.on('close', () => events.push('close'))
  return { bytes: () => Buffer.concat(chunks), events }
}

/** The listener's end has all of BYTES and has read none of it when the link goes. */
async function cut(before: (near: MeshStream, far: MeshStream, pair: Pair) => void): Promise<[Pair, MeshStream]> {
  const pair = new Pair()
  const { near, far } = await pair.open()
  near.write(BYTES)
  before(near, far, pair)
  await pair.settle()
  pair.close(GONE)
  await pair.settle()
  return [pair, far]
}

async function closed(pair: Pair, stream: MeshStream): Promise<void> {
  await pair.until(() => stream.closed)
  assert.equal(pair.listener.streams.count, 0)
  assert.equal(pair.listener.streams.windowBytes, 0)
  assert.equal(pair.listener.budget.bytes, 0)
  assert.equal(pair.listener.budget.leftBytes ?? 0, 0)
}

test('a stream on which both ends had said all is read to its end as if the link were there', async () => {
  const [pair, far] = await cut((near, far) => {
    near.end()
    far.end()
  })
  assert.equal(far.destroyed, false)
  assert.equal(pair.listener.streams.windowBytes, BYTES.length)
  const reading = read(far)
  await closed(pair, far)
  assert.ok(reading.bytes().equals(BYTES))
  assert.deepEqual(reading.events, ['end', 'close'])
  assert.equal(far.errored, null)
})

test('a stream that its other end had ended gives all, and its end, and then the error', async () => {
  const [pair, far] = await cut((near) => void near.end())
  const reading = read(far)
  await closed(pair, far)
  assert.ok(reading.bytes().equals(BYTES))
  assert.deepEqual(reading.events, ['end', GONE, 'close'])
})

test('an end that came in the turn in which the link went is heard of before the error', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const reading = read(far)
  near.write('all')
  await pair.settle()
  near.end()
  await pair.until(() => {
    const isThere = pair.listener.heard.includes(0x33)
    if (isThere) pair.close(GONE)
    return isThere
  })
  await closed(pair, far)
  assert.deepEqual([reading.bytes().toString(), reading.events], ['all', ['end', GONE, 'close']])
})

test('a stream that had not ended gives what came and then the error, by events and by for await', async () => {
  const [pair, far] = await cut(() => undefined)
  const reading = read(far)
  await closed(pair, far)
  assert.ok(reading.bytes().equals(BYTES))
  assert.deepEqual(reading.events, [GONE, 'close'])

  const [other, stream] = await cut(() => undefined)
  const chunks: Buffer[] = []
  let thrown: unknown = null
  void (async () => {
    try {
      for await (const chunk of stream) chunks.push(chunk as Buffer)
    } catch (error) {
      thrown = error
    }
  })()
  await closed(other, stream)
  await other.settle()
  assert.ok(Buffer.concat(chunks).equals(BYTES))
  assert.equal(thrown, GONE)
})

test('a slow reader gets all of it, however long it takes', async () => {
  const [pair, far] = await cut((near, far) => {
    near.end()
    far.end()
  })
  let text = ''
  for (let i = 0; i < 1_000 && !far.readableEnded; i++) {
    text += ((far.read(997) ?? far.read()) as Buffer | null)?.toString('latin1') ?? ''
    await pair.step()
  }
  assert.equal(text, BYTES.toString('latin1'))
  await closed(pair, far)
})

test('a handler that was not called yet gets the stream with what came', async () => {
  const pair = new Pair()
  const readings: Reading[] = []
  pair.listener.registry.handle('/late/1', (stream) => readings.push(read(stream)))
  const opening = pair.dialer.streams.open(['/late/1'])
  let isWritten = false
  opening.then(
    (stream) => {
      stream.write('x')
      isWritten = true
    },
    () => undefined,
  )
  // The listener's turns do not end meanwhile, so that its program hears of nothing.
  const held: (() => void)[] = []
  await pair.until(() => {
    held.push(...pair.listener.deferred.splice(0))
    return isWritten && pair.listener.streams.count === 1 && pair.listener.heard.includes(0x31)
  })
  pair.close(GONE)
  for (const run of held) run()
  await pair.settle()
  assert.equal(readings.length, 1)
  assert.deepEqual([readings[0]!.bytes().toString(), readings[0]!.events], ['x', [GONE, 'close']])
})

test('who writes and reads gets all that came, and its last words go nowhere', async () => {
  const [pair, far] = await cut((_near, far, { listener }) => {
    listener.isShut = true
    far.write(Buffer.alloc(2_000_000))
    far.pause()
  })
  const results: unknown[] = []
  far.end('more', (error?: Error | null) => results.push(error))
  await pair.settle()
  assert.equal(far.destroyed, false)
  const reading = read(far)
  far.resume()
  await closed(pair, far)
  assert.ok(reading.bytes().equals(BYTES))
  assert.deepEqual(reading.events, [GONE, 'close'])
  assert.deepEqual(results, [GONE])
})

test('an echo does not stand still on what can never leave', async () => {
  for (const between of [null, new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) })]) {
    let failure: unknown = null
    let bytes = 0
    const [pair, far] = await cut((_near, far, { listener }) => {
      listener.isShut = true
      far.write(Buffer.alloc(2_000_000))
      far.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      const echo = between === null ? pipeline(far, far) : pipeline(far, between, far)
      echo.catch((error: unknown) => {
        failure = error
      })
    })
    await closed(pair, far)
    await pair.settle()
    assert.deepEqual([failure, bytes], [GONE, BYTES.length])
  }
})

test('who only writes hears of it at once, also with something to read that nobody reads', async () => {
  const [pair, far] = await cut((_near, far, { listener }) => {
    listener.isShut = true
    far.write(Buffer.alloc(2_000_000))
  })
  assert.equal(far.errored, GONE)
  await closed(pair, far)

  const [later, stream] = await cut(() => undefined)
  assert.equal(stream.destroyed, false)
  const results: unknown[] = []
  stream.write('x', (error) => results.push(error))
  await closed(later, stream)
  assert.deepEqual([stream.errored, results], [GONE, [GONE]])

  const [last, ended] = await cut(() => undefined)
  ended.end()
  await closed(last, ended)
  assert.equal(ended.errored, GONE)
})

test('a writer without end is held back while its reader stands still', async () => {
  const [pair, far] = await cut(() => undefined)
  far.pause()
  let taken = 0
  const more = (): void => {
    while (!far.destroyed && far.write(BYTES)) taken += BYTES.length
  }
  far.on('drain', more)
  more()
  for (let i = 0; i < 200; i++) await pair.step()
  assert.ok(taken > 1_000_000 && taken < 20_000_000, `${taken}`)
  assert.equal(far.writableNeedDrain, true)
  const reading = read(far)
  far.resume()
  await closed(pair, far)
  assert.ok(reading.bytes().equals(BYTES))
})

test('a stream that is given up after its link lets go of all', async () => {
  const [pair, far] = await cut((near) => void near.end())
  assert.ok(pair.listener.budget.leftBytes! >= BYTES.length)
  far.destroy()
  await closed(pair, far)
})

test('a reset still drops what was not read', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  near.write(BYTES)
  await pair.settle()
  near.destroy()
  await closed(pair, far)
  assert.equal((far.errored as MeshError).code, 'stream-reset')
})

test('what is dropped behind an end is no end, whoever reads before the error is told', async () => {
  for (const drop of ['reset', 'no room'] as const) {
    const budget = { bytes: 0, bytesMax: 10_000_000 }
    const pair = new Pair({ budget })
    const { near, far } = await pair.open()
    near.end(BYTES)
    await pair.settle()
    budget.bytesMax = 300_000
    const events: string[] = []
    for (const event of ['end', 'error']) far.on(event, () => events.push(event))
    if (drop === 'reset') pair.listener.streams.received(FrameType.reset, Uint8Array.of(1, 0))
    else pair.close(GONE)
    let bytes = 0
    for (let chunk = far.read(); chunk !== null; chunk = far.read()) bytes += (chunk as Buffer).length
    // Node's own ticks come before the end of a turn.
    await turn()
    await pair.until(() => far.closed)
    assert.ok(bytes < BYTES.length, `${bytes}`)
    assert.deepEqual(events, ['error'], drop)
  }
})

test('links that are over leave at most half of the room, each stream a least window, and no stream an end it did not reach', async () => {
  const bytesMax = 2 * LINK_WINDOWS_BYTES_MAX
  const budget = { bytes: 0, bytesMax, leftBytes: 0 }
  const fars: MeshStream[] = []
  let [kept, lost] = [0, 0]
  for (let link = 0; link < 12; link++) {
    const pair = new Pair({ budget })
    // Both ends count in one room here, and only the listener keeps anything.
    for (let i = 0; i < 10; i++) {
      const { near, far } = await pair.open()
      near.end(Buffer.alloc(STREAM_WINDOW_BYTES))
      fars.push(far)
    }
    await pair.settle()
    pair.close(GONE)
    await pair.settle()
    assert.ok(budget.leftBytes <= bytesMax / 2, `${budget.leftBytes}`)
    assert.ok(budget.bytes <= bytesMax)
  }
  for (const far of fars) {
    if (!far.destroyed) kept++
    else {
      lost++
      assert.equal(far.errored, GONE)
      assert.equal(far.readableEnded, false)
    }
  }
  assert.ok(kept >= 40 && lost >= 10, `${kept} kept, ${lost} lost`)
  for (const far of fars) far.destroy()
  assert.deepEqual([budget.bytes, budget.leftBytes], [0, 0])

  const small = new Pair({ budget })
  const { near, far } = await small.open()
  near.write('x')
  await small.settle()
  small.close(GONE)
  assert.equal(budget.leftBytes, STREAM_WINDOW_BYTES_MIN)
  far.destroy()
  assert.equal(budget.leftBytes, 0)
})

// A thousand streams that are opened, written, half closed, read, left and reset at random, under seeds: every byte arrives
// in order or the end says why, no credit is lost, and nothing is left behind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { chance } from '../virtual/chance.ts'
import { type End, Pair } from './pair.ts'

const STREAMS = 1_000

/** One direction of a stream: what was written, and how much of it came. */
interface Direction {
  readonly seed: number
  writtenBytes: number
  readBytes: number
  isEndWritten: boolean
  isEndRead: boolean
}

interface Life {
  readonly number: number
  near: MeshStream | null
  far: MeshStream | null
  refused: unknown
  readonly there: Direction
  readonly back: Direction
  /** Somebody destroyed it on purpose. */
  isReset: boolean
}

function direction(seed: number): Direction {
  return { seed, writtenBytes: 0, readBytes: 0, isEndWritten: false, isEndRead: false }
}

/** The byte at a place of a direction: so each byte can be checked by itself. */
function byteAt({ seed }: Direction, at: number): number {
  return (Math.imul(at + 1, 0x9e37_79b1) ^ seed) >>> 24
}

function write(stream: MeshStream, to: Direction, length: number): void {
  const chunk = Buffer.from(Uint8Array.from({ length }, (_, i) => byteAt(to, to.writtenBytes + i)))
  to.writtenBytes += length
  stream.write(chunk)
}

function hear(stream: MeshStream, from: Direction): void {
  stream.on('data', (chunk: Uint8Array) => {
    for (const byte of chunk) {
      if (byte !== byteAt(from, from.readBytes)) assert.fail(`byte ${from.readBytes} of stream ${stream.id}`)
      from.readBytes++
    }
  })
  stream.on('end', () => {
    from.isEndRead = true
  })
}

for (const seed of [1, 2, 3]) {
  test(`a thousand streams under seed ${seed}`, { timeout: 100_000 }, async () => {
    const random = chance(seed)
    const pair = new Pair({ delayMs: random.below(3), bytesPerMs: 200_000 })
    const lives: Life[] = []
    const waiting = new Map<string, Life>()
    const open = (from: End, to: End): void => {
      const number = lives.length
      const name = `/life/${number}`
      const there = direction(random.below(2 ** 31))
      const back = direction(random.below(2 ** 31))
      const life: Life = { number, near: null, far: null, refused: null, there, back, isReset: false }
      lives.push(life)
      waiting.set(name, life)
      to.registry.handle(name, (stream) => {
        life.far = stream
        if (random.below(4) > 0) hear(stream, life.there)
        else setImmediate(() => hear(stream, life.there))
      })
      from.streams.open([name]).then(
        (stream) => {
          life.near = stream
          hear(stream, life.back)
        },
        (error: unknown) => {
          life.refused = error
        },
      )
    }
    const act = (life: Life): void => {
      const isNear = random.below(2) === 0
      const stream = isNear ? life.near : life.far
      const to = isNear ? life.there : life.back
      if (stream === null || stream.destroyed) return
      const what = random.below(100)
      if (what < 60) {
        if (!to.isEndWritten) write(stream, to, random.below(random.below(10) === 0 ? 40_000 : 500))
      } else if (what < 80) {
        if (random.below(2) === 0) stream.pause()
        else stream.resume()
      } else if (what < 92) {
        if (!to.isEndWritten) {
          to.isEndWritten = true
          stream.end()
        }
      } else if (what === 92) {
        life.isReset = true
        stream.destroy(random.below(2) === 0 ? undefined : new StreamResetError(64 + random.below(100)))
      }
    }

    while (lives.length < STREAMS) {
      for (let i = random.below(30); i > 0 && lives.length < STREAMS; i--) {
        if (random.below(2) === 0) open(pair.dialer, pair.listener)
        else open(pair.listener, pair.dialer)
      }
      for (let i = 0; i < 200; i++) act(lives[random.below(lives.length)]!)
      if (random.below(10) === 0) pair.dialer.isShut = !pair.dialer.isShut
      if (random.below(10) === 0) pair.listener.isShut = !pair.listener.isShut
      await pair.step()
      pair.nowMs += random.below(2)
    }

    // Everyone comes to an end: writes the rest, reads the rest.
    pair.dialer.isShut = false
    pair.listener.isShut = false
    await pair.settle()
    for (const life of lives) {
      for (const [stream, to] of [
        [life.near, life.there],
        [life.far, life.back],
      ] as const) {
        if (stream === null || stream.destroyed) continue
        stream.resume()
        if (!to.isEndWritten) stream.end()
        to.isEndWritten = true
      }
    }
    await pair.until(() => pair.dialer.streams.count + pair.listener.streams.count === 0)
    await pair.settle()

    let [whole, cut] = [0, 0]
    for (const life of lives) {
      const { near, far, there, back, isReset, number } = life
      assert.equal(life.refused, null, `${number}`)
      assert.ok(near !== null && far !== null, `${number} was opened`)
      assert.ok(near.closed && far.closed, `${number} is closed at both ends`)
      if (isReset) {
        cut++
        // The end that did not do it knows why; unless both had said all by then.
        const errors = [near.errored, far.errored].filter((error) => error !== null)
        for (const error of errors) assert.ok(error instanceof StreamResetError || 'code' in error, String(error))
        const isThereWhole = there.isEndRead && there.readBytes === there.writtenBytes
        const isBackWhole = back.isEndRead && back.readBytes === back.writtenBytes
        if (!isThereWhole && far.errored === null) assert.ok(near.errored !== null || far.destroyed)
        if (!isBackWhole && near.errored === null) assert.ok(far.errored !== null || near.destroyed)
      } else {
        whole++
        assert.deepEqual([near.errored, far.errored], [null, null], `${number}`)
        assert.equal(there.readBytes, there.writtenBytes, `${number} there`)
        assert.equal(back.readBytes, back.writtenBytes, `${number} back`)
        assert.ok(there.isEndRead && back.isEndRead, `${number} ended`)
      }
    }
    assert.ok(whole > 200 && cut > 20, `${whole} whole, ${cut} cut off`)
    for (const end of [pair.dialer, pair.listener]) {
      assert.equal(end.fault, null)
      assert.deepEqual(end.warnings, [])
      assert.equal(end.streams.count, 0)
      assert.equal(end.streams.windowBytes, 0)
      assert.equal(end.budget.bytes, 0)
      assert.equal(end.queueBudget.bytes, 0)
      assert.equal(end.queue.isEmpty, true)
      assert.equal(end.streams.nextDeadlineMs(), Number.POSITIVE_INFINITY)
    }
  })
}

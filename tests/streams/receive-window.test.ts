import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LINK_WINDOWS_BYTES_MAX, STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MAX } from '../../lib/limits.ts'
import { CreditPool, type WindowBudget } from '../../lib/streams/credit-pool.ts'
import { ReceiveWindow } from '../../lib/streams/receive-window.ts'
import { seeded } from '../crypto/seeded.ts'

function made(): { window: ReceiveWindow; pool: CreditPool; shared: WindowBudget; clock: { nowMs: number } } {
  const shared = { bytes: 0, bytesMax: 1e9 }
  const pool = new CreditPool(shared)
  return { window: new ReceiveWindow(pool), pool, shared, clock: { nowMs: 0 } }
}

test('nothing may come before something was granted', () => {
  const { window, clock } = made()
  assert.throws(() => window.received(1, () => clock.nowMs), { code: 'bad-stream' })
  assert.equal(window.grant(), STREAM_WINDOW_BYTES)
  window.received(STREAM_WINDOW_BYTES, () => clock.nowMs)
  assert.throws(() => window.received(1, () => clock.nowMs), { code: 'bad-stream' })
  window.received(0, () => clock.nowMs)
})

test('more is granted once half has been read, and as much as has been read', () => {
  const { window, clock } = made()
  const now = (): number => clock.nowMs
  window.grant()
  window.received(STREAM_WINDOW_BYTES, now)
  clock.nowMs = 1_000
  assert.equal(
    window.read(STREAM_WINDOW_BYTES / 2 - 1, now, () => 1),
    false,
  )
  assert.equal(
    window.read(STREAM_WINDOW_BYTES / 2, now, () => 1),
    true,
  )
  assert.equal(
    window.read(STREAM_WINDOW_BYTES / 2 + 5, now, () => 1),
    false,
    'it has been said',
  )
  assert.equal(window.grant(), STREAM_WINDOW_BYTES / 2 + 5)
  assert.equal(window.grant(), 0)
  assert.equal(window.bytes, STREAM_WINDOW_BYTES)
})

test('the window doubles while half of it is read within two round trips', () => {
  const { window, clock } = made()
  const now = (): number => clock.nowMs
  window.grant()
  let total = 0
  const half = (tookMs: number): void => {
    // The writer keeps the window full; the reader takes half of it in this time.
    window.received(window.outstandingBytes, now)
    clock.nowMs += tookMs
    total += Math.ceil(window.bytes / 2)
    window.read(total, now, () => 50)
    window.grant()
  }
  half(99)
  assert.equal(window.bytes, 2 * STREAM_WINDOW_BYTES)
  half(100)
  assert.equal(window.bytes, 2 * STREAM_WINDOW_BYTES, 'the reader is what limits it')
  for (let i = 0; i < 20; i++) half(10)
  assert.equal(window.bytes, STREAM_WINDOW_BYTES_MAX)
})

test('an unread window never grows, and what waits stays within it', () => {
  const { window, clock } = made()
  window.grant()
  window.received(window.outstandingBytes, () => clock.nowMs)
  for (let total = 1; total < 1_000; total++) {
    assert.equal(
      window.read(
        total,
        () => clock.nowMs,
        () => null,
      ),
      false,
    )
  }
  assert.equal(window.unreadBytes, STREAM_WINDOW_BYTES - 999)
})

test('after the end only what waits is held, and less with all that is read', () => {
  const { window, pool, shared, clock } = made()
  const now = (): number => clock.nowMs
  window.grant()
  window.received(1_000, now)
  window.end()
  assert.equal(pool.bytes, 1_000)
  assert.equal(
    window.read(600, now, () => null),
    false,
  )
  assert.equal(pool.bytes, 400)
  assert.throws(() => window.received(STREAM_WINDOW_BYTES, now), { code: 'bad-stream' })
  window.close()
  assert.deepEqual([pool.bytes, pool.windows, shared.bytes], [0, 0, 0])
})

test('a total that goes back is nothing new', () => {
  const { window, pool, clock } = made()
  const now = (): number => clock.nowMs
  window.grant()
  window.received(1_000, now)
  window.read(500, now, () => null)
  assert.equal(
    window.read(400, now, () => null),
    false,
  )
  assert.equal(window.unreadBytes, 500)
  assert.equal(pool.windows, 1)
})

test('whatever is granted and read on many streams, the pool counts at least what may be held, and no stream starves', () => {
  const random = seeded(31)
  const shared: WindowBudget = { bytes: 0, bytesMax: 1e9 }
  const pool = new CreditPool(shared)
  let nowMs = 0
  const streams: { window: ReceiveWindow; total: number }[] = []
  for (let i = 0; i < 30_000; i++) {
    nowMs += random.below(3)
    const now = (): number => nowMs
    if (random.below(40) === 0 && streams.length < 300) {
      const window = new ReceiveWindow(pool)
      window.grant()
      streams.push({ window, total: 0 })
    }
    const stream = streams[random.below(streams.length)]
    if (stream === undefined) continue
    const { window } = stream
    // Most keep up with the writer; some only hoard.
    window.received(random.below(window.outstandingBytes + 1), now)
    if (random.below(8) > 0) stream.total += random.below(window.unreadBytes + 1)
    if (window.read(stream.total, now, () => 5)) assert.ok(window.grant() > 0)
    if (random.below(300) === 0) {
      window.end()
      window.close()
      streams.splice(streams.indexOf(stream), 1)
    }
    const promised = streams.reduce((sum, one) => sum + one.window.outstandingBytes + one.window.unreadBytes, 0)
    assert.ok(promised <= pool.bytes, `${promised} of ${pool.bytes}`)
    assert.ok(pool.bytes <= LINK_WINDOWS_BYTES_MAX)
    assert.equal(shared.bytes, pool.bytes)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FILL_MESSAGES_MIN, FILL_MS, FILL_MS_MAX, FillTime } from '../../lib/flood/fill-time.ts'

/** Turns of one millisecond, in each of which so many messages of so many bytes are published. Returns what the last measure said. */
function run(fill: FillTime, fromMs: number, turns: number, messages: number, bytes: number): number | null {
  let said: number | null = null
  for (let i = 0; i < turns; i++) {
    for (let j = 0; j < messages; j++) fill.count(bytes)
    said = fill.measure(fromMs + i) ?? said
  }
  return said
}

test('what comes before anything was measured is not fast, at whatever time the clock stands', () => {
  for (const nowMs of [0, 1, 1e9]) {
    const fill = new FillTime()
    fill.count(100)
    assert.equal(fill.measure(nowMs), 0)
    assert.equal(fill.isFast, false)
    assert.equal(fill.waitMs, FILL_MS)
  }
})

test('it is fast as soon as waiting gathers enough messages, and no more once it does not', () => {
  const fill = new FillTime()
  const enough = Math.ceil(FILL_MESSAGES_MIN / FILL_MS)
  run(fill, 0, 200, enough, 10)
  assert.equal(fill.isFast, true)
  // One message in ten milliseconds
  for (let nowMs = 210; nowMs < 400; nowMs += 10) run(fill, nowMs, 1, 1, 10)
  assert.equal(fill.isFast, false)
})

test('it tells how many whole bytes come in the time that a bundle is kept open, and nothing in between', () => {
  const fill = new FillTime()
  assert.equal(run(fill, 0, 101, 7, 301), FILL_MS * 7 * 301)
  assert.equal(fill.measure(101), null)
  fill.count(4)
  assert.equal(fill.measure(103.7), null)
  assert.equal(fill.measure(100 + FILL_MS * 3), Math.floor(4 / 3))
})

test('each millisecond that timers come late keeps a bundle open longer, up to a bound, whatever the clock does', () => {
  const fill = new FillTime()
  fill.ended(100, 100.2)
  assert.equal(fill.waitMs, FILL_MS)
  for (let i = 0; i < 40; i++) fill.ended(100, 102)
  assert.ok(fill.waitMs > FILL_MS + 9 && fill.waitMs <= FILL_MS + 10, `${fill.waitMs} ms`)
  for (let i = 0; i < 40; i++) fill.ended(100, 1e12)
  assert.equal(fill.waitMs, FILL_MS_MAX)
  for (let i = 0; i < 80; i++) fill.ended(100, 100)
  assert.equal(fill.waitMs, FILL_MS)
})

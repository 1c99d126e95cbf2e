import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heartbeat } from '../../lib/link/heartbeat.ts'

const MIDDLE = (): number => 0.5

function beating(): Heartbeat {
  return new Heartbeat({ intervalMs: 1_000, missedMax: 3 }, MIDDLE, 0)
}

function ping(heartbeat: Heartbeat, nowMs: number): Uint8Array {
  const due = heartbeat.tick(nowMs)
  assert.ok(due instanceof Uint8Array)
  return due
}

test('a ping is due at each interval and not before', () => {
  const heartbeat = beating()
  assert.equal(heartbeat.deadlineMs, 1_000)
  assert.equal(heartbeat.tick(999.9), null)
  assert.equal(ping(heartbeat, 1_000).length, 8)
  assert.equal(heartbeat.deadlineMs, 2_000)
})

test('the interval is jittered by a tenth each way', () => {
  for (const [fraction, firstMs] of [
    [0, 900],
    [0.25, 950],
    [0.999_999, 1_100],
  ] as const) {
    const heartbeat = new Heartbeat({ intervalMs: 1_000, missedMax: 3 }, () => fraction, 0)
    assert.ok(Math.abs(heartbeat.deadlineMs - firstMs) < 0.01)
  }
})

test('three silent intervals after a ping are death, two are not', () => {
  const heartbeat = beating()
  ping(heartbeat, 1_000)
  ping(heartbeat, 2_000)
  ping(heartbeat, 3_000)
  assert.equal(heartbeat.tick(4_000), 'dead')
})

test('any byte is a sign of life and starts the count anew', () => {
  const heartbeat = beating()
  for (let second = 1; second <= 3; second++) ping(heartbeat, second * 1_000)
  heartbeat.heard(3_500)
  for (let second = 4; second <= 6; second++) ping(heartbeat, second * 1_000)
  assert.equal(heartbeat.tick(7_000), 'dead')
})

test('the round trip is that of the newest ping', () => {
  const heartbeat = beating()
  assert.equal(heartbeat.roundTripMs, null)
  const first = ping(heartbeat, 1_000)
  const second = ping(heartbeat, 2_000)
  heartbeat.pong(first, 2_005)
  assert.equal(heartbeat.roundTripMs, null)
  heartbeat.pong(second, 2_007)
  assert.equal(heartbeat.roundTripMs, 7)
  heartbeat.pong(second, 2_500)
  assert.equal(heartbeat.roundTripMs, 7)
})

test('a pong that answers nothing is ignored', () => {
  const heartbeat = beating()
  heartbeat.pong(new Uint8Array(8), 10)
  ping(heartbeat, 1_000)
  heartbeat.pong(new Uint8Array(8).fill(9), 1_010)
  assert.equal(heartbeat.roundTripMs, null)
})

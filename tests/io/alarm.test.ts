import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Alarm } from '../../lib/io/alarm.ts'
import { FakeClock } from '../link/fake-clock.ts'

function setUp(): { clock: FakeClock; alarm: Alarm; rings: number[] } {
  const clock = new FakeClock()
  const rings: number[] = []
  const alarm = new Alarm(clock, () => rings.push(clock.nowMs()))
  return { clock, alarm, rings }
}

test('it rings once, at its deadline', () => {
  const { clock, alarm, rings } = setUp()
  const deadlineMs = clock.nowMs() + 100
  alarm.set(deadlineMs)
  clock.advance(99)
  assert.equal(rings.length, 0)
  clock.advance(1_000)
  assert.deepEqual(rings, [deadlineMs])
  assert.equal(clock.timerCount, 0)
})

test('a deadline in the past rings at the next chance, not within the call', () => {
  const { clock, alarm, rings } = setUp()
  alarm.set(clock.nowMs() - 50)
  assert.equal(rings.length, 0)
  clock.advance(0)
  assert.equal(rings.length, 1)
})

test('an earlier deadline takes the place of a later one', () => {
  const { clock, alarm, rings } = setUp()
  const nowMs = clock.nowMs()
  alarm.set(nowMs + 1_000)
  alarm.set(nowMs + 10)
  clock.advance(5_000)
  assert.deepEqual(rings, [nowMs + 10])
})

test('a deadline that is pushed back again and again costs no timer each', () => {
  const { clock, alarm, rings } = setUp()
  for (let i = 0; i < 1_000; i++) {
    alarm.set(clock.nowMs() + 100)
    assert.equal(clock.timerCount, 1)
    clock.advance(1)
  }
  assert.equal(rings.length, 0)
  const lastMs = clock.nowMs() - 1
  clock.advance(1_000)
  assert.deepEqual(rings, [lastMs + 100])
})

test('a deadline that passed while the machine was suspended rings within ten minutes of waking', () => {
  const { clock, alarm, rings } = setUp()
  const deadlineMs = clock.nowMs() + 8 * 3_600_000
  alarm.set(deadlineMs)
  clock.advance(60_000)
  // Timers stood still, and the clock shows ten hours more.
  const nowMs = clock.nowMs.bind(clock)
  clock.nowMs = () => nowMs() + 36_000_000
  clock.advance(600_000)
  assert.equal(rings.length, 1)
})

test('hastening brings a deadline nearer and never puts it off', () => {
  const { clock, alarm, rings } = setUp()
  const nowMs = clock.nowMs()
  alarm.hasten(nowMs + 1_000)
  alarm.hasten(nowMs + 2_000)
  alarm.hasten(nowMs + 10)
  alarm.hasten(Number.POSITIVE_INFINITY)
  assert.equal(clock.timerCount, 1)
  clock.advance(5_000)
  assert.deepEqual(rings, [nowMs + 10])
  // A timer of a deadline that was put off is still there: an earlier one than the new deadline, and no earlier ring.
  alarm.set(nowMs + 6_000)
  alarm.set(nowMs + 8_000)
  alarm.hasten(nowMs + 7_000)
  clock.advance(5_000)
  assert.deepEqual(rings, [nowMs + 10, nowMs + 7_000])
})

test('none, infinity and cancelling keep it silent', () => {
  for (const silence of [
    (alarm: Alarm) => alarm.set(null),
    (alarm: Alarm) => alarm.set(Number.POSITIVE_INFINITY),
    (alarm: Alarm) => alarm.cancel(),
  ]) {
    const { clock, alarm, rings } = setUp()
    alarm.set(clock.nowMs() + 10)
    silence(alarm)
    clock.advance(1_000)
    assert.equal(rings.length, 0)
    assert.equal(clock.timerCount, 0)
    alarm.set(clock.nowMs() + 10)
    clock.advance(10)
    assert.equal(rings.length, 1)
  }
})

test('it can be set again while it rings', () => {
  const clock = new FakeClock()
  let rings = 0
  const alarm: Alarm = new Alarm(clock, () => {
    if (++rings < 3) alarm.set(clock.nowMs() + 10)
  })
  alarm.set(clock.nowMs())
  clock.advance(100)
  assert.equal(rings, 3)
})

test('a deadline weeks away is beyond a timer, and rings then', () => {
  const { clock, alarm, rings } = setUp()
  const deadlineMs = clock.nowMs() + 40 * 86_400_000
  alarm.set(deadlineMs)
  clock.advance(41 * 86_400_000)
  assert.deepEqual(rings, [deadlineMs])
})

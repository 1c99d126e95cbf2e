import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LATE_TIMES, Lateness, SLACK_FOR_MS, SLACK_MS_MAX } from '../../lib/flood/lateness.ts'

test('how late one was is left to the next of its origin, twice, less what is waited anyway, up to a bound', () => {
  for (const [lateMs, coveredMs, slackMs] of [
    [0, 0, 0],
    [100, 0, LATE_TIMES * 100],
    [100, 80, LATE_TIMES * 100 - 80],
    [40, 80, 0],
    [39, 80, 0],
    [10_000, 80, SLACK_MS_MAX],
  ] as const) {
    const lateness = new Lateness()
    lateness.came('origin', lateMs, coveredMs, 5_000)
    assert.equal(lateness.slackMs('origin', 5_000), slackMs, `${lateMs} ms late, ${coveredMs} waited`)
    assert.equal(lateness.slackMs('other', 5_000), 0)
  }
})

test('it is forgotten after a while, and the latest counts until then', () => {
  const lateness = new Lateness()
  lateness.came('origin', 100, 0, 0)
  lateness.came('origin', 30, 0, 500)
  assert.equal(lateness.slackMs('origin', SLACK_FOR_MS - 1), 200)
  assert.equal(lateness.slackMs('origin', SLACK_FOR_MS), 0)
  lateness.came('origin', 30, 0, SLACK_FOR_MS)
  assert.equal(lateness.slackMs('origin', SLACK_FOR_MS), 60)
  lateness.came('origin', 31, 0, SLACK_FOR_MS + 1)
  assert.equal(lateness.slackMs('origin', 2 * SLACK_FOR_MS), 62, 'a later one counts from its own time')
})

test('who is late all the time is given time all the time', () => {
  const lateness = new Lateness()
  for (let nowMs = 0; nowMs <= 5 * SLACK_FOR_MS; nowMs += 150) {
    lateness.came('origin', 10_000, 80, nowMs)
    assert.equal(lateness.slackMs('origin', nowMs + 149), SLACK_MS_MAX, `at ${nowMs}`)
  }
})

test('when a link is gone nothing is left more time: what is late may be lost with it', () => {
  const lateness = new Lateness()
  lateness.came('origin', 100, 0, 0)
  lateness.clear()
  assert.equal(lateness.slackMs('origin', 1), 0)
})

test('of very many origins those are known that were late last', () => {
  const lateness = new Lateness()
  for (let i = 0; i < 1_000; i++) lateness.came(`origin ${i}`, 100, 0, i)
  const known = Array.from({ length: 1_000 }, (_, i) => i).filter((i) => lateness.slackMs(`origin ${i}`, 1_000) > 0)
  assert.ok(known.length <= 64 && known.length >= 32, `${known.length} are known`)
  assert.ok(known.at(-1) === 999 && known[0]! >= 936, `${known[0]} to ${known.at(-1)}`)
})

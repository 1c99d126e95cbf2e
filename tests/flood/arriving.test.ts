import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ARRIVING_MS_MAX, Arriving, SLACK_FOR_MS, SLACK_MS_MAX } from '../../lib/flood/arriving.ts'

const NEVER = Number.NEGATIVE_INFINITY

test('what is on its way is heard of as long as its bytes come, and only of its origin and epoch', () => {
  const arriving = new Arriving()
  assert.equal(arriving.grew('link', 0), false)
  arriving.begin('link', 'origin', 7, 1_000)
  assert.equal(arriving.grew('link', 1_050), true)
  assert.equal(arriving.heardMs('origin', 7), 1_050)
  assert.deepEqual([arriving.heardMs('origin', 8), arriving.heardMs('other', 7)], [NEVER, NEVER])
  arriving.begin('second', 'origin', 7, 1_100)
  assert.equal(arriving.heardMs('origin', 7), 1_100)
  arriving.end('second', 'origin', 1_200)
  assert.equal(arriving.heardMs('origin', 7), 1_050)
  arriving.linkDown('link')
  assert.equal(arriving.heardMs('origin', 7), NEVER)
})

test('bytes that trickle do not count for ever', () => {
  const arriving = new Arriving()
  arriving.begin('link', 'origin', 7, 0)
  for (let nowMs = 0; nowMs <= 10 * ARRIVING_MS_MAX; nowMs += 100) assert.ok(arriving.grew('link', nowMs))
  assert.equal(arriving.heardMs('origin', 7), ARRIVING_MS_MAX)
})

test('how long one took is left to the next, twice, up to a bound, for a while', () => {
  const arriving = new Arriving()
  assert.equal(arriving.slackMs('origin', 0), 0)
  for (const [tookMs, slackMs] of [
    [0, 0],
    [100, 200],
    [1_000, SLACK_MS_MAX],
  ] as const) {
    arriving.begin('link', 'origin', 7, 5_000)
    arriving.end('link', 'origin', 5_000 + tookMs)
    assert.equal(arriving.slackMs('origin', 5_000 + tookMs), slackMs)
    assert.equal(arriving.slackMs('origin', 5_000 + tookMs + SLACK_FOR_MS - 1), slackMs)
    assert.equal(arriving.slackMs('origin', 5_000 + tookMs + SLACK_FOR_MS), 0)
    assert.equal(arriving.slackMs('other', 5_000 + tookMs), 0)
  }
})

test('a body that turns out to be of another origin, and one whose link is gone, say nothing of how long one takes', () => {
  const arriving = new Arriving()
  arriving.begin('link', 'origin', 7, 0)
  arriving.end('link', 'other', 100)
  arriving.begin('link', 'origin', 7, 200)
  arriving.linkDown('link')
  assert.deepEqual([arriving.slackMs('origin', 300), arriving.slackMs('other', 300)], [0, 0])
})

test('when a link is gone nothing is left more time: what is late may be lost with it', () => {
  const arriving = new Arriving()
  arriving.begin('link', 'origin', 7, 0)
  arriving.end('link', 'origin', 100)
  assert.equal(arriving.slackMs('origin', 150), 200)
  arriving.linkDown('second')
  assert.equal(arriving.slackMs('origin', 150), 0)
})

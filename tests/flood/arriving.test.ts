import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ARRIVING_MS_MAX, Arriving } from '../../lib/flood/arriving.ts'

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

test('the end of one says how long it was under way, up to a bound', () => {
  const arriving = new Arriving()
  assert.equal(arriving.end('link', 'origin', 5_000), 0, 'a short one never was')
  for (const tookMs of [0, 100, ARRIVING_MS_MAX]) {
    arriving.begin('link', 'origin', 7, 5_000)
    assert.equal(arriving.end('link', 'origin', 5_000 + tookMs), tookMs)
    assert.equal(arriving.end('link', 'origin', 5_000 + tookMs), 0, 'and says so once')
  }
  arriving.begin('link', 'origin', 7, 5_000)
  assert.equal(arriving.end('link', 'origin', 6_000 + ARRIVING_MS_MAX), ARRIVING_MS_MAX)
})

test('a body that turns out to be of another origin, and one whose link is gone, say nothing of how long one takes', () => {
  const arriving = new Arriving()
  arriving.begin('link', 'origin', 7, 0)
  assert.equal(arriving.end('link', 'other', 100), 0)
  arriving.begin('link', 'origin', 7, 200)
  arriving.linkDown('link')
  assert.equal(arriving.end('link', 'origin', 300), 0)
})

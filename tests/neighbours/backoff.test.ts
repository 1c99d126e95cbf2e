import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff, WAIT_MS_MIN } from '../../lib/neighbours/backoff.ts'

const options = { firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 }

test('the bound of the wait doubles with each failure from the first to the longest', () => {
  const backoff = new Backoff(options, () => 1)
  const waits = Array.from({ length: 10 }, () => backoff.failed())
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  assert.equal(backoff.failures, 10)
})

test('jitter is full, but no wait is shorter than the least', () => {
  assert.equal(new Backoff(options, () => 0).failed(), WAIT_MS_MIN)
  assert.equal(new Backoff(options, () => 0.5).failed(), 250)
  assert.equal(new Backoff({ ...options, firstMs: 1 }, () => 1).failed(), WAIT_MS_MIN)
})

test('thousands of failures do not overflow the wait', () => {
  const backoff = new Backoff(options, () => 0.999)
  for (let i = 0; i < 5_000; i++) assert.ok(backoff.failed() <= options.maxMs)
})

test('only a link that lived long enough starts the count anew', () => {
  const backoff = new Backoff(options, () => 1)
  backoff.failed()
  backoff.failed()
  assert.equal(backoff.lived(29_999), false)
  assert.equal(backoff.failed(), 2_000)
  assert.equal(backoff.lived(30_000), true)
  assert.equal(backoff.failures, 0)
  assert.equal(backoff.failed(), 500)
})

test('a wait for "later" lies between half of the longest and all of it', () => {
  assert.equal(new Backoff(options, () => 0).failedForLong(), 30_000)
  assert.equal(new Backoff(options, () => 1).failedForLong(), 60_000)
})

test('an end that is no failure waits at most the first wait and is not counted', () => {
  const backoff = new Backoff(options, () => 1)
  assert.equal(backoff.soon(), 500)
  assert.equal(backoff.failures, 0)
})

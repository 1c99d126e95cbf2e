import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FloodLink } from '../../lib/flood/flood-link.ts'
import { CONGESTED_BYTES, NEARLY_FULL_BYTES, PATIENCE_MS, Pace } from '../../lib/flood/pace.ts'

const OWN_TREE = 7

interface FakeLink {
  bundleBytes: number
  isStalled: boolean
  isLazy: (tree: number) => boolean
}

/** Two links and a clock. */
function setUp(): { fast: FakeLink; slow: FakeLink; pace: Pace; at: (ms: number) => void } {
  const link = (): FakeLink => ({ bundleBytes: 0, isStalled: false, isLazy: () => false })
  const [fast, slow] = [link(), link()]
  let nowMs = 1_000
  const pace = new Pace(new Set([fast, slow] as unknown as FloodLink[]), OWN_TREE, () => nowMs)
  return { fast, slow, pace, at: (ms) => (nowMs = 1_000 + ms) }
}

test('without links nothing is waited for', () => {
  const pace = new Pace(new Set(), OWN_TREE, () => 0)
  assert.deepEqual([pace.congested, pace.busy, pace.deadlineMs], [false, false, null])
})

test('publishers wait while every link is behind', () => {
  const { fast, slow, pace } = setUp()
  fast.bundleBytes = slow.bundleBytes = CONGESTED_BYTES + 1
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, null])
  fast.bundleBytes = CONGESTED_BYTES
  assert.deepEqual([pace.congested, pace.deadlineMs], [false, null])
})

test('a link that would soon drop is waited for, until it has room or patience ends', () => {
  const { slow, pace, at } = setUp()
  slow.bundleBytes = NEARLY_FULL_BYTES
  assert.equal(pace.congested, false)
  slow.bundleBytes = NEARLY_FULL_BYTES + 1
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, 1_000 + PATIENCE_MS])
  at(100)
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, 1_000 + PATIENCE_MS])
  slow.bundleBytes = NEARLY_FULL_BYTES
  assert.deepEqual([pace.congested, pace.deadlineMs], [false, null])
})

test('a link that stays behind is not waited for when patience is used up, until half of it has come back', () => {
  const { slow, pace, at } = setUp()
  slow.bundleBytes = NEARLY_FULL_BYTES + 1
  assert.equal(pace.congested, true)
  at(PATIENCE_MS)
  assert.deepEqual([pace.congested, pace.deadlineMs], [false, null])
  at(PATIENCE_MS * 1.5 - 1)
  assert.equal(pace.congested, false)
  at(PATIENCE_MS * 1.5)
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, 1_000 + PATIENCE_MS * 2])
})

test('whatever a slow link does, half of the time is not spent waiting for it', () => {
  const { slow, pace, at } = setUp()
  slow.bundleBytes = NEARLY_FULL_BYTES + 1
  let waited = 0
  for (let ms = 0; ms < 100 * PATIENCE_MS; ms++) {
    at(ms)
    if (pace.congested) waited++
  }
  assert.ok(waited <= 51 * PATIENCE_MS, `waited ${waited} ms`)
})

test('neither one that drops already nor one that is lazy is waited for', () => {
  const { slow, pace } = setUp()
  slow.bundleBytes = NEARLY_FULL_BYTES + 1
  slow.isStalled = true
  assert.equal(pace.congested, false)
  slow.isStalled = false
  slow.isLazy = (tree) => tree === OWN_TREE
  assert.equal(pace.congested, false)
})

test('while all links are behind, patience with the slower grows again', () => {
  const { fast, slow, pace, at } = setUp()
  slow.bundleBytes = NEARLY_FULL_BYTES + 1
  assert.equal(pace.congested, true)
  at(200)
  fast.bundleBytes = CONGESTED_BYTES + 1
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, null])
  at(300)
  fast.bundleBytes = 0
  assert.deepEqual([pace.congested, pace.deadlineMs], [true, 1_300 + 150])
})

// What gaps among an origin's numbers cost on disk, and what becomes of them: over restarts, in a folder of the version before,
// and when nothing of that origin is kept any more.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TakenNumbers } from '../../lib/flood/bundle-store.ts'
import { runBytes, runKey, Table, takenKey } from '../../lib/store/keys.ts'
import { rangesValue } from '../../lib/store/layout.ts'
import type { MemoryDisk } from '../virtual/database.ts'
import { ALL, idsOf, originKeyOf } from './bundles.ts'
import { type Bounds, type OpenedStore, openStore, PATH } from './harness.ts'

/** The process dies, and another one opens what it left. */
function reopened(before: OpenedStore, given: Partial<Bounds> = {}): Promise<OpenedStore> {
  before.clock.kill()
  const { time, disk } = before
  return openStore('durable', given, { time, disk })
}

function takenOf(taken: Iterable<TakenNumbers>): Record<string, readonly number[]> {
  return Object.fromEntries(
    [...taken].map(({ originKey, epoch, ranges }) => [`${originKey.charCodeAt(0)}/${epoch}`, ranges]),
  )
}

function tablesOf(disk: MemoryDisk): number[] {
  return [...new Set([...disk.contents(PATH).keys()].map((key) => Number.parseInt(key.slice(0, 2), 16)))].sort(
    (a, b) => a - b,
  )
}

/** One bundle of each second number of an origin, so that none of its gaps is filled. */
async function putGaps({ put, store, time }: OpenedStore, count: number, origin = 1): Promise<void> {
  for (let i = 0; i < count; i++) put({ origin, first: i * 2, bytes: 0 })
  await time.of(store.flushed())
  await time.settle()
}

test('what a commit writes does not grow with the gaps of an origin', async () => {
  const bytesWithGaps: number[][] = []
  for (const count of [1, 4_000]) {
    const opened = await openStore('durable')
    await putGaps(opened, count)
    const { disk } = opened
    const bytes: number[] = []
    // Above all, between two ranges of them, and in a gap.
    for (const first of [9_000, 9_500, 1_001, 2_001]) {
      const before = disk.committedBytes
      await opened.kept({ first, bytes: 0 })
      bytes.push(disk.committedBytes - before)
    }
    bytesWithGaps.push(bytes)
  }
  const [few, many] = bytesWithGaps as [number[], number[]]
  many.forEach((bytes, i) => {
    assert.ok(bytes < few[i]! + 1_200, `${bytes} bytes, ${few[i]} without gaps`)
  })
})

test('thousands of gaps outlive a restart, and leave the database with what was held', async () => {
  const first = await openStore('durable', { ageMsMax: 60_000 })
  await putGaps(first, 3_000)
  const gaps = Array.from({ length: 6_000 }, (_, i) => (i >> 1) * 2)
  const second = await reopened(first, { ageMsMax: 60_000 })
  assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), gaps)
  assert.deepEqual(takenOf(second.store.taken()), { '1/1': gaps })
  await second.kept({ first: 1 })
  assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), [0, 2, ...gaps.slice(4)])
  await second.pass(200_000)
  assert.equal(second.store.counts.bundles, 0)
  const third = await reopened(second)
  assert.deepEqual(third.holdings.ranges(originKeyOf(1), 1), [])
  assert.deepEqual(takenOf(third.store.taken()), { '1/1': [0, 2, ...gaps.slice(4)] })
  assert.deepEqual(tablesOf(third.disk), [Table.state, Table.taken, Table.takenLeaf])
})

test('a folder of the version before is read and used on', async () => {
  const first = await openStore('durable')
  await putGaps(first, 2_000)
  const gaps = Array.from({ length: 4_000 }, (_, i) => (i >> 1) * 2)
  first.clock.kill()
  // As that version had it: whatever ranges there are in one row, and no leaves.
  const { disk, time } = first
  const run = runBytes(originKeyOf(1), 1)
  for (const [hex, value] of disk.contents(PATH)) {
    const key = Uint8Array.from(Buffer.from(hex, 'hex'))
    const isLeaf = key[0] === Table.takenLeaf || key[0] === Table.heldLeaf
    if (isLeaf) disk.overwrite(PATH, key, null)
    if (key[0] === Table.state)
      disk.overwrite(PATH, key, Uint8Array.from(Buffer.from(`00000001${value.slice(8)}`, 'hex')))
  }
  disk.overwrite(PATH, takenKey(run), rangesValue(time.nowMs, 0, gaps))
  disk.overwrite(PATH, runKey(Table.held, run, 0), rangesValue(0, 0, gaps))

  const second = await openStore('durable', {}, { time, disk })
  assert.deepEqual(second.warnings, [])
  assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), gaps)
  assert.deepEqual(takenOf(second.store.taken()), { '1/1': gaps })
  assert.deepEqual(idsOf(second.store.scanArrivals(1_999, ALL)), ['1/1/3998'])
  await second.kept({ first: 2_001 })
  const before = disk.committedBytes
  await second.kept({ first: 9_000 })
  assert.ok(disk.committedBytes - before < 1_500, `${disk.committedBytes - before}`)
  const third = await reopened(second)
  const expected = [...gaps.slice(0, 2_000), 2_000, 2_002, ...gaps.slice(2_004), 9_000, 9_000]
  assert.deepEqual(third.holdings.ranges(originKeyOf(1), 1), expected)
  assert.deepEqual(takenOf(third.store.taken()), { '1/1': expected })
  assert.ok(disk.contents(PATH).get('01')!.startsWith('00000002'))
})

test('an origin that is forgotten leaves none of its gaps behind', async () => {
  const opened = await openStore('durable')
  await putGaps(opened, 1_000)
  await opened.kept({ origin: 2 })
  await opened.pass(9.5 * 86_400_000)
  assert.deepEqual(Object.keys(takenOf(opened.store.taken())), [])
  assert.deepEqual(tablesOf(opened.disk), [Table.state])
  // The same of an epoch that is too old.
  await putGaps(opened, 200)
  for (let epoch = 2; epoch <= 65; epoch++) await opened.kept({ epoch })
  assert.deepEqual(takenOf(opened.store.taken())['1/1'], undefined)
  assert.equal(tablesOf(opened.disk).includes(Table.takenLeaf), false)
})

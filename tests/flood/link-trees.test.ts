import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesKey } from '../../lib/bytes.ts'
import { LinkTrees, treeOf } from '../../lib/flood/link-trees.ts'
import { LAZY_TREES_MAX } from '../../lib/limits.ts'

test('the tree of an origin is the first two bytes of its key', () => {
  const key = (...start: number[]): string => bytesKey(Uint8Array.from({ length: 32 }, (_, i) => start[i] ?? 0xee))
  assert.equal(treeOf(key(0x03, 0xa1)), 929)
  assert.equal(treeOf(key(0, 0)), 0)
  assert.equal(treeOf(key(0xff, 0xff)), 65_535)
})

test('a tree is lazy from when the neighbour says so until it says otherwise', () => {
  const link = new LinkTrees('n', true)
  assert.equal(link.isLazy(7), false)
  assert.equal(link.makeLazy(7), true)
  assert.equal(link.makeLazy(7), false)
  assert.deepEqual([link.isLazy(7), link.isLazy(8), link.lazyCount], [true, false, 1])
  assert.equal(link.makeEager(7, 0), true)
  assert.equal(link.makeEager(7, 0), false)
  assert.deepEqual([link.isLazy(7), link.lazyCount], [false, 0])
})

test('what is lazy is announced, and for a second after it is eager again everything is', () => {
  const link = new LinkTrees('n', true)
  assert.deepEqual([link.isAnnouncing, link.isAnnounced(7, 100)], [false, false])
  link.makeLazy(7)
  assert.deepEqual([link.isAnnouncing, link.isAnnounced(7, 100), link.isAnnounced(8, 100)], [true, true, false])
  link.makeEager(7, 1_000)
  assert.deepEqual([link.isAnnouncing, link.isAnnounced(7, 1_999), link.isAnnounced(8, 1_999)], [true, true, true])
  assert.deepEqual([link.isAnnounced(7, 2_000), link.isAnnouncing], [false, false])
})

test('both directions have their bound, and what is beyond stays eager', () => {
  const link = new LinkTrees('n', true)
  for (let tree = 0; tree < LAZY_TREES_MAX; tree++) {
    assert.ok(link.makeLazy(tree) && link.decline(tree, 5))
  }
  assert.equal(link.makeLazy(LAZY_TREES_MAX), false)
  assert.equal(link.decline(LAZY_TREES_MAX, 6), false)
  assert.deepEqual([link.isLazy(LAZY_TREES_MAX), link.declinedMs(LAZY_TREES_MAX)], [false, null])
  assert.equal(link.decline(0, 9), true, 'said again')
  assert.equal(link.declinedMs(0), 9)
  assert.ok(link.accept(0) && !link.accept(0))
  assert.equal(link.declinedMs(0), null)
})

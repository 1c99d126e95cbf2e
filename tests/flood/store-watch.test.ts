import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreWatch } from '../../lib/flood/store-watch.ts'

function watched(): {
  watch: StoreWatch
  store: { lastArrival: number; counts: { bundles: 0; bytes: 0; pendingBytes: number; notSaved: number } }
  later(ms?: number): boolean
} {
  let nowMs = 5_000
  const store = { lastArrival: 0, counts: { bundles: 0 as const, bytes: 0 as const, pendingBytes: 0, notSaved: 0 } }
  const watch = new StoreWatch(store, () => nowMs)
  const later = (ms = 1_000): boolean => {
    nowMs += ms
    return watch.isKeeping()
  }
  return { watch, store, later }
}

test('a store that loses bundles does not keep, until it has lost none for a second', () => {
  const { store, later } = watched()
  assert.equal(later(), true)
  store.counts.notSaved = 3
  assert.equal(later(999), true, 'looked at once a second')
  assert.equal(later(1), false)
  assert.equal(later(500), false)
  assert.equal(later(500), true)
})

test('a disk to which nothing gets does not keep, one that is only slow does', () => {
  const { store, later } = watched()
  store.counts.pendingBytes = 100
  assert.equal(later(), true)
  store.lastArrival = 1
  assert.equal(later(), true)
  assert.equal(later(), false)
  assert.equal(later(60_000), false)
  store.lastArrival = 2
  assert.equal(later(), true)
  store.counts.pendingBytes = 0
  assert.equal(later(), true)
  assert.equal(later(), true)
})

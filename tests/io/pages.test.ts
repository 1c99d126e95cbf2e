import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makePages, pageMaker } from '../../lib/io/pages.ts'

/** A binding that says what it was asked, and answers what it is told to. */
function fake(locked: number, unlocked: number) {
  const asked: string[] = []
  return {
    asked,
    sodium_mlock(bytes: Uint8Array): number {
      asked.push(`lock ${bytes.length}`)
      return locked
    },
    sodium_munlock(bytes: Uint8Array): number {
      asked.push(`unlock ${bytes.length}`)
      return unlocked
    },
  }
}

test('pages are made by locking and unlocking them, each time', () => {
  const binding = fake(0, 0)
  const make = pageMaker(binding)
  assert.ok(make(new Uint8Array(8)) && make(new Uint8Array(4)))
  assert.deepEqual(binding.asked, ['lock 8', 'unlock 8', 'lock 4', 'unlock 4'])
})

test('where it fails once it is not tried again, and nothing stays locked', () => {
  for (const [locked, unlocked] of [
    [-1, 0],
    [0, -1],
    [-1, -1],
  ] as const) {
    const binding = fake(locked, unlocked)
    const make = pageMaker(binding)
    assert.deepEqual([make(new Uint8Array(8)), make(new Uint8Array(8))], [false, false])
    assert.deepEqual(binding.asked, ['lock 8', 'unlock 8'])
  }
})

test('without libsodium, or with one that has no such functions, nothing happens', () => {
  assert.equal(pageMaker(null)(new Uint8Array(8)), false)
  assert.equal(pageMaker({ sodium_mlock: () => 0 })(new Uint8Array(8)), false)
})

test('memory of any alignment, shared or not, is zero and of use afterwards, and what lies beside it is as it was', () => {
  for (const buffer of [new ArrayBuffer(100_000), new SharedArrayBuffer(100_000)]) {
    const all = new Uint8Array(buffer)
    all.fill(1, 0, 5_000)
    all.fill(2, 90_000)
    makePages(all.subarray(5_000, 90_000))
    assert.ok(all.subarray(0, 5_000).every((byte) => byte === 1))
    assert.ok(all.subarray(5_000, 90_000).every((byte) => byte === 0))
    assert.ok(all.subarray(90_000).every((byte) => byte === 2))
    all.fill(3)
    assert.ok(all.every((byte) => byte === 3))
  }
})

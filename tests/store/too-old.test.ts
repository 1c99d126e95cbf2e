// Scans of sequences of which much is too old: that they give what they must, and what they read on the disk.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageAt } from '../../lib/flood/bundle.ts'
import { chance } from '../virtual/chance.ts'
import { ALL, idsOf, originKeyOf } from './bundles.ts'
import { openStore, STORE_KINDS } from './harness.ts'

for (const kind of STORE_KINDS) {
  test(`${kind} store: what is too old stays, whenever it came, current values aside`, async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = chance(seed)
      const opened = await openStore(kind, { ageMsMax: 3_600_000 })
      const { store, clock, put, time } = opened
      const order = Array.from({ length: 300 }, (_, first) => first)
      for (let i = order.length - 1; i > 0; i--) {
        const j = random.below(i + 1)
        ;[order[i], order[j]] = [order[j]!, order[i]!]
      }
      for (const first of order) {
        const retained = random.below(9) === 0
        put({ first, retained, topic: `t${random.below(6)}`, ageMs: random.below(3) === 0 ? random.below(200_000) : 0 })
        if (random.below(3) === 0) await opened.pass(random.below(4_000))
        if (random.below(9) === 0) store.younger(originKeyOf(1), 1, order[random.below(300)]!, random.below(60_000))
      }
      await time.of(store.flushed())
      await time.settle()
      const all = store.scanSequences(originKeyOf(1), 1, 0, 299, Number.POSITIVE_INFINITY, ALL)
      assert.equal(all.length, 300)
      for (const ageMsMax of [0, 10_000, 90_000, 150_000, 400_000, 10_000]) {
        const nowMs = clock.nowMs()
        const expected = all.filter(({ bundle }) => ageAt(bundle, nowMs) <= ageMsMax || store.isCurrent(bundle))
        const found = store.scanSequences(originKeyOf(1), 1, 0, 299, ageMsMax, ALL)
        assert.deepEqual(idsOf(found), idsOf(expected), `seed ${seed}, ${ageMsMax} ms`)
        await opened.pass(700)
      }
      await time.of(store.close())
    }
  })
}

test('rows that were read for nothing are counted, and those of what is given are not', async () => {
  const { store, disk, put, pass, time } = await openStore('durable')
  for (let first = 0; first < 500; first++) put({ first })
  await time.of(store.flushed())
  await time.settle()
  await pass(10)
  const scan = (last: number, ageMsMax: number): [rows: number, entries: number, found: number] => {
    const [rows, entries] = [store.vainRows, disk.readCount]
    const found = store.scanSequences(originKeyOf(1), 1, 0, last, ageMsMax, ALL).length
    return [store.vainRows - rows, disk.readCount - entries, found]
  }
  const [given, , count] = scan(499, 600_000)
  assert.deepEqual([given, count], [0, 500])
  const [vain, , none] = scan(499, 0)
  assert.equal(none, 0)
  assert.ok(vain >= 1_000 && vain < 1_020, `${vain}`)
  const before = store.vainRows
  assert.equal([...store.retained(originKeyOf(1))].length, 0)
  assert.ok(store.vainRows > before, 'a search is work too')

  // Of what came long before, the records are not read.
  await pass(120_000)
  scan(499, 0)
  const [old, entries] = scan(499, 0)
  assert.ok(old >= 500 && old < 520, `${old}`)
  assert.ok(entries <= 1_010, `${entries}`)
  assert.equal(scan(499, 600_000)[2], 500)
})

test('what a memory store looks at in vain costs no rows', async () => {
  const { store, put, pass } = await openStore('memory')
  for (let first = 0; first < 100; first++) put({ first })
  await pass(10)
  assert.deepEqual(store.scanSequences(originKeyOf(1), 1, 0, 99, 0, ALL), [])
  assert.equal(store.vainRows, 0)
})

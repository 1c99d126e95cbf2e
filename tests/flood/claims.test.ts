import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AllClaims, Claims } from '../../lib/flood/claims.ts'
import { CLAIM_ENTRIES_MAX, EPOCHS_PER_ORIGIN_MAX } from '../../lib/limits.ts'
import { plainOriginKey } from './fake-store.ts'

const A = plainOriginKey(1)
const B = plainOriginKey(2)

function tell(claims: Claims, originKey: string, epoch: number, ...ranges: number[]): void {
  claims.tell({ originKey, epoch, ranges })
}

test('a claim takes the place of the one before for that epoch', () => {
  const claims = new Claims()
  tell(claims, A, 1, 0, 9)
  tell(claims, A, 2, 5, 5)
  tell(claims, A, 1, 4, 19)
  assert.equal(claims.covers(A, 1, 4, 19), true)
  assert.equal(claims.covers(A, 1, 3, 4), false)
  assert.equal(claims.touches(A, 1, 3, 4), true)
  assert.equal(claims.touches(A, 1, 0, 3), false)
  assert.equal(claims.covers(A, 2, 5, 5), true)
  assert.equal(claims.covers(B, 1, 4, 4), false)
  assert.deepEqual(claims.counts, { entries: 2, ranges: 2 })
  tell(claims, A, 1)
  assert.equal(claims.touches(A, 1, 0, 99), false)
  assert.deepEqual(claims.counts, { entries: 1, ranges: 1 })
})

test('what was struck is not believed again, however often it is told', () => {
  const claims = new Claims()
  const claim = claims.tell({ originKey: A, epoch: 1, ranges: [0, 99] })!
  claims.strike(claim, [10, 19, 50, 59])
  assert.deepEqual(claim.ranges, [0, 9, 20, 49, 60, 99])
  assert.equal(claims.tell({ originKey: A, epoch: 1, ranges: [0, 150] }), claim)
  assert.deepEqual(claim.ranges, [0, 9, 20, 49, 60, 150])
  claims.strike(claim, [60, 69])
  assert.deepEqual(claim.struck, [10, 19, 50, 69])
  assert.deepEqual(claims.counts, { entries: 1, ranges: 5 })
})

test('beyond the bound on entries the one told longest ago goes', () => {
  const claims = new Claims({ entriesMax: 3, rangesMax: 100 })
  for (let i = 0; i < 3; i++) tell(claims, plainOriginKey(i), 1, 0, 0)
  tell(claims, plainOriginKey(0), 1, 0, 5)
  tell(claims, plainOriginKey(9), 1, 0, 0)
  assert.equal(claims.find(plainOriginKey(1), 1), null)
  for (const number of [0, 2, 9]) assert.ok(claims.find(plainOriginKey(number), 1) !== null)
  assert.deepEqual(claims.counts, { entries: 3, ranges: 3 })
})

test('beyond the bound on ranges others go until there is room, the struck ones counted', () => {
  const claims = new Claims({ entriesMax: 100, rangesMax: 6 })
  for (let i = 0; i < 3; i++) tell(claims, plainOriginKey(i), 1, 0, 0, 2, 2)
  assert.deepEqual(claims.counts, { entries: 3, ranges: 6 })
  claims.strike(claims.find(plainOriginKey(2), 1)!, [2, 2])
  tell(claims, plainOriginKey(8), 1, 0, 0)
  assert.deepEqual(claims.counts, { entries: 3, ranges: 5 })
  assert.equal(claims.find(plainOriginKey(0), 1), null)
  const ranges = Array.from({ length: 14 }, (_, i) => Math.floor(i / 2) * 2)
  assert.equal(claims.tell({ originKey: plainOriginKey(9), epoch: 1, ranges }), null)
  assert.deepEqual(claims.counts, { entries: 0, ranges: 0 })
})

test('of one origin the highest epochs are kept', () => {
  const claims = new Claims()
  for (let epoch = 10; epoch < 10 + EPOCHS_PER_ORIGIN_MAX; epoch++) tell(claims, A, epoch, 0, 0)
  assert.equal(claims.tell({ originKey: A, epoch: 9, ranges: [0, 0] }), null)
  const lowest = claims.find(A, 10)!
  tell(claims, A, 1_000, 0, 0)
  assert.equal(lowest.isDropped, true)
  assert.equal(claims.find(A, 10), null)
  assert.equal(claims.counts.entries, EPOCHS_PER_ORIGIN_MAX)
})

test('of too many claims of all neighbours those of whoever claims most go first', () => {
  const all = new AllClaims(100)
  const [liar, other, honest] = [0, 1, 2].map(() => new Claims({ entriesMax: 80, rangesMax: 1_000 }, all)) as [
    Claims,
    Claims,
    Claims,
  ]
  for (let i = 0; i < 10; i++) tell(honest, plainOriginKey(i), 1, 0, 9)
  for (let i = 0; i < 500; i++) for (const claims of [liar, other]) tell(claims, plainOriginKey(100 + i), 1, 0, 9)
  assert.deepEqual(
    [liar, other, honest].map(({ counts }) => counts.entries),
    [45, 45, 10],
  )
  assert.equal(all.entries, 100)
  all.leave(liar)
  assert.equal(all.entries, 55)
  for (let i = 0; i < 30; i++) tell(honest, plainOriginKey(i), 1, 0, 9)
  assert.deepEqual(
    [other, honest].map(({ counts }) => counts.entries),
    [45, 30],
  )
})

test('a claim that has gone holds no ranges, whoever still refers to it', () => {
  const claims = new Claims()
  const claim = claims.tell({ originKey: plainOriginKey(1), epoch: 1, ranges: [0, 9, 20, 29] })!
  claims.strike(claim, [20, 29])
  claim.refused = [0, 4]
  claims.drop(claim)
  assert.deepEqual([claim.ranges, claim.struck, claim.refused], [[], [], []])
  assert.deepEqual(claims.counts, { entries: 0, ranges: 0 })
})

test('garbage costs the bound and no more', () => {
  const claims = new Claims()
  for (let i = 0; i < CLAIM_ENTRIES_MAX * 2; i++) tell(claims, plainOriginKey(i & 0xffff), i >> 16, i, i)
  for (let i = 0; i < CLAIM_ENTRIES_MAX; i++) tell(claims, plainOriginKey(i), i + 5, i, i)
  assert.equal(claims.counts.entries, CLAIM_ENTRIES_MAX)
})

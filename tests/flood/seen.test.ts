import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GAP_GIVEN_UP_MS, ORIGIN_SILENT_MS, Seen, type Sighting } from '../../lib/flood/seen.ts'
import { EPOCHS_PER_ORIGIN_MAX, RANGES_PER_EPOCH_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'

/** Every (origin, epoch, number) that was taken, one by one; without bounds but that on epochs. */
class SlowSeen {
  readonly #origins = new Map<string, Map<number, Set<number>>>()

  mark(origin: string, epoch: number, first: number, last: number): Sighting {
    const epochs = this.#origins.get(origin) ?? new Map<number, Set<number>>()
    const known = epochs.get(epoch)
    if (known === undefined && epochs.size >= EPOCHS_PER_ORIGIN_MAX) {
      const oldest = Math.min(...epochs.keys())
      if (epoch < oldest) return 'old-epoch'
      epochs.delete(oldest)
    }
    const taken = known ?? new Set<number>()
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i)
    const already = numbers.filter((number) => taken.has(number)).length
    for (const number of numbers) taken.add(number)
    epochs.set(epoch, taken)
    this.#origins.set(origin, epochs)
    return already === 0 ? 'new' : already === numbers.length ? 'duplicate' : 'overlap'
  }
}

/** The last number of an origin that is no slight one. */
const MANY = 99

test('beside a slow model the memory says the same, in whatever order', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seeded(seed)
    const seen = new Seen()
    const slow = new SlowSeen()
    for (let step = 0; step < 1_500; step++) {
      const origin = `origin ${random.below(4)}`
      const epoch = random.below(80)
      const first = random.below(60)
      const last = first + random.below(5)
      const looked = seen.look(origin, epoch, first, last)
      const expected = slow.mark(origin, epoch, first, last)
      assert.equal(looked, expected, `seed ${seed}`)
      assert.equal(seen.mark(origin, epoch, first, last, 'n', 0), expected, `seed ${seed}`)
    }
  }
})

test('looking changes nothing', () => {
  const seen = new Seen()
  seen.look('a', 1, 0, 5)
  assert.deepEqual(seen.counts, { origins: 0, epochs: 0, ranges: 0 })
  assert.equal(seen.mark('a', 1, 0, 5, 'n', 0), 'new')
  assert.equal(seen.look('a', 1, 0, 5), 'duplicate')
  assert.equal(seen.look('a', 1, 5, 6), 'overlap')
  assert.equal(seen.look('a', 2, 0, 0), 'new')
  assert.equal(seen.look('b', 1, 0, 0), 'new')
})

test('an overlap is marked, so that neither of two contradicting bundles comes again', () => {
  const seen = new Seen()
  seen.mark('a', 1, 0, 1, 'n', 0)
  assert.equal(seen.mark('a', 1, 1, 3, 'n', 0), 'overlap')
  assert.equal(seen.look('a', 1, 2, 3), 'duplicate')
  assert.deepEqual(seen.taken('a', 1), [0, 3])
})

test('sixty-four epochs are kept, the greatest; what is older is told apart from what is new', () => {
  const seen = new Seen()
  for (let epoch = 100; epoch < 100 + EPOCHS_PER_ORIGIN_MAX; epoch++) seen.mark('a', epoch, 0, 0, 'n', 0)
  assert.equal(seen.look('a', 99, 0, 0), 'old-epoch')
  assert.equal(seen.mark('a', 99, 0, 0, 'n', 0), 'old-epoch')
  assert.equal(seen.mark('a', 1_000, 0, 0, 'n', 0), 'new')
  assert.equal(seen.look('a', 100, 0, 0), 'old-epoch')
  assert.equal(seen.look('a', 101, 0, 0), 'duplicate')
  assert.equal(seen.newestEpoch('a'), 1_000)
  assert.equal(seen.newestEpoch('b'), null)
  assert.deepEqual(seen.counts, { origins: 1, epochs: 64, ranges: 64 })
})

test('one range more than an epoch may have finds no room, but fills and extensions do', () => {
  const seen = new Seen()
  for (let i = 0; i < RANGES_PER_EPOCH_MAX; i++) assert.equal(seen.mark('a', 1, i * 10, i * 10, 'n', 0), 'new')
  assert.equal(seen.mark('a', 1, 500_000, 500_000, 'n', 0), 'no-room')
  assert.equal(seen.look('a', 1, 500_000, 500_000), 'new')
  assert.equal(seen.mark('a', 1, 1, 1, 'n', 0), 'new')
  assert.equal(seen.mark('a', 1, 2, 9, 'n', 0), 'new')
  assert.equal(seen.counts.ranges, RANGES_PER_EPOCH_MAX - 1)
  assert.equal(seen.mark('a', 1, 500_000, 500_000, 'n', 0), 'new')
})

test('a gap that nobody filled for a minute is given up for room, the lowest first', () => {
  const seen = new Seen()
  for (let i = 0; i < RANGES_PER_EPOCH_MAX; i++) seen.mark('a', 1, 5 + i * 10, 5 + i * 10, 'n', Math.min(i, 2))
  assert.equal(seen.mark('a', 1, 900_000, 900_000, 'n', GAP_GIVEN_UP_MS - 1), 'no-room')
  assert.equal(seen.mark('a', 1, 900_000, 900_000, 'n', GAP_GIVEN_UP_MS + 1), 'new')
  // Below the first range and between the first two: both were needed for one range less.
  assert.equal(seen.look('a', 1, 0, 15), 'duplicate')
  assert.equal(seen.look('a', 1, 16, 16), 'new')
  assert.equal(seen.counts.ranges, RANGES_PER_EPOCH_MAX)
})

test('ranges in all are bounded, and whoever has most of them pays for room, with the lowest gaps', () => {
  const seen = new Seen({ originsMax: 100, rangesMax: 10 })
  for (let i = 0; i < 7; i++) seen.mark('greedy', 1, 1_000 - i * 10, 1_000 - i * 10, 'n', 0)
  for (let i = 0; i < 3; i++) seen.mark('b', 1, i * 10, i * 10, 'n', 0)
  assert.equal(seen.counts.ranges, 10)
  // What costs no range changes nothing: it extends one.
  assert.equal(seen.mark('greedy', 1, 1_001, 1_005, 'n', 0), 'new')
  assert.equal(seen.counts.ranges, 10)
  assert.equal(seen.mark('newcomer', 1, 0, 0, 'n', 0), 'new')
  assert.deepEqual(seen.taken('greedy', 1), [940, 980, 990, 990, 1_000, 1_005])
  assert.deepEqual(seen.taken('b', 1), [0, 0, 10, 10, 20, 20])
  assert.deepEqual(seen.counts, { origins: 3, epochs: 3, ranges: 7 })
})

test('where gaps do not suffice, the oldest epochs of whoever has most are given up, and nothing of them is taken again', () => {
  const seen = new Seen({ originsMax: 100, rangesMax: 10 })
  for (let epoch = 1; epoch <= 8; epoch++) seen.mark('greedy', epoch, 5, 5, 'n', 0)
  for (let i = 0; i < 2; i++) seen.mark('b', 1, i * 10, i * 10, 'n', 0)
  assert.equal(seen.mark('b', 2, 0, 0, 'n', 0), 'new')
  assert.deepEqual(seen.counts, { origins: 2, epochs: 6, ranges: 7 })
  assert.equal(seen.look('greedy', 4, 5, 5), 'old-epoch')
  assert.equal(seen.mark('greedy', 4, 6, 6, 'n', 0), 'old-epoch')
  assert.equal(seen.isPast('greedy', 4), true)
  assert.equal(seen.look('greedy', 5, 5, 5), 'duplicate')
})

test('room that is made may cost the very epoch that it was made for', () => {
  const seen = new Seen({ originsMax: 100, rangesMax: 4 })
  for (let epoch = 1; epoch <= 4; epoch++) seen.mark('a', epoch, 0, 0, 'n', 0)
  assert.equal(seen.mark('a', 1, 10, 10, 'n', 0), 'old-epoch')
  assert.deepEqual(seen.counts, { origins: 1, epochs: 2, ranges: 2 })
})

test('nobody makes room at our own cost', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 6 })
  for (let epoch = 1; epoch <= 5; epoch++) seen.mark('own', epoch, 0, 0, '', 0)
  seen.mark('a', 1, 0, 0, 'n', 0)
  assert.equal(seen.mark('a', 2, 0, 0, 'n', 0), 'no-room')
  for (let epoch = 1; epoch <= 5; epoch++) assert.equal(seen.look('own', epoch, 0, 0), 'duplicate')
  const full = new Seen({ originsMax: 4, rangesMax: 100 })
  full.mark('own', 1, 0, 0, '', 0)
  for (const [i, origin] of ['b', 'c', 'd', 'e'].entries()) {
    assert.equal(full.mark(origin, 1, 0, 0, `n${i}`, i * 2_000), 'new')
  }
  assert.equal(full.look('own', 1, 0, 0), 'duplicate')
  assert.equal(full.knows('b'), false)
})

test('our own numbers are marked whatever the bounds', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 1 })
  seen.mark('a', 1, 0, 0, 'n', 0)
  assert.equal(seen.mark('own', 1, 0, 0, '', 0), 'new')
  assert.equal(seen.mark('own', 1, 1, 5, '', 0), 'new')
  assert.equal(seen.look('own', 1, 0, 5), 'duplicate')
})

test('one neighbour introduces at most a quarter of the origins', () => {
  const seen = new Seen({ originsMax: 8, rangesMax: 100 })
  for (const origin of ['a', 'b']) assert.equal(seen.mark(origin, 1, 0, MANY, 'liar', 0), 'new')
  assert.equal(seen.mark('c', 1, 0, 0, 'liar', 0), 'no-room')
  assert.equal(seen.mark('c', 1, 0, 0, 'friend', 0), 'new')
  // Known origins are not held back.
  assert.equal(seen.mark('c', 1, 1, 1, 'liar', 0), 'new')
})

test('a table full of those that have said much ignores newcomers and forgets only who has been silent for seven days', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 100 })
  for (const [i, origin] of ['a', 'b', 'c', 'd'].entries()) seen.mark(origin, 1, 0, MANY, `n${i}`, i * 1_000)
  const silentMs = ORIGIN_SILENT_MS + 1_000
  assert.equal(seen.mark('e', 1, 0, 0, 'n5', ORIGIN_SILENT_MS), 'no-room')
  seen.mark('b', 1, MANY + 1, MANY + 1, 'n0', ORIGIN_SILENT_MS)
  assert.equal(seen.mark('e', 1, 0, 0, 'n5', silentMs), 'new')
  assert.equal(seen.look('a', 1, 0, 0), 'new')
  assert.equal(seen.look('b', 1, 0, MANY + 1), 'duplicate')
  assert.equal(seen.look('c', 1, 0, 0), 'duplicate')
  assert.deepEqual(seen.counts, { origins: 4, epochs: 4, ranges: 4 })
})

test('who has introduced its share may go on once one of those is forgotten', () => {
  const seen = new Seen({ originsMax: 8, rangesMax: 100 })
  seen.mark('a', 1, 0, MANY, 'only', 0)
  seen.mark('b', 1, 0, MANY, 'only', 2_000)
  assert.equal(seen.mark('c', 1, 0, MANY, 'only', ORIGIN_SILENT_MS), 'no-room')
  assert.equal(seen.mark('c', 1, 0, MANY, 'only', ORIGIN_SILENT_MS + 1_000), 'new')
  assert.equal(seen.mark('d', 1, 0, 0, 'only', ORIGIN_SILENT_MS + 2_000), 'no-room')
  assert.equal(seen.mark('d', 1, 0, 0, 'only', ORIGIN_SILENT_MS + 3_001), 'new')
  assert.deepEqual(seen.counts, { origins: 2, epochs: 2, ranges: 2 })
})

test('origins of which hardly anything is known make room, those of the same neighbour, the first to come first', () => {
  const seen = new Seen({ originsMax: 64, rangesMax: 1_000 })
  const mark = (origin: string, neighbour: string, nowMs: number, last = 0): string =>
    seen.mark(origin, 1, 0, last, neighbour, nowMs)
  assert.equal(mark('talker', 'relay', 0, MANY), 'new')
  assert.equal(mark('elsewhere', 'friend', 0), 'new')
  for (let i = 0; i < 15; i++) assert.equal(mark(`made up ${i}`, 'relay', 0), 'new')
  assert.equal(mark('newcomer', 'relay', 0), 'new')
  // A quarter of its share went at once, so that the table is not read again for the next.
  for (let i = 0; i < 4; i++) assert.equal(seen.knows(`made up ${i}`), false)
  for (const origin of ['made up 4', 'talker', 'elsewhere', 'newcomer']) assert.ok(seen.knows(origin))
  for (let i = 0; i < 3; i++) assert.equal(mark(`next ${i}`, 'relay', 0), 'new')
  assert.equal(mark('too soon', 'relay', 999), 'no-room')
  assert.equal(mark('too soon', 'relay', 1_000), 'new')
})

test('a full table makes room for anybody, whoever brought those that go', () => {
  const seen = new Seen({ originsMax: 8, rangesMax: 1_000 })
  for (let i = 0; i < 8; i++) seen.mark(`made up ${i}`, 1, 0, 0, `n${i >> 1}`, 0)
  assert.equal(seen.mark('newcomer', 1, 0, 0, 'other', 0), 'new')
  assert.equal(seen.knows('made up 0'), false)
  assert.equal(seen.counts.origins, 8)
})

test('the table is looked through at most once a second', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 100 })
  for (const origin of ['a', 'b', 'c', 'd']) seen.mark(origin, 1, 0, MANY, origin, 500)
  assert.equal(seen.mark('e', 1, 0, 0, 'e', ORIGIN_SILENT_MS), 'no-room')
  assert.equal(seen.mark('e', 1, 0, 0, 'e', ORIGIN_SILENT_MS + 999), 'no-room')
  assert.equal(seen.mark('e', 1, 0, 0, 'e', ORIGIN_SILENT_MS + 1_000), 'new')
})

test('a gap that a neighbour claims is not given up', () => {
  const claimed: (readonly [string, number, number, number])[] = []
  let isClaimed = true
  const seen = new Seen({
    isClaimed: (...numbers) => {
      claimed.push(numbers)
      return isClaimed
    },
  })
  for (let i = 0; i < RANGES_PER_EPOCH_MAX; i++) seen.mark('a', 7, i * 10, i * 10, 'n', 0)
  assert.equal(seen.mark('a', 7, 500_000, 500_000, 'n', GAP_GIVEN_UP_MS), 'no-room')
  assert.deepEqual(claimed[0], ['a', 7, 1, 9])
  isClaimed = false
  assert.equal(seen.mark('a', 7, 500_000, 500_000, 'n', GAP_GIVEN_UP_MS), 'new')
  assert.equal(seen.look('a', 7, 1, 9), 'duplicate')
})

test('the ranges of one origin are bounded over its epochs, and gaps of the oldest epoch go first', () => {
  const seen = new Seen({ rangesPerOriginMax: 10 })
  for (const epoch of [5, 4]) for (let i = 0; i < 5; i++) seen.mark('a', epoch, i * 10, i * 10, 'n', 0)
  assert.equal(seen.mark('a', 6, 0, 0, 'n', 0), 'no-room')
  assert.equal(seen.mark('a', 5, 100, 100, 'n', 0), 'no-room')
  assert.equal(seen.mark('a', 5, 1, 1, 'n', 0), 'new')
  assert.equal(seen.mark('b', 1, 0, 0, 'n', 0), 'new')
  assert.equal(seen.mark('a', 6, 0, 0, 'n', GAP_GIVEN_UP_MS), 'new')
  assert.deepEqual(seen.taken('a', 4), [0, 10, 20, 20, 30, 30, 40, 40])
  assert.deepEqual(seen.counts, { origins: 2, epochs: 4, ranges: 11 })
  // A new epoch that takes the place of the oldest takes its ranges' place too.
  for (let epoch = 7; epoch < 7 + EPOCHS_PER_ORIGIN_MAX; epoch++) seen.mark('c', epoch, 0, 0, '', 0)
  assert.equal(seen.mark('c', 1_000, 0, 0, '', 0), 'new')
  assert.equal(seen.counts.ranges, 11 + EPOCHS_PER_ORIGIN_MAX)
})

test('what is missing is what is not taken, and nothing of an epoch that is too old', () => {
  const seen = new Seen()
  assert.deepEqual(seen.missing('a', 1, [0, 9]), [0, 9])
  for (let epoch = 100; epoch < 100 + EPOCHS_PER_ORIGIN_MAX; epoch++) seen.mark('a', epoch, 3, 4, 'n', 0)
  assert.deepEqual(seen.missing('a', 100, [0, 9]), [0, 2, 5, 9])
  assert.deepEqual(seen.missing('a', 99, [0, 9]), [])
  assert.deepEqual(seen.missing('a', 1_000, [0, 9]), [0, 9])
  assert.equal(seen.isPast('a', 99), true)
  assert.equal(seen.isPast('a', 100), false)
  assert.equal(seen.isPast('b', 0), false)
})

test('where what an earlier run had taken has no room, its gaps count as taken', () => {
  const seen = new Seen({ originsMax: 8, rangesMax: 3 })
  assert.equal(seen.restore('a', 1, [0, 0, 2, 2], 0), true)
  assert.equal(seen.restore('b', 1, [5, 5, 7, 7, 9, 9], 0), true)
  assert.deepEqual(seen.taken('b', 1), [5, 9])
  assert.equal(seen.restore('c', 1, [0, 0], 0), false)
  assert.equal(seen.mark('c', 2, 0, 0, 'n', 0), 'new')
})

test('what an earlier run had taken is taken, whoever brought it, within the bounds', () => {
  const seen = new Seen({ originsMax: 8, rangesMax: 6 })
  for (const origin of ['a', 'b', 'c']) assert.equal(seen.restore(origin, 1, [0, 9, 20, 29], 0), true)
  assert.equal(seen.restore('d', 1, [0, 0], 0), false)
  assert.equal(seen.restore('a', 2, [], 0), true)
  assert.equal(seen.look('b', 1, 20, 29), 'duplicate')
  assert.deepEqual(seen.counts, { origins: 3, epochs: 3, ranges: 6 })
  // Nobody who comes now introduced them.
  assert.equal(seen.mark('a', 1, 10, 19, 'n', 0), 'new')
  assert.equal(seen.mark('x', 1, 0, 0, 'n', 0), 'new')
  const old = new Seen()
  for (let epoch = 100; epoch < 100 + EPOCHS_PER_ORIGIN_MAX; epoch++) old.restore('a', epoch, [0, 0], 0)
  assert.equal(old.restore('a', 99, [0, 0], 0), false)
})

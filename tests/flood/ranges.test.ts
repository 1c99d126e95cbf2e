import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Overlap, Ranges } from '../../lib/flood/ranges.ts'
import { RANGES_PER_EPOCH_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'

/** The numbers taken, one by one. */
class SlowRanges {
  readonly taken = new Set<number>()

  overlap(first: number, last: number): Overlap {
    let count = 0
    for (let number = first; number <= last; number++) if (this.taken.has(number)) count++
    return count === 0 ? 'none' : count === last - first + 1 ? 'all' : 'some'
  }

  add(first: number, last: number): void {
    for (let number = first; number <= last; number++) this.taken.add(number)
  }

  toArray(): number[] {
    const sorted = [...this.taken].sort((a, b) => a - b)
    const bounds: number[] = []
    for (const number of sorted) {
      if (bounds.at(-1) === number - 1) bounds[bounds.length - 1] = number
      else bounds.push(number, number)
    }
    return bounds
  }
}

test('nothing is taken at first', () => {
  const ranges = new Ranges()
  assert.equal(ranges.overlap(0, 5), 'none')
  assert.equal(ranges.last, -1)
  assert.equal(ranges.count, 0)
  assert.deepEqual(ranges.toArray(), [])
})

test('in order it is one range, whatever the volume', () => {
  const ranges = new Ranges()
  for (let first = 0; first < 100_000; first += 100) ranges.add(first, first + 99, 0)
  assert.deepEqual(ranges.toArray(), [0, 99_999])
  assert.equal(ranges.count, 1)
})

test('ranges that touch become one', () => {
  const ranges = new Ranges()
  assert.equal(ranges.add(10, 19, 0), 1)
  assert.equal(ranges.add(30, 39, 0), 1)
  assert.equal(ranges.add(20, 29, 0), -1)
  assert.equal(ranges.add(9, 9, 0), 0)
  assert.deepEqual(ranges.toArray(), [9, 39])
})

test('the largest numbers are numbers like any other', () => {
  const ranges = new Ranges()
  const most = Number.MAX_SAFE_INTEGER
  ranges.add(most, most, 0)
  assert.equal(ranges.overlap(most, most), 'all')
  assert.equal(ranges.overlap(most - 1, most), 'some')
  ranges.add(most - 1, most - 1, 0)
  assert.deepEqual(ranges.toArray(), [most - 1, most])
  assert.equal(ranges.wouldOverflow(0, 0), false)
})

test('beside a slow set of numbers the ranges say the same', () => {
  for (let seed = 1; seed <= 80; seed++) {
    const random = seeded(seed)
    const ranges = new Ranges()
    const slow = new SlowRanges()
    for (let step = 0; step < 120; step++) {
      const first = random.below(200)
      const last = first + random.below(1 + random.below(20))
      assert.equal(ranges.overlap(first, last), slow.overlap(first, last), `seed ${seed}`)
      if (random.below(3) === 0) continue
      const before = ranges.count
      const change = ranges.add(first, last, step)
      slow.add(first, last)
      assert.equal(ranges.count - before, change)
      assert.deepEqual(ranges.toArray(), slow.toArray(), `seed ${seed}`)
      assert.equal(ranges.last, Math.max(...slow.taken))
    }
  }
})

test('one range too many is foreseen, and only then', () => {
  for (let seed = 1; seed <= 2; seed++) {
    const random = seeded(seed)
    const ranges = new Ranges()
    const slow = new SlowRanges()
    while (ranges.count < RANGES_PER_EPOCH_MAX) {
      const first = random.below(50_000)
      if (slow.overlap(first, first) !== 'none') continue
      ranges.add(first, first, 0)
      slow.add(first, first)
    }
    const before = slow.toArray().length
    for (let run = 0; run < 100; run++) {
      const first = random.below(50_000)
      const last = first + random.below(4)
      const after = new SlowRanges()
      for (const number of slow.taken) after.add(number, number)
      after.add(first, last)
      assert.equal(ranges.wouldOverflow(first, last), after.toArray().length / 2 > RANGES_PER_EPOCH_MAX)
      assert.equal(ranges.beginsRange(first, last), after.toArray().length > before)
    }
  }
})

test('a gap that somebody claims stays, and the next one is given up in its place', () => {
  const ranges = new Ranges()
  for (const first of [10, 30, 50]) ranges.add(first, first + 9, 0)
  const claimed = (first: number, last: number): boolean => first <= 25 && last >= 5
  assert.equal(ranges.giveUpLowestGap(100, 10, claimed), -1)
  assert.deepEqual(ranges.toArray(), [10, 19, 30, 59])
  assert.equal(ranges.giveUpLowestGap(100, 10, claimed), null)
})

test('only the lowest sixteen gaps are looked at for one that may go', () => {
  const ranges = new Ranges()
  for (let i = 0; i < 40; i++) ranges.add(i * 10, i * 10, 0)
  const asked: number[] = []
  const claimed = (first: number): boolean => asked.push(first) > 0
  assert.equal(ranges.giveUpLowestGap(100, 10, claimed), null)
  assert.deepEqual(
    asked,
    Array.from({ length: 16 }, (_, i) => i * 10 + 1),
  )
})

test('what is missing of a list is told without change to either', () => {
  const ranges = new Ranges()
  ranges.add(5, 9, 0)
  ranges.add(20, 29, 0)
  const asked = [0, 6, 8, 24, 40, 41]
  assert.deepEqual(ranges.missingOf(asked), [0, 4, 10, 19, 40, 41])
  assert.deepEqual(asked, [0, 6, 8, 24, 40, 41])
  assert.deepEqual(ranges.toArray(), [5, 9, 20, 29])
})

test('restored ranges are as they were, and beyond the bound the lowest gaps count as taken', () => {
  const ranges = new Ranges()
  ranges.add(3, 3, 0)
  assert.equal(ranges.restore([5, 9, 20, 29], 1_000), 1)
  assert.deepEqual(ranges.toArray(), [5, 9, 20, 29])
  assert.equal(ranges.giveUpLowestGap(1_999, 1_000), null)
  const many = Array.from({ length: RANGES_PER_EPOCH_MAX + 2 }, (_, i) => [i * 10, i * 10 + 1]).flat()
  ranges.restore(many, 0)
  assert.equal(ranges.count, RANGES_PER_EPOCH_MAX)
  assert.deepEqual(ranges.toArray().slice(0, 4), [0, 21, 30, 31])
  assert.equal(ranges.last, many.at(-1))
})

test('the lowest gap is given up first, the one below the first range included, when it is old enough', () => {
  const ranges = new Ranges()
  assert.equal(ranges.giveUpLowestGap(0, 0), null)
  ranges.add(10, 19, 1_000)
  ranges.add(30, 39, 2_000)
  ranges.add(50, 59, 3_000)
  assert.equal(ranges.giveUpLowestGap(10_999, 10_000), null)
  assert.equal(ranges.giveUpLowestGap(11_000, 10_000), 0)
  assert.deepEqual(ranges.toArray(), [0, 19, 30, 39, 50, 59])
  assert.equal(ranges.giveUpLowestGap(11_999, 10_000), null)
  assert.equal(ranges.giveUpLowestGap(12_000, 10_000), -1)
  assert.deepEqual(ranges.toArray(), [0, 39, 50, 59])
  assert.equal(ranges.giveUpLowestGap(13_000, 10_000), -1)
  assert.deepEqual(ranges.toArray(), [0, 59])
  assert.equal(ranges.giveUpLowestGap(1e9, 10_000), null)
})

test('what is taken of a gap does not make the rest of it younger', () => {
  const ranges = new Ranges()
  ranges.add(0, 0, 0)
  ranges.add(10, 10, 1_000)
  ranges.add(9, 9, 50_000)
  assert.equal(ranges.giveUpLowestGap(61_000, 60_000), -1)
  assert.deepEqual(ranges.toArray(), [0, 10])
})

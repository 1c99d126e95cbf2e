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
  for (let seed = 1; seed <= 10; seed++) {
    const random = seeded(seed)
    const ranges = new Ranges()
    const slow = new SlowRanges()
    while (ranges.count < RANGES_PER_EPOCH_MAX) {
      const first = random.below(3_000)
      if (slow.overlap(first, first) !== 'none') continue
      ranges.add(first, first, 0)
      slow.add(first, first)
    }
    for (let run = 0; run < 300; run++) {
      const first = random.below(3_000)
      const last = first + random.below(4)
      const after = new SlowRanges()
      for (const number of slow.taken) after.add(number, number)
      after.add(first, last)
      assert.equal(ranges.wouldOverflow(first, last), after.toArray().length / 2 > RANGES_PER_EPOCH_MAX)
      assert.equal(ranges.beginsRange(first, last), after.toArray().length > slow.toArray().length)
    }
  }
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

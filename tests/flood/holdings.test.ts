import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Holdings, toldOf, toldOfEpoch } from '../../lib/flood/holdings.ts'
import { EPOCHS_PER_ORIGIN_MAX, RANGES_PER_EPOCH_MAX, RANGES_PER_ORIGIN_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { plainOriginKey } from './fake-store.ts'

/** The epochs that something was added to after `serial`, the longest ago first. */
function addedAfter(holdings: Holdings, serial: number): string[] {
  const added: string[] = []
  for (let at = holdings.firstAddedAfter(serial); at !== null; at = at.newer) added.push(`${at.originKey} ${at.epoch}`)
  return added
}

test('beside sets of single numbers it holds the same, whatever comes and goes', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed)
    const holdings = new Holdings()
    const slow = new Map<string, Set<number>>()
    for (let step = 0; step < 300; step++) {
      const [origin, epoch] = [plainOriginKey(random.below(3)), random.below(4)]
      const key = `${origin}${epoch}`
      const first = random.below(60)
      const last = first + random.below(6)
      const numbers = slow.get(key) ?? new Set<number>()
      slow.set(key, numbers)
      const isAddition = random.below(2) === 0
      for (let number = first; number <= last; number++) {
        if (isAddition) numbers.add(number)
        else numbers.delete(number)
      }
      if (isAddition) holdings.add(origin, epoch, first, last)
      else holdings.remove(origin, epoch, first, last)
      const held = Array.from(numbers).sort((a, b) => a - b)
      const ranges: number[] = []
      for (const number of held) {
        if (ranges.at(-1) === number - 1) ranges[ranges.length - 1] = number
        else ranges.push(number, number)
      }
      assert.deepEqual(holdings.ranges(origin, epoch), ranges, `seed ${seed}`)
      assert.equal(holdings.has(origin, epoch, first, last), isAddition)
      const kept = Array.from(slow.entries()).filter(([entry, set]) => entry.startsWith(origin) && set.size > 0)
      assert.equal(holdings.origin(origin)?.epochs.length ?? 0, kept.length)
      const total = holdings.origin(origin)?.epochs.reduce((sum, one) => sum + one.ranges.length / 2, 0) ?? 0
      assert.equal(holdings.origin(origin)?.rangesCount ?? 0, total)
    }
    const origins = new Set(Array.from(slow.entries(), ([key, set]) => (set.size > 0 ? key.slice(0, 32) : '')))
    origins.delete('')
    assert.equal(holdings.originsCount, origins.size)
  }
})

test('what was added after a point is told in the order of last additions; removals do not count', () => {
  const holdings = new Holdings()
  const start = holdings.serial
  holdings.add('a', 1, 0, 9)
  holdings.add('b', 1, 0, 9)
  const middle = holdings.serial
  holdings.add('c', 2, 0, 9)
  holdings.add('a', 1, 10, 10)
  holdings.remove('b', 1, 0, 3)
  assert.deepEqual(addedAfter(holdings, start), ['b 1', 'c 2', 'a 1'])
  assert.deepEqual(addedAfter(holdings, middle), ['c 2', 'a 1'])
  holdings.remove('c', 2, 0, 9)
  assert.deepEqual(addedAfter(holdings, middle), ['a 1'])
  assert.deepEqual(addedAfter(holdings, holdings.serial), [])
  holdings.remove('a', 1, 0, 99)
  holdings.remove('b', 1, 0, 99)
  assert.deepEqual(addedAfter(holdings, start), [])
  assert.equal(holdings.originsCount, 0)
})

test('an epoch that was emptied may be filled again', () => {
  const holdings = new Holdings()
  holdings.add('a', 1, 0, 9)
  holdings.remove('a', 1, 0, 9)
  holdings.add('a', 1, 10, 19)
  assert.deepEqual(holdings.ranges('a', 1), [10, 19])
  assert.deepEqual(addedAfter(holdings, 0), ['a 1'])
})

test('origins whose holdings changed are taken once for each time, at most as many as asked for', () => {
  const holdings = new Holdings()
  for (const origin of ['a', 'b', 'c']) for (let i = 0; i < 5; i++) holdings.add(origin, 1, i, i)
  const keys = (origins: readonly { key: string }[]): string[] => origins.map(({ key }) => key).sort()
  const first = holdings.takeChanged(2)
  assert.equal(first.length, 2)
  assert.deepEqual(keys([...first, ...holdings.takeChanged(2)]), ['a', 'b', 'c'])
  assert.deepEqual(holdings.takeChanged(2), [])
  holdings.remove('b', 1, 0, 9)
  const [gone] = holdings.takeChanged(2)
  assert.equal(gone?.key, 'b')
  assert.deepEqual(gone?.epochs, [])
})

test('of an origin with many ranges the newest epochs and the highest ranges are told', () => {
  const holdings = new Holdings()
  const ranges = RANGES_PER_EPOCH_MAX + 5
  for (let i = 0; i < ranges; i++) holdings.add('a', 9, i * 2, i * 2)
  const [told] = toldOf(holdings.origin('a')!)
  assert.equal(told!.ranges.length / 2, RANGES_PER_EPOCH_MAX)
  assert.equal(told!.ranges[0], 10)
  for (let epoch = 1; epoch <= 8; epoch++) for (let i = 0; i < 3_000; i++) holdings.add('a', epoch, i * 2, i * 2)
  const counts = toldOf(holdings.origin('a')!).map(({ epoch, ranges }) => [epoch, ranges.length / 2])
  assert.deepEqual(counts, [
    [4, RANGES_PER_ORIGIN_MAX - RANGES_PER_EPOCH_MAX - 4 * 3_000 > 0 ? 288 : 0],
    [5, 3_000],
    [6, 3_000],
    [7, 3_000],
    [8, 3_000],
    [9, RANGES_PER_EPOCH_MAX],
  ])
})

test('of an origin with many epochs the newest sixty-four are told', () => {
  const holdings = new Holdings()
  for (let epoch = 1; epoch <= EPOCHS_PER_ORIGIN_MAX + 2; epoch++) holdings.add('a', epoch, 0, 0)
  const { epochs } = holdings.origin('a')!
  assert.deepEqual(
    toldOf(holdings.origin('a')!).map(({ epoch }) => epoch),
    Array.from({ length: EPOCHS_PER_ORIGIN_MAX }, (_, i) => i + 3),
  )
  assert.equal(toldOfEpoch(epochs[1]!), null)
  assert.equal(toldOfEpoch(epochs[2]!), epochs[2])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  common,
  countNumbers,
  covers,
  exclude,
  include,
  indexEndingFrom,
  lowest,
  touches,
  union,
  upTo,
  without,
} from '../../lib/flood/spans.ts'
import { seeded } from '../crypto/seeded.ts'

/** The numbers of a list, one by one. */
function numbersOf(spans: readonly number[]): Set<number> {
  const numbers = new Set<number>()
  for (let at = 0; at < spans.length; at += 2) {
    for (let number = spans[at]!; number <= spans[at + 1]!; number++) numbers.add(number)
  }
  return numbers
}

function spansOf(numbers: Iterable<number>): number[] {
  const spans: number[] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    if (spans.at(-1) === number - 1) spans[spans.length - 1] = number
    else spans.push(number, number)
  }
  return spans
}

function someNumbers(random: ReturnType<typeof seeded>): Set<number> {
  const numbers = new Set<number>()
  for (let runs = random.below(8); runs > 0; runs--) {
    const first = random.below(60)
    const last = first + random.below(9)
    for (let number = first; number <= last; number++) numbers.add(number)
  }
  return numbers
}

test('beside sets of single numbers, every operation says the same', () => {
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = seeded(seed)
    const [a, b] = [someNumbers(random), someNumbers(random)]
    const [spansA, spansB] = [spansOf(a), spansOf(b)]
    const [copyA, copyB] = [spansA.slice(), spansB.slice()]
    const all = [...a, ...b]
    const given = `seed ${seed}: ${spansA} and ${spansB}`
    assert.deepEqual([...without(spansA, spansB)], spansOf([...a].filter((number) => !b.has(number))), given)
    assert.deepEqual([...common(spansA, spansB)], spansOf([...a].filter((number) => b.has(number))), given)
    assert.deepEqual([...union(spansA, spansB)], spansOf(new Set(all)), given)
    assert.equal(countNumbers(spansA), a.size)
    const first = random.below(70)
    const last = first + random.below(12)
    const inside = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((number) => a.has(number))
    assert.equal(covers(spansA, first, last), inside.length === last - first + 1, given)
    assert.equal(touches(spansA, first, last), inside.length > 0, given)
    assert.equal(
      indexEndingFrom(spansA, first) * 2,
      spansA.findIndex((end, i) => i % 2 === 1 && end >= first) - 1 < 0
        ? spansA.length
        : spansA.findIndex((end, i) => i % 2 === 1 && end >= first) - 1,
      given,
    )
    const [most, rangesMost] = [random.below(20), random.below(4)]
    const some = lowest(spansA, most, rangesMost)
    const ranges = spansA.slice(0, rangesMost * 2)
    assert.deepEqual([...some], spansOf([...numbersOf(ranges)].sort((x, y) => x - y).slice(0, most)), given)
    assert.deepEqual([spansA, spansB], [copyA, copyB], `${given}: changed`)
    const [more, less] = [spansA.slice(), spansA.slice()]
    include(more, first, last)
    exclude(less, first, last)
    assert.deepEqual(more, spansOf(new Set([...a, ...numbersOf([first, last])])), given)
    assert.deepEqual(less, spansOf([...a].filter((number) => number < first || number > last)), given)
  }
})

test('the largest numbers are numbers like any other', () => {
  const most = Number.MAX_SAFE_INTEGER
  const everything = [0, most]
  assert.deepEqual(without(everything, [most, most]), [0, most - 1])
  assert.deepEqual(common(everything, [5, 6, most, most]), [5, 6, most, most])
  assert.deepEqual(union([0, 4], [most, most]), [0, 4, most, most])
  assert.deepEqual(lowest(everything, 16_384, 1_024), [0, 16_383])
  const spans = [0, most]
  exclude(spans, 7, most)
  assert.deepEqual(spans, [0, 6])
})

test('what is at most a number ends there', () => {
  const spans = [2, 4, 7, 9]
  const expected: [number, number[]][] = [
    [1, []],
    [2, [2, 2]],
    [4, [2, 4]],
    [6, [2, 4]],
    [8, [2, 4, 7, 8]],
    [9, [2, 4, 7, 9]],
    [100, [2, 4, 7, 9]],
  ]
  for (const [number, left] of expected) assert.deepEqual(upTo(spans, number), left, `${number}`)
  assert.deepEqual(upTo([], 5), [])
})

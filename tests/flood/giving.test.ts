import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bundle, BundleFlag } from '../../lib/flood/bundle.ts'
import { Giving, LONG_ANSWERS_MAX } from '../../lib/flood/giving.ts'
import { decodeGiven, type EpochNumbers } from '../../lib/flood/repair-frames.ts'
import { VainReads } from '../../lib/flood/vain-reads.ts'
import { ANSWER_BUNDLES_MAX, ANSWER_BYTES_MAX, FAST_ANSWER_BYTES_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { FakeStore, plainBundle, plainOriginKey } from './fake-store.ts'

const A = plainOriginKey(1)
const B = plainOriginKey(2)

class Ends {
  readonly store: FakeStore
  readonly given: Bundle[] = []
  readonly answers: { request: number; more: boolean }[] = []
  readonly counters = { given: 0 }
  readonly longAnswers = { count: 0 }
  readonly giving: Giving
  /** The most bundles of one step. */
  stepMax = 0
  left: (() => void) | null = null
  nowMs = 0
  carriedBytes = 0

  constructor() {
    this.store = new FakeStore({ nowMs: () => this.nowMs })
    const ends = this
    const link = {
      get carriedBytes() {
        return ends.carriedBytes
      },
      give: (bundle: Bundle) => {
        this.given.push(bundle)
      },
      conclude: (body: Uint8Array, left: () => void) => {
        this.answers.push(decodeGiven(body))
        this.left = left
      },
    }
    this.giving = new Giving(this.store, link, this.counters, this.longAnswers, new VainReads())
  }

  want(request: number, wanted: readonly EpochNumbers[], ageMsMax = 1_000): void {
    this.giving.want({ request, ageMsMax, wanted })
  }

  get isBusy(): boolean {
    return this.giving.nextDeadlineMs() < Number.POSITIVE_INFINITY
  }

  work(): void {
    while (this.isBusy) {
      const before = this.given.length
      assert.ok(this.giving.work(this.nowMs) > 0)
      this.stepMax = Math.max(this.stepMax, this.given.length - before)
    }
  }

  get firsts(): number[] {
    return this.given.map(({ first }) => first)
  }
}

function ask(originKey: string, ...ranges: number[]): EpochNumbers {
  return { originKey, epoch: 1, ranges }
}

test('what is asked for and held is given, ascending, each bundle once and whole', () => {
  const ends = new Ends()
  for (const first of [0, 10, 20, 40]) ends.store.put(plainBundle({ originKey: A, first, count: 10 }), null)
  ends.want(7, [ask(A, 5, 5, 8, 12, 19, 41), ask(B, 0, 9)])
  ends.work()
  assert.deepEqual(ends.firsts, [0, 10, 20, 40])
  assert.deepEqual(ends.answers, [{ request: 7, more: false }])
  assert.equal(ends.counters.given, 4)
})

test('where the store cannot be read, nothing says that this was all', () => {
  const ends = new Ends()
  for (let first = 0; first < 200; first++) ends.store.put(plainBundle({ originKey: A, first }), null)
  ends.store.isUnreadable = true
  ends.want(1, [ask(A, 0, 199)])
  ends.work()
  assert.deepEqual([ends.given.length, ends.answers], [0, []])
  ends.store.isUnreadable = false
  ends.want(2, [ask(A, 0, 199)])
  ends.giving.work(ends.nowMs)
  const count = ends.given.length
  assert.ok(count > 0 && count < 200)
  ends.store.isUnreadable = true
  ends.work()
  assert.deepEqual(ends.answers, [{ request: 2, more: true }])
  ends.store.isUnreadable = false
  ends.left!()
  ends.want(3, [ask(A, count, 199)])
  ends.work()
  assert.equal(ends.given.length, 200)
  assert.deepEqual(ends.answers.at(-1), { request: 3, more: false })
})

test('nothing held is said at once', () => {
  const ends = new Ends()
  ends.want(1, [ask(A, 0, 16_383)])
  ends.work()
  ends.want(2, [])
  ends.left!()
  ends.work()
  assert.deepEqual(ends.answers, [
    { request: 1, more: false },
    { request: 2, more: false },
  ])
  assert.equal(ends.store.scans, 0)
})

test('an answer has at most 256 bundles and says that there is more, in steps of at most 64', () => {
  const ends = new Ends()
  for (let first = 0; first < ANSWER_BUNDLES_MAX + 10; first++)
    ends.store.put(plainBundle({ originKey: A, first }), null)
  ends.want(1, [ask(A, 0, 999)])
  ends.work()
  assert.equal(ends.given.length, ANSWER_BUNDLES_MAX)
  assert.ok(ends.stepMax <= 64, `${ends.stepMax}`)
  ends.left!()
  ends.want(2, [ask(A, 10, 999)])
  ends.work()
  assert.equal(ends.given.length, ANSWER_BUNDLES_MAX * 2)
  assert.deepEqual(ends.answers, [
    { request: 1, more: true },
    { request: 2, more: false },
  ])
})

test('an answer has at most a mebibyte, but at least one bundle', () => {
  const ends = new Ends()
  const sizes = [ANSWER_BYTES_MAX - 300, 300, 1, ANSWER_BYTES_MAX + 50_000, 10]
  for (const [first, bytes] of sizes.entries()) ends.store.put(plainBundle({ originKey: A, first, bytes }), null)
  const answer = (request: number, from: number): number[] => {
    const before = ends.given.length
    ends.want(request, [ask(A, from, 9)])
    ends.work()
    ends.left!()
    return ends.firsts.slice(before)
  }
  assert.deepEqual(answer(1, 0), [0, 1])
  assert.deepEqual(answer(2, 2), [2])
  assert.deepEqual(answer(3, 3), [3])
  assert.deepEqual(answer(4, 4), [4])
  assert.deepEqual(
    ends.answers.map(({ more }) => more),
    [true, true, true, false],
  )
})

test('over a link that has carried more lately an answer has as much, and four mebibytes at most', () => {
  const ends = new Ends()
  for (let first = 0; first < 8; first++) ends.store.put(plainBundle({ originKey: A, first, bytes: 1_000_000 }), null)
  const answer = (request: number): number => {
    const before = ends.given.length
    ends.want(request, [ask(A, 0, 7)])
    ends.work()
    ends.left!()
    return ends.given.length - before
  }
  assert.equal(answer(1), 1)
  ends.carriedBytes = 3_000_000
  assert.equal(answer(2), 3)
  ends.carriedBytes = 100_000_000
  assert.equal(FAST_ANSWER_BYTES_MAX, 4_194_304)
  assert.equal(answer(3), 4)
  ends.longAnswers.count = LONG_ANSWERS_MAX
  assert.equal(answer(4), 1, 'when enough of them wait, answers are short')
  assert.equal(ends.longAnswers.count, LONG_ANSWERS_MAX)
  ends.longAnswers.count = 0
  ends.want(5, [ask(A, 0, 7)])
  ends.work()
  assert.equal(ends.longAnswers.count, 1)
  ends.giving.close()
  assert.equal(ends.longAnswers.count, 0)
})

test('what is older than the asker wants stays, current retained ones aside, and costs bounded steps', () => {
  const ends = new Ends()
  const retained = { flags: BundleFlag.retained, timeToLiveS: 3_600 }
  for (let first = 0; first < 3_000; first++) {
    const isRetained = first === 500 || first === 700 || first === 2_000
    ends.store.put(plainBundle({ originKey: A, first, ...(isRetained ? retained : {}) }), [first === 500 ? 'a' : 'b'])
  }
  ends.nowMs = 60_000
  ends.store.put(plainBundle({ originKey: A, first: 3_000, heldSinceMs: 60_000 }), null)
  ends.want(
    1,
    [ask(A, 0, 2_999, 3_000, 3_010)].map((one) => ({ ...one, ranges: [0, 3_010] })),
  )
  let steps = 0
  while (ends.isBusy) {
    const before = ends.store.looked
    ends.giving.work(ends.nowMs)
    assert.ok(ends.store.looked - before <= 600, `${ends.store.looked - before}`)
    steps++
  }
  assert.ok(steps >= 6, `${steps}`)
  assert.deepEqual(ends.firsts, [500, 2_000, 3_000])
})

test('current retained bundles go first, of every origin that is asked for', () => {
  const ends = new Ends()
  const retained = { flags: BundleFlag.retained, timeToLiveS: 3_600 }
  for (const originKey of [A, B]) {
    for (let first = 0; first < 6; first++) {
      ends.store.put(plainBundle({ originKey, first, ...(first === 4 ? retained : {}) }), ['t'])
    }
  }
  ends.want(1, [ask(A, 0, 4), ask(B, 2, 5)])
  ends.work()
  const order = ends.given.map(({ originKey, first }) => `${originKey === A ? 'A' : 'B'}${first}`)
  assert.deepEqual(order, ['A4', 'B4', 'A0', 'A1', 'A2', 'A3', 'B2', 'B3', 'B5'])
})

test('of retained bundles that nobody asked for nothing but the numbers is looked at, and of so many of an origin', () => {
  const ends = new Ends()
  const retained = { flags: BundleFlag.retained, timeToLiveS: 3_600 }
  for (let first = 0; first < 300; first++) {
    ends.store.put(plainBundle({ originKey: A, first, ...retained }), [`t/${first}`])
  }
  let looked = 0
  const read: number[] = []
  const { store } = ends
  const plain = store.retained.bind(store)
  store.retained = function* (originKey, sift) {
    const counted: typeof sift = (epoch, sequence) => {
      looked++
      return sift?.(epoch, sequence) ?? 'take'
    }
    for (const one of plain(originKey, counted)) {
      read.push(one.bundle.first)
      yield one
    }
  }
  ends.want(1, [ask(A, 7, 7, 200, 200)])
  ends.work()
  assert.deepEqual(read, [7])
  assert.ok(looked <= 129, `${looked}`)
  assert.deepEqual(ends.firsts, [7, 200])
})

test('while an answer is under way the newest want waits, until all has left', () => {
  const ends = new Ends()
  for (let first = 0; first < 100; first++) ends.store.put(plainBundle({ originKey: A, first }), null)
  ends.want(1, [ask(A, 0, 89)])
  ends.giving.work(ends.nowMs)
  ends.want(2, [ask(A, 90, 90)])
  ends.work()
  ends.want(3, [ask(A, 91, 91)])
  assert.equal(ends.isBusy, false)
  ends.left!()
  ends.work()
  assert.deepEqual(
    ends.answers.map(({ request }) => request),
    [1, 3],
  )
  assert.equal(ends.given.at(-1)!.first, 91)
})

test('a closed link gets nothing more', () => {
  const ends = new Ends()
  for (let first = 0; first < 100; first++) ends.store.put(plainBundle({ originKey: A, first }), null)
  ends.want(1, [ask(A, 0, 9)])
  ends.work()
  ends.want(2, [ask(A, 0, 9)])
  ends.giving.close()
  ends.left!()
  assert.equal(ends.isBusy, false)
  assert.equal(ends.given.length, 10)
})

test('beside a plain search it gives the same, whatever is held and asked for', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = seeded(seed)
    const ends = new Ends()
    const bundles: Bundle[] = []
    for (const originKey of [A, B]) {
      for (let first = 0; first < 900; ) {
        const count = 1 + random.below(40)
        if (random.below(3) > 0) {
          const bundle = plainBundle({ originKey, first, count, bytes: 1 + random.below(9_000) })
          bundles.push(bundle)
          ends.store.put(bundle, null)
        }
        first += count
      }
    }
    const wanted = [A, B].map((originKey) => {
      const ranges: number[] = []
      for (let at = random.below(50); at < 900; at = ranges.at(-1)! + 2 + random.below(90)) {
        ranges.push(at, at + random.below(60))
      }
      return ask(originKey, ...ranges)
    })
    const touched = bundles.filter(({ originKey, first, count }) =>
      wanted.some(
        (one) =>
          one.originKey === originKey &&
          one.ranges.some((from, i) => i % 2 === 0 && from <= first + count - 1 && one.ranges[i + 1]! >= first),
      ),
    )
    ends.want(1, wanted)
    ends.work()
    assert.deepEqual(
      ends.given.map(({ key }) => key),
      touched.map(({ key }) => key),
      `seed ${seed}`,
    )
  }
})

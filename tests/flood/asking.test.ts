import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AskedNumbers } from '../../lib/flood/asked-numbers.ts'
import {
  ANSWER_MS_MAX,
  ANSWER_SILENT_MS,
  Asking,
  SUSPECT_WAIT_MS,
  SUSPECT_WAIT_MS_MAX,
} from '../../lib/flood/asking.ts'
import { type Claim, Claims } from '../../lib/flood/claims.ts'
import { decodeWant, type Want } from '../../lib/flood/repair-frames.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { countNumbers, type Spans, without } from '../../lib/flood/spans.ts'
import type { Suspicion } from '../../lib/flood/suspicions.ts'
import { CLAIM_ENTRIES_MAX, WANT_BYTES_MAX, WANT_NUMBERS_MAX, WANT_RANGES_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { rounds } from '../tools/all-tests.ts'
import { plainOriginKey } from './fake-store.ts'

const A = plainOriginKey(1)

/** One node's view of several neighbours. */
class Node {
  readonly seen: Seen = new Seen()
  readonly asked: AskedNumbers = new AskedNumbers()
  readonly counters = { requests: 0, timeouts: 0, received: 0 }
  readonly sides: Side[] = []
  nowMs = 0
  /** When something new last came by itself, of any origin. */
  newsMs = Number.NEGATIVE_INFINITY

  side(): Side {
    const side = new Side(this)
    this.sides.push(side)
    return side
  }

  run(untilMs: number): void {
    for (;;) {
      const side = this.sides.reduce((a, b) => (a.asking.nextDeadlineMs() <= b.asking.nextDeadlineMs() ? a : b))
      const atMs = side.asking.nextDeadlineMs()
      if (atMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      side.asking.work(this.nowMs)
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }
}

class Side {
  readonly claims: Claims = new Claims()
  readonly suspicion: Suspicion = { failures: 0, untilMs: Number.NEGATIVE_INFINITY }
  readonly wants: Want[] = []
  readonly overdue: string[] = []
  /** Claims of which nothing was missing when they were looked at. */
  readonly settled: Claim[] = []
  readonly asking: Asking
  readonly #node: Node

  constructor(node: Node) {
    this.#node = node
    this.asking = new Asking({
      world: {
        seen: node.seen,
        asked: node.asked,
        ageMsMax: 600_000,
        isBehind: () => false,
        news: (originKey, epoch) => {
          return { newest: node.seen.lastTaken(originKey, epoch), cameMs: node.newsMs, slackMs: 0 }
        },
        counters: node.counters,
        leaveToOthers: (claim, spans) => {
          let left: Spans = spans
          for (const { asking, claims } of node.sides) {
            const other = asking.isSuspect ? null : claims.find(claim.originKey, claim.epoch)
            if (other !== null) left = without(left, other.ranges)
          }
          return left
        },
        freed: (nowMs) => {
          for (const { asking } of node.sides) asking.freed(nowMs)
        },
      },
      claims: this.claims,
      suspicion: this.suspicion,
      lastNumber: 0,
      send: (body) => {
        assert.ok(body.length <= WANT_BYTES_MAX, `${body.length}`)
        this.wants.push(decodeWant(body))
      },
      overdue: (originKey) => this.overdue.push(originKey),
      settled: (claim) => this.settled.push(claim),
    })
  }

  claim(originKey: string, ranges: readonly number[], epoch = 1): void {
    const claim = this.claims.tell({ originKey, epoch, ranges })
    if (claim !== null) this.asking.claimed(claim, this.#node.nowMs, 200, false)
  }

  /** The last want's ranges of one origin. */
  wanted(originKey: string): Spans {
    return this.wants.at(-1)?.wanted.find((one) => one.originKey === originKey)?.ranges ?? []
  }

  came(originKey: string, first: number, last: number): boolean {
    const { nowMs, seen } = this.#node
    const wasAsked = this.asking.bundleCame(originKey, 1, first, last, nowMs)
    seen.mark(originKey, 1, first, last, 'n', nowMs)
    return wasAsked
  }

  given(more: boolean, request: number = this.wants.at(-1)!.request): void {
    this.asking.given({ request, more }, this.#node.nowMs)
  }
}

test('what is claimed and missing is asked for after the wait, and nothing where nothing is', () => {
  const node = new Node()
  const side = node.side()
  node.seen.mark(A, 1, 0, 9, 'n', 0)
  side.claim(A, [0, 9])
  assert.equal(side.asking.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  side.claim(A, [0, 19, 30, 39])
  assert.equal(side.asking.nextDeadlineMs(), 200)
  node.seen.mark(A, 1, 12, 14, 'n', 100)
  node.run(1_000)
  assert.deepEqual(side.wants, [
    { request: 1, ageMsMax: 600_000, wanted: [{ originKey: A, epoch: 1, ranges: [10, 11, 15, 19, 30, 39] }] },
  ])
  assert.equal(side.came(A, 10, 11), true)
  assert.equal(side.came(A, 40, 49), false)
  assert.equal(side.came(plainOriginKey(2), 10, 11), false)
  side.came(A, 15, 19)
  side.came(A, 30, 39)
  side.given(false)
  node.run(2_000)
  assert.equal(side.asking.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  assert.equal(node.asked.isEmpty, true)
  assert.deepEqual(node.counters, { requests: 1, timeouts: 0, received: 3 })
})

test('what came in the wait is not asked for', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, 9])
  node.seen.mark(A, 1, 0, 9, 'n', 100)
  node.run(10_000)
  assert.equal(side.wants.length, 0)
  assert.equal(side.asking.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  assert.deepEqual(side.settled, [side.claims.find(A, 1)])
})

test('a want keeps its bounds, and shares them between origins', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, Number.MAX_SAFE_INTEGER])
  node.run(300)
  assert.deepEqual(side.wanted(A), [0, WANT_NUMBERS_MAX - 1])
  side.given(false)
  for (let i = 2; i <= 11; i++) side.claim(plainOriginKey(i), [0, 99_999])
  side.claim(plainOriginKey(12), [5, 5])
  node.run(1_000)
  assert.equal(side.wants.length, 2, 'the others still had their wait before them')
  side.given(false)
  node.run(1_000)
  const sizes = side.wants.at(-1)!.wanted.map(({ ranges }) => countNumbers(ranges))
  assert.equal(
    sizes.reduce((a, b) => a + b),
    WANT_NUMBERS_MAX,
  )
  assert.equal(sizes.length, 12)
  assert.equal(sizes.filter((size) => size >= 1_365).length, 11)
})

test('ranges are bounded too, and a thousand origins fit one frame', () => {
  const node = new Node()
  const side = node.side()
  const start = 2 ** 50
  side.claim(
    A,
    Array.from({ length: 4_000 }, (_, i) => start + Math.floor(i / 2) * 2),
  )
  node.run(300)
  assert.equal(side.wanted(A).length / 2, WANT_RANGES_MAX)
  side.given(false)
  for (let i = 2; i < 2_000; i++) side.claim(plainOriginKey(i), [start, start, start + 2, start + 2], start)
  node.run(1_000)
  side.given(false)
  node.run(1_000)
  assert.ok(side.wants.at(-1)!.wanted.length > 900, `${side.wants.at(-1)!.wanted.length}`)
})

test('silence for ten seconds ends the wait: others are asked, and this one not before a wait that doubles', () => {
  const node = new Node()
  const [mute, other] = [node.side(), node.side()]
  mute.claim(A, [0, 9])
  node.run(300)
  other.claim(A, [0, 9])
  node.run(200 + ANSWER_SILENT_MS - 1)
  assert.equal(other.wants.length, 0)
  node.run(200 + ANSWER_SILENT_MS)
  assert.deepEqual(other.wanted(A), [0, 9])
  assert.equal(mute.asking.isSuspect, true)
  // An answer that comes late means nothing any more.
  mute.given(false)
  assert.deepEqual(mute.claims.find(A, 1)!.ranges, [0, 9])
  other.given(false)
  node.run(200 + ANSWER_SILENT_MS + SUSPECT_WAIT_MS - 1)
  assert.equal(mute.wants.length, 1)
  node.run(200 + ANSWER_SILENT_MS + SUSPECT_WAIT_MS)
  assert.deepEqual([mute.wants.length, mute.wanted(A)], [2, [0, 9]])
  for (let failures = 2; failures < 12; failures++) {
    const atMs = node.nowMs + ANSWER_SILENT_MS
    node.run(atMs)
    assert.equal(mute.suspicion.untilMs - atMs, Math.min(SUSPECT_WAIT_MS_MAX, SUSPECT_WAIT_MS * 2 ** (failures - 1)))
    node.run(mute.suspicion.untilMs)
  }
  mute.came(A, 0, 4)
  assert.equal(mute.asking.isSuspect, false)
  assert.equal(node.counters.timeouts, 11)
})

test('whoever keeps giving has a minute, and no longer', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, 99])
  node.run(200)
  for (let i = 0; i < 14; i++) {
    node.run(200 + i * 5_000)
    if (side.asking.isWaiting && node.counters.timeouts === 0) side.came(A, i, i)
  }
  assert.equal(node.counters.timeouts, 1)
  assert.equal(side.suspicion.untilMs, 200 + ANSWER_MS_MAX + SUSPECT_WAIT_MS)
})

test('a suspect is left out for what others claim, until they do not any more', () => {
  const node = new Node()
  const [mute, other] = [node.side(), node.side()]
  mute.claim(A, [0, 9])
  node.run(200 + ANSWER_SILENT_MS)
  other.claim(A, [0, 4])
  node.run(20_300)
  assert.deepEqual(mute.wanted(A), [5, 9])
  assert.deepEqual(other.wanted(A), [0, 4])
  node.sides.splice(1)
  other.asking.close(node.nowMs)
  node.run(200_000)
  assert.deepEqual(mute.wanted(A), [0, 9])
})

test('all that was asked and did not come is struck at the end of an answer, and nothing while there is more', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, 9])
  node.run(300)
  side.came(A, 0, 3)
  side.given(true)
  assert.deepEqual(side.claims.find(A, 1)!.ranges, [0, 9])
  node.run(400)
  assert.deepEqual(side.wanted(A), [4, 9])
  side.came(A, 6, 6)
  side.given(false)
  assert.deepEqual(side.claims.find(A, 1)!.ranges, [0, 3, 6, 6])
  side.claim(A, [0, 10])
  node.run(1_000)
  assert.deepEqual(side.wanted(A), [10, 10])
})

test('after an answer of few long messages a neighbour is asked for few, and others for the rest at the same time', () => {
  const node = new Node()
  const [one, two] = [node.side(), node.side()]
  one.claim(A, [0, 29])
  node.run(300)
  two.claim(A, [0, 29])
  node.run(600)
  assert.deepEqual([one.wanted(A), two.wants.length], [[0, 29], 0])
  one.came(A, 0, 0)
  one.given(true)
  node.run(600)
  assert.equal(countNumbers(one.wanted(A)) + countNumbers(two.wanted(A)), 29)
  const few = [one, two].find((side) => countNumbers(side.wanted(A)) === 8)
  assert.equal(few, one)
  one.came(A, one.wanted(A)[0]!, one.wanted(A)[1]!)
  two.came(A, two.wanted(A)[0]!, two.wanted(A)[1]!)
  one.given(false)
  two.given(false)
  node.run(1_000)
  assert.equal(node.asked.isEmpty, true)
})

test('claims that are dropped or closed leave nothing behind', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, 9])
  side.claim(A, [])
  node.run(300)
  assert.equal(side.wants.length, 0)
  side.claim(A, [0, 9])
  node.run(600)
  assert.equal(side.wants.length, 1)
  side.asking.close(node.nowMs)
  assert.equal(node.asked.isEmpty, true)
  assert.equal(side.asking.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('while no answer comes, claims that come and go are not kept', () => {
  const node = new Node()
  const side = node.side()
  side.claim(A, [0, 9])
  node.run(1_000)
  assert.equal(side.asking.isWaiting, true)
  for (let i = 0; i < CLAIM_ENTRIES_MAX * 3; i++) side.claim(plainOriginKey(2 + (i & 0x7fff)), [0, 9], 1 + (i >> 15))
  assert.equal(side.claims.counts.entries, CLAIM_ENTRIES_MAX)
  assert.ok(side.asking.queuedCount <= CLAIM_ENTRIES_MAX * 2, `${side.asking.queuedCount}`)
  // What is left is asked for as ever.
  side.given(false)
  node.run(2_000)
  assert.equal(side.wants.length, 2)
  assert.ok(side.wants[1]!.wanted.length > 900)
})

test('whatever several neighbours claim and give, nothing is asked twice at once, and all that is held comes', () => {
  for (let seed = 1; seed <= rounds(60, 120); seed++) {
    const random = seeded(seed)
    const node = new Node()
    const sides = Array.from({ length: 2 + random.below(4) }, () => node.side())
    const origins = Array.from({ length: 1 + random.below(4) }, (_, i) => plainOriginKey(i))
    const holds = new Map<string, Set<number>>()
    const open = new Map<Side, Want>()
    const handled = new Map<Side, number>()
    for (let step = 0; step < 200 || open.size > 0; step++) {
      assert.ok(step < 5_000, 'it does not end')
      const side = sides[random.below(sides.length)]!
      if (step < 100 && random.below(3) === 0) {
        const origin = origins[random.below(origins.length)]!
        const [first, count] = [random.below(3_000), random.below(400)]
        const held = holds.get(origin) ?? new Set<number>()
        holds.set(origin, held)
        for (let number = first; number <= first + count; number++) held.add(number)
        const known = side.claims.find(origin, 1)
        const ranges = [first, first + count]
        side.claim(origin, known === null ? ranges : merged(known.ranges, ranges))
      }
      const want = open.get(side)
      if (want !== undefined && random.below(2) === 0) {
        let left = 1 + random.below(300)
        let isAll = true
        for (const { originKey, ranges } of want.wanted) {
          for (let at = 0; at < ranges.length; at += 2) {
            for (let number = ranges[at]!; number <= ranges[at + 1]!; number++) {
              if (left-- > 0) side.came(originKey, number, number)
              else isAll = false
            }
          }
        }
        open.delete(side)
        side.given(!isAll)
      }
      node.run(node.nowMs + random.below(400))
      for (const one of sides) {
        if (one.wants.length === (handled.get(one) ?? 0)) continue
        handled.set(one, one.wants.length)
        open.set(one, one.wants.at(-1)!)
      }
      const numbers: string[] = []
      for (const { wanted } of open.values()) {
        for (const { originKey, ranges } of wanted) {
          for (let at = 0; at < ranges.length; at += 2) {
            for (let number = ranges[at]!; number <= ranges[at + 1]!; number++) numbers.push(`${originKey}${number}`)
          }
        }
      }
      assert.equal(new Set(numbers).size, numbers.length, `seed ${seed}`)
    }
    for (const [origin, held] of holds) {
      for (const number of held) assert.equal(node.seen.look(origin, 1, number, number), 'duplicate', `seed ${seed}`)
    }
    assert.equal(node.asked.isEmpty, true)
    assert.equal(node.counters.timeouts, 0)
  }
})

function merged(a: Spans, b: Spans): number[] {
  const numbers = new Set<number>()
  for (const spans of [a, b]) {
    for (let at = 0; at < spans.length; at += 2) {
      for (let number = spans[at]!; number <= spans[at + 1]!; number++) numbers.add(number)
    }
  }
  const result: number[] = []
  for (const number of [...numbers].sort((x, y) => x - y)) {
    if (result.at(-1) === number - 1) result[result.length - 1] = number
    else result.push(number, number)
  }
  return result
}

test('before a want for what should have come by itself, the neighbour is told so', () => {
  const node = new Node()
  const side = node.side()
  node.seen.mark(A, 1, 0, 9, 'n', 0)
  side.claim(A, [0, 19])
  node.newsMs = 150
  node.run(349)
  assert.deepEqual([side.wants.length, side.overdue], [0, []], 'bundles still came')
  node.run(350)
  assert.deepEqual([side.wanted(A), side.overdue], [[10, 19], [A]])
})

test('what is late for two seconds while newer bundles come is asked for, and nothing more is said', () => {
  const node = new Node()
  const side = node.side()
  node.seen.mark(A, 1, 0, 9, 'n', 0)
  side.claim(A, [0, 19])
  for (let nowMs = 50; nowMs <= 2_190; nowMs += 50) {
    node.newsMs = nowMs
    node.run(nowMs)
  }
  assert.equal(side.wants.length, 0)
  node.newsMs = 2_195
  node.run(2_250)
  assert.deepEqual([side.wanted(A), side.overdue], [[10, 19], []])
})

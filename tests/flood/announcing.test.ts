import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Announcing, LOOK_MS } from '../../lib/flood/announcing.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { type Spans, without } from '../../lib/flood/spans.ts'
import { plainOriginKey } from './fake-store.ts'

const A = plainOriginKey(1)
const B = plainOriginKey(2)

class Side {
  readonly holdings = new Holdings()
  lazy = new Set([A])
  claimed: Spans = []
  room = Number.POSITIVE_INFINITY
  nowMs = 0
  toldSerial = 0
  readonly announcing: Announcing
  /** When what was told. */
  readonly told: [number, string, number[]][] = []

  constructor(isFirst = false) {
    this.announcing = new Announcing(this.holdings, {
      isFirst,
      isAnnouncing: () => this.lazy.size > 0,
      isAnnounced: (originKey) => this.lazy.has(originKey),
      covers: (_originKey, _epoch, ranges) => without(ranges, this.claimed).length === 0,
    })
  }

  run(untilMs: number): void {
    for (let at = this.announcing.nextDeadlineMs(); at <= untilMs; at = this.announcing.nextDeadlineMs()) {
      this.nowMs = Math.max(this.nowMs, at)
      if (!this.announcing.isDue(this.nowMs)) continue
      this.announcing.look(this.toldSerial, this.nowMs, ({ originKey, ranges }) => {
        if (this.room-- <= 0) return false
        this.told.push([this.nowMs, originKey === A ? 'A' : 'B', ranges.slice()])
        return true
      })
    }
    this.nowMs = untilMs
  }
}

test('the other end tells of an addition at the second look, and once', () => {
  const side = new Side()
  side.holdings.add(A, 1, 0, 0)
  side.holdings.add(B, 1, 0, 0)
  side.run(1_000)
  assert.deepEqual(side.told, [[LOOK_MS * 2, 'A', [0, 0]]])
  assert.equal(side.announcing.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('the first end tells at the first look, and once', () => {
  const side = new Side(true)
  side.holdings.add(A, 1, 0, 0)
  side.run(1_000)
  assert.deepEqual(side.told, [[LOOK_MS, 'A', [0, 0]]])
  side.holdings.add(A, 1, 1, 1)
  side.run(2_000)
  assert.deepEqual(side.told.slice(1), [[1_000 + LOOK_MS, 'A', [0, 1]]])
  assert.equal(side.announcing.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('the first end leaves out what the neighbour claims, and tells at once what came after that', () => {
  const side = new Side(true)
  side.holdings.add(A, 1, 0, 0)
  side.claimed = [0, 0]
  side.run(LOOK_MS)
  assert.deepEqual(side.told, [])
  assert.equal(side.announcing.isTold(side.holdings.firstAddedAfter(0)!), false)
  side.holdings.add(A, 1, 1, 1)
  side.run(1_000)
  assert.deepEqual(side.told, [[LOOK_MS * 2, 'A', [0, 1]]])
})

test('nothing is looked at where nothing is announced', () => {
  const side = new Side()
  side.lazy.clear()
  side.holdings.add(A, 1, 0, 0)
  assert.equal(side.announcing.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  assert.equal(side.announcing.isDue(1_000), false)
})

test('what the neighbour claims by then is not told, and what came after that is', () => {
  const side = new Side()
  side.holdings.add(A, 1, 0, 0)
  side.run(LOOK_MS + 5)
  side.holdings.add(A, 1, 1, 1)
  side.claimed = [0, 0]
  side.run(LOOK_MS * 2)
  assert.deepEqual(side.told, [])
  side.run(1_000)
  assert.deepEqual(side.told, [[LOOK_MS * 3, 'A', [0, 1]]])
})

for (const [end, looks] of [
  ['first', 1],
  ['other', 2],
] as const) {
  test(`of additions that go on the ${end} end tells each within ${looks} look${looks === 1 ? '' : 's'}`, () => {
    const side = new Side(looks === 1)
    const addedMs: number[] = []
    for (let nowMs = 0; nowMs < 1_000; nowMs += 7) {
      side.run(nowMs)
      addedMs.push(nowMs)
      side.holdings.add(A, 1, addedMs.length - 1, addedMs.length - 1)
    }
    side.run(2_000)
    for (const [number, atMs] of addedMs.entries()) {
      const [toldMs] = side.told.find(([, , ranges]) => ranges[1]! >= number)!
      assert.ok(toldMs - atMs <= LOOK_MS * looks, `${number} was told after ${toldMs - atMs} ms`)
    }
    assert.ok(side.told.length <= 1_000 / (LOOK_MS * looks) + 1, `${side.told.length} times`)
  })
}

test('what has no room waits for the next look', () => {
  const side = new Side()
  side.lazy.add(B)
  side.holdings.add(A, 1, 0, 0)
  side.holdings.add(B, 1, 0, 0)
  side.room = 1
  side.run(LOOK_MS * 2)
  assert.equal(side.told.length, 1)
  side.room = 5
  side.run(1_000)
  assert.deepEqual(side.told.map(([, name]) => name).sort(), ['A', 'B'])
})

test('whoever tells of everything leaves out what was told, and nothing is told again after it', () => {
  const side = new Side()
  side.holdings.add(A, 1, 0, 0)
  const [held] = [side.holdings.firstAddedAfter(0)!]
  assert.equal(side.announcing.isTold(held), false)
  side.run(LOOK_MS * 2)
  assert.equal(side.announcing.isTold(held), true)
  side.holdings.add(A, 1, 1, 1)
  assert.equal(side.announcing.isTold(held), false)
  side.run(LOOK_MS * 3)
  side.toldSerial = side.holdings.serial
  side.announcing.clear()
  side.run(1_000)
  assert.equal(side.told.length, 1)
})

test('when one more tree turns lazy, what was added before is looked at', () => {
  const side = new Side()
  side.holdings.add(B, 1, 0, 0)
  side.run(1_000)
  assert.deepEqual(side.told, [])
  side.lazy.add(B)
  side.announcing.again()
  side.run(2_000)
  assert.equal(side.told.length, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReaderOffset } from '../../../lib/flood/bundle-store.ts'
import {
  DurableOffset,
  OFFSET_WRITE_MS,
  type OpenBundle,
  WHOLE_BUNDLE,
} from '../../../lib/flood/readers/durable-offset.ts'
import { seeded } from '../../crypto/seeded.ts'
import { FakeClock } from '../../link/fake-clock.ts'

class Ledger {
  readonly clock = new FakeClock()
  readonly written: [string, ReaderOffset][] = []
  readonly offset: DurableOffset

  constructor(written: ReaderOffset | null = null) {
    const store = { writeOffset: (name: string, offset: ReaderOffset) => void this.written.push([name, offset]) }
    this.offset = new DurableOffset('reader', store, this.clock, written)
  }
}

const whole = (arrival: number): ReaderOffset => ({ arrival, index: WHOLE_BUNDLE })

test('the offset is the end of what is done without a gap', () => {
  const { offset } = new Ledger()
  offset.startAt(5)
  assert.deepEqual(offset.offset, whole(5))
  const first = offset.open(7, 3)
  const second = offset.open(8, 2)
  offset.passed(9)
  assert.deepEqual(offset.offset, whole(6))
  offset.done(second, 0)
  offset.done(second, 1)
  offset.done(first, 1)
  assert.deepEqual(offset.offset, whole(6))
  offset.done(first, 0)
  assert.deepEqual(offset.offset, { arrival: 7, index: 1 })
  offset.done(first, 0)
  offset.done(first, 2)
  assert.deepEqual(offset.offset, whole(9))
})

test('it is written at most every fifty milliseconds, and once for the same place', () => {
  const ledger = new Ledger()
  ledger.offset.startAt(1)
  for (let arrival = 2; arrival < 100; arrival++) ledger.offset.passed(arrival)
  assert.deepEqual(ledger.written, [])
  ledger.clock.advance(OFFSET_WRITE_MS)
  assert.deepEqual(ledger.written, [['reader', whole(99)]])
  ledger.offset.flush()
  ledger.clock.advance(1_000)
  assert.equal(ledger.written.length, 1)
  ledger.offset.passed(100)
  ledger.offset.flush()
  assert.deepEqual(ledger.written.at(-1), ['reader', whole(100)])
  assert.equal(ledger.clock.timerCount, 0)
})

test('nothing is written before what precedes the reading is done', () => {
  const ledger = new Ledger()
  const [one, two] = [ledger.offset.openBefore(1), ledger.offset.openBefore(1)]
  ledger.offset.done(one, 0)
  ledger.offset.flush()
  ledger.offset.startAt(50)
  const live = ledger.offset.open(51, 1)
  ledger.offset.done(live, 0)
  ledger.offset.flush()
  assert.deepEqual(ledger.written, [])
  ledger.offset.done(two, 0)
  ledger.offset.flush()
  assert.deepEqual(ledger.written, [['reader', whole(51)]])
})

test('a reader that goes on never writes less than was written', () => {
  const ledger = new Ledger({ arrival: 10, index: 4 })
  ledger.offset.flush()
  const again = ledger.offset.open(10, 8)
  ledger.offset.done(again, 0, 3)
  ledger.offset.flush()
  assert.deepEqual(ledger.written, [])
  ledger.offset.done(again, 3, 2)
  ledger.offset.flush()
  assert.deepEqual(ledger.written, [])
  ledger.offset.done(again, 5)
  ledger.offset.flush()
  assert.deepEqual(ledger.written, [['reader', { arrival: 10, index: 5 }]])
})

test('in any order of acknowledgements, nothing that is not done lies before the offset', () => {
  const { below } = seeded(7)
  for (let round = 0; round < 50; round++) {
    const { offset } = new Ledger()
    offset.startAt(0)
    const bundles: OpenBundle[] = []
    const todo: [OpenBundle, number][] = []
    for (let arrival = 1; arrival <= 20; arrival += 1 + below(3)) {
      if (below(4) === 0) {
        offset.passed(arrival)
        continue
      }
      const bundle = offset.open(arrival, 1 + below(5))
      bundles.push(bundle)
      for (let i = 0; i < bundle.done.length; i++) todo.push([bundle, i])
    }
    while (todo.length > 0) {
      const [[bundle, index]] = todo.splice(below(todo.length), 1) as [[OpenBundle, number]]
      offset.done(bundle, index)
      const { arrival, index: upTo } = offset.offset!
      const expected = todo.reduce((least, [open, i]) => Math.min(least, open.arrival * 10_000 + i), Number.MAX_VALUE)
      assert.ok(arrival * 10_000 + upTo < expected)
      // And it is as far as it can be: the next thing of which anything is open is the first that is not done.
      const next = bundles.find((open) => open.prefix < open.done.length)
      if (next !== undefined) assert.equal(next.arrival * 10_000 + next.prefix, expected)
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredBundle } from '../../lib/flood/bundle-store.ts'
import { OWN_RETAINED_BYTES_MAX, OWN_RETAINED_MAX, OwnRetained } from '../../lib/flood/own-retained.ts'
import { messagesOf } from '../../lib/flood/readers/read-bundle.ts'
import { FakeClock } from '../link/fake-clock.ts'
import { sealedBundle } from './bundles.ts'

interface Told {
  readonly atS: number
  readonly topic: string
  readonly text: string
  readonly timeToLiveS: number
}

class Keeper {
  readonly clock = new FakeClock()
  readonly told: Told[] = []
  readonly kept: OwnRetained
  readonly #startMs = this.clock.nowMs()
  isBehind = false
  fraction = 0

  constructor() {
    this.kept = new OwnRetained({
      clock: this.clock,
      fraction: () => this.fraction,
      publisher: {
        keepRetainedIn: () => {},
        publishAgain: (topic, payload, timeToLiveS) => {
          if (this.isBehind) return false
          const atS = (this.clock.nowMs() - this.#startMs) / 1000
          this.told.push({ atS, topic, text: Buffer.from(payload).toString(), timeToLiveS })
          return true
        },
      },
    })
  }

  publish(topic: string, text: string, timeToLiveS = 100): void {
    this.kept.admit(topic, text, Buffer.byteLength(text))
    this.kept.published(topic, text, timeToLiveS)
  }
}

test('a value is published anew between two fifths and half of its time-to-live, for ever, with all of it', () => {
  for (const [fraction, everyS] of [
    [0, 40],
    [0.999_999, 50],
  ] as const) {
    const keeper = new Keeper()
    keeper.fraction = fraction
    keeper.publish('t', 'x')
    keeper.clock.advance(200_000)
    const times = keeper.told.map(({ atS }) => atS)
    assert.equal(times.length, Math.floor(200 / everyS))
    times.forEach((atS, i) => {
      assert.ok(Math.abs(atS - everyS * (i + 1)) < 2, `${atS}`)
    })
    assert.ok(keeper.told.every(({ timeToLiveS, text }) => timeToLiveS === 100 && text === 'x'))
  }
})

test('the newest value of a topic counts, and its bytes are its own', () => {
  const keeper = new Keeper()
  keeper.publish('t', 'old')
  keeper.clock.advance(30_000)
  const bytes = new Uint8Array([0x6e, 0x65, 0x77])
  keeper.kept.published('t', bytes, 100)
  bytes.fill(0)
  keeper.clock.advance(50_000)
  assert.deepEqual(
    keeper.told.map(({ text }) => text),
    ['new'],
  )
  assert.deepEqual(keeper.kept.counts, { values: 1, bytes: 3 })
})

test('a removal is told again with what is left of its time, and ends', () => {
  const keeper = new Keeper()
  keeper.fraction = 0.999_999
  keeper.publish('t', 'x', 3_600)
  keeper.publish('t', '', 3_600)
  keeper.clock.advance(10_000_000)
  assert.deepEqual(
    keeper.told.map(({ timeToLiveS }) => Math.round(timeToLiveS / 10) * 10),
    [1_800, 900, 450, 230, 110],
  )
  assert.ok(keeper.told.every(({ text }) => text === ''))
  assert.deepEqual(keeper.kept.counts, { values: 0, bytes: 0 })
  assert.equal(keeper.clock.timerCount, 0)
})

test('while the publisher is behind nothing is told, and all of it later', () => {
  const keeper = new Keeper()
  for (let i = 0; i < 50; i++) keeper.publish(`t/${i}`, 'x')
  keeper.isBehind = true
  keeper.clock.advance(60_000)
  assert.equal(keeper.told.length, 0)
  keeper.isBehind = false
  keeper.clock.advance(1_000)
  assert.equal(new Set(keeper.told.map(({ topic }) => topic)).size, 50)
})

test('many values are told in steps', () => {
  const keeper = new Keeper()
  for (let i = 0; i < 1_000; i++) keeper.publish(`t/${i}`, 'x')
  keeper.clock.skip(40_000)
  keeper.clock.advance(0)
  // The alarm has rung; the rest comes turn by turn.
  assert.equal(keeper.told.length, 1_000)
  const other = new Keeper()
  for (let i = 0; i < 1_000; i++) other.publish(`t/${i}`, 'x')
  let most = 0
  const { told } = other
  const { endOfTurn } = other.clock
  let before = 0
  other.clock.endOfTurn = (run) => {
    most = Math.max(most, told.length - before)
    before = told.length
    endOfTurn.call(other.clock, run)
  }
  other.clock.advance(41_000)
  assert.equal(told.length, 1_000)
  assert.ok(most <= 16)
})

function stored(topic: string, text: string, ageS: number, timeToLiveS = 1_000): StoredBundle {
  const bundle = sealedBundle({ flags: 1, timeToLiveS, messages: [[topic, text]] })
  return { bundle: { ...bundle, ageMs: ageS * 1_000, heldSinceMs: 1_000 }, arrival: 1 }
}

test('what an earlier run published goes on, what was overdue spread over a minute', () => {
  const keeper = new Keeper()
  keeper.fraction = 0.5
  keeper.publish('mine', 'newer', 1_000)
  const overdue = Array.from({ length: 100 }, (_, i) => stored(`t/${i}`, String(i), 900))
  keeper.kept.restore([
    stored('young', 'y', 100),
    stored('mine', 'older', 10),
    stored('$mesh/node', 'not ours', 10),
    ...overdue,
  ])
  keeper.clock.settle()
  assert.equal(keeper.kept.counts.values, 102)
  keeper.clock.advance(100_000)
  assert.equal(keeper.told.length, 100)
  // Half of what is left of them is 50 s, and chance says the middle of that.
  assert.ok(keeper.told.every(({ atS }) => Math.abs(atS - 25) < 2))
  keeper.clock.advance(300_000)
  const byTopic = new Map(keeper.told.map((told) => [told.topic, told]))
  assert.ok(Math.abs(byTopic.get('young')!.atS - 350) < 2)
  keeper.clock.advance(60_000)
  assert.equal(keeper.told.find(({ topic }) => topic === 'mine')!.text, 'newer')
  assert.ok(keeper.told.every(({ topic }) => topic !== '$mesh/node'))
})

test('values are bounded in count and in bytes; a value in place of another needs no new place', () => {
  const keeper = new Keeper()
  const million = 'x'.repeat(1_048_576)
  for (let i = 0; i < OWN_RETAINED_BYTES_MAX / 1_048_576; i++) keeper.publish(`large/${i}`, million)
  assert.throws(() => keeper.publish('one', 'x'), { code: 'too-large' })
  keeper.publish('large/0', 'x'.repeat(1_048_575))
  keeper.publish('one', 'x')
  const many = new Keeper()
  for (let i = 0; i < OWN_RETAINED_MAX; i++) many.publish(`t/${i}`, '')
  assert.throws(() => many.publish('one more', ''), { code: 'too-large' })
  many.publish('t/0', 'x')
})

test('stopped, nothing is told any more', () => {
  const keeper = new Keeper()
  keeper.publish('t', 'x')
  keeper.kept.restore(Array.from({ length: 100 }, (_, i) => stored(`t/${i}`, 'x', 0)))
  keeper.kept.stop()
  keeper.clock.advance(1_000_000)
  assert.equal(keeper.told.length, 0)
  assert.equal(keeper.clock.timerCount, 0)
})

test('a value of an earlier run that comes back takes the place of an older one, and of none that this run published', () => {
  const keeper = new Keeper()
  const earlier = (epoch: number, first: number, topic: string, text: string): StoredBundle['bundle'] =>
    sealedBundle({ epoch, first, flags: 1, timeToLiveS: 100, messages: [[topic, text]] })
  keeper.kept.restore([{ bundle: earlier(5, 7, 'a', 'restored'), arrival: 1 }])
  keeper.publish('b', 'of this run')
  for (const bundle of [
    earlier(5, 3, 'a', 'older'),
    earlier(6, 0, 'a', 'newer'),
    earlier(5, 9, 'a', 'older again'),
    earlier(6, 1, 'b', 'of an earlier run'),
    earlier(6, 2, '$mesh/node', 'of the mesh'),
  ]) {
    keeper.kept.cameBack(bundle, messagesOf(bundle))
  }
  keeper.clock.advance(60_000)
  assert.deepEqual(keeper.told.map(({ topic, text }) => `${topic} ${text}`).sort(), ['a newer', 'b of this run'])
})

// The order of each origin, through whole readers: what is held back, what is waited for, and what is given up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BundleStore } from '../../../lib/flood/bundle-store.ts'
import { OriginOrder, type OriginOrderOptions } from '../../../lib/flood/readers/origin-order.ts'
import type { ReadBundle } from '../../../lib/flood/readers/read-bundle.ts'
import { Seen } from '../../../lib/flood/seen.ts'
import type { SubscribeOptions } from '../../../lib/types.ts'
import { seeded } from '../../crypto/seeded.ts'
import { keyPairOf } from '../../identity/nodes.ts'
import { rounds } from '../../tools/all-tests.ts'
import { type Arrival, bundleOf, EPOCH, Shelf } from './shelf.ts'

const from = keyPairOf(1).identity.id

function hear(shelf: Shelf, options: SubscribeOptions = {}, pattern = '#'): string[] {
  const heard: string[] = []
  const ordered: SubscribeOptions = { order: 'origin', ...options }
  shelf.subscriptions.subscribe(pattern, (message) => heard.push(message.text()), shelf.clock.nowMs(), ordered)
  return heard
}

test('what comes out of turn waits for what is missing, however it comes', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf)
  for (const first of [0, 3, 1, 4, 2, 5]) {
    shelf.arrive({ first })
    await shelf.settle()
  }
  assert.deepEqual(heard, ['0', '1', '2', '3', '4', '5'])
  assert.deepEqual(shelf.gaps, [])
  await shelf.pass(60_000)
  assert.deepEqual(shelf.gaps, [])
})

test('messages on other topics count for the order', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf, {}, 't')
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 2 })
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
  shelf.arrive({ first: 1, topic: 'other' })
  await shelf.settle()
  assert.deepEqual(heard, ['0', '2'])
})

test('origins do not wait for each other, nor do the runs of one', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf)
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 2 })
  shelf.arrive({ origin: 2, first: 0, messages: [['t', 'two']] })
  shelf.arrive({ epoch: EPOCH + 5, first: 0, messages: [['t', 'new run']] })
  await shelf.settle()
  assert.deepEqual(heard, ['0', 'two', 'new run'])
  shelf.arrive({ first: 1 })
  await shelf.settle()
  assert.deepEqual(heard, ['0', 'two', 'new run', '1', '2'])
})

test('what did not come in time is told as a gap and passed over, and is not told when it comes after all', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf, { gapTimeoutMs: 5_000 })
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 4 })
  await shelf.pass(4_000)
  shelf.arrive({ first: 7 })
  await shelf.pass(900)
  assert.deepEqual(heard, ['0'])
  await shelf.pass(200)
  assert.deepEqual(heard, ['0', '4'])
  assert.deepEqual(shelf.gaps, [{ pattern: '#', from, epoch: EPOCH, first: 1, last: 3 }])
  shelf.arrive({ first: 2 })
  shelf.arrive({ first: 5, count: 2 })
  await shelf.settle()
  assert.deepEqual(heard, ['0', '4', '5', '6', '7'])
  await shelf.pass(60_000)
  assert.equal(shelf.gaps.length, 1)
})

test('each gap has its own time', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf, { gapTimeoutMs: 1_000 })
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 2 })
  await shelf.pass(500)
  shelf.arrive({ first: 4 })
  shelf.arrive({ origin: 2, first: 0, messages: [['t', 'a']] })
  shelf.arrive({ origin: 2, first: 3, messages: [['t', 'b']] })
  await shelf.pass(600)
  assert.deepEqual(heard, ['0', 'a', '2'])
  await shelf.pass(500)
  assert.deepEqual(heard, ['0', 'a', '2', '4', 'b'])
  assert.equal(shelf.gaps.length, 3)
})

test('history that arrived in another order is told in its own', async () => {
  const shelf = new Shelf()
  for (const first of [50, 40, 0, 30, 20, 10]) shelf.arrive({ first, count: 10 })
  const heard = hear(shelf, { since: 'stored' })
  await shelf.settle()
  assert.deepEqual(
    heard,
    Array.from({ length: 60 }, (_, i) => String(i)),
  )
  assert.deepEqual(shelf.gaps, [])
})

test('what was pruned before it was read is not waited for', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0, timeToLiveS: 1 })
  shelf.arrive({ first: 1, timeToLiveS: 1 })
  shelf.arrive({ first: 2 })
  await shelf.pass(3_000)
  shelf.arrive({ first: 4 })
  const heard = hear(shelf, { since: 'stored', gapTimeoutMs: 5_000 })
  await shelf.settle()
  assert.deepEqual(heard, ['2'])
  assert.deepEqual(shelf.gaps, [])
  await shelf.pass(5_100)
  assert.deepEqual(heard, ['2', '4'])
  assert.deepEqual(
    shelf.gaps.map(({ first, last }) => [first, last]),
    [[3, 3]],
  )
})

test('what was taken and never stored is told as a gap as soon as that is certain', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf)
  shelf.arrive({ first: 0 })
  shelf.mark({ first: 1, count: 3 })
  shelf.arrive({ first: 4 })
  await shelf.settle()
  assert.deepEqual(heard, ['0', '4'])
  assert.deepEqual(
    shelf.gaps.map(({ first, last }) => [first, last]),
    [[1, 3]],
  )
})

/** A shelf whose disk has written what there is when it is told so. */
function slowShelf(): { shelf: Shelf; written: () => void } {
  let written = (): void => {}
  const slow = (store: BundleStore): BundleStore => {
    store.flushed = () =>
      new Promise((resolve) => {
        written = resolve
      })
    return store
  }
  return { shelf: new Shelf({ store: slow }), written: () => written() }
}

test('what is taken and still on its way to the disk is waited for', async () => {
  const { shelf, written } = slowShelf()
  const heard = hear(shelf)
  shelf.arrive({ first: 0 })
  const late = shelf.mark({ first: 1 })
  shelf.arrive({ first: 2 })
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
  await shelf.pass(100_000, 10_000)
  assert.deepEqual(heard, ['0'])
  shelf.store.put(late, null)
  written()
  await shelf.settle()
  assert.deepEqual(heard, ['0', '1', '2'])
  assert.deepEqual(shelf.gaps, [])
})

test('what came from the disk while the numbers before it were looked for is told', async () => {
  const { shelf, written } = slowShelf()
  const heard = hear(shelf)
  shelf.arrive({ first: 0 })
  shelf.mark({ first: 1 })
  const late = shelf.mark({ first: 2 })
  shelf.arrive({ first: 3 })
  await shelf.settle()
  shelf.store.put(late, null)
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
  written()
  await shelf.settle()
  assert.deepEqual(heard, ['0', '2', '3'])
  assert.deepEqual(
    shelf.gaps.map(({ first, last }) => [first, last]),
    [[1, 1]],
  )
})

test('a durable reader misses nothing that lies on the disk in another order when it goes on', async () => {
  const { shelf, written } = slowShelf()
  const epoch = EPOCH - 2 ** 30
  hear(shelf, { durable: 'reader', since: 'stored' })
  shelf.arrive({ epoch, first: 0, count: 2 })
  shelf.arrive({ origin: 2, first: 0 })
  await shelf.settle()
  shelf.restart()
  const heard = hear(shelf, { durable: 'reader', since: 'stored' })
  const late = shelf.mark({ epoch, first: 2 })
  shelf.arrive({ epoch, first: 3 })
  await shelf.settle()
  shelf.store.put(late, null)
  await shelf.settle()
  written()
  await shelf.settle()
  assert.deepEqual(heard, ['2', '3'])
  assert.deepEqual(shelf.gaps, [])
})

test('a reader that begins now does not wait for what was before', async () => {
  const shelf = new Shelf()
  const old = 1_700_000_000 * 2 ** 20
  shelf.arrive({ epoch: old, first: 5 })
  shelf.arrive({ epoch: old, first: 7 })
  await shelf.pass(100)
  const heard = hear(shelf)
  shelf.arrive({ epoch: old, first: 8 })
  shelf.arrive({ epoch: old, origin: 2, first: 1_000, messages: [['t', 'two']] })
  shelf.arrive({ epoch: old, first: 6, ageMs: 100 })
  await shelf.settle()
  assert.deepEqual(heard, ['8', 'two'])
  assert.deepEqual(shelf.gaps, [])
})

test('a run that began after the subscription is told from its first number on', async () => {
  const shelf = new Shelf()
  const heard = hear(shelf)
  shelf.arrive({ epoch: EPOCH + 2 ** 20, first: 1 })
  await shelf.settle()
  assert.deepEqual(heard, [])
  shelf.arrive({ epoch: EPOCH + 2 ** 20, first: 0 })
  await shelf.settle()
  assert.deepEqual(heard, ['0', '1'])
})

test('who looks back waits for the beginning of a run that nobody here knows, and is told of no gap below it', async () => {
  const shelf = new Shelf()
  const old = 1_700_000_000 * 2 ** 20
  await shelf.pass(20_000)
  const heard = hear(shelf, { since: '10s', gapTimeoutMs: 5_000 })
  shelf.arrive({ epoch: old, first: 1_000 })
  await shelf.pass(1_000)
  for (let first = 998; first > 990; first--) shelf.arrive({ epoch: old, first, ageMs: 5_000 })
  await shelf.settle()
  assert.deepEqual(heard, [])
  await shelf.pass(6_000)
  assert.deepEqual(heard, ['991', '992', '993', '994', '995', '996', '997', '998', '1000'])
  assert.deepEqual(
    shelf.gaps.map(({ first, last }) => [first, last]),
    [[999, 999]],
  )
})

test('an older bundle tells that nothing below it is wanted', async () => {
  const shelf = new Shelf()
  const old = 1_700_000_000 * 2 ** 20
  await shelf.pass(20_000)
  const heard = hear(shelf, { since: '10s' })
  shelf.arrive({ epoch: old, first: 10 })
  await shelf.settle()
  shelf.arrive({ epoch: old, first: 8, ageMs: 15_000 })
  shelf.arrive({ epoch: old, first: 9, ageMs: 5_000 })
  await shelf.settle()
  assert.deepEqual(heard, ['9', '10'])
})

test('a slow subscriber does not make gaps of what is already here', async () => {
  const shelf = new Shelf()
  const stream = shelf.subscriptions.stream('#', { order: 'origin', queueMax: 1, gapTimeoutMs: 1_000 }, 1_000)
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 3 })
  await shelf.settle()
  // The reader stands still now, with one message in its queue.
  shelf.arrive({ first: 1 })
  shelf.arrive({ first: 2 })
  await shelf.pass(10_000)
  const heard: string[] = []
  for await (const message of stream) {
    heard.push(message.text())
    if (heard.length === 4) break
    await shelf.settle()
  }
  assert.deepEqual(heard, ['0', '1', '2', '3'])
  assert.deepEqual(shelf.gaps, [])
})

test('an offset never passes what is held back, and a restart tells nothing out of its order', async () => {
  const shelf = new Shelf()
  const before = hear(shelf, { durable: 'reader' })
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 2, count: 2 })
  shelf.arrive({ origin: 2, first: 0, messages: [['t', 'two']] })
  await shelf.settle()
  assert.deepEqual(before, ['0', 'two'])
  shelf.restart()
  shelf.arrive({ first: 1 })
  const after = hear(shelf, { durable: 'reader' })
  await shelf.settle()
  assert.deepEqual(after, ['two', '1', '2', '3'])
  shelf.restart()
  shelf.arrive({ first: 4 })
  const last = hear(shelf, { durable: 'reader' })
  await shelf.settle()
  assert.deepEqual(last, ['4'])
})

test('what was passed over before a restart is not told after it', async () => {
  const shelf = new Shelf()
  hear(shelf, { durable: 'reader', gapTimeoutMs: 1_000 })
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 2 })
  await shelf.pass(2_000)
  assert.equal(shelf.gaps.length, 1)
  shelf.restart()
  shelf.arrive({ first: 1 })
  shelf.arrive({ first: 3 })
  const heard = hear(shelf, { durable: 'reader' })
  await shelf.settle()
  assert.deepEqual(heard, ['3'])
})

class Sorter {
  readonly seen = new Seen()
  readonly released: number[] = []
  readonly late: number[] = []
  readonly gaps: [number, number][] = []
  readonly order: OriginOrder
  wakeMs = Number.POSITIVE_INFINITY
  #arrival = 0

  constructor(more: Partial<OriginOrderOptions> = {}) {
    this.order = new OriginOrder({
      store: { find: () => null, scanSequences: () => [], flushed: () => new Promise(() => {}) },
      goesOn: false,
      seen: this.seen,
      gapTimeoutMs: 1_000,
      wantsStartOf: () => 'yes',
      release: ({ bundle }) => this.released.push(bundle.first),
      late: ({ bundle }) => this.late.push(bundle.first),
      gap: (_bundle, first, last) => this.gaps.push([first, last]),
      wakeAt: (deadlineMs) => {
        this.wakeMs = Math.min(this.wakeMs, deadlineMs)
      },
      readOn: () => {},
      ...more,
    })
  }

  take(given: Arrival, nowMs: number): void {
    const bundle = bundleOf(given, nowMs)
    const { originKey, epoch, first, count } = bundle
    this.seen.mark(originKey, epoch, first, first + count - 1, 'neighbour', nowMs)
    const read: ReadBundle = { bundle, arrival: ++this.#arrival, from: 0, open: null }
    this.order.take(read, nowMs)
  }
}

test('what is held back is bounded in bytes: the gap that was noticed first is given up', () => {
  const messages: [string, string][] = [['t', 'x'.repeat(1_000)]]
  const sorter = new Sorter({ heldBytesMax: 5_000 })
  sorter.take({ first: 0, messages }, 0)
  for (const first of [2, 4, 6, 8]) sorter.take({ first, messages }, 0)
  assert.deepEqual(sorter.gaps, [])
  sorter.take({ first: 10, messages }, 0)
  assert.deepEqual(sorter.gaps, [[1, 1]])
  assert.deepEqual(sorter.released, [0, 2])
  assert.ok(sorter.order.heldBytes <= 5_000)
})

test('many gaps whose time is over are given up at once, in order', () => {
  const sorter = new Sorter()
  for (let first = 0; first < 400; first += 2) sorter.take({ first }, first)
  assert.deepEqual(sorter.released, [0])
  assert.equal(sorter.wakeMs, 1_002)
  sorter.order.tick(2_000)
  assert.equal(sorter.gaps.length, 199)
  assert.deepEqual(
    sorter.released,
    Array.from({ length: 200 }, (_, i) => i * 2),
  )
  assert.equal(sorter.order.heldBytes, 0)
})

test('in whatever order bundles arrive, each run is told in its own, and what is missing is told as a gap', async () => {
  for (let seed = 1; seed <= rounds(30, 60); seed++) {
    const { below } = seeded(seed)
    const shelf = new Shelf()
    const heard = new Map<string, number[]>()
    const options: SubscribeOptions = { order: 'origin', gapTimeoutMs: 2_000, ...(below(2) ? { since: 'stored' } : {}) }
    const subscribe = (durable: SubscribeOptions): void => {
      shelf.subscriptions.subscribe(
        '#',
        ({ from: origin, id, sequence }) => {
          const key = `${origin}/${id.split('/')[1]}`
          heard.set(key, [...(heard.get(key) ?? []), sequence])
        },
        shelf.clock.nowMs(),
        { ...options, ...durable },
      )
    }
    const isDurable = below(2) === 1
    subscribe(isDurable ? { durable: 'reader' } : {})
    const coming: { origin: number; epoch: number; first: number; count: number }[] = []
    for (const origin of [1, 2]) {
      for (const epoch of [EPOCH, EPOCH + 7]) {
        for (let first = 0; first < 60; ) {
          const count = 1 + below(6)
          coming.push({ origin, epoch, first, count })
          first += count
        }
      }
    }
    const lost = new Set<string>()
    const window: typeof coming = []
    for (const arrival of [...coming.sort(() => below(3) - 1), null, null, null, null, null, null, null, null]) {
      if (arrival !== null) window.push(arrival)
      if (window.length < 8 && arrival !== null) continue
      const [next] = window.splice(below(window.length), 1)
      if (next === undefined) continue
      const fate = below(20)
      if (fate === 0) lost.add(`${next.origin} ${next.epoch} ${next.first}`)
      else if (fate === 1) shelf.mark(next)
      else shelf.arrive(next)
      if (below(3) === 0) await shelf.pass(below(100))
      if (isDurable && below(30) === 0) {
        // Everything before was done: a handler that does not wait is never behind.
        await shelf.settle()
        shelf.restart()
        subscribe({ durable: 'reader' })
      }
    }
    await shelf.pass(10_000, 500)
    for (const [key, sequences] of heard) {
      const once = sequences.filter((sequence, i) => sequences.indexOf(sequence) === i)
      assert.deepEqual(
        once,
        [...once].sort((a, b) => a - b),
        `seed ${seed}: ${key}`,
      )
      if (!isDurable) assert.equal(once.length, sequences.length)
    }
    if (isDurable) continue
    // What was not told stands in a gap, but for what nobody had when the first of its run came.
    const told = new Set<string>()
    for (const gap of shelf.gaps) {
      for (let n = gap.first; n <= gap.last; n++) told.add(`${gap.from}/${gap.epoch} ${n}`)
    }
    for (const [key, sequences] of heard) {
      for (let n = Math.min(...sequences); n < Math.max(...sequences); n++) {
        assert.notEqual(sequences.includes(n), told.has(`${key} ${n}`), `seed ${seed}: ${key} ${n}`)
      }
    }
  }
})

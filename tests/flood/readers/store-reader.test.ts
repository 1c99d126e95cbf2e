import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BundleStore } from '../../../lib/flood/bundle-store.ts'
import type { Message, SubscribeOptions } from '../../../lib/types.ts'
import { keyPairOf } from '../../identity/nodes.ts'
import { EPOCH, OWN, Shelf } from './shelf.ts'

const { id } = keyPairOf(1).identity

/** What a subscription hears from now on, as texts. */
function hear(shelf: Shelf, options: SubscribeOptions, pattern = '#'): string[] {
  const heard: string[] = []
  const handler = (message: Message): number => heard.push(message.text())
  shelf.subscriptions.subscribe(pattern, handler, shelf.clock.nowMs(), options)
  return heard
}

test('all that is stored comes first, then what is live, without a gap and without a double', async () => {
  const shelf = new Shelf()
  for (let first = 0; first < 500; first += 5) shelf.arrive({ first, count: 5 })
  const heard = hear(shelf, { since: 'stored' })
  for (let first = 500; first < 1_000; first += 5) {
    shelf.arrive({ first, count: 5 })
    if (first % 50 === 0) await shelf.settle()
  }
  await shelf.settle()
  assert.deepEqual(
    heard,
    Array.from({ length: 1_000 }, (_, i) => String(i)),
  )
  assert.equal(shelf.clock.timerCount, 1)
})

test('only topics that match are told, and never this node’s own messages', async () => {
  const shelf = new Shelf()
  shelf.arrive({
    messages: [
      ['a/x', '1'],
      ['b', '2'],
      ['a/y', '3'],
    ],
  })
  shelf.arrive({ origin: OWN, topic: 'a/own' })
  const heard = hear(shelf, { since: 'stored' }, 'a/+')
  await shelf.settle()
  assert.deepEqual(heard, ['1', '3'])
})

test('a time back leaves out what was born before, also of what comes late', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0 })
  await shelf.pass(60_000)
  shelf.arrive({ first: 1 })
  shelf.arrive({ first: 10, ageMs: 59_000 })
  await shelf.pass(30_000)
  const heard = hear(shelf, { since: '1m' })
  await shelf.settle()
  assert.deepEqual(heard, ['1'])
  // Repair brings one that is older and one that is not.
  shelf.arrive({ first: 11, ageMs: 61_000 })
  shelf.arrive({ first: 12, ageMs: 59_000 })
  await shelf.settle()
  assert.deepEqual(heard, ['1', '12'])
})

test('without since, history that comes late does not pose as live', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0 })
  await shelf.pass(100)
  const heard = hear(shelf, { order: 'arrival' })
  shelf.arrive({ first: 1, ageMs: 50 })
  shelf.arrive({ first: 2, ageMs: 0 })
  await shelf.settle()
  assert.deepEqual(heard, ['2'])
})

test('an age that the signed time of sending belies hides nothing that comes; what was stored goes by its age', async () => {
  const shelf = new Shelf()
  await shelf.pass(100_000)
  const sentAtMs = shelf.clock.unixMs()
  shelf.arrive({ first: 0, ageMs: 90_000, sentAtMs })
  const heard = hear(shelf, { since: '1m' })
  await shelf.settle()
  shelf.arrive({ first: 1, ageMs: 90_000, sentAtMs })
  shelf.arrive({ first: 2, ageMs: 90_000, sentAtMs: sentAtMs - 90_000 })
  await shelf.settle()
  assert.deepEqual(heard, ['1'])
})

test('a message knows whether it was born before the subscription was made', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0, flags: 1, timeToLiveS: 60, messages: [['t', 'x']] })
  await shelf.pass(100)
  const heard: [boolean, boolean, number, string][] = []
  shelf.subscriptions.subscribe(
    't',
    ({ replayed, retained, hops, from }) => heard.push([replayed, retained, hops, from]),
    shelf.clock.nowMs(),
    { since: 'stored' },
  )
  shelf.arrive({ first: 1 })
  await shelf.settle()
  assert.deepEqual(heard, [
    [true, true, 1, id],
    [false, false, 1, id],
  ])
})

test('a message id begins behind that message, in the middle of its bundle too', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0, count: 3 })
  shelf.arrive({ first: 3, count: 3 })
  shelf.arrive({ origin: 2, first: 0, messages: [['t', 'other']] })
  const middle = hear(shelf, { since: `${id}/${EPOCH}/3` })
  const end = hear(shelf, { since: `${id}/${EPOCH}/5` })
  const gone = hear(shelf, { since: `${id}/${EPOCH}/6` })
  await shelf.settle()
  assert.deepEqual(middle, ['4', '5', 'other'])
  assert.deepEqual(end, ['other'])
  assert.deepEqual(gone, ['0', '1', '2', '3', '4', '5', 'other'])
  assert.deepEqual(
    shelf.warnings.map((text) => text.split(':')[0]),
    ['since-not-found'],
  )
})

test('a subscription made before the start begins when the store is there, and counts its time from when it was made', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0 })
  await shelf.pass(60_000)
  shelf.arrive({ first: 1 })
  shelf.restart(false)
  const back = hear(shelf, { since: '30s' })
  const stored = hear(shelf, { since: 'stored' })
  const live = hear(shelf, { order: 'arrival' })
  await shelf.pass(40_000)
  assert.deepEqual([back, stored, live], [[], [], []])
  shelf.arrive({ first: 2 })
  shelf.attach()
  await shelf.settle()
  assert.deepEqual(
    [back, stored],
    [
      ['1', '2'],
      ['0', '1', '2'],
    ],
  )
})

test('what has outlived its time-to-live is not told', async () => {
  const shelf = new Shelf()
  const [ended, alive] = [5, 50]
  const heard = hear(shelf, { since: 'stored', queueMax: 1 })
  shelf.arrive({ first: 0, timeToLiveS: ended, ageMs: 5_001 })
  shelf.arrive({ first: 1, timeToLiveS: alive, ageMs: 5_001 })
  await shelf.settle()
  assert.deepEqual(heard, ['1'])
})

const retained = { flags: 1, timeToLiveS: 3_600 }

test('retained values come first, then what is live', async () => {
  const shelf = new Shelf()
  shelf.arrive({ ...retained, first: 0, messages: [['a', 'old']] })
  shelf.arrive({ ...retained, first: 1, messages: [['a', 'new']] })
  shelf.arrive({ ...retained, origin: 2, messages: [['a', 'of two']] })
  shelf.arrive({ ...retained, origin: 2, first: 1, messages: [['b', 'other topic']] })
  shelf.arrive({ ...retained, origin: OWN, messages: [['a', 'own']] })
  shelf.arrive({ first: 2, messages: [['a', 'ordinary']] })
  await shelf.pass(100)
  const heard = hear(shelf, { since: 'retained' }, 'a')
  await shelf.settle()
  shelf.arrive({ ...retained, first: 3, messages: [['a', 'newer']] })
  await shelf.settle()
  assert.deepEqual(heard, ['new', 'of two', 'newer'])
})

test('a retained value that repair brings is told whatever its age, unless a newer one is here', async () => {
  const shelf = new Shelf()
  await shelf.pass(10_000)
  const heard = hear(shelf, { since: 'retained' })
  shelf.arrive({ ...retained, first: 7, ageMs: 5_000, messages: [['a', 'value']] })
  await shelf.settle()
  shelf.arrive({ ...retained, first: 6, ageMs: 9_000, messages: [['a', 'one before']] })
  shelf.arrive({ first: 5, ageMs: 9_000, messages: [['a', 'history']] })
  await shelf.settle()
  shelf.arrive({ ...retained, first: 8, ageMs: 0, messages: [['a', '']] })
  await shelf.settle()
  assert.deepEqual(heard, ['value', ''])
})

test('retained values that change while they are told come once', async () => {
  const shelf = new Shelf()
  for (let i = 0; i < 3_000; i++) shelf.arrive({ ...retained, first: i, messages: [[`t/${i}`, String(i)]] })
  await shelf.pass(100)
  const heard = hear(shelf, { since: 'retained' })
  shelf.clock.turn()
  for (let i = 0; i < 3_000; i += 2) shelf.arrive({ ...retained, first: 3_000 + i, messages: [[`t/${i}`, String(i)]] })
  await shelf.settle()
  for (let i = 1; i < 3_000; i += 2) assert.equal(heard.filter((text) => text === String(i)).length, 1)
  // An even one comes as it was, as it is now, or both, in this order; the last is the newest.
  assert.ok(heard.length >= 3_000 && heard.length <= 4_500)
})

test('a reader that stands still reads nothing, and goes on where it was', async () => {
  const shelf = new Shelf()
  for (let first = 0; first < 10_000; first += 10) shelf.arrive({ first, count: 10 })
  let scans = 0
  const { scanArrivals } = shelf.store
  shelf.store.scanArrivals = (...given) => {
    scans++
    return scanArrivals.apply(shelf.store, given)
  }
  const heard: string[] = []
  let goOn = (): void => {}
  shelf.subscriptions.subscribe(
    '#',
    (message) => {
      heard.push(message.text())
      return new Promise<void>((resolve) => {
        goOn = resolve
      })
    },
    shelf.clock.nowMs(),
    { since: 'stored', queueMax: 20 },
  )
  await shelf.settle()
  assert.equal(heard.length, 1)
  assert.equal(scans, 1)
  for (let i = 1; i < 1_000; i++) {
    goOn()
    await shelf.settle()
  }
  assert.deepEqual(
    heard,
    Array.from({ length: 1_000 }, (_, i) => String(i)),
  )
})

test('what waits for a slow subscriber is bounded in bytes as well', async () => {
  const shelf = new Shelf()
  for (let first = 0; first < 20; first++) shelf.arrive({ first, messages: [['t', 'x'.repeat(1_000_000)]] })
  let scanned = 0
  const { scanArrivals } = shelf.store
  shelf.store.scanArrivals = (...given) => {
    const found = scanArrivals.apply(shelf.store, given)
    scanned += found.length
    return found
  }
  const stream = shelf.subscriptions.stream('#', { since: 'stored' }, shelf.clock.nowMs())
  await shelf.settle()
  assert.ok(scanned <= 6, `${scanned} MB were read`)
  let count = 0
  for await (const { data } of stream) {
    assert.equal(data.length, 1_000_000)
    if (++count === 20) break
    await shelf.settle()
  }
})

test('one turn of the event loop has a bounded share of a long history', async () => {
  const shelf = new Shelf()
  for (let first = 0; first < 10_240; first += 1_024) shelf.arrive({ first, count: 1_024 })
  const heard = hear(shelf, { since: 'stored' })
  let turns = 0
  let most = 0
  for (let before = 0; shelf.clock.turn(); before = heard.length) {
    most = Math.max(most, heard.length - before)
    turns++
  }
  assert.equal(heard.length, 10_240)
  assert.ok(most <= 1_024 && turns >= 10, `${most} in one of ${turns} turns`)
})

test('a reader that retention overtakes says how much it passed over, and goes on from the oldest', async () => {
  const shelf = new Shelf({ bytesMax: 20_000 })
  const stream = shelf.subscriptions.stream('t', { since: 'stored', queueMax: 1 }, shelf.clock.nowMs())
  const iterator = stream[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value } = await iterator.next()
    await shelf.settle()
    return value!.text()
  }
  for (let first = 0; first < 10; first++) shelf.arrive({ first })
  await shelf.settle()
  assert.equal(await next(), '0')
  for (let first = 10; first < 500; first++) shelf.arrive({ first })
  await shelf.settle()
  const heard: number[] = []
  // Ten were read in one look; the rest went while the reader stood still.
  for (let i = 0; i < 20; i++) heard.push(Number(await next()))
  assert.deepEqual(heard.slice(0, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  const missed = heard[9]! - 10
  assert.ok(missed > 300)
  assert.deepEqual(shelf.warnings, [
    `reader-behind: retention has overtaken the subscription to t: up to ${missed} bundles were passed over`,
  ])
  assert.equal(stream.dropped, 0)
})

test('to begin with the oldest is not to have been overtaken', async () => {
  const shelf = new Shelf({ bytesMax: 20_000 })
  for (let first = 0; first < 500; first++) shelf.arrive({ first })
  for (const since of ['stored', '1h', 'retained']) hear(shelf, { since })
  await shelf.settle()
  shelf.arrive({ first: 500 })
  await shelf.pass(3_600_000)
  shelf.arrive({ first: 501 })
  await shelf.settle()
  assert.deepEqual(shelf.warnings, [])
})

test('with overflow drop the reader never stands still; the oldest goes and is counted', async () => {
  const shelf = new Shelf()
  const stream = shelf.subscriptions.stream('t', { since: 'stored', queueMax: 10, overflow: 'drop' }, 0)
  for (let first = 0; first < 100; first++) shelf.arrive({ first })
  await shelf.settle()
  assert.equal(stream.dropped, 90)
  const heard: string[] = []
  for await (const message of stream) {
    heard.push(message.text())
    if (heard.length === 10) break
  }
  assert.deepEqual(heard, ['90', '91', '92', '93', '94', '95', '96', '97', '98', '99'])
})

test('a damaged bundle is passed over with a warning', async () => {
  const spoil = (store: BundleStore): BundleStore => {
    const { scanArrivals } = store
    store.scanArrivals = (...given) =>
      scanArrivals.apply(store, given).map(({ bundle, arrival }) => {
        if (bundle.first !== 1) return { bundle, arrival }
        return { bundle: { ...bundle, sealed: bundle.sealed.slice(0, -1) }, arrival }
      })
    return store
  }
  const shelf = new Shelf({ store: spoil })
  for (let first = 0; first < 3; first++) shelf.arrive({ first })
  const heard = hear(shelf, { since: 'stored' })
  await shelf.settle()
  assert.deepEqual(heard, ['0', '2'])
  assert.match(shelf.warnings[0]!, /^store-damaged: the store gave back a bundle that is damaged/)
})

test('after unsubscribing nothing is read or told', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0 })
  const heard: string[] = []
  const subscription = shelf.subscriptions.subscribe('t', (message) => heard.push(message.text()), 0, {
    since: 'stored',
  })
  await shelf.settle()
  subscription.unsubscribe()
  subscription.unsubscribe()
  shelf.arrive({ first: 1 })
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
})

test('a payload is the subscriber’s own, whoever else reads the same', async () => {
  const shelf = new Shelf()
  shelf.arrive({
    messages: [
      ['t', 'small'],
      ['t', 'y'.repeat(5_000)],
    ],
  })
  const spoiled: string[] = []
  const spoil = (message: Message): void => {
    spoiled.push(message.text().slice(0, 5))
    message.data.fill(0)
  }
  shelf.subscriptions.subscribe('t', spoil, 0, { since: 'stored' })
  shelf.subscriptions.subscribe('t', spoil, 0, { since: 'stored' })
  await shelf.settle()
  assert.deepEqual(spoiled, ['small', 'yyyyy', 'small', 'yyyyy'])
})

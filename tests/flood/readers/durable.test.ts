// Durable readers over restarts: handler and stream, both ways to acknowledge.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { MeshError } from '../../../lib/errors.ts'
import type { Message, MessageStream, SubscribeOptions } from '../../../lib/types.ts'
import { seeded } from '../../crypto/seeded.ts'
import { Shelf } from './shelf.ts'

function read(
  shelf: Shelf,
  handler: (message: Message) => unknown,
  options: SubscribeOptions = {},
): { unsubscribe(): void } {
  return shelf.subscriptions.subscribe('t', handler, shelf.clock.nowMs(), { durable: 'reader', ...options })
}

function hear(shelf: Shelf, options: SubscribeOptions = {}): string[] {
  const heard: string[] = []
  read(shelf, (message) => heard.push(message.text()), options)
  return heard
}

test('a new reader begins at now, and after a restart goes on behind what it had', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0 })
  await shelf.pass(100)
  const before = hear(shelf)
  shelf.arrive({ first: 1, count: 3 })
  await shelf.settle()
  shelf.restart(false)
  shelf.arrive({ first: 4 })
  await shelf.pass(100)
  shelf.arrive({ first: 5 })
  const after = hear(shelf)
  shelf.attach()
  shelf.arrive({ first: 6 })
  await shelf.settle()
  assert.deepEqual(
    [before, after],
    [
      ['1', '2', '3'],
      ['4', '5', '6'],
    ],
  )
})

test('a new reader begins at since; one that goes on does not', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0, count: 3 })
  assert.deepEqual(await heardAfter(shelf, { since: 'stored' }), ['0', '1', '2'])
  shelf.restart()
  shelf.arrive({ first: 3 })
  assert.deepEqual(await heardAfter(shelf, { since: 'stored' }), ['3'])
})

async function heardAfter(shelf: Shelf, options: SubscribeOptions): Promise<string[]> {
  const heard = hear(shelf, options)
  await shelf.settle()
  return heard
}

test('what was born before a reader was made is not for it, in later runs either', async () => {
  const shelf = new Shelf()
  await shelf.pass(10_000)
  hear(shelf)
  await shelf.settle()
  shelf.restart()
  await shelf.pass(1_000)
  const heard = hear(shelf)
  shelf.arrive({ first: 0, ageMs: 5_000 })
  shelf.arrive({ first: 1, ageMs: 900 })
  await shelf.settle()
  assert.deepEqual(heard, ['1'])
})

test('a wall clock that was set back hides nothing', async () => {
  const shelf = new Shelf()
  await shelf.pass(10_000)
  hear(shelf)
  await shelf.settle()
  shelf.restart()
  const { clock } = shelf
  clock.unixMs = () => 1_000
  const heard = hear(shelf)
  shelf.arrive({ first: 0, ageMs: 20_000 })
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
})

test('a wall clock that was behind when the program began again hides nothing that was sent since the reader was made', async () => {
  const shelf = new Shelf()
  await shelf.pass(10_000)
  hear(shelf)
  await shelf.settle()
  const madeMs = shelf.clock.unixMs()
  shelf.restart()
  const { clock } = shelf
  // It was off for five minutes, and goes on with the time of its end.
  clock.unixMs = () => madeMs + 1_000
  const heard = hear(shelf)
  shelf.arrive({ first: 0, ageMs: 200_000, sentAtMs: madeMs + 100_000 })
  shelf.arrive({ first: 1, ageMs: 200_000, sentAtMs: madeMs - 1 })
  await shelf.settle()
  assert.deepEqual(heard, ['0'])
})

test('where it cannot be read how far a reader came, it goes on there once that can be read', async () => {
  let isUnreadable = false
  const shelf = new Shelf({
    store: (store) => {
      const readOffset = store.readOffset.bind(store)
      store.readOffset = (name) => {
        if (isUnreadable) throw new MeshError('data-folder', 'not now')
        return readOffset(name)
      }
      return store
    },
  })
  assert.deepEqual(hear(shelf), [])
  shelf.arrive({ first: 0 })
  await shelf.pass(100)
  for (const isAttached of [true, false]) {
    shelf.restart(false)
    shelf.arrive({ first: isAttached ? 1 : 2 })
    isUnreadable = true
    if (isAttached) shelf.attach()
    const heard = hear(shelf)
    if (!isAttached) shelf.attach()
    await shelf.pass(10_000, 500)
    assert.deepEqual(heard, [])
    isUnreadable = false
    await shelf.pass(2_000, 500)
    assert.deepEqual(heard, [isAttached ? '1' : '2'])
  }
  isUnreadable = true
  shelf.restart()
  // And a new one hears what comes until it is known to be one.
  const heard: string[] = []
  shelf.subscriptions.subscribe('t', (message) => heard.push(message.text()), shelf.clock.nowMs(), { durable: 'new' })
  await shelf.pass(500)
  shelf.arrive({ first: 3 })
  isUnreadable = false
  await shelf.pass(2_000)
  assert.deepEqual(heard, ['3'])
  isUnreadable = true
  shelf.restart()
  hear(shelf)
  shelf.subscriptions.close()
  assert.equal(shelf.clock.timerCount, 1, 'that of the store')
})

test('the offset is written within fifty milliseconds, and when the subscription ends', async () => {
  const shelf = new Shelf()
  const subscription = read(shelf, () => {})
  shelf.arrive({ first: 0, count: 2 })
  await shelf.settle()
  const before = shelf.store.readOffset('reader')
  await shelf.pass(50)
  assert.notDeepEqual(shelf.store.readOffset('reader'), before)
  assert.equal(shelf.store.readOffset('reader')!.arrival, 1)
  shelf.arrive({ first: 2 })
  await shelf.settle()
  subscription.unsubscribe()
  assert.equal(shelf.store.readOffset('reader')!.arrival, 2)
})

test('a message whose handler throws comes again after one second, then two, up to a minute, and all else waits', async () => {
  const shelf = new Shelf()
  const calls: [string, number][] = []
  let failures = 9
  read(shelf, (message) => {
    calls.push([message.text(), shelf.clock.nowMs() - 1_000])
    // The payload is the handler's own: what comes again is whole all the same.
    message.data.fill(0x21)
    if (message.sequence === 1 && failures-- > 0) throw new Error('not now')
  })
  shelf.arrive({ first: 0 })
  shelf.arrive({ first: 1 })
  shelf.arrive({ first: 2 })
  await shelf.pass(400_000, 500)
  const times = calls.filter(([text]) => text === '1').map(([, atMs]) => atMs / 1000)
  assert.deepEqual(times, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
  assert.deepEqual(calls.at(-1), ['2', 243_000])
  assert.equal(shelf.warnings.length, 9)
  assert.match(shelf.warnings[0]!, /^handler-failed: .* threw: not now/)
})

test('a rejected promise counts as a throw; while a promise is open nothing else is called', async () => {
  const shelf = new Shelf()
  const log: string[] = []
  let fails = true
  read(shelf, async (message) => {
    log.push(`begin ${message.text()}`)
    await new Promise(setImmediate)
    if (fails && message.sequence === 1) {
      fails = false
      throw new Error('later')
    }
    log.push(`end ${message.text()}`)
  })
  shelf.arrive({ first: 0, count: 3 })
  await shelf.settle()
  await shelf.pass(2_000)
  assert.deepEqual(log, ['begin 0', 'end 0', 'begin 1', 'begin 1', 'end 1', 'begin 2', 'end 2'])
})

test('a promise of another make is waited for like any other', async () => {
  const shelf = new Shelf()
  const log: string[] = []
  const { promise, fail } = runInNewContext(`
    let fail
    const promise = new Promise((_, failed) => { fail = failed });
    ({ promise, fail })`) as { promise: unknown; fail(error: Error): void }
  const foreign: unknown[] = [promise, runInNewContext('new Promise(() => {})')]
  read(shelf, (message) => {
    log.push(message.text())
    return foreign.shift()
  })
  shelf.arrive({ first: 0, count: 3 })
  await shelf.pass(60_000)
  assert.deepEqual(log, ['0'])
  fail(new Error('later'))
  await shelf.pass(60_000)
  assert.deepEqual(log, ['0', '0'])
  assert.deepEqual(shelf.warnings, ['handler-failed: the handler of the subscription to t threw: later'])
})

test('a message that failed is first again after a restart', async () => {
  const shelf = new Shelf()
  read(shelf, ({ sequence }) => {
    if (sequence === 2) throw new Error('broken')
  })
  shelf.arrive({ first: 0, count: 2 })
  shelf.arrive({ first: 2, count: 2 })
  await shelf.pass(5_000)
  shelf.restart()
  assert.deepEqual(await heardAfter(shelf, {}), ['2', '3'])
})

test('acknowledged by hand, in any order, all behind the first that was not comes again', async () => {
  const shelf = new Shelf()
  const messages: Message[] = []
  read(shelf, (message) => messages.push(message), { ack: 'manual' })
  shelf.arrive({ first: 0, count: 3 })
  shelf.arrive({ first: 3, count: 3 })
  await shelf.settle()
  for (const sequence of [0, 1, 3, 5]) messages[sequence]!.ack()
  messages[0]!.ack()
  shelf.restart()
  // What is acknowledged after the end comes again all the same.
  messages[2]!.ack()
  assert.deepEqual(await heardAfter(shelf, { ack: 'manual' }), ['2', '3', '4', '5'])
})

test('as many as queueMax are handed out before one must be acknowledged', async () => {
  const shelf = new Shelf()
  const messages: Message[] = []
  read(shelf, (message) => messages.push(message), { ack: 'manual', queueMax: 4 })
  shelf.arrive({ first: 0, count: 20 })
  await shelf.settle()
  assert.equal(messages.length, 4)
  for (let i = 0; i < 20; i++) {
    messages[i]!.ack()
    await shelf.settle()
  }
  assert.equal(messages.length, 20)
})

test('a handler that throws after it acknowledged is not called again with that message', async () => {
  const shelf = new Shelf()
  const heard: string[] = []
  read(
    shelf,
    (message) => {
      heard.push(message.text())
      message.ack()
      throw new Error('after all')
    },
    { ack: 'manual' },
  )
  shelf.arrive({ first: 0, count: 2 })
  await shelf.pass(5_000)
  assert.deepEqual(heard, ['0', '1'])
})

function stream(shelf: Shelf, options: SubscribeOptions = {}): MessageStream {
  return shelf.subscriptions.stream('t', { durable: 'reader', ...options }, shelf.clock.nowMs())
}

test('of a stream, a message is done when the next one is asked for', async () => {
  const shelf = new Shelf()
  shelf.arrive({ first: 0, count: 5 })
  const iterator = stream(shelf, { since: 'stored' })[Symbol.asyncIterator]()
  await shelf.settle()
  for (let i = 0; i < 3; i++) assert.equal((await iterator.next()).value?.sequence, i)
  shelf.restart()
  assert.equal((await iterator.next()).done, true)
  const again = stream(shelf)
  await shelf.settle()
  const heard: number[] = []
  for await (const { sequence } of again) {
    heard.push(sequence)
    if (sequence === 4) break
  }
  assert.deepEqual(heard, [2, 3, 4])
  shelf.restart()
  // The loop was left with the last one in hand.
  assert.deepEqual(await heardAfter(shelf, {}), ['4'])
})

test('a stream may be asked for several at once, and what was given is done with the next call', async () => {
  const shelf = new Shelf()
  const iterator = stream(shelf)[Symbol.asyncIterator]()
  const asked = [iterator.next(), iterator.next(), iterator.next()]
  shelf.arrive({ first: 0, count: 4 })
  await shelf.settle()
  assert.deepEqual(
    (await Promise.all(asked)).map(({ value }) => value?.sequence),
    [0, 1, 2],
  )
  await iterator.next()
  shelf.restart()
  assert.deepEqual(await heardAfter(shelf, {}), ['3'])
})

test('one reader of a name at a time; another when the first has ended', async () => {
  const shelf = new Shelf()
  const first = read(shelf, () => {})
  assert.throws(() => stream(shelf), { code: 'already-registered', message: /named "reader" already/ })
  assert.throws(() => read(shelf, () => {}), { code: 'already-registered' })
  stream(shelf, { durable: 'another' })
  first.unsubscribe()
  first.unsubscribe()
  const second = stream(shelf)
  assert.throws(() => read(shelf, () => {}), { code: 'already-registered' })
  second.unsubscribe()
  read(shelf, () => {})
})

test('retention that overtook a reader while it was away is told, and it goes on from the oldest', async () => {
  const shelf = new Shelf({ bytesMax: 20_000 })
  hear(shelf)
  shelf.arrive({ first: 0 })
  await shelf.settle()
  shelf.restart()
  for (let first = 1; first < 200; first++) shelf.arrive({ first })
  const heard = hear(shelf)
  await shelf.settle()
  assert.equal(heard.at(-1), '199')
  const missed = Number(heard[0]) - 1
  assert.ok(missed > 50)
  assert.deepEqual(shelf.warnings, [
    `reader-behind: retention has overtaken the subscription to t (reader): up to ${missed} bundles were passed over`,
  ])
})

test('retained values that were not all done when the program ended come again', async () => {
  const shelf = new Shelf()
  const retained = { flags: 1, timeToLiveS: 3_600 }
  for (let i = 0; i < 3; i++) shelf.arrive({ ...retained, first: i, origin: i + 1, messages: [['t', `value ${i}`]] })
  await shelf.pass(100)
  const messages: Message[] = []
  read(shelf, (message) => messages.push(message), { since: 'retained', ack: 'manual' })
  shelf.arrive({ first: 10 })
  await shelf.settle()
  assert.equal(messages.length, 4)
  for (const i of [0, 2, 3]) messages[i]!.ack()
  shelf.restart()
  const options = { since: 'retained' } as const
  assert.deepEqual(await heardAfter(shelf, options), ['value 0', 'value 1', 'value 2'])
  shelf.arrive({ first: 11 })
  await shelf.settle()
  shelf.restart()
  shelf.arrive({ first: 12 })
  assert.deepEqual(await heardAfter(shelf, options), ['12'])
})

test('whatever fails and whenever the program ends, every message is done at least once, and first in its order', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { below } = seeded(seed)
    const shelf = new Shelf()
    const done = new Set<number>()
    const firsts: number[] = []
    const subscribe = (): void => {
      read(shelf, async ({ sequence }) => {
        if (below(3) === 0) await new Promise(setImmediate)
        if (below(10) === 0) throw new Error('chance')
        if (!done.has(sequence)) firsts.push(sequence)
        done.add(sequence)
      })
    }
    subscribe()
    for (let first = 0; first < 200; ) {
      const count = 1 + below(8)
      shelf.arrive({ first, count, topic: 't' })
      first += count
      if (below(4) === 0) await shelf.pass(below(100))
      if (below(8) === 0) {
        shelf.restart()
        subscribe()
      }
    }
    await shelf.pass(120_000, 1_000)
    assert.deepEqual(
      firsts,
      Array.from(firsts, (_, i) => i),
      `seed ${seed}`,
    )
    assert.ok(done.size >= 200)
  }
})

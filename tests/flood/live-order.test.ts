import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bundle } from '../../lib/flood/bundle.ts'
import { type HeldBundle, LiveOrder, type LiveOrderOptions } from '../../lib/flood/live-order.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { LIVE_ORDER_BUNDLES_MAX, LIVE_ORDER_BYTES_MAX, LIVE_ORDER_WAIT_MS } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'

const SEALED = new Uint8Array(100)
/** What one message of a held bundle is reckoned to cost beside its bytes. */
const MESSAGE_BYTES = 32

function bundleOf(originKey: string, epoch: number, first: number, count: number, sealed: Uint8Array): Bundle {
  return {
    origin: new Uint8Array(32),
    originKey,
    epoch,
    first,
    count,
    sentAtMs: 0,
    flags: 0,
    timeToLiveS: 0,
    sealed,
    buffer: null,
    hops: 1,
    ageMs: 0,
    heldSinceMs: 0,
    key: `${originKey}${epoch}/${first}`,
  }
}

/** A receiver as the router is one: what comes is taken, then delivered, held, or let go when nobody wants it. */
class Receiver {
  nowMs = 1_000
  /** `<origin> <epoch>/<first>`, in the order of delivery. */
  readonly heard: string[] = []
  readonly seen = new Seen()
  readonly order: LiveOrder

  constructor(options: Partial<LiveOrderOptions> = {}) {
    this.order = new LiveOrder({
      deliver: ({ bundle }) => this.heard.push(nameOf(bundle)),
      isTaken: (...numbers) => this.seen.look(...numbers) === 'duplicate',
      ...options,
    })
  }

  came(
    originKey: string,
    first: number,
    given: { epoch?: number; count?: number; unwanted?: true; bytes?: number } = {},
  ) {
    const { epoch = 1, count = 1 } = given
    const sealed = given.bytes === undefined ? SEALED : new Uint8Array(given.bytes)
    const bundle = bundleOf(originKey, epoch, first, count, sealed)
    const last = first + count - 1
    assert.equal(this.seen.mark(originKey, epoch, first, last, 'n', this.nowMs), 'new')
    const isWanted = given.unwanted === undefined
    if (this.order.admits(originKey, epoch, first, last)) {
      if (isWanted) this.heard.push(nameOf(bundle))
      if (this.order.heldCount > 0) this.order.follow(originKey, epoch)
    } else if (isWanted) {
      this.order.hold({ bundle, messages: { topics: [], payloads: [] }, from: originKey, sinceMs: this.nowMs })
    }
  }

  /** Lets so much time pass; the order is called when it wants to be. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms
    for (let at = this.order.deadlineMs; at !== null && at <= untilMs; at = this.order.deadlineMs) {
      this.nowMs = at
      this.order.tick(at)
    }
    this.nowMs = untilMs
  }

  /** What was delivered since this was last asked. */
  get news(): string[] {
    return this.heard.splice(0)
  }
}

function nameOf({ originKey, epoch, first }: Bundle): string {
  return `${originKey} ${epoch}/${first}`
}

test('what comes in order goes at once, and nothing is ever held', () => {
  const receiver = new Receiver()
  for (const first of [0, 3, 6]) receiver.came('a', first, { count: 3 })
  receiver.came('b', 0)
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/3', 'a 1/6', 'b 1/0'])
  assert.deepEqual([receiver.order.heldCount, receiver.order.heldBytes, receiver.order.deadlineMs], [0, 0, null])
})

test('what overtook another waits for it, and then goes in its order', () => {
  const receiver = new Receiver()
  for (const first of [0, 3, 2, 4]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/0'])
  assert.equal(receiver.order.heldCount, 3)
  assert.equal(receiver.order.heldBytes, 3 * (SEALED.length + MESSAGE_BYTES))
  receiver.came('a', 1)
  assert.deepEqual(receiver.news, ['a 1/1', 'a 1/2', 'a 1/3', 'a 1/4'])
  assert.deepEqual([receiver.order.heldCount, receiver.order.heldBytes, receiver.order.deadlineMs], [0, 0, null])
})

test('the first that comes of an epoch goes at once, and what was before it too, whenever it comes', () => {
  const receiver = new Receiver()
  for (const first of [100, 50, 101, 0]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/100', 'a 1/50', 'a 1/101', 'a 1/0'])
})

test('after half a second a gap is given up: what waited that long goes, in order, and what then lacks nothing', () => {
  const receiver = new Receiver()
  receiver.came('a', 0)
  receiver.came('a', 5)
  receiver.pass(100)
  for (const first of [3, 6, 10]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/0'])
  receiver.pass(LIVE_ORDER_WAIT_MS - 101)
  assert.deepEqual(receiver.news, [])
  receiver.pass(1)
  assert.deepEqual(receiver.news, ['a 1/3', 'a 1/5', 'a 1/6'])
  receiver.pass(99)
  assert.deepEqual(receiver.news, [])
  receiver.pass(1)
  assert.deepEqual(receiver.news, ['a 1/10'])
  assert.equal(receiver.order.deadlineMs, null)
})

test('what comes for a gap that was given up goes at once', () => {
  const receiver = new Receiver()
  for (const first of [0, 3]) receiver.came('a', first)
  receiver.pass(LIVE_ORDER_WAIT_MS)
  for (const first of [2, 1, 4]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/3', 'a 1/2', 'a 1/1', 'a 1/4'])
})

test('a tick before the deadline does nothing', () => {
  const receiver = new Receiver()
  for (const first of [0, 2]) receiver.came('a', first)
  receiver.order.tick(receiver.nowMs + LIVE_ORDER_WAIT_MS - 1)
  assert.deepEqual(receiver.news, ['a 1/0'])
  receiver.order.tick(receiver.nowMs + LIVE_ORDER_WAIT_MS)
  assert.deepEqual(receiver.news, ['a 1/2'])
})

test('one origin does not wait for another', () => {
  const receiver = new Receiver()
  for (const first of [0, 2]) receiver.came('a', first)
  for (const first of [0, 1]) receiver.came('b', first)
  assert.deepEqual(receiver.news, ['a 1/0', 'b 1/0', 'b 1/1'])
})

test('a newer epoch waits for nothing of the older one, which keeps its own order', () => {
  const receiver = new Receiver()
  for (const first of [0, 2]) receiver.came('a', first)
  for (const first of [0, 1]) receiver.came('a', first, { epoch: 7 })
  assert.deepEqual(receiver.news, ['a 1/0', 'a 7/0', 'a 7/1'])
  receiver.came('a', 1)
  assert.deepEqual(receiver.news, ['a 1/1', 'a 1/2'])
  for (const first of [4, 3]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/3', 'a 1/4'])
})

test('an older epoch that is first heard of behind the newer one has an order too', () => {
  const receiver = new Receiver()
  receiver.came('a', 0, { epoch: 7 })
  for (const first of [0, 2, 1]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 7/0', 'a 1/0', 'a 1/1', 'a 1/2'])
})

test('of three epochs the oldest waits no more: what is held of it goes before the third, what comes of it at once', () => {
  const receiver = new Receiver()
  for (const first of [0, 2]) receiver.came('a', first)
  receiver.came('a', 0, { epoch: 7 })
  receiver.came('a', 0, { epoch: 9 })
  assert.deepEqual(receiver.news, ['a 1/0', 'a 7/0', 'a 1/2', 'a 9/0'])
  receiver.came('a', 9)
  assert.deepEqual(receiver.news, ['a 1/9'])
  for (const first of [2, 1]) receiver.came('a', first, { epoch: 7 })
  assert.deepEqual(receiver.news, ['a 7/1', 'a 7/2'])
  // Between the two that are known: the older of them makes room.
  receiver.came('a', 5, { epoch: 7 })
  receiver.came('a', 0, { epoch: 8 })
  assert.deepEqual(receiver.news, ['a 7/5', 'a 8/0'])
})

test('what nobody wants is not held, and counts for the order all the same', () => {
  const receiver = new Receiver()
  receiver.came('a', 0)
  for (const first of [2, 4]) receiver.came('a', first, { unwanted: true })
  assert.equal(receiver.order.heldCount, 0)
  for (const first of [5, 3]) receiver.came('a', first)
  assert.equal(receiver.order.heldCount, 2)
  receiver.came('a', 1, { unwanted: true })
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/3', 'a 1/5'])
  receiver.came('a', 7, { unwanted: true })
  receiver.came('a', 6)
  receiver.came('a', 8)
  assert.deepEqual(receiver.news, ['a 1/6', 'a 1/8'])
})

test('what nobody wants can be the last that was waited for, with others of its kind before it', () => {
  const receiver = new Receiver()
  receiver.came('a', 0)
  receiver.came('a', 3)
  receiver.came('a', 1, { unwanted: true })
  receiver.came('a', 2, { unwanted: true })
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/3'])
  receiver.came('a', 6)
  receiver.came('a', 5, { unwanted: true })
  receiver.came('a', 4, { unwanted: true })
  assert.deepEqual(receiver.news, ['a 1/6'])
})

test('numbers that are taken without being delivered are not waited for', () => {
  const receiver = new Receiver()
  receiver.came('a', 0)
  receiver.seen.restore('a', 1, [1, 9], receiver.nowMs)
  receiver.came('a', 10)
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/10'])
})

test('as many bundles as may be are held; with one more, all of the origin that waits longest go', () => {
  const receiver = new Receiver()
  for (const origin of ['a', 'b']) receiver.came(origin, 0)
  receiver.came('a', 2)
  for (let i = 1; i < LIVE_ORDER_BUNDLES_MAX; i++) receiver.came('b', 1 + i)
  assert.equal(receiver.order.heldCount, LIVE_ORDER_BUNDLES_MAX)
  receiver.news
  receiver.came('a', 4)
  assert.deepEqual(receiver.news, ['a 1/2', 'a 1/4'])
  assert.equal(receiver.order.heldCount, LIVE_ORDER_BUNDLES_MAX - 1)
  receiver.came('b', 3_000)
  assert.deepEqual(receiver.news, [])
  receiver.came('b', 4_000)
  assert.equal(receiver.news.length, LIVE_ORDER_BUNDLES_MAX + 1)
  assert.equal(receiver.order.heldBytes, 0)
})

test('as many bytes as may be are held, of whole buffers; with one more, all of the origin that waits longest go', () => {
  for (const extra of [0, 1]) {
    const receiver = new Receiver()
    for (const origin of ['a', 'b']) receiver.came(origin, 0)
    receiver.came('a', 2, { bytes: 1_000 })
    receiver.came('b', 2, { bytes: LIVE_ORDER_BYTES_MAX - 1_000 - 2 * MESSAGE_BYTES + extra })
    assert.deepEqual(receiver.news, ['a 1/0', 'b 1/0', ...(extra === 1 ? ['a 1/2'] : [])])
  }
})

test('a bundle that no bound has room for goes at once', () => {
  const receiver = new Receiver({ bytesMax: 50 })
  for (const first of [0, 2]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/0', 'a 1/2'])
  assert.equal(receiver.order.heldBytes, 0)
})

test('of too many origins the one known longest is forgotten, and what is held of it goes', () => {
  const receiver = new Receiver({ originsMax: 2 })
  for (const first of [0, 2]) receiver.came('a', first)
  for (const first of [0, 2]) receiver.came('a', first, { epoch: 2 })
  for (const first of [0, 2]) receiver.came('b', first)
  receiver.came('c', 0)
  assert.deepEqual(receiver.news, ['a 1/0', 'a 2/0', 'b 1/0', 'a 1/2', 'a 2/2', 'c 1/0'])
  receiver.came('a', 9)
  assert.deepEqual(receiver.news, ['b 1/2', 'a 1/9'])
  assert.equal(receiver.order.heldCount, 0)
})

test('closing delivers all that is held, each origin in its order, and afterwards nothing waits', () => {
  const receiver = new Receiver()
  for (const first of [0, 4, 2]) receiver.came('a', first)
  for (const first of [0, 4, 2]) receiver.came('a', first, { epoch: 2 })
  receiver.news
  receiver.order.close()
  assert.deepEqual(receiver.news, ['a 1/2', 'a 1/4', 'a 2/2', 'a 2/4'])
  for (const first of [9, 7]) receiver.came('a', first)
  assert.deepEqual(receiver.news, ['a 1/9', 'a 1/7'])
  assert.equal(receiver.order.deadlineMs, null)
})

test('whoever hears a message may close the order: each is still delivered once, in order', () => {
  const heard: number[] = []
  const receiver = new Receiver({
    deliver: ({ bundle }: HeldBundle) => {
      heard.push(bundle.first)
      receiver.order.close()
    },
  })
  for (const first of [0, 2, 3, 5, 1]) receiver.came('a', first)
  assert.deepEqual(heard, [2, 3, 5])
})

test('random arrivals: each once, nothing later than half a second, and in order wherever that was long enough', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed)
    // Delays below the wait keep the order. Half of the seeds have longer ones, losses, and some little room.
    const isHarsh = seed % 2 === 0
    const receiver = new Receiver(seed % 4 === 0 ? { bundlesMax: 1 + random.below(6) } : {})
    const arrivals = []
    for (const origin of ['a', 'b', 'c']) {
      for (const epoch of [1, 2]) {
        let first = 0
        for (let i = 0; i < 30; i++) {
          const count = 1 + random.below(4)
          const delayMs = random.below(isHarsh ? 1_500 : LIVE_ORDER_WAIT_MS)
          // The first opens its epoch here, before any other.
          const atMs = i === 0 ? epoch * 3_000 : epoch * 3_000 + i * 20 + delayMs
          const unwanted = random.below(4) === 0
          if (!isHarsh || random.below(10) > 0) arrivals.push({ atMs, origin, epoch, first, count, unwanted })
          first += count
        }
      }
    }
    arrivals.sort((x, y) => x.atMs - y.atMs)
    const wanted: string[] = []
    for (const { atMs, origin, epoch, first, count, unwanted } of arrivals) {
      receiver.pass(atMs - receiver.nowMs)
      receiver.came(origin, first, { epoch, count, ...(unwanted ? { unwanted } : {}) })
      if (!unwanted) wanted.push(`${origin} ${epoch}/${first}`)
      const { deadlineMs } = receiver.order
      assert.ok(deadlineMs === null || deadlineMs <= receiver.nowMs + LIVE_ORDER_WAIT_MS)
    }
    receiver.pass(LIVE_ORDER_WAIT_MS)
    assert.deepEqual([receiver.order.heldCount, receiver.order.heldBytes], [0, 0], `seed ${seed}`)
    assert.deepEqual(receiver.heard.toSorted(), wanted.toSorted(), `seed ${seed}: each once`)
    if (isHarsh) continue
    for (const line of ['a 1', 'a 2', 'b 1', 'b 2', 'c 1', 'c 2']) {
      const numbers = receiver.heard.filter((name) => name.startsWith(`${line}/`)).map((name) => Number(name.slice(4)))
      assert.deepEqual(
        numbers,
        numbers.toSorted((x, y) => x - y),
        `seed ${seed}`,
      )
    }
  }
})

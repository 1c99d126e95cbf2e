// The small parts that the stores are made of: slabs, rows, runs, expiries, time, listeners.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Expiries } from '../../lib/store/expiries.ts'
import { BODY_HEAD, bundleOf, retainedMessage, youngerAge } from '../../lib/store/record.ts'
import { Rows } from '../../lib/store/rows.ts'
import { lastAtOrBelow, Runs } from '../../lib/store/runs.ts'
import { PIECE_BYTES_MAX, SLAB_BYTES, Slabs } from '../../lib/store/slabs.ts'
import { StoreTime } from '../../lib/store/store-time.ts'
import { TurnListeners } from '../../lib/store/turn-listeners.ts'
import { seeded } from '../crypto/seeded.ts'
import { chance } from '../virtual/chance.ts'
import { NodeClock, VirtualTime } from '../virtual/clock.ts'
import { testBundle } from './bundles.ts'

test('slabs are made as they are needed, used again in turn, and never more than the bound needs', () => {
  const bytesMax = 3 * SLAB_BYTES
  const slabs = new Slabs(bytesMax)
  const random = chance(1)
  // Cut from one pool: making so many bytes takes longer than all the rest.
  const pool = random.bytes(2 * PIECE_BYTES_MAX)
  const held: { slab: number; offset: number; bytes: Uint8Array }[] = []
  let bytesHeld = 0
  let refused = 0
  for (let i = 0; i < 6_000; i++) {
    const length = 1 + random.below(random.below(40) === 0 ? PIECE_BYTES_MAX - 2 : 9_000)
    const at = random.below(pool.length - length)
    const bytes = pool.subarray(at, at + length)
    while (bytesHeld + bytes.length > bytesMax || !slabs.put(BODY_HEAD, bytes)) {
      if (bytesHeld + bytes.length <= bytesMax) refused++
      const oldest = held.shift()!
      bytesHeld -= oldest.bytes.length
      const kept = slabs.view(oldest.slab, oldest.offset, oldest.bytes.length + 2)
      assert.ok(Buffer.compare(kept.subarray(2), oldest.bytes) === 0)
      slabs.release(oldest.slab)
    }
    held.push({ ...slabs.place, bytes })
    bytesHeld += bytes.length
  }
  const most = (bytesMax * SLAB_BYTES) / (SLAB_BYTES - PIECE_BYTES_MAX) + 3 * SLAB_BYTES
  assert.ok(slabs.bytes >= bytesMax && slabs.bytes <= most, `${slabs.bytes} bytes`)
  assert.ok(refused < 60, `${refused} times refused below the bound`)
})

test('memory doubles, from nothing and by a little at first', () => {
  const slabs = new Slabs(64 * SLAB_BYTES)
  assert.equal(slabs.bytes, 0)
  const sizes = new Set<number>()
  for (let i = 0; i < 40_000; i++) {
    assert.ok(slabs.put(BODY_HEAD, new Uint8Array(998)))
    sizes.add(slabs.bytes)
  }
  assert.deepEqual(
    [...sizes],
    Array.from({ length: 11 }, (_, i) => 65_536 * 2 ** i),
  )
})

test('a piece that no slab has room for gets a larger one, and one too long is refused', () => {
  const slabs = new Slabs(1_000)
  assert.ok(slabs.put(BODY_HEAD, new Uint8Array(10)))
  assert.ok(slabs.put(BODY_HEAD, new Uint8Array(PIECE_BYTES_MAX - 2)))
  const { slab, offset } = slabs.place
  assert.deepEqual([slab, offset], [1, 0])
  assert.throws(() => slabs.put(BODY_HEAD, new Uint8Array(PIECE_BYTES_MAX - 1)), RangeError)
})

test('a slab comes free when all that lies in it was given up, whatever was given up first', () => {
  const slabs = new Slabs(SLAB_BYTES)
  const eighth = new Uint8Array(SLAB_BYTES / 8 - 2)
  const places: number[] = []
  let turns = 0
  for (let i = 0; i < 200; i++) {
    if (!slabs.put(BODY_HEAD, eighth)) {
      turns++
      assert.ok(places.length >= 16)
      for (const slab of places.splice(0).reverse()) slabs.release(slab)
      assert.ok(slabs.put(BODY_HEAD, eighth))
    }
    places.push(slabs.place.slab)
  }
  assert.ok(turns > 3)
})

test('the slab being filled is used from its start again when nothing lies in it any more', () => {
  const slabs = new Slabs(SLAB_BYTES)
  for (let i = 0; i < 100; i++) {
    assert.ok(slabs.put(BODY_HEAD, new Uint8Array(1_000)))
    assert.deepEqual({ ...slabs.place }, { slab: 0, offset: 0 })
    slabs.release(0)
  }
})

interface Piece {
  readonly slab: number
  readonly offset: number
  readonly length: number
  readonly mark: number
}

test('every piece stays as it was put until it is given up, whatever is put and given up around it', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = seeded(seed)
    const slabs = new Slabs(8 * SLAB_BYTES)
    const pieces: Piece[] = []
    const check = ({ slab, offset, length, mark }: Piece): void => {
      const view = slabs.view(slab, offset, length)
      assert.ok(
        view.every((byte) => byte === mark),
        `seed ${seed}, slab ${slab} at ${offset}`,
      )
    }
    for (let i = 0; i < 1_500; i++) {
      const length = 2 + random.below(random.below(10) === 0 ? 400_000 : 3_000)
      const mark = 1 + random.below(255)
      const bytes = new Uint8Array(length).fill(mark)
      const headLength = random.below(Math.min(length, 200))
      while (!slabs.put(bytes.subarray(0, headLength), bytes.subarray(headLength))) {
        const oldest = pieces.shift()!
        check(oldest)
        slabs.release(oldest.slab)
      }
      const { slab, offset } = slabs.place
      pieces.push({ slab, offset, length, mark })
      if (random.below(20) > 0) continue
      const given = pieces.splice(random.below(pieces.length), 1)[0]!
      check(given)
      slabs.release(given.slab)
    }
    for (const piece of pieces) check(piece)
    assert.ok(slabs.bytes <= 14 * SLAB_BYTES, `${slabs.bytes} bytes`)
  }
})

test('rows keep their fields while the table grows, and leave at its oldest end', () => {
  const rows = new Rows()
  const run = new Runs().add('o', 1, 0, 1)
  for (let i = 0; i < 1_000; i++) {
    const numbers = {
      first: i * 2,
      count: 1 + (i % 1_024),
      ageMs: i / 2,
      heldSinceMs: i * 3,
      timeToLiveS: i,
      hops: i & 255,
    }
    rows.add(run, { ...testBundle({ bytes: i % 50 }), ...numbers }, i % 7, i * 9)
  }
  for (let arrival = 1; arrival <= 1_000; arrival++) {
    const i = arrival - 1
    assert.deepEqual(
      [rows.first(arrival), rows.count(arrival), rows.ageMs(arrival), rows.heldSinceMs(arrival), rows.hops(arrival)],
      [i * 2, 1 + (i % 1_024), i / 2, i * 3, i & 255],
    )
    assert.deepEqual([rows.slab(arrival), rows.offset(arrival), rows.timeToLiveS(arrival)], [i % 7, i * 9, i])
  }
  rows.empty(2)
  assert.equal(rows.begin, 1)
  assert.equal(rows.has(2), false)
  rows.empty(1)
  assert.equal(rows.begin, 3)
  for (let arrival = 3; arrival <= 1_000; arrival++) rows.empty(arrival)
  assert.deepEqual([rows.begin, rows.end], [1_001, 1_001])
})

test('runs find the bundle that begins at or below a number, in whatever order they were filled', () => {
  const runs = new Runs()
  const random = chance(4)
  const model = new Map<number, number>()
  for (let i = 1; i < 3_000; i++) {
    const first = random.below(5_000)
    if (random.below(3) > 0 && !model.has(first)) {
      runs.add('origin', 7, first, i)
      model.set(first, i)
    } else if (model.size > 0) {
      const known = [...model.keys()][random.below(model.size)]!
      runs.remove(runs.find('origin', 7)!, known)
      model.delete(known)
    }
    if (i % 50 > 0) continue
    const run = runs.find('origin', 7)!
    const firsts = [...model.keys()].sort((a, b) => a - b)
    assert.deepEqual(run.firsts.slice(run.begin), firsts)
    for (const sequence of [0, 17, 2_500, 4_999]) {
      const place = lastAtOrBelow(run, sequence)
      const expected = firsts.filter((known) => known <= sequence).at(-1)
      assert.equal(place < run.begin ? undefined : run.firsts[place], expected)
      if (expected !== undefined) assert.equal(run.arrivals[place], model.get(expected))
    }
  }
  for (const first of model.keys()) runs.remove(runs.find('origin', 7)!, first)
  assert.equal(runs.find('origin', 7), null)
})

test('expiries come soonest first', () => {
  const expiries = new Expiries()
  const random = chance(5)
  const times = Array.from({ length: 500 }, () => random.below(300))
  times.forEach((time, i) => {
    expiries.add(time, i)
  })
  expiries.filter((arrival) => arrival % 5 > 0)
  const expected = times.filter((_, i) => i % 5 > 0).sort((a, b) => a - b)
  const taken: number[] = []
  while (expiries.size > 0) {
    taken.push(expiries.soonestMs)
    assert.equal(times[expiries.take()], taken.at(-1))
  }
  assert.deepEqual(taken, expected)
  assert.equal(expiries.soonestMs, Number.POSITIVE_INFINITY)
})

test('the store’s time follows the monotonic clock within a run and the wall clock between two', async () => {
  const time = new VirtualTime()
  const clock = new NodeClock(time)
  const first = new StoreTime(clock, null)
  assert.equal(first.nowMs(), clock.unixMs())
  await time.run(1_000)
  clock.unixAheadMs = 9_999_999
  assert.equal(first.nowMs(), time.unixMs)
  assert.equal(first.toClock(first.of(1_234)), 1_234)
  const unixMs = time.unixMs
  const later = new StoreTime(clock, { timeMs: 500, unixMs })
  assert.equal(later.nowMs(), 500 + 9_999_999)
  assert.ok(later.toClock(0) < 0)
  clock.unixAheadMs = -5
  assert.equal(new StoreTime(clock, { timeMs: 500, unixMs }).nowMs(), 500)
})

test('listeners are called once a turn, and not after they ended', async () => {
  const time = new VirtualTime()
  const listeners = new TurnListeners(new NodeClock(time))
  const calls: string[] = []
  const hear = (): void => {
    calls.push('same')
  }
  const ends = [listeners.add(hear), listeners.add(hear), listeners.add(() => calls.push('last'))]
  listeners.notify()
  listeners.notify()
  await time.settle()
  assert.deepEqual(calls, ['same', 'same', 'last'])
  ends[0]!()
  listeners.notify()
  ends[2]!()
  await time.settle()
  assert.deepEqual(calls.slice(3), ['same'])
  listeners.clear()
  listeners.notify()
  await time.settle()
  assert.equal(calls.length, 4)
})

test('a retained bundle has one message and a time-to-live, and removes when that is empty', () => {
  assert.deepEqual(retainedMessage(testBundle({ retained: true, topic: 'a/b' })), { topic: 'a/b', isRemoval: false })
  assert.deepEqual(retainedMessage(testBundle({ retained: true, bytes: 0 })), { topic: 'chat', isRemoval: true })
  assert.equal(retainedMessage(testBundle()), null)
  assert.equal(retainedMessage(testBundle({ retained: true, count: 2 })), null)
  assert.equal(retainedMessage({ ...testBundle({ retained: true }), timeToLiveS: 0 }), null)
  assert.equal(retainedMessage({ ...testBundle({ retained: true }), sealed: new Uint8Array(90) }), null)
})

test('bytes that are no bundle are none', () => {
  const { sealed } = testBundle({ count: 3 })
  assert.equal(bundleOf(new Uint8Array([...BODY_HEAD, ...sealed]), 4, 5, 6)!.hops, 4)
  assert.equal(bundleOf(new Uint8Array(0), 1, 1, 1), null)
  assert.equal(bundleOf(new Uint8Array([...BODY_HEAD, ...sealed.subarray(0, 90)]), 1, 1, 1), null)
  const other = new Uint8Array([...BODY_HEAD, ...sealed])
  other[2 + 64 + 1] = 9
  assert.equal(bundleOf(other, 1, 1, 1), null)
})

test('a lower age counts from a second on, and never below the time that it was here', () => {
  assert.equal(youngerAge(10_000, 9_500, 0), null)
  assert.equal(youngerAge(10_000, 9_000, 0), 9_000)
  assert.equal(youngerAge(10_000, 5_000, 2_000.5), 2_999)
  assert.equal(youngerAge(10_000, 0, 60_000), 0)
  assert.equal(youngerAge(500, 0, 0), null)
})

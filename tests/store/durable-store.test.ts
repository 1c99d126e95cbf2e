// What only the store on disk promises: what outlives the process, and what a failing disk does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageAt } from '../../lib/flood/bundle.ts'
import type { TakenNumbers } from '../../lib/flood/bundle-store.ts'
import { numberKey, Table } from '../../lib/store/keys.ts'
import { NodeClock } from '../virtual/clock.ts'
import { MemoryDisk } from '../virtual/database.ts'
import { ALL, idsOf, originKeyOf } from './bundles.ts'
import { type Bounds, type OpenedStore, openStore, PATH } from './harness.ts'

const MIB = 1_048_576

/** The process dies, and another one opens what it left. */
async function reopened(
  before: OpenedStore,
  given: Partial<Bounds> = {},
  networkId?: Uint8Array,
): Promise<OpenedStore> {
  before.clock.kill()
  const { time, disk } = before
  return openStore('durable', given, { time, disk, ...(networkId === undefined ? {} : { networkId }) })
}

async function closed(opened: OpenedStore): Promise<void> {
  await opened.time.of(opened.store.close())
  assert.equal(opened.clock.timerCount, 0)
}

function takenOf(taken: Iterable<TakenNumbers>): Record<string, readonly number[]> {
  return Object.fromEntries(
    [...taken].map(({ originKey, epoch, ranges }) => [`${originKey.charCodeAt(0)}/${epoch}`, ranges]),
  )
}

test('what was committed is there after a restart, with its age, its holdings and its numbers', async () => {
  const first = await openStore('durable')
  first.put({ first: 0, count: 10, ageMs: 5_000 })
  first.put({ first: 20, count: 5 })
  first.put({ origin: 2, epoch: 9, first: 3, retained: true, topic: 'a' })
  first.store.writeOffset('reader', { arrival: 2, index: 4 })
  await first.kept({ origin: 2, first: 0, bytes: 2_000_000 / 2 })
  await first.pass(30_000)
  const { lastArrival } = first.store

  const second = await reopened(first)
  assert.deepEqual(idsOf(second.store.scanArrivals(0, ALL)), ['1/1/0', '1/1/20', '2/9/3', '2/1/0'])
  assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), [0, 9, 20, 24])
  assert.deepEqual(second.holdings.ranges(originKeyOf(2), 9), [3, 3])
  assert.deepEqual(takenOf(second.store.taken()), { '1/1': [0, 9, 20, 24], '2/1': [0, 0], '2/9': [3, 3] })
  assert.deepEqual(second.store.readOffset('reader'), { arrival: 2, index: 4 })
  assert.deepEqual(idsOf(second.store.retained(null)), ['2/9/3'])
  const agedMs = ageAt(second.store.find(originKeyOf(1), 1, 4)!.bundle, second.clock.nowMs())
  assert.ok(agedMs >= 35_000 && agedMs < 35_010, `${agedMs}`)
  await second.kept({ first: 40 })
  assert.equal(second.store.lastArrival, lastArrival + 1)
  await closed(second)
})

test('what was not yet committed is neither there nor counts as taken, and its arrivals were shown to nobody', async () => {
  const first = await openStore('durable')
  await first.kept({ first: 0 })
  first.disk.commitMs = 1_000
  first.put({ first: 1 })
  await first.pass(500)
  assert.equal(first.store.lastArrival, 1)
  assert.equal(first.store.find(originKeyOf(1), 1, 1), null)
  assert.deepEqual(first.holdings.ranges(originKeyOf(1), 1), [0, 0])
  const second = await reopened(first)
  assert.deepEqual(idsOf(second.store.scanArrivals(0, ALL)), ['1/1/0'])
  assert.deepEqual(takenOf(second.store.taken()), { '1/1': [0, 0] })
  await closed(second)
})

test('after a crash at any moment what is there is a beginning of what was put, and all that was confirmed', async () => {
  for (let killAfterMs = 0; killAfterMs <= 60; killAfterMs++) {
    const first = await openStore('durable', { bytesMax: 6_000 })
    first.disk.commitMs = 3
    let confirmed = 0
    let putCount = 0
    for (let ms = 0; ms < killAfterMs; ms++) {
      if (ms % 2 === 0) {
        first.put({ first: putCount * 2, count: 2, retained: false, bytes: 50 })
        if (ms % 6 === 0) first.store.writeOffset('reader', { arrival: putCount, index: 0 })
        const serial = ++putCount
        first.store.flushed().then(
          () => {
            confirmed = Math.max(confirmed, serial)
          },
          () => assert.fail('no commit fails here'),
        )
      }
      await first.pass(1)
    }
    const seen = first.store.lastArrival
    const second = await reopened(first, { bytesMax: 6_000 })
    const held = second.store.scanArrivals(0, ALL).map(({ bundle, arrival }) => [bundle.first / 2, arrival])
    const taken = takenOf(second.store.taken())['1/1']?.[1] ?? -1
    assert.ok((taken + 1) / 2 >= confirmed, `killed after ${killAfterMs} ms`)
    assert.ok(second.store.lastArrival >= seen)
    // In the order in which they came, without a hole, up to the last one that counts as taken.
    for (const [at, [number, arrival]] of held.entries()) {
      assert.equal(number, (taken + 1) / 2 - held.length + at)
      assert.equal(arrival, number! + 1)
    }
    assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), held.length === 0 ? [] : [held[0]![0]! * 2, taken])
    assert.ok((second.store.readOffset('reader')?.arrival ?? 0) <= (taken + 1) / 2)
    await closed(second)
  }
})

test('a later commit never shows an arrival below one that was seen', async () => {
  const { store, put, pass, disk } = await openStore('durable')
  const seen: number[] = []
  let last = 0
  store.onArrivals(() => {
    for (const { arrival } of store.scanArrivals(last, ALL)) seen.push(arrival)
    last = store.lastArrival
  })
  for (let first = 0; first < 50; first++) {
    disk.commitMs = (first * 7) % 5
    put({ first })
    if (first % 3 === 0) await pass(1)
  }
  await pass(100)
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
})

test('one commit takes all that came during the one before', async () => {
  const { store, put, pass, disk, time } = await openStore('durable')
  disk.commitMs = 100
  for (let first = 0; first < 100; first++) {
    put({ first })
    await pass(1)
  }
  await time.of(store.flushed())
  assert.ok(disk.commitCount <= 3, `${disk.commitCount} commits`)
})

test('while too much waits for a slow disk the store is behind, until most of it is written', async () => {
  const { store, put, pass, disk } = await openStore('durable', { bytesMax: 500 * MIB })
  disk.commitMs = 2_000
  let eased = 0
  store.onEased(() => {
    eased++
    assert.equal(store.isBehind, false)
    assert.ok(store.counts.pendingBytes < 8 * MIB)
  })
  for (let first = 0; first < 31; first++) put({ first, bytes: MIB })
  assert.equal(store.isBehind, false)
  for (let first = 31; first < 36; first++) put({ first, bytes: MIB })
  assert.equal(store.isBehind, true)
  await pass(2_500)
  assert.equal(store.isBehind, true)
  await pass(10_000)
  assert.equal(store.isBehind, false)
  assert.equal(eased, 1)
  assert.deepEqual([store.counts.bundles, store.counts.pendingBytes, store.counts.notSaved], [36, 0, 0])
})

test('a full disk is told once and tried again each second; nobody waits for it, and what came meanwhile is saved later', async () => {
  const { store, put, pass, disk, warnings, time, holdings } = await openStore('durable')
  put({ first: 0 })
  await time.of(store.flushed())
  disk.isFull = true
  put({ first: 1 })
  const waiting = assert.rejects(store.flushed(), { code: 'data-folder' })
  await pass(20_000)
  await waiting
  assert.deepEqual(warnings, [`store-failing: cannot save messages in ${PATH}: cannot write: the disk is full`])
  put({ first: 2, retained: true, topic: 'a' })
  store.writeOffset('reader', { arrival: 2, index: 0 })
  await pass(20_000)
  assert.equal(store.lastArrival, 1)
  assert.equal(store.isBehind, false)
  assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [0, 0])
  assert.deepEqual(store.readOffset('reader'), { arrival: 2, index: 0 })
  disk.isFull = false
  await pass(1_010)
  assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/0', '1/1/1', '1/1/2'])
  assert.deepEqual(warnings.slice(1), [`store-recovered: messages are saved in ${PATH} again`])
  assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [0, 2])
  await time.of(store.flushed())
})

test('what is too much for memory while the disk fails is given up, the oldest first, counted and told', async () => {
  const { store, put, pass, disk, warnings } = await openStore('durable', { bytesMax: 500 * MIB })
  disk.isFull = true
  for (let first = 0; first < 80; first++) {
    put({ first, bytes: MIB })
    await pass(100)
  }
  assert.equal(store.isBehind, false)
  const { pendingBytes, notSaved } = store.counts
  assert.ok(pendingBytes <= 64 * MIB && pendingBytes > 62 * MIB)
  assert.ok(notSaved >= 16 && notSaved <= 18, `${notSaved}`)
  assert.equal(warnings.length, 2)
  assert.match(warnings[1]!, /given up unsaved/)
  disk.isFull = false
  await pass(30_000)
  assert.equal(store.counts.bundles, 80 - notSaved)
  assert.equal(store.scanArrivals(0, { bundlesMax: 1, bytesMax: 1 })[0]!.bundle.first, notSaved)
  assert.match(warnings[2]!, /^store-recovered: .* were given up unsaved$/)
  assert.equal(warnings.length, 3)
})

test('a disk that does not answer any more is not waited for', async () => {
  const { store, put, pass, disk, warnings, time } = await openStore('durable', { bytesMax: 500 * MIB })
  disk.isStuck = true
  for (let first = 0; first < 40; first++) put({ first, bytes: MIB })
  assert.equal(store.isBehind, true)
  const waiting = assert.rejects(store.flushed(), { code: 'data-folder' })
  await pass(31_000)
  await waiting
  assert.equal(store.isBehind, false)
  assert.match(warnings[0]!, /the disk does not answer/)
  for (let first = 40; first < 100; first++) put({ first, bytes: MIB })
  assert.ok(store.counts.pendingBytes <= 64 * MIB)
  assert.ok(store.counts.notSaved > 30)
  const closing = store.close()
  await pass(3_001)
  await time.of(closing)
})

test('closing writes what waits, but not for longer than three seconds', async () => {
  const first = await openStore('durable')
  first.disk.commitMs = 500
  first.put({ first: 0 })
  first.store.writeOffset('reader', { arrival: 1, index: 0 })
  await closed(first)
  const second = await reopened(first)
  assert.equal(second.store.counts.bundles, 1)
  assert.deepEqual(second.store.readOffset('reader'), { arrival: 1, index: 0 })
  second.disk.commitMs = 60_000
  second.put({ first: 1 })
  const beganMs = second.clock.nowMs()
  await second.time.of(second.store.close())
  assert.ok(second.clock.nowMs() - beganMs <= 3_000)
})

test('a disk that cannot be read gives nothing, and says so of offsets', async () => {
  const { store, kept, disk, pass, warnings, put } = await openStore('durable')
  const bundle = await kept({ retained: true })
  disk.isUnreadable = true
  assert.deepEqual(store.scanArrivals(0, ALL), [])
  assert.deepEqual(store.scanSequences(bundle.originKey, 1, 0, 1, 1_000, ALL), [])
  assert.equal(store.find(bundle.originKey, 1, 0), null)
  assert.equal(store.arrivalBefore(0), 0)
  assert.deepEqual([...store.retained(null)], [])
  assert.deepEqual([...store.taken()], [])
  assert.equal(store.isCurrent(bundle), false)
  // That is not the same as having none.
  assert.throws(() => store.readOffset('a'), { code: 'data-folder' })
  store.younger(bundle.originKey, 1, 0, 0)
  put({ first: 1 })
  await pass(5_000)
  assert.equal(warnings.length, 1)
  disk.isUnreadable = false
  await pass(2_000)
  assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/0', '1/1/1'])
  assert.equal(store.readOffset('a'), null)
  assert.equal(warnings.length, 2)
})

test('a value that the disk did not keep is as if it had never been, and its place comes free', async () => {
  const opened = await openStore('durable', { ageMsMax: 60_000 })
  const { store, kept, disk, pass } = opened
  for (let first = 0; first < 4; first++) await kept({ first })
  disk.spoil(PATH, numberKey(Table.body, 2))
  disk.spoil(PATH, numberKey(Table.record, 3))
  assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/0', '1/1/3'])
  assert.equal(store.find(originKeyOf(1), 1, 1), null)
  assert.equal(store.find(originKeyOf(1), 1, 2), null)
  assert.ok(store.arrivalBefore(0) > 0)
  await pass(70_000)
  assert.equal(store.counts.bundles, 0)
  await kept({ first: 9 })
  assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/9'])
  await closed(opened)
})

test('a damaged database, one of another network and one of another format are moved aside with a warning', async () => {
  const first = await openStore('durable')
  await first.kept()
  first.disk.damage(PATH)
  const second = await reopened(first)
  assert.equal(second.store.counts.bundles, 0)
  assert.match(second.warnings[0]!, /^store-damaged: .* it is now .*damaged-1$/)
  await second.kept()
  const third = await reopened(second, {}, new Uint8Array(32))
  assert.equal(third.store.counts.bundles, 0)
  assert.match(third.warnings[0]!, /^store-damaged/)
  assert.equal(third.disk.contents(`${PATH}.damaged-2`).size > 0, true)
  await third.kept()
  // The first field of the state is the format's version.
  third.disk.spoil(PATH, Uint8Array.of(Table.state))
  const fourth = await reopened(third, {}, new Uint8Array(32))
  assert.equal(fourth.warnings.length, 1)
  await closed(fourth)
})

test('over a restart the wall clock tells how long something was kept; set back, it takes nothing away', async () => {
  const first = await openStore('durable')
  await first.kept({ ageMs: 10_000 })
  await first.pass(20_000)
  await first.kept({ first: 1 })
  const ageOf = ({ store, clock }: OpenedStore): number => {
    return ageAt(store.find(originKeyOf(1), 1, 0)!.bundle, clock.nowMs())
  }
  first.clock.kill()
  const { time, disk } = first
  const late = new NodeClock(time)
  late.unixAheadMs = 300_000
  const second = await openStore('durable', {}, { time, disk: disk.backup(), clock: late })
  assert.ok(ageOf(second) >= 330_000 && ageOf(second) < 330_020, `${ageOf(second)}`)
  // Within a run a jump of the wall clock means nothing.
  late.unixAheadMs = -5_000_000
  assert.ok(ageOf(second) < 330_020)
  const early = new NodeClock(time)
  early.unixAheadMs = -86_400_000
  const third = await openStore('durable', {}, { time, disk: disk.backup(), clock: early })
  assert.ok(ageOf(third) >= 30_000 && ageOf(third) < 30_020, `${ageOf(third)}`)
  await third.pass(5_000)
  assert.ok(ageOf(third) >= 35_000 && ageOf(third) < 35_020)
})

test('what expired while nobody was running goes soon after the start, and smaller bounds count at once', async () => {
  const first = await openStore('durable', { ageMsMax: 3_600_000 })
  for (let i = 0; i < 700; i++) first.put({ first: i, bytes: 100 })
  await first.kept({ first: 700, bytes: 100, retained: true, timeToLiveS: 86_400 })
  await closed(first)
  const { time, disk } = first
  const clock = new NodeClock(time)
  clock.unixAheadMs = 4_000_000
  const second = await openStore('durable', { ageMsMax: 3_600_000 }, { time, disk: disk.backup(), clock })
  assert.deepEqual(idsOf(second.store.scanArrivals(0, ALL)), ['1/1/700'])
  await second.pass(10_000)
  assert.equal(second.store.counts.bundles, 1)
  assert.deepEqual(second.holdings.ranges(originKeyOf(1), 1), [700, 700])
  const third = await openStore('durable', { bytesMax: 50_000 }, { time, disk })
  await third.pass(2_000)
  assert.ok(third.store.counts.bytes <= 50_000)
  assert.equal(third.store.find(originKeyOf(1), 1, 699)!.bundle.first, 699)
})

test('a lower age outlives a restart once something was committed after it', async () => {
  const first = await openStore('durable')
  await first.kept({ ageMs: 300_000 })
  first.store.younger(originKeyOf(1), 1, 0, 20_000)
  await first.kept({ first: 1 })
  const second = await reopened(first)
  assert.ok(ageAt(second.store.find(originKeyOf(1), 1, 0)!.bundle, second.clock.nowMs()) < 20_010)
})

test('of an origin the numbers of its newest 64 epochs are remembered', async () => {
  const { store, put, time } = await openStore('durable')
  for (let epoch = 1; epoch <= 70; epoch++) {
    put({ epoch })
    await time.of(store.flushed())
  }
  const epochs = [...store.taken()].map((taken) => taken.epoch)
  assert.deepEqual(
    epochs,
    Array.from({ length: 64 }, (_, i) => 7 + i),
  )
})

test('numbers with more gaps than are remembered lose the lowest gaps', async () => {
  const { store, put, time } = await openStore('durable')
  for (let i = 0; i < 4_100; i++) put({ first: 10 + i * 2, bytes: 0 })
  await time.of(store.flushed())
  const [taken] = store.taken()
  assert.equal(taken!.ranges.length, 2 * 4_096)
  assert.deepEqual(taken!.ranges.slice(0, 4), [0, 18, 20, 20])
})

test('origins that were silent for longer than anything is kept are forgotten', async () => {
  const { store, kept, pass } = await openStore('durable')
  await kept({ origin: 1 })
  await pass(5 * 86_400_000)
  await kept({ origin: 2 })
  assert.equal([...store.taken()].length, 2)
  await pass(4.5 * 86_400_000)
  assert.deepEqual(Object.keys(takenOf(store.taken())), ['2/1'])
})

test('a store that keeps nothing still remembers what it took, so that nothing is delivered twice', async () => {
  const first = await openStore('durable', { bytesMax: 0 })
  first.put({ first: 3, count: 4 })
  await first.time.of(first.store.flushed())
  const second = await reopened(first, { bytesMax: 0 })
  assert.deepEqual(takenOf(second.store.taken()), { '1/1': [3, 6] })
  assert.equal(second.store.lastArrival, 0)
})

test('everything is taken out of the database again', async () => {
  const disk = new MemoryDisk()
  const opened = await openStore('durable', { ageMsMax: 60_000 }, { disk })
  for (let i = 0; i < 50; i++) {
    opened.put({ first: i * 2, ageMs: i % 3 === 0 ? 30_000 : 0, timeToLiveS: i % 5 === 0 ? 20 : 0 })
    opened.put({ origin: 2, first: i, retained: true, topic: `t${i % 7}`, timeToLiveS: 30 + i })
  }
  await opened.kept({ origin: 3 })
  await opened.pass(200_000)
  assert.equal(opened.store.counts.bundles, 0)
  const tables = new Set([...disk.contents(PATH).keys()].map((key) => Number.parseInt(key.slice(0, 2), 16)))
  assert.deepEqual([...tables].sort(), [Table.state, Table.taken])
  await closed(opened)
})

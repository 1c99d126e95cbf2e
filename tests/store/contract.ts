// What every store must do, whatever it keeps bundles in. contract.test.ts runs it for both.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageAt } from '../../lib/flood/bundle.ts'
import { bundleBytes } from '../../lib/store/record.ts'
import { ALL, idsOf, originKeyOf, testBundle } from './bundles.ts'
import { type Bounds, type OpenedStore, openStore, type StoreKind } from './harness.ts'

export function storeContract(kind: StoreKind): void {
  const storeTest = (name: string, run: (opened: OpenedStore) => Promise<void>, bounds: Partial<Bounds> = {}): void => {
    test(`${kind} store: ${name}`, async () => {
      const opened = await openStore(kind, bounds)
      await run(opened)
      await opened.time.of(opened.store.close())
      assert.equal(opened.clock.timerCount, 0, 'a closed store has no timer')
    })
  }

  storeTest('a bundle comes back as it was, by arrival and by each of its numbers', async ({ store, kept }) => {
    const given = await kept({ origin: 3, epoch: 7, first: 10, count: 4, hops: 5, ageMs: 20, timeToLiveS: 50 })
    for (const sequence of [10, 11, 13]) {
      const found = store.find(given.originKey, 7, sequence)!
      assert.deepEqual(found.bundle, { ...given, ageMs: found.bundle.ageMs, heldSinceMs: found.bundle.heldSinceMs })
      assert.equal(found.bundle.ageMs, 20)
      assert.equal(found.bundle.heldSinceMs, given.heldSinceMs)
    }
    assert.equal(store.find(given.originKey, 7, 9), null)
    assert.equal(store.find(given.originKey, 7, 14), null)
    assert.equal(store.find(given.originKey, 8, 10), null)
    const [scanned] = store.scanArrivals(0, ALL)
    assert.equal(scanned!.arrival, store.lastArrival)
    assert.deepEqual(scanned!.bundle.sealed, given.sealed)
  })

  storeTest(
    'nothing that the caller does to its bytes afterwards changes what is kept',
    async ({ store, kept, put }) => {
      const sealed = put({ bytes: 300 }).sealed
      const before = sealed.slice()
      sealed.fill(0)
      await kept({ first: 1 })
      const found = store.find(originKeyOf(1), 1, 0)!
      assert.deepEqual(found.bundle.sealed, before)
      found.bundle.sealed.fill(0)
      assert.deepEqual(store.find(originKeyOf(1), 1, 0)!.bundle.sealed, before)
    },
  )

  storeTest('bundles of every size are kept, the largest too', async ({ store, kept, put }) => {
    const sizes = [0, 1, 131_000, 131_072, 140_000, 900_000, 1_048_576, 3]
    const given = sizes.map((bytes, first) => put({ first, bytes }))
    await kept({ first: 100 })
    assert.deepEqual(
      store.scanArrivals(0, ALL).map(({ bundle }) => bundle.sealed),
      [...given, testBundle({ first: 100 })].map(({ sealed }) => sealed),
    )
  })

  storeTest('a scan gives what fits its bounds, and one at least', async ({ store, kept, put }) => {
    for (let first = 0; first < 9; first++) put({ first, bytes: 100 })
    const { length } = (await kept({ first: 9, bytes: 100 })).sealed
    const scan = (after: number, bundlesMax: number, bytesMax: number): string[] => {
      return idsOf(store.scanArrivals(after, { bundlesMax, bytesMax }))
    }
    assert.deepEqual(scan(0, 2, 1_000_000), ['1/1/0', '1/1/1'])
    assert.deepEqual(scan(0, 10, 3 * length), ['1/1/0', '1/1/1', '1/1/2'])
    assert.deepEqual(scan(0, 10, 3 * length - 1), ['1/1/0', '1/1/1'])
    assert.deepEqual(scan(0, 1, 1), ['1/1/0'])
    assert.deepEqual(scan(store.lastArrival - 1, 10, 1_000_000), ['1/1/9'])
    assert.deepEqual(scan(store.lastArrival, 10, 1_000_000), [])
    const found = store.scanSequences(originKeyOf(1), 1, 3, 8, 600_000, { bundlesMax: 2, bytesMax: 1_000_000 })
    assert.deepEqual(idsOf(found), ['1/1/3', '1/1/4'])
  })

  storeTest(
    'bundles of one origin come ascending, however they arrived, from the one that holds the first number',
    async ({ store, kept, put }) => {
      put({ first: 20, count: 5 })
      put({ first: 0, count: 10 })
      put({ first: 30, count: 2 })
      put({ first: 10, count: 10 })
      put({ first: 12, count: 1, origin: 2 })
      await kept({ first: 12, epoch: 2 })
      const between = (first: number, last: number): string[] => {
        return idsOf(store.scanSequences(originKeyOf(1), 1, first, last, 600_000, ALL))
      }
      assert.deepEqual(between(0, 100), ['1/1/0', '1/1/10', '1/1/20', '1/1/30'])
      assert.deepEqual(between(5, 24), ['1/1/0', '1/1/10', '1/1/20'])
      assert.deepEqual(between(19, 19), ['1/1/10'])
      assert.deepEqual(between(25, 29), [])
      assert.deepEqual(between(26, 30), ['1/1/30'])
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)).slice(0, 4), ['1/1/20', '1/1/0', '1/1/30', '1/1/10'])
    },
  )

  storeTest('holdings are what can be given', async ({ holdings, kept, put, store }) => {
    put({ first: 0, count: 10 })
    put({ first: 10, count: 5 })
    await kept({ first: 65_000, count: 1_000 })
    assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [0, 14, 65_000, 65_999])
    await kept({ first: 66_000, count: 3 })
    assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [0, 14, 65_000, 66_002])
    assert.equal(store.holdings, holdings)
  })

  storeTest('the age grows while it is kept', async ({ store, kept, pass, clock }) => {
    await kept({ ageMs: 1_500 })
    await pass(10_000)
    const { bundle } = store.find(originKeyOf(1), 1, 0)!
    const agedMs = ageAt(bundle, clock.nowMs())
    assert.ok(agedMs >= 11_500 && agedMs <= 11_510, `${agedMs}`)
  })

  storeTest(
    'the age bound of a scan leaves out what is older, but for current values',
    async ({ store, kept, put }) => {
      put({ first: 0, ageMs: 50_000 })
      put({ first: 1, ageMs: 50_000, retained: true, topic: 'a' })
      put({ first: 2, ageMs: 50_000, retained: true, topic: 'b' })
      put({ first: 3, ageMs: 50_000, retained: true, topic: 'b' })
      await kept({ first: 4, ageMs: 100 })
      assert.deepEqual(idsOf(store.scanSequences(originKeyOf(1), 1, 0, 9, 40_000, ALL)), ['1/1/1', '1/1/3', '1/1/4'])
      assert.equal(store.scanSequences(originKeyOf(1), 1, 0, 9, 60_000, ALL).length, 5)
    },
  )

  storeTest(
    'a lower age that a copy showed counts, down to the time that it has been here',
    async ({ store, kept, pass, clock }) => {
      await kept({ ageMs: 400_000 })
      const ageNow = (): number => ageAt(store.find(originKeyOf(1), 1, 0)!.bundle, clock.nowMs())
      store.younger(originKeyOf(1), 1, 0, 450_000)
      assert.ok(ageNow() >= 400_000)
      store.younger(originKeyOf(1), 1, 0, 30_000)
      assert.ok(ageNow() <= 30_000)
      await pass(20_000)
      store.younger(originKeyOf(1), 1, 0, 0)
      assert.ok(ageNow() >= 20_000 && ageNow() < 20_010)
      store.younger(originKeyOf(1), 1, 5, 0)
      store.younger(originKeyOf(2), 1, 0, 0)
      await pass(570_000)
      assert.equal(store.counts.bundles, 1)
      await pass(20_000)
      assert.equal(store.counts.bundles, 0)
    },
  )

  storeTest(
    'what is older than the bound goes, and is no longer claimed',
    async ({ store, holdings, kept, pass }) => {
      await kept({ first: 0, count: 5 })
      await pass(30_000)
      await kept({ first: 5, ageMs: 20_000 })
      await kept({ first: 6 })
      await pass(31_000)
      // The first one by the time that it was kept, the second one by its age at arrival.
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/5', '1/1/6'])
      assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [5, 6])
      await pass(12_000)
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/6'])
      assert.equal(store.find(originKeyOf(1), 1, 5), null)
      await pass(40_000)
      assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [])
      assert.deepEqual({ bundles: store.counts.bundles, bytes: store.counts.bytes }, { bundles: 0, bytes: 0 })
      assert.equal(store.firstArrival, store.lastArrival + 1)
    },
    { ageMsMax: 60_000 },
  )

  storeTest(
    'a shorter time-to-live ends it earlier, a longer one not later',
    async ({ store, kept, pass }) => {
      await kept({ first: 0 })
      await kept({ first: 1, timeToLiveS: 10 })
      await kept({ first: 2, timeToLiveS: 86_400 })
      await pass(10_000)
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/0', '1/1/2'])
      await pass(52_000)
      assert.equal(store.counts.bundles, 0)
    },
    { ageMsMax: 60_000 },
  )

  for (const everyMs of [20, 500]) {
    storeTest(
      `what expires goes soon, though something comes each ${everyMs} ms`,
      async ({ store, holdings, put, pass, disk }) => {
        // Each commit takes longer than the shorter pause, so that one follows another.
        disk.commitMs = 50
        const count = 30_000 / everyMs
        for (let first = 0; first < count; first++) {
          put({ first, timeToLiveS: first % 2 === 0 ? 5 : 0 })
          await pass(everyMs)
        }
        const [first] = holdings.ranges(originKeyOf(1), 1)
        assert.ok(store.counts.bundles <= 12_000 / everyMs, `${store.counts.bundles} of ${count} are kept`)
        assert.ok(first! >= count - 12_000 / everyMs, `${first} is kept of ${count}`)
      },
      { ageMsMax: 10_000 },
    )
  }

  storeTest('much that expires at once goes soon', async ({ store, put, pass }) => {
    for (let first = 0; first < 6_000; first++) put({ first, timeToLiveS: 5 })
    await pass(8_000)
    assert.equal(store.counts.bundles, 0)
  })

  storeTest('what has expired when it comes is not kept', async ({ store, kept }) => {
    await kept({ first: 0, ageMs: 600_000 })
    await kept({ first: 1, ageMs: 5_000, timeToLiveS: 5 })
    await kept({ first: 2, ageMs: 5_000, timeToLiveS: 5, retained: true })
    assert.equal(store.counts.bundles, 0)
    assert.equal(store.lastArrival, 0)
  })

  const small = testBundle({ bytes: 1_000 })
  const each = bundleBytes(small.sealed.length)
  storeTest(
    'beyond the bound in bytes the oldest go first',
    async ({ store, holdings, kept, pass }) => {
      for (let first = 0; first < 12; first++) await kept({ first, bytes: 1_000 })
      await pass(3_000)
      const firsts = store.scanArrivals(0, ALL).map(({ bundle }) => bundle.first)
      assert.deepEqual(firsts, [3, 4, 5, 6, 7, 8, 9, 10, 11])
      assert.ok(store.counts.bytes <= 10 * each)
      assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [3, 11])
      assert.equal(store.firstArrival, store.lastArrival - 8)
    },
    { bytesMax: 10 * each - 1 },
  )

  storeTest(
    'much more at once than fits leaves the newest',
    async ({ store, kept, put, pass }) => {
      for (let first = 0; first < 100; first++) put({ first, bytes: 1_000 })
      await kept({ first: 100, bytes: 1_000 })
      await pass(3_000)
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/97', '1/1/98', '1/1/99', '1/1/100'])
      await kept({ first: 101, bytes: 10_000 })
      assert.equal(store.find(originKeyOf(1), 1, 101), null)
      assert.equal(store.counts.bundles, 4)
    },
    { bytesMax: 4 * each + 100 },
  )

  storeTest(
    'of each topic of an origin the newest retained one outlives the others',
    async ({ store, holdings, kept, pass }) => {
      await kept({ first: 0, retained: true, topic: 'a' })
      await kept({ first: 1, retained: true, topic: 'b' })
      await kept({ first: 2, retained: true, topic: 'a' })
      await kept({ first: 3, retained: true, topic: 'a', origin: 2 })
      const old = await kept({ first: 1, retained: true, topic: 'a', origin: 2 })
      assert.equal(store.isCurrent(old), false)
      assert.equal(store.counts.bundles, 5)
      assert.deepEqual(idsOf(store.retained(originKeyOf(1))).sort(), ['1/1/1', '1/1/2'])
      await pass(70_000)
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/1', '1/1/2', '2/1/3'])
      assert.deepEqual(idsOf(store.retained(null)).sort(), ['1/1/1', '1/1/2', '2/1/3'])
      assert.deepEqual(idsOf(store.retained(originKeyOf(2))), ['2/1/3'])
      const asked: string[] = []
      const sifted = store.retained(originKeyOf(1), (epoch, sequence) => {
        asked.push(`${epoch}/${sequence}`)
        return sequence === 2 ? 'take' : 'skip'
      })
      assert.deepEqual(idsOf(sifted), ['1/1/2'])
      assert.deepEqual(asked.sort(), ['1/1', '1/2'])
      assert.deepEqual([...store.retained(originKeyOf(1), () => 'stop')], [])
      assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [1, 2])
      assert.equal(store.firstArrival, store.lastArrival + 1)
      assert.equal(store.isCurrent(store.find(originKeyOf(1), 1, 2)!.bundle), true)

      // One that has outlived its time as an ordinary one goes as soon as another takes its place.
      await kept({ first: 0, epoch: 2, retained: true, topic: 'a' })
      assert.equal(store.find(originKeyOf(1), 1, 2), null)
      assert.deepEqual(holdings.ranges(originKeyOf(1), 1), [1, 1])
      assert.deepEqual(idsOf(store.scanArrivals(0, ALL)), ['1/1/1', '2/1/3', '1/2/0'])
    },
    { ageMsMax: 60_000 },
  )

  storeTest(
    'an empty payload removes, and is itself kept to be given until its time-to-live',
    async ({ store, kept, pass }) => {
      await kept({ first: 0, retained: true, topic: 'a' })
      const removal = await kept({ first: 1, retained: true, topic: 'a', bytes: 0, timeToLiveS: 300 })
      assert.deepEqual(idsOf(store.retained(null)), [])
      assert.equal(store.isCurrent(removal), true)
      await pass(100_000)
      assert.deepEqual(idsOf(store.scanSequences(originKeyOf(1), 1, 0, 9, 1, ALL)), ['1/1/1'])
      await pass(202_000)
      assert.equal(store.counts.bundles, 0)
      assert.equal(store.isCurrent(removal), false)
      assert.equal(store.holdings.has(originKeyOf(1), 1, 1, 1), false)
    },
    { ageMsMax: 60_000 },
  )

  storeTest('a current value ends with its time-to-live', async ({ store, kept, pass }) => {
    await kept({ first: 0, retained: true, timeToLiveS: 60, ageMs: 10_000 })
    await pass(49_000)
    assert.equal([...store.retained(null)].length, 1)
    await pass(1_000)
    assert.equal([...store.retained(null)].length, 0)
    assert.equal(store.scanArrivals(0, ALL).length, 0)
    await pass(2_000)
    assert.equal(store.counts.bundles, 0)
  })

  storeTest(
    'current values have a quarter beside the others, and the oldest of them go',
    async ({ store, kept, pass }) => {
      for (let first = 0; first < 6; first++) await kept({ first, bytes: 1_000, retained: true, topic: `t${first}` })
      await pass(70_000)
      assert.deepEqual(idsOf(store.retained(null)).sort(), ['1/1/3', '1/1/4', '1/1/5'])
      for (let first = 10; first < 30; first++) await kept({ first, bytes: 1_000 })
      await pass(3_000)
      assert.equal(store.counts.bundles, 3 + 12)
      assert.equal([...store.retained(null)].length, 3)
    },
    { ageMsMax: 60_000, bytesMax: 12 * each + 100 },
  )

  storeTest(
    'a value too large to be current removes the one before it',
    async ({ store, kept, pass }) => {
      await kept({ first: 0, retained: true, topic: 'a', bytes: 10 })
      await kept({ first: 1, retained: true, topic: 'a', bytes: 4_000 })
      await pass(3_000)
      assert.deepEqual(idsOf(store.retained(null)), [])
      assert.equal(store.counts.bundles, 2)
    },
    { bytesMax: 10_000 },
  )

  storeTest('a time back leads to the arrival before it', async ({ store, kept, pass }) => {
    const before = async (ageMs: number): Promise<number> => store.arrivalBefore(ageMs)
    assert.equal(await before(0), 0)
    const arrivals: number[] = []
    for (let first = 0; first < 5; first++) {
      await kept({ first, ageMs: 40_000 })
      arrivals.push(store.lastArrival)
      await pass(10_000)
    }
    assert.equal(await before(55_000), 0)
    assert.equal(await before(35_000), arrivals[1])
    assert.equal(await before(0), arrivals[4])
  })

  storeTest(
    'a time back passes over current values that came earlier',
    async ({ store, kept, pass }) => {
      await kept({ first: 0, retained: true, topic: 'a' })
      await pass(100_000)
      await kept({ first: 1, retained: true, topic: 'b' })
      await pass(50_000)
      const since = (ageMs: number): string[] => idsOf(store.scanArrivals(store.arrivalBefore(ageMs), ALL))
      assert.deepEqual(since(200_000), ['1/1/0', '1/1/1'])
      assert.deepEqual(since(120_000), ['1/1/1'])
      await pass(50_000)
      assert.deepEqual(since(120_000), ['1/1/1'])
      assert.deepEqual(since(60_000), [])
    },
    { ageMsMax: 60_000 },
  )

  storeTest('listeners hear once a turn that something came, until they end it', async ({ store, kept, put, time }) => {
    let heard = 0
    const end = store.onArrivals(() => {
      heard++
      assert.ok(store.lastArrival > 0)
    })
    for (let first = 0; first < 5; first++) put({ first })
    assert.equal(heard, 0)
    await time.of(store.flushed())
    await time.settle()
    assert.equal(heard, 1)
    await kept({ first: 5 })
    assert.equal(heard, 2)
    end()
    await kept({ first: 6 })
    assert.equal(heard, 2)
  })

  storeTest('offsets of readers are kept', async ({ store, time }) => {
    assert.equal(store.readOffset('a'), null)
    store.writeOffset('a', { arrival: 4, index: 2 })
    store.writeOffset('b', { arrival: 1, index: 0 })
    store.writeOffset('a', { arrival: 5, index: 0 })
    assert.deepEqual(store.readOffset('a'), { arrival: 5, index: 0 })
    await time.of(store.flushed())
    assert.deepEqual(store.readOffset('a'), { arrival: 5, index: 0 })
    assert.deepEqual(store.readOffset('b'), { arrival: 1, index: 0 })
  })

  storeTest(
    'without room it keeps nothing, and every call works',
    async ({ store, holdings, kept }) => {
      const bundle = await kept({ retained: true })
      store.younger(bundle.originKey, 1, 0, 0)
      assert.equal(store.lastArrival, 0)
      assert.equal(store.firstArrival, 1)
      assert.deepEqual(store.scanArrivals(0, ALL), [])
      assert.deepEqual(store.scanSequences(bundle.originKey, 1, 0, 5, 1_000, ALL), [])
      assert.equal(store.find(bundle.originKey, 1, 0), null)
      assert.equal(store.arrivalBefore(0), 0)
      assert.deepEqual([...store.retained(null)], [])
      assert.equal(store.isCurrent(bundle), false)
      assert.deepEqual(holdings.ranges(bundle.originKey, 1), [])
      assert.equal(store.counts.bytes, 0)
    },
    { bytesMax: 0 },
  )

  test(`${kind} store: after it was closed it takes and gives nothing more`, async () => {
    const { store, put, time, clock } = await openStore(kind)
    put()
    let heard = 0
    store.onArrivals(() => heard++)
    await time.of(store.close())
    await time.of(store.close())
    put({ first: 1 })
    store.writeOffset('a', { arrival: 1, index: 0 })
    await time.run(10_000)
    assert.ok(heard <= 1)
    assert.equal(clock.timerCount, 0)
    await assert.rejects(time.of(store.flushed()), { code: 'data-folder' })
  })
}

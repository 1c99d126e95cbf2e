// Both stores against the model in model.ts, with sequences of calls that fast-check makes up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ageAt } from '../../lib/flood/bundle.ts'
import { ALL, idsOf, originKeyOf } from './bundles.ts'
import { type OpenedStore, openStore, STORE_KINDS } from './harness.ts'
import { ModelStore } from './model.ts'

const BYTES_MAX = 12_000
const AGE_MS_MAX = 60_000

type Step =
  | { readonly do: 'restart' }
  | {
      readonly do: 'put'
      readonly origin: number
      readonly epoch: number
      readonly slot: number
      readonly count: number
    }
  | {
      readonly do: 'retain'
      readonly origin: number
      readonly epoch: number
      readonly slot: number
      readonly topic: number
    }
  | { readonly do: 'pass'; readonly seconds: number }
  | { readonly do: 'younger'; readonly origin: number; readonly slot: number; readonly seconds: number }

const origin = fc.integer({ min: 1, max: 3 })
const epoch = fc.integer({ min: 1, max: 2 })
const slot = fc.integer({ min: 0, max: 24 })
const step: fc.Arbitrary<Step & { bytes: number; ageS: number; lifeS: number }> = fc
  .tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('put' as const),
          origin,
          epoch,
          slot,
          count: fc.integer({ min: 1, max: 9 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('retain' as const),
          origin,
          epoch,
          slot,
          topic: fc.integer({ min: 0, max: 3 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 3, max: 40 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('younger' as const),
          origin,
          slot,
          seconds: fc.integer({ min: 0, max: 50 }),
        }),
      },
    ),
    fc.record({
      bytes: fc.constantFrom(0, 10, 100, 1_500),
      ageS: fc.constantFrom(0, 0, 0, 5, 30, 59, 200),
      lifeS: fc.constantFrom(0, 0, 7, 45, 400),
    }),
  )
  .map(([one, sizes]) => ({ ...one, ...sizes }))

async function check(opened: OpenedStore, model: ModelStore): Promise<void> {
  const { store, holdings, clock } = opened
  const nowMs = clock.nowMs()
  const held = store.scanArrivals(0, ALL)
  assert.deepEqual(
    held.map(({ arrival }) => arrival),
    model.kept.map(({ arrival }) => arrival),
  )
  for (const [i, { bundle }] of held.entries()) {
    const expected = model.kept[i]!
    assert.deepEqual(bundle.sealed, expected.bundle.sealed)
    assert.equal(ageAt(bundle, nowMs), nowMs - expected.bornMs)
    assert.equal(store.isCurrent(bundle), expected.isCurrent)
    const found = store.find(bundle.originKey, bundle.epoch, bundle.first + bundle.count - 1)
    assert.equal(found!.arrival, expected.arrival)
  }
  const values = model.kept.filter(({ isCurrent, isRemoval }) => isCurrent && !isRemoval)
  assert.deepEqual(idsOf(store.retained(null)).sort(), idsOf(values).sort())
  for (let number = 1; number <= 3; number++) {
    for (let at = 1; at <= 2; at++) {
      assert.deepEqual(holdings.ranges(originKeyOf(number), at), model.ranges(originKeyOf(number), at))
    }
  }
  assert.equal(store.lastArrival, model.lastArrival)
  assert.equal(store.firstArrival, model.firstArrival)
  assert.equal(store.counts.bundles, model.kept.length)
  assert.equal(store.counts.bytes, model.bytes)
}

for (const [kind, pace] of STORE_KINDS.flatMap((kind) => [
  [kind, 'one by one'] as const,
  [kind, 'in bursts'] as const,
])) {
  test(`${kind} store: it holds what the model holds, whatever happens, ${pace}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        let opened = await openStore(kind, { bytesMax: BYTES_MAX, ageMsMax: AGE_MS_MAX })
        const model = new ModelStore(BYTES_MAX, AGE_MS_MAX)
        const used = new Set<string>()
        opened.disk.commitMs = 0
        for (const one of steps) {
          if (pace === 'in bursts' && one.do !== 'put' && one.do !== 'retain') await opened.time.settle()
          const nowMs = opened.clock.nowMs()
          if (one.do === 'restart') {
            if (kind === 'memory') continue
            const { time, disk, store } = opened
            await time.of(store.close())
            opened = await openStore(kind, { bytesMax: BYTES_MAX, ageMsMax: AGE_MS_MAX }, { time, disk })
          } else if (one.do === 'pass') {
            await opened.pass(one.seconds * 1_000)
            model.expire(opened.clock.nowMs())
          } else if (one.do === 'younger') {
            opened.store.younger(originKeyOf(one.origin), 1, one.slot * 10, one.seconds * 1_000)
            model.younger(originKeyOf(one.origin), 1, one.slot * 10, one.seconds * 1_000, nowMs)
          } else {
            const key = `${one.origin}/${one.epoch}/${one.slot}`
            if (used.has(key)) continue
            used.add(key)
            const isRetained = one.do === 'retain'
            const topic = isRetained ? `topic ${one.topic}` : 'chat'
            const numbers = { origin: one.origin, epoch: one.epoch, first: one.slot * 10, topic, bytes: one.bytes }
            const count = isRetained ? 1 : one.count
            // Those that come with their time as ordinary ones over leave the window with the next look, whenever that is.
            const ageS = pace === 'in bursts' && one.ageS === 200 ? 0 : one.ageS
            const times = { ageMs: ageS * 1_000, timeToLiveS: isRetained && one.lifeS === 0 ? 400 : one.lifeS }
            const bundle = opened.put({ ...numbers, ...times, count, retained: isRetained })
            model.put({ bundle, topic: isRetained ? topic : null, isRemoval: one.bytes === 0 }, nowMs)
            if (pace === 'in bursts') continue
          }
          await opened.time.settle()
          await check(opened, model)
        }
        await opened.time.settle()
        await check(opened, model)
        await opened.time.of(opened.store.close())
      }),
      { numRuns: 200, seed: 20_261_123 },
    )
  })
}

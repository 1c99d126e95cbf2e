import assert from 'node:assert/strict'
import { test } from 'node:test'
import { primitives } from '../../lib/crypto/choose.ts'
import type { AnnouncingLink } from '../../lib/flood/announcing.ts'
import { Digests } from '../../lib/flood/digests.ts'
import { Holdings, type Told } from '../../lib/flood/holdings.ts'
import { decodeHave, type EpochNumbers, keyBytes } from '../../lib/flood/repair-frames.ts'
import { type Spans, without } from '../../lib/flood/spans.ts'
import { HAVE_INTERVAL_MS, HAVE_SOON_MS, PAGE_BYTES, PAGE_INTERVAL_MS, Telling } from '../../lib/flood/telling.ts'
import { plainOriginKey } from './fake-store.ts'

const OWN = plainOriginKey(1)

class Side {
  readonly holdings: Holdings = new Holdings()
  readonly digests: Digests = new Digests(this.holdings, primitives)
  readonly sent: { atMs: number; digests: Uint8Array | null; held: readonly EpochNumbers[]; bytes: number }[] = []
  shared: readonly Told[] | null = null
  /** Origins that are announced, and what the neighbour claims of them all. */
  announced: readonly string[] = []
  claimed: Spans = []
  readonly lazy: AnnouncingLink = {
    isFirst: true,
    isAnnouncing: () => this.announced.length > 0,
    isAnnounced: (originKey) => this.announced.includes(originKey),
    covers: (_originKey, _epoch, ranges) => without(ranges, this.claimed).length === 0,
  }
  nowMs = 10_000
  #telling: Telling | null = null

  get telling(): Telling {
    this.#telling ??= new Telling({
      holdings: this.holdings,
      digests: this.digests,
      ownBucket: this.digests.bucketOf(keyBytes(OWN)),
      ownOriginKey: OWN,
      newestEpoch: () => 42,
      send: (body) => {
        const { digests, newestEpoch, held } = decodeHave(body)
        assert.equal(newestEpoch, 42)
        this.sent.push({ atMs: this.nowMs, digests: digests?.slice() ?? null, held, bytes: body.length })
      },
      lazy: this.lazy,
      sharesOwn: (held) => {
        this.shared = held
      },
    })
    return this.#telling
  }

  /** Works whenever it says so, up to that time. */
  run(untilMs: number): void {
    for (let at = this.telling.nextDeadlineMs(); at <= untilMs; at = this.telling.nextDeadlineMs()) {
      this.nowMs = Math.max(this.nowMs, at)
      this.telling.work(this.nowMs)
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  get told(): string[] {
    return this.sent.flatMap(({ held }) =>
      held.map(({ originKey, epoch }) => `${originKey.charCodeAt(0) * 256 + originKey.charCodeAt(1)}/${epoch}`),
    )
  }
}

test('digests go out first and alone; nothing else before the other’s digests', () => {
  const side = new Side()
  side.holdings.add(OWN, 5, 0, 9)
  side.run(10_000)
  assert.deepEqual([side.sent.length, side.sent[0]!.digests?.length, side.sent[0]!.held.length], [1, 4_096, 0])
  side.holdings.add(OWN, 5, 10, 19)
  side.run(90_000)
  assert.equal(side.sent.length, 1)
  assert.equal(side.telling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(200_000)
  assert.deepEqual(side.told, ['1/5', '1/5'], 'what differs, and what was added')
  assert.equal(side.telling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('only buckets that differ are told, and equal ones say that our own messages are there', () => {
  const one = new Side()
  const other = new Side()
  for (const side of [one, other]) for (let i = 1; i <= 500; i++) side.holdings.add(plainOriginKey(i), 5, 0, 9)
  one.holdings.add(plainOriginKey(77), 6, 0, 0)
  other.run(10_000)
  one.run(10_000)
  one.telling.digestsCame(other.sent[0]!.digests!)
  one.run(20_000)
  const bucket = one.digests.bucketOf(keyBytes(plainOriginKey(77)))
  const alike = Array.from({ length: 500 }, (_, i) => i + 1).filter(
    (i) => one.digests.bucketOf(keyBytes(plainOriginKey(i))) === bucket,
  )
  assert.deepEqual(new Set(one.told), new Set([...alike.map((i) => `${i}/5`), '77/6']))
  assert.deepEqual(
    one.shared?.map(({ epoch, ranges }) => [epoch, ranges]),
    [[5, [0, 9]]],
  )
  // Digests that come again change nothing.
  one.telling.digestsCame(new Uint8Array(4_096))
  one.run(40_000)
  assert.equal(one.told.length, alike.length + 1)
})

test('what the own bucket does not say is not said', () => {
  const side = new Side()
  side.holdings.add(OWN, 5, 0, 9)
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(20_000)
  assert.equal(side.shared, null)
})

test('what differs comes in pages of about 32 KiB, a tenth of a second apart, everything once', () => {
  const side = new Side()
  for (let i = 0; i < 5_000; i++)
    for (const epoch of [2 ** 50, 2 ** 50 + 1]) side.holdings.add(plainOriginKey(i), epoch, 0, i)
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096).fill(1))
  side.run(30_000)
  const pages = side.sent.slice(1)
  assert.ok(pages.length > 5, `${pages.length}`)
  for (const [i, page] of pages.entries()) {
    assert.ok(page.bytes <= PAGE_BYTES + 20, `${page.bytes}`)
    if (i > 0) assert.equal(page.atMs - pages[i - 1]!.atMs, PAGE_INTERVAL_MS)
  }
  assert.equal(side.told.length, 10_000)
  assert.equal(new Set(side.told).size, 10_000)
})

test('origins that come and go between pages leave no gap', () => {
  const side = new Side()
  for (let i = 0; i < 4_000; i++) side.holdings.add(plainOriginKey(i * 2), 2 ** 50, 0, 9)
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096).fill(1))
  for (let step = 0; step < 60; step++) {
    side.holdings.add(plainOriginKey(step * 2 + 1), 2 ** 50, 0, 0)
    side.holdings.remove(plainOriginKey(7_000 + step * 2), 2 ** 50, 0, 9)
    side.run(10_000 + step * 30)
  }
  side.run(60_000)
  const told = new Set(side.told)
  for (let i = 0; i < 3_500; i++) assert.ok(told.has(`${i * 2}/${2 ** 50}`), `${i}`)
  for (let step = 0; step < 60; step++) assert.ok(told.has(`${step * 2 + 1}/${2 ** 50}`), `added ${step}`)
})

test('an addition after a silence is told soon, further ones once a second, the longest untold first', () => {
  const side = new Side()
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(60_000)
  side.holdings.add(plainOriginKey(5), 1, 0, 0)
  side.run(60_000)
  assert.equal(side.telling.nextDeadlineMs(), 60_000 + HAVE_SOON_MS)
  side.run(60_500)
  side.holdings.add(plainOriginKey(6), 1, 0, 0)
  side.holdings.add(plainOriginKey(5), 1, 1, 1)
  side.run(70_000)
  assert.deepEqual(
    side.sent.slice(1).map(({ atMs, held }) => [atMs, held.map(({ originKey }) => originKey.charCodeAt(1))]),
    [
      [60_100, [5]],
      [60_100 + HAVE_INTERVAL_MS, [6, 5]],
    ],
  )
  side.holdings.remove(plainOriginKey(5), 1, 0, 0)
  side.run(80_000)
  assert.equal(side.sent.length, 3, 'removals are not told')
})

test('an entry that cannot be parted is told whole, and as much later the next', () => {
  const side = new Side()
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(60_000)
  for (let i = 0; i < 4_096; i++) side.holdings.add(plainOriginKey(5), 1, 2 ** 50 + i * 2, 2 ** 50 + i * 2)
  side.run(60_100)
  assert.ok(side.sent[1]!.bytes > PAGE_BYTES * 2, `${side.sent[1]!.bytes}`)
  side.holdings.add(plainOriginKey(6), 1, 0, 0)
  side.run(70_000)
  const waitMs = side.sent[2]!.atMs - side.sent[1]!.atMs
  assert.ok(waitMs > 2 * HAVE_INTERVAL_MS, `${waitMs}`)
})

test('what the link does not carry the first end tells within 50 ms, at most as often, and not a second time with the rest', () => {
  const side = new Side()
  side.run(10_000)
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(20_000)
  const [lazy, eager] = [plainOriginKey(5), plainOriginKey(6)]
  side.announced = [lazy]
  const before = side.sent.length
  for (let number = 0; number < 100; number++) {
    side.holdings.add(lazy, 1, number, number)
    side.holdings.add(eager, 1, number, number)
    side.run(20_000 + number * 10)
  }
  side.run(23_000)
  const sent = side.sent.slice(before)
  const ofLazy = sent.filter(({ held }) => held.some(({ originKey }) => originKey === lazy))
  const ofEager = sent.filter(({ held }) => held.some(({ originKey }) => originKey === eager))
  assert.ok(ofLazy.length >= 19 && ofLazy.length <= 22, `${ofLazy.length}`)
  assert.equal(ofEager.length, 2)
  assert.deepEqual(
    ofEager
      .at(-1)!
      .held.map(({ ranges }) => [...ranges])
      .at(-1),
    [0, 99],
  )
  assert.equal(side.telling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('what the neighbour claims itself it is told once a second, like what it is sent', () => {
  const side = new Side()
  side.telling.digestsCame(new Uint8Array(4_096))
  side.run(20_000)
  const origin = plainOriginKey(5)
  side.announced = [origin]
  side.claimed = [0, 1_000]
  const before = side.sent.length
  for (let number = 0; number < 300; number++) {
    side.holdings.add(origin, 1, number, number)
    side.run(20_000 + number * 10)
  }
  side.run(30_000)
  const count = side.sent.length - before
  assert.ok(count >= 3 && count <= 5, `${count}`)
})

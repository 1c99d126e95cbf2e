// What a neighbour may have read on the disk for nothing, and that others notice nothing of it: in virtual time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Giving } from '../../lib/flood/giving.ts'
import { Repair } from '../../lib/flood/repair.ts'
import { encodeWant, type Want } from '../../lib/flood/repair-frames.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { VAIN_BURST_MS, VAIN_ROW_MS, VAIN_WAIT_MS_MAX, VainReads } from '../../lib/flood/vain-reads.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { WANT_NUMBERS_MAX } from '../../lib/limits.ts'
import { completedNative } from '../crypto/providers.ts'
import { FakeStore, plainBundle, plainOriginKey } from './fake-store.ts'

const A = plainOriginKey(1)
const ROWS_PER_SECOND = 1_000 / VAIN_ROW_MS

/** One disk that holds `count` numbers of A, and a link to each of several neighbours. */
class Disk {
  readonly store: FakeStore
  readonly vainReads: VainReads = new VainReads()
  nowMs = 1_000_000

  constructor(count: number) {
    this.store = new FakeStore({ nowMs: () => this.nowMs })
    this.store.isOnDisk = true
    for (let first = 0; first < count; first++) this.store.put(plainBundle({ originKey: A, first }), null)
  }

  link(): Asker {
    return new Asker(this)
  }
}

class Asker {
  readonly giving: Giving
  readonly counters: { given: number } = { given: 0 }
  answers = 0
  onAnswer: () => void = () => {}

  constructor({ store, vainReads }: Disk) {
    const link = {
      carriedBytes: 0,
      give: () => {},
      conclude: (_body: Uint8Array, left: () => void) => {
        this.answers++
        left()
        this.onAnswer()
      },
    }
    this.giving = new Giving(store, link, this.counters, { count: 0 }, vainReads)
  }

  /** Of all ages, or of none. */
  want(first: number, last: number, ageMsMax = 0): void {
    this.giving.want({ request: 1, ageMsMax, wanted: [{ originKey: A, epoch: 1, ranges: [first, last] }] })
  }

  /** Asks again with every answer for what is too old. */
  insist(): void {
    this.onAnswer = () => this.want(0, WANT_NUMBERS_MAX - 1)
    this.onAnswer()
  }
}

/** Lets all work that may, a step each in turn, for so long. */
function pass(disk: Disk, askers: readonly Asker[], forMs: number): void {
  const endMs = disk.nowMs + forMs
  for (let turns = 0; disk.nowMs < endMs; turns++) {
    assert.ok(turns < 10_000, 'they never wait')
    const due = askers.filter(({ giving }) => giving.nextDeadlineMs() <= disk.nowMs)
    for (const { giving } of due) giving.work(disk.nowMs)
    if (due.length > 0) continue
    const nextMs = Math.min(endMs, ...askers.map(({ giving }) => giving.nextDeadlineMs()))
    assert.ok(nextMs > disk.nowMs)
    disk.nowMs = nextMs
  }
}

test('the longest want that finds nothing is answered at once', () => {
  const disk = new Disk(WANT_NUMBERS_MAX)
  const asker = disk.link()
  asker.want(0, WANT_NUMBERS_MAX - 1)
  while (asker.answers === 0) assert.ok(asker.giving.work(disk.nowMs) > 0)
  assert.equal(disk.store.vainRows, WANT_NUMBERS_MAX * 2)
})

test('whoever asks again and again for what is too old has so many rows read a second, however many they are', () => {
  for (const count of [1, 8]) {
    const disk = new Disk(WANT_NUMBERS_MAX)
    const askers = Array.from({ length: count }, () => disk.link())
    for (const asker of askers) asker.insist()
    pass(disk, askers, 10_000)
    const rows = disk.store.vainRows
    const rowsMax = ROWS_PER_SECOND * (10 + VAIN_BURST_MS / 1_000) + count * 4_000
    assert.ok(rows <= rowsMax && rows > ROWS_PER_SECOND * 9, `${rows} rows for ${count}`)
    const answers = askers.map((asker) => asker.answers)
    assert.ok(Math.max(...answers) - Math.min(...answers) <= 1, `each in its turn: ${answers}`)
  }
})

test('who gets what it asks for does not wait for them', () => {
  const disk = new Disk(WANT_NUMBERS_MAX)
  const hostile = Array.from({ length: 8 }, () => disk.link())
  for (const asker of hostile) asker.insist()
  pass(disk, hostile, 2_000)
  const honest = disk.link()
  for (let i = 1; i <= 30; i++) {
    // Some of it is too old in each.
    disk.store.put(plainBundle({ originKey: A, first: 20_000 + i, heldSinceMs: disk.nowMs }), null)
    honest.giving.want({
      request: i,
      ageMsMax: 1_000,
      wanted: [{ originKey: A, epoch: 1, ranges: [i * 9, i * 9 + 7, 20_000 + i, 20_000 + i] }],
    })
    while (honest.answers < i) assert.ok(honest.giving.work(disk.nowMs) > 0, `want ${i}`)
  }
  assert.equal(honest.counters.given, 30)
})

test('beside eight that insist, an honest want that finds nothing is answered in time', () => {
  const disk = new Disk(WANT_NUMBERS_MAX)
  const hostile = Array.from({ length: 8 }, () => disk.link())
  for (const asker of hostile) asker.insist()
  pass(disk, hostile, 2_000)
  const honest = disk.link()
  honest.want(0, WANT_NUMBERS_MAX - 1)
  pass(disk, [...hostile, honest], 5_000)
  assert.equal(honest.answers, 1)
})

test('a link that comes anew all the time books no wait without end for others', () => {
  const vainReads = new VainReads()
  for (let i = 0; i < 1_000; i++) vainReads.book(1_000, 5_000)
  assert.equal(vainReads.book(1, 5_000), 5_000 + VAIN_WAIT_MS_MAX)
  assert.equal(vainReads.book(100, 60_000), 60_000 - VAIN_BURST_MS + 100 * VAIN_ROW_MS)
})

test('while an answer waits for its turn, repair says when that is, and does nothing before', () => {
  const disk = new Disk(WANT_NUMBERS_MAX)
  const { store } = disk
  const repair = new Repair({
    store,
    seen: new Seen(),
    primitives: completedNative,
    ownOriginKey: plainOriginKey(9),
    ageMsMax: 600_000,
    trees: { newsMs: () => Number.NEGATIVE_INFINITY, overdue: () => {} },
    fraction: () => 0,
    hint: () => {},
    confirmed: () => {},
  })
  const want: Want = {
    request: 0,
    ageMsMax: 0,
    wanted: [{ originKey: A, epoch: 1, ranges: [0, WANT_NUMBERS_MAX - 1] }],
  }
  let request = 0
  const ask = (): number =>
    repair.received('n', FrameType.want, encodeWant({ ...want, request: ++request }), disk.nowMs)
  repair.linkUp(
    {
      key: 'n',
      originKey: plainOriginKey(8),
      trees: { isAble: false, isAnnounced: () => false, isAnnouncing: false },
      carriedBytes: 0,
      tell: () => {},
      give: () => {},
      conclude: (_body, left) => {
        left()
        ask()
      },
    },
    disk.nowMs,
  )
  ask()
  let ticks = 0
  for (; repair.nextDeadlineMs() <= disk.nowMs; ticks++) {
    assert.ok(ticks < 1_000, 'it never waits')
    const before = store.vainRows
    repair.tick(disk.nowMs)
    assert.ok(store.vainRows - before <= 1_030)
  }
  assert.ok(ticks > 20)
  assert.ok(request > 1)
  const waitMs = repair.nextDeadlineMs() - disk.nowMs
  assert.ok(waitMs > 0 && waitMs < 20, `${waitMs}`)
  const before = store.vainRows
  repair.tick(disk.nowMs)
  assert.equal(store.vainRows, before)
  disk.nowMs = repair.nextDeadlineMs()
  repair.tick(disk.nowMs)
  assert.ok(store.vainRows > before)
})

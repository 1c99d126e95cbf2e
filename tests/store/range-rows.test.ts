import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exclude, include, union } from '../../lib/flood/spans.ts'
import type { Database, DatabaseChange } from '../../lib/io/world.ts'
import { BLOCK_NUMBERS, prefixRange, runBytes, runKey, Table, takenKey } from '../../lib/store/keys.ts'
import { rangesValue, readRanges } from '../../lib/store/layout.ts'
import { type RangePlace, RangeRows, ROW_RANGES_MAX } from '../../lib/store/range-rows.ts'
import { chance } from '../virtual/chance.ts'
import { NodeClock, VirtualTime } from '../virtual/clock.ts'
import { MemoryDisk } from '../virtual/database.ts'
import { originKeyOf } from './bundles.ts'

const RUN = runBytes(originKeyOf(1), 5)
const TAKEN: RangePlace = {
  headKey: takenKey(RUN),
  leafTable: Table.takenLeaf,
  run: RUN,
  first: 0,
  last: Number.MAX_SAFE_INTEGER,
}
const HELD: RangePlace = {
  headKey: runKey(Table.held, RUN, 1),
  leafTable: Table.heldLeaf,
  run: RUN,
  first: BLOCK_NUMBERS,
  last: 2 * BLOCK_NUMBERS - 1,
}

/** One set in a database: changed in a transaction at a time, and read as it lies there. */
class OneSet {
  readonly disk: MemoryDisk = new MemoryDisk()
  readonly place: RangePlace
  /** Of the last transaction. */
  writtenBytes = 0
  readonly #time = new VirtualTime()
  #database!: Database

  constructor(place: RangePlace) {
    this.place = place
  }

  async open(): Promise<this> {
    this.#database = (await this.disk.of(new NodeClock(this.#time)).open('/d')).database
    return this
  }

  async change(edit: (rows: RangeRows) => void, stamp: number | null = null, isStored = true): Promise<void> {
    const rows = new RangeRows(this.#database, this.place, isStored)
    edit(rows)
    const changes: DatabaseChange[] = []
    rows.write(changes, stamp)
    this.writtenBytes = changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
    if (changes.length > 0) await this.#time.of(this.#database.commit(changes))
  }

  get rows(): RangeRows {
    return new RangeRows(this.#database, this.place)
  }

  /** The ranges of each row, the leaves from the lowest to the highest, and the head last. */
  get lying(): number[][] {
    const head = readRanges(this.#database.get(this.place.headKey))
    const leaves = [...this.#database.range(...prefixRange(this.place.leafTable, RUN))]
    const lying = leaves.map(({ value }) => readRanges(value)!.ranges)
    assert.equal(head?.below ?? 0, lying.flat().length / 2, 'the head knows how many lie below it')
    return head === null ? lying : [...lying, head.ranges]
  }

  /** The ranges as they lie there, whatever the head counts. */
  get laid(): readonly number[] {
    const leaves = [...this.#database.range(...prefixRange(this.place.leafTable, RUN))]
    const rows = [...leaves.map(({ value }) => value), this.#database.get(this.place.headKey)]
    return rows.flatMap((value) => readRanges(value)?.ranges ?? [])
  }

  get ranges(): readonly number[] {
    return this.lying.reduce<readonly number[]>((sum, row) => union(sum, row), [])
  }

  overwrite(key: Uint8Array, value: Uint8Array | null): void {
    this.disk.overwrite('/d', key, value)
  }
}

/** So many ranges of one number, every second one missing. */
function gaps(count: number, first = 0): number[] {
  return Array.from({ length: count * 2 }, (_, i) => first + (i >> 1) * 2)
}

async function withGaps(place: RangePlace, count: number): Promise<OneSet> {
  const set = await new OneSet(place).open()
  await set.change((rows) => {
    for (let i = 0; i < count; i++) rows.include(place.first + i * 2, place.first + i * 2)
  })
  return set
}

test('what fits in one row is one row, as it was in the version before', async () => {
  const set = await withGaps(TAKEN, ROW_RANGES_MAX)
  assert.deepEqual(set.lying, [gaps(ROW_RANGES_MAX)])
  assert.deepEqual([...set.disk.contents('/d').values()], [Buffer.from(rangesValue(0, 0, gaps(64))).toString('hex')])
})

test('however many gaps there are, a change writes a few short rows', async () => {
  for (const place of [TAKEN, HELD]) {
    const set = await withGaps(place, 4_000)
    const { first } = place
    const model = gaps(4_000, first)
    assert.deepEqual(set.ranges, model)
    const numbers = [8_002, 8_004, 4_001, 1, 6_999, 10_000, 4_003, 4_005, 4_100].map((number) => first + number)
    for (const number of numbers) {
      await set.change((rows) => rows.include(number, number), 1_800_000_000_000)
      include(model, number, number)
      assert.deepEqual(set.ranges, model)
      assert.ok(set.writtenBytes < 1_000, `${set.writtenBytes} bytes for ${number}`)
    }
    for (const number of [first + 2_000, first + 8_004, first]) {
      await set.change((rows) => rows.exclude(number, number))
      exclude(model, number, number)
      assert.deepEqual(set.ranges, model)
      assert.ok(set.writtenBytes < 1_000, `${set.writtenBytes} bytes for ${number}`)
    }
  }
})

test('of ranges that are as far apart as can be a row takes a quarter of a page', async () => {
  const set = await new OneSet(TAKEN).open()
  const step = 2 ** 45
  let most = 0
  for (let i = 0; i < 250; i++) {
    await set.change((rows) => rows.include(i * step, i * step + step / 2), 1_800_000_000_000)
    most = Math.max(most, set.writtenBytes)
  }
  for (const value of set.disk.contents('/d').values()) assert.ok(value.length / 2 <= 1_050, `${value.length / 2}`)
  assert.ok(most < 2_200, `${most}`)
})

test('a set of the version before, in one long row, is read and parted when it is touched', async () => {
  const set = await new OneSet(TAKEN).open()
  set.overwrite(TAKEN.headKey, rangesValue(7, 0, gaps(4_096)))
  assert.equal(set.rows.count, 4_096)
  await set.change((rows) => rows.include(9_000, 9_000), 8)
  assert.ok(set.lying.length > 4_096 / ROW_RANGES_MAX)
  assert.ok(set.lying.every((row) => row.length <= 2 * ROW_RANGES_MAX))
  assert.deepEqual(set.ranges, [...gaps(4_096), 9_000, 9_000])
  await set.change((rows) => rows.include(9_002, 9_002), 8)
  assert.ok(set.writtenBytes < 500, `${set.writtenBytes}`)
})

test('where gaps are filled, rows become fewer again, in whatever order', async () => {
  for (const step of [1, 7, 1_999]) {
    const set = await withGaps(TAKEN, 4_000)
    for (let i = 0; i < 4_000; i++) {
      const number = ((i * step) % 4_000) * 2 + 1
      await set.change((rows) => rows.include(number, number), 1)
    }
    assert.deepEqual(set.lying, [[0, 7_999]], `every ${step}th`)
    await set.change((rows) => rows.include(8_000, 8_000), 1)
    assert.ok(set.writtenBytes < 80, `${set.writtenBytes}`)
  }
})

test('when all was given up, nothing lies there any more', async () => {
  for (const isFromTop of [false, true]) {
    const set = await withGaps(HELD, 3_000)
    for (let i = 0; i < 3_000; i += 10) {
      const from = HELD.first + (isFromTop ? 2_990 - i : i) * 2
      await set.change((rows) => rows.exclude(from, from + 18))
    }
    assert.equal(set.disk.contents('/d').size, 0)
  }
})

test('with a bound the lowest gaps are given up, that below the first range included', async () => {
  const set = await new OneSet(TAKEN).open()
  const model: number[] = []
  for (let i = 0; i < 700; i++) {
    const first = 10 + i * 3
    await set.change((rows) => {
      rows.include(first, first)
      rows.giveUpGaps(300)
    }, 1)
    include(model, first, first)
    while (model.length / 2 > 300) {
      if (model[0]! > 0) model[0] = 0
      else model.splice(1, 2)
    }
    assert.ok(set.writtenBytes < 1_500, `${set.writtenBytes}`)
    assert.deepEqual(set.ranges, model)
  }
})

test('whatever is put in and taken out, over many transactions, it is the same as in one list', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = chance(seed)
    const place = seed % 2 === 0 ? TAKEN : HELD
    const set = await new OneSet(place).open()
    const model: number[] = []
    const width = [600, 3_000, 20_000][seed % 3]!
    for (let transaction = 0; transaction < 25; transaction++) {
      await set.change((rows) => {
        for (let i = random.below(120); i >= 0; i--) {
          const first = place.first + random.below(width)
          const last = first + random.below(random.below(40) === 0 ? 700 : 4)
          const isIn = random.below(100) < (transaction % 10 < 6 ? 90 : 30)
          if (isIn) rows.include(first, last)
          else rows.exclude(first, last)
          ;(isIn ? include : exclude)(model, first, last)
        }
      }, transaction)
      assert.deepEqual(set.ranges, model, `seed ${seed}`)
      assert.ok(
        set.lying.every((row) => row.length <= 2 * ROW_RANGES_MAX),
        `seed ${seed}`,
      )
    }
  }
})

test('a row that the disk did not keep takes nothing else with it', async () => {
  const first = await withGaps(TAKEN, 500)
  const [lowest, ...others] = first.lying
  first.overwrite(runKey(Table.takenLeaf, RUN, lowest!.at(-1)!), new Uint8Array(0))
  await first.change((rows) => rows.include(7, 7), 1)
  assert.deepEqual(first.laid, [7, 7, ...others.flat()])

  const second = await withGaps(TAKEN, 500)
  const head = second.lying.at(-1)!
  second.overwrite(TAKEN.headKey, new Uint8Array(0))
  await second.change((rows) => rows.include(2_000, 2_000), 1)
  assert.deepEqual(second.laid, [...gaps(500 - head.length / 2), 2_000, 2_000])
  await second.change((rows) => rows.exclude(0, 3_000))
  assert.equal(second.disk.contents('/d').size, 0)
})

test('what leaves had that the disk did not keep is not counted for ever', async () => {
  const set = await withGaps(TAKEN, 100)
  const [leaf] = set.lying
  set.overwrite(runKey(Table.takenLeaf, RUN, leaf!.at(-1)!), new Uint8Array(0))
  await set.change((rows) => rows.giveUpGaps(40), 1)
  assert.ok(set.rows.count <= 40)
  await set.change((rows) => rows.exclude(0, 3_000))
  assert.equal(set.disk.contents('/d').size, 0)
})

test('what is being taken out by the same transaction does not come back', async () => {
  const set = await withGaps(TAKEN, 500)
  set.overwrite(TAKEN.headKey, null)
  await set.change(
    (rows) => {
      assert.equal(rows.count, 0)
      for (const first of [100, 200]) rows.include(first, first)
    },
    1,
    false,
  )
  assert.deepEqual(set.laid.slice(-4), [100, 100, 200, 200])
  assert.equal(set.rows.count, 2)
})

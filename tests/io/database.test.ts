// The real databases: order, durability, damage, a full disk. Each test in a folder of its own.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { compareBytes, toHex } from '../../lib/bytes.ts'
import { nodeDatabases } from '../../lib/io/database.ts'
import { damageOf } from '../../lib/io/database-check.ts'
import type { Database, DatabaseChange } from '../../lib/io/world.ts'
import { rounds } from '../tools/all-tests.ts'
import { chance } from '../virtual/chance.ts'

function folder(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'meshd-database-'))
  context.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function open(path: string): Promise<Database> {
  const { database, setAside } = await nodeDatabases.open(path)
  assert.equal(setAside, null)
  return database
}

function key(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes)
}

function everything(database: Database, reverse = false): string[] {
  const entries = database.range(key(0), new Uint8Array(512).fill(255), { reverse })
  return [...entries].map(({ key, value }) => `${toHex(key)}=${toHex(value)}`)
}

/** Many commits that add, replace and remove, with values of all sizes; what should be there afterwards. */
async function fill(database: Database, seed: number, commits: number): Promise<Map<string, string>> {
  const random = chance(seed)
  const model = new Map<string, string>()
  for (let i = 0; i < commits; i++) {
    const changes: DatabaseChange[] = []
    for (let n = 1 + random.below(60); n > 0; n--) {
      const at = key(1 + random.below(3), random.below(256), random.below(16))
      const size = [20, 300, 3_000, 40_000][random.below(4)]!
      const value = random.below(3) === 0 ? null : random.bytes(random.below(size))
      changes.push({ key: at, value })
      if (value === null) model.delete(toHex(at))
      else model.set(toHex(at), toHex(value))
    }
    await database.commit(changes)
  }
  return model
}

function assertHolds(database: Database, model: ReadonlyMap<string, string>): void {
  const expected = [...model].sort().map(([key, value]) => `${key}=${value}`)
  assert.deepEqual(everything(database), expected)
}

test('what is committed can be read at once, in both directions, and after it was opened again', async (context) => {
  const path = join(folder(context), 'store.v1')
  let database = await open(path)
  const model = await fill(database, 1, 40)
  assertHolds(database, model)
  assert.deepEqual(everything(database, true), everything(database).reverse())
  await database.close()
  await database.close()
  database = await open(path)
  assertHolds(database, model)
  await database.close()
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(statSync(join(path, 'data.mdb')).mode & 0o777, 0o600)
})

test('a range has its begin and not its end, either way', async (context) => {
  const database = await open(folder(context))
  await database.commit([1, 2, 3, 4].map((byte) => ({ key: key(byte), value: key(byte) })))
  const keys = (from: Uint8Array, to: Uint8Array, reverse: boolean): number[] => {
    return [...database.range(from, to, { reverse })].map((entry) => entry.key[0]!)
  }
  assert.deepEqual(keys(key(2), key(4), false), [2, 3])
  assert.deepEqual(keys(key(2), key(4), true), [3, 2])
  assert.deepEqual(keys(key(1, 0), key(3, 0), true), [3, 2])
  assert.deepEqual(keys(key(4), key(2), false), [])
  assert.deepEqual(keys(key(5), key(9), true), [])
  for (const entry of database.range(key(1), key(9))) {
    assert.deepEqual(entry, { key: key(1), value: key(1) })
    break
  }
  assert.equal(database.get(key(9)), null)
  await database.close()
})

test('values are the reader’s own, plain arrays, and empty ones are values too', async (context) => {
  const database = await open(folder(context))
  const given = new Uint8Array(70_000).fill(7)
  await database.commit([
    { key: key(1), value: given },
    { key: key(2), value: new Uint8Array(0) },
  ])
  given.fill(0)
  const first = database.get(key(1))!
  assert.equal(first.constructor, Uint8Array)
  assert.deepEqual(first, new Uint8Array(70_000).fill(7))
  first.fill(1)
  assert.deepEqual(database.get(key(1)), new Uint8Array(70_000).fill(7))
  assert.deepEqual(database.get(key(2)), new Uint8Array(0))
  await database.close()
})

test('keys of 1 to 512 bytes are taken; with any other key nothing of the commit is', async (context) => {
  const database = await open(folder(context))
  const longest = new Uint8Array(512).fill(3)
  await database.commit([{ key: longest, value: key(1) }])
  assert.deepEqual(database.get(longest), key(1))
  for (const bad of [new Uint8Array(0), new Uint8Array(513)]) {
    const changes = [
      { key: key(1), value: key(1) },
      { key: bad, value: key(2) },
    ]
    await assert.rejects(database.commit(changes), { code: 'data-folder' })
    assert.equal(database.get(key(1)), null)
  }
  await database.commit([])
  await database.close()
  await assert.rejects(database.commit([{ key: key(1), value: key(1) }]), { code: 'data-folder' })
  assert.throws(() => database.get(key(1)), { code: 'data-folder' })
})

test('commits called at once are done one after the other', async (context) => {
  const database = await open(folder(context))
  const commits = Array.from({ length: 20 }, (_, i) => database.commit([{ key: key(1), value: key(i) }]))
  await commits[3]
  assert.ok(database.get(key(1))![0]! >= 3)
  await Promise.all(commits)
  assert.deepEqual(database.get(key(1)), key(19))
  await database.close()
})

test('a database that is not accepted is moved aside, and its place is free', async (context) => {
  const path = join(folder(context), 'store')
  const first = await open(path)
  await first.commit([{ key: key(1), value: key(1) }])
  await first.close()
  const accepts = (database: Database): boolean => database.get(key(1)) === null
  const { database, setAside } = await nodeDatabases.open(path, accepts)
  assert.match(setAside!, /store\.damaged-\d+$/)
  assert.deepEqual(everything(database), [])
  const old = await open(setAside!)
  assert.equal(everything(old).length, 1)
  await old.close()
  await database.close()
  await assert.rejects(
    nodeDatabases.open(path, () => false),
    { code: 'data-folder' },
  )
})

test('a folder that cannot be used is an error that names it', async (context) => {
  const path = join(folder(context), 'file')
  writeFileSync(path, 'no folder')
  await assert.rejects(nodeDatabases.open(join(path, 'store')), { code: 'data-folder', message: /file/ })
  if (process.platform === 'linux') {
    await assert.rejects(nodeDatabases.open('/proc/nope/store'), { code: 'data-folder', message: /no such file/ })
  }
})

const DAMAGES: readonly (readonly [name: string, damage: (bytes: Uint8Array, seed: number) => Uint8Array])[] = [
  ['zeros', (bytes) => bytes.fill(0)],
  ['random bytes all over', (bytes) => randomFillSync(bytes)],
  ['half of it', (bytes) => bytes.subarray(0, bytes.length >>> 1)],
  ['a few bytes', (bytes) => bytes.subarray(0, 100)],
  ['one page', (bytes) => bytes.subarray(0, 4_096)],
  ['a text', () => new TextEncoder().encode('this is no database'.repeat(1_000))],
]

for (const [name, damage] of DAMAGES) {
  test(`a file that became ${name} is moved aside, and the new one works`, async (context) => {
    const path = join(folder(context), 'store')
    const before = await open(path)
    await fill(before, 2, 20)
    await before.close()
    const file = join(path, 'data.mdb')
    writeFileSync(file, damage(new Uint8Array(readFileSync(file)), 1))
    const { database, setAside } = await nodeDatabases.open(path)
    assert.ok(setAside !== null && existsSync(join(setAside, 'data.mdb')))
    assertHolds(database, await fill(database, 3, 10))
    await database.close()
  })
}

test('whatever page is overwritten, opening and using it does no harm', async (context) => {
  const path = join(folder(context), 'store')
  const before = await open(path)
  await fill(before, 4, 60)
  await before.close()
  const sound = new Uint8Array(readFileSync(join(path, 'data.mdb')))
  assert.equal(await damageOf(join(path, 'data.mdb')), null)
  const random = chance(5)
  let setAsideCount = 0
  const count = rounds(18, 45)
  for (let round = 0; round < count; round++) {
    rmSync(path, { recursive: true })
    mkdirSync(path)
    const bytes = sound.slice()
    const page = random.below(bytes.length / 4_096) * 4_096
    if (round % 3 === 0) bytes.set(random.bytes(4_096), page)
    else if (round % 3 === 1) bytes[page + random.below(128)]! ^= 1 << random.below(8)
    else bytes.fill(0, page, page + 4_096)
    writeFileSync(join(path, 'data.mdb'), bytes)
    const { database, setAside } = await nodeDatabases.open(path)
    if (setAside !== null) {
      setAsideCount++
      rmSync(setAside, { recursive: true })
    }
    everything(database)
    await fill(database, round, 3)
    everything(database, true)
    await database.close()
  }
  assert.ok(setAsideCount >= rounds(1, 4), `${setAsideCount} of ${count} were noticed before they were opened`)
})

test('a sound file is found sound at any size, after any commits, and no page is read of one that was closed', async (context) => {
  const path = join(folder(context), 'store')
  for (let seed = 20; seed < 20 + rounds(3, 6); seed++) {
    const database = await open(path)
    for (let i = 0; i < 6; i++) {
      await fill(database, seed * 10 + i, 8)
      assert.equal(await damageOf(join(path, 'data.mdb')), null)
    }
    await database.close()
    assert.ok(existsSync(join(path, 'closed')))
    // Without it every page is looked at.
    if (seed % 2 === 0) rmSync(join(path, 'closed'))
  }
  assert.equal(await damageOf(join(path, 'nothing')), null)
})

test('a value with a flipped bit reads as an empty one', async (context) => {
  const path = join(folder(context), 'store')
  const before = await open(path)
  const marked = new Uint8Array(9_000).fill(0xa7)
  await before.commit([
    { key: key(1), value: marked },
    { key: key(2), value: key(5) },
  ])
  await before.close()
  const file = join(path, 'data.mdb')
  const bytes = readFileSync(file)
  bytes[bytes.indexOf(marked.subarray(0, 64)) + 40]! ^= 4
  writeFileSync(file, bytes)
  const database = await open(path)
  assert.deepEqual(everything(database), ['01=', '02=05'])
  assert.deepEqual(database.get(key(1)), new Uint8Array(0))
  await database.close()
})

test('a lock file that is odd is no obstacle', async (context) => {
  const path = join(folder(context), 'store')
  await (await open(path)).close()
  for (const content of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(20_000).fill(0xff)]) {
    writeFileSync(join(path, 'lock.mdb'), content)
    const database = await open(path)
    assertHolds(database, await fill(database, 7, 1).then((model) => model))
    await database.commit([...database.range(key(0), key(255))].map(({ key }) => ({ key, value: null })))
    await database.close()
  }
})

/** A file system of that size, or why there is none. */
function smallDisk(path: string, bytes: number): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' })
    return null
  } catch {
    return 'mount is not allowed here'
  }
}

test('a full disk refuses commits, shows nothing of them, and takes them again once there is room', async (context) => {
  const mounted = folder(context)
  const refusal = smallDisk(mounted, 8_388_608)
  if (refusal !== null) return context.skip(refusal)
  const unhandled: unknown[] = []
  const note = (error: unknown): void => {
    unhandled.push(error)
  }
  process.on('unhandledRejection', note)
  try {
    const path = join(mounted, 'store')
    const database = await open(path)
    writeFileSync(join(mounted, 'ballast'), new Uint8Array(3_000_000))
    const commit = (number: number, bytes: number): Promise<void> => {
      return database.commit([{ key: key(number), value: new Uint8Array(bytes).fill(number) }])
    }
    let taken = 0
    let refused: unknown = null
    for (let number = 1; number <= 40 && refused === null; number++) {
      await commit(number, 300_000).then(
        () => taken++,
        (error: unknown) => {
          refused = error
        },
      )
    }
    assert.ok(refused !== null && taken > 3)
    assert.equal((refused as { code: string }).code, 'data-folder')
    assert.match((refused as Error).message, /the disk is full/)
    assert.equal(database.get(key(taken + 1)), null)
    for (let again = 0; again < 3; again++) await assert.rejects(commit(taken + 1, 300_000), /the disk is full/)
    assert.equal(everything(database).length, taken)
    rmSync(join(mounted, 'ballast'))
    await commit(taken + 1, 300_000)
    assert.equal(everything(database).length, taken + 1)
    await database.close()
    assert.equal(await damageOf(join(path, 'data.mdb')), null)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(unhandled, [])
  } finally {
    process.off('unhandledRejection', note)
    execFileSync('umount', ['-l', mounted])
  }
})

test('a new database on a full disk is an error and not the end of the process', async (context) => {
  const mounted = folder(context)
  const refusal = smallDisk(mounted, 65_536)
  if (refusal !== null) return context.skip(refusal)
  try {
    mkdirSync(join(mounted, 'store'))
    for (let bytes = 65_536; bytes > 0; bytes >>>= 1) {
      try {
        writeFileSync(join(mounted, `ballast${bytes}`), new Uint8Array(bytes))
      } catch {
        truncateSync(join(mounted, `ballast${bytes}`), 0)
      }
    }
    await assert.rejects(nodeDatabases.open(join(mounted, 'store')), { code: 'data-folder' })
  } finally {
    execFileSync('umount', ['-l', mounted])
  }
})

test('a copy of the files of a running database is sound', async (context) => {
  const base = folder(context)
  const database = await open(join(base, 'store'))
  const model = await fill(database, 8, 30)
  mkdirSync(join(base, 'copy'))
  for (const name of readdirSync(join(base, 'store'))) {
    copyFileSync(join(base, 'store', name), join(base, 'copy', name))
  }
  const copy = await open(join(base, 'copy'))
  assertHolds(copy, model)
  await copy.close()
  await database.close()
  assert.ok(compareBytes(key(1), key(2)) < 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '../../lib/bytes.ts'
import { freshEpoch, readEpoch, writeEpoch } from '../../lib/identity/epoch-file.ts'
import type { Files, Random } from '../../lib/io/world.ts'
import { INTEGER_MAX } from '../../lib/limits.ts'

const randomOf = (...bytes: number[]): Random => ({ bytes: () => Uint8Array.from(bytes), fraction: () => 0 })

function filesWith(content: Uint8Array | null): Files & { written: [string, Uint8Array, number][] } {
  const written: [string, Uint8Array, number][] = []
  return {
    written,
    read: () => Promise.resolve(content),
    mode: () => Promise.resolve(null),
    writeAtomic: (path, bytes, mode) => {
      written.push([path, bytes, mode])
      return Promise.resolve()
    },
    makeFolder: () => Promise.resolve(),
    lock: () => Promise.reject(new Error('nothing is locked here')),
  }
}

test('an epoch is the Unix second times 2^20 and twenty random bits', () => {
  assert.equal(freshEpoch(0, 1_800_000_000_999, randomOf(0, 0, 0)), 1_800_000_000 * 2 ** 20)
  assert.equal(freshEpoch(0, 1_800_000_000_000, randomOf(255, 255, 255)), 1_800_000_001 * 2 ** 20 - 1)
  assert.equal(freshEpoch(0, 1_000, randomOf(0xf1, 2, 3)), 2 ** 20 + 0x10203)
})

test('an epoch is greater than the one before, also with a clock that was set back', () => {
  const before = 1_900_000_000 * 2 ** 20
  assert.equal(freshEpoch(before, 1_800_000_000_000, randomOf(9, 9, 9)), before + 1)
  assert.equal(freshEpoch(5, -1_000, randomOf(0, 0, 0)), 6)
})

test('an epoch stays within the wire’s integers', () => {
  assert.equal(freshEpoch(INTEGER_MAX, 0, randomOf(0, 0, 0)), INTEGER_MAX)
  assert.equal(freshEpoch(0, Number.MAX_SAFE_INTEGER, randomOf(0, 0, 0)), INTEGER_MAX)
})

test('what was written is read, and its mode is private', async () => {
  const files = filesWith(null)
  await writeEpoch(files, '/data/epoch', INTEGER_MAX)
  const [path, bytes, mode] = files.written[0]!
  assert.deepEqual([path, textOf(bytes), mode], ['/data/epoch', '9007199254740991\n', 0o600])
  assert.equal(await readEpoch(filesWith(bytes), '/data/epoch'), INTEGER_MAX)
})

test('no file is no epoch', async () => {
  assert.equal(await readEpoch(filesWith(null), '/data/epoch'), null)
})

test('a file that holds anything else is damaged', async () => {
  for (const text of ['', '\n', '-1', '1.5', '1e3', '0x10', '9007199254740992', '12345678901234567', '1 2', 'null']) {
    assert.equal(await readEpoch(filesWith(utf8(text)), '/data/epoch'), 'damaged', JSON.stringify(text))
  }
  assert.equal(await readEpoch(filesWith(Uint8Array.of(0xff)), '/data/epoch'), 'damaged')
  assert.equal(await readEpoch(filesWith(utf8(' 7\n')), '/data/epoch'), 7)
})

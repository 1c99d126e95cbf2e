// The folder itself: what a sender or a leftover could trick it with, what it forgets, and a disk that is full.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Partial } from '../../../cli/files/partial.ts'
import { ENTRIES_MAX, PARTIAL_AGE_MS_MAX, ReceivingFolder } from '../../../cli/files/receiving-folder.ts'
import { noise, receiving, temporaryFolder } from './transfer.ts'

const ID = 'ab'.repeat(32)
const CORNER = '.meshd-partial'

test('the folder is made where there is none, and its corner is for the owner alone', async (t) => {
  const path = join(temporaryFolder(t), 'deep', 'er')
  await ReceivingFolder.open(path, Date.now)
  assert.equal(lstatSync(join(path, CORNER)).mode & 0o777, 0o700)
  await ReceivingFolder.open(path, Date.now)
})

test('what is no folder is refused, and a corner that leads elsewhere too', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'file'), '')
  await assert.rejects(ReceivingFolder.open(join(path, 'file'), Date.now), {
    code: 'accept-files',
    message: `cannot receive files in ${join(path, 'file')}: it is no folder; it must be a folder of yours`,
  })
  if (process.platform === 'linux') {
    await assert.rejects(ReceivingFolder.open('/proc/nope', Date.now), { code: 'accept-files' })
  }
  mkdirSync(join(path, 'elsewhere'))
  mkdirSync(join(path, 'inbox'))
  symlinkSync(join(path, 'elsewhere'), join(path, 'inbox', CORNER))
  await assert.rejects(ReceivingFolder.open(join(path, 'inbox'), Date.now), { code: 'accept-files' })
})

test('links are not followed: neither under the name nor under that of the partial file', async (t) => {
  const path = temporaryFolder(t)
  const folder = await ReceivingFolder.open(path, Date.now)
  writeFileSync(join(path, 'victim'), 'precious')
  symlinkSync(join(path, 'victim'), join(path, 'a.txt'))
  symlinkSync(join(path, 'nowhere'), join(path, 'a (1).txt'))
  symlinkSync(join(path, 'victim'), join(path, CORNER, `${ID}.part`))
  const partial = await folder.partial(ID)
  assert.equal(partial.bytes, 0)
  await partial.append(Buffer.from('sent'))
  assert.equal(await folder.place(ID, partial, 'a.txt'), 'a (2).txt')
  await partial.close(false)
  assert.equal(readFileSync(join(path, 'victim'), 'utf8'), 'precious')
  assert.equal(readFileSync(join(path, 'a (2).txt'), 'utf8'), 'sent')
  assert.ok(!existsSync(join(path, 'nowhere')))
})

test('a partial file that has another name too is not written to', async (t) => {
  const path = temporaryFolder(t)
  const folder = await ReceivingFolder.open(path, Date.now)
  writeFileSync(join(path, 'whole'), 'whole')
  linkSync(join(path, 'whole'), join(path, CORNER, `${ID}.part`))
  const partial = await folder.partial(ID)
  await partial.append(Buffer.from('XX'))
  await partial.close(false)
  assert.equal(readFileSync(join(path, 'whole'), 'utf8'), 'whole')
})

test('a node that ended between the note and the name, or behind it, loses nothing and doubles nothing', async (t) => {
  const path = temporaryFolder(t)
  const folder = await ReceivingFolder.open(path, Date.now)
  const partial = await folder.partial(ID)
  await partial.append(Buffer.from('sent'))
  const { size, mtimeMs } = await partial.handle.stat()
  const note = JSON.stringify({ name: 'a', sha256: partial.sha256(), size, mtimeMs })
  await partial.close(false)
  writeFileSync(join(path, CORNER, `${ID}.done`), note)
  assert.equal(await folder.received(ID), null, 'the name is not there yet')
  linkSync(join(path, CORNER, `${ID}.part`), join(path, 'a'))
  assert.equal((await folder.received(ID))?.name, 'a')
})

test('a note that cannot be read counts as none', async (t) => {
  const path = temporaryFolder(t)
  const folder = await ReceivingFolder.open(path, Date.now)
  for (const note of ['', '{', 'x'.repeat(5_000), '{"name":"gone","sha256":"","size":0,"mtimeMs":0}']) {
    writeFileSync(join(path, CORNER, `${ID}.done`), note)
    assert.equal(await folder.received(ID), null)
  }
})

test('what is empty or to be forgotten leaves nothing, what has come stays', async (t) => {
  const path = temporaryFolder(t)
  const folder = await ReceivingFolder.open(path, Date.now)
  const file = join(path, CORNER, `${ID}.part`)
  await (await folder.partial(ID)).close(false)
  assert.ok(!existsSync(file))
  const kept = await folder.partial(ID)
  await kept.append(Buffer.from('abc'))
  await kept.close(false)
  const again = await Partial.open(file)
  assert.equal(again.bytes, 3)
  assert.equal(again.sha256(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  await again.append(Buffer.from('def'))
  assert.equal(readFileSync(file, 'utf8'), 'abcdef')
  await again.restart()
  await again.append(Buffer.from('abc'))
  assert.equal(again.sha256(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  await again.close(true)
  assert.ok(!existsSync(file))
})

test('what nobody went on with for a week is removed, and the oldest beyond the bound, but nothing that is not ours', async (t) => {
  const path = temporaryFolder(t)
  const nowMs = 2_000_000_000_000
  const folder = await ReceivingFolder.open(path, () => nowMs)
  const corner = join(path, CORNER)
  const id = (number: number): string => number.toString(16).padStart(64, '0')
  const put = (name: string, ageMs: number): void => {
    writeFileSync(join(corner, name), 'x')
    utimesSync(join(corner, name), new Date(nowMs - ageMs), new Date(nowMs - ageMs))
  }
  put(`${id(1)}.part`, PARTIAL_AGE_MS_MAX + 1_000)
  put(`${id(2)}.done`, PARTIAL_AGE_MS_MAX + 1_000)
  put(`${id(3)}.part`, PARTIAL_AGE_MS_MAX - 1_000)
  put(`${id(4)}.part`, PARTIAL_AGE_MS_MAX + 1_000)
  put('notes.txt', PARTIAL_AGE_MS_MAX + 1_000)
  await folder.sweep(new Set([id(4)]))
  assert.deepEqual(readdirSync(corner).sort(), [`${id(3)}.part`, `${id(4)}.part`, 'notes.txt'])
  for (let i = 0; i < ENTRIES_MAX; i++) put(`${id(100 + i)}.part`, i)
  await folder.sweep(new Set())
  const left = readdirSync(corner)
  assert.equal(left.length, ENTRIES_MAX + 1)
  assert.ok(!left.includes(`${id(3)}.part`) && !left.includes(`${id(4)}.part`))
})

test('several nodes may sweep one folder at once', async (t) => {
  const path = temporaryFolder(t)
  const nowMs = Date.now() + PARTIAL_AGE_MS_MAX + 60_000
  const folders = await Promise.all(Array.from({ length: 4 }, () => ReceivingFolder.open(path, () => nowMs)))
  for (let i = 0; i < 400; i++) writeFileSync(join(path, CORNER, `${i.toString(16).padStart(64, '0')}.part`), 'x')
  const sweeps = folders.map(async (folder, i) => {
    for (let turns = 0; turns < i * 60; turns++) await new Promise((resolve) => setImmediate(resolve))
    await folder.sweep(new Set())
  })
  await Promise.all(sweeps)
  assert.deepEqual(readdirSync(join(path, CORNER)), [])
})

test('a partial file that somebody goes on with is not swept, by another node either', async (t) => {
  const path = temporaryFolder(t)
  const folders = await Promise.all([0, 1].map(() => ReceivingFolder.open(path, Date.now)))
  const file = join(path, CORNER, `${ID}.part`)
  writeFileSync(file, 'x')
  utimesSync(file, new Date(0), new Date(0))
  const partial = await folders[0]!.partial(ID)
  await folders[1]!.sweep(new Set())
  assert.ok(existsSync(file))
  await partial.close(true)
})

test('a full disk is told as such, and what has come stays', { skip: cannotMount() }, async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'meshd-full-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path])
  assert.equal(mounted.status, 0, mounted.stderr.toString())
  t.after(() => {
    spawnSync('umount', ['-l', path])
    rmdirSync(path)
  })
  const { open, folder, failed } = await receiving(t, path)
  folder.freeBytes = async () => Number.POSITIVE_INFINITY
  const stream = open()
  const heard: Buffer[] = []
  stream.on('data', (chunk) => heard.push(chunk))
  stream.write(`${JSON.stringify({ name: 'a', size: 1_000_000, mtimeMs: 0 })}\n{"from":0}\n`)
  stream.end(noise(1_000_000))
  await new Promise((resolve) => stream.on('close', resolve))
  assert.match(Buffer.concat(heard).toString(), /"code":"disk-full"/)
  assert.match(failed.join(), /ENOSPC/)
  const [partial] = readdirSync(join(path, CORNER))
  assert.ok(lstatSync(join(path, CORNER, partial!)).size > 0)
})

function cannotMount(): string | false {
  return process.platform !== 'linux' || process.getuid?.() !== 0 ? 'only root can make a small disk' : false
}

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { nodeFiles } from '../../lib/io/files.ts'
import { BOOK_BYTES_MAX } from '../../lib/limits.ts'

const NO_PIPES = process.platform === 'win32' && 'POSIX only'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshd-files-'))
})
after(() => rm(folder, { recursive: true }))

test('what was written is read back as a plain Uint8Array, with the mode asked for whatever the umask', async () => {
  const path = join(folder, 'key')
  const umask = process.umask(0o077)
  try {
    await nodeFiles.writeAtomic(path, Uint8Array.of(1, 2, 3), 0o644)
  } finally {
    process.umask(umask)
  }
  const bytes = await nodeFiles.read(path)
  assert.deepEqual(bytes, Uint8Array.of(1, 2, 3))
  assert.equal(Buffer.isBuffer(bytes), false)
  assert.equal(await nodeFiles.mode(path), 0o644)
  await nodeFiles.writeAtomic(path, new Uint8Array(0), 0o600)
  assert.deepEqual(await nodeFiles.read(path), new Uint8Array(0))
  assert.equal(await nodeFiles.mode(path), 0o600)
})

test('a missing file is null, to read and to ask the mode of', async () => {
  assert.equal(await nodeFiles.read(join(folder, 'missing')), null)
  assert.equal(await nodeFiles.mode(join(folder, 'missing')), null)
})

test('what is longer than any file of a node, and what is no file, is not read', { skip: NO_PIPES }, async () => {
  const path = join(folder, 'long')
  await writeFile(path, '')
  await truncate(path, BOOK_BYTES_MAX)
  assert.equal((await nodeFiles.read(path))?.length, BOOK_BYTES_MAX)
  await truncate(path, BOOK_BYTES_MAX + 1)
  const tooLong = /long: it has 8388609 bytes, more than a node writes there$/
  await assert.rejects(nodeFiles.read(path), { code: 'data-folder', message: tooLong })
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  await assert.rejects(nodeFiles.read(pipe), { code: 'data-folder', message: /it is no ordinary file$/ })
  await symlink('/dev/null', join(folder, 'device'))
  await assert.rejects(nodeFiles.read(join(folder, 'device')), { code: 'data-folder', message: /ordinary file$/ })
})

test('of many writes at once the last one asked for wins, and no temporary file stays', async () => {
  const inner = join(folder, 'many')
  await mkdir(inner)
  const path = join(inner, 'state')
  const writes = Array.from({ length: 20 }, (_, i) => nodeFiles.writeAtomic(path, Uint8Array.of(i), 0o600))
  await Promise.all(writes)
  assert.deepEqual(await nodeFiles.read(path), Uint8Array.of(19))
  assert.deepEqual(await readdir(inner), ['state'])
})

test('a leftover of a crash, even a link, is replaced and not written through', async () => {
  const inner = join(folder, 'leftover')
  await mkdir(inner)
  const victim = join(inner, 'victim')
  await writeFile(victim, 'mine')
  await symlink(victim, join(inner, 'state.tmp'))
  await nodeFiles.writeAtomic(join(inner, 'state'), Uint8Array.of(1), 0o600)
  assert.equal(await readFile(victim, 'utf8'), 'mine')
  assert.deepEqual((await readdir(inner)).sort(), ['state', 'victim'])
})

test('a write that fails leaves the old file and nothing else, and does not fail the next one', async () => {
  const inner = join(folder, 'failing')
  await mkdir(join(inner, 'state', 'in-the-way'), { recursive: true })
  const first = nodeFiles.writeAtomic(join(inner, 'state'), Uint8Array.of(1), 0o600)
  await assert.rejects(first, { code: 'data-folder', message: /^cannot write .*state: / })
  assert.deepEqual(await readdir(inner), ['state'])
  await rm(join(inner, 'state'), { recursive: true })
  await nodeFiles.writeAtomic(join(inner, 'state'), Uint8Array.of(2), 0o600)
  assert.deepEqual(await nodeFiles.read(join(inner, 'state')), Uint8Array.of(2))
})

test('folders are made with those above them, and what is there stays as it is', async () => {
  const deep = join(folder, 'one', 'two', 'three')
  await Promise.all([nodeFiles.makeFolder(deep), nodeFiles.makeFolder(`${join(folder, 'one', 'two')}/`)])
  await nodeFiles.makeFolder(deep)
  await nodeFiles.makeFolder('/')
  if (process.platform !== 'win32') assert.equal((await stat(deep)).mode & 0o777, 0o700)
  const file = join(folder, 'one', 'file')
  await writeFile(file, '')
  await assert.rejects(nodeFiles.makeFolder(file), { code: 'data-folder', message: /it exists already$/ })
  await assert.rejects(nodeFiles.makeFolder(join(file, 'x')), { code: 'data-folder', message: /not a folder$/ })
})

test('where the system makes no folders, that is said at once', { skip: process.platform !== 'linux' }, async () => {
  const refused = { code: 'data-folder', message: /^cannot make the folder \/proc\/nope\S*: no such file or folder$/ }
  await assert.rejects(nodeFiles.makeFolder('/proc/nope'), refused)
  await assert.rejects(nodeFiles.makeFolder('/proc/nope/deep/down'), refused)
})

test('errors are data-folder, with path and reason in words', async () => {
  await assert.rejects(nodeFiles.read(folder), { code: 'data-folder', message: /it is a folder$/ })
  await assert.rejects(nodeFiles.writeAtomic(join(folder, 'no', 'such'), Uint8Array.of(1), 0o600), {
    code: 'data-folder',
    message: /no such file or folder$/,
  })
  const file = join(folder, 'file')
  await writeFile(file, '')
  await assert.rejects(nodeFiles.makeFolder(file), { code: 'data-folder', message: /it exists already$/ })
  await assert.rejects(nodeFiles.makeFolder(join(file, 'x')), { code: 'data-folder', message: /not a folder$/ })
  await assert.rejects(nodeFiles.mode(join(file, 'x')), { code: 'data-folder', message: /not a folder$/ })
})

test('makeFolder makes parents with mode 0700 and leaves what is there', async () => {
  const path = join(folder, 'a', 'b')
  await nodeFiles.makeFolder(path)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  assert.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o700)
  await chmod(path, 0o755)
  await nodeFiles.makeFolder(path)
  assert.equal((await stat(path)).mode & 0o777, 0o755)
})

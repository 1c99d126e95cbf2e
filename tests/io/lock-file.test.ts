import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lockFile } from '../../lib/io/lock-file.ts'

const withoutProc = existsSync('/proc/self/stat') ? false : 'this system has no /proc'
const module = fileURLToPath(new URL('../../lib/io/lock-file.ts', import.meta.url))

let folder: string
let path: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshd-lock-'))
})
beforeEach(async () => {
  path = join(await mkdtemp(join(folder, 'case-')), 'lock')
})
after(() => rm(folder, { recursive: true }))

/** Another process that locks `path`, says 'locked' or the error, and stays until its standard input ends. */
function locker(): { child: ChildProcess; said: Promise<string> } {
  const code = `
    import { lockFile } from ${JSON.stringify(module)}
    lockFile(${JSON.stringify(path)}).then(() => console.log('locked'), (error) => console.log(error.message))
    process.stdin.resume().on('end', () => process.exit())`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  return { child, said: once(child.stdout!, 'data').then(([text]) => String(text).trim()) }
}

test('a lock is exclusive in this process too, names the holder, and can be taken again once released', async () => {
  const first = await lockFile(path)
  await assert.rejects(lockFile(path), { code: 'data-folder', message: /this process already uses it/ })
  await first.release()
  assert.equal(existsSync(path), false)
  const second = await lockFile(path)
  await first.release()
  assert.equal(existsSync(path), true)
  await second.release()
  await second.release()
})

test('a lock that another process holds is refused with its pid, and free once that process was killed', async () => {
  const { child, said } = locker()
  try {
    assert.equal(await said, 'locked')
    await assert.rejects(lockFile(path), {
      code: 'data-folder',
      message: new RegExp(`the process with pid ${child.pid} uses it`),
    })
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  assert.equal(existsSync(path), true)
  const lock = await lockFile(path)
  await lock.release()
  assert.deepEqual(await readdir(join(path, '..')), [])
})

test('of many that find a dead holder at the same time exactly one gets the lock', async () => {
  await writeFile(path, JSON.stringify({ pid: 2 ** 22 + 1, start: '1', boot: null, token: 'x' }))
  const many = await Promise.allSettled(Array.from({ length: 20 }, () => lockFile(path)))
  assert.equal(many.filter((one) => one.status === 'fulfilled').length, 1)
  await writeFile(path, JSON.stringify({ pid: 2 ** 22 + 1, start: '1', boot: null, token: 'x' }))
  const others = Array.from({ length: 4 }, locker)
  const said = await Promise.all(others.map((other) => other.said))
  for (const { child } of others) {
    child.stdin!.end()
    await once(child, 'exit')
  }
  assert.equal(said.filter((text) => text === 'locked').length, 1, said.join('\n'))
  assert.deepEqual(await readdir(join(path, '..')), ['lock'])
})

test('a process with the holder’s number that started at another time is not the holder', {
  skip: withoutProc,
}, async () => {
  await writeFile(path, JSON.stringify({ pid: process.ppid, start: '1', boot: null, token: 'x' }))
  const lock = await lockFile(path)
  const written = JSON.parse(await readFile(path, 'utf8'))
  assert.equal(written.pid, process.pid)
  assert.match(written.start, /^\d+$/)
  await lock.release()
})

test('a holder from before the machine was started again is dead', { skip: withoutProc }, async () => {
  const own = await lockFile(path)
  const written = JSON.parse(await readFile(path, 'utf8'))
  await own.release()
  await writeFile(path, JSON.stringify({ ...written, boot: 'another boot' }))
  const lock = await lockFile(path)
  await lock.release()
  await writeFile(path, JSON.stringify(written))
  await assert.rejects(lockFile(path), { code: 'data-folder' })
})

test('a holder without start time counts as alive while any process has its number, and the message says so', async () => {
  await writeFile(path, JSON.stringify({ pid: process.ppid, token: 'x' }))
  await assert.rejects(lockFile(path), {
    code: 'data-folder',
    message: /or remove .*lock if that process is no mesh node/,
  })
})

test('a lock file that is empty, cut short or something else is void', async () => {
  for (const content of ['', '{"pid":1', 'null', '[]', '{"pid":0}', '{"pid":1.5}', '{"pid":"1"}', '\u0000\u0001']) {
    await writeFile(path, content)
    const lock = await lockFile(path)
    await lock.release()
  }
})

test('a folder that is missing is an error with the reason in words', async () => {
  await assert.rejects(lockFile(join(path, 'no', 'lock')), { code: 'data-folder', message: /no such file or folder/ })
})

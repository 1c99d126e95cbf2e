// `meshd cp` against a receiver in the same process: what it does when things break, and what it shows.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { type CopyCommand, type CopyHost, copy, parseTarget } from '../../../cli/files/cp-command.ts'
import { FILES_PROTOCOL } from '../../../cli/files/messages.ts'
import type { DoorStream, StreamDoor } from '../../../cli/streams/door.ts'
import { MeshError } from '../../../lib/errors.ts'
import { StreamResetError } from '../../../lib/streams/reset-codes.ts'
import { streamPair } from '../streams/stream-pair.ts'
import { noise, RECEIVER, receiving, SENDER, temporaryFolder } from './transfer.ts'

class FakeCopyHost implements CopyHost {
  readonly stdout: PassThrough = new PassThrough()
  readonly stderr: PassThrough & { isTTY?: boolean; columns?: number } = new PassThrough()
  readonly signals: EventEmitter = new EventEmitter()
  readonly exits: number[] = []
  /** Each look at the clock is so much later. */
  stepMs = 1
  #nowMs = 0
  out = ''
  err = ''

  constructor() {
    this.stdout.on('data', (chunk) => {
      this.out += chunk
    })
    this.stderr.on('data', (chunk) => {
      this.err += chunk
    })
  }

  nowMs(): number {
    this.#nowMs += this.stepMs
    return this.#nowMs
  }

  /** Waits are as short as they can be. */
  chance = (): number => -1 + 2 ** -20

  exit(code: number): void {
    this.exits.push(code)
  }

  events(): Record<string, unknown>[] {
    return this.out
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }
}

const command = (file: string, more: Partial<CopyCommand> = {}): CopyCommand => ({
  file,
  peer: 'bob',
  name: null,
  json: false,
  retryForMs: 60_000,
  ...more,
})

type Open = (attempt: number) => Promise<DoorStream> | DoorStream

function doorOf(open: Open): StreamDoor & { opened: number } {
  const door = {
    opened: 0,
    open: async (_peer: string, _names: readonly string[], { signal }: { signal: AbortSignal }) => {
      signal.throwIfAborted()
      return open(door.opened++)
    },
    accept: () => Promise.reject(new Error('not used')),
  }
  return door
}

test('a target is a peer, with a name behind the last colon', () => {
  assert.deepEqual(parseTarget('bob'), { peer: 'bob', name: null })
  assert.deepEqual(parseTarget('bob:x.txt'), { peer: 'bob', name: 'x.txt' })
  assert.deepEqual(parseTarget('bob:'), { peer: 'bob', name: null })
  assert.deepEqual(parseTarget('a:b:c'), { peer: 'a:b', name: 'c' })
  for (const text of ['', ':', ':x']) assert.throws(() => parseTarget(text), { code: 'usage' })
})

test('a file is sent, and into a pipe nothing is said', async (t) => {
  const path = temporaryFolder(t)
  const inbox = join(path, 'in')
  const { door } = await receiving(t, inbox)
  writeFileSync(join(path, 'a.bin'), noise(3_000_000))
  const host = new FakeCopyHost()
  assert.equal(await copy(command(join(path, 'a.bin')), door, host), 0)
  assert.deepEqual(readFileSync(join(inbox, 'a.bin')), noise(3_000_000))
  assert.deepEqual([host.out, host.err], ['', ''])
  assert.equal(await copy(command(join(path, 'a.bin'), { name: 'b.bin' }), door, host), 0)
  assert.equal(statSync(join(inbox, 'b.bin')).size, 3_000_000)
  assert.equal(host.signals.eventNames().length, 0)
})

test('a file under another name than asked for is told', async (t) => {
  const path = temporaryFolder(t)
  const inbox = join(path, 'in')
  const { door } = await receiving(t, inbox)
  writeFileSync(join(inbox, 'a.bin'), 'mine')
  writeFileSync(join(path, 'a.bin'), 'theirs')
  const host = new FakeCopyHost()
  assert.equal(await copy(command(join(path, 'a.bin')), door, host), 0)
  assert.equal(host.err, 'meshd: it is there under the name a (1).bin\n')
})

test('a terminal has a line that is drawn anew, and a sentence at the end', async (t) => {
  const path = temporaryFolder(t)
  const { door } = await receiving(t, join(path, 'in'))
  writeFileSync(join(path, 'a.bin'), noise(2_000_000))
  const host = new FakeCopyHost()
  host.stderr.isTTY = true
  host.stderr.columns = 60
  host.stepMs = 60
  assert.equal(await copy(command(join(path, 'a.bin')), door, host), 0)
  const drawn = host.err.split('\r\x1b[K').slice(1)
  assert.ok(drawn.length > 3)
  assert.ok(drawn.slice(0, -1).every((line) => line.length < 60 && line.startsWith('a.bin')))
  assert.match(drawn.at(-1)!, /^meshd: a\.bin: 1\.9 MiB in .* s, .*\/s, verified at /)
  assert.equal(host.out, '')
})

test('with --json every step is one object a line', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'))
  writeFileSync(join(path, 'a.bin'), noise(1_000_000))
  const host = new FakeCopyHost()
  host.stepMs = 600
  const door = doorOf((attempt) => {
    const stream = open()
    if (attempt === 0) setImmediate(() => stream.cut())
    return stream
  })
  assert.equal(await copy(command(join(path, 'a.bin'), { json: true }), door, host), 0)
  const events = host.events()
  const kinds = events.map(({ event }) => event)
  assert.equal(kinds.filter((kind) => kind === 'retry').length, 1)
  assert.deepEqual([...new Set(kinds)].sort(), ['done', 'progress', 'retry', 'started'])
  const done = events.at(-1)!
  assert.deepEqual(Object.keys(done), ['event', 'peer', 'name', 'bytes', 'sha256', 'from', 'seconds'])
  assert.deepEqual([done.peer, done.name, done.bytes], [RECEIVER, 'a.bin', 1_000_000])
  assert.equal(host.err, '')
})

test('it goes on by itself after every break, behind what is there', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'))
  const bytes = noise(4_000_000)
  writeFileSync(join(path, 'a.bin'), bytes)
  const host = new FakeCopyHost()
  const door = doorOf((attempt) => {
    // A node that restarts, a link that breaks, and again.
    if (attempt === 1) throw new MeshError('not-running', 'no node is running')
    if (attempt === 2) throw new MeshError('unreachable', 'no way')
    const stream = open()
    if (attempt < 6) {
      let left = 5
      stream.on('drain', () => {
        if (--left === 0) stream.cut()
      })
    }
    return stream
  })
  assert.equal(await copy(command(join(path, 'a.bin'), { json: true }), door, host), 0)
  assert.ok(door.opened > 4, String(door.opened))
  const froms = host
    .events()
    .filter(({ event }) => event === 'started')
    .map(({ from }) => from as number)
  assert.ok(froms.length > 2 && froms.at(-1)! > 0)
  assert.deepEqual(
    froms,
    froms.toSorted((a, b) => a - b),
  )
  assert.deepEqual(readFileSync(join(path, 'in', 'a.bin')), bytes)
})

test('the first try tells at once what is wrong: no node, no such peer, nobody who takes files', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'a.bin'), 'x')
  for (const [thrown, code] of [
    [new MeshError('not-running', 'none'), 'not-running'],
    [new MeshError('timed-out', 'late'), 'timed-out'],
    [new StreamResetError(1), 'not-accepted'],
  ] as const) {
    const door = doorOf(() => Promise.reject(thrown))
    await assert.rejects(copy(command(join(path, 'a.bin')), door, new FakeCopyHost()), { code })
    assert.equal(door.opened, 1)
  }
})

test('a refusal is final, but for a receiver that is busy', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'), { fileBytesMax: 10 })
  writeFileSync(join(path, 'a.bin'), 'x'.repeat(11))
  const door = doorOf(() => open())
  await assert.rejects(copy(command(join(path, 'a.bin')), door, new FakeCopyHost()), { code: 'too-large' })
  assert.equal(door.opened, 1)

  writeFileSync(join(path, 'b.bin'), 'b')
  const busy = doorOf((attempt) => {
    if (attempt > 0) return open()
    const [near, far] = streamPair(SENDER, RECEIVER, FILES_PROTOCOL)
    far.resume()
    far.end('{"error":{"code":"busy","text":"later"}}\n')
    return near
  })
  assert.equal(await copy(command(join(path, 'b.bin')), busy, new FakeCopyHost()), 0)
  assert.equal(busy.opened, 2)
})

test('a refusal in the middle ends it, whatever is still to be sent', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'a.bin'), noise(2_000_000))
  const door = doorOf(() => {
    const [near, far] = streamPair(SENDER, RECEIVER, FILES_PROTOCOL)
    far.write(`{"have":0,"sha256":"${'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}"}\n`)
    // It does not even read any more.
    far.once('data', () => {
      far.pause()
      far.write('{"error":{"code":"disk-full","text":"the disk of the other node is full"}}\n')
    })
    return near
  })
  const failed = copy(command(join(path, 'a.bin')), door, new FakeCopyHost())
  await assert.rejects(failed, { code: 'disk-full', message: 'the disk of the other node is full' })
  assert.equal(door.opened, 1)
})

test('when nothing moves for as long as it may, it gives up as timed out', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'))
  writeFileSync(join(path, 'a.bin'), noise(100))
  const host = new FakeCopyHost()
  const door = doorOf((attempt) => {
    if (attempt > 0) throw new MeshError('unreachable', 'no way')
    const stream = open()
    setImmediate(() => stream.cut())
    return stream
  })
  host.stepMs = 100
  await assert.rejects(copy(command(join(path, 'a.bin'), { retryForMs: 1_000 }), door, host), {
    code: 'timed-out',
    message: /nothing moved for 1 s; the last try: no way/,
  })
  assert.ok(door.opened > 2)
})

test('what is no file, or has no name that can be sent, is told before anything is opened', async (t) => {
  const path = temporaryFolder(t)
  mkdirSync(join(path, 'folder'))
  writeFileSync(join(path, '.hidden'), '')
  const door = doorOf(() => Promise.reject(new Error('must not be opened')))
  const host = new FakeCopyHost()
  const none = join(path, 'none')
  const says = `cannot read ${none}: no such file or folder`
  await assert.rejects(copy(command(none), door, host), { code: 'bad-file', message: says })
  await assert.rejects(copy(command(join(path, 'folder')), door, host), { code: 'bad-file' })
  await assert.rejects(copy(command(join(path, '.hidden')), door, host), { code: 'usage' })
  await assert.rejects(copy(command(join(path, 'none'), { name: 'a/b' }), door, host), { code: 'usage' })
  assert.equal(door.opened, 0)
})

test('a named pipe that nobody writes to is no file, and is not waited for', {
  skip: process.platform === 'win32' && 'POSIX only',
  timeout: 20_000,
}, async (t) => {
  let pipe = ''
  // Whoever waits for a writer all the same gets one at the end.
  t.after(() => closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)))
  pipe = join(temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  const door = doorOf(() => Promise.reject(new Error('must not be opened')))
  await assert.rejects(copy(command(pipe), door, new FakeCopyHost()), { code: 'bad-file', message: /is no file/ })
})

test('a file that hides its size is not sent as an empty one', {
  skip: !existsSync('/proc/self/status') && 'no /proc',
}, async () => {
  const door = doorOf(() => Promise.reject(new Error('must not be opened')))
  const copying = copy(command('/proc/self/status'), door, new FakeCopyHost())
  await assert.rejects(copying, { code: 'bad-file', message: /does not tell its size/ })
})

test('a file that changes while it is sent is not passed off as one', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'))
  const file = join(path, 'a.bin')
  for (const change of [
    () => truncateSync(file, 10),
    () => utimesSync(file, new Date(0), new Date(0)),
    () => writeFileSync(file, 'more', { flag: 'a' }),
  ]) {
    writeFileSync(file, noise(2_000_000))
    const door = doorOf(() => {
      const stream = open()
      stream.once('drain', change)
      return stream
    })
    await assert.rejects(copy(command(file), door, new FakeCopyHost()), { code: 'file-changed' })
    assert.equal(door.opened, 1)
  }
})

test('a signal resets the stream, also while it waits for the next try', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, join(path, 'in'))
  writeFileSync(join(path, 'a.bin'), noise(2_000_000))
  const host = new FakeCopyHost()
  const door = doorOf(() => {
    const stream = open()
    stream.once('drain', () => host.signals.emit('SIGINT'))
    return stream
  })
  assert.equal(await copy(command(join(path, 'a.bin')), door, host), 130)
  assert.deepEqual(host.exits, [])

  const waiting = new FakeCopyHost()
  waiting.chance = () => 1
  const once = doorOf((attempt) => {
    if (attempt > 0) throw new Error('it waits')
    const stream = open()
    setImmediate(() => stream.cut())
    setTimeout(() => waiting.signals.emit('SIGTERM'), 50)
    return stream
  })
  assert.equal(await copy(command(join(path, 'a.bin')), once, waiting), 143)
})

// `meshd pipe` with a stream whose other end the test holds.

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pipe } from '../../cli/pipe-command.ts'
import type { DoorStream, StreamDoor } from '../../cli/streams/door.ts'
import { MeshError } from '../../lib/errors.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { readAll, type StreamEnd, streamPair } from './streams/stream-pair.ts'

class Ends {
  readonly stdin: PassThrough = new PassThrough()
  readonly stdout: Writable
  readonly signals: EventEmitter = new EventEmitter()
  readonly exits: number[] = []
  readonly opened: { peer: string | null; protocol: string }[] = []
  readonly near: StreamEnd
  readonly far: StreamEnd
  readonly door: StreamDoor

  constructor(stdout: Writable = new PassThrough()) {
    this.stdout = stdout
    ;[this.near, this.far] = streamPair('a', 'b')
    this.door = {
      open: async (peer, [protocol]) => this.#give(peer, protocol!),
      accept: async (protocol) => this.#give(null, protocol),
    }
  }

  exit(code: number): void {
    this.exits.push(code)
  }

  get out(): string {
    return String((this.stdout as PassThrough).read() ?? '')
  }

  #give(peer: string | null, protocol: string): DoorStream {
    this.opened.push({ peer, protocol })
    return this.near
  }
}

const EPIPE = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
const TO_BOB = { peer: 'bob', protocol: '/x/1', openMs: null }

test('both directions go through, each ends by itself, and then it is done', async () => {
  const ends = new Ends()
  const ended = pipe(TO_BOB, ends.door, ends)
  ends.stdin.end('question')
  assert.equal((await readAll(ends.far)).toString(), 'question')
  ends.far.write('answer, ')
  await turn()
  ends.far.end('and more')
  assert.equal(await ended, 0)
  assert.equal(ends.out, 'answer, and more')
  assert.deepEqual(ends.opened, [{ peer: 'bob', protocol: '/x/1' }])
  assert.equal(ends.stdout.writableEnded, false)
  assert.deepEqual([ends.signals.eventNames(), ends.exits], [[], []])
})

test('the other end may end first', async () => {
  const ends = new Ends()
  const ended = pipe({ peer: null, protocol: '/x/1', openMs: null }, ends.door, ends)
  ends.far.end('hello')
  ends.stdin.write('still ')
  for (let turns = 0; turns < 10; turns++) await turn()
  ends.stdin.end('here')
  assert.equal((await readAll(ends.far)).toString(), 'still here')
  assert.equal(await ended, 0)
  assert.equal(ends.out, 'hello')
  assert.deepEqual(ends.opened, [{ peer: null, protocol: '/x/1' }])
})

test('at a keyboard, what the other end has ended is over', async () => {
  const ends = new Ends()
  Object.assign(ends.stdin, { isTTY: true })
  const ended = pipe({ peer: null, protocol: '/x/1', openMs: null }, ends.door, ends)
  ends.stdin.write('typed')
  await turn()
  ends.far.end('a file')
  assert.equal(await ended, 0)
  assert.equal((await readAll(ends.far)).toString(), 'typed')
  assert.equal(ends.out, 'a file')
})

test('a reset of the other end, or a link that breaks, is an error', async () => {
  const reset = new Ends()
  const first = pipe(TO_BOB, reset.door, reset)
  await turn()
  reset.far.destroy(new StreamResetError(64))
  await assert.rejects(first, { code: 'stream-reset', streamCode: 64 })
  const cut = new Ends()
  const second = pipe(TO_BOB, cut.door, cut)
  await turn()
  cut.far.cut()
  await assert.rejects(second, { code: 'connection-lost' })
})

test('what the door says is told: no node, nobody who answers', async () => {
  for (const code of ['not-running', 'timed-out'] as const) {
    const ends = new Ends()
    const door: StreamDoor = { ...ends.door, open: () => Promise.reject(new MeshError(code, 'text')) }
    await assert.rejects(pipe(TO_BOB, door, ends), { code })
    assert.deepEqual(ends.signals.eventNames(), [])
  }
})

test('a signal resets the stream; a second one does not wait', async () => {
  const ends = new Ends()
  const ended = pipe(TO_BOB, ends.door, ends)
  ends.stdin.write('some')
  await turn()
  ends.signals.emit('SIGINT')
  ends.signals.emit('SIGTERM')
  assert.equal(await ended, 130)
  assert.deepEqual(ends.exits, [143, 130])
  await assert.rejects(readAll(ends.far), { code: 'stream-reset', streamCode: 0 })
})

test('a signal while the stream is being opened gives it up', async () => {
  const ends = new Ends()
  const door: StreamDoor = {
    ...ends.door,
    accept: (_name, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new MeshError('aborted', 'given up')))),
  }
  const ended = pipe({ peer: null, protocol: '/x/1', openMs: null }, door, ends)
  await turn()
  ends.signals.emit('SIGTERM')
  assert.equal(await ended, 143)
})

test('a reader of standard output that left resets the stream and is no error to tell', async () => {
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  })
  const ends = new Ends(stdout)
  const ended = pipe(TO_BOB, ends.door, ends)
  ends.far.write('answer')
  assert.equal(await ended, 1)
  await assert.rejects(readAll(ends.far), { code: 'stream-reset', streamCode: 0 })
})

test('a reader that left before there was a stream is not waited for', async () => {
  const ends = new Ends()
  const door: StreamDoor = {
    ...ends.door,
    accept: (_name, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new MeshError('aborted', 'given up')))),
  }
  const ended = pipe({ peer: null, protocol: '/x/1', openMs: null }, door, ends)
  await turn()
  ends.stdout.emit('error', EPIPE)
  assert.equal(await ended, 1)
  assert.equal(ends.stdout.listenerCount('error'), 0)
})

test('a reader that leaves once it has got everything ends nothing', async () => {
  const ends = new Ends()
  const ended = pipe(TO_BOB, ends.door, ends)
  ends.far.end('answer')
  for (let turns = 0; turns < 10; turns++) await turn()
  assert.equal(ends.out, 'answer')
  ends.stdout.emit('error', EPIPE)
  ends.stdin.end('the rest')
  assert.equal((await readAll(ends.far)).toString(), 'the rest')
  assert.equal(await ended, 0)
})

test('standard input or output that fails is told, and the other end hears that this one failed', async () => {
  const full = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
  })
  const output = new Ends(full)
  const first = pipe(TO_BOB, output.door, output)
  output.far.write('answer')
  await assert.rejects(first, { code: 'output-failed', message: /no space/ })
  await assert.rejects(readAll(output.far), { code: 'stream-reset', streamCode: 3 })
  const input = new Ends()
  const second = pipe(TO_BOB, input.door, input)
  await turn()
  input.stdin.destroy(new Error('read failed'))
  await assert.rejects(second, { code: 'input-failed' })
})

test('a reader that stops holds the other end back', async () => {
  const stuck = new Writable({ highWaterMark: 1, write: () => undefined })
  const ends = new Ends(stuck)
  const ended = pipe(TO_BOB, ends.door, ends)
  let sent = 0
  const source = Readable.from(
    (function* () {
      for (; sent < 1_000; sent++) yield Buffer.alloc(65_536)
    })(),
  )
  source.pipe(ends.far)
  for (let turns = 0; turns < 500; turns++) await turn()
  assert.ok(sent < 50, `${sent} pieces were taken`)
  ends.signals.emit('SIGINT')
  assert.equal(await ended, 130)
  assert.deepEqual(ends.exits, [130], 'it does not wait for that reader')
})

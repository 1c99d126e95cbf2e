import assert from 'node:assert/strict'
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { StreamResetCode, StreamResetError } from '../../lib/streams/reset-codes.ts'
import { seeded } from '../crypto/seeded.ts'
import { Pair } from './pair.ts'

/** All that a stream gives, once it ends. */
function collect(stream: Readable): { readonly bytes: () => Buffer; readonly isEnded: () => boolean } {
  const chunks: Buffer[] = []
  let isEnded = false
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => {
    isEnded = true
  })
  return { bytes: () => Buffer.concat(chunks), isEnded: () => isEnded }
}

/** What a promise came to, without waiting for it. */
function outcome<T>(promise: Promise<T>): { value: T | undefined; error: unknown; isSettled: boolean } {
  const result: { value: T | undefined; error: unknown; isSettled: boolean } = {
    value: undefined,
    error: undefined,
    isSettled: false,
  }
  promise.then(
    (value) => Object.assign(result, { value, isSettled: true }),
    (error: unknown) => Object.assign(result, { error, isSettled: true }),
  )
  return result
}

function codeOf(error: unknown): number {
  assert.ok(error instanceof StreamResetError, String(error))
  assert.equal(error.code, 'stream-reset')
  return error.streamCode
}

test('what a stream gives is declared as Node declares it, for those who want a stream of Node', () => {
  type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
  type Chunk<S extends Duplex> = Awaited<ReturnType<ReturnType<S[typeof Symbol.asyncIterator]>['next']>>['value']
  // The compiler judges it.
  const isSame: [
    Same<ReturnType<MeshStream['read']>, ReturnType<Duplex['read']>>,
    Same<Chunk<MeshStream>, Chunk<Duplex>>,
  ] = [true, true]
  assert.deepEqual(isSame, [true, true])
})

test('a stream knows its protocol, its peer and its number', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open('/files/1')
  assert.ok(near instanceof Duplex)
  assert.deepEqual([near.protocol, near.peer, near.id], ['/files/1', 'listener', 1])
  assert.deepEqual([far.protocol, far.peer, far.id], ['/files/1', 'dialer', 1])
})

test('what is written at one end is read at the other, in order, and ends', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const random = seeded(11)
  const sent: Buffer[] = []
  const received = collect(far)
  const echoed = collect(near)
  for (let i = 0; i < 300; i++) {
    const chunk = Buffer.from(random.bytes(random.below(i % 10 === 0 ? 100_000 : 200)))
    sent.push(chunk)
    near.write(chunk)
  }
  near.end()
  far.end('that is all')
  await pair.until(() => received.isEnded() && echoed.isEnded())
  assert.ok(Buffer.concat(sent).equals(received.bytes()))
  assert.equal(echoed.bytes().toString(), 'that is all')
  await pair.until(() => near.closed && far.closed)
  assert.equal(pair.dialer.streams.count, 0)
  assert.equal(pair.listener.streams.count, 0)
})

test('one side ends and the other still talks', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const heard = collect(far)
  const answer = collect(near)
  near.end('question')
  await pair.until(() => heard.isEnded())
  assert.equal(near.closed, false)
  far.write('one ')
  await pair.settle()
  far.end('two')
  await pair.until(() => near.closed && far.closed)
  assert.equal(heard.bytes().toString(), 'question')
  assert.equal(answer.bytes().toString(), 'one two')
})

test('a stream that nobody reads closes all the same when nothing came on it', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  near.end()
  far.end()
  await pair.until(() => near.closed && far.closed)
  assert.deepEqual([pair.dialer.streams.count, pair.listener.streams.count], [0, 0])
})

test('pipeline carries bytes in, through and out', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const upper = new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()),
  })
  const echo = outcome(pipeline(far, upper, far))
  const out: Buffer[] = []
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      out.push(chunk)
      done()
    },
  })
  const sent = outcome(pipeline(Readable.from(['some ', 'words']), near))
  const got = outcome(pipeline(near, sink))
  await pair.until(() => echo.isSettled && sent.isSettled && got.isSettled)
  assert.deepEqual([echo.error, sent.error, got.error], [undefined, undefined, undefined])
  assert.equal(Buffer.concat(out).toString(), 'SOME WORDS')
  await pair.settle()
  assert.deepEqual([pair.dialer.streams.count, pair.listener.streams.count], [0, 0])
})

test('pipe does too', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.pipe(far)
  const back = collect(near)
  near.end('to and fro')
  await pair.until(() => back.isEnded())
  assert.equal(back.bytes().toString(), 'to and fro')
})

test('for await reads to the end and leaves the writing side open for the answer', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const serving = outcome(
    (async () => {
      let length = 0
      for await (const chunk of far) length += (chunk as Buffer).length
      far.end(`${length} bytes`)
    })(),
  )
  const answer = collect(near)
  near.end('x'.repeat(1_000))
  await pair.until(() => answer.isEnded() && serving.isSettled)
  assert.equal(serving.error, undefined)
  assert.equal(answer.bytes().toString(), '1000 bytes')
  await pair.until(() => far.closed && near.closed)
  assert.equal(near.errored, null)
})

test('for await that is left early gives the stream up', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const reading = outcome(
    (async () => {
      for await (const _chunk of far) break
    })(),
  )
  near.write('something')
  await pair.until(() => reading.isSettled && near.closed)
  assert.equal(far.destroyed, true)
  assert.equal(codeOf(near.errored), StreamResetCode.cancelled)
})

test('for await throws what reset the stream', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const reading = outcome(
    (async () => {
      for await (const _chunk of far);
    })(),
  )
  near.destroy(new Error('broken here'))
  await pair.until(() => reading.isSettled)
  assert.equal(codeOf(reading.error), StreamResetCode.failed)
})

test('what an end is destroyed with decides the code that the other is told', async () => {
  const timedOut = new MeshError('timed-out', 'too slow')
  const cases: [Error | undefined, number][] = [
    [undefined, 0],
    [new Error('anything'), 3],
    [timedOut, 4],
    [new MeshError('aborted', 'enough'), 0],
    [new StreamResetError(77), 77],
    [new StreamResetError(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    [new StreamResetError(-1), 3],
    [new DOMException('stop', 'AbortError'), 0],
    [new DOMException('too slow', 'TimeoutError'), 4],
  ]
  for (const [error, code] of cases) {
    const pair = new Pair()
    const { near, far } = await pair.open()
    near.destroy(error)
    await pair.until(() => far.closed)
    assert.equal(codeOf(far.errored), code, String(error))
    assert.deepEqual([pair.dialer.streams.count, pair.listener.streams.count], [0, 0])
    assert.deepEqual([pair.dialer.streams.windowBytes, pair.listener.streams.windowBytes], [0, 0])
  }
})

test('an AbortSignal on a pipeline cancels the stream', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const controller = new AbortController()
  const sending = outcome(pipeline(new PassThrough(), near, { signal: controller.signal }))
  controller.abort()
  await pair.until(() => far.closed && sending.isSettled)
  assert.equal(codeOf(far.errored), StreamResetCode.cancelled)
})

test('a reset without a listener for it is nobody’s uncaught exception', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  assert.equal(far.listenerCount('error'), 1)
  near.destroy(new Error('broken'))
  await pair.until(() => far.closed)
  assert.equal(codeOf(far.errored), StreamResetCode.failed)
})

test('a write is confirmed when its bytes have left, and not before', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.resume()
  pair.dialer.isShut = true
  let confirmed = 0
  for (let i = 0; i < 5; i++) near.write('x'.repeat(10_000), () => confirmed++)
  await pair.settle()
  assert.equal(confirmed, 0)
  pair.dialer.isShut = false
  await pair.until(() => confirmed === 5)
})

test('a write of nothing is confirmed', async () => {
  const pair = new Pair()
  const { near } = await pair.open()
  let confirmed = 0
  near.write(Buffer.alloc(0), () => confirmed++)
  near.write('', () => confirmed++)
  await pair.until(() => confirmed === 2)
})

test('a write that the stream’s end cut off fails, and its bytes are taken back', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.resume()
  pair.dialer.isShut = true
  const results: (Error | null | undefined)[] = []
  near.write('y'.repeat(200_000), (error) => results.push(error))
  near.write('z', (error) => results.push(error))
  await pair.settle()
  near.destroy()
  await pair.until(() => results.length === 2)
  assert.equal((results[0] as MeshError).code, 'aborted')
  assert.ok(results[1] instanceof Error)
  pair.dialer.isShut = false
  await pair.settle()
  assert.ok(!pair.listener.heard.includes(0x31), 'no byte of it left')
  assert.equal(pair.dialer.queueBudget.bytes, 0)
})

test('finish comes when the end has left', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.resume()
  pair.dialer.isShut = true
  let isFinished = false
  near.end('last words', () => {
    isFinished = true
  })
  await pair.settle()
  assert.equal(isFinished, false)
  pair.dialer.isShut = false
  await pair.until(() => isFinished && far.readableEnded)
})

test('characters of a text encoding are whole over the borders of chunks', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.setEncoding('utf8')
  let text = ''
  far.on('data', (chunk: string) => {
    text += chunk
  })
  const bytes = Buffer.from('ä☕𝄞'.repeat(60_000))
  for (let at = 0; at < bytes.length; at += 7_777) near.write(bytes.subarray(at, at + 7_777))
  near.end()
  await pair.until(() => far.readableEnded)
  assert.ok(text === bytes.toString())
  far.end()
  near.resume()
  await pair.until(() => far.closed && near.closed)
  assert.equal(pair.listener.streams.windowBytes, 0)
})

test('Node’s adapters make web streams of it', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  far.pipe(far)
  const { readable, writable } = Duplex.toWeb(near)
  const writing = outcome(
    (async () => {
      const writer = writable.getWriter()
      await writer.write(new TextEncoder().encode('over the web'))
      await writer.close()
    })(),
  )
  const reading = outcome(
    (async () => {
      let text = ''
      const decoder = new TextDecoder()
      for await (const chunk of readable) text += decoder.decode(chunk as Uint8Array, { stream: true })
      return text
    })(),
  )
  await pair.until(() => writing.isSettled && reading.isSettled)
  assert.deepEqual([writing.error, reading.error, reading.value], [undefined, undefined, 'over the web'])
})

test('when the link breaks every stream ends with its reason, and every opening too', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  const opening = outcome(pair.dialer.streams.open(['/never/1']))
  const done = outcome(finished(far))
  const results: unknown[] = []
  pair.dialer.isShut = true
  near.write('lost', (error) => results.push(error))
  const error = new MeshError('connection-lost', 'cable')
  pair.close(error)
  await pair.until(() => near.closed && far.closed && opening.isSettled && done.isSettled)
  assert.equal(near.errored, error)
  assert.equal(far.errored, error)
  assert.equal(done.error, error)
  assert.equal(opening.error, error)
  assert.deepEqual(results, [error])
  for (const end of [pair.dialer, pair.listener]) {
    assert.equal(end.streams.count, 0)
    assert.equal(end.budget.bytes, 0)
    assert.equal(end.queueBudget.bytes, 0)
    await assert.rejects(end.streams.open(['/x/1']), error)
  }
  pair.close(new MeshError('shutdown', 'a second time'))
  assert.equal(pair.dialer.streams.received(0x31, Uint8Array.of(0)), true)
})

test('a listener that throws hurts neither the link nor the other streams', async () => {
  const pair = new Pair()
  const first = await pair.open()
  const second = await pair.open()
  first.far.on('data', () => {
    throw new Error('a bug in the program')
  })
  await pair.settle()
  const other = collect(second.far)
  first.near.write('x')
  second.near.write('y')
  await assert.rejects(
    pair.until(() => false, 0, 10),
    /a bug in the program/,
  )
  await pair.until(() => other.bytes().length === 1)
  assert.equal(pair.listener.fault, null)
})

test('what was put back is read again and counts once', async () => {
  const pair = new Pair()
  const { near, far } = await pair.open()
  let isReadable = false
  far.once('readable', () => {
    isReadable = true
  })
  near.end('headbody')
  await pair.until(() => isReadable)
  const chunk = far.read() as Buffer
  far.unshift(chunk.subarray(4))
  far.end()
  near.resume()
  const rest = collect(far)
  await pair.until(() => far.closed && near.closed)
  assert.equal(rest.bytes().toString(), 'body')
  assert.equal(pair.listener.streams.windowBytes, 0)
})

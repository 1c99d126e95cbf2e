// Opening streams: names, numbers, refusals, bounds and time-outs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameType } from '../../lib/framing/frames.ts'
import { STREAM_OPEN_TIMEOUT_MS, STREAMS_OPENING_MAX, STREAMS_PER_LINK_MAX } from '../../lib/limits.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { Pair } from './pair.ts'

type Result = { stream?: MeshStream; error?: { code: string; streamCode?: number } }

function open(pair: Pair, names: readonly string[], signal?: AbortSignal, from = pair.dialer): Result {
  const result: Result = {}
  from.streams.open(names, signal).then(
    (stream) => {
      result.stream = stream
    },
    (error) => {
      result.error = error
    },
  )
  return result
}

test('the acceptor takes the opener’s first name that it has', async () => {
  const pair = new Pair()
  const got: string[] = []
  for (const name of ['/files/1', '/files/2']) pair.listener.registry.handle(name, ({ protocol }) => got.push(protocol))
  const result = open(pair, ['/files/3', '/files/2', '/files/1'])
  await pair.settle()
  assert.deepEqual(got, ['/files/2'])
  assert.equal(result.stream?.protocol, '/files/2')
})

test('without a name in common the opening is refused, and the link goes on', async () => {
  const pair = new Pair()
  const result = open(pair, ['/nothing/1'])
  await pair.settle()
  assert.ok(result.error instanceof StreamResetError)
  assert.deepEqual([result.error.code, result.error.streamCode], ['stream-reset', 1])
  await pair.open('/something/1')
  assert.equal(pair.dialer.streams.count, 1)
  assert.equal(pair.listener.streams.count, 1)
})

test('dialers give odd numbers, listeners even ones, ascending, and both may open at once', async () => {
  const pair = new Pair()
  const seen: number[] = []
  for (const end of [pair.dialer, pair.listener]) end.registry.handle('/x/1', ({ id }) => seen.push(id))
  const results = [0, 1, 2].flatMap(() => [open(pair, ['/x/1']), open(pair, ['/x/1'], undefined, pair.listener)])
  await pair.settle()
  assert.deepEqual(
    results.map(({ stream }) => stream!.id),
    [1, 2, 3, 4, 5, 6],
  )
  assert.deepEqual(seen.sort(), [1, 2, 3, 4, 5, 6])
})

test('a number is not used again after its stream is over', async () => {
  const pair = new Pair()
  const first = await pair.open()
  first.near.destroy()
  await pair.settle()
  const second = await pair.open()
  assert.deepEqual([first.near.id, second.near.id], [1, 3])
})

test('names that cannot be offered are refused here', async () => {
  const { dialer } = new Pair()
  for (const names of [[], [''], ['x'.repeat(65)]]) {
    await assert.rejects(dialer.streams.open(names), { code: 'bad-argument' })
  }
  assert.equal(dialer.queue.isEmpty, true)
})

test('an answer that does not come in 10 s is given up, and a late one is ignored', async () => {
  const pair = new Pair()
  pair.listener.registry.handle('/x/1', () => {})
  assert.equal(pair.dialer.streams.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  const result = open(pair, ['/x/1'])
  await Promise.resolve()
  assert.equal(pair.dialer.streams.nextDeadlineMs(), pair.nowMs + STREAM_OPEN_TIMEOUT_MS)
  pair.listener.isShut = true
  await pair.settle()
  pair.nowMs += STREAM_OPEN_TIMEOUT_MS - 1
  pair.dialer.streams.tick()
  await pair.settle()
  assert.equal('error' in result, false)
  pair.nowMs += 1
  pair.dialer.streams.tick()
  pair.listener.isShut = false
  await pair.settle()
  assert.equal(result.error?.code, 'timed-out')
  assert.deepEqual([pair.dialer.fault, pair.listener.fault], [null, null])
  assert.ok(pair.dialer.heard.includes(FrameType.accept))
  assert.deepEqual([pair.dialer.streams.count, pair.listener.streams.count], [0, 0])
  assert.deepEqual([pair.dialer.budget.bytes, pair.listener.budget.bytes], [0, 0])
  assert.equal(pair.dialer.streams.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('an opening that is aborted is taken back', async () => {
  const pair = new Pair()
  const handled: MeshStream[] = []
  pair.listener.registry.handle('/x/1', (stream) => handled.push(stream))
  const early = new AbortController()
  early.abort(new Error('never mind'))
  const late = new AbortController()
  const results = [open(pair, ['/x/1'], early.signal), open(pair, ['/x/1'], late.signal)]
  await Promise.resolve()
  late.abort()
  await pair.settle()
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    ['aborted', 'aborted'],
  )
  assert.deepEqual(handled, [], 'a stream that is over before its handler ran is not shown to it')
  assert.deepEqual([pair.dialer.streams.count, pair.listener.streams.count], [0, 0])
  assert.equal(pair.listener.fault, null)
  const kept = new AbortController()
  const result = open(pair, ['/x/1'], kept.signal)
  await pair.settle()
  kept.abort()
  await pair.settle()
  assert.equal(result.stream?.destroyed, false, 'once it is open the signal means nothing')
})

test('at most 64 openings are asked for at a time, and the others wait', async () => {
  const pair = new Pair()
  pair.listener.registry.handle('/x/1', () => {})
  pair.listener.isShut = true
  const controller = new AbortController()
  const results = Array.from({ length: 70 }, (_, i) => open(pair, ['/x/1'], i === 65 ? controller.signal : undefined))
  await pair.settle()
  assert.equal(pair.listener.heard.length, STREAMS_OPENING_MAX)
  controller.abort()
  pair.listener.isShut = false
  await pair.settle()
  assert.equal(results.filter(({ stream }) => stream !== undefined).length, 69)
  assert.equal(results[65]!.error?.code, 'aborted')
  assert.equal(pair.listener.streams.count, 69)
})

test('openings that wait time out like the others', async () => {
  const pair = new Pair()
  pair.listener.isShut = true
  const results = Array.from({ length: 70 }, () => open(pair, ['/x/1']))
  await pair.settle()
  pair.nowMs += STREAM_OPEN_TIMEOUT_MS
  pair.dialer.streams.tick()
  await pair.settle()
  assert.deepEqual([...new Set(results.map(({ error }) => error?.code))], ['timed-out'])
  assert.equal(pair.dialer.streams.count, 0)
  assert.equal(pair.dialer.budget.bytes, 0)
})

test('a link has at most 1,000 streams: here the call says so, there the opening is refused', async () => {
  const pair = new Pair()
  for (const end of [pair.dialer, pair.listener]) end.registry.handle('/x/1', () => {})
  const results = Array.from({ length: STREAMS_PER_LINK_MAX + 1 }, () => open(pair, ['/x/1']))
  // Until what the dialer has asked for is on its way, the listener does not know of it.
  const other = open(pair, ['/x/1'], undefined, pair.listener)
  await pair.settle()
  assert.equal(results.at(-1)!.error?.code, 'too-many-streams')
  assert.ok(other.error instanceof StreamResetError && other.error.streamCode === 2)
  assert.equal(results.filter(({ stream }) => stream !== undefined).length, STREAMS_PER_LINK_MAX)
  assert.equal(pair.listener.streams.count, STREAMS_PER_LINK_MAX)
  results[0]!.stream!.destroy()
  await pair.settle()
  const another = open(pair, ['/x/1'])
  await pair.settle()
  assert.ok(another.stream !== undefined)
})

test('a handler that throws or rejects resets its stream with a warning', async () => {
  const pair = new Pair()
  pair.listener.registry.handle('/throws/1', () => {
    throw new Error('no disk')
  })
  pair.listener.registry.handle('/rejects/1', async () => {
    await Promise.resolve()
    throw 'no text either'
  })
  const results = [open(pair, ['/throws/1']), open(pair, ['/rejects/1'])]
  await pair.settle()
  for (const { stream } of results) {
    assert.ok(stream?.errored instanceof StreamResetError)
    assert.equal(stream.errored.streamCode, 3)
  }
  assert.deepEqual(pair.listener.warnings, ['/throws/1: no disk', '/rejects/1: no text either'])
  assert.equal(pair.listener.streams.count, 0)
})

test('a handler that fails because its stream was reset is no news, and one may reset it by throwing', async () => {
  const pair = new Pair()
  pair.listener.registry.handle('/reads/1', async (stream) => {
    for await (const _chunk of stream);
  })
  pair.listener.registry.handle('/refuses/1', () => {
    throw new StreamResetError(99)
  })
  const reads = open(pair, ['/reads/1'])
  const refuses = open(pair, ['/refuses/1'])
  await pair.settle()
  reads.stream!.destroy()
  await pair.settle()
  assert.deepEqual(pair.listener.warnings, [])
  assert.equal((refuses.stream!.errored as StreamResetError).streamCode, 99)
  assert.equal(pair.listener.streams.count, 0)
})

test('data that came with the opening is there when the handler gets to reading', async () => {
  const pair = new Pair()
  let text = ''
  pair.listener.registry.handle('/x/1', async (stream) => {
    await Promise.resolve()
    for await (const chunk of stream) text += chunk
  })
  const result = open(pair, ['/x/1'])
  await pair.until(() => result.stream !== undefined)
  result.stream!.end('at once')
  await pair.settle()
  assert.equal(text, 'at once')
})

import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { HELD_BACK_BYTES, Output } from '../../cli/output.ts'
import { utf8 } from '../../lib/bytes.ts'

/** A stream that takes nothing until it is told to, and keeps what it took. */
class SlowReader extends Writable {
  readonly writes: string[] = []
  #pending: (() => void)[] = []
  open = false

  constructor() {
    super({ highWaterMark: 1 })
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk.toString())
    if (this.open) setImmediate(done)
    else this.#pending.push(done)
  }

  take(): void {
    for (const done of this.#pending.splice(0)) done()
  }
}

interface Seen {
  lost: number[]
  broken: string[]
}

function output(stream: Writable, waitingBytesMax?: number): { output: Output; seen: Seen } {
  const seen: Seen = { lost: [], broken: [] }
  const events = {
    overflowed: (count: number) => void seen.lost.push(count),
    broken: (error: Error) => void seen.broken.push((error as NodeJS.ErrnoException).code ?? error.message),
  }
  return { output: new Output(stream, events, waitingBytesMax), seen }
}

test('what one turn prints leaves in one write', async () => {
  const stream = new SlowReader()
  stream.open = true
  const { output: out } = output(stream)
  out.offer(utf8('a'), utf8('\n'))
  out.print('b\n')
  out.offer(utf8('c\n'))
  assert.deepEqual(stream.writes, [])
  await out.flush()
  assert.deepEqual(stream.writes, ['a\nb\nc\n'])
})

test('a flood within one turn leaves in several writes and loses nothing', async () => {
  const stream = new PassThrough()
  let taken = 0
  stream.on('data', (chunk) => {
    taken += chunk.length
  })
  const { output: out, seen } = output(stream)
  for (let i = 0; i < 200_000; i++) out.offer(utf8('0123456789'), utf8('\n'))
  await out.flush()
  assert.equal(taken, 200_000 * 11)
  assert.deepEqual(seen.lost, [])
})

test('what a slow reader has no room for is counted, and told when it has caught up', async () => {
  const stream = new SlowReader()
  const { output: out, seen } = output(stream, 10)
  out.offer(utf8('first'))
  await turn()
  assert.deepEqual(stream.writes, ['first'])
  out.offer(utf8('12345'))
  out.offer(utf8('67890'))
  out.offer(utf8('x'))
  out.offer(utf8('y'))
  assert.deepEqual(seen.lost, [])
  stream.open = true
  stream.take()
  await out.flush()
  assert.deepEqual(stream.writes, ['first', '1234567890'])
  await turn()
  assert.deepEqual(seen.lost, [2])
  out.offer(utf8('again'))
  await out.flush()
  assert.equal(stream.writes.at(-1), 'again')
})

test('after a loss nothing is printed before the loss was told, so that the gap stands where it is', async () => {
  const stream = new SlowReader()
  const { output: out, seen } = output(stream, 10)
  out.offer(utf8('first'))
  await turn()
  out.offer(utf8('1234567890'))
  out.offer(utf8('lost'))
  stream.take()
  await turn()
  // The reader took the first write; the second is with it now, and the queue is empty.
  out.offer(utf8('l2'))
  assert.deepEqual(seen.lost, [])
  stream.open = true
  stream.take()
  await out.flush()
  await turn()
  assert.deepEqual(seen.lost, [2])
})

test("a line larger than the whole queue passes when nothing else waits, and the program's own lines have room of their own", async () => {
  const stream = new SlowReader()
  const { output: out } = output(stream, 10)
  out.offer(utf8('x'.repeat(50)))
  await turn()
  out.offer(utf8('1234567890'))
  out.print('own')
  stream.open = true
  stream.take()
  await out.flush()
  assert.deepEqual(stream.writes, ['x'.repeat(50), '1234567890own'])
})

test('the own lines are bounded too', async () => {
  const stream = new SlowReader()
  const { output: out, seen } = output(stream, 10)
  out.print('first')
  await turn()
  for (let i = 0; i < 100; i++) out.print('1234567')
  stream.open = true
  stream.take()
  await out.flush()
  await turn()
  assert.equal(stream.writes.join('').length, 5 + 3 * 7)
  assert.deepEqual(seen.lost, [97])
})

test('a reader that leaves is told once, and printing goes on into nothing', async () => {
  const stream = new PassThrough()
  const { output: out, seen } = output(stream)
  stream.destroy(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
  await turn()
  out.offer(utf8('x'))
  out.print('y')
  await out.flush()
  assert.deepEqual(seen.broken, ['EPIPE'])
})

test('a flush that waits ends when the reader leaves', async () => {
  const stream = new SlowReader()
  const { output: out } = output(stream)
  out.print('x')
  const flushed = out.flush()
  stream.destroy()
  await flushed
})

test('a flush of nothing resolves at once', async () => {
  await output(new PassThrough()).output.flush()
})

test('what is delivered is told when it has left, and its source is held back while too much has not', async () => {
  const stream = new SlowReader()
  const { output: out, seen } = output(stream)
  const left: number[] = []
  const deliver = (i: number): Promise<void> | undefined => {
    return out.deliver([utf8(String(i)), Buffer.alloc(HELD_BACK_BYTES / 4)], () => left.push(i))
  }
  assert.equal(deliver(0), undefined)
  for (const i of [1, 2]) assert.equal(deliver(i), undefined)
  let room = false
  const held = deliver(3)!.then(() => {
    room = true
  })
  await turn()
  assert.deepEqual([left, room], [[], false])
  stream.open = true
  stream.take()
  await held
  await out.flush()
  assert.deepEqual(left, [0, 1, 2, 3])
  assert.deepEqual(seen.lost, [])
})

test('what never leaves is never told, and holds nobody back', async () => {
  const stream = new SlowReader()
  const { output: out, seen } = output(stream)
  const left: number[] = []
  const held = out.deliver([Buffer.alloc(HELD_BACK_BYTES)], () => left.push(0))
  out.deliver([utf8('x')], () => left.push(1))
  stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  await held
  assert.deepEqual(seen.broken, ['EPIPE'])
  assert.equal(
    out.deliver([Buffer.alloc(HELD_BACK_BYTES)], () => left.push(2)),
    undefined,
  )
  assert.deepEqual(left, [])
})

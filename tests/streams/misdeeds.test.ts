// One peer per misdeed: what it sends is a fault that ends the connection, or is ignored, and nothing else happens.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { FrameReader, FrameType } from '../../lib/framing/frames.ts'
import { STREAM_ANSWERS_OWED_MAX, STREAM_WINDOW_BYTES, STREAMS_OPENING_MAX } from '../../lib/limits.ts'
import { SendQueue } from '../../lib/link/send-queue.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { decodeOpen, encodeAccept, encodeOpen, varints } from '../../lib/streams/messages.ts'
import { StreamRegistry } from '../../lib/streams/registry.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { Streams } from '../../lib/streams/streams.ts'
import { seeded } from '../crypto/seeded.ts'
import { rounds } from '../tools/all-tests.ts'
import { turn } from './pair.ts'

/** A listener, and the evil dialer's pen. */
class Victim {
  readonly handled: MeshStream[] = []
  readonly queue: SendQueue = new SendQueue({ bytes: 0, bytesMax: 64 * 1_048_576 })
  readonly streams: Streams
  readonly #deferred: (() => void)[] = []
  readonly #reader = new FrameReader()

  constructor() {
    const registry = new StreamRegistry()
    registry.handle('/x/1', (stream) => this.handled.push(stream))
    this.streams = new Streams({
      isDialer: false,
      peer: 'evil',
      registry,
      budget: { bytes: 0, bytesMax: 64 * 1_048_576 },
      carrier: {
        send: (frame) => this.queue.push('stream', frame),
        control: (frame) => this.queue.push('control', frame),
        withdraw: (frame) => this.queue.withdraw(frame),
      },
      nowMs: () => 0,
      endOfTurn: (run) => this.#deferred.push(run),
      roundTripMs: () => null,
      handlerFailed: () => {},
    })
  }

  send(type: number, body: Uint8Array): void {
    assert.equal(this.streams.received(type, body), true)
  }

  open(number: number, credit = 0): void {
    this.send(FrameType.open, encodeOpen({ stream: number, names: ['/x/1'], credit }))
  }

  /** Frames that have left since. */
  read(): { type: number; body: Uint8Array }[] {
    const record = new Uint8Array(65_000)
    const frames: { type: number; body: Uint8Array }[] = []
    for (let end = this.queue.fill(record, 0, record.length, 0); end > 0; ) {
      this.#reader.push(record.slice(0, end))
      end = this.queue.fill(record, 0, record.length, 0)
    }
    for (let frame = this.#reader.next(); frame !== null; frame = this.#reader.next()) frames.push(frame)
    return frames
  }

  /** Lets the program go on. */
  async turn(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      for (const run of this.#deferred.splice(0)) run()
      await turn()
    }
  }

  faults(type: number, body: Uint8Array, text: RegExp): void {
    assert.throws(
      () => this.streams.received(type, body),
      (error) => error instanceof MeshError && error.fault === 'remote' && text.test(error.message),
    )
  }
}

const bytes = (number: number, length: number): Uint8Array => concatBytes(varints(number), new Uint8Array(length))
const cancelled = new MeshError('bad-stream', 'cut off')

test('data beyond the credit is a fault, to the byte', () => {
  const victim = new Victim()
  victim.open(1)
  victim.read()
  victim.send(FrameType.data, bytes(1, STREAM_WINDOW_BYTES))
  victim.send(FrameType.data, bytes(1, 0))
  victim.faults(FrameType.data, bytes(1, 1), /1 bytes on a stream that was granted 0/)
})

test('data before the accept has left is a fault', () => {
  const victim = new Victim()
  victim.open(1)
  victim.faults(FrameType.data, bytes(1, 1), /granted 0/)
})

test('credit past 2^53 - 1 is a fault, in one frame or in many', () => {
  const most = Number.MAX_SAFE_INTEGER
  const victim = new Victim()
  victim.open(1, 10)
  victim.send(FrameType.credit, varints(1, most - 10))
  victim.send(FrameType.credit, varints(1, 0))
  victim.faults(FrameType.credit, varints(1, 1), /2\^53 - 1/)
  victim.open(3, most)
  victim.faults(FrameType.credit, varints(3, most), /2\^53 - 1/)
})

test('frames for a stream that was never opened are a fault, by whoever would have had to open it', () => {
  const frames: [number, (number: number) => Uint8Array][] = [
    [FrameType.accept, (stream) => encodeAccept({ stream, index: 0, credit: 0 })],
    [FrameType.data, (number) => bytes(number, 1)],
    [FrameType.credit, (number) => varints(number, 1)],
    [FrameType.end, (number) => varints(number)],
    [FrameType.reset, (number) => varints(number, 0)],
  ]
  for (const [type, body] of frames) {
    for (const number of [1, 2, Number.MAX_SAFE_INTEGER]) new Victim().faults(type, body(number), /never opened/)
    const victim = new Victim()
    victim.open(3)
    victim.faults(type, body(5), /never opened/)
    victim.faults(type, body(0), /number 0/)
  }
})

test('an open with the other end’s parity, or a number used before, is a fault', () => {
  const victim = new Victim()
  const open = (stream: number): Uint8Array => encodeOpen({ stream, names: ['/x/1'], credit: 0 })
  victim.faults(FrameType.open, open(2), /this end's to give/)
  victim.open(5)
  victim.faults(FrameType.open, open(5), /after 5/)
  victim.faults(FrameType.open, open(3), /after 5/)
  victim.send(FrameType.reset, varints(5, 0))
  victim.faults(FrameType.open, open(5), /after 5/)
  victim.open(7)
})

test('numbers that were passed over, and those that are over, are ignored', async () => {
  const victim = new Victim()
  victim.open(5)
  victim.read()
  victim.send(FrameType.reset, varints(5, 0))
  for (const number of [1, 3, 5]) {
    victim.send(FrameType.data, bytes(number, 1_000_000))
    victim.send(FrameType.credit, varints(number, Number.MAX_SAFE_INTEGER))
    victim.send(FrameType.end, varints(number))
    victim.send(FrameType.reset, varints(number, 9))
    victim.send(FrameType.accept, encodeAccept({ stream: number, index: 4, credit: 0 }))
  }
  await victim.turn()
  assert.deepEqual(victim.handled, [])
  assert.deepEqual(victim.read(), [])
})

test('data or an end behind the end is a fault while the stream is there', async () => {
  const victim = new Victim()
  victim.open(1)
  victim.read()
  victim.send(FrameType.end, varints(1))
  victim.faults(FrameType.data, bytes(1, 0), /behind the end/)
  victim.faults(FrameType.end, varints(1), /second end/)
  await victim.turn()
  victim.handled[0]!.end()
  await victim.turn()
  victim.read()
  victim.send(FrameType.data, bytes(1, 1))
  victim.send(FrameType.end, varints(1))
})

test('an accept that does not fit its open is a fault', async () => {
  for (const [accept, text] of [
    [encodeAccept({ stream: 2, index: 1, credit: 0 }), /name 1 of 1/],
    [encodeAccept({ stream: 1, index: 0, credit: 0 }), /stream that is open/],
  ] as const) {
    const victim = new Victim()
    victim.open(1)
    victim.streams.open(['/y/1']).then(
      (stream) => victim.handled.push(stream),
      () => {},
    )
    await Promise.resolve()
    assert.equal(decodeOpen(victim.read().find(({ type }) => type === FrameType.open)!.body).stream, 2)
    victim.faults(FrameType.accept, accept, text)
    victim.streams.closed(cancelled)
  }
})

test('data, credit or an end before the accept is a fault, and a second accept too', async () => {
  for (const [type, body] of [
    [FrameType.data, bytes(2, 1)],
    [FrameType.credit, varints(2, 1)],
    [FrameType.end, varints(2)],
  ] as const) {
    const victim = new Victim()
    victim.streams.open(['/y/1']).then(
      (stream) => victim.handled.push(stream),
      () => {},
    )
    await Promise.resolve()
    victim.faults(type, body, /not accepted/)
    victim.streams.closed(cancelled)
  }
  const victim = new Victim()
  const opening = victim.streams.open(['/y/1'])
  const accept = encodeAccept({ stream: 2, index: 0, credit: 0 })
  victim.send(FrameType.accept, accept)
  victim.faults(FrameType.accept, accept, /stream that is open/)
  assert.equal((await opening).id, 2)
})

test('names that are too long, too many or none are a fault', () => {
  const victim = new Victim()
  for (const names of [['x'.repeat(65)], [''], [], Array.from({ length: 17 }, () => 'x')]) {
    victim.faults(FrameType.open, concatBytes(varints(1), encodeCbor([names, 0])), /./)
  }
  victim.open(1)
})

test('whoever opens without taking the answers is refused after 64, and is a fault after 1,000', async () => {
  const victim = new Victim()
  let number = 1
  for (let i = 0; i < STREAM_ANSWERS_OWED_MAX; i++, number += 2) victim.open(number)
  assert.equal(victim.streams.count, STREAMS_OPENING_MAX)
  victim.faults(
    FrameType.open,
    encodeOpen({ stream: number, names: ['/x/1'], credit: 0 }),
    /over 1000 unanswered opens/,
  )
  const answers = victim.read()
  assert.equal(answers.length, STREAM_ANSWERS_OWED_MAX)
  assert.equal(answers.filter(({ type }) => type === FrameType.accept).length, STREAMS_OPENING_MAX)
  const refusals = answers.filter(({ type }) => type === FrameType.reset)
  assert.deepEqual([...new Set(refusals.map(({ body }) => body.at(-1)))], [2])
})

test('opening and resetting as fast as can be shows the program nothing and leaves nothing', async () => {
  const victim = new Victim()
  for (let number = 1; number < 40_000; number += 2) {
    victim.open(number)
    victim.send(FrameType.reset, varints(number, 0))
    if (number % 101 === 0) victim.read()
  }
  await victim.turn()
  assert.deepEqual(victim.handled, [])
  assert.equal(victim.streams.count, 0)
  assert.equal(victim.streams.windowBytes, 0)
})

test('bytes one at a time, and frames without any, cost no more than they count', async () => {
  const victim = new Victim()
  victim.open(1)
  victim.read()
  for (let i = 0; i < STREAM_WINDOW_BYTES; i++) victim.send(FrameType.data, bytes(1, i % 2 === 0 ? 1 : 0))
  await victim.turn()
  const stream = victim.handled[0]!
  let length = 0
  stream.on('data', (chunk: Uint8Array) => {
    length += chunk.length
  })
  await victim.turn()
  assert.equal(length, STREAM_WINDOW_BYTES / 2)
})

test('a reset with an unknown code is a reset', async () => {
  const victim = new Victim()
  victim.open(1)
  await victim.turn()
  victim.send(FrameType.reset, varints(1, Number.MAX_SAFE_INTEGER))
  await victim.turn()
  const { errored } = victim.handled[0]!
  assert.ok(errored instanceof StreamResetError && errored.streamCode === Number.MAX_SAFE_INTEGER)
})

test('frames that are none of streams are left to others', () => {
  const { streams } = new Victim()
  assert.equal(streams.received(FrameType.bundle, new Uint8Array(1)), false)
  assert.equal(streams.received(0x36, new Uint8Array(1)), false)
})

test('whatever frames come, they are taken, or a remote fault, and nothing else', async () => {
  const random = seeded(23)
  for (let round = 0; round < rounds(150, 300); round++) {
    const victim = new Victim()
    try {
      for (let i = 0; i < 200; i++) {
        const number = random.below(12)
        const bodies = [
          encodeOpen({ stream: number, names: ['/x/1', '/y/1'], credit: random.below(1_000) }),
          bytes(number, random.below(3_000)),
          varints(number, random.below(2_000)),
          varints(number),
          varints(number, random.below(9)),
          encodeAccept({ stream: number, index: random.below(2), credit: random.below(1_000) }),
        ]
        const which = random.below(6)
        const body = random.below(40) === 0 ? random.bytes(random.below(12)) : bodies[which]!
        try {
          victim.send(FrameType.open + which, body)
        } catch (error) {
          assert.ok(error instanceof MeshError && error.fault === 'remote', String(error))
          // A link would be over. Here it goes on, so that more is reached.
        }
        if (random.below(20) === 0)
          victim.streams.open(['/y/1']).then(
            (stream) => victim.handled.push(stream),
            () => {},
          )
        if (random.below(10) === 0) victim.handled.at(-1)?.write('answer')
        if (random.below(15) === 0) victim.handled.at(-1)?.end()
        if (random.below(30) === 0) victim.handled.pop()?.destroy()
        if (random.below(4) === 0) victim.read()
        if (random.below(25) === 0) await victim.turn()
      }
    } finally {
      victim.streams.closed(cancelled)
      await victim.turn()
    }
    // What came and was not read is still there.
    for (const stream of victim.handled) stream.destroy()
    assert.equal(victim.streams.count, 0)
    assert.equal(victim.streams.windowBytes, 0)
  }
})

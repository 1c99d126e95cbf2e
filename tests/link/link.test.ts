import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { encodeFrame, FrameType } from '../../lib/framing/frames.ts'
import { encodeGoodbye, GoodbyeCode } from '../../lib/framing/goodbye.ts'
import {
  CARRIED_MS,
  FRAMES_PER_TURN_MAX,
  LINK_QUEUE_BYTES_MAX,
  SOCKET_UNSENT_BYTES_MAX,
  TURN_MS_MAX,
} from '../../lib/limits.ts'
import type { LinkContext } from '../../lib/link/link.ts'
import { type OutgoingFrame, plainFrame } from '../../lib/link/send-queue.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { contextOf, type End, linkContextOf, linkOver, linkPair, startOpening } from './ends.ts'
import { FakeClock } from './fake-clock.ts'
import { memoryPair } from './memory-socket.ts'
import { ScriptedPeer } from './scripted-peer.ts'

const NEVER_BEATS: Partial<LinkContext> = { heartbeat: { intervalMs: 3_600_000, missedMax: 3 } }

/** A link whose other end is played by hand: the listener's link, a dialler by script. */
function scriptedLink(clock: FakeClock, given: Partial<LinkContext> = {}): End & { peer: ScriptedPeer } {
  const [dialled, accepted] = memoryPair(clock)
  const outcome = startOpening(contextOf(2, clock), accepted, { initiator: false, first: EMPTY })
  const peer = new ScriptedPeer(dialled, keyPairOf(1), 'dialler', { sendsPreamble: false })
  clock.settle()
  assert.ok(outcome.opened !== null)
  const context = linkContextOf(clock, given)
  const { link, log } = linkOver(outcome.opened, 'in', context)
  link.start()
  clock.settle()
  return { link, log, socket: accepted, context, peer }
}

function bundle(bytes: number, fill = 1): OutgoingFrame {
  return plainFrame(FrameType.bundle, new Uint8Array(bytes).fill(fill))
}

const pingOf = (number: number): Uint8Array => new Uint8Array(8).fill(number)

test('frames reach the other end, in order and whole', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  for (const length of [0, 1, 65_519, 200_000]) here.link.offer(bundle(length, length % 251))
  here.link.send('direct', plainFrame(FrameType.direct, EMPTY))
  clock.settle()
  assert.deepEqual(
    there.log.frames.map(({ type, body }) => [type, body.length, body[0]]),
    [
      [FrameType.direct, 0, undefined],
      [FrameType.bundle, 0, undefined],
      [FrameType.bundle, 1, 1],
      [FrameType.bundle, 65_519, 65_519 % 251],
      [FrameType.bundle, 200_000, 200_000 % 251],
    ],
  )
  assert.equal(here.context.counters.framesOut, 5)
  assert.equal(there.context.counters.framesIn, 5)
  assert.equal(here.context.counters.bytesOut, there.context.counters.bytesIn)
})

test('what is queued in one turn leaves in one record', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  const writesBefore = here.socket.writes
  for (let i = 0; i < 100; i++) here.link.offer(bundle(300))
  clock.settle()
  assert.equal(here.socket.writes, writesBefore + 1)
  assert.equal(there.log.frames.length, 100)
})

test('what waits for the end of the turn leaves at once when that is asked for, and once', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  const writesBefore = here.socket.writes
  here.link.flush()
  assert.equal(here.socket.writes, writesBefore)
  here.link.offer(bundle(300, 1))
  here.link.flush()
  assert.equal(here.socket.writes, writesBefore + 1)
  here.link.offer(bundle(300, 2))
  clock.settle()
  assert.equal(here.socket.writes, writesBefore + 2)
  assert.deepEqual(
    there.log.frames.map(({ body }) => body[0]),
    [1, 2],
  )
})

test('a link reads frames whatever the chunks that they come in', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.socket.chunkBytesMax = 3
  for (let i = 0; i < 20; i++) here.link.offer(bundle(100, i))
  clock.settle()
  assert.deepEqual(
    there.log.frames.map(({ body }) => body[0]),
    Array.from({ length: 20 }, (_, i) => i),
  )
})

// Heartbeat

test('pings are answered, and the round trip is known', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  assert.equal(here.link.roundTripMs, null)
  clock.advance(30_000)
  assert.equal(here.link.roundTripMs, 0)
  assert.equal(there.link.isOpen, true)
  clock.advance(3_600_000)
  assert.equal(here.log.isClosed, false)
  assert.equal(here.log.frames.length, 0)
})

test('a silent neighbour is dead after three pings, and its connection reset', () => {
  const clock = new FakeClock()
  const { log, socket, peer } = scriptedLink(clock)
  clock.advance(119_999)
  assert.equal(log.isClosed, false)
  assert.equal(peer.bodies(FrameType.ping).length, 3)
  clock.advance(1)
  assert.equal(log.closed?.error.code, 'peer-silent')
  assert.equal(socket.wasReset, true)
  assert.equal(clock.timerCount, 0)
})

test('any byte keeps a neighbour alive, pong or not', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  for (let second = 0; second < 600; second++) {
    if (second % 80 === 0) peer.sendFrame(0x7f, EMPTY)
    clock.advance(1_000)
  }
  assert.equal(log.isClosed, false)
})

test('of many pings only the newest is answered while the answer waits', () => {
  const clock = new FakeClock()
  const { socket, peer, link } = scriptedLink(clock, NEVER_BEATS)
  socket.isStuck = true
  link.offer(bundle(SOCKET_UNSENT_BYTES_MAX))
  clock.settle()
  for (let i = 1; i <= 200; i++) peer.sendFrame(FrameType.ping, pingOf(i % 256))
  clock.settle()
  socket.isStuck = false
  socket.letThrough(10)
  clock.settle()
  assert.deepEqual(peer.bodies(FrameType.pong), [pingOf(200)])
})

test('of records that nobody asked for only the newest waits', () => {
  const clock = new FakeClock()
  const { socket, peer, link } = scriptedLink(clock, NEVER_BEATS)
  socket.isStuck = true
  link.offer(bundle(SOCKET_UNSENT_BYTES_MAX))
  clock.settle()
  for (let i = 1; i <= 200; i++) link.tellPeers(pingOf(i % 256))
  clock.settle()
  socket.isStuck = false
  socket.letThrough(10)
  clock.settle()
  link.tellPeers(pingOf(7))
  clock.settle()
  assert.deepEqual(peer.bodies(FrameType.peers), [pingOf(200), pingOf(7)])
})

test('each quiet ping is answered with its own bytes', () => {
  const clock = new FakeClock()
  const { peer } = scriptedLink(clock)
  for (let i = 1; i <= 3; i++) {
    peer.sendFrame(FrameType.ping, pingOf(i))
    clock.settle()
  }
  assert.deepEqual(peer.bodies(FrameType.pong), [pingOf(1), pingOf(2), pingOf(3)])
})

// Ends

test('a goodbye is the last frame, and both ends know why', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.link.offer(bundle(100))
  here.link.close(GoodbyeCode.shuttingDown, 'restart')
  clock.advance(0)
  assert.equal(there.log.frames.length, 1)
  assert.equal(there.log.closed?.error.code, 'peer-said-goodbye')
  assert.match(there.log.closed?.error.message ?? '', /restart/)
  assert.equal(there.log.closed?.goodbyeCode, 0)
  assert.equal(here.log.closed?.error.code, 'disconnected')
  assert.equal(here.log.closed?.goodbyeCode, null)
  assert.ok(here.socket.isDestroyed && there.socket.isDestroyed)
  assert.equal(clock.timerCount, 0)
})

test('a goodbye of another code drops what waits', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  let dropped = 0
  here.link.offer({ ...bundle(100), dropped: () => dropped++ })
  here.link.close(GoodbyeCode.tooMany, 'full')
  clock.settle()
  assert.equal(dropped, 1)
  assert.equal(there.log.frames.length, 0)
  assert.equal(there.log.closed?.goodbyeCode, GoodbyeCode.tooMany)
})

test('closing twice is closing once', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.link.close(GoodbyeCode.idle, '')
  here.link.close(GoodbyeCode.misbehaviour, '')
  clock.settle()
  assert.equal(there.log.closed?.goodbyeCode, GoodbyeCode.idle)
})

test('a neighbour that does not close is cut off 500 ms after the goodbye', () => {
  const clock = new FakeClock()
  const { link, log, socket, peer } = scriptedLink(clock)
  link.close(GoodbyeCode.shuttingDown, '')
  clock.advance(499)
  assert.equal(peer.goodbye?.code, 0)
  assert.equal(log.isClosed, false)
  clock.advance(1)
  assert.equal(log.closed?.error.code, 'disconnected')
  assert.equal(socket.isDestroyed, true)
})

test('what waits at a shutdown is given 250 ms, then the goodbye goes without it', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.socket.isStuck = true
  const dropped: number[] = []
  for (let i = 0; i < 20; i++) here.link.offer({ ...bundle(65_000), dropped: () => dropped.push(i) })
  here.link.close(GoodbyeCode.shuttingDown, '')
  clock.advance(250)
  assert.equal(dropped.length > 10, true)
  here.socket.isStuck = false
  here.socket.letThrough(100)
  clock.settle()
  assert.equal(there.log.closed?.goodbyeCode, 0)
  assert.equal(there.log.frames.length + dropped.length, 20)
})

test('after a goodbye that came, nothing is read or sent', () => {
  const clock = new FakeClock()
  const { link, log, peer } = scriptedLink(clock)
  peer.sendFrames(
    [FrameType.bundle, EMPTY],
    [FrameType.goodbye, encodeGoodbye(GoodbyeCode.idle, 'bye')],
    [FrameType.bundle, EMPTY],
  )
  clock.settle()
  assert.equal(log.frames.length, 1)
  assert.equal(log.closed?.goodbyeCode, GoodbyeCode.idle)
  let dropped = 0
  assert.equal(link.offer(bundle(5)), false)
  link.send('control', { ...bundle(5), dropped: () => dropped++ })
  assert.equal(dropped, 1)
  assert.equal(link.wouldTake(0), false)
  clock.advance(500)
  assert.equal(clock.timerCount, 0)
})

test('a goodbye at the end of a turn’s work closes as fast as any', () => {
  const clock = new FakeClock()
  const { log, socket, peer } = scriptedLink(clock)
  const unknown = Array.from({ length: FRAMES_PER_TURN_MAX - 1 }, () => [0x7f, EMPTY] as const)
  peer.sendFrames(...unknown, [FrameType.goodbye, encodeGoodbye(0, '')])
  peer.socket.end()
  clock.settle()
  assert.equal(log.closed?.goodbyeCode, 0)
  assert.equal(socket.isDestroyed, true)
})

test('closing while input waits for its turn does not leave the socket paused', () => {
  const clock = new FakeClock()
  const { link, log, peer } = scriptedLink(clock)
  const many = Array.from({ length: FRAMES_PER_TURN_MAX + 5 }, () => [FrameType.bundle, EMPTY] as const)
  log.onFrame = () => {
    if (log.frames.length === FRAMES_PER_TURN_MAX) clock.endOfTurn(() => link.close(GoodbyeCode.idle, ''))
    return true
  }
  peer.sendFrames(...many)
  clock.settle()
  peer.socket.end()
  clock.settle()
  assert.equal(log.closed?.error.code, 'disconnected')
})

test('a FIN without goodbye is a fault of the connection', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  peer.socket.end()
  clock.settle()
  assert.equal(log.closed?.error.code, 'connection-lost')
  assert.equal(log.closed?.goodbyeCode, null)
  assert.equal(peer.goodbye, null)
})

test('a reset is a fault of the connection, with its cause', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  peer.socket.destroy({ reset: true })
  clock.settle()
  assert.equal(log.closed?.error.code, 'connection-lost')
  assert.match(log.closed?.error.message ?? '', /reset/)
})

test('the lesser of two connections is read for up to five seconds after its goodbye', () => {
  const clock = new FakeClock()
  const { link, log, peer } = scriptedLink(clock)
  link.close(GoodbyeCode.duplicate, 'duplicate connection')
  clock.advance(4_999)
  assert.equal(peer.goodbye?.code, GoodbyeCode.duplicate)
  peer.sendFrame(FrameType.bundle, Uint8Array.of(7))
  clock.settle()
  assert.equal(log.frames.length, 1)
  assert.equal(log.isClosed, false)
  clock.advance(1)
  assert.equal(log.closed?.error.code, 'disconnected')
})

test('the lesser of two connections can be cut off, with what came of a frame', () => {
  const clock = new FakeClock()
  const { link, log, peer } = scriptedLink(clock)
  link.close(GoodbyeCode.duplicate, 'duplicate connection')
  clock.settle()
  assert.equal(log.isClosed, false)
  link.cut()
  assert.equal(log.closed?.error.code, 'disconnected')
  clock.settle()
  assert.equal(peer.isClosed, true)
})

test('the lesser connection ends at once when its other end has sent everything', () => {
  const clock = new FakeClock()
  const { link, log, peer } = scriptedLink(clock)
  link.close(GoodbyeCode.duplicate, '')
  peer.sendFrame(FrameType.bundle, Uint8Array.of(7))
  peer.socket.end()
  clock.settle()
  assert.equal(log.frames.length, 1)
  assert.equal(log.closed?.error.code, 'disconnected')
})

test('a node that stops does not read its lesser connections for five seconds', () => {
  const clock = new FakeClock()
  const { link, log, socket } = scriptedLink(clock)
  link.close(GoodbyeCode.duplicate, '')
  clock.advance(1_000)
  link.close(GoodbyeCode.shuttingDown, 'stopping')
  clock.advance(499)
  assert.equal(log.isClosed, false)
  clock.advance(1)
  assert.equal(log.closed?.error.code, 'disconnected')
  assert.equal(socket.isDestroyed, true)
})

test('what waits can be moved to another link', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  const [other, otherThere] = linkPair(clock)
  const frame = bundle(10, 5)
  here.link.offer(frame)
  for (const { into, frame: moved } of here.link.takeQueue()) other.link.send(into, moved)
  here.link.close(GoodbyeCode.duplicate, '')
  clock.settle()
  assert.equal(there.log.frames.length, 0)
  assert.equal(otherThere.log.frames[0]?.body[0], 5)
})

test('closed by the other end as the lesser of two, a link keeps its queue for the one that stays', () => {
  const clock = new FakeClock()
  const { link, log, peer, context } = scriptedLink(clock)
  peer.sendFrame(FrameType.goodbye, encodeGoodbye(GoodbyeCode.duplicate, ''))
  clock.settle()
  assert.equal(log.closed?.goodbyeCode, GoodbyeCode.duplicate)
  assert.equal(link.isOpen, false)
  let dropped = 0
  const frame = { ...bundle(10), dropped: () => dropped++ }
  assert.equal(link.offer(frame), true)
  clock.advance(60_000)
  assert.equal(peer.bodies(FrameType.bundle).length, 0)
  assert.deepEqual(
    link.takeQueue().map(({ frame: moved }) => moved),
    [frame],
  )
  link.abandon()
  assert.equal(dropped, 0)
  assert.equal(context.budget.bytes, 0)
  assert.equal(clock.timerCount, 0)
})

test('a frame that has begun on the lesser of two connections is finished there', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.socket.isStuck = true
  here.link.offer(bundle(1_000_000))
  here.link.offer(bundle(10))
  clock.settle()
  there.link.close(GoodbyeCode.duplicate, '')
  clock.settle()
  assert.equal(here.log.closed?.goodbyeCode, GoodbyeCode.duplicate)
  here.socket.isStuck = false
  here.socket.letThrough(1_000)
  clock.settle()
  assert.deepEqual(
    there.log.frames.map(({ body }) => body.length),
    [1_000_000],
  )
  assert.equal(here.link.takeQueue().length, 1)
})

test('closed as the lesser of two and then abandoned, a link tells every frame and takes no more', () => {
  const clock = new FakeClock()
  const { link, log, peer, context } = scriptedLink(clock)
  peer.sendFrame(FrameType.goodbye, encodeGoodbye(GoodbyeCode.duplicate, ''))
  clock.settle()
  let dropped = 0
  link.offer({ ...bundle(10), dropped: () => dropped++ })
  link.abandon()
  link.abandon()
  assert.equal(dropped, 1)
  assert.equal(link.offer(bundle(10)), false)
  assert.equal(context.budget.bytes, 0)
  clock.advance(10_000)
  assert.equal(log.isClosed, true)
})

test('a link that is open is not abandoned', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  here.link.offer(bundle(10))
  here.link.abandon()
  clock.settle()
  assert.equal(there.log.frames.length, 1)
})

// Faults

for (const [what, type, body, code] of [
  ['a second about', FrameType.about, Uint8Array.of(0xa0), 'bad-frame'],
  ['an ask-peers that is no array', FrameType.askPeers, Uint8Array.of(0), 'bad-cbor'],
  ['an ask-peers without a number', FrameType.askPeers, Uint8Array.of(0x80), 'bad-frame'],
  ['an ask-peers with bytes too many', FrameType.askPeers, Uint8Array.of(0x81, 1, 1), 'bad-cbor'],
  ['a goodbye that is not CBOR', FrameType.goodbye, Uint8Array.of(0xff), 'bad-cbor'],
  ['peers that are no byte strings', FrameType.peers, encodeCbor(['x']), 'bad-cbor'],
  ['peers beyond 32', FrameType.peers, encodeCbor(new Array(33).fill(EMPTY)), 'bad-frame'],
] as const) {
  test(`${what} is told with goodbye 3 and ends the link`, () => {
    const clock = new FakeClock()
    const { log, peer } = scriptedLink(clock)
    peer.sendFrames([type, body], [FrameType.bundle, EMPTY])
    clock.settle()
    assert.equal(log.closed?.error.code, code)
    assert.equal(log.frames.length, 0)
    assert.equal(peer.goodbye?.code, GoodbyeCode.protocolError)
    assert.equal(peer.hasEnded, true)
    clock.advance(500)
    assert.equal(clock.timerCount, 0)
  })
}

test('a frame with a length beyond its bound is told at once, before its body', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  peer.sendPlain(Uint8Array.of(FrameType.ping, 9))
  clock.settle()
  assert.equal(log.closed?.error.code, 'bad-frame')
  assert.equal(peer.goodbye?.code, GoodbyeCode.protocolError)
})

test('what the receiver of a frame finds wrong ends the link with goodbye 3', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  log.onFrame = () => {
    throw new MeshError('bad-peers', 'forged')
  }
  peer.sendFrame(FrameType.bundle, EMPTY)
  clock.settle()
  assert.equal(log.closed?.error.code, 'bad-peers')
  assert.deepEqual(peer.goodbye, { code: GoodbyeCode.protocolError, text: 'forged' })
})

test('a record that does not open ends the link in silence', () => {
  const clock = new FakeClock()
  for (const wreck of [
    (record: Uint8Array) => record.with(5, record[5]! ^ 1),
    (record: Uint8Array) => concatBytes(Uint8Array.of(0, 16), record.subarray(2, 18)),
    () => Uint8Array.of(0, 0),
    // Sent twice: the second time it is replayed.
    (record: Uint8Array) => concatBytes(record, record),
  ]) {
    const { log, socket, peer } = scriptedLink(clock)
    peer.sendRaw(wreck(peer.seal(encodeFrame(0x7f, EMPTY))))
    clock.settle()
    assert.equal(log.closed?.error.code, 'bad-record')
    assert.equal(peer.goodbye, null)
    assert.equal(socket.isDestroyed, true)
  }
})

test('unknown frames are counted and skipped, and so are those that nobody here takes', () => {
  const clock = new FakeClock()
  const { log, context, peer } = scriptedLink(clock)
  log.onFrame = () => false
  peer.sendFrames([0x7f, new Uint8Array(100_000)], [0xfe, EMPTY], [FrameType.want, EMPTY])
  clock.settle()
  assert.equal(context.counters.unknownFrames, 3)
  assert.equal(context.counters.framesIn, 3)
  assert.equal(log.isClosed, false)
})

// Peers

test('peers are asked for and told', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock)
  there.log.answer = encodeCbor([Uint8Array.of(1, 2)])
  here.link.send('control', plainFrame(FrameType.askPeers, Uint8Array.of(0x81, 0x18, 32)))
  clock.settle()
  assert.deepEqual(there.log.peersAsked, [32])
  assert.deepEqual(
    here.log.peersTold.map((records) => records.map((record) => [...record])),
    [[[1, 2]]],
  )
})

test('who asks more than once a second gets one answer, and never for more than 32', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  for (let i = 0; i < 100; i++) peer.sendFrame(FrameType.askPeers, encodeCbor([1_000_000, 'more']))
  clock.advance(999)
  peer.sendFrame(FrameType.askPeers, encodeCbor([5]))
  clock.settle()
  assert.deepEqual(log.peersAsked, [32])
  clock.advance(1)
  peer.sendFrame(FrameType.askPeers, encodeCbor([5]))
  clock.settle()
  assert.deepEqual(log.peersAsked, [32, 5])
  assert.equal(peer.bodies(FrameType.peers).length, 2)
})

// Bounds of work and memory

test('a link handles 64 frames, then lets others have their turn', () => {
  const clock = new FakeClock()
  const { log, socket, peer } = scriptedLink(clock)
  const count = 5 * FRAMES_PER_TURN_MAX
  const perTurn: number[] = []
  peer.sendFrames(...Array.from({ length: count }, () => [FrameType.bundle, EMPTY] as const))
  for (let before = 0; clock.turn(); before = log.frames.length) perTurn.push(log.frames.length - before)
  assert.equal(log.frames.length, count)
  assert.equal(Math.max(...perTurn), FRAMES_PER_TURN_MAX)
  assert.equal(socket.isPaused, false)
})

test('a link that was slow for ten milliseconds lets others have their turn', () => {
  const clock = new FakeClock()
  const { log, peer } = scriptedLink(clock)
  log.onFrame = () => {
    clock.skip(TURN_MS_MAX / 2)
    return true
  }
  peer.sendFrames(...Array.from({ length: 6 }, () => [FrameType.bundle, EMPTY] as const))
  const perTurn: number[] = []
  for (let before = 0; clock.turn(); before = log.frames.length) perTurn.push(log.frames.length - before)
  assert.deepEqual(
    perTurn.filter((count) => count > 0),
    [2, 2, 2],
  )
})

test('no more than 256 KiB and one record wait in the socket', () => {
  const clock = new FakeClock()
  const [here] = linkPair(clock, { dialler: NEVER_BEATS })
  here.socket.isStuck = true
  while (here.link.offer(bundle(60_000)));
  clock.settle()
  assert.ok(here.socket.unsentBytes >= SOCKET_UNSENT_BYTES_MAX)
  assert.ok(here.socket.unsentBytes < SOCKET_UNSENT_BYTES_MAX + 65_537)
  assert.ok(here.link.queuedBytes <= LINK_QUEUE_BYTES_MAX + 1)
})

test('a link knows what it has carried of late, and forgets it', () => {
  const clock = new FakeClock()
  const [here] = linkPair(clock, { dialler: NEVER_BEATS, listener: NEVER_BEATS })
  const carry = (bytes: number): void => {
    here.link.offer(bundle(bytes))
    clock.settle()
  }
  clock.advance(60_000)
  assert.equal(here.link.carriedBytes, 0)
  carry(100_000)
  assert.ok(here.link.carriedBytes > 100_000 && here.link.carriedBytes < 101_000)
  clock.advance(CARRIED_MS * 0.4)
  carry(50_000)
  assert.ok(here.link.carriedBytes > 150_000 && here.link.carriedBytes < 151_000)
  clock.advance(CARRIED_MS * 0.6)
  assert.ok(here.link.carriedBytes < 51_000, 'the first was long ago')
  carry(20_000)
  assert.ok(here.link.carriedBytes > 20_000 && here.link.carriedBytes < 71_000)
  here.socket.isStuck = true
  carry(50_000)
  assert.ok(here.link.carriedBytes < 71_000, 'what waits was not carried')
  clock.advance(CARRIED_MS)
  assert.equal(here.link.carriedBytes, 0)
})

test('a link frame never waits behind more than the socket holds', () => {
  const clock = new FakeClock()
  const { link, socket, peer } = scriptedLink(clock, NEVER_BEATS)
  socket.isStuck = true
  while (link.offer(bundle(60_000)));
  clock.settle()
  link.send('control', plainFrame(FrameType.askPeers, Uint8Array.of(0x81, 0x18, 32)))
  socket.isStuck = false
  socket.letThrough(100)
  clock.settle()
  const at = peer.frames.findIndex(({ type }) => type === FrameType.askPeers)
  // About, five records in the socket, and one frame that was chosen already.
  assert.ok(at > 0 && at <= 7)
  assert.ok(peer.frames.length > 60)
})

test('a neighbour that takes no bytes for 30 s is reset', () => {
  const clock = new FakeClock()
  const [here] = linkPair(clock, { dialler: NEVER_BEATS })
  here.socket.isStuck = true
  here.link.offer(bundle(100))
  clock.advance(29_999)
  assert.equal(here.log.isClosed, false)
  clock.advance(1)
  assert.equal(here.log.closed?.error.code, 'peer-stuck')
  assert.equal(here.socket.wasReset, true)
  assert.equal(here.context.budget.bytes, 0)
})

test('the 30 s begin when something waits, not when something was last sent', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock, { dialler: NEVER_BEATS, listener: NEVER_BEATS })
  here.link.offer(bundle(100))
  clock.advance(45_000)
  here.socket.isStuck = true
  here.link.offer(bundle(100))
  clock.advance(29_999)
  assert.equal(here.log.isClosed, false)
  here.socket.isStuck = false
  here.socket.letThrough(10)
  clock.advance(1_000)
  assert.equal(there.log.frames.length, 2)
  assert.equal(here.log.isClosed, false)
})

test('slow progress is progress', () => {
  const clock = new FakeClock()
  const [here] = linkPair(clock, { dialler: NEVER_BEATS, listener: NEVER_BEATS })
  here.socket.isStuck = true
  while (here.link.offer(bundle(60_000)));
  clock.settle()
  for (let i = 0; i < 6; i++) {
    clock.advance(29_000)
    here.socket.letThrough(1)
    clock.advance(100)
    assert.equal(here.log.isClosed, false)
  }
  // Progress is looked for when the time since the last is up, so that it takes up to twice as long.
  clock.advance(60_000)
  assert.equal(here.log.closed?.error.code, 'peer-stuck')
})

test('a queue that was dropped tells every frame and owes nothing', () => {
  const clock = new FakeClock()
  const [here, there] = linkPair(clock, { dialler: NEVER_BEATS })
  here.socket.isStuck = true
  let queued = 0
  let dropped = 0
  while (here.link.offer({ ...bundle(60_000), dropped: () => dropped++ })) queued++
  clock.settle()
  there.socket.destroy({ reset: true })
  clock.settle()
  assert.equal(here.log.closed?.error.code, 'connection-lost')
  assert.ok(dropped > 0 && dropped < queued)
  assert.equal(here.context.budget.bytes, 0)
})

test('both directions rekey after 65,536 records and go on', () => {
  const clock = new FakeClock()
  const { log, link, peer } = scriptedLink(clock, NEVER_BEATS)
  const plain = encodeFrame(0x7f, EMPTY)
  // One record has gone each way: the about.
  for (let i = 0; i < 65_540; i++) {
    peer.sendRaw(peer.seal(plain))
    if (i % 4_096 === 0) clock.settle()
  }
  clock.settle()
  for (let i = 0; i < 65_540; i++) {
    link.send('control', plainFrame(FrameType.pong, pingOf(0)))
    clock.settle()
  }
  peer.sendFrame(FrameType.bundle, Uint8Array.of(9))
  link.offer(bundle(1, 8))
  clock.settle()
  assert.equal(log.isClosed, false)
  assert.equal(log.frames[0]?.body[0], 9)
  assert.equal(peer.bodies(FrameType.bundle)[0]?.[0], 8)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, utf8 } from '../../lib/bytes.ts'
import type { MeshError } from '../../lib/errors.ts'
import type { Endpoint } from '../../lib/io/world.ts'
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX, HANDSHAKES_PER_TURN_MAX, NEWCOMERS_MAX } from '../../lib/limits.ts'
import type { Opened } from '../../lib/link/opening.ts'
import { PREAMBLE, Sniffer } from '../../lib/link/preamble.ts'
import { Reception } from '../../lib/link/reception.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { contextOf, startOpening } from './ends.ts'
import { FakeClock } from './fake-clock.ts'
import { type DetachedSocket, type MemorySocket, memoryPair } from './memory-socket.ts'

class Desk {
  readonly clock = new FakeClock()
  readonly sniffer = new Sniffer()
  readonly opened: Opened[] = []
  readonly refused: { error: MeshError; remote: Endpoint }[] = []
  readonly reception: Reception

  constructor() {
    this.reception = new Reception(contextOf(2, this.clock), this.sniffer, 5_000, {
      admit: () => ({ ok: true }),
      refusalPeers: () => null,
      opened: (parts) => this.opened.push(parts),
      refused: (error, remote) => this.refused.push({ error, remote }),
    })
  }

  /** A newcomer's end of a connection that was just accepted. */
  newcomer(host = '127.0.0.1'): MemorySocket {
    const [dialled, accepted] = memoryPair(this.clock, host)
    dialled.attach({ data: () => {}, drained: () => {}, ended: () => {}, closed: () => {} })
    this.reception.accept(accepted)
    return dialled
  }

  get codes(): string[] {
    return this.refused.map(({ error }) => error.code)
  }
}

test('a newcomer by the book is opened', () => {
  const desk = new Desk()
  const [dialled, accepted] = memoryPair(desk.clock)
  desk.reception.accept(accepted)
  const dialler = startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
  desk.clock.settle()
  assert.equal(desk.opened[0]?.identity.id, keyPairOf(1).identity.id)
  assert.ok(dialler.opened !== null)
  assert.equal(desk.clock.timerCount, 0)
})

test('the preamble may come byte by byte', () => {
  const desk = new Desk()
  const [dialled, accepted] = memoryPair(desk.clock)
  dialled.chunkBytesMax = 1
  desk.reception.accept(accepted)
  startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
  desk.clock.settle()
  assert.equal(desk.opened.length, 1)
})

test('garbage is closed at once and without a byte', () => {
  for (const text of ['GET / HTTP/1.1\r\n\r\n', 'n', 'mesh/2\n', '\0', 'mesh/1\r\n']) {
    const desk = new Desk()
    const socket = desk.newcomer()
    let answered = 0
    socket.attach({ data: (bytes) => (answered += bytes.length), drained() {}, ended() {}, closed() {} })
    socket.write(utf8(text))
    desk.clock.settle()
    assert.deepEqual(desk.codes, ['bad-preamble'])
    assert.equal(socket.isDestroyed || answered === 0, true)
    assert.equal(answered, 0)
    assert.equal(desk.clock.timerCount, 0)
  }
})

test('silence, a FIN and a reset before the preamble each have their reason', () => {
  const desk = new Desk()
  desk.newcomer()
  desk.clock.advance(4_999)
  assert.deepEqual(desk.codes, [])
  desk.clock.advance(1)
  assert.deepEqual(desk.codes, ['handshake-timeout'])
  desk.newcomer().end()
  desk.newcomer().destroy({ reset: true })
  desk.clock.settle()
  assert.deepEqual(desk.codes, ['handshake-timeout', 'connection-lost', 'connection-lost'])
  assert.equal(desk.clock.timerCount, 0)
})

test('one deadline holds for preamble and handshake together', () => {
  const desk = new Desk()
  const socket = desk.newcomer()
  desk.clock.advance(4_000)
  socket.write(PREAMBLE)
  desk.clock.advance(999)
  assert.deepEqual(desk.codes, [])
  desk.clock.advance(1)
  assert.deepEqual(desk.codes, ['handshake-timeout'])
})

test('256 newcomers may be under way from loopback, and the next one is closed at once', () => {
  const desk = new Desk()
  const sockets = Array.from({ length: NEWCOMERS_MAX }, () => desk.newcomer())
  assert.deepEqual(desk.codes, [])
  desk.newcomer()
  assert.deepEqual(desk.codes, ['too-many-handshakes'])
  sockets[0]!.end()
  desk.clock.settle()
  desk.newcomer()
  assert.deepEqual(desk.codes, ['too-many-handshakes', 'connection-lost'])
})

test('sixty-four shake hands at a time; those behind wait for their turn, and only as long as all may', () => {
  const desk = new Desk()
  const stuck = Array.from({ length: HALF_OPEN_MAX }, () => {
    const socket = desk.newcomer()
    socket.write(PREAMBLE)
    return socket
  })
  desk.clock.settle()
  for (let i = 0; i < 2; i++) {
    const [dialled, accepted] = memoryPair(desk.clock)
    desk.reception.accept(accepted)
    startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
  }
  desk.clock.settle()
  assert.equal(desk.opened.length, 0)
  stuck[7]!.end()
  desk.clock.settle()
  // The first of those that waited; its place went to the second at once.
  assert.equal(desk.opened.length, 2)
  assert.deepEqual(desk.codes, ['connection-lost'])

  const late = desk.newcomer()
  const again = desk.newcomer()
  late.write(PREAMBLE)
  again.write(PREAMBLE)
  desk.clock.advance(5_000)
  assert.equal(desk.codes.filter((code) => code === 'handshake-timeout').length, HALF_OPEN_MAX + 1)
  assert.equal(desk.clock.timerCount, 0)
})

test('of a crowd that comes in one instant eight begin in a turn, in the order in which they came', () => {
  const desk = new Desk()
  const accepted = Array.from({ length: 20 }, () => {
    const [dialled, socket] = memoryPair(desk.clock)
    desk.reception.accept(socket)
    startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
    return socket
  })
  const answered = (): number => accepted.filter(({ writes }) => writes > 0).length
  const steps: number[] = []
  for (let turn = 0, before = 0; turn < 20 && answered() < 20; turn++) {
    desk.clock.turn()
    if (answered() === before) continue
    steps.push(answered() - before)
    before = answered()
    assert.ok(
      accepted.every(({ writes }, i) => writes > 0 === i < before),
      `after turn ${turn}`,
    )
  }
  assert.deepEqual(steps, [HANDSHAKES_PER_TURN_MAX, HANDSHAKES_PER_TURN_MAX, 20 - 2 * HANDSHAKES_PER_TURN_MAX])
  desk.clock.settle()
  assert.equal(desk.opened.length, 20)
  assert.equal(desk.clock.timerCount, 0)
})

test('eight may be half open from one address, and others are not held back by them', () => {
  const desk = new Desk()
  for (let i = 0; i < HALF_OPEN_PER_ADDRESS_MAX; i++) desk.newcomer('192.0.2.1')
  assert.deepEqual(desk.codes, [])
  desk.newcomer('192.0.2.1')
  assert.deepEqual(desk.codes, ['too-many-handshakes'])
  assert.equal(desk.refused[0]?.remote.host, '192.0.2.1')
  desk.newcomer('192.0.2.2')
  assert.equal(desk.refused.length, 1)
})

test('eight may be half open from one IPv6 /64', () => {
  const desk = new Desk()
  for (let i = 0; i < HALF_OPEN_PER_ADDRESS_MAX; i++) desk.newcomer(`2001:db8:0:1::${i + 1}`)
  desk.newcomer('2001:db8:0:1:ffff::1')
  assert.deepEqual(desk.codes, ['too-many-handshakes'])
  desk.newcomer('2001:db8:0:2::1')
  assert.equal(desk.refused.length, 1)
})

test('places come free when a connection opens, fails or is taken by another protocol', () => {
  const desk = new Desk()
  desk.sniffer.register(utf8('GET '), () => {})
  for (let round = 0; round < 3 * HALF_OPEN_PER_ADDRESS_MAX; round++) {
    const socket = desk.newcomer('192.0.2.1')
    if (round % 3 === 0) socket.write(utf8('GET /'))
    else if (round % 3 === 1) socket.write(utf8('rubbish'))
    else startOpening(contextOf(1, desk.clock), socket, { initiator: true, expected: null, keep: false })
    desk.clock.settle()
  }
  assert.equal(desk.codes.includes('too-many-handshakes'), false)
  assert.equal(desk.opened.length, HALF_OPEN_PER_ADDRESS_MAX)
})

test('a connection that fails within its first bytes frees its place once', () => {
  const desk = new Desk()
  for (let i = 0; i < 3 * HALF_OPEN_PER_ADDRESS_MAX; i++) {
    desk.newcomer('192.0.2.1').write(concatBytes(PREAMBLE, Uint8Array.of(0, 0)))
    desk.clock.settle()
  }
  assert.deepEqual(new Set(desk.codes), new Set(['bad-record']))
  assert.equal(desk.refused.length, 3 * HALF_OPEN_PER_ADDRESS_MAX)
  assert.equal(desk.clock.timerCount, 0)
})

test('a registered protocol gets its connection with all bytes put back', () => {
  const desk = new Desk()
  const taken: DetachedSocket[] = []
  desk.sniffer.register(utf8('GET '), (socket) => taken.push(socket as DetachedSocket))
  const socket = desk.newcomer()
  socket.chunkBytesMax = 1
  socket.write(utf8('GET /'))
  desk.clock.turn()
  desk.clock.settle()
  assert.equal(taken.length, 1)
  assert.deepEqual(taken[0]?.putBack, utf8('GET '))
  assert.deepEqual(desk.codes, [])
  assert.equal(desk.clock.timerCount, 0)
})

test('closing ends all that is not open yet', () => {
  const desk = new Desk()
  desk.newcomer()
  desk.newcomer().write(PREAMBLE)
  desk.clock.settle()
  desk.reception.close()
  desk.clock.settle()
  assert.deepEqual(desk.codes, ['shutdown', 'shutdown'])
  assert.equal(desk.clock.timerCount, 0)
})

test('whoever holds all places from many addresses of one site gives way to a newcomer from elsewhere', () => {
  const desk = new Desk()
  for (let i = 0; i < NEWCOMERS_MAX; i++) desk.newcomer(`2001:db8:1:${i.toString(16)}::1`)
  assert.deepEqual(desk.codes, [])
  desk.newcomer('2001:db8:1:ffff::1')
  assert.deepEqual(desk.codes, ['too-many-handshakes'])
  assert.equal(desk.refused[0]?.remote.host, '2001:db8:1:ffff::1')
  const [dialled, accepted] = memoryPair(desk.clock, '192.0.2.7')
  desk.reception.accept(accepted)
  // The oldest of them.
  assert.equal(desk.refused[1]?.remote.host, '2001:db8:1:0::1')
  startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
  desk.clock.settle()
  assert.equal(desk.opened.length, 1)
})

test('on one network, whoever holds all places from a few addresses gives way to a newcomer with another', () => {
  const desk = new Desk()
  for (let i = 0; i < NEWCOMERS_MAX; i++) desk.newcomer(`192.0.2.${100 + (i % 32)}`)
  for (let i = 0; i < HALF_OPEN_PER_ADDRESS_MAX - 1; i++) desk.newcomer('192.0.2.7')
  assert.deepEqual(
    desk.refused.map(({ remote }) => remote.host),
    Array.from({ length: HALF_OPEN_PER_ADDRESS_MAX - 1 }, (_, i) => `192.0.2.${100 + i}`),
  )
})

test('a crowd of which each has an address of its own keeps its places', () => {
  const desk = new Desk()
  for (let i = 0; i < NEWCOMERS_MAX; i++) desk.newcomer(`198.51.${i}.1`)
  desk.newcomer('192.0.2.7')
  assert.deepEqual(desk.codes, ['too-many-handshakes'])
  assert.equal(desk.refused[0]?.remote.host, '192.0.2.7')
})

test('whoever holds all handshakes up holds up his own: a newcomer from elsewhere has the next turn', () => {
  const desk = new Desk()
  const stuck = Array.from({ length: 200 }, (_, i) => {
    const socket = desk.newcomer(`192.0.2.${100 + (i % 25)}`)
    socket.write(PREAMBLE)
    return socket
  })
  desk.clock.settle()
  const [dialled, accepted] = memoryPair(desk.clock, '192.0.2.7')
  desk.reception.accept(accepted)
  startOpening(contextOf(1, desk.clock), dialled, { initiator: true, expected: null, keep: false })
  desk.clock.settle()
  assert.equal(desk.opened.length, 0)
  stuck[0]!.end()
  desk.clock.settle()
  assert.equal(desk.opened.length, 1)
})

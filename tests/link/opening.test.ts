import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { encodeFrame, FrameType } from '../../lib/framing/frames.ts'
import { encodeGoodbye } from '../../lib/framing/goodbye.ts'
import type { Socket, SocketEvents } from '../../lib/io/world.ts'
import { encodeAbout } from '../../lib/link/about.ts'
import { decodePeers, goodbyeReason, type OpeningContext } from '../../lib/link/opening.ts'
import { PREAMBLE } from '../../lib/link/preamble.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { contextOf, Outcome, openedPair, otherNetwork, startOpening, withoutPreamble } from './ends.ts'
import { FakeClock } from './fake-clock.ts'
import { type MemorySocket, memoryPair } from './memory-socket.ts'
import { ordinaryAbout, type Script, ScriptedPeer } from './scripted-peer.ts'

/** A dialler by the book against a listener that is played, or the other way round. */
interface Scene {
  readonly clock: FakeClock
  readonly outcome: ReturnType<typeof startOpening>
  readonly peer: ScriptedPeer
  readonly socket: MemorySocket
}

function againstListener(script: Partial<Script> = {}, given: { expected?: string; outcome?: Outcome } = {}): Scene {
  const clock = new FakeClock()
  const [dialled, accepted] = memoryPair(clock)
  const peer = new ScriptedPeer(accepted, keyPairOf(2), 'listener', script)
  const role = { initiator: true, expected: given.expected ?? null, keep: false } as const
  const outcome = startOpening(contextOf(1, clock), dialled, role, given.outcome)
  return { clock, outcome, peer, socket: dialled }
}

function againstDialler(
  script: Partial<Script> = {},
  given: { outcome?: Outcome; context?: Partial<OpeningContext> } = {},
): Scene {
  const clock = new FakeClock()
  const [dialled, accepted] = memoryPair(clock)
  const role = { initiator: false, first: EMPTY } as const
  const outcome = startOpening(contextOf(2, clock, given.context), accepted, role, given.outcome)
  const peer = new ScriptedPeer(dialled, keyPairOf(1), 'dialler', { sendsPreamble: false, ...script })
  return { clock, outcome, peer, socket: accepted }
}

function payloadOf(...entries: [number, CborInput][]): Uint8Array {
  return encodeCbor(new Map(entries))
}

const flipped = (message: Uint8Array, at: number): Uint8Array => {
  const copy = message.slice()
  copy[at < 0 ? copy.length + at : at]! ^= 1
  return copy
}

/** It failed with that code, silently: the peer got no more bytes than `answered`, and its connection is over. */
function assertSilent({ clock, outcome, peer, socket }: Scene, code: string, answeredBytes: number): void {
  clock.settle()
  assert.equal(outcome.error?.code, code)
  assert.equal(outcome.goodbyeCode, null)
  assert.equal(socket.isDestroyed, true)
  assert.equal(peer.receivedBytes, answeredBytes)
  assert.equal(peer.goodbye, null)
  assert.equal(clock.timerCount, 0, 'a timer was left behind')
}

// The two ends by the book

test('two ends open, and each knows who the other is', () => {
  const clock = new FakeClock()
  const { parts } = openedPair(clock)
  assert.equal(parts[0].identity.id, keyPairOf(2).identity.id)
  assert.equal(parts[1].identity.id, keyPairOf(1).identity.id)
  assert.equal(parts[0].about.name, 'node 2')
  assert.equal(parts[1].about.name, 'node 1')
  assert.equal(clock.timerCount, 0)
})

test('an opening does not mind how the bytes are cut', () => {
  for (const chunkBytes of [1, 2, 7, 100]) {
    const clock = new FakeClock()
    const [dialled, accepted] = memoryPair(clock)
    dialled.chunkBytesMax = chunkBytes
    accepted.chunkBytesMax = chunkBytes
    const listener = startOpening(contextOf(2, clock), accepted, { initiator: false, first: EMPTY })
    const role = { initiator: true, expected: keyPairOf(2).identity.id, keep: false } as const
    const dialler = startOpening(contextOf(1, clock), withoutPreamble(dialled), role)
    clock.settle()
    assert.ok(dialler.opened !== null && listener.opened !== null, `in chunks of ${chunkBytes}`)
  }
})

test('each end writes twice: what it has to say at once goes in one packet', () => {
  const { sockets } = openedPair(new FakeClock())
  assert.deepEqual(
    sockets.map(({ writes }) => writes),
    [2, 2],
  )
})

test('bytes that are good for one call only are enough, however they are cut', () => {
  for (const chunkBytes of [1, 5, 64, Number.POSITIVE_INFINITY]) {
    const clock = new FakeClock()
    const [dialled, accepted] = memoryPair(clock)
    dialled.chunkBytesMax = chunkBytes
    accepted.chunkBytesMax = chunkBytes
    const listener = startOpening(contextOf(2, clock), forgetful(accepted), { initiator: false, first: EMPTY })
    const role = { initiator: true, expected: null, keep: false } as const
    const dialler = startOpening(contextOf(1, clock), forgetful(withoutPreamble(dialled)), role)
    clock.settle()
    assert.ok(dialler.opened !== null && listener.opened !== null, `in chunks of ${chunkBytes}`)
  }
})

/** A socket that shares its read buffer: what it handed out is something else after the call. */
function forgetful(socket: Socket): Socket {
  let isSharing = false
  const shared = new Proxy(socket, {
    get(target, name) {
      if (name === 'shareReadBuffer') {
        return () => {
          isSharing = true
        }
      }
      if (name === 'attach') {
        return (events: SocketEvents) =>
          target.attach({
            ...events,
            data: (bytes) => {
              const lent = bytes.slice()
              events.data(lent)
              if (isSharing) lent.fill(0xff)
            },
          })
      }
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })
  return shared
}

test('what was read behind the preamble belongs to the handshake', () => {
  const clock = new FakeClock()
  const [dialled, accepted] = memoryPair(clock)
  const chunks: Uint8Array[] = []
  accepted.attach({ data: (bytes) => chunks.push(bytes), drained: () => {}, ended: () => {}, closed: () => {} })
  const dialler = startOpening(contextOf(1, clock), dialled, { initiator: true, expected: null, keep: false })
  clock.settle()
  const first = concatBytes(...chunks).subarray(PREAMBLE.length)
  const listener = startOpening(contextOf(2, clock), accepted, { initiator: false, first })
  clock.settle()
  assert.ok(dialler.opened !== null && listener.opened !== null)
})

test('features are told to both ends', () => {
  const clock = new FakeClock()
  const [dialled, accepted] = memoryPair(clock)
  const context = contextOf(2, clock, { features: ['b'] })
  const listener = startOpening(context, accepted, { initiator: false, first: EMPTY })
  const role = { initiator: true, expected: null, keep: false } as const
  const dialler = startOpening(contextOf(1, clock, { features: ['a', 'c'] }), withoutPreamble(dialled), role)
  clock.settle()
  assert.deepEqual(listener.opened?.features, ['a', 'c'])
  assert.deepEqual(dialler.opened?.features, ['b'])
})

test('what comes behind the about is kept for the link', () => {
  const { clock, outcome, peer } = againstDialler({ about: null })
  clock.settle()
  peer.sendFrames([FrameType.about, ordinaryAbout()], [FrameType.ping, new Uint8Array(8)], [FrameType.ping, EMPTY])
  clock.settle()
  assert.equal(outcome.error, null)
  assert.equal(outcome.opened?.frames.next()?.type, FrameType.ping)
})

// What ends in silence

test('a dialler with another network key gets not one byte', () => {
  assertSilent(againstDialler({ psk: otherNetwork.psk }), 'bad-handshake', 0)
})

test('a listener with another network key cannot read message 1, and the dialler gives up on its silence', () => {
  const scene = againstListener({ twist: (message) => flipped(message, -1) })
  assertSilent(scene, 'bad-handshake', PREAMBLE.length + 2 + 48)
})

test('a flipped bit anywhere in message 1 is silence', () => {
  for (let at = 0; at < 48; at++) {
    assertSilent(
      againstDialler({ twist: (message, index) => (index === 0 ? flipped(message, at) : message) }),
      'bad-handshake',
      0,
    )
  }
})

test('a message 1 with a payload is silence', () => {
  assertSilent(againstDialler({ payload1: Uint8Array.of(0xa0) }), 'bad-handshake', 0)
})

test('an ephemeral key of low order is silence', () => {
  // Message 1 mixes no secret, so the listener finds out when it writes message 2.
  const lowOrder = new Uint8Array(32)
  const scene = againstDialler({ messagesMax: 0 })
  scene.peer.sendRaw(concatBytes(Uint8Array.of(0, 48), lowOrder, new Uint8Array(16)))
  assertSilent(scene, 'bad-handshake', 0)
})

for (const [what, payload] of [
  ['no map', encodeCbor([1])],
  ['no identity', payloadOf([2, []])],
  ['an identity of 31 bytes', payloadOf([1, new Uint8Array(31)])],
  ['an identity as text', payloadOf([1, 'x'.repeat(32)])],
  ['seventeen features', payloadOf([1, keyPairOf(1).identity.publicKey], [2, new Array(17).fill('x')])],
  ['a feature of 33 bytes', payloadOf([1, keyPairOf(1).identity.publicKey], [2, ['x'.repeat(33)]])],
  ['features that are numbers', payloadOf([1, keyPairOf(1).identity.publicKey], [2, [1]])],
] as const) {
  test(`a message 3 with ${what} ends the connection without a word`, () => {
    const scene = againstDialler({ payload, about: null })
    scene.clock.settle()
    assert.equal(scene.outcome.error?.code, 'bad-handshake')
    assert.equal(scene.peer.frames.length, 0)
    assert.equal(scene.outcome.asked.length, 0)
  })
}

test('sixteen features of 32 bytes and unknown keys are taken', () => {
  const features = Array.from({ length: 16 }, (_, i) => String(i).padStart(32, 'x'))
  const { clock, outcome } = againstDialler({
    payload: payloadOf([1, keyPairOf(1).identity.publicKey], [2, features], [9, 'later']),
  })
  clock.settle()
  assert.deepEqual(outcome.opened?.features, features)
})

test('an identity that is not that of the key which Noise proved is silence', () => {
  for (const scene of [
    againstDialler({ payload: payloadOf([1, keyPairOf(3).identity.publicKey]), about: null }),
    againstListener({ payload: payloadOf([1, keyPairOf(3).identity.publicKey]), about: null }),
  ]) {
    scene.clock.settle()
    assert.equal(scene.outcome.error?.code, 'bad-identity')
    assert.equal(scene.socket.isDestroyed, true)
    assert.equal(scene.peer.frames.length, 0)
    assert.equal(scene.outcome.asked.length, 0)
  }
})

test('an identity of small order is silence', () => {
  const smallOrder = new Uint8Array(32)
  smallOrder[0] = 1
  const scene = againstDialler({ payload: payloadOf([1, smallOrder]), about: null })
  scene.clock.settle()
  assert.equal(scene.outcome.error?.code, 'bad-identity')
  assert.equal(scene.peer.frames.length, 0)
})

test('a dialler that expected someone else sends no message 3', () => {
  const scene = againstListener({}, { expected: keyPairOf(3).identity.id })
  assertSilent(scene, 'wrong-identity', PREAMBLE.length + 2 + 48)
  assert.equal(scene.outcome.asked.length, 0)
})

test('a dialler that may not go on sends no message 3 and gives the reason', () => {
  const outcome = new Outcome()
  outcome.admission = { ok: false, code: 1, error: new MeshError('already-connected', 'there is one') }
  assertSilent(againstListener({}, { outcome }), 'already-connected', PREAMBLE.length + 2 + 48)
})

test('a dialler that is given up while it asks whether to go on sends no message 3', () => {
  const outcome = new Outcome()
  const scene = againstListener({}, { outcome })
  outcome.onAdmit = () => scene.outcome.opening.abort(new MeshError('aborted', 'given up'))
  assertSilent(scene, 'aborted', PREAMBLE.length + 2 + 48)
  assert.equal(outcome.opened, null)
})

test('a record that does not open is silence, also behind the handshake', () => {
  const { clock, outcome, peer, socket } = againstDialler({ about: null })
  clock.settle()
  const record = peer.seal(Uint8Array.of(5, 1, 0xa0))
  peer.sendRaw(flipped(record, -1))
  clock.settle()
  assert.equal(outcome.error?.code, 'bad-record')
  assert.equal(socket.isDestroyed, true)
  assert.equal(peer.goodbye, null)
})

test('lengths that no handshake record has are silence as soon as they are here', () => {
  for (const length of [0, 2_049, 65_535]) {
    const scene = againstDialler({ messagesMax: 0 })
    scene.peer.sendRaw(Uint8Array.of(length >> 8, length & 0xff))
    assertSilent(scene, 'bad-record', 0)
  }
})

test('a handshake record of 2,048 bytes is read', () => {
  const whole = againstDialler({ messagesMax: 0 })
  whole.peer.sendRaw(concatBytes(Uint8Array.of(8, 0), new Uint8Array(2_047)))
  whole.clock.settle()
  assert.equal(whole.outcome.isOver, false)
  whole.peer.sendRaw(Uint8Array.of(0))
  whole.clock.settle()
  assert.equal(whole.outcome.error?.code, 'bad-handshake')
})

test('no unfinished handshake record can make an end hold 4,096 bytes', () => {
  const scene = againstDialler({ messagesMax: 1 })
  scene.clock.settle()
  // Message 2 was sent; message 3 begins with the longest length and stays away.
  scene.peer.sendRaw(concatBytes(Uint8Array.of(8, 0), new Uint8Array(2_047)))
  scene.clock.settle()
  assert.equal(scene.outcome.isOver, false)
  scene.peer.sendRaw(new Uint8Array(10_000))
  scene.clock.settle()
  assert.equal(scene.outcome.error?.code, 'bad-handshake')
})

// Time

test('the deadline is absolute, whatever the pace of the bytes', () => {
  const { clock, outcome, peer } = againstDialler({ messagesMax: 0 })
  for (let at = 0; at < 49; at++) {
    peer.sendRaw(Uint8Array.of(7))
    clock.advance(100)
  }
  assert.equal(outcome.isOver, false)
  clock.advance(100)
  assert.equal(outcome.error?.code, 'handshake-timeout')
  assert.equal(clock.timerCount, 0)
})

test('an end that shakes hands and then says nothing runs out of time', () => {
  for (const scene of [againstDialler({ about: null }), againstListener({ about: null })]) {
    scene.clock.advance(4_999)
    assert.equal(scene.outcome.isOver, false)
    scene.clock.advance(1)
    assert.equal(scene.outcome.error?.code, 'handshake-timeout')
    assert.equal(scene.peer.goodbye, null)
  }
})

// Behind the handshake, before about

test('a known frame before about is told and ends', () => {
  for (const type of [FrameType.ping, FrameType.askPeers, FrameType.bundle, FrameType.have, FrameType.data]) {
    const { clock, outcome, peer } = againstDialler({ about: null })
    clock.settle()
    peer.sendFrame(type, new Uint8Array(type === FrameType.ping ? 8 : 1))
    clock.settle()
    assert.equal(outcome.error?.code, 'bad-frame')
    assert.equal(peer.goodbye?.code, 3)
    assert.equal(peer.hasEnded, true)
    clock.advance(500)
    assert.equal(clock.timerCount, 0)
  }
})

test('unknown frames before about are skipped', () => {
  const { clock, outcome, peer } = againstDialler({ about: null })
  clock.settle()
  peer.sendFrames([0x7f, new Uint8Array(5_000)], [0xff, EMPTY], [FrameType.about, ordinaryAbout('late')])
  clock.settle()
  assert.equal(outcome.opened?.about.name, 'late')
})

test('an about of 4,096 bytes is read, one of 4,097 is a protocol error as soon as its head is here', () => {
  const fill = (length: number): Uint8Array => {
    const body = encodeCbor(new Map<number, CborInput>([[9, new Uint8Array(length - 5)]]))
    assert.equal(body.length, length)
    return body
  }
  const fits = againstDialler({ about: fill(4_096) })
  fits.clock.settle()
  assert.ok(fits.outcome.opened !== null)
  const { clock, outcome, peer } = againstDialler({ about: null })
  clock.settle()
  peer.sendPlain(encodeFrame(FrameType.about, fill(4_097)).subarray(0, 3))
  clock.settle()
  assert.equal(outcome.error?.code, 'bad-frame')
  assert.equal(peer.goodbye?.code, 3)
})

test('a malformed about is a protocol error', () => {
  const { clock, outcome, peer } = againstDialler({ about: Uint8Array.of(0x80) })
  clock.settle()
  assert.equal(outcome.error?.code, 'bad-frame')
  assert.equal(peer.goodbye?.code, 3)
})

test('a node record that is not genuine is a protocol error', () => {
  const about = encodeAbout({ agent: '', name: '', record: Uint8Array.of(1, 2, 3), observed: null, keep: false })
  const checked: Uint8Array[] = []
  const checkRecord = (record: Uint8Array): void => {
    checked.push(record)
    throw new MeshError('bad-peers', 'not genuine')
  }
  const { clock, outcome, peer } = againstDialler({ about }, { context: { checkRecord } })
  clock.settle()
  assert.deepEqual(checked, [Uint8Array.of(1, 2, 3)])
  assert.equal(outcome.error?.code, 'bad-peers')
  assert.equal(peer.goodbye?.code, 3)
})

test('a listener refuses with words, and only a full one tells of others', () => {
  for (const [code, tells] of [
    [2, true],
    [5, false],
    [7, false],
  ] as const) {
    const outcome = new Outcome()
    outcome.admission = { ok: false, code, error: new MeshError('too-many-neighbours', 'no') }
    outcome.refusalPeers = encodeCbor([Uint8Array.of(1)])
    const { clock, peer } = againstDialler({}, { outcome })
    clock.settle()
    assert.equal(outcome.error?.code, 'too-many-neighbours')
    assert.deepEqual(peer.goodbye, { code, text: 'no' })
    assert.equal(peer.bodies(FrameType.peers).length, tells ? 1 : 0)
    assert.equal(peer.bodies(FrameType.about).length, 0)
    assert.equal(peer.frames.at(-1)?.type, FrameType.goodbye)
  }
})

test('a refused dialler hears of others first, then the code', () => {
  const { clock, outcome, peer } = againstListener({ about: null })
  clock.settle()
  const record = Uint8Array.of(7, 7)
  peer.sendFrames([FrameType.peers, encodeCbor([record])], [FrameType.goodbye, encodeGoodbye(2, 'full')])
  clock.settle()
  assert.deepEqual(
    outcome.told.map(({ records }) => records.map((bytes) => new Uint8Array(bytes))),
    [[record]],
  )
  assert.equal(outcome.error?.code, 'peer-said-goodbye')
  assert.match(outcome.error?.message ?? '', /full/)
  assert.equal(outcome.goodbyeCode, 2)
})

test('records told before about that are not genuine are a protocol error', () => {
  const { clock, outcome, peer } = againstListener({ about: null })
  outcome.onTold = () => {
    throw new MeshError('bad-peers', 'forged')
  }
  clock.settle()
  peer.sendFrame(FrameType.peers, encodeCbor([Uint8Array.of(1)]))
  clock.settle()
  assert.equal(outcome.error?.code, 'bad-peers')
  assert.equal(peer.goodbye?.code, 3)
})

test('a FIN, a reset and giving up each end it once', () => {
  const lost = againstDialler({ about: null })
  lost.clock.settle()
  lost.peer.socket.end()
  lost.clock.settle()
  assert.equal(lost.outcome.error?.code, 'connection-lost')

  const reset = againstDialler({ about: null })
  reset.clock.settle()
  reset.peer.socket.destroy({ reset: true })
  reset.clock.settle()
  assert.equal(reset.outcome.error?.code, 'connection-lost')

  const abandoned = againstDialler({ about: null })
  abandoned.outcome.opening.abort(new MeshError('shutdown', 'stopping'))
  abandoned.outcome.opening.abort(new MeshError('shutdown', 'stopping'))
  abandoned.clock.settle()
  assert.equal(abandoned.outcome.error?.code, 'shutdown')
  assert.equal(abandoned.clock.timerCount, 0)
})

test('what comes after the end is not read', () => {
  const { clock, outcome, peer } = againstDialler({ about: null })
  clock.settle()
  peer.sendFrames([FrameType.goodbye, encodeGoodbye(0, '')], [FrameType.about, ordinaryAbout()])
  clock.settle()
  assert.equal(outcome.error?.code, 'peer-said-goodbye')
  assert.equal(outcome.opened, null)
})

// Bodies

test('peers are at most 32 byte strings', () => {
  const refused = (error: unknown): boolean => error instanceof MeshError && error.fault === 'remote'
  assert.equal(decodePeers(encodeCbor(new Array(32).fill(EMPTY))).length, 32)
  assert.deepEqual(decodePeers(encodeCbor([])), [])
  assert.throws(() => decodePeers(encodeCbor(new Array(33).fill(EMPTY))), refused)
  assert.throws(() => decodePeers(encodeCbor(['text'])), refused)
  assert.throws(() => decodePeers(encodeCbor(new Map())), refused)
  assert.throws(() => decodePeers(concatBytes(encodeCbor([]), Uint8Array.of(0))), refused)
  const whole = encodeCbor([new Uint8Array(30), new Uint8Array(3)])
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodePeers(whole.subarray(0, length)), refused)
  }
})

test('a goodbye in words has its code and name', () => {
  assert.equal(goodbyeReason(1, ''), 'goodbye 1 (duplicate)')
  assert.equal(goodbyeReason(0, 'restart'), 'goodbye 0 (shuttingDown): restart')
  assert.equal(goodbyeReason(99, ''), 'goodbye 99 (unknown code)')
})

// Which link a stream is opened over, where links end just then. What goes over them is tested in tests/direct, tests/streams
// and tests/mesh.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameType } from '../lib/framing/frames.ts'
import type { Link } from '../lib/link/link.ts'
import { OneToOne, Registrations } from '../lib/one-to-one.ts'
import { completedNative } from './crypto/providers.ts'
import { seeded } from './crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from './identity/nodes.ts'
import { FakeClock } from './link/fake-clock.ts'

const PEER = keyPairOf(2).identity

class FakeLink {
  readonly identity = PEER
  readonly direction = 'out'
  readonly roundTripMs = null
  /** Types of the frames that it was given. */
  readonly sent: number[] = []
  isOpen = true

  send(_into: string, { type }: { type: number }): void {
    this.sent.push(type)
  }

  withdraw(): boolean {
    return false
  }
}

function setUp(found: FakeLink[], standing: () => FakeLink | undefined): { clock: FakeClock; oneToOne: OneToOne } {
  const clock = new FakeClock()
  const { bytes } = seeded(1)
  const oneToOne = new OneToOne({
    clock,
    random: { bytes, fraction: () => 0.5 },
    primitives: completedNative,
    keyPair: keyPairOf(1),
    network: openNetwork,
    identities,
    registrations: new Registrations(),
    epoch: () => 1,
    knownEpoch: () => 0,
    links: () => [],
    link: () => standing() as unknown as Link | undefined,
    visit: async () => found.shift() as unknown as Link,
    leave: () => {},
    warn: () => {},
  })
  return { clock, oneToOne }
}

test('what is no function takes no direct messages', () => {
  const registrations = new Registrations()
  for (const handler of [undefined, null, 'handler', {}]) {
    assert.throws(() => registrations.onMessage('topic', handler as never), { code: 'bad-argument' })
    assert.throws(() => registrations.onRequest('topic', handler as never), { code: 'bad-argument' })
  }
  registrations.onMessage('topic', () => {})
  registrations.onRequest('topic', () => '')
})

test('where the link has ended since it was found, no stream is opened and nothing is left', async () => {
  const link = new FakeLink()
  const { clock, oneToOne } = setUp([link], () => undefined)
  const opening = oneToOne.open(PEER.id, ['echo/1'], undefined)
  link.isOpen = false
  await assert.rejects(opening, { code: 'connection-lost' })
  assert.deepEqual(link.sent, [])
  assert.equal(oneToOne.streamCount, 0)
  assert.equal(clock.timerCount, 0)
})

test('where another connection has taken over since the link was found, the stream is opened over that', async () => {
  const [loser, winner] = [new FakeLink(), new FakeLink()]
  const { clock, oneToOne } = setUp([loser, winner], () => winner)
  const opening = oneToOne.open(PEER.id, ['echo/1'], undefined)
  loser.isOpen = false
  const failed = assert.rejects(opening, { code: 'timed-out' })
  await new Promise(setImmediate)
  assert.deepEqual(loser.sent, [])
  assert.deepEqual(winner.sent, [FrameType.open])
  clock.advance(20_000)
  await failed
  oneToOne.close()
})

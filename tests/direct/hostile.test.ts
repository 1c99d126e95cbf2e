// What those on the way, and hostile ends, can try with direct messages, and what comes of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyBytes, EMPTY, utf8 } from '../../lib/bytes.ts'
import { type Content, encodeContent, Kind } from '../../lib/direct/content.ts'
import { Envelopes, readDirect, setHops } from '../../lib/direct/envelope.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import type { KeyPair } from '../../lib/identity/key-pair.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import { codeOf, outcomeOf, text, VirtualMesh } from './virtual-mesh.ts'

const random = seeded(99)

function envelopesOf(keyPair: KeyPair): Envelopes {
  const options = { keyPair, networkId: openNetwork.id, identities, primitives: completedNative }
  return new Envelopes({ ...options, random: (length) => random.bytes(length) })
}

/** A body as `keys` would seal it. */
function sealedBy(keys: KeyPair, to: KeyPair, plain: Uint8Array): Uint8Array {
  return envelopesOf(keys).seal(to.identity, plain)
}

function message(sequence: number, destinationEpoch: number, payload: Uint8Array = EMPTY): Content {
  return { destinationEpoch, epoch: 5, sequence, kind: Kind.message, answered: null, topic: 'inbox', payload }
}

test('recorded frames deliver nothing twice: not at once, not later, not after a restart of either end', async () => {
  const mesh = new VirtualMesh(4).line()
  const got: string[] = []
  const listen = (): void => {
    mesh.node(3).direct.onMessage('inbox', ({ data }) => void got.push(text(data)))
    mesh.node(3).direct.onRequest('count', () => {
      got.push('request')
      return ''
    })
  }
  listen()
  for (const name of ['a', 'b']) {
    await Promise.all([mesh.node(0).direct.send(mesh.node(3).id, 'inbox', utf8(name)), mesh.pass(500)])
    await Promise.all([mesh.node(0).direct.request(mesh.node(3).id, 'count', EMPTY), mesh.pass(500)])
  }
  const expected = ['a', 'request', 'b', 'request']
  assert.deepEqual(got, expected)
  const recorded = mesh.crossed.map((frame) => ({ ...frame, body: copyBytes(frame.body) }))
  const replay = async (): Promise<void> => {
    for (const { from, to, body } of recorded) mesh.inject(from, to, copyBytes(body))
    await mesh.pass(2_000)
    assert.deepEqual(got, expected)
  }
  await replay()
  // Long after the envelopes have left every memory of copies.
  await mesh.pass(600_000)
  await replay()
  assert.equal(mesh.node(3).direct.counters.inbox.ignored.duplicate, 4)
  mesh.restart(0, 2_000_000)
  await replay()
  mesh.restart(3, 2_000_003)
  listen()
  await replay()
  await mesh.pass(600_000)
  await replay()
  assert.ok(mesh.node(3).direct.counters.inbox.ignored.epoch >= 4)
  assert.deepEqual(mesh.rejections, [])
})

test('frames that are provably wrong are the neighbour’s fault; all other bytes are ignored', async () => {
  const mesh = new VirtualMesh(3).line()
  const [evil, relay] = [mesh.node(0), mesh.node(1)]
  const good = sealedBy(evil.keys, mesh.node(2).keys, encodeContent(message(0, 0)))
  for (let length = 0; length < good.length; length++) mesh.inject(0, 1, good.slice(0, length))
  await mesh.pass(100)
  assert.equal(mesh.rejections.length, good.length)
  for (const { by, error } of mesh.rejections) assert.deepEqual([by, codeOf(error)], [1, 'bad-direct'])
  mesh.rejections.length = 0
  for (let seed = 0; seed < 300; seed++) {
    const bytes = random.bytes(random.below(400))
    const spoilt = copyBytes(good)
    spoilt[random.below(spoilt.length)] = random.below(256)
    for (const body of [bytes, spoilt]) {
      for (const to of [relay, mesh.node(2)]) {
        try {
          to.direct.received(to === relay ? evil.identity.key : relay.identity.key, body)
        } catch (error) {
          assert.equal(codeOf(error), 'bad-direct')
        }
      }
    }
  }
})

test('whoever changes a header, or the hops, silences nobody', async () => {
  const mesh = new VirtualMesh(4).line()
  mesh.link(0, 2)
  const got: string[] = []
  mesh.node(3).direct.onMessage('inbox', ({ data }) => void got.push(text(data)))
  const true1 = sealedBy(mesh.node(0).keys, mesh.node(3).keys, encodeContent(message(0, mesh.node(3).epoch, utf8('1'))))
  for (const at of [0, 40]) {
    const forged = copyBytes(true1)
    forged.set(keyPairOf(77).identity.publicKey, at < 32 ? 0 : 32)
    mesh.inject(1, 2, forged)
  }
  await mesh.pass(50)
  for (const hops of [32, 31]) {
    const tired = copyBytes(true1)
    setHops(tired, hops, true)
    mesh.inject(1, 2, tired)
    await mesh.pass(5)
  }
  mesh.inject(0, 2, copyBytes(true1))
  await mesh.pass(100)
  assert.deepEqual(got, ['1'])
})

test('only who holds the key of the source is heard: a sealed source that is another’s is not', async () => {
  const mesh = new VirtualMesh(2).line()
  let count = 0
  mesh.node(1).direct.onMessage('inbox', () => {
    count++
  })
  const victim = keyPairOf(50)
  // It seals with its own static key and the victim's identity in the header and the prologue.
  const liar: KeyPair = {
    ...mesh.node(0).keys,
    identity: { ...mesh.node(0).identity, publicKey: victim.identity.publicKey },
  }
  mesh.inject(0, 1, sealedBy(liar, mesh.node(1).keys, encodeContent(message(0, mesh.node(1).epoch))))
  await mesh.pass(50)
  assert.equal(count, 0)
  assert.equal(mesh.node(1).direct.counters.ignored.unopened, 1)
})

test('what a hostile source seals is ignored and counted, and no neighbour is blamed', async () => {
  const mesh = new VirtualMesh(2).line()
  const [evil, us] = [mesh.node(0).keys, mesh.node(1).keys]
  const plains: Uint8Array[] = [
    utf8('no CBOR at all'),
    encodeCbor([1, 2, 3, 0, null, 'inbox']),
    encodeCbor([us.identity.publicKey]),
    encodeContent({ ...message(0, 0), topic: '' }),
    encodeContent({ ...message(0, 0), kind: Kind.acknowledgement }),
    encodeContent({ ...message(0, 0), kind: Kind.error, topic: 'unreachable' }),
    encodeCbor([0, 5, 0, 9, null, 'later', EMPTY]),
  ]
  for (const plain of plains) mesh.inject(0, 1, sealedBy(evil, us, plain))
  // Answers to nothing.
  for (const [kind, topic] of [
    [1, ''],
    [3, ''],
    [6, ''],
    [4, 'epoch'],
    [4, 'busy'],
    [4, 'no-handler'],
    [4, 'else'],
  ] as const) {
    const answered = { epoch: mesh.node(1).epoch, sequence: 0 }
    mesh.inject(0, 1, sealedBy(evil, us, encodeContent({ ...message(0, 0), kind, answered, topic })))
  }
  await mesh.pass(100)
  const { ignored, inbox } = mesh.node(1).direct.counters
  assert.deepEqual([ignored.malformed, ignored.unknownKind, inbox.ignored.unexpected], [6, 1, 7])
  assert.deepEqual(mesh.rejections, [])
})

test('nobody but the destination can answer for it', async () => {
  const mesh = new VirtualMesh(3).line()
  await Promise.all([mesh.node(0).direct.ping(mesh.node(2).id), mesh.pass(100)])
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY))
  mesh.cut(1, 2)
  const answered = { epoch: mesh.node(0).epoch, sequence: 0 }
  for (const [kind, topic] of [
    [1, ''],
    [3, ''],
    [4, 'no-handler'],
    [4, 'epoch'],
  ] as const) {
    const content = { ...message(0, mesh.node(0).epoch), kind, answered, topic }
    mesh.inject(1, 0, sealedBy(mesh.node(1).keys, mesh.node(0).keys, encodeContent(content)))
  }
  await mesh.pass(900)
  assert.equal(sent.state, 'waiting')
  await mesh.pass(8_000)
  assert.equal(codeOf(sent.error), 'timed-out')
})

test('floods are bounded: of what one neighbour brings, and of our own', async () => {
  const mesh = new VirtualMesh(4).line()
  const strangers = Array.from({ length: 100 }, (_, i) => keyPairOf(100 + i))
  for (const stranger of strangers)
    mesh.inject(0, 1, sealedBy(mesh.node(0).keys, stranger, encodeContent(message(0, 0))))
  await mesh.pass(11)
  assert.equal(mesh.crossed.filter(({ from }) => from === 1).length, 20)
  assert.equal(mesh.node(1).direct.counters.relay.dropped, 80)
  await mesh.pass(1_000)
  mesh.crossed.length = 0
  const sent = strangers.map(({ identity }) => outcomeOf(mesh.node(0).direct.send(identity.id, 'inbox', EMPTY)))
  assert.equal(mesh.crossed.filter(({ from }) => from === 0).length, 20)
  await mesh.pass(2_000)
  assert.ok(mesh.crossed.filter(({ from }) => from === 0).length <= 61)
  await mesh.pass(40_000)
  for (const { error } of sent) assert.match(codeOf(error), /timed-out|unreachable/)
})

test('a large envelope that floods is a fault, and one that finds no way makes few words', async () => {
  const mesh = new VirtualMesh(3).line()
  const large = encodeContent(message(0, 0, new Uint8Array(5_000)))
  const flooding = sealedBy(mesh.node(0).keys, keyPairOf(60), large)
  setHops(flooding, 1, true)
  mesh.inject(0, 1, flooding)
  await mesh.pass(50)
  assert.deepEqual(
    mesh.rejections.map(({ error }) => codeOf(error)),
    ['bad-direct'],
  )
  for (let i = 0; i < 60; i++) mesh.inject(0, 1, sealedBy(mesh.node(0).keys, keyPairOf(60), large))
  await mesh.pass(50)
  assert.equal(mesh.node(1).direct.counters.relay.unreachable, 20)
  assert.equal(mesh.crossed.length, 20)
})

test('a claim does not move a way that was proven as lately as ways are remembered', async () => {
  const mesh = new VirtualMesh(4)
  for (const end of [0, 2, 3]) mesh.link(1, end)
  const victim = keyPairOf(70)
  const victimKey = Buffer.from(victim.identity.publicKey).toString('latin1')
  mesh.node(1).direct.heard(victimKey, mesh.node(0).identity.key, mesh.nowMs)
  const toward = async (): Promise<number | undefined> => {
    mesh.crossed.length = 0
    mesh.inject(3, 1, sealedBy(keyPairOf(71), victim, encodeContent(message(0, 0))))
    await mesh.pass(11)
    return mesh.crossed[0]?.to
  }
  mesh.inject(2, 1, sealedBy(victim, mesh.node(0).keys, encodeContent(message(0, 0))))
  await mesh.pass(50)
  assert.equal(await toward(), 0)
  await mesh.pass(500_000)
  mesh.inject(2, 1, sealedBy(victim, mesh.node(0).keys, encodeContent(message(1, 0))))
  await mesh.pass(50)
  assert.equal(await toward(), 0)
  await mesh.pass(100_000)
  mesh.inject(2, 1, sealedBy(victim, mesh.node(0).keys, encodeContent(message(2, 0))))
  await mesh.pass(50)
  assert.equal(await toward(), 2)
})

test('an envelope goes on once, whatever copies come, and never back', async () => {
  const mesh = new VirtualMesh(3).line()
  const body = sealedBy(mesh.node(0).keys, keyPairOf(80), encodeContent(message(0, 0)))
  for (let i = 0; i < 5; i++) mesh.inject(0, 1, copyBytes(body))
  mesh.inject(2, 1, copyBytes(body))
  await mesh.pass(100)
  assert.deepEqual(
    mesh.crossed.map(({ from, to }) => [from, to]),
    [[1, 2]],
  )
  assert.equal(readDirect(mesh.crossed[0]!.body, 4_096).hops, 2)
  assert.equal(mesh.node(1).direct.counters.ignored.copies, 5)
  mesh.inject(1, 0, copyBytes(body))
  await mesh.pass(100)
  assert.equal(mesh.node(0).direct.counters.ignored.own, 1)
})

test('more calls than may wait at once are refused, and one question serves those to the same node', async () => {
  const mesh = new VirtualMesh(2).line()
  const sent = Array.from({ length: 4_097 }, () => outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY)))
  await mesh.pass(0)
  assert.equal(codeOf(sent[4_096]!.error), 'too-large')
  assert.equal(mesh.crossed.length, 1)
  mesh.node(0).direct.close()
  await mesh.pass(0)
  assert.ok(sent.every(({ state }) => state === 'failed'))
})

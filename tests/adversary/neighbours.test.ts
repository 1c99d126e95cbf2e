import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { encodeFrame, FrameType } from '../../lib/framing/frames.ts'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { encodeNodeRecord } from '../../lib/identity/node-record.ts'
import { LINK_QUEUE_BYTES_MAX, RANGES_PER_EPOCH_MAX } from '../../lib/limits.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { bodyOf, bundleBody, bundleOfElements, elementsOf, sealedBundle, signed } from '../flood/bundles.ts'
import { keyPairOf, openNetwork } from '../identity/nodes.ts'
import { leavesLittle, Siege } from './evil-peer.ts'

const DAYS_8_MS = 8 * 24 * 3_600_000
const closedOf = (siege: Siege, code: string): number => siege.target.stats().closed[code] ?? 0

test('frames with lengths beyond their bounds are told and end the link', async () => {
  await using siege = await Siege.laid()
  for (const head of [
    Uint8Array.of(FrameType.ping, 9),
    Uint8Array.of(FrameType.bundle, 0x81, 0x80, 0x44),
    Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0x7f),
    Uint8Array.of(FrameType.bundle, 0x80, 0x00),
  ]) {
    const peer = await siege.opened()
    peer.sendPlain(head)
    await peer.untilOver()
    assert.equal(peer.goodbye?.code, GoodbyeCode.protocolError)
    await siege.until(() => siege.target.stats().neighbours === 1)
  }
  assert.equal(closedOf(siege, 'bad-frame'), 4)
  await siege.serves()
})

test('a claimed megabyte costs what has come of it, not what was claimed', async () => {
  await using siege = await Siege.laid()
  const peers = await Promise.all(Array.from({ length: 20 }, (_, i) => siege.opened(70 + i)))
  await leavesLittle(3_000_000, async () => {
    for (const peer of peers) peer.sendPlain(Uint8Array.of(0x7e, 0x80, 0x80, 0x40))
    await siege.serves()
  })
})

test('CBOR bombs in a bundle are rejected at the price of their bytes', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const head = encodeCbor(elementsOf())
  head[0] = 0x89
  const bombs = [
    // Nesting, an array that claims more than there is, a bignum, a float, an endless array, a text that is not UTF-8.
    concatBytes(head, new Uint8Array(60_000).fill(0x81), Uint8Array.of(0)),
    concatBytes(head, Uint8Array.of(0x9b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
    concatBytes(head, Uint8Array.of(0xc2, 0x59, 0xff, 0xff), new Uint8Array(65_535).fill(0xff)),
    concatBytes(head, Uint8Array.of(0xfb, 0, 0, 0, 0, 0, 0, 0, 0)),
    concatBytes(head, Uint8Array.of(0x9f, 0, 0, 0xff)),
    concatBytes(head, Uint8Array.of(0x61, 0xff)),
    // Seventy thousand items, and a map whose keys are the same.
    concatBytes(head, Uint8Array.of(0x9a, 0, 1, 0x11, 0x70), new Uint8Array(70_000)),
    concatBytes(head, Uint8Array.of(0xa2, 1, 1, 1, 1)),
  ]
  for (const bomb of bombs) peer.sendFrame(FrameType.bundle, bodyOf(signed(bomb)))
  await siege.until(() => siege.target.stats().bundles.rejected.malformed === bombs.length)
  assert.equal(siege.target.stats().seen.origins <= 2, true)
  await siege.serves()
})

test('ten bad signatures are a ban, and what was sent behind them is not read', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const forged = bundleBody({ origin: 5 })
  forged[20] = forged[20]! ^ 1
  peer.sendFrames(...Array.from({ length: 1_000 }, () => [FrameType.bundle, forged] as const))
  await peer.untilOver()
  assert.equal(peer.goodbye?.code, GoodbyeCode.misbehaviour)
  assert.deepEqual(siege.warnings, ['neighbour-banned'])
  assert.equal(siege.target.stats().bundles.rejected['bad-signature'], 10)
  assert.equal(siege.target.neighbours().find(({ state }) => state === 'banned')?.peer, keyPairOf(66).identity.id)
  const again = await siege.peer()
  await again.untilOver()
  assert.equal(again.goodbye?.code, GoodbyeCode.misbehaviour)
  assert.equal(siege.target.stats().refused.banned, 1)
  // The genuine bundle comes by another way, and was not silenced.
  const other = await siege.opened(67)
  other.sendFrame(FrameType.bundle, bundleBody({ origin: 5 }))
  await siege.until(() => siege.heard.some((message) => message.text() === 'hello'))
  await siege.serves()
})

test('a neighbour that never reads is owed no more than its queue holds', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  peer.socket.pause()
  const payload = new Uint8Array(500_000)
  for (let i = 0; i < 40; i++) await siege.target.publish('flood', payload)
  await siege.until(() => siege.heard.filter(({ topic }) => topic === 'flood').length === 40)
  const entry = siege.target.neighbours().find((neighbour) => neighbour.peer === keyPairOf(66).identity.id)
  assert.ok(entry !== undefined && entry.queuedBytes < LINK_QUEUE_BYTES_MAX + 500_000)
  await siege.until(() => siege.target.stats().links.bundlesDropped > 0)
  await siege.serves()
})

test('a flood of pings fills no queue: one answer waits at most', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  peer.socket.pause()
  const pings = concatBytes(...Array.from({ length: 6_000 }, () => encodeFrame(FrameType.ping, new Uint8Array(8))))
  const before = siege.target.stats().links.framesIn
  for (let i = 0; i < 5; i++) peer.sendPlain(pings)
  await siege.until(() => siege.target.stats().links.framesIn >= before + 30_000)
  assert.ok(siege.target.stats().links.queuedBytes < 1_000)
  await siege.serves()
  peer.socket.resume()
  await peer.untilFrame(FrameType.pong)
  assert.ok(peer.bodies(FrameType.pong).length < 6_000)
})

test('a flood of ask-peers gets one answer a second', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const asks = Array.from({ length: 5_000 }, () => [FrameType.askPeers, encodeCbor([32])] as const)
  const before = siege.target.stats().links.framesIn
  peer.sendFrames(...asks)
  await siege.until(() => siege.target.stats().links.framesIn >= before + 5_000)
  await peer.untilFrame(FrameType.peers)
  await siege.serves()
  assert.ok(peer.bodies(FrameType.peers).length <= 5)
})

test('a record that does not open ends the link in silence and counts no points', async () => {
  await using siege = await Siege.laid()
  for (let i = 1; i <= 12; i++) {
    const peer = await siege.opened()
    const record = peer.seal(encodeFrame(FrameType.ping, new Uint8Array(8)))
    record[8] = record[8]! ^ 1
    peer.sendRaw(record)
    await peer.untilOver()
    assert.equal(peer.goodbye, null)
    await siege.until(() => closedOf(siege, 'bad-record') === i)
  }
  assert.deepEqual(siege.warnings, [])
  await siege.serves()
})

test('a forged node record, told or in about, is the teller’s fault', async () => {
  await using siege = await Siege.laid()
  const record = encodeNodeRecord(keyPairOf(68), openNetwork, 1, [], completedNative)
  record[0] = record[0]! ^ 1
  const peer = await siege.opened()
  peer.sendFrame(FrameType.peers, encodeCbor([record]))
  await peer.untilOver()
  assert.equal(peer.goodbye?.code, GoodbyeCode.protocolError)
  assert.equal(closedOf(siege, 'bad-peers'), 1)
  const second = await siege.peer(67, { about: encodeCbor(new Map([[3, record]])) })
  await second.untilOver()
  assert.equal(siege.target.stats().refused['bad-peers'], 1)
  await siege.serves()
})

test('a copy with exhausted hops that comes first is delivered, and silences nobody here', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const { sealed } = sealedBundle({ origin: 5, messages: [['t', 'far']] })
  const before = siege.target.stats()
  peer.sendFrame(FrameType.bundle, bodyOf(sealed, 255))
  await siege.until(() => siege.target.stats().bundles.accepted === before.bundles.accepted + 1)
  assert.equal(siege.target.stats().delivered.messages, before.delivered.messages + 1)
  await siege.serves()
  assert.equal(
    siege.heard.some((message) => message.text() === 'far'),
    false,
  )
})

test('two different bundles for one number are told apart and counted', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  peer.sendFrames(
    [
      FrameType.bundle,
      bundleBody({
        origin: 5,
        messages: [
          ['t', 'a'],
          ['t', 'b'],
        ],
      }),
    ],
    [
      FrameType.bundle,
      bundleBody({
        origin: 5,
        first: 1,
        messages: [
          ['t', 'B'],
          ['t', 'c'],
        ],
      }),
    ],
  )
  await siege.until(() => siege.target.stats().bundles.ignored.equivocation === 1)
  await siege.serves()
  assert.deepEqual(
    siege.heard.filter(({ topic }) => topic === 't').map((message) => message.text()),
    ['a', 'b'],
  )
})

test('frames of unknown types, large and many, are skipped and counted', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  await leavesLittle(3_000_000, async () => {
    const before = siege.target.stats().links.unknownFrames
    peer.sendFrame(0x7f, new Uint8Array(1_000_000))
    peer.sendFrames(...Array.from({ length: 2_000 }, (_, i) => [0x80 + (i % 100), EMPTY] as const))
    peer.sendFrames([FrameType.mode, EMPTY])
    await siege.until(() => siege.target.stats().links.unknownFrames === before + 2_002)
  })
  assert.equal(siege.target.stats().neighbours, 2)
  await siege.serves()
})

test('a huge age is ignored and nobody’s fault, and does not keep the young copy out', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const { sealed } = sealedBundle({ origin: 5, messages: [['t', 'young']] })
  peer.sendFrames(
    [FrameType.bundle, bodyOf(sealed, 1, Number.MAX_SAFE_INTEGER)],
    [FrameType.bundle, bodyOf(sealed, 1, DAYS_8_MS)],
  )
  await siege.until(() => siege.target.stats().bundles.ignored['too-old'] === 2)
  peer.sendFrame(FrameType.bundle, bodyOf(sealed))
  await siege.until(() => siege.heard.some((message) => message.text() === 'young'))
  await siege.serves()
})

test('our own bundles that are reflected are duplicates', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  peer.onFrame = (type, body) => {
    if (type === FrameType.bundle) peer.sendFrame(type, body)
  }
  for (let i = 0; i < 20; i++) await siege.serves()
  await siege.until(() => siege.target.stats().bundles.duplicate >= 20)
  // The others' own records came too.
  const ofMesh = siege.target.stats().nodes - 1
  assert.equal(siege.target.stats().bundles.accepted, 20 + ofMesh)
  assert.deepEqual(siege.warnings, [])
})

test('an origin with numbers far apart fills its own ranges and no more', async () => {
  await using siege = await Siege.laid()
  const peer = await siege.opened()
  const more = 100
  const sparse = Array.from({ length: RANGES_PER_EPOCH_MAX + more }, (_, i) => {
    return [FrameType.bundle, bundleBody({ origin: 5, first: 1_000_000 - i * 2, messages: [['t', '']] })] as const
  })
  peer.sendFrames(...sparse)
  await siege.until(() => (siege.target.stats().bundles.ignored['no-room'] ?? 0) === more)
  assert.ok(siege.target.stats().seen.ranges <= RANGES_PER_EPOCH_MAX + 4)
  await siege.serves()
})

test('random frames, sealed and framed soundly, end at worst their own link', async () => {
  await using siege = await Siege.laid()
  const random = seeded(12)
  for (let round = 0; round < 30; round++) {
    const peer = await siege.peer(100 + round)
    await peer.until(() => peer.isSealed)
    for (let i = 0; i < 20; i++) {
      const type = [0, 1, 2, 3, 4, 5, 0x10, 0x11, 0x20, 0x30, 0x7f][random.below(11)]!
      const body = type <= 1 ? random.bytes(8) : random.bytes(random.below(200))
      if (body.length > 0 && random.below(2) === 0) body[0] = 0x80 + random.below(3)
      peer.sendFrame(type, body)
    }
    peer.sendFrames([FrameType.bundle, bundleOfElements([1])])
  }
  await siege.serves()
})

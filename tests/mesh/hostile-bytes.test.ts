// Whole nodes fed with anything at all: from strangers, from someone on the path, and from a neighbour that has proven who it
// is. Nothing is thrown past the connection, what is held stays bounded, and the node goes on with everybody else.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, utf8 } from '../../lib/bytes.ts'
import { encodeFrame, FrameType } from '../../lib/framing/frames.ts'
import { ERROR_FAULTS, type ErrorCode, type MeshStats } from '../../lib/index.ts'
import type { Seeded } from '../crypto/seeded.ts'
import { bundleBody } from '../flood/bundles.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { ordinaryAbout, ScriptedPeer } from '../link/scripted-peer.ts'
import { rounds } from '../tools/all-tests.ts'
import { chance } from '../virtual/chance.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { relayTo } from '../virtual/relay.ts'

const PREAMBLE = utf8('mesh/1\n')
/** Ends of connections that are no fault of the other end. */
const INNOCENT: ReadonlySet<string> = new Set(['shutdown', 'disconnected', 'already-connected', 'dial-failed'])

/** Only what others do has ended connections, and nothing else is counted. */
function assertRemoteFaults({ refused, closed }: MeshStats): void {
  for (const code of [...Object.keys(refused), ...Object.keys(closed)] as ErrorCode[]) {
    assert.ok(ERROR_FAULTS[code] === 'remote' || INNOCENT.has(code), code)
  }
}

async function assertWell(mesh: VirtualMesh, node: VirtualNode, number: number): Promise<void> {
  const other = (await mesh.started(number)).hear()
  await mesh.join(other, node)
  await mesh.time.of(node.mesh.publish('chat', 'still here'))
  await mesh.time.run(20)
  assert.deepEqual(other.texts, ['still here'])
  await mesh.stop(other)
}

function strangersBytes(random: Seeded): Uint8Array {
  const length = random.below(random.below(4) === 0 ? 20_000 : 200)
  const anything = random.bytes(length)
  switch (random.below(4)) {
    case 0:
      return anything
    case 1:
      return concatBytes(PREAMBLE, anything)
    case 2:
      // A record of a possible length that holds anything.
      return concatBytes(PREAMBLE, Uint8Array.of((length >> 8) & 7, length & 0xff), anything)
    default:
      return concatBytes(PREAMBLE.subarray(0, random.below(8)), anything)
  }
}

test('whatever a stranger sends, it gets no answer and is gone after five seconds', async () => {
  const mesh = new VirtualMesh()
  mesh.network.chunkBytesMax = 400
  const node = await mesh.started(1)
  const host = mesh.network.host('10.0.0.66')
  const random = chance(1)
  for (let round = 0; round < 300; round++) {
    const socket = await mesh.time.of(host.tcp.dial({ host: node.ip, port: 6374 }, new AbortController().signal))
    socket.attach({ data: () => assert.fail('an answer'), drained: () => {}, ended: () => {}, closed: () => {} })
    socket.write(strangersBytes(random))
    await mesh.time.run(2)
    if (random.below(2) === 0) socket.write(strangersBytes(random))
    await mesh.time.run(random.below(2) === 0 ? 5_000 : 1)
    socket.destroy({ reset: random.below(2) === 0 })
  }
  await mesh.time.run(5_100)
  assert.equal(node.host.sockets.size, 0)
  assert.equal(
    Object.values(node.mesh.stats().refused).reduce((sum, count) => sum + count, 0),
    300,
  )
  assertRemoteFaults(node.mesh.stats())
  await assertWell(mesh, node, 2)
  await mesh.stop()
})

/** One way to spoil a stretch of a byte stream. */
function spoil(bytes: Uint8Array, random: Seeded): readonly Uint8Array[] {
  const at = random.below(bytes.length)
  switch (random.below(6)) {
    case 0: {
      const flipped = bytes.slice()
      flipped[at]! ^= 1 << random.below(8)
      return [flipped]
    }
    case 1:
      return [bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + random.below(20)))]
    case 2:
      return [bytes.subarray(0, at), random.bytes(1 + random.below(40)), bytes.subarray(at)]
    case 3:
      return [bytes, bytes]
    case 4:
      return []
    default:
      return [random.bytes(bytes.length)]
  }
}

test('what someone on the path changes ends that connection and harms nobody, wherever it is', async () => {
  for (let seed = 1; seed <= rounds(50, 100); seed++) {
    const mesh = new VirtualMesh(seed)
    const random = chance(seed)
    const [a, b] = [(await mesh.started(1)).hear(), (await mesh.started(2)).hear()]
    // The handshake and both abouts are the first 900 bytes or so of a direction.
    const [spoilAt, direction] = [random.below(seed % 3 === 0 ? 6_000 : 700), random.below(2) === 0]
    let isSpoilt = false
    await relayTo(mesh.network.host('10.0.0.66'), { host: b.ip, port: 6374 }, (bytes, at, toListener) => {
      if (isSpoilt || toListener !== direction || at + bytes.length <= spoilAt) return [bytes]
      isSpoilt = true
      return spoil(bytes, random)
    })
    const connecting = a.mesh.connect('10.0.0.66:6374').then(
      () => null,
      (error: { code: ErrorCode }) => error.code,
    )
    for (let i = 0; i < 30; i++) {
      void a.mesh.publish('chat', new Uint8Array(random.below(500)).fill(i))
      void b.mesh.publish('chat', new Uint8Array(random.below(500)).fill(i))
      await mesh.time.run(10)
    }
    const failure = await mesh.time.of(connecting)
    if (failure !== null) assert.equal(ERROR_FAULTS[failure], 'remote', `seed ${seed}: ${failure}`)
    await mesh.time.run(200_000)
    for (const node of [a, b]) {
      assertRemoteFaults(node.mesh.stats())
      // Whatever was delivered is what was published, once.
      assert.ok(node.messages.every(({ data }) => data.every((byte) => byte === data[0])))
      assert.equal(new Set(node.messages.map(({ id }) => id)).size, node.messages.length, `seed ${seed}`)
      assert.ok(node.host.sockets.size <= 1)
      assert.deepEqual(Object.values(node.mesh.stats().bundles.rejected), [0, 0, 0])
    }
    await mesh.stop()
    await mesh.time.run(1_000)
    assert.deepEqual([a.leftovers.timers, a.host.sockets.size], [0, 0])
  }
})

const TYPES: readonly number[] = [...Object.values(FrameType), 0x07, 0x40, 0xff]

/** Something that a proven neighbour may put into its byte stream of frames. */
function frames(random: Seeded): Uint8Array {
  const type = TYPES[random.below(TYPES.length)]!
  switch (random.below(6)) {
    case 0:
      return random.bytes(1 + random.below(300))
    case 1:
      return encodeFrame(type, random.bytes(random.below(60)))
    case 2:
      return concatBytes(Uint8Array.of(type), random.bytes(1 + random.below(9)))
    case 3: {
      const body = bundleBody({ first: random.below(1_000), messages: [['chat', random.bytes(random.below(500))]] })
      body[random.below(body.length)]! ^= 1 << random.below(8)
      return encodeFrame(FrameType.bundle, body)
    }
    case 4:
      return encodeFrame(FrameType.bundle, bundleBody({ first: random.below(1_000), epoch: random.below(100) }))
    default:
      return encodeFrame(FrameType.ping, random.bytes(8))
  }
}

test('whatever a proven neighbour sends, its own link is all that it can end', async () => {
  const mesh = new VirtualMesh()
  mesh.network.chunkBytesMax = 2_000
  const node = await mesh.started(1)
  const witness = (await mesh.started(2)).hear()
  await mesh.join(witness, node)
  const host = mesh.network.host('10.0.0.66')
  for (let seed = 1; seed <= 200; seed++) {
    const random = chance(seed)
    const socket = await mesh.time.of(host.tcp.dial({ host: node.ip, port: 6374 }, new AbortController().signal))
    const about = random.below(4) > 0 ? ordinaryAbout() : random.below(2) === 0 ? null : random.bytes(random.below(80))
    const peer = new ScriptedPeer(socket, keyPairOf(10 + (seed % 50)), 'dialler', { about })
    await mesh.time.run(10)
    const stream = concatBytes(...Array.from({ length: 1 + random.below(20) }, () => frames(random)))
    if (peer.isSealed && !peer.isClosed) peer.sendPlain(stream, 1 + random.below(3_000))
    await mesh.time.run(random.below(4) === 0 ? 5_000 : 20)
    if (random.below(10) === 0) peer.sendRaw(random.bytes(100))
    await mesh.time.run(5)
    socket.destroy({ reset: random.below(2) === 0 })
    await mesh.time.run(1)
  }
  await mesh.time.run(6_000)
  assert.deepEqual(node.neighbours, [witness.mesh.id])
  assert.equal(node.host.sockets.size, 1)
  assert.deepEqual(witness.of('neighbourDown'), [])
  assertRemoteFaults(node.mesh.stats())
  const { bundles, seen, links } = node.mesh.stats()
  assert.ok(bundles.accepted > 20, `${bundles.accepted} bundles accepted`)
  assert.ok(
    Object.values(bundles.rejected).every((count) => count > 0),
    JSON.stringify(bundles),
  )
  // Of the honest origin's bundles the witness got each once; forged ones never reach it. One more came from the witness: what
  // it says of itself.
  assert.equal(witness.messages.length, bundles.accepted - 1)
  assert.equal(new Set(witness.messages.map(({ id }) => id)).size, witness.messages.length)
  assert.ok(witness.messages.every(({ from }) => from === keyPairOf(1).identity.id))
  assert.deepEqual(Object.values(witness.mesh.stats().bundles.rejected), [0, 0, 0])
  // The honest origin, the witness and this node.
  assert.equal(seen.origins, 3)
  assert.equal(links.queuedBytes, 0)
  await assertWell(mesh, node, 3)
  await mesh.stop()
})

test('a neighbour that sends ten provably wrong bundles is banned, others are not, and the ban ends', async () => {
  const mesh = new VirtualMesh()
  const node = await mesh.started(1)
  const witness = await mesh.started(2)
  await mesh.join(witness, node)
  const host = mesh.network.host('10.0.0.66')
  const signal = new AbortController().signal
  const dial = async (): Promise<ScriptedPeer> => {
    const socket = await mesh.time.of(host.tcp.dial({ host: node.ip, port: 6374 }, signal))
    const peer = new ScriptedPeer(socket, keyPairOf(10), 'dialler')
    await mesh.time.run(10)
    return peer
  }
  const peer = await dial()
  assert.equal(node.neighbours.length, 2)
  const wrong = bundleBody()
  wrong[70]! ^= 1
  for (let i = 0; i < 9; i++) peer.sendFrame(FrameType.bundle, wrong)
  await mesh.time.run(10)
  assert.equal(peer.goodbye, null)
  peer.sendFrame(FrameType.bundle, wrong)
  await mesh.time.run(10)
  assert.equal(peer.goodbye!.code, 5)
  assert.deepEqual(
    node.of('warning').map(({ code }) => code),
    ['neighbour-banned'],
  )
  assert.deepEqual(node.neighbours, [witness.mesh.id])
  const again = await dial()
  assert.equal(again.goodbye!.code, 5)
  assert.equal(node.mesh.neighbours().filter(({ state }) => state === 'banned').length, 1)
  await mesh.time.run(10 * 60_000)
  const forgiven = await dial()
  assert.equal(forgiven.goodbye, null)
  assert.equal(node.neighbours.length, 2)
  forgiven.socket.destroy()
  await mesh.stop()
})

test('ten malformed abouts ban as ten wrong bundles do, whoever had dialled', async () => {
  const mesh = new VirtualMesh()
  const node = await mesh.started(1)
  const host = mesh.network.host('10.0.0.66')
  const about = Uint8Array.of(0xff)
  const codes: (number | undefined)[] = []
  for (let i = 0; i < 11; i++) {
    const socket = await mesh.time.of(host.tcp.dial({ host: node.ip, port: 6374 }, new AbortController().signal))
    const peer = new ScriptedPeer(socket, keyPairOf(10), 'dialler', { about })
    await mesh.time.run(20)
    codes.push(peer.goodbye?.code)
  }
  assert.deepEqual(codes, [...Array<number>(10).fill(3), 5])
  let accepted = 0
  await host.tcp.listen({ host: '::', port: 6374 }, (socket) => {
    accepted++
    new ScriptedPeer(socket, keyPairOf(11), 'listener', { about })
  })
  for (let i = 0; i < 10; i++) {
    await assert.rejects(mesh.time.of(node.mesh.connect('10.0.0.66:6374')), { code: 'bad-cbor' })
  }
  await assert.rejects(mesh.time.of(node.mesh.connect('10.0.0.66:6374')), { code: 'banned' })
  assert.equal(accepted, 11)
  assert.deepEqual(
    node.of('warning').map(({ code }) => code),
    ['neighbour-banned', 'neighbour-banned'],
  )
  await mesh.stop()
})

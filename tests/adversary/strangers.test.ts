import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, utf8 } from '../../lib/bytes.ts'
import { parseAddress } from '../../lib/identity/address.ts'
import { NEWCOMERS_MAX } from '../../lib/limits.ts'
import { PREAMBLE } from '../../lib/link/preamble.ts'
import { Mesh } from '../../lib/mesh.ts'
import { seeded } from '../crypto/seeded.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { otherNetwork } from '../link/ends.ts'
import { leavesLittle, Siege } from './evil-peer.ts'

const refusedOf = (siege: Siege, code: string): number => siege.target.stats().refused[code] ?? 0

test('two hundred connections with garbage are closed, counted and forgotten', async () => {
  await using siege = await Siege.laid()
  const random = seeded(1)
  await leavesLittle(2_000_000, async () => {
    const before = refusedOf(siege, 'bad-preamble')
    for (let i = 0; i < 200; i += 20) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => siege.socket()))
      for (const socket of sockets) {
        socket.attach({ data: () => {}, drained: () => {}, ended: () => socket.end(), closed: () => {} })
        const garbage = random.bytes(1 + random.below(3_000))
        garbage[0] = 0xff
        socket.write(garbage)
      }
      await siege.until(() => refusedOf(siege, 'bad-preamble') >= before + i + 20)
    }
  })
  await siege.serves()
  assert.equal(siege.target.neighbours().length, 1)
})

test('more strangers than there is room for are closed at once, and room comes free again', async () => {
  // Long enough for all of them to have come before the first has to go, on a busy machine too.
  await using siege = await Siege.laid({ handshakeTimeoutMs: 1_500 })
  await Promise.all(Array.from({ length: NEWCOMERS_MAX + 16 }, () => siege.socket()))
  await siege.until(() => refusedOf(siege, 'too-many-handshakes') >= 16)
  await siege.serves()
  await siege.until(() => refusedOf(siege, 'handshake-timeout') >= NEWCOMERS_MAX)
  await siege.opened()
  await siege.serves()
})

test('bytes that trickle in do not hold a place beyond the deadline', async () => {
  await using siege = await Siege.laid({ handshakeTimeoutMs: 200 })
  const sockets = await Promise.all(Array.from({ length: 10 }, () => siege.socket()))
  const words = concatBytes(PREAMBLE, Uint8Array.of(8, 0), new Uint8Array(2_048))
  let at = 0
  await siege.until(() => {
    // A byte each at every turn of the loop: never silent, never done.
    if (at < 2_000) for (const socket of sockets) socket.write(words.subarray(at, at + 1))
    at++
    return refusedOf(siege, 'handshake-timeout') + refusedOf(siege, 'bad-handshake') >= 10
  })
  await siege.serves()
})

test('lengths that no record has end the connection', async () => {
  await using siege = await Siege.laid()
  for (const length of [0, 2_049, 65_535]) {
    const socket = await siege.socket()
    socket.write(concatBytes(PREAMBLE, Uint8Array.of(length >> 8, length & 0xff)))
  }
  await siege.until(() => refusedOf(siege, 'bad-record') === 3)
  await siege.serves()
})

test('another network’s key is answered with silence', async () => {
  await using siege = await Siege.laid({ network: { name: 'default', key: new Uint8Array(32).fill(9) } })
  const peer = await siege.peer(66, { psk: otherNetwork.psk })
  await peer.untilOver()
  assert.equal(peer.receivedBytes, 0)
  assert.equal(refusedOf(siege, 'bad-handshake'), 1)
  await siege.serves()
})

test('an identity that is not its own is refused without a word', async () => {
  await using siege = await Siege.laid()
  const { encodeCbor } = await import('../../lib/framing/cbor.ts')
  const peer = await siege.peer(66, {
    payload: encodeCbor(new Map([[1, keyPairOf(67).identity.publicKey]])),
    about: null,
  })
  await peer.untilOver()
  assert.equal(peer.frames.length, 0)
  assert.equal(refusedOf(siege, 'bad-identity'), 1)
  await siege.serves()
})

test('a handshake message that is replayed buys one answer and no link', async () => {
  await using siege = await Siege.laid({ handshakeTimeoutMs: 300 })
  let message1 = new Uint8Array(0)
  const recorder = await siege.peer(66, {
    messagesMax: 1,
    twist: (message) => {
      message1 = message.slice()
      return message
    },
  })
  await recorder.until(() => recorder.receivedBytes > 0)
  const socket = await siege.socket()
  let answered = 0
  let isOver = false
  socket.attach({
    data: (bytes) => (answered += bytes.length),
    drained: () => {},
    ended: () => socket.end(),
    closed: () => {
      isOver = true
    },
  })
  socket.write(concatBytes(PREAMBLE, Uint8Array.of(0, message1.length), message1))
  await siege.until(() => answered > 0)
  // Who replays does not know the key behind it: what comes next cannot open.
  socket.write(concatBytes(Uint8Array.of(0, 100), new Uint8Array(100)))
  await siege.until(() => isOver)
  assert.equal(refusedOf(siege, 'bad-handshake'), 1)
  assert.equal(siege.target.stats().neighbours, 1)
  await siege.serves()
})

test('an address that names another peer is not taken for it', async () => {
  await using siege = await Siege.laid()
  await using dialler = new Mesh({ mdns: false, listen: [] })
  await dialler.start()
  const { host, port } = parseAddress(siege.target.addresses[0]!)
  const wrong = `/ip4/${host}/tcp/${port}/p2p/${keyPairOf(67).identity.id}`
  await assert.rejects(dialler.connect(wrong), { code: 'wrong-identity' })
  await siege.until(() => refusedOf(siege, 'connection-lost') === 1)
  await siege.serves()
})

test('a program’s own protocol on the port is not a way in', async () => {
  await using siege = await Siege.laid()
  const socket = await siege.socket()
  socket.write(utf8('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  await siege.until(() => refusedOf(siege, 'bad-preamble') === 1)
  await siege.serves()
})

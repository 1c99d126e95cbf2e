import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { concatBytes, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import {
  Envelopes,
  envelopeLength,
  HEADER_BYTES,
  readDirect,
  setHops,
  textKey,
  X_MESSAGE_BYTES,
} from '../../lib/direct/envelope.ts'
import { MeshError } from '../../lib/errors.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { type KeyPair, keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { HandshakeState } from '../../lib/noise/handshake-state.ts'
import { providers } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'

const random = seeded(4)
const FLOOD_MAX = 4_096
const [a, b, c] = [keyPairOf(1), keyPairOf(2), keyPairOf(3)]
const [, native] = providers[1]!

function envelopesOf(keyPair: KeyPair, networkId: Uint8Array = openNetwork.id): Envelopes {
  return new Envelopes({ keyPair, networkId, identities, primitives: native, random: (length) => random.bytes(length) })
}

const isBad = (error: unknown): boolean => error instanceof MeshError && error.code === 'bad-direct'

for (const [name, primitives] of providers) {
  test(`${name}: an envelope with fixed keys is that of the vector, and opens`, () => {
    const { vectors } = JSON.parse(readFileSync(new URL('../../spec/vectors/direct.json', import.meta.url), 'utf8'))
    const vector = vectors.find((one: { name: string }) => one.name === 'direct-message')
    const own = new Identities()
    const keys = (seed: string): KeyPair => keyPairFromSeed(fromHex(seed), own, primitives)
    const [source, destination] = [keys(vector.sourceSeed), keys(vector.destinationSeed)]
    const given = { networkId: fromHex(vector.networkId), identities: own, primitives }
    const ephemeral = (): Uint8Array => fromHex(vector.ephemeral)
    const sealing = new Envelopes({ ...given, keyPair: source, random: ephemeral })
    const body = sealing.seal(destination.identity, fromHex(vector.plain))
    assert.equal(toHex(body), vector.body)
    const opening = new Envelopes({
      ...given,
      keyPair: destination,
      random: () => assert.fail('opening is without chance'),
    })
    const opened = opening.open(readDirect(body, FLOOD_MAX))!
    assert.equal(toHex(opened.plain), vector.plain)
    assert.equal(opened.source.id, source.identity.id)
  })
}

test('a body says who it is for and from, how far it has come, and whether it floods', () => {
  const body = envelopesOf(a).seal(b.identity, utf8('x'))
  const frame = readDirect(body, FLOOD_MAX)
  assert.deepEqual(
    [frame.destinationKey, frame.sourceKey],
    [a, b].map((keys) => textKey(keys.identity.publicKey)).reverse(),
  )
  assert.deepEqual([frame.hops, frame.flooding], [1, false])
  assert.equal(frame.envelope.length, envelopeLength(1))
  for (const hops of [1, 32]) {
    setHops(body, hops, true)
    assert.deepEqual(readDirect(body, FLOOD_MAX), { ...frame, hops, flooding: true })
  }
  for (const byte of [0, 33, 127, 0x80, 0x80 | 33, 0xff]) {
    body[64] = byte
    assert.throws(() => readDirect(body, FLOOD_MAX), isBad)
  }
})

test('plain text of any length around a sealed message opens as it was', () => {
  for (const length of [1, 2, 65_518, 65_519, 65_520, 131_038, 131_039]) {
    const plain = random.bytes(length)
    const body = envelopesOf(a).seal(b.identity, plain)
    assert.equal(body.length, HEADER_BYTES + envelopeLength(length))
    const opened = envelopesOf(b).open(readDirect(body, FLOOD_MAX))!
    assert.ok(Buffer.from(opened.plain).equals(plain))
    assert.equal(opened.source, a.identity)
  }
})

test('a body cut short anywhere, or longer by a byte, is a fault', () => {
  for (const body of [
    envelopesOf(a).seal(b.identity, utf8('hello')),
    envelopesOf(a).seal(b.identity, new Uint8Array(66_000)),
  ]) {
    const cuts = body.length < 1_000 ? 1 : 331
    for (let length = 0; length < body.length; length += cuts) {
      assert.throws(() => readDirect(body.subarray(0, length), FLOOD_MAX), isBad, `${length} bytes`)
    }
    assert.throws(() => readDirect(concatBytes(body, Uint8Array.of(0)), FLOOD_MAX), isBad)
  }
})

test('a body from a node to itself is a fault', () => {
  const body = envelopesOf(a).seal(b.identity, utf8('hello'))
  body.copyWithin(32, 0, 32)
  assert.throws(() => readDirect(body, FLOOD_MAX), isBad)
})

test('an envelope floods up to its bound, and one byte more is a fault', () => {
  const overhead = X_MESSAGE_BYTES + 2 + 16
  const fits = envelopesOf(a).seal(b.identity, new Uint8Array(FLOOD_MAX - overhead))
  const large = envelopesOf(a).seal(b.identity, new Uint8Array(FLOOD_MAX - overhead + 1))
  for (const body of [fits, large]) setHops(body, 1, true)
  assert.equal(readDirect(fits, FLOOD_MAX).envelope.length, FLOOD_MAX)
  assert.throws(() => readDirect(large, FLOOD_MAX), isBad)
  setHops(large, 1, false)
  readDirect(large, FLOOD_MAX)
})

test('it opens only whole, for its destination, with its source, in its network', () => {
  const good = envelopesOf(a).seal(b.identity, utf8('hello'))
  assert.notEqual(envelopesOf(b).open(readDirect(good, FLOOD_MAX)), null)
  for (let at = 0; at < good.length; at++) {
    // Hops are not sealed; lengths make it another layout.
    if (at === 64 || at === HEADER_BYTES + X_MESSAGE_BYTES || at === HEADER_BYTES + X_MESSAGE_BYTES + 1) continue
    const changed = good.slice()
    changed[at] = changed[at]! ^ (1 << random.below(8))
    assert.equal(envelopesOf(b).open(readDirect(changed, FLOOD_MAX)), null, `byte ${at}`)
  }
  assert.equal(envelopesOf(c).open(readDirect(good, FLOOD_MAX)), null)
  assert.equal(envelopesOf(b, random.bytes(32)).open(readDirect(good, FLOOD_MAX)), null)
})

test('sealed messages cannot be left out, doubled or exchanged', () => {
  const body = envelopesOf(a).seal(b.identity, random.bytes(3 * 65_519))
  const start = HEADER_BYTES + X_MESSAGE_BYTES
  const parts = [0, 1, 2].map((i) => body.subarray(start + i * 65_537, start + (i + 1) * 65_537))
  const made = (...order: number[]): Uint8Array => concatBytes(body.subarray(0, start), ...order.map((i) => parts[i]!))
  const opens = (bytes: Uint8Array): boolean => envelopesOf(b).open(readDirect(bytes, FLOOD_MAX)) !== null
  assert.equal(opens(made(0, 1, 2)), true)
  for (const order of [
    [1, 2],
    [0, 2],
    [0, 0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
  ])
    assert.equal(opens(made(...order)), false)
})

test('whoever seals with another key than the source’s is not heard, though every tag is right', () => {
  const liar: KeyPair = { ...c, identity: { ...c.identity, publicKey: a.identity.publicKey } }
  const body = envelopesOf(liar).seal(b.identity, utf8('hello'))
  assert.equal(toHex(readDirect(body, FLOOD_MAX).source), toHex(a.identity.publicKey))
  assert.equal(envelopesOf(b).open(readDirect(body, FLOOD_MAX)), null)
})

test('a source that is no identity is not heard', () => {
  const neutral = new Uint8Array(32)
  neutral[0] = 1
  const liar: KeyPair = { ...c, identity: { ...c.identity, publicKey: neutral } }
  assert.equal(envelopesOf(b).open(readDirect(envelopesOf(liar).seal(b.identity, utf8('x')), FLOOD_MAX)), null)
})

test('an ephemeral key of low order does not open', () => {
  const body = envelopesOf(a).seal(b.identity, utf8('hello'))
  body.fill(0, HEADER_BYTES, HEADER_BYTES + 32)
  assert.equal(envelopesOf(b).open(readDirect(body, FLOOD_MAX)), null)
})

test('the envelope is plain Noise X: another HandshakeState opens it', () => {
  const body = envelopesOf(a).seal(b.identity, utf8('hello'))
  const prologue = concatBytes(utf8('mesh/1 direct'), openNetwork.id, b.identity.publicKey, a.identity.publicKey)
  const s = { privateKey: b.x25519PrivateKey, publicKey: b.identity.x25519Key }
  const noise = new HandshakeState({
    pattern: 'X',
    initiator: false,
    prologue,
    primitives: native,
    random: () => assert.fail(),
    s,
  })
  noise.readMessage(body.subarray(HEADER_BYTES, HEADER_BYTES + X_MESSAGE_BYTES))
  assert.equal(toHex(noise.remoteStatic!), toHex(a.identity.x25519Key))
  const sealed = body.subarray(HEADER_BYTES + X_MESSAGE_BYTES + 2)
  assert.equal(Buffer.from(noise.split().receive.decryptWithAd(new Uint8Array(0), sealed)).toString(), 'hello')
})

test('random bytes are a fault or a frame that does not open, and nothing else', () => {
  const bytes = seeded(11)
  for (let i = 0; i < 2_000; i++) {
    const body = bytes.bytes(bytes.below(300))
    try {
      assert.equal(envelopesOf(b).open(readDirect(body, FLOOD_MAX)), null)
    } catch (error) {
      assert.ok(isBad(error), String(error))
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesKey, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { BundleBuilder } from '../../lib/flood/builder.ts'
import { frameHeadLength } from '../../lib/framing/frames.ts'
import { keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { FRAME_BODY_BYTES_MAX, INTEGER_MAX, PAYLOAD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX } from '../../lib/limits.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf } from '../identity/nodes.ts'
import {
  type BundleInput,
  bodyOf,
  bundleBody,
  bundleVectors,
  originKeyOf,
  readBundle as read,
  signing,
} from './bundles.ts'

test('the builder makes the bundle of the protocol document, byte for byte', () => {
  const vector = bundleVectors.find(({ name }) => name === 'bundle-one-message')!
  const { signer, identity } = keyPairFromSeed(fromHex(vector.seed!), identities, completedNative)
  const builder = new BundleBuilder()
  builder.add('chat', 'hello')
  const origin = { publicKey: identity.publicKey, originKey: bytesKey(identity.publicKey), signer }
  const { epoch, first, sentAtMs, flags, timeToLiveS } = vector
  const bundle = builder.seal(origin, signing, { epoch, first, sentAtMs, flags, timeToLiveS }, 0)
  assert.equal(toHex(bodyOf(bundle.sealed)), vector.body)
  assert.equal(
    toHex(bundle.sealed),
    '0e9f49110d4f36e81e19663502f3bd8bf9fc71dfe5666c24f009a055c4be6e79df529ba64906d89e39894749806261cb132604c681d7710affdc0438' +
      '91ac91018801582003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b81b0006b49d20000000001b000001a3185c50000000' +
      '818264636861744568656c6c6f',
  )
})

test('a builder of many messages stops at one record, one of few large ones at eight times that', () => {
  const many = new BundleBuilder()
  for (let i = 0; i < 16; i++) many.add('t', new Uint8Array(4_000))
  assert.equal(many.fits(1, 1_000), true)
  assert.equal(many.fits(1, 2_000), false)
  const few = new BundleBuilder()
  assert.equal(few.fits(255, PAYLOAD_BYTES_MAX), true)
  for (let i = 0; i < 7; i++) {
    assert.equal(few.fits(4, 65_536), true)
    few.add('blob', new Uint8Array(65_536))
  }
  assert.equal(few.isFull, false)
  assert.equal(few.fits(4, 65_536), true)
  few.add('blob', new Uint8Array(65_536))
  assert.equal(few.fits(4, 65_536), false)
})

test('a builder takes 1,024 messages and is full then', () => {
  const full = new BundleBuilder()
  for (let i = 0; i < 1_024; i++) {
    assert.equal(full.isFull, false)
    assert.equal(full.fits(1, 0), true)
    full.add('t', '')
  }
  assert.equal(full.isFull, true)
  assert.equal(full.fits(1, 0), false)
})

test('a bundle that was filled to the brim fits one record with its frame head, and is valid', () => {
  const random = seeded(5)
  for (let run = 0; run < 20; run++) {
    const builder = new BundleBuilder()
    const topics = ['☕'.repeat(1 + random.below(80)), 'chat', 'a/b/c']
    const payloadMax = run % 2 === 0 ? 2_000 : 40
    for (;;) {
      const topic = topics[random.below(3)]!
      const payload = random.bytes(random.below(payloadMax))
      if (!builder.fits(topic.length, payload.length)) break
      builder.add(topic, payload)
    }
    assert.ok(builder.count > 16)
    const { signer, identity } = keyPairOf(1)
    const most = {
      epoch: INTEGER_MAX,
      first: 2 ** 52,
      sentAtMs: INTEGER_MAX,
      flags: INTEGER_MAX,
      timeToLiveS: INTEGER_MAX,
    }
    const { sealed, count } = builder.seal({ publicKey: identity.publicKey, originKey: '', signer }, signing, most, 0)
    const body = bodyOf(sealed, 1, INTEGER_MAX)
    assert.ok(frameHeadLength(body.length) + body.length <= RECORD_PLAIN_BYTES_MAX)
    assert.equal(read(body)?.topics.length, count)
    assert.equal(builder.count, 0)
    assert.equal(builder.bytes, 0)
  }
})

test('the largest bundles that a builder makes fit a frame', () => {
  const builder = new BundleBuilder()
  const { signer, identity } = keyPairOf(1)
  const origin = { publicKey: identity.publicKey, originKey: '', signer }
  const numbers = { epoch: INTEGER_MAX, first: 0, sentAtMs: INTEGER_MAX, flags: 0, timeToLiveS: 0 }
  builder.add('☕'.repeat(85), new Uint8Array(PAYLOAD_BYTES_MAX))
  const alone = bodyOf(builder.seal(origin, signing, numbers, 0).sealed, 255, INTEGER_MAX)
  assert.ok(alone.length <= FRAME_BODY_BYTES_MAX)
  assert.equal(read(alone)?.payloads[0]?.length, PAYLOAD_BYTES_MAX)
  builder.add('t', new Uint8Array(1))
  while (builder.fits(1, 100_000)) builder.add('t', new Uint8Array(100_000))
  const several = bodyOf(builder.seal(origin, signing, numbers, 0).sealed, 255, INTEGER_MAX)
  assert.ok(several.length <= FRAME_BODY_BYTES_MAX)
  assert.equal(read(several)?.topics.length, 6)
})

test('what a builder gave away does not change when it goes on', () => {
  const builder = new BundleBuilder()
  const { signer, identity } = keyPairOf(1)
  const origin = { publicKey: identity.publicKey, originKey: originKeyOf(1), signer }
  const numbers = { epoch: 1, first: 0, sentAtMs: 0, flags: 0, timeToLiveS: 0 }
  const payload = utf8('reused')
  builder.add('chat', payload)
  payload.fill(0)
  const first = builder.seal(origin, signing, numbers, 0)
  const kept = new Uint8Array(first.sealed)
  for (let i = 0; i < 50; i++) builder.add('other', 'x'.repeat(100))
  builder.seal(origin, signing, { ...numbers, first: 1 }, 0)
  assert.deepEqual(new Uint8Array(first.sealed), kept)
  assert.deepEqual(read(bodyOf(first.sealed))?.payloads[0], utf8('reused'))
})

test('text payloads are UTF-8, and half surrogate pairs become U+FFFD', () => {
  const messages: BundleInput['messages'] = [
    ['t', 'é☕'],
    ['t', 'a\ud800b'],
  ]
  assert.deepEqual(read(bundleBody({ messages }))?.payloads, [utf8('é☕'), utf8('a\ufffdb')])
})

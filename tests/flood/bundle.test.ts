import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesKey, fromHex, utf8 } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { BundleBuilder } from '../../lib/flood/builder.ts'
import {
  ageAt,
  type BundleHead,
  type BundleMessages,
  BundleSigning,
  readBundleHead,
  readBundleMessages,
  SIGNATURE_BYTES,
} from '../../lib/flood/bundle.ts'
import { isTopicText } from '../../lib/flood/topics.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { CborReader } from '../../lib/framing/cbor-reader.ts'
import { varintLength } from '../../lib/framing/varint.ts'
import { keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import {
  BUNDLE_SEALED_BYTES_MAX,
  FRAME_BODY_BYTES_MAX,
  INTEGER_MAX,
  PAYLOAD_BYTES_MAX,
  TOPIC_BYTES_MAX,
} from '../../lib/limits.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import { unpack } from '../tools/vectors/fixed.ts'
import {
  type BundleInput,
  bodyOf,
  bundleBody,
  bundleOfElements,
  bundleVectors,
  elementsOf,
  originKeyOf,
  readBundle,
  sealedBundle,
  signed,
  signing,
} from './bundles.ts'

const refused = (error: unknown): boolean => error instanceof MeshError && error.fault === 'remote'

for (const vector of bundleVectors.filter(({ kind }) => kind === 'bundle')) {
  test(`${vector.name} is read as it was written, and made again`, () => {
    const body = unpack(vector.body)
    const head = readBundleHead(body, 5)!
    const { bundle } = head
    for (const field of ['epoch', 'first', 'sentAtMs', 'flags', 'timeToLiveS', 'hops', 'ageMs'] as const) {
      assert.equal(bundle[field], vector[field], field)
    }
    assert.equal(bundle.count, vector.messages.length)
    const messages = readBundle(body)!
    assert.deepEqual(
      messages.topics,
      vector.messages.map(({ topic }) => topic),
    )
    assert.deepEqual(
      messages.payloads,
      vector.messages.map(({ payload }) => unpack(payload)),
    )
    const own = new BundleSigning(fromHex(vector.networkId), completedNative)
    assert.equal(own.verify(bundle), true)
    const { signer, identity } = keyPairFromSeed(fromHex(vector.seed!), identities, completedNative)
    const builder = new BundleBuilder()
    for (const { topic, payload } of vector.messages) builder.add(topic, unpack(payload))
    const again = builder.seal({ publicKey: identity.publicKey, originKey: '', signer }, own, bundle, 0)
    assert.deepEqual(new Uint8Array(again.sealed), new Uint8Array(bundle.sealed))
  })
}

for (const vector of bundleVectors.filter(({ reason }) => reason === 'malformed')) {
  test(`${vector.name} is refused`, () => {
    assert.throws(() => readBundle(unpack(vector.body)), refused)
  })
}

test('of a truncated bundle no length is taken', () => {
  const body = bundleBody({
    messages: [
      ['chat', 'one'],
      ['chat', 'two'],
      ['other', ''],
    ],
  })
  assert.equal(readBundle(body)?.topics.length, 3)
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => readBundle(body.subarray(0, length)), refused, `${length} bytes`)
  }
})

test('a bundle of random bytes, or with bytes changed, is read or refused and nothing else', () => {
  const random = seeded(99)
  const whole = bundleBody({
    messages: [
      ['chat', 'hello'],
      ['chat', 'there'],
    ],
  })
  for (let run = 0; run < 4_000; run++) {
    const body = run % 4 === 0 ? random.bytes(random.below(300)) : whole.slice()
    if (body.length > 0 && run % 4 > 0) {
      for (let flips = 0; flips < run % 4; flips++) body[random.below(body.length)] = random.below(256)
    }
    try {
      readBundle(body)
    } catch (error) {
      if (!refused(error)) throw error
    }
  }
})

test('a flipped bit anywhere in signature or signed part breaks the signature or the form', () => {
  const body = bundleBody({ messages: [['t', 'x']] })
  for (let at = 2; at < body.length; at++) {
    const changed = body.with(at, body[at]! ^ 0x10)
    let head: ReturnType<typeof readBundleHead>
    try {
      head = readBundleHead(changed, 0)
      if (head === null) continue
      readBundleMessages(head)
    } catch (error) {
      assert.ok(refused(error))
      continue
    }
    assert.equal(signing.verify(head.bundle), false, `byte ${at}`)
  }
})

/** Every message item by item, as the rules have it. */
function slowMessages(head: BundleHead): BundleMessages {
  const { sealed, count } = head.bundle
  const reader = new CborReader(sealed, SIGNATURE_BYTES)
  const elements = reader.array()
  reader.at = head.messagesAt
  reader.array()
  const topics: string[] = []
  const payloads: number[] = []
  for (let i = 0; i < count; i++) {
    const parts = reader.array(2)
    const topic = reader.text(TOPIC_BYTES_MAX)
    if (!isTopicText(topic)) throw new MeshError('bad-bundle', 'a topic')
    topics.push(topic)
    const { length } = reader.bytes(PAYLOAD_BYTES_MAX)
    payloads.push(reader.at - length, reader.at)
    for (let extra = 2; extra < parts; extra++) reader.skip(3)
  }
  for (let extra = 8; extra < elements; extra++) reader.skip()
  reader.finish()
  return { topics, payloads }
}

test('beside a slow reader: messages in a row on one topic, of any length and damaged anywhere', () => {
  const random = seeded(77)
  const outcome = (read: (head: BundleHead) => BundleMessages, head: BundleHead): unknown => {
    try {
      return read(head)
    } catch (error) {
      assert.ok(refused(error))
      return 'refused'
    }
  }
  const lengths = [0, 1, 22, 23, 24, 25, 254, 255, 256, 257, 65_535, 65_536]
  for (let run = 0; run < 3_000; run++) {
    const isLong = run % 100 === 0
    const messages: CborInput[] = Array.from({ length: 1 + random.below(6) }, () => {
      const topic = ['a', 'b/c', 'a'][random.below(3)]!
      const payload = new Uint8Array(lengths[random.below(isLong ? lengths.length : 8)]!)
      return random.below(10) === 0 ? [topic, payload, 7] : [topic, payload]
    })
    const body = bundleOfElements([...elementsOf().slice(0, 7), messages])
    const signedAt = 2 + SIGNATURE_BYTES
    for (let flips = run % 3; flips > 0; flips--) {
      body[signedAt + 60 + random.below(body.length - signedAt - 60)] = random.below(256)
    }
    let head: BundleHead | null = null
    try {
      head = readBundleHead(body, 0)
    } catch (error) {
      assert.ok(refused(error))
    }
    if (head !== null) assert.deepEqual(outcome(readBundleMessages, head), outcome(slowMessages, head), `run ${run}`)
  }
})

test('each bound of the signed part holds at its value and not one further', () => {
  const withMessages = (messages: CborInput[]): Uint8Array => bundleOfElements([...elementsOf().slice(0, 7), messages])
  const empty = new Uint8Array(0)
  const repeated = (count: number): CborInput[] => new Array(count).fill(['t', empty])
  assert.equal(readBundle(withMessages(repeated(1_024)))?.topics.length, 1_024)
  assert.throws(() => readBundle(withMessages(repeated(1_025))), refused)
  assert.throws(() => readBundle(withMessages([])), refused)
  assert.equal(readBundle(withMessages([['t'.repeat(255), empty]]))?.topics[0]?.length, 255)
  assert.throws(() => readBundle(withMessages([['t'.repeat(256), empty]])), refused)
  for (const topic of ['', '+', '#', 'a/+', 'a#b', 'a\0b']) {
    assert.throws(() => readBundle(withMessages([[topic, empty]])), refused)
  }
  assert.equal(
    readBundle(withMessages([['t', new Uint8Array(PAYLOAD_BYTES_MAX)]]))?.payloads[0]?.length,
    PAYLOAD_BYTES_MAX,
  )
  assert.throws(() => readBundle(withMessages([['t', new Uint8Array(PAYLOAD_BYTES_MAX + 1)]])), refused)
})

test('signature and signed part leave room in a frame for hops and any age', () => {
  const lengthened = (extra: number): Uint8Array =>
    bundleBody({
      messages: [
        ['t', new Uint8Array(PAYLOAD_BYTES_MAX)],
        ['t', new Uint8Array(extra)],
      ],
    })
  // Hops and an age of 0 take two bytes.
  const rest = 60_000 + BUNDLE_SEALED_BYTES_MAX + 2 - lengthened(60_000).length
  const longest = lengthened(rest)
  const { bundle } = readBundleHead(longest, 0)!
  assert.equal(bundle.sealed.length, BUNDLE_SEALED_BYTES_MAX)
  assert.equal(1 + varintLength(INTEGER_MAX) + bundle.sealed.length, FRAME_BODY_BYTES_MAX)
  assert.throws(() => readBundleHead(lengthened(rest + 1), 0), { code: 'bad-bundle', message: /1114104 bytes/ })
})

test('the last number of a bundle is at most 2^53 - 1', () => {
  const two: BundleInput['messages'] = [
    ['t', ''],
    ['t', ''],
  ]
  assert.ok(readBundle(bundleBody({ first: INTEGER_MAX })) !== null)
  assert.ok(readBundle(bundleBody({ first: INTEGER_MAX - 1, messages: two })) !== null)
  assert.throws(() => readBundle(bundleBody({ first: INTEGER_MAX, messages: two })), refused)
})

test('another version is no fault, whatever else is in it', () => {
  assert.equal(readBundleHead(bundleOfElements([2]), 0), null)
  assert.equal(readBundleHead(bundleOfElements([0, 'x']), 0), null)
  assert.throws(() => readBundleHead(bundleOfElements(['1']), 0), refused)
  assert.throws(() => readBundleHead(bundleOfElements([]), 0), refused)
  assert.throws(() => readBundleHead(bundleOfElements([1]), 0), refused)
})

test('further elements are ignored but must be sound, and may lie six deep in all', () => {
  const nested = (depth: number): CborInput => (depth === 0 ? 0 : [nested(depth - 1)])
  assert.ok(readBundle(bundleOfElements([...elementsOf(), 'more', nested(5)])) !== null)
  const message: CborInput = ['t', new Uint8Array(0), 'more', nested(3)]
  assert.ok(readBundle(bundleOfElements([...elementsOf().slice(0, 7), [message]])) !== null)
  // By hand, since the encoder refuses to write seven.
  const deep = encodeCbor(elementsOf())
  deep[0] = 0x89
  assert.throws(() => readBundle(bodyOf(signed(Uint8Array.from([...deep, ...new Array(6).fill(0x81), 0])))), refused)
  assert.throws(() => readBundle(bodyOf(signed(Uint8Array.from([...deep, 0xc0, 0])))), refused)
})

test('messages that share a topic share its text, those that only begin alike do not', () => {
  const messages: BundleInput['messages'] = [
    ['ab', 'x'],
    ['ab', 'y'],
    ['abc', 'z'],
    ['ab', ''],
    ['b', 'ab'],
  ]
  assert.deepEqual(
    readBundle(bundleBody({ messages }))?.topics,
    messages.map(([topic]) => topic),
  )
})

test('what is read owns nothing: it lies in the body', () => {
  const body = bundleBody()
  const { bundle } = readBundleHead(body, 0)!
  assert.equal(bundle.sealed.buffer, body.buffer)
  assert.equal(bundle.originKey, originKeyOf(1))
})

test('a key is one character for each byte, and tells bundles apart', () => {
  assert.equal(bytesKey(Uint8Array.of(0, 65, 255)), '\0A\xff')
  const keys = [
    sealedBundle(),
    sealedBundle({ epoch: 2 }),
    sealedBundle({ first: 1 }),
    sealedBundle({ origin: 2 }),
    sealedBundle({ epoch: 11, first: 1 }),
    sealedBundle({ epoch: 1, first: 11 }),
  ].map(({ key }) => key)
  assert.equal(new Set(keys).size, keys.length)
})

test('the age grows by the time that a bundle was held, in whole milliseconds', () => {
  const { bundle } = readBundleHead(bundleBody({}, 1, 100), 1_000.6)!
  assert.equal(ageAt(bundle, 1_000.6), 100)
  assert.equal(ageAt(bundle, 1_001.5), 100)
  assert.equal(ageAt(bundle, 1_001.6), 101)
  assert.equal(ageAt(bundle, 0), 100)
  assert.equal(ageAt({ ...bundle, ageMs: INTEGER_MAX }, 5_000), INTEGER_MAX)
})

test('a signature of one network is none in another', () => {
  const { bundle } = readBundleHead(bundleBody(), 0)!
  assert.equal(signing.verify(bundle), true)
  assert.equal(new BundleSigning(new Uint8Array(32), completedNative).verify(bundle), false)
  assert.equal(signing.verify({ ...bundle, origin: keyPairOf(2).identity.publicKey }), false)
})

test('a network’s signature covers the digest of the signed part', () => {
  const { sealed } = sealedBundle()
  const digest = completedNative.sha256(sealed.subarray(64))
  const message = Uint8Array.from([...utf8('mesh/1 bundle'), ...openNetwork.id, ...digest])
  assert.equal(message.length, 77)
  assert.equal(completedNative.ed25519Verify(keyPairOf(1).identity.publicKey, message, sealed.subarray(0, 64)), true)
})

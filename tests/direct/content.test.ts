import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { EMPTY, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import {
  type Content,
  contentLengthMax,
  decodeContent,
  encodeContent,
  isDirectTopic,
  Kind,
} from '../../lib/direct/content.ts'
import { MeshError } from '../../lib/errors.ts'
import { type CborInput, encodeCbor } from '../../lib/framing/cbor.ts'
import { seeded } from '../crypto/seeded.ts'

const { vectors } = JSON.parse(readFileSync(new URL('../../spec/vectors/direct.json', import.meta.url), 'utf8')) as {
  vectors: { name: string; kind: string; plain: string }[]
}
const plainOf = (name: string): Uint8Array =>
  fromHex(vectors.find((one) => one.name === `direct-content-${name}`)!.plain)

const MESSAGE: Content = {
  destinationEpoch: 1_000,
  epoch: 2 ** 40,
  sequence: 7,
  kind: Kind.message,
  answered: null,
  topic: 'chat',
  payload: utf8('hello'),
}

function refusal(plain: Uint8Array): string {
  try {
    return decodeContent(plain) === null ? 'unknown' : 'taken'
  } catch (error) {
    assert.ok(error instanceof MeshError && error.fault === 'remote', String(error))
    return error.code
  }
}

test('a message is these bytes', () => {
  const hex = '871903e81b00000100000000000700f664636861744568656c6c6f'
  assert.equal(toHex(encodeContent(MESSAGE)), hex)
  assert.deepEqual({ ...decodeContent(fromHex(hex))! }, { ...MESSAGE, payload: utf8('hello') })
})

test('every kind is read as it was written', () => {
  const answered = { epoch: 2 ** 53 - 1, sequence: 300 }
  const cases: Partial<Content>[] = [
    {},
    { kind: Kind.request, payload: new Uint8Array(1_048_576) },
    { kind: Kind.reply, answered, topic: '' },
    { kind: Kind.reply, answered, topic: 'failed' },
    { kind: Kind.acknowledgement, answered, topic: '', payload: EMPTY },
    { kind: Kind.error, answered, topic: 'epoch', payload: EMPTY },
    { kind: Kind.error, topic: 'unreachable', payload: new Uint8Array(32) },
    { kind: Kind.question, topic: '', payload: EMPTY },
    { kind: Kind.answer, answered, topic: '', payload: EMPTY },
  ]
  for (const change of cases) {
    const content = { ...MESSAGE, ...change }
    const plain = encodeContent(content)
    assert.deepEqual({ ...decodeContent(plain)! }, content)
    assert.ok(plain.length <= contentLengthMax(content.topic, content.payload))
  }
})

test('the largest numbers take no more room than reckoned', () => {
  const largest = 2 ** 53 - 1
  const numbers = {
    destinationEpoch: largest,
    epoch: largest,
    sequence: largest,
    answered: { epoch: largest, sequence: largest },
  }
  const content = {
    ...MESSAGE,
    ...numbers,
    kind: Kind.reply,
    topic: 't'.repeat(255),
    payload: new Uint8Array(1_048_576),
  }
  assert.ok(encodeContent(content).length <= contentLengthMax(content.topic, content.payload))
})

test('whatever is cut off a content, it is refused', () => {
  for (const name of ['message', 'acknowledgement', 'reply-failed', 'error-unreachable']) {
    const plain = plainOf(name)
    for (let length = 0; length < plain.length; length++) {
      assert.equal(refusal(plain.subarray(0, length)), 'bad-cbor', `${name} cut at ${length}`)
    }
    assert.equal(refusal(plain), 'taken')
  }
})

test('each bound holds at its value and not above', () => {
  const made = (topic: string, payload: CborInput): Uint8Array => encodeCbor([1, 2, 3, 0, null, topic, payload])
  assert.equal(refusal(made('t'.repeat(255), EMPTY)), 'taken')
  assert.equal(refusal(made('t'.repeat(256), EMPTY)), 'bad-cbor')
  assert.equal(refusal(made('t', new Uint8Array(1_048_576))), 'taken')
  assert.equal(refusal(made('t', new Uint8Array(1_048_577))), 'bad-cbor')
  assert.equal(refusal(fromHex('870102031b001fffffffffffff' + 'f66174' + '40')), 'unknown')
  assert.equal(refusal(fromHex('8701021b0020000000000000' + '00f66174' + '40')), 'bad-cbor')
})

test('elements that a later version adds are checked and ignored', () => {
  const later = [1, 2, 3, 1, [9, 8, 'more'], '', EMPTY, [[1], null]]
  assert.deepEqual(decodeContent(encodeCbor(later))!.answered, { epoch: 9, sequence: 8 })
  const broken = encodeCbor(later)
  broken[broken.length - 1] = 0xf7
  assert.equal(refusal(broken), 'bad-cbor')
})

test('every content of the vectors that is refused is refused', () => {
  const refused = vectors.filter(({ kind }) => kind === 'direct-content-refused')
  assert.ok(refused.length > 10)
  for (const { name, plain } of refused) assert.notEqual(refusal(fromHex(plain)), 'taken', name)
})

test('a topic is text of 1 to 255 bytes without wildcards and U+0000', () => {
  for (const topic of ['a', '/', 'a/b', 'é'.repeat(127), '$x']) assert.equal(isDirectTopic(topic), true, topic)
  for (const topic of ['', 'a/#', '+', 'a\0', 'é'.repeat(128)]) assert.equal(isDirectTopic(topic), false, topic)
})

test('random and spoilt bytes are refused or read, and nothing else', () => {
  const random = seeded(5)
  for (let i = 0; i < 5_000; i++) {
    const spoilt = plainOf('reply-failed').slice()
    spoilt[random.below(spoilt.length)] = random.below(256)
    refusal(spoilt)
    refusal(random.bytes(random.below(40)))
  }
})

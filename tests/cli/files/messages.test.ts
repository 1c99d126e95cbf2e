import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeLine,
  encodeRefusal,
  LINE_BYTES_MAX,
  parseDone,
  parseFrom,
  parseHash,
  parseHeld,
  parseOffer,
  REFUSALS,
  Refusal,
} from '../../../cli/files/messages.ts'

const HASH = 'ab'.repeat(32)
const line = (text: string): Uint8Array => Buffer.from(text)

test('each line is read as it was written', () => {
  const offer = { name: 'a.txt', size: 5, mtimeMs: 1_700_000_000_000 }
  assert.deepEqual(parseOffer(encodeLine(offer)), offer)
  assert.deepEqual(parseHeld(encodeLine({ have: 5, sha256: HASH }), 5), { have: 5, sha256: HASH })
  assert.equal(parseFrom(encodeLine({ from: 5 }), 5), 5)
  assert.equal(parseFrom(encodeLine({ from: 0 }), 5), 0)
  assert.equal(parseFrom(encodeLine({ wait: true }), 5), null)
  assert.equal(parseHash(encodeLine({ sha256: HASH })), HASH)
  assert.equal(parseDone(encodeLine({ done: { name: 'a (1).txt' } })), 'a (1).txt')
  assert.deepEqual(parseOffer(line('{"name":"a","size":0,"mtimeMs":0,"later":1}')), { name: 'a', size: 0, mtimeMs: 0 })
})

test('the longest offer fits its line', () => {
  const offer = { name: '\u{1f600}'.repeat(60), size: Number.MAX_SAFE_INTEGER, mtimeMs: Number.MAX_SAFE_INTEGER }
  assert.ok(encodeLine(offer).length <= LINE_BYTES_MAX)
})

test('a sender that says anything else is told so', () => {
  const good = '{"name":"a","size":5,"mtimeMs":6}'
  for (let at = 0; at < good.length; at++) {
    assert.throws(() => parseOffer(line(good.slice(0, at))), { code: 'bad-request' })
  }
  for (const text of [
    'null',
    '[]',
    '"a"',
    '{}',
    '{"name":1,"size":5,"mtimeMs":6}',
    '{"name":"a","size":-1,"mtimeMs":6}',
    '{"name":"a","size":1.5,"mtimeMs":6}',
    '{"name":"a","size":9007199254740992,"mtimeMs":6}',
    '{"name":"a","size":"5","mtimeMs":6}',
    '{"name":"a","size":5,"mtimeMs":1e400}',
  ]) {
    assert.throws(() => parseOffer(line(text)), { code: 'bad-request' }, text)
  }
  assert.throws(() => parseOffer(Uint8Array.of(0x22, 0xff, 0x22)), { code: 'bad-request' })
  for (const text of ['{"from":3}', '{"from":-0.5}', '{}', '{"wait":1}', 'x'])
    assert.throws(() => parseFrom(line(text), 5), { code: 'bad-request' }, text)
  for (const text of ['{"sha256":"AB"}', `{"sha256":"${HASH.toUpperCase()}"}`, `{"sha256":"${HASH}0"}`, '{}'])
    assert.throws(() => parseHash(line(text)), { code: 'bad-request' }, text)
})

test('a receiver that says anything else is not believed', () => {
  for (const text of [
    'x',
    '{}',
    `{"have":6,"sha256":"${HASH}"}`,
    `{"have":-1,"sha256":"${HASH}"}`,
    '{"have":1,"sha256":""}',
    '{"error":1}',
  ])
    assert.throws(() => parseHeld(line(text), 5), { code: 'bad-frame' }, text)
  for (const text of ['{"done":{}}', '{"done":{"name":1}}', '{"done":"a"}'])
    assert.throws(() => parseDone(line(text)), { code: 'bad-frame' }, text)
})

test('a refusal arrives with its code, an unknown one as failed', () => {
  for (const code of REFUSALS) {
    assert.throws(() => parseHeld(encodeRefusal(new Refusal(code, 'why')), 5), { code, message: 'why' })
  }
  assert.throws(() => parseDone(line('{"error":{"code":"new","text":"later"}}')), { code: 'failed', message: 'later' })
  const long = encodeRefusal(new Refusal('failed', 'x'.repeat(10_000)))
  assert.ok(long.length <= LINE_BYTES_MAX)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { DeliveredMessage } from '../../lib/flood/message.ts'

const ORIGIN = { from: 'peer', epoch: 7, sentAtMs: 1, hops: 1, replayed: false, retained: false }

test('a message knows its id, its text and its JSON', () => {
  const message = new DeliveredMessage('t', utf8('{"a":1}'), 5, ORIGIN)
  assert.equal(message.id, 'peer/7/5')
  assert.equal(message.text(), '{"a":1}')
  assert.deepEqual(message.json(), { a: 1 })
  assert.deepEqual([message.from, message.sentAtMs, message.hops, message.replayed], ['peer', 1, 1, false])
  assert.equal(message.retained, false)
  assert.equal(message.ack(), undefined)
  assert.throws(() => new DeliveredMessage('t', utf8('{'), 5, ORIGIN).json(), SyntaxError)
  assert.equal(new DeliveredMessage('t', Uint8Array.of(0xff), 5, ORIGIN).text(), '\ufffd')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { DeliveredMessage } from '../../lib/flood/message.ts'
import { json, type TopicCarrier, TypedTopic } from '../../lib/flood/typed-topic.ts'
import type { Message } from '../../lib/types.ts'

class FakeCarrier implements TopicCarrier {
  readonly published: [string, string | Uint8Array][] = []
  readonly warnings: [string, string][] = []
  handler: (message: Message) => void = () => {}

  publish(topic: string, data: string | Uint8Array): Promise<{ id: string; neighbours: [] }> {
    this.published.push([topic, data])
    return Promise.resolve({ id: 'x', neighbours: [] })
  }

  subscribe(pattern: string, handler: (message: Message) => void): { pattern: string; unsubscribe(): void } {
    this.handler = handler
    return { pattern, unsubscribe: () => {} }
  }

  warn(code: string, text: string): void {
    this.warnings.push([code, text])
  }

  comes(payload: string): void {
    const origin = { from: 'peer', epoch: 1, sentAtMs: 0, hops: 1, replayed: false }
    this.handler(new DeliveredMessage('state', utf8(payload), 0, origin))
  }
}

test('values go out and come in through the codec', async () => {
  const carrier = new FakeCarrier()
  const topic = new TypedTopic<{ on: boolean }>('state', json, carrier)
  await topic.publish({ on: true })
  assert.deepEqual(carrier.published, [['state', '{"on":true}']])
  const values: [unknown, string][] = []
  assert.equal(topic.subscribe((value, message) => values.push([value, message.from])).pattern, 'state')
  carrier.comes('{"on":false}')
  assert.deepEqual(values, [[{ on: false }, 'peer']])
})

test('a payload that the codec refuses is a warning and is not delivered', () => {
  const carrier = new FakeCarrier()
  let called = 0
  new TypedTopic('state', json, carrier).subscribe(() => called++)
  carrier.comes('{')
  assert.equal(called, 0)
  assert.equal(carrier.warnings[0]?.[0], 'undecodable')
  assert.match(carrier.warnings[0]?.[1] ?? '', /^a message on state from peer: /)
})

test('what the handler throws is not taken for an undecodable payload', () => {
  const carrier = new FakeCarrier()
  new TypedTopic('state', json, carrier).subscribe(() => {
    throw new Error('handler')
  })
  assert.throws(() => carrier.comes('1'), /handler/)
  assert.deepEqual(carrier.warnings, [])
})

test('a value that the codec cannot write rejects', async () => {
  const circular: { self?: unknown } = {}
  circular.self = circular
  await assert.rejects(new TypedTopic('state', json, new FakeCarrier()).publish(circular), TypeError)
})

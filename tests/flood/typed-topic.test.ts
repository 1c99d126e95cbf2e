import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { DeliveredMessage } from '../../lib/flood/message.ts'
import { json, type TopicCarrier, TypedTopic } from '../../lib/flood/typed-topic.ts'
import type { Message, PublishOptions, Receipt, SubscribeOptions } from '../../lib/types.ts'

class FakeCarrier implements TopicCarrier {
  readonly published: [string, string | Uint8Array, PublishOptions?][] = []
  readonly warnings: [string, string][] = []
  readonly subscribed: (SubscribeOptions | undefined)[] = []
  handler: (message: Message) => unknown = () => {}

  publish(topic: string, data: string | Uint8Array, options?: PublishOptions): Promise<Receipt> {
    this.published.push(options === undefined ? [topic, data] : [topic, data, options])
    return Promise.resolve({ id: 'x', neighbours: [], confirmed: async () => [] })
  }

  subscribe(
    pattern: string,
    handler: (message: Message) => unknown,
    options?: SubscribeOptions,
  ): { pattern: string; unsubscribe(): void } {
    this.handler = handler
    this.subscribed.push(options)
    return { pattern, unsubscribe: () => {} }
  }

  warn(code: string, text: string): void {
    this.warnings.push([code, text])
  }

  comes(payload: string, retained = false): unknown {
    const origin = { from: 'peer', epoch: 1, sentAtMs: 0, hops: 1, replayed: false, retained }
    return this.handler(new DeliveredMessage('state', utf8(payload), 0, origin))
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

test('options go through, and so does the promise of a handler', async () => {
  const carrier = new FakeCarrier()
  const topic = new TypedTopic<number>('state', json, carrier)
  await topic.publish(1, { retain: true })
  assert.deepEqual(carrier.published, [['state', '1', { retain: true }]])
  const promise = Promise.resolve()
  topic.subscribe(() => promise, { durable: 'x' })
  assert.deepEqual(carrier.subscribed, [{ durable: 'x' }])
  assert.equal(carrier.comes('1'), promise)
})

test('the removal of a retained value has no value', () => {
  const carrier = new FakeCarrier()
  let called = 0
  new TypedTopic('state', json, carrier).subscribe(() => called++)
  carrier.comes('', true)
  assert.deepEqual(carrier.warnings, [])
  carrier.comes('', false)
  assert.deepEqual([called, carrier.warnings.length], [0, 1])
})

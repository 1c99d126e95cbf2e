import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBundleHead, readBundleMessages } from '../../lib/flood/bundle.ts'
import { Delivery } from '../../lib/flood/delivery.ts'
import { SLAB_BYTES } from '../../lib/flood/payload-copies.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import type { Message } from '../../lib/types.ts'
import { seeded } from '../crypto/seeded.ts'
import { type BundleInput, bundleBody } from './bundles.ts'

function deliver(delivery: Delivery, input: Partial<BundleInput>, nowMs = 1_000, isShared = false): void {
  const head = readBundleHead(bundleBody(input), nowMs)!
  delivery.deliver(head.bundle, readBundleMessages(head), 'origin', isShared, nowMs)
}

/** A delivery, and what each pattern's handler was given. */
function setUp(...patterns: string[]): { delivery: Delivery; heard: Map<string, Message[]> } {
  const subscriptions = new Subscriptions((_, text) => assert.fail(text))
  const heard = new Map<string, Message[]>()
  for (const pattern of patterns) {
    const messages: Message[] = []
    heard.set(pattern, messages)
    subscriptions.subscribe(pattern, (message) => messages.push(message), 0)
  }
  return { delivery: new Delivery(subscriptions, () => 0), heard }
}

test('a handler that transfers its payload takes nothing from anybody else', () => {
  const taken: number[] = []
  const take = ({ data }: Message): void => {
    try {
      taken.push(structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })[0]!)
    } catch {
      // Later versions of Node refuse.
      taken.push(data[0]!)
    }
  }
  for (const [patterns, bytes, isShared] of [
    [['#'], 100, false],
    [['#', 't'], 100, false],
    [['#'], 40_000, false],
    [['#'], 40_000, true],
  ] as const) {
    const subscriptions = new Subscriptions((_, text) => assert.fail(text))
    const delivery = new Delivery(subscriptions, () => 0)
    for (const pattern of patterns) subscriptions.subscribe(pattern, take, 0)
    for (const first of [0, 3]) {
      const payloads = [1, 2, 3].map((i) => ['t', new Uint8Array(bytes).fill(first + i)] as const)
      // As a large one comes: in a buffer of its own.
      const { bundle, messagesAt } = readBundleHead(new Uint8Array(bundleBody({ first, messages: [...payloads] })), 0)!
      taken.length = 0
      delivery.deliver(bundle, readBundleMessages({ bundle, messagesAt }), 'origin', isShared, 0)
      assert.deepEqual(
        taken,
        [1, 2, 3].flatMap((i) => patterns.map(() => first + i)),
      )
    }
  }
})

test('beside a slow one: whatever topics and sizes, each subscriber gets its messages in order with bytes of their own', () => {
  const random = seeded(41)
  for (let run = 0; run < 300; run++) {
    const { delivery, heard } = setUp('a', 'b', '+')
    const messages = Array.from({ length: 1 + random.below(90) }, () => {
      const topic = ['a', 'b', 'c/d'][random.below(run % 3 === 0 ? 3 : 1)]!
      return [topic, random.bytes(random.below(random.below(20) === 0 ? 5_000 : 300))] as const
    })
    deliver(delivery, { first: 7, messages })
    let [count, bytes] = [0, 0]
    for (const [pattern, got] of heard) {
      const expected = messages.flatMap(([topic, data], i) => {
        const isWanted = pattern === '+' ? !topic.includes('/') : pattern === topic
        return isWanted ? [{ topic, data: new Uint8Array(data), sequence: 7 + i }] : []
      })
      assert.deepEqual(
        got.map(({ topic, data, sequence }) => ({ topic, data: new Uint8Array(data), sequence })),
        expected,
      )
      count += expected.length
      for (const { data } of expected) bytes += data.length
    }
    assert.deepEqual([delivery.messages, delivery.bytes], [count, bytes])
    // Writing to one changes no other.
    const all = [...heard.values()].flat()
    for (const [i, { data }] of all.entries()) data.fill(i)
    for (const [i, { data }] of all.entries()) assert.ok(data.every((byte) => byte === i % 256))
  }
})

test('a small payload that is kept keeps at most one slab with it, alone or in a row', () => {
  const { delivery, heard } = setUp('t')
  deliver(delivery, { messages: Array.from({ length: 200 }, () => ['t', new Uint8Array(300)] as const) })
  deliver(delivery, { first: 200, messages: [['t', new Uint8Array(10)]] })
  const got = heard.get('t')!
  assert.equal(got.length, 201)
  for (const { data } of got) assert.ok(data.buffer.byteLength <= SLAB_BYTES)
  assert.equal(got[200]!.data.buffer.byteLength, 10)
})

test('a large payload is handed over where nobody else reads it, and copied where someone does', () => {
  const { delivery, heard } = setUp('t')
  const messages = [['t', new Uint8Array(50_000).fill(3)]] as const
  const head = readBundleHead(bundleBody({ messages }), 1_000)!
  for (const isShared of [false, true]) {
    delivery.deliver(head.bundle, readBundleMessages(head), 'origin', isShared, 1_000)
  }
  const [handed, copied] = heard.get('t')!
  assert.equal(handed!.data.buffer, head.bundle.sealed.buffer)
  assert.notEqual(copied!.data.buffer, head.bundle.sealed.buffer)
  assert.deepEqual(handed!.data, copied!.data)
})

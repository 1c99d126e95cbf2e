import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { utf8 } from '../../lib/bytes.ts'
import { DeliveredMessage } from '../../lib/flood/message.ts'
import { QUEUE_MAX } from '../../lib/flood/readers/read-options.ts'
import { SUBSCRIPTIONS_MAX, Subscriptions } from '../../lib/flood/subscriptions.ts'
import type { Message } from '../../lib/types.ts'

const ORIGIN = { from: 'peer', epoch: 7, sentAtMs: 1, hops: 1, replayed: false, retained: false }

function messageOf(sequence: number, topic = 'chat'): Message {
  return new DeliveredMessage(topic, utf8(String(sequence)), sequence, ORIGIN)
}

class Hall {
  readonly warnings: string[] = []
  readonly subscriptions = new Subscriptions((code, text) => this.warnings.push(`${code}: ${text}`))

  /** As the router does with a bundle: who wants the topic is asked once. */
  deliver(topic: string, ...sequences: readonly number[]): void {
    const subscribers = this.subscriptions.matching(topic)
    for (const sequence of sequences) {
      for (const subscriber of subscribers) subscriber.deliver(messageOf(sequence, topic))
    }
  }

  heard(pattern: string): number[] {
    const heard: number[] = []
    this.subscriptions.subscribe(pattern, ({ sequence }) => heard.push(sequence), 0)
    return heard
  }
}

async function sequencesOf(stream: AsyncIterable<Message>, count: number): Promise<number[]> {
  const heard: number[] = []
  for await (const { sequence } of stream) {
    heard.push(sequence)
    if (heard.length === count) break
  }
  return heard
}

test('a topic goes to those whose pattern matches, in the order of arrival', () => {
  const hall = new Hall()
  const [exact, wild, all, other] = [hall.heard('a/b'), hall.heard('a/+'), hall.heard('#'), hall.heard('c')]
  hall.deliver('a/b', 1, 2)
  hall.deliver('a/c', 3)
  hall.deliver('$SYS', 4)
  assert.deepEqual([exact, wild, all, other], [[1, 2], [1, 2, 3], [1, 2, 3], []])
})

test('who wants a topic is remembered until a subscription changes', () => {
  const { subscriptions } = new Hall()
  const first = subscriptions.matching('a')
  assert.equal(subscriptions.matching('a'), first)
  const { unsubscribe } = subscriptions.subscribe('a', () => {}, 0)
  assert.equal(subscriptions.matching('a').length, 1)
  unsubscribe()
  assert.equal(subscriptions.matching('a').length, 0)
})

test('many topics do not grow the memory of them without bound, nor change an answer', () => {
  const hall = new Hall()
  const heard = hall.heard('t/#')
  for (let i = 0; i < 10_000; i++) hall.deliver(`t/${i}`, i)
  assert.equal(heard.length, 10_000)
})

test('after unsubscribing nothing comes, not even the rest of the same bundle', () => {
  const hall = new Hall()
  const heard: number[] = []
  const subscription = hall.subscriptions.subscribe(
    'a',
    ({ sequence }) => {
      heard.push(sequence)
      subscription.unsubscribe()
    },
    0,
  )
  hall.deliver('a', 1, 2, 3)
  hall.deliver('a', 4)
  subscription.unsubscribe()
  assert.deepEqual(heard, [1])
})

test('a stream that ended takes nothing more, not even the rest of the same bundle', async () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', {}, 0)
  hall.subscriptions.subscribe('a', ({ sequence }) => sequence === 2 && stream.unsubscribe(), 0)
  hall.deliver('a', 1, 2, 3, 4)
  assert.deepEqual(await sequencesOf(stream, 10), [1, 2])
})

test('a handler that throws is a warning and holds nobody back', () => {
  const hall = new Hall()
  hall.subscriptions.subscribe(
    'a',
    () => {
      throw new Error('broken')
    },
    0,
  )
  const heard = hall.heard('a')
  hall.deliver('a', 1)
  assert.deepEqual(heard, [1])
  assert.deepEqual(hall.warnings, ['handler-failed: the handler of the subscription to a threw: broken'])
})

test('a stream gives messages in order, those that came before it was read too', async () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', {}, 0)
  hall.deliver('a', 1, 2)
  const reading = sequencesOf(stream, 4)
  hall.deliver('a', 3)
  hall.deliver('a', 4, 5)
  assert.deepEqual(await reading, [1, 2, 3, 4])
  hall.deliver('a', 6)
  assert.deepEqual(await sequencesOf(stream, 1), [])
})

test('what does not fit a slow reader’s queue is dropped, oldest first, and counted', async () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', { queueMax: 3 }, 0)
  hall.deliver('a', 1, 2, 3)
  assert.equal(stream.dropped, 0)
  hall.deliver('a', 4, 5)
  assert.equal(stream.dropped, 2)
  assert.deepEqual(await sequencesOf(stream, 3), [3, 4, 5])
})

test('the queue holds ten thousand unless it is told otherwise', () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', {}, 0)
  for (let i = 0; i < QUEUE_MAX; i++) hall.deliver('a', i)
  assert.equal(stream.dropped, 0)
  hall.deliver('a', 0)
  assert.equal(stream.dropped, 1)
})

test('a long queue is read to its end in order', async () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', {}, 0)
  const count = 5_000
  for (let i = 0; i < count; i++) hall.deliver('a', i)
  assert.deepEqual(
    await sequencesOf(stream, count),
    Array.from({ length: count }, (_, i) => i),
  )
})

test('several readers of one stream each get their own, and all end', async () => {
  const hall = new Hall()
  const stream = hall.subscriptions.stream('a', {}, 0)
  const iterator = stream[Symbol.asyncIterator]()
  const waiting = [iterator.next(), iterator.next(), iterator.next()]
  hall.deliver('a', 1, 2)
  stream.unsubscribe()
  const results = await Promise.all(waiting)
  assert.deepEqual(
    results.map(({ value }) => value?.sequence),
    [1, 2, undefined],
  )
  assert.equal(results[2]?.done, true)
})

test('an abort ends the stream after what is queued; aborted before, it never begins', async () => {
  const hall = new Hall()
  const controller = new AbortController()
  const stream = hall.subscriptions.stream('a', { signal: controller.signal }, 0)
  hall.deliver('a', 1)
  controller.abort()
  hall.deliver('a', 2)
  assert.deepEqual(await sequencesOf(stream, 10), [1])
  const never = hall.subscriptions.stream('a', { signal: controller.signal }, 0)
  assert.deepEqual(await sequencesOf(never, 10), [])
  assert.equal(hall.subscriptions.matching('a').length, 0)
})

test('a promise that fails is a warning, of whatever make it is', async () => {
  const hall = new Hall()
  const { subscriptions, warnings } = hall
  const failing = async (): Promise<void> => {
    throw new Error('its own')
  }
  // biome-ignore lint/suspicious/noThenProperty: a handler may return anything
  const thenable = { then: (_done: unknown, failed: (error: Error) => void) => failed(new Error('a library’s')) }
  subscriptions.subscribe('a', failing, 0)
  subscriptions.subscribe('a', () => thenable, 0)
  subscriptions.subscribe('a', runInNewContext('async () => { throw new Error("of another realm") }'), 0)
  subscriptions.subscribe('a', () => ({ value: 1 }), 0)
  hall.deliver('a', 1)
  await new Promise(setImmediate)
  const begin = 'handler-failed: the handler of the subscription to a threw: '
  assert.deepEqual(warnings.toSorted(), [`${begin}Error: of another realm`, `${begin}a library’s`, `${begin}its own`])
})

test('closing ends every stream and forgets every handler', async () => {
  const hall = new Hall()
  const heard = hall.heard('a')
  const stream = hall.subscriptions.stream('+', {}, 0)
  hall.deliver('a', 1)
  hall.subscriptions.close()
  hall.deliver('a', 2)
  assert.deepEqual(heard, [1])
  assert.deepEqual(await sequencesOf(stream, 10), [1])
  assert.throws(() => hall.heard('a'), { code: 'not-running' })
  assert.throws(() => hall.subscriptions.stream('a', {}, 0), { code: 'not-running' })
  assert.throws(() => hall.subscriptions.stream('a', { signal: AbortSignal.abort() }, 0), { code: 'not-running' })
})

test('nobody listens to a signal any more after the end of a subscription, of all of them, or when none was made', () => {
  const { signal } = new AbortController()
  const listening = (): number => getEventListeners(signal, 'abort').length
  const { subscriptions } = new Hall()
  const made = [
    subscriptions.subscribe('a', () => {}, 0, { signal }),
    subscriptions.stream('a', { signal }, 0),
    subscriptions.subscribe('a', () => {}, 0, { signal }),
    subscriptions.stream('a', { signal }, 0),
  ]
  assert.equal(listening(), 4)
  for (const one of made.slice(2)) one.unsubscribe()
  assert.equal(listening(), 2)
  assert.throws(() => subscriptions.stream('a/+x', { signal }, 0), { code: 'bad-topic' })
  assert.throws(() => subscriptions.subscribe('a/+x', () => {}, 0, { signal }), { code: 'bad-topic' })
  assert.equal(listening(), 2)
  subscriptions.close()
  assert.equal(listening(), 0)
})

test('wrong arguments are told', () => {
  const { subscriptions } = new Hall()
  assert.throws(() => subscriptions.subscribe('a+', () => {}, 0), { code: 'bad-topic' })
  assert.throws(() => subscriptions.stream('#/a', {}, 0), { code: 'bad-topic' })
  for (const queueMax of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => subscriptions.stream('a', { queueMax }, 0), { code: 'bad-argument' })
  }
  assert.throws(() => subscriptions.subscribe('a', null as unknown as () => void, 0), { code: 'bad-argument' })
})

test('a hundred thousand subscriptions are taken and not one further', () => {
  const { subscriptions } = new Hall()
  const first = subscriptions.subscribe('a', () => {}, 0)
  for (let i = 1; i < SUBSCRIPTIONS_MAX; i++) subscriptions.subscribe('a', () => {}, 0)
  assert.throws(() => subscriptions.subscribe('a', () => {}, 0), { code: 'too-large' })
  first.unsubscribe()
  first.unsubscribe()
  subscriptions.subscribe('a', () => {}, 0)
  assert.throws(() => subscriptions.stream('b', {}, 0), { code: 'too-large' })
})

test('an abort ends a subscription with a handler; aborted before, it never begins', () => {
  const hall = new Hall()
  const controller = new AbortController()
  const heard: number[] = []
  const { signal } = controller
  hall.subscriptions.subscribe('a', ({ sequence }) => heard.push(sequence), 0, { signal })
  hall.deliver('a', 1)
  controller.abort()
  hall.deliver('a', 2)
  hall.subscriptions.subscribe('a', ({ sequence }) => heard.push(sequence), 0, { signal })
  hall.deliver('a', 3)
  assert.deepEqual(heard, [1])
  assert.equal(hall.subscriptions.matching('a').length, 0)
})

test('what is live cannot be held back, and where nothing is kept no subscription looks back', () => {
  const { subscriptions } = new Hall()
  assert.throws(() => subscriptions.stream('a', { overflow: 'pause' }, 0), { code: 'bad-argument' })
  assert.throws(() => subscriptions.stream('a', { since: 'stored' }, 0), { code: 'bad-option' })
  assert.throws(() => subscriptions.subscribe('a', () => {}, 0, { durable: 'x' }), { code: 'bad-option' })
})

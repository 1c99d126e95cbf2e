import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BEHIND, OpenRequests, REQUESTS_OPEN_BYTES_MAX, REQUESTS_OPEN_MAX } from '../../../cli/api/open-requests.ts'
import type { JsonObject, QueryValues } from '../../../cli/client/node-client.ts'
import type { DirectMessage } from '../../../lib/direct/handlers.ts'
import { until } from '../../tools/until.ts'
import { ALICE } from '../fake-node.ts'
import { call, errorOf, type FakeApi, startApi } from './fake-api.ts'

/** Somebody who answers. */
class Replier {
  readonly #lines: AsyncGenerator<JsonObject[], undefined>
  readonly #leaving = new AbortController()
  #ready: JsonObject[] = []

  constructor(context: TestContext, api: FakeApi, query: QueryValues) {
    this.#lines = api.client.lines('/v1/requests', query, this.#leaving.signal)
    context.after(() => this.leave())
  }

  async next(): Promise<JsonObject | null> {
    while (this.#ready.length === 0) {
      const { value, done } = await this.#lines.next()
      if (done) return null
      this.#ready = value
    }
    return this.#ready.shift()!
  }

  leave(): void {
    this.#leaving.abort()
  }
}

const noSignal = new AbortController().signal
let asked = 0

function requestOn(topic: string, data: Uint8Array): DirectMessage {
  return { from: ALICE, topic, data, id: `${ALICE}/1/${asked++}` }
}

/** A request comes to the node. */
async function ask(api: FakeApi, topic: string, data: string | Uint8Array = ''): Promise<string> {
  const handler = api.mesh.repliers.get(topic)
  if (handler === undefined) throw new Error('no handler')
  return Buffer.from(await handler(requestOn(topic, Buffer.from(data)), noSignal)).toString('latin1')
}

function post(api: FakeApi, body: object): ReturnType<typeof call> {
  return call(api, 'POST', '/v1/reply', JSON.stringify(body))
}

test('requests come as lines, and whoever asked gets what is answered, in any order', async (t) => {
  const api = await startApi(t)
  const replier = new Replier(t, api, { topic: 'sums' })
  assert.deepEqual(await replier.next(), { event: 'replying', topic: 'sums' })
  const [first, second, third] = [ask(api, 'sums', 'täxt\n'), ask(api, 'sums', Uint8Array.of(0xff)), ask(api, 'sums')]
  const [one, two, three] = [await replier.next(), await replier.next(), await replier.next()]
  const { id, ...rest } = one!
  assert.match(String(id), new RegExp(`^${ALICE}/1/\\d+$`))
  assert.deepEqual(rest, { event: 'request', topic: 'sums', from: ALICE, data: 'täxt\n' })
  assert.equal(two!.data64, '/w==')
  assert.equal((await post(api, { id: two!.id, data64: '/w==' })).text, '{}\n')
  assert.equal((await post(api, { id, data: '42' })).status, 200)
  assert.deepEqual(await Promise.all([first, second]), ['42', '\u00ff'])
  const refused = assert.rejects(third, { message: 'no such sum' })
  assert.equal((await post(api, { id: three!.id, error: 'no such sum' })).status, 200)
  await refused
})

test('an answer that nobody waits for, or that cannot be one, is refused, and a better one can follow', async (t) => {
  const api = await startApi(t)
  const replier = new Replier(t, api, { topic: 'a' })
  await replier.next()
  const answer = ask(api, 'a')
  const { id } = (await replier.next())!
  assert.deepEqual(errorOf(await post(api, { id: 'x', data: '' })), [404, 'unknown-request'])
  for (const body of [{ id }, { data: 'x' }, { id, data: 'x', error: 'y' }, { id, error: '' }, { id, data64: '!' }]) {
    assert.deepEqual(errorOf(await post(api, body)), [400, 'bad-argument'], JSON.stringify(body))
  }
  assert.deepEqual(errorOf(await post(api, { id, data: 'x'.repeat(1_048_577) })), [413, 'too-large'])
  assert.equal((await post(api, { id, data: 'x'.repeat(1_048_576) })).status, 200)
  assert.equal((await answer).length, 1_048_576)
  assert.deepEqual(errorOf(await post(api, { id, data: 'again' })), [404, 'unknown-request'])
})

test('one answers on a topic; when it leaves, what it owes fails and nobody answers any more', async (t) => {
  const api = await startApi(t)
  const replier = new Replier(t, api, { topic: 'a' })
  await replier.next()
  assert.deepEqual(errorOf(await call(api, 'GET', '/v1/requests?topic=a')), [409, 'already-registered'])
  assert.deepEqual(errorOf(await call(api, 'GET', '/v1/requests')), [400, 'bad-argument'])
  const answer = ask(api, 'a')
  await replier.next()
  replier.leave()
  await assert.rejects(answer, { message: 'the program that answers has left' })
  await until(() => !api.mesh.repliers.has('a'))
  const next = new Replier(t, api, { topic: 'a' })
  assert.deepEqual(await next.next(), { event: 'replying', topic: 'a' })
})

test('a request that is not answered in its time fails, and one of another caller goes on', async (t) => {
  const api = await startApi(t)
  const [slow, other] = [new Replier(t, api, { topic: 'slow', timeoutMs: 20 }), new Replier(t, api, { topic: 'other' })]
  await Promise.all([slow.next(), other.next()])
  const [late, good] = [ask(api, 'slow'), ask(api, 'other')]
  const { id } = (await slow.next())!
  await assert.rejects(late, { message: 'the program that answers took longer than 0.02 s' })
  assert.deepEqual(errorOf(await post(api, { id, data: 'late' })), [404, 'unknown-request'])
  await post(api, { id: (await other.next())!.id, data: 'good' })
  assert.equal(await good, 'good')
})

test('a node that stops says so, and answers who waits', async (t) => {
  const api = await startApi(t)
  const replier = new Replier(t, api, { topic: 'a' })
  await replier.next()
  const answer = assert.rejects(ask(api, 'a'), { message: /has left/ })
  await replier.next()
  await Promise.all([api.api.close(), answer])
  assert.deepEqual([await replier.next(), await replier.next()], [{ event: 'end' }, null])
})

test('what is open is bounded in number and bytes', async () => {
  const open = new OpenRequests(1_000_000)
  const waiting = Array.from({ length: REQUESTS_OPEN_MAX }, () => open.wait(requestOn('a', new Uint8Array(1))))
  await assert.rejects(open.wait(requestOn('a', new Uint8Array(0))), { message: BEHIND })
  assert.equal(open.count, REQUESTS_OPEN_MAX)
  open.close()
  for (const one of waiting) await assert.rejects(one)
  assert.equal(open.count, 0)

  const large = [
    requestOn('a', new Uint8Array(REQUESTS_OPEN_BYTES_MAX - 1)),
    requestOn('a', new Uint8Array(1)),
  ] as const
  const answers = large.map((request) => open.wait(request))
  await assert.rejects(open.wait(requestOn('a', new Uint8Array(1))), { message: BEHIND })
  assert.equal(open.answer(large[0].id, 'x'), true)
  assert.equal(open.answer(large[0].id, 'y'), false)
  assert.equal(open.fail(large[0].id, 'z'), false)
  const again = open.wait(requestOn('a', new Uint8Array(REQUESTS_OPEN_BYTES_MAX - 1)))
  assert.equal(await answers[0], 'x')
  open.close()
  await assert.rejects(answers[1]!)
  await assert.rejects(again)
})

test('a caller that reads nothing holds no more than its share', async (t) => {
  const api = await startApi(t)
  const replier = new Replier(t, api, { topic: 'a', timeoutMs: 1 })
  await replier.next()
  const megabyte = new Uint8Array(1_000_000)
  let refused = 0
  for (let i = 0; i < 60 && refused === 0; i++) {
    await ask(api, 'a', megabyte).catch((error: Error) => {
      if (error.message === BEHIND) refused++
    })
  }
  assert.equal(refused, 1)
})

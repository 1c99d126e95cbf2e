import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { JsonObject, QueryValues } from '../../../cli/client/node-client.ts'
import { MeshError } from '../../../lib/errors.ts'
import { until } from '../../tools/until.ts'
import { ALICE } from '../fake-node.ts'
import { call, errorOf, type FakeApi, startApi } from './fake-api.ts'

/** A reader that takes what it is asked for, one line at a time. */
class Reader {
  readonly #lines: AsyncGenerator<JsonObject[], undefined>
  readonly #leaving = new AbortController()
  #ready: JsonObject[] = []

  constructor(context: TestContext, api: FakeApi, query: QueryValues) {
    this.#lines = api.client.lines('/v1/subscribe', query, this.#leaving.signal)
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

test('live messages come as lines, until the reader leaves', async (t) => {
  const api = await startApi(t)
  const reader = new Reader(t, api, { pattern: 'a/#' })
  const { subscription, ...first } = (await reader.next())!
  assert.deepEqual(first, { event: 'subscribed', pattern: 'a/#' })
  assert.match(String(subscription), /^s\d+$/)
  assert.deepEqual(api.mesh.subscribed, [{ pattern: 'a/#', options: undefined }])
  api.mesh.deliver('a/b', 'tëxt\n')
  api.mesh.deliver('other', 'x')
  api.mesh.deliver('a', Uint8Array.of(0xff))
  const facts = {
    event: 'message',
    from: ALICE,
    id: `${ALICE}/1/0`,
    sequence: 0,
    hops: 1,
    replayed: false,
    retained: false,
  }
  assert.deepEqual(await reader.next(), { ...facts, topic: 'a/b', data: 'tëxt\n' })
  assert.deepEqual(await reader.next(), { ...facts, topic: 'a', data64: '/w==' })
  reader.leave()
  await until(() => api.mesh.deliver('a', 'x').length === 0)
})

test('what the reader asks for is asked of the node, and what that refuses is told', async (t) => {
  const api = await startApi(t)
  const reader = new Reader(t, api, { pattern: '#', since: '10m', durable: 'me', order: 'origin' })
  await reader.next()
  assert.deepEqual(api.mesh.subscribed, [
    { pattern: '#', options: { since: '10m', durable: 'me', ack: 'manual', order: 'origin' } },
  ])
  api.mesh.subscribe = () => {
    throw new MeshError('already-registered', 'somebody reads under that name')
  }
  const answer = await call(api, 'GET', '/v1/subscribe?pattern=x&durable=me')
  assert.deepEqual(errorOf(answer), [409, 'already-registered'])
})

test('a durable message is acknowledged when it was written, or when the reader says so', async (t) => {
  const api = await startApi(t)
  const written = new Reader(t, api, { pattern: 'w', durable: 'w' })
  await written.next()
  api.mesh.deliver('w', 'x')
  await written.next()
  await until(() => api.mesh.acknowledged.length === 1)

  const asked = new Reader(t, api, { pattern: 'a', durable: 'a', ack: 'reader' })
  const { subscription } = (await asked.next())!
  for (const text of ['one', 'two', 'three']) api.mesh.deliver('a', text)
  const numbers = [await asked.next(), await asked.next(), await asked.next()].map((line) => line!.number)
  assert.deepEqual(numbers, [1, 2, 3])
  assert.equal(api.mesh.acknowledged.length, 1)
  await api.client.post('/v1/acknowledge', { subscription, through: 2 })
  assert.deepEqual(api.mesh.acknowledged, [0, 1, 2])
  await api.client.post('/v1/acknowledge', { subscription, through: 2 })
  await api.client.post('/v1/acknowledge', { subscription, through: 99 })
  assert.deepEqual(api.mesh.acknowledged, [0, 1, 2, 3])
  asked.leave()
  await until(() => api.mesh.deliver('a', 'x').length === 0)
  await assert.rejects(api.client.post('/v1/acknowledge', { subscription, through: 3 }), {
    code: 'unknown-subscription',
  })
})

test('a durable reader that acknowledges nothing is held back, and let go when it does', async (t) => {
  const api = await startApi(t)
  const reader = new Reader(t, api, { pattern: 'a', durable: 'a', ack: 'reader' })
  const { subscription } = (await reader.next())!
  const big = 'x'.repeat(1_048_576)
  const taking = (async () => {
    for (let i = 0; i < 5; i++) await reader.next()
  })()
  const held = Array.from({ length: 5 }, () => api.mesh.deliver('a', big)[0] as Promise<void> | undefined)
  await taking
  let isHeld = true
  Promise.resolve(held[4]).then(() => {
    isHeld = false
  })
  for (let i = 0; i < 50; i++) await turn()
  assert.equal(isHeld, true)
  await api.client.post('/v1/acknowledge', { subscription, through: 2 })
  await until(() => !isHeld)
})

test('a slow reader of the store is waited for; a slow reader of live messages is told how many it missed', async (t) => {
  const api = await startApi(t)
  const slow = (path: string): ReturnType<typeof connect> => {
    const socket = connect(api.place.path)
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    socket.pause()
    t.after(() => socket.destroy())
    return socket
  }
  slow('/v1/subscribe?pattern=s&since=1h')
  const live = slow('/v1/subscribe?pattern=l')
  await until(() => api.mesh.subscribed.length === 2)
  const big = 'x'.repeat(262_144)
  let held: unknown
  for (let i = 0; i < 16 && held === undefined; i++) {
    ;[held] = api.mesh.deliver('s', big)
    await turn()
  }
  assert.ok(held instanceof Promise)
  for (let i = 0; i < 60; i++) {
    api.mesh.deliver('l', big)
    await turn()
  }
  let text = ''
  live.setEncoding('utf8')
  live.on('data', (chunk) => {
    text += chunk
  })
  live.resume()
  await until(() => text.includes('"dropped"'))
  assert.match(text, /\{"event":"dropped","count":[1-9]\d*\}/)
})

test('a heartbeat comes while nothing else does, and gaps of its own pattern', async (t) => {
  const api = await startApi(t, { heartbeatMs: 5 })
  const reader = new Reader(t, api, { pattern: 'a', order: 'origin' })
  await reader.next()
  assert.deepEqual(await reader.next(), { event: 'heartbeat' })
  const gap = { from: ALICE, epoch: 7, first: 1, last: 3 }
  api.mesh.emit('gap', { pattern: 'other', ...gap })
  api.mesh.emit('gap', { pattern: 'a', ...gap })
  let line = await reader.next()
  while (line?.event === 'heartbeat') line = await reader.next()
  assert.deepEqual(line, { event: 'gap', pattern: 'a', ...gap })
})

test('when the node stops, the reader gets everything and then the end', async (t) => {
  const api = await startApi(t)
  const reader = new Reader(t, api, { pattern: 'a' })
  await reader.next()
  api.mesh.deliver('a', 'last')
  const closed = api.api.close()
  assert.equal((await reader.next())?.data, 'last')
  assert.deepEqual(await reader.next(), { event: 'end' })
  assert.equal(await reader.next(), null)
  await closed
})

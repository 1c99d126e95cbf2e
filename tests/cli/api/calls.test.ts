// Every call of the local API but subscriptions and streams, and what becomes of those that are none.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BODY_BYTES_MAX } from '../../../cli/api/queries.ts'
import { ROUTES } from '../../../cli/api/server.ts'
import { utf8 } from '../../../lib/bytes.ts'
import { primitives } from '../../../lib/crypto/choose.ts'
import { MeshError } from '../../../lib/errors.ts'
import { Identities } from '../../../lib/identity/identities.ts'
import { keyPairFromSeed } from '../../../lib/identity/key-pair.ts'
import type { NeighbourSnapshot, NodeSnapshot } from '../../../lib/types.ts'
import { ALICE, BOB, STATS } from '../fake-node.ts'
import { call, errorOf, startApi } from './fake-api.ts'

const NODE: NodeSnapshot = {
  peer: ALICE,
  name: 'alice',
  agent: 'meshd/test',
  addresses: [],
  neighbours: [BOB],
  startedAtMs: 0,
  lastHeardMs: 5,
  hops: 2,
  up: true,
}
const NEIGHBOUR: NeighbourSnapshot = {
  state: 'open',
  peer: BOB,
  name: 'bob',
  agent: null,
  address: '/ip4/192.0.2.1/tcp/1',
  direction: 'out',
  source: 'seed',
  roundTripMs: 1.5,
  openForMs: 10,
  queuedBytes: 0,
  flood: 'eager',
  lastError: null,
  retryInMs: null,
}
const STRANGER = keyPairFromSeed(new Uint8Array(32).fill(7), new Identities(), primitives).identity.id

test('the node tells who it is and what it did', async (t) => {
  const api = await startApi(t)
  const { status, headers, text } = await call(api, 'GET', '/v1/status')
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'application/json')
  const { pid, startedAtMs, upMs, ...rest } = JSON.parse(text)
  assert.equal(pid, process.pid)
  assert.ok(Math.abs(startedAtMs + upMs - Date.now()) < 10_000)
  assert.deepEqual(rest, {
    id: api.mesh.id,
    name: 'me',
    network: 'default',
    agent: 'meshd/test',
    dataDir: api.folder,
    addresses: api.mesh.addresses,
    neighbours: 2,
    nodes: 3,
    stats: STATS,
  })
})

test('peers, nodes and topics come as lists, however long', async (t) => {
  const api = await startApi(t)
  const list = async (name: string): Promise<unknown> => JSON.parse((await call(api, 'GET', `/v1/${name}`)).text)
  assert.deepEqual(await list('peers'), { peers: [] })
  api.mesh.snapshots = [NEIGHBOUR, { ...NEIGHBOUR, name: 'b\u202eb' }]
  assert.deepEqual(await list('peers'), { peers: api.mesh.snapshots })
  api.mesh.nodeSnapshots = Array.from({ length: 3_000 }, (_, i) => ({ ...NODE, name: `node ${i}` }))
  assert.deepEqual(await list('nodes'), { nodes: api.mesh.nodeSnapshots })
  api.mesh.topicCounts = [{ topic: 'chat', messages: 2, bytes: 30, lastMs: 4 }]
  assert.deepEqual(await list('topics'), { topics: api.mesh.topicCounts })
})

test('answers hold nothing that a terminal would obey', async (t) => {
  const api = await startApi(t)
  api.mesh.snapshots = [{ ...NEIGHBOUR, name: 'a\u001b[31m\u202e\u009b' }]
  const { text } = await call(api, 'GET', '/v1/peers')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
})

test('one message is published, as text or bytes, and can wait for confirmation', async (t) => {
  const api = await startApi(t)
  const publish = async (body: object): Promise<unknown> =>
    JSON.parse((await call(api, 'POST', '/v1/publish', JSON.stringify(body))).text)
  const neighbours = [{ peer: ALICE, outcome: 'queued' }]
  assert.deepEqual(await publish({ topic: 't', data: 'tëxt' }), { id: `${api.mesh.id}/1/0`, neighbours })
  assert.deepEqual(await publish({ topic: 't', data64: 'AP8=', retain: true, ttl: 60, confirm: 1 }), {
    id: `${api.mesh.id}/1/1`,
    neighbours,
    confirmed: [ALICE],
  })
  const [first, second] = api.mesh.published
  assert.deepEqual([first!.data, first!.options], ['tëxt', {}])
  assert.deepEqual([...Buffer.from(second!.data as Uint8Array)], [0, 255])
  assert.deepEqual(second!.options, { retain: true, timeToLiveS: 60 })
  api.mesh.confirm = () => Promise.reject(new MeshError('timed-out', 'nobody has it'))
  const late = await call(api, 'POST', '/v1/publish', '{"topic":"t","data":"","confirm":2,"timeoutMs":5}')
  assert.deepEqual(errorOf(late), [504, 'timed-out'])
})

test('a payload of the largest size fits, and one byte of body too many does not', async (t) => {
  const api = await startApi(t)
  const data64 = Buffer.alloc(1_048_576, 0xff).toString('base64')
  assert.equal((await call(api, 'POST', '/v1/publish', JSON.stringify({ topic: 't', data64 }))).status, 200)
  assert.equal(api.mesh.published[0]!.data.length, 1_048_576)
  const body = '{"topic":"t","data":"x"}'
  assert.equal((await call(api, 'POST', '/v1/publish', body.padEnd(BODY_BYTES_MAX))).status, 200)
  const tooLong = await call(api, 'POST', '/v1/publish', body.padEnd(BODY_BYTES_MAX + 1))
  assert.deepEqual(errorOf(tooLong), [413, 'too-large'])
  assert.equal(api.mesh.published.length, 2)
})

test('lines are published one by one, and what fails is told with its number', async (t) => {
  const api = await startApi(t)
  const lines = [
    '{"data":"a"}',
    'no json',
    '{"topic":"other","data64":"AA=="}',
    '{"data":"b","colour":1}',
    '{}',
    '[]',
    '{"data":"c","retain":true}',
    `{"data":"${'x'.repeat(1_572_864)}"}`,
  ]
  const headers = { 'content-type': 'application/x-ndjson' }
  const { status, text } = await call(api, 'POST', '/v1/publish?topic=t&confirm=1', lines.join('\n'), headers)
  assert.equal(status, 200)
  const told = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    told.slice(0, -1).map(({ line, error }) => [line, error.code]),
    [
      [2, 'bad-argument'],
      [4, 'bad-argument'],
      [5, 'bad-argument'],
      [6, 'bad-argument'],
      [8, 'too-large'],
    ],
  )
  assert.deepEqual(told.at(-1), { published: 3, failed: 5, confirmed: 3 })
  assert.deepEqual(
    api.mesh.published.map(({ topic }) => topic),
    ['t', 'other', 't'],
  )
  api.mesh.confirm = () => Promise.reject(new MeshError('timed-out', 'nobody has it'))
  const late = await call(api, 'POST', '/v1/publish?topic=t&confirm=1&timeoutMs=5', '{"data":"a"}\n', headers)
  assert.deepEqual(JSON.parse(late.text), { published: 1, failed: 0, confirmed: 0 })
  const without = await call(api, 'POST', '/v1/publish', '{"data":"a"}\n', headers)
  assert.match(without.text, /"topic\\" is not text/)
})

test('messages, requests and pings go to the node that was meant', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE, { ...NODE, peer: BOB, name: 'bob' }]
  const seen: unknown[] = []
  api.mesh.direct.send = async (...args) => void seen.push(args.slice(0, 3))
  api.mesh.direct.request = async (...args) => {
    seen.push(args.slice(0, 3))
    return args[1] === 'bytes' ? Uint8Array.of(0xff) : utf8('änswer')
  }
  const post = async (path: string, body: object): Promise<unknown> =>
    JSON.parse((await call(api, 'POST', path, JSON.stringify(body))).text)
  assert.deepEqual(await post('/v1/send', { peer: 'alice', topic: 't', data: 'x' }), { peer: ALICE })
  assert.deepEqual(await post('/v1/request', { peer: BOB, topic: 't', data: '' }), { peer: BOB, data: 'änswer' })
  assert.deepEqual(await post('/v1/request', { peer: 'bob', topic: 'bytes', data64: '' }), {
    peer: BOB,
    data64: '/w==',
  })
  assert.deepEqual(await post('/v1/ping', { peer: 'bob' }), { peer: BOB, timeMs: 12.34, hops: 2 })
  assert.deepEqual(seen.slice(0, 2), [
    [ALICE, 't', 'x'],
    [BOB, 't', ''],
  ])
})

test('a peer is an id, a part of one, or a name; who is unknown or not alone is refused', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE, { ...NODE, peer: BOB, name: 'twin' }, { ...NODE, peer: `${BOB}2`, name: 'twin' }]
  api.mesh.snapshots = [{ ...NEIGHBOUR, peer: '12D3KooWNewcomer', name: 'newcomer' }]
  const ping = async (peer: string): Promise<unknown> => {
    const answer = await call(api, 'POST', '/v1/ping', JSON.stringify({ peer }))
    return answer.status === 200 ? JSON.parse(answer.text).peer : errorOf(answer)
  }
  assert.equal(await ping('alice'), ALICE)
  assert.equal(await ping('12D3KooWAl'), ALICE)
  assert.equal(await ping('newcomer'), '12D3KooWNewcomer')
  assert.equal(await ping('Newcomer'), '12D3KooWNewcomer')
  assert.equal(await ping(STRANGER), STRANGER)
  assert.deepEqual(await ping('twin'), [409, 'ambiguous-peer'])
  assert.deepEqual(await ping('nobody'), [404, 'unknown-peer'])
  assert.deepEqual(await ping(''), [400, 'bad-argument'])
})

test('a call that takes too long ends with that, and one whose caller left is given up', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const forever = (signal: AbortSignal | undefined): Promise<never> =>
    new Promise((_, reject) =>
      signal!.addEventListener('abort', () => reject(new MeshError('aborted', 'it was given up'))),
    )
  api.mesh.direct.send = (_peer, _topic, _data, signal) => forever(signal)
  const late = await call(api, 'POST', '/v1/send', '{"peer":"alice","topic":"t","data":"","timeoutMs":20}')
  assert.deepEqual(errorOf(late), [504, 'timed-out'])
  const left = new Promise<void>((resolve) => {
    api.mesh.direct.ping = (_peer, signal) => {
      signal!.addEventListener('abort', () => resolve())
      return forever(signal)
    }
  })
  await assert.rejects(api.client.post('/v1/ping', { peer: 'alice' }, 50), { code: 'timed-out' })
  await left
})

test('what the library says comes with the status that fits', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  for (const [code, status] of [
    ['bad-topic', 400],
    ['no-handler', 404],
    ['too-large', 413],
    ['request-failed', 502],
    ['unreachable', 502],
    ['stream-reset', 502],
    ['not-running', 503],
    ['timed-out', 504],
    ['data-folder', 500],
  ] as const) {
    api.mesh.direct.send = () => Promise.reject(new MeshError(code, 'so it is'))
    const answer = await call(api, 'POST', '/v1/send', '{"peer":"alice","topic":"t","data":""}')
    assert.deepEqual(errorOf(answer), [status, code])
    assert.equal(JSON.parse(answer.text).error.message, 'so it is')
  }
})

const REFUSED: readonly (readonly [
  method: string,
  path: string,
  body: string | undefined,
  status: number,
  says: RegExp,
])[] = [
  ['GET', '/v1/nothing', undefined, 404, /there is no \/v1\/nothing; known are \/v1\/status/],
  ['GET', '/v1/status/', undefined, 404, /there is no/],
  ['GET', '/V1/status', undefined, 404, /there is no/],
  ['GET', '/v2/status', undefined, 404, /no version v2 .* it has v1/],
  ['GET', '/%ff%00', undefined, 404, /there is no/],
  ['POST', '/v1/status', '{}', 405, /\/v1\/status is for GET, not for POST/],
  ['DELETE', '/v1/publish', undefined, 405, /is for POST/],
  ['GET', '/v1/status?colour=red', undefined, 400, /unknown name "colour" in the query; this call takes none/],
  ['GET', '/v1/subscribe', undefined, 400, /the query needs pattern/],
  ['GET', '/v1/subscribe?pattern=a&pattern=b', undefined, 400, /pattern was given more than once/],
  ['GET', '/v1/subscribe?pattern=a&order=best', undefined, 400, /order must be arrival or origin/],
  ['GET', '/v1/subscribe?pattern=a&ack=reader', undefined, 400, /for durable subscriptions/],
  ['GET', '/v1/subscribe?pattern=a%23b', undefined, 400, /must fill a whole level/],
  ['POST', '/v1/publish', '{"topic":"t"', 400, /the body is not JSON/],
  ['POST', '/v1/publish', '[]', 400, /the body is not a JSON object/],
  ['POST', '/v1/publish', '{"topic":"t","data":"x","colour":1}', 400, /unknown name "colour" in the body/],
  ['POST', '/v1/publish', '{"topic":"t"}', 400, /exactly one of "data" and "data64"/],
  ['POST', '/v1/publish', '{"topic":"t","data":"x","confirm":-1}', 400, /"confirm" must be a whole number/],
  ['POST', '/v1/publish?topic=t', '{"data":"x"}', 400, /topic stands in the body/],
  ['POST', '/v1/send', '{"topic":"t","data":"x"}', 400, /"peer" must be text/],
  ['POST', '/v1/acknowledge', '{"subscription":"s1"}', 400, /"through" must be/],
  ['POST', '/v1/acknowledge', '{"subscription":"none","through":1}', 404, /no open subscription none/],
  ['POST', '/v1/streams/open?peer=a&protocol=b', undefined, 426, /upgrade: meshd-stream/],
]

test('calls that are none are refused, and say what would be right', async (t) => {
  const api = await startApi(t)
  for (const [method, path, body, status, says] of REFUSED) {
    const answer = await call(api, method, path, body)
    assert.equal(answer.status, status, path)
    assert.match(JSON.parse(answer.text).error.message, says)
  }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.deepEqual(errorOf(await call(api, 'POST', '/v1/publish', '{}', form)), [415, 'bad-argument'])
  assert.deepEqual(JSON.parse((await call(api, 'GET', '/')).text), { versions: ['v1'], agent: 'meshd/test' })
  assert.equal(api.mesh.published.length, 0)
  assert.equal(new Set(ROUTES.map(({ method, path }) => `${method} ${path}`)).size, ROUTES.length)
})

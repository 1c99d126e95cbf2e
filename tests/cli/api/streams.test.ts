// Streams over the local socket: from a caller through the node to "another node", which is the other end of a pair here.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { streamDoor } from '../../../cli/client/stream-door.ts'
import type { DoorStream } from '../../../cli/streams/door.ts'
import { MeshError } from '../../../lib/errors.ts'
import { StreamResetError } from '../../../lib/streams/reset-codes.ts'
import type { NodeSnapshot } from '../../../lib/types.ts'
import { until } from '../../tools/until.ts'
import { ALICE, BOB } from '../fake-node.ts'
import { readAll, type StreamEnd, streamPair } from '../streams/stream-pair.ts'
import { startApi } from './fake-api.ts'

const NODE = { peer: ALICE, name: 'alice', up: true } as NodeSnapshot
const signal = new AbortController().signal

/** The end that the node gets, and that of the other node. */
const pair = (protocol: string): readonly [StreamEnd, StreamEnd] => streamPair(BOB, ALICE, protocol)

test('a stream that is opened carries bytes both ways, and each side ends by itself', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  let far: Duplex | null = null
  api.mesh.direct.open = async (peer, names) => {
    assert.deepEqual([peer, names], [ALICE, ['/files/2', '/files/1 ü']])
    const [near, other] = pair(names[1]!)
    far = other
    return near
  }
  const stream = await streamDoor(api.client).open('alice', ['/files/2', '/files/1 ü'], { signal })
  assert.deepEqual([stream.peer, stream.protocol], [ALICE, '/files/1 ü'])
  const bytes = Buffer.alloc(3_000_000, 'abcdefg')
  const received = readAll(far!)
  stream.end(bytes)
  assert.ok((await received).equals(bytes))
  // The other direction is still open.
  far!.end('and back')
  assert.equal((await buffer(stream)).toString(), 'and back')
  assert.equal(stream.errored, null)
})

test('a stream that could not be opened says why, as the library said it', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const door = streamDoor(api.client)
  api.mesh.direct.open = () => Promise.reject(new StreamResetError(1))
  await assert.rejects(door.open('alice', ['/x'], { signal }), (error: unknown) => {
    return error instanceof StreamResetError && error.streamCode === 1
  })
  api.mesh.direct.open = () => Promise.reject(new MeshError('timed-out', 'nobody answered'))
  await assert.rejects(door.open('alice', ['/x'], { signal }), { name: 'MeshError', code: 'timed-out' })
  await assert.rejects(door.open('nobody', ['/x'], { signal }), { code: 'unknown-peer' })
  await assert.rejects(door.open('alice', [], { signal }), { message: /the query needs protocol/ })
  await api.api.close()
  await assert.rejects(door.open('alice', ['/x'], { signal }), { code: 'not-running' })
})

test('what breaks one end breaks the other, with its reason', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const opened = async (): Promise<[DoorStream, Duplex]> => {
    const [near, far] = pair('/x')
    api.mesh.direct.open = async () => near
    return [await streamDoor(api.client).open('alice', ['/x'], { signal }), far]
  }
  const [stream, far] = await opened()
  far.destroy(new StreamResetError(77))
  const [error] = await once(stream, 'error')
  assert.ok(error instanceof StreamResetError && error.streamCode === 77)

  const [given, other] = await opened()
  given.write('half of it')
  given.destroy()
  const [reset] = await once(other, 'error')
  assert.equal(reset.code, 'stream-reset')
})

test('many streams at once are no reason for Node to warn of a leak', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  api.mesh.direct.open = async () => pair('/x')[0]
  const warnings: Error[] = []
  const warned = (warning: Error): number => warnings.push(warning)
  process.on('warning', warned)
  const streams: DoorStream[] = []
  for (let i = 0; i < 20; i++) streams.push(await streamDoor(api.client).open('alice', ['/x'], { signal }))
  await turn()
  process.off('warning', warned)
  assert.deepEqual(warnings, [])
  for (const stream of streams) stream.destroy()
})

test('a caller that dies in the middle is a reset, and no end', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const [near, far] = pair('/x')
  api.mesh.direct.open = async () => near
  const socket = connect(api.place.path)
  socket.write(
    'POST /v1/streams/open?peer=alice&protocol=/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: meshd-stream\r\n\r\n',
  )
  const [head] = await once(socket, 'data')
  assert.match(head.toString(), /^HTTP\/1\.1 101 [\s\S]*meshd-peer: 12D3KooWAlice\S*\r\nmeshd-protocol: %2Fx\r\n\r\n$/)
  socket.destroy()
  const [error] = await once(far, 'error')
  assert.equal(error.code, 'stream-reset')
})

test('streams that others open go to those who wait, each to one, and the name is registered only meanwhile', async (t) => {
  const api = await startApi(t)
  const door = streamDoor(api.client)
  const [first, second] = [door.accept('/x', { signal }), door.accept('/x', { signal })]
  const waiting = (is: boolean): Promise<void> => {
    return until(() => api.mesh.handlers.has('/x') === is, 'the name was not registered in time')
  }
  await waiting(true)
  // Both callers must be there before the first stream comes.
  for (let turns = 0; turns < 200; turns++) await turn()
  const [near, far] = pair('/x')
  api.mesh.handlers.get('/x')!(near)
  const [nearToo, farToo] = pair('/x')
  api.mesh.handlers.get('/x')!(nearToo)
  const [one, two] = await Promise.all([first, second])
  await waiting(false)
  far.end('to one of them')
  farToo.end('to the other')
  const texts = [await buffer(one), await buffer(two)].map((bytes) => bytes.toString())
  assert.deepEqual(texts.sort(), ['to one of them', 'to the other'])
  assert.equal(one.peer, ALICE)

  const leaving = new AbortController()
  const third = door.accept('/x', { signal: leaving.signal })
  await waiting(true)
  leaving.abort(new Error('enough'))
  await assert.rejects(third, { message: 'enough' })
  await waiting(false)
})

test('a name that the node itself answers to cannot be waited for', async (t) => {
  const api = await startApi(t)
  api.mesh.handle = () => {
    throw new MeshError('already-registered', 'it is taken')
  }
  await assert.rejects(streamDoor(api.client).accept('/x', { signal }), { code: 'already-registered' })
})

test('when the node stops, open streams break and those who wait are told', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const [near] = pair('/x')
  api.mesh.direct.open = async () => near
  const stream = await streamDoor(api.client).open('alice', ['/x'], { signal })
  const waiting = streamDoor(api.client).accept('/y', { signal })
  while (!api.mesh.handlers.has('/y')) await turn()
  const failed = once(stream, 'error')
  const refused = assert.rejects(waiting, { code: 'not-running', message: /start it again with `meshd run`/ })
  await api.api.close()
  assert.equal((await failed)[0].code, 'shutdown')
  await refused
})

// A stream to a node that is no neighbour: its link is made for that, and goes when it has been idle.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

/** Three in a line, each knowing of all. */
async function line(mesh: VirtualMesh): Promise<[VirtualNode, VirtualNode, VirtualNode]> {
  const [a, b, c] = [await mesh.started(1), await mesh.started(2), await mesh.started(3)]
  await mesh.join(a, b)
  await mesh.join(b, c)
  await mesh.time.until('the ends know of each other', () => a.mesh.find(c.mesh.id).length === 1)
  return [a, b, c]
}

test('a stream to a known node dials it, and the link ends for good when it was idle for half a minute', async () => {
  const mesh = new VirtualMesh()
  const [a, , c] = await line(mesh)
  c.mesh.handle('echo/1', (stream) => stream.pipe(stream))
  const stream = await mesh.time.of(a.mesh.open(c.mesh.id, 'echo/1'))
  const visit = a.mesh.neighbours().find(({ peer }) => peer === c.mesh.id)
  assert.deepEqual([visit?.state, visit?.source, visit?.direction], ['open', 'visit', 'out'])
  await mesh.time.run(90_000)
  assert.ok(a.hasNeighbour(c), 'a stream that says nothing still holds it')
  const got: string[] = []
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => got.push(text))
  stream.end('hello')
  await mesh.time.until('the echo is back', () => got.join('') === 'hello')
  await mesh.time.until('the link has gone', () => !a.hasNeighbour(c))
  await mesh.time.run(1)
  assert.equal(a.of('neighbourDown')[0]?.retryInMs, null)
  assert.match(c.of('neighbourDown')[0]!.reason, /goodbye 6/)
  const dials = a.of('neighbourUp').length + c.of('neighbourUp').length
  await mesh.time.run(600_000)
  assert.equal(a.of('neighbourUp').length + c.of('neighbourUp').length, dials)
  // And it can be made again.
  const again = await mesh.time.of(a.mesh.open(c.mesh.id, 'echo/1'))
  again.destroy()
  await mesh.stop()
})

test('an idle link that was made for a stream ends, however much is said to the node directly', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = await line(mesh)
  a.mesh.receive('tick', () => {})
  c.mesh.handle('echo/1', (stream) => stream.pipe(stream))
  const stream = await mesh.time.of(a.mesh.open(c.mesh.id, 'echo/1'))
  stream.destroy()
  for (let i = 0; i < 12; i++) {
    await mesh.time.of(b.mesh.send(a.mesh.id, 'tick', 'tock'))
    await mesh.time.run(5_000)
  }
  assert.ok(!a.hasNeighbour(c))
  await mesh.stop()
})

test('a stream over the link of a neighbour does not end that link', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  b.mesh.handle('echo/1', (stream) => stream.pipe(stream))
  const stream = await mesh.time.of(a.mesh.open(b.mesh.id, 'echo/1'))
  stream.destroy()
  await mesh.time.run(600_000)
  assert.ok(a.hasNeighbour(b))
  assert.deepEqual(a.of('neighbourDown'), [])
  await mesh.stop()
})

test('a node that nobody knows of, or that does not answer, is unreachable, and the reasons are told', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = await line(mesh)
  const stranger = await mesh.started(9)
  await assert.rejects(mesh.time.of(a.mesh.open(stranger.mesh.id, 'echo/1')), { code: 'unreachable' })
  mesh.kill(c)
  await assert.rejects(mesh.time.of(a.mesh.open(c.mesh.id, 'echo/1')), { code: 'unreachable', message: /10\.0\.0\.3/ })
  const abort = new AbortController()
  const aborted = assert.rejects(a.mesh.open(c.mesh.id, 'echo/1', { signal: abort.signal }), { code: 'aborted' })
  abort.abort()
  await mesh.time.of(aborted)
  assert.equal(a.mesh.neighbours().length, 1)
  await mesh.stop(a, b, stranger)
})

test('a peer of a stream is known by every form of its id, and what is none is refused', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  b.mesh.handle('echo/1', (stream) => stream.pipe(stream))
  const bytes = Uint8Array.from([0x01, 0x72, ...base58btc.baseDecode(b.mesh.id)])
  const stream = await mesh.time.of(a.mesh.open(base36.encode(bytes), 'echo/1'))
  assert.equal(stream.peer, b.mesh.id)
  stream.destroy()
  for (const peer of ['bob', '', 5, undefined]) {
    await assert.rejects(a.mesh.open(peer as string, 'echo/1'), { code: 'bad-peer-id' })
  }
  await mesh.stop()
})

test('a stopped node opens no stream, and says why', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  const stranger = await mesh.started(9)
  await mesh.stop(a)
  for (const { mesh: peer } of [b, stranger]) {
    await assert.rejects(a.mesh.open(peer.id, 'echo/1'), { code: 'not-running' })
  }
  await mesh.stop()
})

test('a stream that is asked for while the last words of its peer are read fails at once', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [await mesh.started(1), await mesh.started(2)]
  await mesh.join(a, b)
  await mesh.time.run(3_000)
  let failed: Promise<string> | null = null
  a.mesh.subscribe('last', ({ from }) => {
    const startedMs = mesh.time.nowMs
    const opening = a.mesh.open(from, 'echo/1')
    failed = opening.then(
      () => 'opened',
      ({ code }) => `${code} after ${mesh.time.nowMs - startedMs} ms`,
    )
  })
  void b.mesh.publish('last', 'words')
  await mesh.stop(b)
  await mesh.time.run(100)
  assert.equal(await mesh.time.of(failed!), 'connection-lost after 0 ms')
  await mesh.stop()
})

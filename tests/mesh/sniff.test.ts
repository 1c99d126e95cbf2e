// Other protocols on the mesh port.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '../../lib/bytes.ts'
import { VirtualMesh } from '../virtual/mesh.ts'
import type { DetachedSocket } from '../virtual/socket.ts'

async function strangerWrites(mesh: VirtualMesh, chunks: readonly string[]): Promise<{ isOpen: () => boolean }> {
  const host = mesh.network.host('10.9.0.1')
  const socket = await mesh.time.of(host.tcp.dial({ host: '10.0.0.1', port: 6374 }, new AbortController().signal))
  let isOpen = true
  const closed = (): void => {
    isOpen = false
  }
  socket.attach({ data: () => assert.fail('a stranger gets no answer'), drained: () => {}, ended: closed, closed })
  for (const chunk of chunks) {
    socket.write(utf8(chunk))
    await mesh.time.run(5)
  }
  return { isOpen: () => isOpen }
}

test('a connection that begins with a registered prefix goes to its handler, with those bytes put back', async () => {
  const mesh = new VirtualMesh()
  const node = await mesh.started(1)
  const got: string[] = []
  const takeBack = node.mesh.sniff('GET ', (socket) => got.push(textOf((socket as DetachedSocket).putBack)!))
  const whole = await strangerWrites(mesh, ['GET / HTTP/1.1\r\n'])
  const split = await strangerWrites(mesh, ['G', 'ET', ' /x'])
  assert.deepEqual(got, ['GET / HTTP/1.1\r\n', 'GET /x'])
  assert.ok(whole.isOpen() && split.isOpen())
  // It is the handler's now: no deadline of ours ends it.
  await mesh.time.run(60_000)
  assert.ok(whole.isOpen())
  assert.throws(() => node.mesh.sniff('GE', () => {}), { code: 'already-registered' })
  assert.throws(() => node.mesh.sniff('mesh', () => {}), { code: 'already-registered' })
  assert.throws(() => node.mesh.sniff('', () => {}), { code: 'bad-argument' })
  takeBack()
  const after = await strangerWrites(mesh, ['GET /'])
  assert.equal(after.isOpen(), false)
  assert.equal(got.length, 2)
  assert.deepEqual(node.mesh.stats().refused, { 'bad-preamble': 1 })
  const other = await mesh.started(2)
  node.mesh.sniff('POST', () => {})
  await mesh.join(other, node)
  await mesh.stop()
})

test('what begins with anything else is closed without a word, and what says too little after five seconds', async () => {
  const mesh = new VirtualMesh()
  const node = await mesh.started(1)
  const wrong = await strangerWrites(mesh, ['HELLO'])
  assert.equal(wrong.isOpen(), false)
  const slow = await strangerWrites(mesh, ['me', 's'])
  await mesh.time.run(4_980)
  assert.equal(slow.isOpen(), true)
  await mesh.time.run(20)
  assert.equal(slow.isOpen(), false)
  assert.deepEqual(node.mesh.stats().refused, { 'bad-preamble': 1, 'handshake-timeout': 1 })
  await mesh.stop()
})

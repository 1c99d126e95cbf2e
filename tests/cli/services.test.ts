// What a run serves beside its talk: asked for by settings, opened before the node and closed before it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { copy } from '../../cli/files/cp-command.ts'
import { FILES_PROTOCOL } from '../../cli/files/messages.ts'
import { HTTP_PREFIXES } from '../../cli/http/http-server.ts'
import { ALICE, FakeHost, start } from './fake-node.ts'
import { streamPair } from './streams/stream-pair.ts'

async function get(url: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url)
  return { status: answer.status, text: await answer.text() }
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'meshd-services-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('HTTP on its own address is told, serves the node, and ends with it', async () => {
  const { host, stop } = await start({ json: true, http: { kind: 'own', host: '127.0.0.1', port: 0 } })
  await host.until(() => host.out.includes('http-listening'))
  const { url } = JSON.parse(host.out.split('\n').find((line) => line.includes('http-listening'))!)
  assert.match(host.out, /^\{"event":"listening"/, 'the node is told first')
  const health = await get(`${url}healthz`)
  assert.deepEqual([health.status, JSON.parse(health.text)], [200, { status: 'ok', id: host.mesh.id, neighbours: 2 }])
  const metrics = await get(`${url}metrics`)
  assert.match(metrics.text, /^meshd_neighbours 2$/m)
  assert.match(metrics.text, /^meshd_build_info\{version="test"\} 1$/m)
  assert.equal(await stop(), 0)
  await assert.rejects(get(url))
})

test('HTTP on the port of the mesh is known by its first bytes', async (t) => {
  const { host, stop } = await start({ http: { kind: 'same' } })
  assert.deepEqual([...host.mesh.sniffed.keys()], HTTP_PREFIXES)
  const listener = createServer((socket: Socket) => {
    socket.once('readable', () => {
      socket.unshift(socket.read())
      host.mesh.sniffed.get('GET ')!(socket)
    })
  }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  await host.until(() => host.err.includes('this node is'))
  assert.equal((await get(`http://127.0.0.1:${port}/healthz`)).status, 200)
  const idle = connect(port, '127.0.0.1')
  idle.on('error', () => {})
  idle.write('GET ')
  await once(idle, 'connect')
  assert.equal(await stop(), 0)
  await new Promise((resolve) => idle.resume().on('close', resolve))
})

test('an HTTP port that is taken keeps the node from starting', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const host = new FakeHost()
  const { run } = await import('../../cli/run.ts')
  const { SETTINGS } = await import('./fake-node.ts')
  await assert.rejects(run({ ...SETTINGS, http: { kind: 'own', host: '127.0.0.1', port } }, host), {
    code: 'listen-failed',
  })
  assert.ok(!host.mesh.calls.includes('start'))
})

test('files are taken where the settings name a folder, and told', async (t) => {
  const path = folder(t)
  const inbox = join(path, 'in')
  const { host, stop } = await start({ json: true, acceptFiles: inbox, acceptFilesBytesMax: 2_000_000 })
  const handler = host.mesh.handlers.get(FILES_PROTOCOL)!
  const door = {
    open: async () => {
      const [near, far] = streamPair(ALICE, host.mesh.id, FILES_PROTOCOL)
      void handler(far)
      return near
    },
    accept: () => Promise.reject(new Error('not used')),
  }
  const file = new URL(import.meta.url).pathname
  const command = { file, peer: 'x', name: 'copy.ts', json: false, retryForMs: 0 }
  assert.equal(await copy(command, door, new FakeHost()), 0)
  assert.deepEqual(readFileSync(join(inbox, 'copy.ts')), readFileSync(file))
  await host.until(() => host.out.includes('file-received'))
  const event = JSON.parse(host.out.split('\n').find((line) => line.includes('file-received'))!)
  assert.deepEqual(Object.keys(event), ['event', 'peer', 'name', 'path', 'bytes', 'sha256'])
  assert.deepEqual([event.peer, event.name, event.path], [ALICE, 'copy.ts', join(inbox, 'copy.ts')])
  assert.equal(await stop(), 0)
})

test('without settings nothing is served', async () => {
  const { host, stop } = await start()
  assert.equal(host.mesh.sniffed.size + host.mesh.handlers.size, 0)
  await stop()
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LocalApi } from '../../../cli/api/local-api.ts'
import type { ApiPlace } from '../../../cli/api/place.ts'
import { NodeClient } from '../../../cli/client/node-client.ts'
import { FakeMesh } from '../fake-node.ts'
import { call, startApi, temporaryFolder } from './fake-api.ts'

function apiAt(context: TestContext, place: ApiPlace): LocalApi {
  const facts = { name: 'me', network: 'default', agent: 'meshd/test', dataDir: null }
  const { platform } = process
  const api = new LocalApi({ node: new FakeMesh({}), place, facts, platform, warn: () => undefined })
  context.after(() => api.close())
  return api
}

/** As a node that was killed leaves it: a socket at which nobody listens. */
function leaveSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(lstatSync(path).isSocket())
}

test("the socket is its owner's alone, and is gone when the node is", async (t) => {
  const { api, place, client } = await startApi(t)
  assert.equal(statSync(place.path).mode & 0o777, 0o600)
  assert.equal((await client.get('/v1/status')).name, 'me')
  await api.close()
  assert.equal(existsSync(place.path), false)
  await assert.rejects(client.get('/v1/status'), { code: 'not-running' })
  await api.close()
})

test('what a killed node left is replaced', async (t) => {
  for (const isChosen of [false, true]) {
    const place = { path: join(temporaryFolder(t), 'api.sock'), isChosen }
    leaveSocket(place.path)
    await assert.rejects(new NodeClient(place, process.platform).get('/v1/status'), { code: 'not-running' })
    await apiAt(t, place).open()
    assert.equal((await new NodeClient(place, process.platform).get('/v1/status')).name, 'me')
  }
})

test('a chosen socket at which a node answers is left alone', async (t) => {
  const place = { path: join(temporaryFolder(t), 'x.sock'), isChosen: true }
  await apiAt(t, place).open()
  const second = apiAt(t, place)
  await assert.rejects(second.open(), { code: 'local-api', message: /a node answers at .* already/ })
  await second.close()
  assert.equal((await new NodeClient(place, process.platform).get('/v1/status')).name, 'me')
})

test('what is no socket is left alone', async (t) => {
  const path = join(temporaryFolder(t), 'api.sock')
  writeFileSync(path, 'mine')
  await assert.rejects(apiAt(t, { path, isChosen: true }).open(), { code: 'local-api', message: /is no socket/ })
  assert.equal(statSync(path).size, 4)
  const missing = join(dirname(path), 'none', 'api.sock')
  await assert.rejects(apiAt(t, { path: missing, isChosen: true }).open(), {
    code: 'local-api',
    message: /there is no folder/,
  })
})

test('where the path is too long for a socket, a link leads to a short one, and both are replaced and removed', async (t) => {
  const folder = join(temporaryFolder(t), 'a'.repeat(120))
  mkdirSync(folder)
  const place = { path: join(folder, 'api.sock'), isChosen: false }
  const client = new NodeClient(place, process.platform)
  await assert.rejects(client.get('/v1/status'), { code: 'not-running' })
  const first = apiAt(t, place)
  await first.open()
  const target = readlinkSync(place.path)
  assert.equal(statSync(dirname(target)).mode & 0o777, 0o700)
  assert.equal((await client.get('/v1/status')).name, 'me')
  // As if the first had been killed: its things are there when the next one comes.
  const second = apiAt(t, place)
  await second.open()
  assert.equal(existsSync(dirname(target)), false)
  assert.equal((await client.get('/v1/status')).name, 'me')
  const newTarget = readlinkSync(place.path)
  await second.close()
  assert.deepEqual(readdirSync(folder), [])
  assert.equal(existsSync(dirname(newTarget)), false)
})

test('a caller that says nothing, or nothing sensible, harms nobody', async (t) => {
  const api = await startApi(t)
  const silent = connect(api.place.path)
  await once(silent, 'connect')
  const babbling = connect(api.place.path)
  babbling.end('\x00\x01garbage\r\n\r\n')
  const chunks: Buffer[] = []
  for await (const chunk of babbling) chunks.push(chunk)
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 [\s\S]*"bad-argument"/)
  const leaving = connect(api.place.path)
  leaving.write(
    'POST /v1/publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  )
  await once(leaving, 'connect')
  leaving.destroy()
  assert.equal((await call(api, 'GET', '/v1/status')).status, 200)
  const closed = once(silent, 'close')
  silent.resume()
  await api.api.close()
  await closed
})

test('whoever waits for an answer gets one when the node stops', async (t) => {
  const api = await startApi(t)
  const asked = new Promise<AbortSignal>((resolve) => {
    api.mesh.direct.request = (_peer, _topic, _data, signal) => {
      resolve(signal!)
      return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))
    }
  })
  api.mesh.nodeSnapshots = [
    {
      peer: 'p',
      name: 'p',
      agent: '',
      addresses: [],
      neighbours: [],
      startedAtMs: 0,
      lastHeardMs: 0,
      hops: 1,
      up: true,
    },
  ]
  const answer = call(api, 'POST', '/v1/request', '{"peer":"p","topic":"t","data":""}')
  await asked
  await api.api.close()
  const { status, text } = await answer
  assert.deepEqual([status, JSON.parse(text).error.code], [503, 'shutdown'])
})

test('a server of another kind at the socket is told from a node', async (t) => {
  const path = join(temporaryFolder(t), 'x.sock')
  const server = createServer((socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'))
  server.listen(path)
  t.after(() => server.close())
  await once(server, 'listening')
  await assert.rejects(new NodeClient({ path, isChosen: true }, process.platform).get('/v1/status'))
})

// The local API as a part of `meshd run`.

import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { NodeClient } from '../../../cli/client/node-client.ts'
import { run } from '../../../cli/run.ts'
import { ALICE, FakeHost, type FakeMesh, SETTINGS, start } from '../fake-node.ts'
import { temporaryFolder } from './fake-api.ts'

test('the socket is there before the node says that it listens, and gone when it has stopped', async (t) => {
  const dataDir = temporaryFolder(t)
  const path = join(dataDir, 'api.sock')
  const { host, stop } = await start({ dataDir, json: true, name: 'tin' })
  await host.until(() => host.out.includes('"listening"'))
  assert.ok(existsSync(path))
  const status = await new NodeClient({ path, isChosen: false }, process.platform).get('/v1/status')
  assert.deepEqual([status.name, status.dataDir, status.agent], ['tin', dataDir, 'meshd/test'])
  assert.equal(await stop(), 0)
  assert.equal(existsSync(path), false)
  assert.match(host.out, /^\{"event":"listening".*\n\{"event":"stopped"\}\n$/)
})

test('what happens while the socket is being made is told behind `listening`, in order, and warnings at once', async (t) => {
  const waited: unknown[] = []
  const prepare = (mesh: FakeMesh): void => {
    const start = mesh.start.bind(mesh)
    mesh.start = async () => {
      mesh.emit('nodeUp', { peer: ALICE, name: 'alice' })
      mesh.emit('warning', { code: 'epoch-file', text: 'written anew' })
      waited.push(...mesh.deliver('chat', 'stored'))
      await start()
      mesh.emit('neighbourUp', { peer: ALICE, address: '/ip4/192.0.2.1/tcp/1', direction: 'in', name: 'alice' })
    }
  }
  const { host, stop } = await start(
    { dataDir: temporaryFolder(t), json: true, since: 'stored' },
    new FakeHost({ prepare }),
  )
  await host.until(() => host.out.includes('"neighbour-up"'))
  const events = host.out.trimEnd().split('\n')
  const names = events.map((line) => (JSON.parse(line) as { event: string }).event)
  assert.deepEqual(names, ['warning', 'listening', 'node-up', 'message', 'neighbour-up'])
  await Promise.all(waited)
  assert.equal(await stop(), 0)
})

test('what is held back when the node does not come to listen is not told, and keeps nothing waiting', async (t) => {
  const path = join(temporaryFolder(t), 'api.sock')
  writeFileSync(path, 'in the way')
  const waited: unknown[] = []
  const prepare = (mesh: FakeMesh): void => {
    const start = mesh.start.bind(mesh)
    mesh.start = async () => {
      waited.push(...mesh.deliver('chat', 'stored'))
      await start()
    }
  }
  const host = new FakeHost({ prepare })
  const ended = run({ ...SETTINGS, api: path, json: true, since: 'stored' }, host)
  await assert.rejects(ended, { code: 'local-api' })
  await Promise.all(waited)
  assert.equal(host.out, '')
})

test('a node without a folder has no socket, unless it is told where', async (t) => {
  const none = await start({ json: true })
  assert.match(none.host.out, /^$|"listening"/)
  assert.equal(await none.stop(), 0)
  const path = join(temporaryFolder(t), 'x.sock')
  const { host, stop } = await start({ json: true, api: path })
  await host.until(() => host.out.includes('"listening"'))
  assert.ok(existsSync(path))
  assert.equal(await stop(), 0)
})

test('where the socket cannot be made the node runs without it, and says so; a chosen one is insisted on', async (t) => {
  const dataDir = temporaryFolder(t)
  writeFileSync(join(dataDir, 'api.sock'), 'in the way')
  const { host, stop } = await start({ dataDir, json: true })
  await host.until(() => host.out.includes('"warning"'))
  assert.match(host.out, /^\{"event":"listening".*\n\{"event":"warning","code":"local-api","text":".* is no socket; /)
  assert.equal(await stop(), 0)

  const insisting = new FakeHost()
  const ended = run({ ...SETTINGS, api: join(dataDir, 'api.sock') }, insisting)
  await assert.rejects(ended, { code: 'local-api', message: /is no socket/ })
  assert.deepEqual(insisting.mesh.calls, ['start', 'stop'])
})

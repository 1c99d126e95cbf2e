import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NeighbourSnapshot, NodeSnapshot } from '../../../lib/types.ts'
import { startApi, temporaryFolder } from '../api/fake-api.ts'
import { ALICE, BOB, FakeHost } from '../fake-node.ts'
import { runCommand, startCommand } from './run-command.ts'

const NODE: NodeSnapshot = {
  peer: ALICE,
  name: 'alice\u001b[31m',
  agent: 'meshd/0.1.0',
  addresses: [],
  neighbours: [BOB],
  startedAtMs: 0,
  lastHeardMs: 5_000,
  hops: 2,
  up: true,
}
const NEIGHBOUR: NeighbourSnapshot = {
  state: 'open',
  peer: BOB,
  name: 'bob',
  agent: null,
  address: '/ip6/2001:db8::7/tcp/6374/p2p/x',
  direction: 'out',
  source: 'seed',
  roundTripMs: 1.5,
  openForMs: 61_000,
  queuedBytes: 2_048,
  flood: 'lazy',
  lastError: null,
  retryInMs: null,
}
const WAITING: NeighbourSnapshot = {
  ...NEIGHBOUR,
  state: 'backing-off',
  flood: null,
  peer: null,
  name: null,
  address: '/dns/host.example/tcp/1',
  direction: null,
  roundTripMs: null,
  openForMs: null,
  queuedBytes: 0,
  lastError: 'refused',
  retryInMs: 4_000,
}

test('status is a fact a line, or one object', async (t) => {
  const api = await startApi(t)
  const { code, out } = await runCommand(api, 'status', [])
  assert.equal(code, 0)
  assert.match(out, /^id {11}12D3KooWFake\S+\nname {9}me\n/)
  assert.match(out, /\nneighbours {3}2\nnodes {8}3 in the network/)
  assert.match(out, /\nlistening {4}\/ip4\/127\.0\.0\.1\/tcp\/4001\/p2p\//)
  const json = await runCommand(api, 'status', [], { json: true })
  assert.equal(JSON.parse(json.out).stats.store.bundles, 27)
  assert.equal(json.out.trimEnd().includes('\n'), false)
})

test('peers, nodes and topics are tables with whole ids where nobody is at a terminal', async (t) => {
  const api = await startApi(t)
  api.mesh.snapshots = [NEIGHBOUR, WAITING]
  api.mesh.nodeSnapshots = [NODE, { ...NODE, up: false, name: '' }, { ...NODE, hops: 0 }, { ...NODE, hops: null }]
  api.mesh.topicCounts = [{ topic: 'a/b', messages: 12, bytes: 3_000, lastMs: 65_000 }]
  const rows = async (command: 'peers' | 'nodes' | 'topics'): Promise<string[][]> => {
    const { code, out } = await runCommand(api, command, [])
    assert.equal(code, 0)
    return out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
  }
  assert.deepEqual(await rows('peers'), [
    ['NAME', 'ID', 'STATE', 'ADDRESS', 'TIME', 'OPEN FOR', 'NOTE'],
    ['bob', BOB, 'open, out', '[2001:db8::7]:6374', '1.5 ms', '1 min 1 s', 'lazy; 2.0 KiB waiting'],
    ['', 'backing-off', 'host.example:1', 'next try in 4 s; refused'],
  ])
  assert.deepEqual((await rows('nodes')).slice(0, 3), [
    ['NAME', 'ID', 'LINKS AWAY', 'NEIGHBOURS', 'HEARD', 'PROGRAM'],
    ['alice\\x1b[31m', ALICE, '2', '1', '5 s ago', 'meshd/0.1.0'],
    ['', ALICE, 'gone', '1', '5 s ago', 'meshd/0.1.0'],
  ])
  assert.deepEqual(await rows('topics'), [
    ['TOPIC', 'MESSAGES', 'SIZE', 'LAST'],
    ['a/b', '12', '2.9 KiB', '1 min 5 s ago'],
  ])
  const json = await runCommand(api, 'nodes', [], { json: true })
  assert.deepEqual(
    json.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    api.mesh.nodeSnapshots,
  )
})

test('on a terminal ids are short and no line is too long', async (t) => {
  const api = await startApi(t)
  api.mesh.snapshots = [NEIGHBOUR, { ...WAITING, lastError: 'x'.repeat(500) }]
  const host = new FakeHost({ stdoutTerminal: true })
  const columns = 90
  host.stdout.columns = columns
  assert.equal(await startCommand(api, 'peers', [], {}, host).ended, 0)
  await host.until(() => host.out.split('\n').length === 4)
  for (const line of host.out.split('\n')) assert.ok(line.length <= columns, line)
  assert.match(host.out, new RegExp(`bob +${BOB.slice(-8)} +open, out`))
})

test('without a node there is an error that says how to start one', async (t) => {
  const place = { path: `${temporaryFolder(t)}/api.sock`, isChosen: false }
  for (const command of ['status', 'peers', 'nodes', 'topics'] as const) {
    await assert.rejects(runCommand({ place }, command, []), {
      code: 'not-running',
      message: /start one with `meshd run`/,
    })
  }
})

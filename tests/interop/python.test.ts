// The protocol against a second implementation: a peer in Python that was written from docs/protocol.md alone re-computes
// every vector, and talks with the program in both directions. Debian: apt-get install python3-cbor2 python3-cryptography

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MESHD } from '../tools/program-path.ts'
import { TalkingProcess } from './processes.ts'

const PYTHON = '/usr/bin/python3'
const PEER = fileURLToPath(new URL('meshd_peer.py', import.meta.url))
const VECTORS = fileURLToPath(new URL('../../spec/vectors/', import.meta.url))
const able = spawnSync(PYTHON, ['-c', 'import cbor2, cryptography']).status === 0
const given = { skip: able ? false : `${PYTHON} has no cbor2 and cryptography`, timeout: 60_000 }

function meshd(...flags: string[]): TalkingProcess {
  return new TalkingProcess(process.execPath, [MESHD, 'run', '--json', '--ephemeral', '--no-mdns', ...flags])
}

function python(...args: string[]): TalkingProcess {
  return new TalkingProcess(PYTHON, [PEER, ...args])
}

function portOf(event: Readonly<Record<string, unknown>>): string {
  return /\/tcp\/(\d+)/.exec((event.addresses as string[])[0]!)![1]!
}

const TALK = ['--publish', 'chat', 'from Python', '--expect', 'chat', '--timeout', '30']

/** Longer than a record, and not ASCII. */
const ANSWER = `from meshd: ${'☕'.repeat(50_000)}`

/** Python has published; the program gets that, answers, and Python gets the answer. */
async function talk(node: TalkingProcess, peer: TalkingProcess): Promise<void> {
  const { peer: nodeId } = await peer.event('open')
  const up = await node.event('neighbour-up')
  const heard = await node.event('message')
  assert.deepEqual(
    [heard.topic, heard.data, heard.from, heard.hops, heard.sequence],
    ['chat', 'from Python', up.peer, 1, 0],
  )
  node.write({ publish: { topic: 'chat', data: ANSWER } })
  const answer = await peer.event('message')
  assert.deepEqual([answer.topic, answer.data, answer.from, answer.hops], ['chat', ANSWER, nodeId, 1])
  assert.equal(await peer.exitCode(), 0, peer.errors)
  const down = await node.event('neighbour-down')
  assert.match(down.reason as string, /goodbye 0/)
}

test('the Python peer computes every vector', given, () => {
  const files = readdirSync(VECTORS).filter((name) => name.endsWith('.json'))
  const run = spawnSync(PYTHON, [PEER, 'check', ...files.map((name) => join(VECTORS, name))], { encoding: 'utf8' })
  const failed = run.stdout.split('\n').filter((line) => line.startsWith('FAIL'))
  assert.deepEqual(failed, [], run.stderr)
  assert.equal(run.status, 0, run.stderr)
  assert.match(run.stdout, /^\d{3} ok, 0 failed$/m)
})

test('the Python peer fails a vector that is wrong', given, () => {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-vectors-'))
  try {
    const vector = { name: 'wrong', kind: 'varint', value: 300, bytes: 'ad02' }
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ about: '', vectors: [vector] }))
    const run = spawnSync(PYTHON, [PEER, 'check', join(folder, 'wrong.json')], { encoding: 'utf8' })
    assert.equal(run.status, 1)
    assert.match(run.stdout, /^FAIL wrong/m)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the Python peer joins a running meshd, is heard by it and hears it', given, async () => {
  await using node = meshd('--listen', '127.0.0.1:0')
  const port = portOf(await node.event('listening'))
  await using peer = python('join', '127.0.0.1', port, ...TALK)
  await talk(node, peer)
})

test('meshd dials the Python peer, is heard by it and hears it', given, async () => {
  await using peer = python('listen', '0', ...TALK)
  const listening = await peer.event('listening')
  await using node = meshd(
    '--listen',
    '127.0.0.1:0',
    '--seed',
    `/ip4/127.0.0.1/tcp/${listening.port}/p2p/${listening.id}`,
  )
  await talk(node, peer)
})

test('both meet in a private network, and a stranger gets no byte', given, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-interop-'))
  try {
    const secret = Buffer.alloc(32, 0x5a)
    const file = join(folder, 'network.key')
    writeFileSync(file, secret, { mode: 0o600 })
    await using node = meshd('--listen', '127.0.0.1:0', '--network', 'lab', '--network-key', file)
    const port = portOf(await node.event('listening'))
    await using stranger = python('join', '127.0.0.1', port, '--network', 'lab', '--timeout', '30')
    assert.equal(await stranger.exitCode(), 1)
    assert.match(stranger.errors, /after 0 bytes/)
    await using peer = python(
      'join',
      '127.0.0.1',
      port,
      '--network',
      'lab',
      '--key-hex',
      secret.toString('hex'),
      ...TALK,
    )
    await talk(node, peer)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

// `meshd pipe` and `run --http same` as a user starts them: real processes over loopback. Few, since each start costs half a second.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { apiPlaceOf } from '../../cli/api/place.ts'
import { NodeClient } from '../../cli/client/node-client.ts'
import { streamDoor } from '../../cli/client/stream-door.ts'
import type { DoorStream, StreamDoor } from '../../cli/streams/door.ts'
import { Mesh } from '../../lib/index.ts'
import { noise } from './files/transfer.ts'
import { folder, LOCAL, meshd, type Program } from './program.ts'
import { readAll } from './streams/stream-pair.ts'

interface Two {
  readonly alice: Program
  readonly bob: Program
  readonly port: number
  pipe(where: 'alice' | 'bob', ...args: string[]): Program
  /** The same node, from this process. */
  doorOf(where: 'alice' | 'bob'): StreamDoor
}

async function two(t: TestContext, ...more: string[]): Promise<Two> {
  const dir = folder(t)
  const start = (name: string, ...args: string[]): Program =>
    meshd(t, ['--json', ...LOCAL, '--data-dir', join(dir, name), '--name', name, ...args])
  const alice = start('alice', ...more)
  const [, address] = await alice.sees(/"addresses":\["([^"]+)"/)
  const bob = start('bob', '--seed', address!)
  await Promise.all([alice.sees(/"node-up".*"bob"/), bob.sees(/"node-up".*"alice"/)])
  return {
    alice,
    bob,
    port: Number(/\/tcp\/(\d+)/.exec(address!)![1]),
    pipe: (where, ...args) => meshd(t, ['pipe', ...args, '--data-dir', join(dir, where)]),
    doorOf: (where) => {
      const place = apiPlaceOf({ api: null, dataDir: join(dir, where) }, process.platform)!
      return streamDoor(new NodeClient(place, process.platform))
    },
  }
}

const GO_ON = { signal: new AbortController().signal }

/** Who waits for it is not there at once. */
async function openedSoon(door: StreamDoor, protocol: string): Promise<DoorStream> {
  for (;;) {
    const opened = await door.open('alice', [protocol], GO_ON).catch(() => null)
    if (opened !== null) return opened
  }
}

test('bytes go through both ways, each direction ends by itself, and every way to fail has its exit code', async (t) => {
  const { pipe, doorOf, bob } = await two(t)
  const bytes = noise(3_000_000)

  const listener = pipe('alice', '--listen', '/x/1')
  const opened = await openedSoon(doorOf('bob'), '/x/1')
  const hash = createHash('sha256')
  listener.child.stdout.on('data', (chunk) => hash.update(chunk))
  listener.child.stdin.end('hello')
  assert.equal((await readAll(opened)).toString(), 'hello')
  assert.equal(listener.child.exitCode, null, 'the other direction is open')
  opened.end(bytes)
  assert.equal(await listener.exit, 0)
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  assert.equal(listener.err, '')

  const accepted = doorOf('alice').accept('/x/2', GO_ON)
  const opener = pipe('bob', 'alice', '/x/2')
  opener.child.stdin.end(bytes)
  const stream = await accepted
  assert.deepEqual(await readAll(stream), bytes)
  assert.equal(opener.child.exitCode, null, 'the other direction is open')
  stream.end('bye')
  assert.equal(await opener.exit, 0)
  assert.deepEqual([opener.out, opener.err], ['bye', ''])

  const nobody = pipe('bob', 'alice', '/nobody')
  const late = pipe('bob', '--listen', '/never', '--timeout', '1s')
  const usage = pipe('bob', 'alice')
  const tooLong = pipe('bob', 'alice', 'x'.repeat(65))
  const unnamed = pipe('bob', '--listen', '')
  const stranger = pipe('bob', 'carol', '/x/1')
  const exits = [nobody, late, usage, tooLong, unnamed, stranger].map(({ exit }) => exit)
  assert.deepEqual(await Promise.all(exits), [1, 4, 2, 2, 2, 1])
  assert.match(unnamed.err, /--listen is ""; a protocol name must be text of 1 to 64 bytes/)
  assert.match(nobody.err, /no handler for this protocol/)
  assert.equal(await bob.stop(), 0)
  const none = pipe('bob', 'alice', '/x/1')
  assert.equal(await none.exit, 3)
  assert.match(none.err, /meshd run/)
})

test('a process that is killed, interrupted or has lost its reader does not look like an end', async (t) => {
  const { pipe, doorOf } = await two(t)
  const door = doorOf('alice')
  const opened = ['SIGKILL', 'SIGINT', 'EPIPE'].map(async (how) => {
    const accepted = door.accept(`/${how}`, GO_ON)
    const opener = pipe('bob', 'alice', `/${how}`)
    opener.child.stdin.write('some')
    const stream = await accepted
    await once(stream, 'readable')
    if (how === 'EPIPE') {
      opener.child.stdout.destroy()
      stream.write('x'.repeat(100_000))
    } else opener.child.kill(how as NodeJS.Signals)
    await assert.rejects(readAll(stream), { code: 'stream-reset' }, how)
    return [how, await opener.exit, opener.err]
  })
  assert.deepEqual(await Promise.all(opened), [
    ['SIGKILL', null, ''],
    ['SIGINT', 130, ''],
    ['EPIPE', 1, ''],
  ])
})

test('a node that ends, stopped or killed, is no node to wait at, and breaks a stream that is open', async (t) => {
  const codes = ['SIGTERM', 'SIGKILL'].map(async (how) => {
    const { pipe, doorOf, alice } = await two(t)
    // Whether it waits already or is about to.
    const waiting = pipe('alice', '--listen', '/waiting')
    const listener = pipe('alice', '--listen', '/open')
    const stream = await openedSoon(doorOf('bob'), '/open')
    stream.write('some')
    await listener.sees(/some/)
    alice.child.kill(how as NodeJS.Signals)
    await assert.rejects(readAll(stream))
    const exits = [await waiting.exit, await listener.exit]
    assert.match(waiting.err, /`meshd run`/)
    return [how, ...exits, listener.err]
  })
  assert.deepEqual(await Promise.all(codes), [
    ['SIGTERM', 3, 1, 'meshd: this node is stopping\n'],
    ['SIGKILL', 3, 1, 'meshd: the node here went away before the stream had ended\n'],
  ])
})

const NO_CURL = spawnSync('curl', ['--version']).status !== 0 && 'no curl'

test('one port serves the mesh and HTTP to curl', { skip: NO_CURL }, async (t) => {
  const { port } = await two(t, '--http', 'same')
  const { stdout } = await promisify(execFile)('curl', ['-sSf', `http://localhost:${port}/{healthz,metrics}`])
  assert.match(stdout, /"status":"ok","id":"\w+","neighbours":1\}/)
  assert.match(stdout, /^meshd_neighbours 1$/m)
  assert.match(stdout, /^process_resident_memory_bytes \d+$/m)
})

test('a hundred connections at once on one port, of the mesh, of HTTP and of neither', async (t) => {
  const { alice, port } = await two(t, '--http', 'same')
  const id = /"id":"(\w+)"/.exec(alice.out)![1]
  const begin = async (first: string): Promise<{ socket: Socket; answer: Promise<string> }> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    const answer = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
    })
    await once(socket, 'connect')
    socket.write(first)
    return { socket, answer }
  }
  const meshes = Array.from({ length: 10 }, () => new Mesh({ listen: [], mdns: false, degree: { target: 0 } }))
  await Promise.all(meshes.map((mesh) => mesh.start()))
  const others = []
  for (let i = 0; i < 90; i++) others.push(await begin(i % 2 === 0 ? 'GET /healthz HTTP/1.1\r\n' : 'm'))
  // While these are open, and half said what they are, the mesh goes on.
  const peers = await Promise.all(meshes.map((mesh) => mesh.connect(`127.0.0.1:${port}`)))
  assert.deepEqual(new Set(peers), new Set([id]))
  for (const [i, { socket }] of others.entries()) socket.write(i % 2 === 0 ? 'Host: localhost\r\n\r\n' : 'any nonsense')
  for (const [i, { answer }] of others.entries()) {
    if (i % 2 === 0) assert.match(await answer, /^HTTP\/1\.1 200 [\s\S]*"neighbours":11\}/, `connection ${i}`)
    else assert.equal(await answer, '')
  }
  await Promise.all(meshes.map((mesh) => mesh.stop()))
})

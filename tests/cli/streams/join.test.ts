// The node's half of a stream that a command has: a tunnel joined with a stream of the mesh.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { joinStreams } from '../../../cli/streams/join.ts'
import { Tunnel } from '../../../cli/streams/tunnel.ts'
import { MeshError } from '../../../lib/errors.ts'
import { StreamResetError } from '../../../lib/streams/reset-codes.ts'
import { readAll, type StreamEnd, streamPair } from './stream-pair.ts'

const FACTS = { peer: 'p', protocol: '/x/1' }

interface Joined {
  /** What the command holds. */
  readonly command: Tunnel
  /** What the node holds. */
  readonly node: Tunnel
  readonly near: StreamEnd
  /** The other node's end. */
  readonly far: StreamEnd
  readonly joined: Promise<Error | null>
}

function join(): Joined {
  const [a, b] = streamPair('command', 'node')
  const [near, far] = streamPair('here', 'there')
  const command = new Tunnel(a, new Uint8Array(0), FACTS)
  const node = new Tunnel(b, new Uint8Array(0), FACTS, 'node')
  return { command, node, near, far, joined: joinStreams(node, near) }
}

test('joined streams carry both directions, and each ends by itself', async () => {
  const { command, far, joined } = join()
  command.end('question')
  assert.equal((await readAll(far)).toString(), 'question')
  far.end('answer')
  assert.equal((await readAll(command)).toString(), 'answer')
  assert.equal(await joined, null)
  assert.equal(command.errored, null)
})

test('a command has finished when its end has left for the other node, and not before', async () => {
  const { command, far, joined } = join()
  // The other node says nothing, and reads nothing yet.
  far.end()
  let isFinished = false
  command.on('finish', () => {
    isFinished = true
  })
  command.resume()
  command.end(Buffer.alloc(1_000_000))
  for (let turns = 0; turns < 100; turns++) await turn()
  assert.equal(isFinished, false)
  assert.equal(command.closed, false)
  assert.equal((await readAll(far)).length, 1_000_000)
  await new Promise((resolve) => command.on('close', resolve))
  assert.equal(isFinished, true)
  assert.equal(await joined, null)
})

test('a reset goes through with its code, from either side', async () => {
  const one = join()
  one.command.write('some')
  one.command.destroy(new StreamResetError(66))
  await assert.rejects(readAll(one.far), { code: 'stream-reset', streamCode: 66 })
  assert.equal(((await one.joined) as StreamResetError).streamCode, 66)
  const other = join()
  other.far.destroy(new StreamResetError(67))
  await assert.rejects(readAll(other.command), { code: 'stream-reset', streamCode: 67 })
  assert.equal(((await other.joined) as StreamResetError).streamCode, 67)
})

test('a reset that comes while a command waits for its end to leave is told to it', async () => {
  const { command, far, joined } = join()
  far.end()
  command.resume()
  command.end(Buffer.alloc(1_000_000))
  for (let turns = 0; turns < 100; turns++) await turn()
  far.destroy(new StreamResetError(68))
  await new Promise((resolve) => command.on('close', resolve))
  assert.equal((command.errored as StreamResetError).streamCode, 68)
  assert.equal(((await joined) as StreamResetError).streamCode, 68)
})

test('a link that is lost ends both, and a command that is gone resets the stream', async () => {
  const lost = join()
  lost.far.cut()
  await assert.rejects(readAll(lost.command), { code: 'connection-lost' })
  assert.equal(((await lost.joined) as MeshError).code, 'connection-lost')
  const [a, b] = streamPair('command', 'node')
  const [near, far] = streamPair('here', 'there')
  const joined = joinStreams(new Tunnel(b, new Uint8Array(0), FACTS, 'node'), near)
  a.write(Uint8Array.of(0, 0, 0, 0, 3, 1, 2, 3))
  a.end()
  await assert.rejects(readAll(far), { code: 'stream-reset' })
  assert.equal(((await joined) as MeshError).code, 'connection-lost')
})

test('the node that gives a stream up tells the command why', async () => {
  const { command, node, far, joined } = join()
  node.destroy(new MeshError('shutdown', 'this node is stopping'))
  await assert.rejects(readAll(command), { code: 'shutdown', message: 'this node is stopping' })
  await assert.rejects(readAll(far), { code: 'stream-reset', streamCode: 3 })
  assert.equal(((await joined) as MeshError).code, 'shutdown')
})

// The frames of the local socket, over connections without a socket and over a real one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TUNNEL_DATA_BYTES_MAX, TUNNEL_RESET_BYTES_MAX, Tunnel } from '../../../cli/streams/tunnel.ts'
import { MeshError } from '../../../lib/errors.ts'
import { StreamResetError } from '../../../lib/streams/reset-codes.ts'
import { readAll, type StreamEnd, streamPair } from './stream-pair.ts'

const FACTS = { peer: 'p', protocol: '/x/1' }
const NOTHING = new Uint8Array(0)

function raw(first: Uint8Array = NOTHING): { tunnel: Tunnel; wire: StreamEnd } {
  const [near, wire] = streamPair('a', 'b')
  return { tunnel: new Tunnel(near, first, FACTS, 'node'), wire }
}

function frame(type: number, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string)
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

async function pair(t: TestContext): Promise<readonly [Tunnel, Tunnel, Socket]> {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-tunnel-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const server = createServer({ allowHalfOpen: true }).listen(join(folder, 's'))
  await once(server, 'listening')
  const client = connect({ path: join(folder, 's'), allowHalfOpen: true })
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  return [new Tunnel(client, NOTHING, FACTS), new Tunnel(socket, NOTHING, FACTS, 'node'), client]
}

test('what is written leaves as frames: data, then the end', async () => {
  const { tunnel, wire } = raw()
  tunnel.write('hi')
  tunnel.end('x')
  const bytes: Buffer[] = []
  wire.on('data', (chunk) => bytes.push(Buffer.from(chunk)))
  await once(tunnel, 'finish')
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(Buffer.concat(bytes).toString('hex'), '00000000026869000000000178' + '0100000000')
})

test('frames are read the same, wherever their bytes are parted, and whatever came with the switch', async () => {
  const whole = Buffer.concat([frame(0, 'hello '), frame(0, ''), frame(0, 'world'), frame(1, '')])
  for (let at = 0; at <= whole.length; at++) {
    const { tunnel, wire } = raw(whole.subarray(0, at))
    if (at < whole.length) wire.write(whole.subarray(at))
    assert.equal((await readAll(tunnel)).toString(), 'hello world', `parted at ${at}`)
  }
})

test('a connection that ends before the stream did is an error, and never an end', async () => {
  const whole = Buffer.concat([frame(0, 'hello'), frame(1, '')])
  for (let at = 0; at < whole.length; at++) {
    const { tunnel, wire } = raw(whole.subarray(0, at))
    wire.end()
    await assert.rejects(readAll(tunnel), { code: 'connection-lost' })
  }
})

test('a reset brings its reason', async () => {
  for (const [body, expected] of [
    ['{"code":"stream-reset","streamCode":64}', { code: 'stream-reset', streamCode: 64 }],
    ['{"code":"timed-out","message":"late"}', { code: 'timed-out', message: 'late' }],
    ['{"code":"made-up"}', { code: 'stream-reset', streamCode: 3 }],
    ['null', { code: 'stream-reset', streamCode: 3 }],
    ['no json', { code: 'stream-reset', streamCode: 3 }],
  ] as const) {
    const { tunnel } = raw(Buffer.concat([frame(0, 'abc'), frame(2, body)]))
    await assert.rejects(readAll(tunnel), expected)
  }
})

test('what is no frame, too long or too late ends the tunnel', async () => {
  const long = Buffer.alloc(5)
  long.writeUInt32BE(TUNNEL_DATA_BYTES_MAX + 1, 1)
  const longReset = Buffer.from([2, 0, 0, 0, 0])
  longReset.writeUInt32BE(TUNNEL_RESET_BYTES_MAX + 1, 1)
  const after = Buffer.concat([frame(1, ''), frame(0, 'x')])
  for (const bytes of [
    frame(4, ''),
    frame(3, ''),
    frame(3, 'x'),
    frame(1, 'x'),
    frame(2, ''),
    long,
    longReset,
    after,
  ]) {
    const { tunnel } = raw(bytes)
    await new Promise((resolve) => tunnel.on('close', resolve))
    assert.equal((tunnel.errored as MeshError).code, 'bad-frame', bytes.toString('hex'))
  }
  const most = raw(frame(0, Buffer.alloc(TUNNEL_DATA_BYTES_MAX, 7)))
  most.wire.write(frame(1, ''))
  assert.equal((await readAll(most.tunnel)).length, TUNNEL_DATA_BYTES_MAX)
})

test('random bytes give data or an error, and nothing is thrown', async () => {
  let seed = 42
  const next = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed >> 16
  }
  for (let round = 0; round < 200; round++) {
    const bytes = Uint8Array.from({ length: 40 }, (_, i) =>
      i % 9 === 0 ? next() % 4 : next() % 3 === 0 ? next() % 256 : 0,
    )
    const { tunnel, wire } = raw(bytes)
    wire.end()
    await assert.rejects(readAll(tunnel), (error: MeshError) => error instanceof MeshError)
  }
})

test('over a real socket: both directions, each ends by itself', async (t) => {
  const [a, b] = await pair(t)
  const big = Buffer.alloc(3 * TUNNEL_DATA_BYTES_MAX + 17, 'abc')
  a.end(big)
  assert.deepEqual(await readAll(b), big)
  b.write('answer')
  b.end()
  assert.equal((await readAll(a)).toString(), 'answer')
  assert.equal(a.writableFinished, false, 'the node has not passed everything on')
  b.passedOn()
  await once(a, 'finish')
  b.destroy()
  if (!a.closed) await once(a, 'close')
  if (!b.closed) await once(b, 'close')
  assert.deepEqual([a.errored, b.errored], [null, null])
})

test('over a real socket: a reset arrives with its code, a process that dies does not look like an end', async (t) => {
  const [a, b] = await pair(t)
  a.write('some')
  a.destroy(new StreamResetError(70))
  await assert.rejects(readAll(b), { code: 'stream-reset', streamCode: 70 })
  const [c, d] = await pair(t)
  c.destroy()
  await assert.rejects(readAll(d), { code: 'stream-reset', streamCode: 0 })
  const [e, f] = await pair(t)
  e.destroy(new MeshError('timed-out', 'late'))
  await assert.rejects(readAll(f), { code: 'timed-out', message: 'late' })
  const [, h, socket] = await pair(t)
  socket.destroy()
  await assert.rejects(readAll(h), { code: 'connection-lost' })
})

test('a slow reader gets everything, also when the other process was done with it long ago', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { tunnel, wire } = raw(frame(1, ''))
  tunnel.resume()
  const piece = Buffer.alloc(50_000, 'xyz')
  tunnel.end(piece)
  await once(tunnel, 'finish')
  tunnel.passedOn()
  tunnel.destroy()
  t.mock.timers.tick(60_000)
  const expected = Buffer.concat([frame(0, piece), frame(1, ''), frame(3, '')])
  assert.deepEqual(await readAll(wire), expected)
})

test('a reader that stops holds the writer back', async (t) => {
  const [a, b] = await pair(t)
  const piece = Buffer.alloc(65_536)
  let written = 0
  while (a.write(piece)) {
    written++
    assert.ok(written < 1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(b.readableLength <= 1_000_000, `${b.readableLength} bytes wait at the reader`)
  b.resume()
  await once(a, 'drain')
})

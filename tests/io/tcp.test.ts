// TCP on loopback: what lib/io/tcp.ts and lib/io/tcp-socket.ts promise in lib/io/world.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import type { MeshError } from '../../lib/errors.ts'
import { nodeTcp } from '../../lib/io/tcp.ts'
import type { Socket } from '../../lib/io/world.ts'
import { listenForOne, pair, Recorder } from './sockets.ts'

const never = new AbortController().signal

test('bytes arrive in order, both ends know both endpoints, and an orderly end closes both without error', async () => {
  const { dialled, accepted, close } = await pair()
  assert.deepEqual(dialled.remote, accepted.local)
  assert.deepEqual(dialled.local, accepted.remote)
  assert.equal(dialled.remote.host, '127.0.0.1')
  const client = new Recorder(dialled)
  const server = new Recorder(accepted)
  for (let i = 0; i < 100; i++) dialled.write(new Uint8Array(1000).fill(i))
  await server.bytes(100_000)
  const got = server.take()
  for (let i = 0; i < 100; i++) assert.equal(got[i * 1000 + 999], i)
  dialled.end()
  await server.until('ended')
  accepted.write(Uint8Array.of(7, 8))
  accepted.end()
  assert.equal(await client.until('closed'), null)
  assert.equal(await server.until('closed'), null)
  assert.deepEqual(client.take(), Uint8Array.of(7, 8))
  assert.deepEqual(client.log, ['drained', 'data', 'ended', 'closed'])
  await close()
})

test('data is handed out as plain Uint8Array, whose slice is a copy', async () => {
  const { dialled, accepted, close } = await pair()
  const seen = new Promise<Uint8Array>((resolve) => {
    accepted.attach({ data: resolve, drained() {}, ended() {}, closed() {} })
  })
  dialled.write(Uint8Array.of(1, 2, 3))
  assert.deepEqual(await seen, Uint8Array.of(1, 2, 3))
  assert.equal(Buffer.isBuffer(await seen), false)
  dialled.destroy()
  accepted.destroy()
  await close()
})

test('data waits until someone attaches, and goes to whoever attached last', async () => {
  const { dialled, accepted, close } = await pair()
  dialled.write(Uint8Array.of(1))
  await new Promise((resolve) => setImmediate(resolve))
  const first = new Recorder(accepted)
  await first.bytes(1)
  const second = new Recorder(accepted)
  dialled.write(Uint8Array.of(2))
  dialled.end()
  await second.until('ended')
  assert.deepEqual(first.take(), Uint8Array.of(1))
  assert.deepEqual(second.take(), Uint8Array.of(2))
  accepted.end()
  await second.until('closed')
  assert.deepEqual(first.log, ['data'])
  await close()
})

test('drained comes once for many writes, and unsentBytes counts what the kernel has not taken', async () => {
  const { dialled, accepted, close } = await pair()
  const client = new Recorder(dialled)
  dialled.write(Uint8Array.of(1))
  await client.until('drained')
  const chunk = new Uint8Array(65_536)
  for (let i = 0; i < 256; i++) dialled.write(chunk)
  assert.ok(dialled.unsentBytes > 0)
  const server = new Recorder(accepted)
  await client.until('drained', 2)
  assert.equal(dialled.unsentBytes, 0)
  await server.bytes(1 + 256 * 65_536)
  assert.deepEqual(client.log, ['drained', 'drained'])
  dialled.destroy()
  accepted.destroy()
  await close()
})

test('a paused socket reads no more, and resume goes on without loss', async () => {
  const { dialled, accepted, close } = await pair()
  const server = new Recorder(accepted)
  dialled.write(Uint8Array.of(1))
  await server.bytes(1)
  accepted.pause()
  const client = new Recorder(dialled)
  dialled.write(Uint8Array.of(2, 3))
  await client.until('drained')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(server.count, 1)
  accepted.resume()
  await server.bytes(3)
  assert.deepEqual(server.take(), Uint8Array.of(1, 2, 3))
  dialled.destroy()
  accepted.destroy()
  await close()
})

test('a socket that was paused before anyone attached stays paused until resume', async () => {
  const { dialled, accepted, close } = await pair()
  accepted.pause()
  const server = new Recorder(accepted)
  const client = new Recorder(dialled)
  dialled.write(Uint8Array.of(1))
  await client.until('drained')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(server.count, 0)
  accepted.resume()
  await server.bytes(1)
  dialled.destroy()
  accepted.destroy()
  await close()
})

test('destroy closes this end without error, the other with a FIN or, by reset, with an error', async () => {
  for (const reset of [false, true]) {
    const { dialled, accepted, close } = await pair()
    const client = new Recorder(dialled)
    const server = new Recorder(accepted)
    dialled.destroy({ reset })
    assert.equal(await client.until('closed'), null)
    if (reset) {
      const error = (await server.until('closed')) as NodeJS.ErrnoException
      assert.equal(error.code, 'ECONNRESET')
    } else {
      await server.until('ended')
      accepted.destroy()
      await server.until('closed')
    }
    assert.deepEqual(client.log, ['closed'])
    await close()
  }
})

test('reset after end still closes, whether the FIN has left, is leaving, or waits behind a reader that does not read', async () => {
  for (const queued of [0, 1, 32 * 1_048_576]) {
    for (const turns of [0, 1, 2, 3]) {
      const { dialled, accepted, close } = await pair()
      const client = new Recorder(dialled)
      if (queued > 0) dialled.write(new Uint8Array(queued))
      dialled.end()
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      dialled.destroy({ reset: true })
      assert.equal(await client.until('closed'), null)
      accepted.destroy()
      await close()
    }
  }
})

test('a connection that is reset before anyone attached is reported to whoever attaches later, once', async () => {
  const { dialled, accepted, close } = await pair()
  dialled.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  const late = new Recorder(dialled)
  assert.deepEqual(late.log, [])
  assert.equal(await late.until('closed'), null)
  new Recorder(dialled)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(late.log, ['closed'])
  accepted.destroy()
  await close()
})

test('nothing throws on a socket that is over', async () => {
  const { dialled, accepted, close } = await pair()
  const client = new Recorder(dialled)
  dialled.end()
  dialled.end()
  dialled.write(Uint8Array.of(1))
  dialled.destroy()
  dialled.destroy({ reset: true })
  await client.until('closed')
  dialled.write(Uint8Array.of(1))
  dialled.pause()
  dialled.resume()
  dialled.end()
  assert.equal(dialled.unsentBytes, 0)
  assert.deepEqual(client.log, ['closed'])
  accepted.destroy()
  await close()
})

test('writing to a peer that has reset the connection ends in closed with its error, not in an exception', async () => {
  const { dialled, accepted, close } = await pair()
  const client = new Recorder(dialled)
  accepted.destroy({ reset: true })
  const writing = setInterval(() => dialled.write(new Uint8Array(1000)), 0)
  const error = (await client.until('closed')) as NodeJS.ErrnoException
  clearInterval(writing)
  assert.match(error.code ?? '', /ECONNRESET|EPIPE/)
  await close()
})

test('an IPv4 newcomer at a dual-stack listener has a plain IPv4 address', { skip: withoutIpv6() }, async () => {
  for (const host of ['::', '']) {
    const { listener, first } = await listenForOne({ host, port: 0 })
    const dialled = await nodeTcp.dial({ host: '127.0.0.1', port: listener.endpoint.port }, never)
    const accepted = await first
    assert.equal(accepted.remote.host, '127.0.0.1')
    assert.equal(accepted.local.host, '127.0.0.1')
    const over6 = await nodeTcp.dial({ host: '::1', port: listener.endpoint.port }, never)
    assert.equal(over6.remote.host, '::1')
    for (const socket of [dialled, accepted, over6]) socket.destroy()
    await listener.close()
  }
})

test('a host name can be listened on', async () => {
  const listener = await nodeTcp.listen({ host: 'localhost', port: 0 }, (socket) => socket.destroy())
  assert.match(listener.endpoint.host, /^(127\.0\.0\.1|::1)$/)
  await listener.close()
})

test('a port that is taken is refused with what to do about it', async () => {
  const listener = await nodeTcp.listen({ host: '127.0.0.1', port: 0 }, () => {})
  await assert.rejects(
    nodeTcp.listen(listener.endpoint, () => {}),
    (error: MeshError) => {
      assert.equal(error.code, 'listen-failed')
      assert.match(error.message, /port \d+ is in use; stop the program that has it, or choose another port/)
      assert.equal((error.cause as NodeJS.ErrnoException).code, 'EADDRINUSE')
      return true
    },
  )
  await listener.close()
})

test('an address of another machine, a name that does not exist and an impossible port are listen-failed', async () => {
  const wrong = [
    { host: '192.0.2.1', port: 0 },
    { host: 'no-such-host.invalid', port: 0 },
    { host: '127.0.0.1', port: 65_536 },
    { host: '127.0.0.1', port: -1 },
  ]
  for (const endpoint of wrong) {
    await assert.rejects(
      nodeTcp.listen(endpoint, () => {}),
      { code: 'listen-failed' },
    )
  }
})

test('close frees the port at once, twice is harmless, and accepted sockets live on', async () => {
  const { dialled, accepted, listener } = await pair()
  await listener.close()
  await listener.close()
  const again = await nodeTcp.listen(listener.endpoint, () => {})
  await again.close()
  const server = new Recorder(accepted)
  dialled.write(Uint8Array.of(1))
  await server.bytes(1)
  dialled.destroy()
  accepted.destroy()
})

test('a dial that is refused says so in words and keeps the code', async () => {
  const listener = await nodeTcp.listen({ host: '127.0.0.1', port: 0 }, () => {})
  await listener.close()
  await assert.rejects(nodeTcp.dial(listener.endpoint, never), (error: MeshError) => {
    assert.equal(error.code, 'dial-failed')
    assert.match(error.message, /^127\.0\.0\.1:\d+: connection refused$/)
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED')
    return true
  })
})

test('only an IP literal and a port from 1 to 65535 can be dialled', async () => {
  for (const endpoint of [
    { host: 'localhost', port: 80 },
    { host: '', port: 80 },
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port: 65_536 },
    { host: '127.0.0.1', port: 1.5 },
    { host: 'fe80::1%no-such-interface', port: 80 },
  ]) {
    await assert.rejects(nodeTcp.dial(endpoint, never), { code: 'dial-failed' }, JSON.stringify(endpoint))
  }
})

test('a dial can be aborted before it begins and while it is under way, and not after', async () => {
  await assert.rejects(nodeTcp.dial({ host: '127.0.0.1', port: 9 }, AbortSignal.abort()), { code: 'aborted' })
  const { listener, first } = await listenForOne({ host: '127.0.0.1', port: 0 })
  const during = new AbortController()
  const dialling = nodeTcp.dial(listener.endpoint, during.signal)
  during.abort()
  await assert.rejects(dialling, { code: 'aborted' })
  const after = new AbortController()
  const socket = await nodeTcp.dial(listener.endpoint, after.signal)
  after.abort()
  const accepted = await first
  const server = new Recorder(accepted)
  socket.write(Uint8Array.of(1))
  await server.bytes(1)
  socket.destroy()
  accepted.destroy()
  await listener.close()
})

test('a socket that the kernel joined to itself is refused', async () => {
  // Dialling a closed port of the ephemeral range from that same port joins the socket to itself; binding makes it certain.
  const real = net.connect
  const { listener } = await listenForOne({ host: '127.0.0.1', port: 0 })
  const { port } = listener.endpoint
  await listener.close()
  const joined = new net.Socket({ allowHalfOpen: true })
  joined.on('error', () => {})
  joined.connect({ host: '127.0.0.1', port, localPort: port, localAddress: '127.0.0.1' })
  await once(joined, 'connect')
  assert.equal(joined.localPort, joined.remotePort)
  joined.destroy()
  net.connect = ((options: net.TcpNetConnectOpts) =>
    real({ ...options, localAddress: '127.0.0.1', localPort: port })) as typeof net.connect
  syncBuiltinESMExports()
  try {
    await assert.rejects(nodeTcp.dial({ host: '127.0.0.1', port }, never), { code: 'self-connection' })
  } finally {
    net.connect = real
    syncBuiltinESMExports()
  }
})

test('a detached socket can be given to an HTTP server with the bytes that were read put back', async () => {
  const server = http.createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => response.end(`${request.method} ${request.url} ${body}`))
  })
  // The later chunks are empty, or continue the head, or the body, after the socket has changed hands.
  for (const [head, rest] of [
    ['GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', ''],
    ['POST /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-le', 'ngth: 5\r\n\r\nhello'],
    ['P', 'OST /c HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi'],
  ] as const) {
    for (const later of [false, true]) {
      const { dialled, accepted, close } = await pair()
      const client = new Recorder(dialled)
      accepted.attach({
        data(bytes) {
          const socket = accepted.detach(bytes) as net.Socket
          const hand = () => server.emit('connection', socket)
          if (later) setImmediate(() => setImmediate(hand))
          else hand()
          if (rest !== '') dialled.write(new TextEncoder().encode(rest))
        },
        drained() {},
        ended: () => assert.fail('the old owner hears nothing'),
        closed: () => assert.fail('the old owner hears nothing'),
      })
      dialled.write(new TextEncoder().encode(head))
      await client.until('ended')
      const text = new TextDecoder().decode(client.take())
      assert.match(text, /^HTTP\/1\.1 200 OK/)
      assert.match(text, /(GET \/a |POST \/b hello|POST \/c hi)/)
      dialled.end()
      await client.until('closed')
      await close()
    }
  }
})

test('a detached socket is a plain net.Socket that ends when its peer does, and its old object is dead', async () => {
  const { dialled, accepted, close } = await pair()
  const client = new Recorder(dialled)
  const socket = accepted.detach(Uint8Array.of(1, 2)) as net.Socket
  accepted.write(Uint8Array.of(9))
  accepted.end()
  accepted.destroy()
  const dead = () => assert.fail('a detached object is dead')
  accepted.attach({ data: dead, drained: dead, ended: dead, closed: dead })
  dialled.write(Uint8Array.of(3))
  dialled.end()
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  await once(socket, 'close')
  assert.deepEqual([...Buffer.concat(chunks)], [1, 2, 3])
  await client.until('closed')
  assert.deepEqual(client.log, ['drained', 'ended', 'closed'])
  await close()
})

test('a failed accept does not end the listener', async () => {
  const made: net.Server[] = []
  const { listener, first } = await withServers(
    (server) => made.push(server),
    () => listenForOne({ host: '127.0.0.1', port: 0 }),
  )
  made[0]!.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' }))
  const dialled: Socket = await nodeTcp.dial(listener.endpoint, never)
  const accepted = await first
  dialled.destroy()
  accepted.destroy()
  await listener.close()
})

test('a machine without IPv6 listens on all IPv4 addresses instead, and only where all were asked for', async () => {
  for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
    const refuseIp6 = (server: net.Server): void => {
      const listen = server.listen.bind(server)
      server.listen = ((options: net.ListenOptions, listening: () => void) => {
        if (options.host?.includes(':') !== true) return listen(options, listening)
        process.nextTick(() => server.emit('error', Object.assign(new Error(code), { code })))
        return server
      }) as typeof server.listen
    }
    const listener = await withServers(refuseIp6, () => nodeTcp.listen({ host: '', port: 0 }, () => {}))
    assert.equal(listener.endpoint.host, '0.0.0.0')
    await assert.rejects(
      withServers(refuseIp6, () => nodeTcp.listen({ host: '::', port: listener.endpoint.port }, () => {})),
      { code: 'listen-failed', message: /^cannot listen on 0\.0\.0\.0:\d+: port \d+ is in use/ },
    )
    await assert.rejects(
      withServers(refuseIp6, () => nodeTcp.listen({ host: '::1', port: 0 }, () => {})),
      { code: 'listen-failed', message: /^cannot listen on \[::1\]:0: / },
    )
    await listener.close()
  }
})

/** Shows every server that `run` makes to `see` first. */
async function withServers<T>(see: (server: net.Server) => void, run: () => Promise<T>): Promise<T> {
  const real = net.createServer
  net.createServer = ((...given: Parameters<typeof real>) => {
    const server = real(...given)
    see(server)
    return server
  }) as typeof real
  syncBuiltinESMExports()
  try {
    return await run()
  } finally {
    net.createServer = real
    syncBuiltinESMExports()
  }
}

function withoutIpv6(): string | false {
  return hasIpv6() ? false : 'this machine has no IPv6'
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'))
}

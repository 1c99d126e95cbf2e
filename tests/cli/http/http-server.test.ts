// HTTP for those who watch a node: by real sockets, and with curl.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { CONNECTIONS_MAX, HttpServer, REQUEST_MS_MAX, type Watched } from '../../../cli/http/http-server.ts'

const WATCHED: Watched = {
  health: () => ({ status: 'ok', id: '12D3KooW', neighbours: 3 }),
  metrics: async () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text: 'meshd_neighbours 3\n' }),
}

async function serve(t: TestContext, watched: Watched = WATCHED): Promise<{ server: HttpServer; port: number }> {
  const server = new HttpServer(watched)
  t.after(() => server.close())
  const url = await server.listen('127.0.0.1', 0)
  return { server, port: Number(new URL(url).port) }
}

/** Everything that comes back. */
async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(request)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await new Promise((resolve) => socket.on('close', resolve))
  return text
}

const get = (path: string, more = '', method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`

test('health and metrics are served, and each connection ends with its answer', async (t) => {
  const { port } = await serve(t)
  const health = await exchange(port, get('/healthz'))
  assert.match(health, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(health, /\r\nContent-Type: application\/json\r\n/)
  assert.match(health, /\r\n\r\n\{"status":"ok","id":"12D3KooW","neighbours":3\}\n$/)
  const metrics = await exchange(port, get('/metrics?x=1'))
  assert.match(metrics, /text\/plain; version=0\.0\.4/)
  assert.match(metrics, /\r\n\r\nmeshd_neighbours 3\n$/)
  for (const header of ['Cache-Control: no-store', 'X-Content-Type-Options: nosniff', 'Connection: close'])
    assert.ok(metrics.includes(`\r\n${header}\r\n`), header)
  assert.ok(!/access-control/i.test(metrics))
})

test('HEAD has no body, other methods and paths are refused', async (t) => {
  const { port } = await serve(t)
  assert.match(await exchange(port, get('/metrics', '', 'HEAD')), /Content-Length: 19\r\n[\s\S]*\r\n\r\n$/)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const answer = await exchange(port, get('/metrics', 'Content-Length: 0\r\n', method))
    assert.match(answer, /^HTTP\/1\.1 405 /, method)
    assert.match(answer, /\r\nAllow: GET, HEAD\r\n/)
  }
  assert.match(await exchange(port, get('/')), /^HTTP\/1\.1 404 /)
  assert.match(await exchange(port, get('/metrics/x')), /^HTTP\/1\.1 404 /)
})

test('a node that does not run yet is not healthy, and what fails is an answer too', async (t) => {
  const { port } = await serve(t, { health: () => null, metrics: () => Promise.reject(new Error('broken')) })
  assert.match(await exchange(port, get('/healthz')), /^HTTP\/1\.1 503 [\s\S]*not-running/)
  assert.match(await exchange(port, get('/metrics')), /^HTTP\/1\.1 500 [\s\S]*broken\n$/)
})

test('a web page whose name leads here is refused', async (t) => {
  const { port } = await serve(t)
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
    assert.match(await exchange(port, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /^HTTP\/1\.1 403 /, host)
  }
  for (const host of ['localhost', `LOCALHOST:${port}`, '127.0.0.1', `[::1]:${port}`, '192.0.2.1:80']) {
    assert.match(await exchange(port, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /^HTTP\/1\.1 200 /, host)
  }
  // HTTP/1.1 has a Host, and what has none is not from a browser, nor from anything that is meant here.
  assert.doesNotMatch(await exchange(port, 'GET /metrics HTTP/1.1\r\n\r\n'), / 200 /)
  assert.match(await exchange(port, 'GET /metrics HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 403 /)
})

test('heads are bounded, and what is no HTTP is closed without a word', async (t) => {
  const { port } = await serve(t)
  assert.equal(await exchange(port, get('/healthz', `X: ${'x'.repeat(10_000)}\r\n`)), '')
  assert.equal(await exchange(port, '\x16\x03\x01 hello\r\n\r\n'), '')
  assert.equal(await exchange(port, 'GET\r\n\r\n'), '')
})

test('whoever is slow with the request is left, whatever the pace of the bytes', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { port } = await serve(t)
  const slow = connect(port, '127.0.0.1').resume()
  t.after(() => slow.destroy())
  const closed = once(slow, 'close')
  slow.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n')
  // Connections are taken in their order: when this one has its answer, the slow one is there.
  const other = (): Promise<string> => exchange(port, get('/healthz'))
  assert.match(await other(), /^HTTP\/1\.1 200 /)
  for (const passMs of [REQUEST_MS_MAX / 2, REQUEST_MS_MAX / 2 - 1]) {
    t.mock.timers.tick(passMs)
    slow.write('X: y\r\n')
    assert.match(await other(), /^HTTP\/1\.1 200 /)
    assert.equal(slow.closed, false)
  }
  t.mock.timers.tick(1)
  await closed
})

test('at most so many connections at once; the port of the mesh is counted apart', async (t) => {
  const { server, port } = await serve(t)
  const idle: Socket[] = []
  t.after(() => {
    for (const socket of idle) socket.destroy()
  })
  for (let i = 0; i < CONNECTIONS_MAX; i++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    idle.push(socket)
    await once(socket, 'connect')
  }
  assert.equal(await exchange(port, get('/healthz')), '')
  const listener = createServer((socket) => {
    socket.once('readable', () => {
      socket.unshift(socket.read())
      server.take(socket)
    })
  }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const shared = (listener.address() as { port: number }).port
  assert.match(await exchange(shared, get('/healthz')), /^HTTP\/1\.1 200 /)
  idle.pop()!.destroy()
  let answer = ''
  while (answer === '') answer = await exchange(port, get('/healthz'))
  assert.match(answer, /^HTTP\/1\.1 200 /)
})

test('an address that is taken, or is not this machine’s, is told with what would be right', async (t) => {
  const { port } = await serve(t)
  const refused = (host: string, says: RegExp): Promise<void> =>
    assert.rejects(new HttpServer(WATCHED).listen(host, port), { code: 'listen-failed', message: says })
  await refused('127.0.0.1', /^cannot serve HTTP on 127\.0\.0\.1:\d+: port \d+ is in use; .* choose another port/)
  await refused('203.0.113.1', /^cannot serve HTTP on 203\.0\.113\.1:\d+: this machine does not have the address/)
})

test('closing ends what is open', async (t) => {
  const { server, port } = await serve(t)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write('GET /heal')
  const closed = new Promise((resolve) => socket.resume().on('close', resolve))
  await server.close()
  await closed
})

const NO_CURL = spawnSync('curl', ['--version']).status !== 0 && 'no curl'

test('curl reads it', { skip: NO_CURL }, async (t) => {
  const { port } = await serve(t)
  const curl = promisify(execFile)
  const { stdout } = await curl('curl', [
    '-sSf',
    `http://localhost:${port}/healthz`,
    `http://127.0.0.1:${port}/metrics`,
  ])
  assert.equal(stdout, '{"status":"ok","id":"12D3KooW","neighbours":3}\nmeshd_neighbours 3\n')
  const head = await curl('curl', ['-sSI', `http://127.0.0.1:${port}/metrics`])
  assert.match(head.stdout, /^HTTP\/1\.1 200 OK/)
})

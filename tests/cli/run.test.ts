import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { hasReaderLeft } from '../../cli/failures.ts'
import { run } from '../../cli/run.ts'
import { MeshError } from '../../lib/errors.ts'
import { ALICE, FakeHost, SETTINGS, start } from './fake-node.ts'

test('the settings reach the node', async () => {
  const { mesh, stop } = await start({ seeds: ['a:1'], network: 'lab', dataDir: '/data' })
  assert.deepEqual(mesh.options, {
    network: { name: 'lab', key: undefined },
    listen: ['127.0.0.1:0'],
    seeds: ['a:1'],
    mdns: false,
    name: 'me',
    dataDir: '/data',
    agent: 'meshd/test',
    store: {},
  })
  assert.equal(await stop(), 0)
  assert.deepEqual(mesh.calls, ['start', 'stop'])
})

test('what is to be kept and how many neighbours reach the node too', async () => {
  const { mesh, stop } = await start({ storeBytesMax: 0, storeAgeMsMax: 60_000, degree: 0, flood: 'eager' })
  assert.deepEqual(mesh.options.store, { bytesMax: 0, ageMsMax: 60_000 })
  assert.deepEqual(mesh.options.degree, { target: 0 })
  assert.equal(mesh.options.flood, 'eager')
  await stop()
})

test('in a pipe each line is one message, byte by byte, and the node stays at the end of input', async () => {
  const { host, mesh, stop } = await start()
  host.stdin.write(Buffer.from('one\r\n\n'))
  host.stdin.end(Buffer.from([0xff, 0x0a, 0x65]))
  await host.until(() => host.err.includes('end of input'))
  assert.deepEqual(
    mesh.published.map(({ topic, data }) => [topic, Buffer.from(data).toString('latin1')]),
    [
      ['chat', 'one'],
      ['chat', ''],
      ['chat', '\xff'],
      ['chat', 'e'],
    ],
  )
  assert.deepEqual(mesh.calls, ['start'])
  assert.equal(await stop(), 0)
})

test('in a pipe standard output holds the payloads as they came, and nothing else', async () => {
  const { host, mesh, stop } = await start()
  mesh.emit('neighbourUp', { peer: ALICE, address: '/ip4/192.0.2.1/tcp/1', direction: 'in', name: '\x1b[31malice' })
  mesh.deliver('chat', 'hello \x1b[31m')
  mesh.deliver('other', 'not this')
  mesh.deliver('chat', Uint8Array.of(0xff, 0x00))
  mesh.emit('warning', { code: 'clock', text: 'the clock \x1b jumped' })
  assert.equal(await stop(), 0)
  assert.equal(host.out, `hello \x1b[31m\n${Buffer.from([0xff, 0x00]).toString()}\n`)
  assert.match(host.err, /^meshd: this node is 12D3KooWFake/)
  assert.match(host.err, /meshd: listening on \/ip4\/127\.0\.0\.1/)
  assert.match(host.err, /meshd: connected: \\x1b\[31malice \(iceALICE\) from 192\.0\.2\.1:1\n/)
  assert.match(host.err, /meshd: warning: the clock \\x1b jumped\n/)
})

test('a pipe that ends in a terminal does not let others write to it', async () => {
  const host = new FakeHost({ stdoutTerminal: true })
  const { mesh, stop } = await start({}, host)
  mesh.deliver('chat', '\x1b[2Jhello')
  await stop()
  assert.equal(host.out, '\\x1b[2Jhello\n')
})

test('more patterns widen what is printed, and a message that several match is printed once', async () => {
  const { host, mesh, stop } = await start({ subscribe: ['a/+', '#', 'chat'] })
  mesh.deliver('chat', '1')
  mesh.deliver('a/b', '2')
  mesh.deliver('x', '3')
  await stop()
  assert.equal(host.out, '1\n2\n3\n')
})

test('reading waits while the node holds the publisher back', async () => {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const host = new FakeHost({
    prepare: (mesh) => {
      mesh.gate = gate
    },
  })
  const { mesh, stop } = await start({}, host)
  const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(100))
  let written = 0
  const feed = (): void => {
    while (written < 50) {
      written++
      if (!host.stdin.write(chunk)) return
    }
  }
  host.stdin.on('drain', feed)
  feed()
  for (let i = 0; i < 20; i++) await turn()
  assert.ok(written < 10, `${written} chunks of 10 kB were taken although nothing could be published`)
  open()
  await host.until(() => mesh.published.length === 5_000, 'all messages')
  assert.equal(await stop(), 0)
})

test('a line that is too long is skipped and told with its number, and the exit code says so', async () => {
  const { host, mesh, stop } = await start()
  host.stdin.end(Buffer.concat([Buffer.from('a\n'), Buffer.alloc(1_048_577, 0x78), Buffer.from('\nb\n')]))
  await host.until(() => mesh.published.length === 2)
  assert.deepEqual(mesh.publishedTexts(), ['a', 'b'])
  assert.match(host.err, /meshd: line 2 was not published: it is longer than 1048576 bytes/)
  assert.equal(await stop(), 1)
})

test('a line of the largest size is published', async () => {
  const { host, mesh, stop } = await start()
  host.stdin.end(Buffer.alloc(1_048_576, 0x78))
  await host.until(() => mesh.published.length === 1)
  assert.equal(mesh.published[0]!.data.length, 1_048_576)
  assert.equal(await stop(), 0)
})

test('what the node refuses to publish is told with its line, and the exit code says so', async () => {
  const { host, mesh, stop } = await start()
  mesh.publishError = new MeshError('identity-in-use', 'this identity is in use elsewhere')
  host.stdin.write('x\n')
  await host.until(() => host.err.includes('line 1 was not published: this identity is in use elsewhere'))
  assert.equal(await stop(), 1)
})

test('nobody there to hear is told once, not for each line', async () => {
  const { host, mesh, stop } = await start()
  mesh.outcomes = []
  host.stdin.write('a\nb\nc\n')
  await host.until(() => mesh.published.length === 3)
  assert.equal(
    host.err.match(/no neighbour is connected; those who come while the message is kept get it then/g)?.length,
    1,
  )
  assert.equal(await stop(), 0)
})

test('a failing standard input is told, and the node stays', async () => {
  const { host, mesh, stop } = await start()
  host.stdin.destroy(new Error('input torn'))
  await host.until(() => host.err.includes('standard input failed: input torn'))
  assert.deepEqual(mesh.calls, ['start'])
  assert.equal(await stop(), 1)
})

test('a reader of standard output that leaves stops the node quietly', async () => {
  const { host, mesh, ended } = await start()
  host.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  assert.equal(await ended, 0)
  assert.deepEqual(mesh.calls, ['start', 'stop'])
  assert.doesNotMatch(host.err, /EPIPE|failed/)
})

test('a standard output that fails otherwise stops the node with an error', async () => {
  const { host, ended } = await start()
  host.stdout.destroy(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
  assert.equal(await ended, 1)
  assert.match(host.err, /meshd: standard output failed: no space left/)
})

test('a disk that fails is no terminal that is gone', async () => {
  const { host, ended } = await start()
  host.stdout.destroy(Object.assign(new Error('write EIO'), { code: 'EIO' }))
  assert.equal(await ended, 1)
  assert.match(host.err, /meshd: standard output failed: write EIO/)
  assert.equal(hasReaderLeft({ code: 'EIO' }, true), true)
})

test('the log level and quiet reach the notices', async () => {
  const { host, mesh, stop } = await start({ logLevel: 'error' })
  mesh.outcomes = []
  host.stdin.write('x\n')
  await host.until(() => mesh.published.length === 1)
  await stop()
  assert.equal(host.err, '')
})

test('the key of a private network can be the first line of standard input', async () => {
  const host = new FakeHost()
  host.stdin.write(`${'ab'.repeat(32)}\nhello\n`)
  const { mesh, stop } = await start({ networkKeyFile: '-' }, host)
  await host.until(() => mesh.published.length === 1)
  assert.deepEqual(mesh.options.network?.key, new Uint8Array(32).fill(0xab))
  assert.deepEqual(mesh.publishedTexts(), ['hello'])
  assert.equal(await stop(), 0)
})

test('a key is not typed into a terminal', async () => {
  const host = new FakeHost({ terminal: true })
  await assert.rejects(run({ ...SETTINGS, networkKeyFile: '-' }, host), /reads a pipe, and this is a terminal/)
  assert.deepEqual(host.signals.eventNames(), [])
})

test('a signal while the key is awaited ends it without a node', async () => {
  const host = new FakeHost()
  const ended = run({ ...SETTINGS, networkKeyFile: '-' }, host)
  host.signals.emit('SIGINT')
  assert.equal(await ended, 0)
  assert.deepEqual(host.meshes, [])
})

test('a node that cannot start is stopped, and the reason is thrown', async () => {
  const host = new FakeHost({
    prepare: (mesh) => {
      mesh.startError = new MeshError('listen-failed', 'the port is taken')
    },
  })
  await assert.rejects(run(SETTINGS, host), { code: 'listen-failed' })
  assert.deepEqual(host.mesh.calls, ['start', 'stop'])
  assert.deepEqual(host.signals.eventNames(), [])
})

test('a second signal does not wait for the node', async () => {
  let release = (): void => undefined
  const host = new FakeHost({
    prepare: (mesh) => {
      mesh.stopDelay = new Promise((resolve) => {
        release = resolve
      })
    },
  })
  const { stop } = await start({}, host)
  const ended = stop()
  await host.until(() => host.mesh.calls.includes('stop'))
  host.signals.emit('SIGTERM')
  assert.deepEqual(host.exits, [143])
  release()
  await ended
})

test('after the stop nothing is published or printed any more', async () => {
  const { host, mesh, stop } = await start()
  await stop()
  host.stdin.write('late\n')
  mesh.deliver('chat', 'late')
  await turn()
  assert.deepEqual(mesh.published, [])
  assert.equal(host.out, '')
})

test('a stop that hangs is cut off', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const host = new FakeHost({
    prepare: (mesh) => {
      mesh.stopDelay = new Promise(() => undefined)
    },
  })
  const { stop } = await start({ json: true }, host)
  stop()
  t.mock.timers.tick(4_499)
  assert.deepEqual(host.exits, [])
  t.mock.timers.tick(1)
  assert.deepEqual(host.exits, [1])
  await host.until(() => host.err !== '')
  assert.equal(JSON.parse(host.err).error.code, 'timed-out')
})

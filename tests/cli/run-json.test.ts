import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { ALICE, BOB, FakeHost, start } from './fake-node.ts'

const FRESH = { replayed: false, retained: false }

function events(host: FakeHost): Record<string, unknown>[] {
  return host.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

test('with --json each happening is one line', async () => {
  const { host, mesh, stop } = await start({ json: true })
  const address = '/ip4/192.0.2.1/tcp/1'
  mesh.emit('neighbourUp', { peer: ALICE, address, direction: 'out', name: 'alice' })
  mesh.emit('neighbourDown', { peer: ALICE, reason: 'goodbye', code: 'connection-lost', retryInMs: null })
  mesh.emit('dialFailed', { address, reason: 'refused', code: 'connection-lost', retryInMs: 1234 })
  mesh.deliver('chat', 'tëxt')
  mesh.deliver('chat', Uint8Array.of(0xff), BOB)
  mesh.emit('nodeUp', { peer: BOB, name: 'bob' })
  mesh.emit('nodeDown', { peer: BOB, name: 'bob', reason: 'left' })
  mesh.emit('gap', { pattern: 'chat', from: BOB, epoch: 7, first: 1, last: 3 })
  mesh.emit('warning', { code: 'clock', text: 'it jumped' })
  assert.equal(await stop(), 0)
  assert.deepEqual(events(host), [
    { event: 'listening', id: mesh.id, addresses: mesh.addresses },
    { event: 'neighbour-up', peer: ALICE, address, direction: 'out' },
    { event: 'neighbour-down', peer: ALICE, reason: 'goodbye', code: 'connection-lost', retryInMs: null },
    { event: 'dial-failed', address, reason: 'refused', code: 'connection-lost', retryInMs: 1234 },
    { event: 'message', topic: 'chat', from: ALICE, id: `${ALICE}/1/0`, sequence: 0, hops: 1, ...FRESH, data: 'tëxt' },
    { event: 'message', topic: 'chat', from: BOB, id: `${BOB}/1/0`, sequence: 0, hops: 1, ...FRESH, data64: '/w==' },
    { event: 'node-up', peer: BOB, name: 'bob' },
    { event: 'node-down', peer: BOB, name: 'bob', reason: 'left' },
    { event: 'gap', pattern: 'chat', from: BOB, epoch: 7, first: 1, last: 3 },
    { event: 'warning', code: 'clock', text: 'it jumped' },
    { event: 'stopped' },
  ])
  assert.equal(host.err, '')
})

test('JSON lines hold nothing that a terminal would obey, and lose nothing', async () => {
  const { host, mesh, stop } = await start({ json: true })
  const hostile = '\x00\x1b[31m\x7f\x9b\u202e\u2028\u2066\ufeff\u200f ü 🙂'
  mesh.deliver('chat', hostile)
  await stop()
  const line = host.out.split('\n').find((text) => text.includes('"message"'))!
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/)
  assert.match(line, / ü 🙂/)
  assert.equal(JSON.parse(line).data, hostile)
})

test('with --json lines are instructions or text', async () => {
  const { host, mesh, stop } = await start({ json: true })
  host.stdin.write('{"publish":{"topic":"t","data":"a"}}\nplain\n{"publish":{"topic":"t","data64":"/w=="}}\n{"x":1}\n')
  host.stdin.write('{"publish":{"topic":"t"}}\n')
  await host.until(() => host.out.includes('bad-instruction'))
  assert.deepEqual(
    mesh.published.map(({ topic, data }) => [topic, Buffer.from(data).toString('latin1')]),
    [
      ['t', 'a'],
      ['chat', 'plain'],
      ['t', '\xff'],
      ['chat', '{"x":1}'],
    ],
  )
  const warning = events(host).find(({ event }) => event === 'warning')
  assert.match(String(warning?.text), /^line 5: nothing was published: /)
  assert.equal(await stop(), 0)
})

test('with --json an instruction can ask for a retained value and a time-to-live', async () => {
  const { host, mesh, stop } = await start({ json: true })
  host.stdin.write('{"publish":{"topic":"t","data":"a","retain":true,"ttl":60}}\n')
  await host.until(() => mesh.published.length === 1)
  assert.deepEqual(mesh.published[0]!.options, { retain: true, timeToLiveS: 60 })
  await stop()
})

test('with --json a refused publication is a warning with its code', async () => {
  const { host, mesh, stop } = await start({ json: true })
  mesh.publishError = new MeshError('bad-topic', 'a topic is …')
  host.stdin.write('{"publish":{"topic":"#","data":"a"}}\n')
  await host.until(() => host.out.includes('bad-topic'))
  assert.equal(await stop(), 1)
})

test('with --json a line longer than any message could be is a warning', async () => {
  const { host, mesh, stop } = await start({ json: true })
  const large = JSON.stringify({ publish: { topic: 't', data64: Buffer.alloc(1_048_576).toString('base64') } })
  host.stdin.write(`${large}\n${'x'.repeat(7_000_000)}\n`)
  await host.until(() => host.out.includes('too-large'))
  assert.equal(mesh.published.length, 1)
  assert.equal(mesh.published[0]!.data.length, 1_048_576)
  assert.equal(await stop(), 1)
})

test('a slow reader of events learns how many it missed, in the place where they are missing', async () => {
  let take = (): void => undefined
  let out = ''
  let open = false
  const stdout = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      out += chunk
      if (open) setImmediate(done)
      else take = done
    },
  })
  const host = new FakeHost({ stdout })
  const { mesh, stop } = await start({ json: true }, host)
  await host.until(() => out.includes('listening'))
  for (let i = 0; i < 40; i++) mesh.deliver('chat', 'x'.repeat(1_000_000))
  open = true
  take()
  await host.until(() => out.includes('slow-output'))
  mesh.deliver('chat', 'after')
  await stop()
  const kinds = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const missed = Number(/: (\d+) lines/.exec(kinds.find(({ event }) => event === 'warning').text)?.[1])
  const messages = kinds.filter(({ event }) => event === 'message')
  assert.equal(messages.length + missed, 41)
  assert.deepEqual(
    kinds.slice(-3).map(({ event }) => event),
    ['warning', 'message', 'stopped'],
  )
})

test('ten thousand lines pass in both directions, none lost', async () => {
  const { host, mesh, stop } = await start({ json: true })
  for (let i = 0; i < 10_000; i++) mesh.deliver('chat', `message ${i}`)
  host.stdin.write('{"publish":{"topic":"t","data":"a"}}\n'.repeat(10_000))
  await host.until(() => mesh.published.length === 10_000)
  await stop()
  assert.equal(events(host).filter(({ event }) => event === 'message').length, 10_000)
})

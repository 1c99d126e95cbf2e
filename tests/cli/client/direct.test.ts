import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ping } from '../../../cli/client/ping.ts'
import { MeshError } from '../../../lib/errors.ts'
import type { NodeSnapshot } from '../../../lib/types.ts'
import { startApi } from '../api/fake-api.ts'
import { ALICE, FakeHost } from '../fake-node.ts'
import { runCommand, settingsFor, startCommand } from './run-command.ts'

const NODE = { peer: ALICE, name: 'alice', up: true } as NodeSnapshot

test('a message is sent from the command line or from standard input', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const sent: unknown[] = []
  api.mesh.direct.send = async (peer, topic, data) => void sent.push([peer, topic, [...Buffer.from(data as string)]])
  assert.deepEqual(await runCommand(api, 'send', ['alice', 't', 'hi']), { code: 0, out: '', err: '' })
  await runCommand(api, 'send', ['alice', 't'], {}, Uint8Array.of(0xff, 0x0a))
  const json = await runCommand(api, 'send', ['alice', 't', ''], { json: true })
  assert.deepEqual(sent, [
    [ALICE, 't', [104, 105]],
    [ALICE, 't', [0xff, 0x0a]],
    [ALICE, 't', []],
  ])
  assert.deepEqual(JSON.parse(json.out), { peer: ALICE })
})

test('standard input that cannot be read sends nothing, and is told as that', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  api.mesh.direct.send = () => assert.fail('it was sent')
  const host = new FakeHost()
  const { ended } = startCommand(api, 'send', ['alice', 't'], {}, host)
  host.stdin.write('half of')
  await host.until(() => host.stdin.listenerCount('readable') > 0)
  host.stdin.destroy(new Error('read EIO'))
  await assert.rejects(ended, { code: 'input-failed', message: 'standard input failed: read EIO' })
})

test('an answer is printed byte for byte, and made safe on a terminal', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  api.mesh.direct.request = async () => Buffer.from('an\u001b[31m swer')
  const { out } = await runCommand(api, 'request', ['alice', 't', 'x'])
  assert.equal(out, 'an\u001b[31m swer')
  const json = await runCommand(api, 'request', ['alice', 't', 'x'], { json: true })
  assert.deepEqual(JSON.parse(json.out), { peer: ALICE, data: 'an\u001b[31m swer' })
})

test('what cannot be sent, or is refused, is an error with its code', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const big = 'x'.repeat(1_048_577)
  await assert.rejects(runCommand(api, 'send', ['alice', 't', big]), { code: 'too-large' })
  await assert.rejects(runCommand(api, 'send', ['alice', 't'], {}, big), { code: 'too-large' })
  await assert.rejects(runCommand(api, 'send', ['bob', 't', 'x']), { code: 'unknown-peer' })
  api.mesh.direct.request = () => Promise.reject(new MeshError('no-handler', 'nobody there'))
  await assert.rejects(runCommand(api, 'request', ['alice', 't', 'x']), { code: 'no-handler', message: 'nobody there' })
  api.mesh.direct.request = (_peer, _topic, _data, signal) =>
    new Promise((_, reject) => signal!.addEventListener('abort', () => reject(new MeshError('aborted', 'late'))))
  await assert.rejects(runCommand(api, 'request', ['alice', 't', 'x'], { timeoutMs: 5 }), { code: 'timed-out' })
})

test('a topic that cannot be is wrong usage, before the node is asked', async (t) => {
  const api = await startApi(t)
  for (const command of ['send', 'request'] as const) {
    const refused = runCommand(api, command, ['alice', 'a/+', 'x'])
    await assert.rejects(refused, { code: 'usage', message: /^TOPIC is "a\/\+"; a topic is / })
  }
})

test('control characters need less room as bytes, and a full message of them fits', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  let bytes = 0
  api.mesh.direct.send = async (_peer, _topic, data) => {
    bytes = Buffer.from(data as string).length
  }
  await runCommand(api, 'send', ['alice', 't'], {}, Buffer.alloc(1_048_576))
  assert.equal(bytes, 1_048_576)
})

test('pings are told one by one and in sum; one answer is enough', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  let pings = 0
  api.mesh.direct.ping = async () => {
    if (++pings === 2) throw new MeshError('unreachable', 'no way there')
    return { timeMs: pings * 10, hops: pings }
  }
  const context = (json: boolean, host: FakeHost): Parameters<typeof ping>[0] => {
    return { client: api.client, settings: settingsFor(api, { count: 3, json }), words: ['alice'], host }
  }
  const host = new FakeHost()
  assert.equal(await ping(context(false, host), 0), 0)
  await host.until(() => host.out.includes('average'))
  const short = ALICE.slice(-8)
  assert.equal(
    host.out,
    `answer from alice (${short}): 1 link, 10.0 ms\nno answer: no way there\nanswer from alice (${short}): 3 links, 30.0 ms\n` +
      '2 of 3 answered; 10.0 ms to 30.0 ms, 20.0 ms on average\n',
  )
  pings = 0
  const other = new FakeHost()
  await ping(context(true, other), 0)
  await other.until(() => other.out.includes('pinged'))
  assert.deepEqual(
    other.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { event: 'pong', peer: ALICE, timeMs: 10, hops: 1 },
      { event: 'no-pong', code: 'unreachable', text: 'no way there' },
      { event: 'pong', peer: ALICE, timeMs: 30, hops: 3 },
      { event: 'pinged', sent: 3, answered: 2, leastMs: 10, meanMs: 20, mostMs: 30 },
    ],
  )
})

test('pings that nobody answers are exit code 4 when they timed out and 1 otherwise; a signal ends them with the sum', async (t) => {
  const api = await startApi(t)
  api.mesh.nodeSnapshots = [NODE]
  const run = (host: FakeHost, count: number | null, intervalMs: number): Promise<number> =>
    ping(
      { client: api.client, settings: settingsFor(api, { count, timeoutMs: 50 }), words: ['alice'], host },
      intervalMs,
    )
  api.mesh.direct.ping = () => Promise.reject(new MeshError('timed-out', 'late'))
  assert.equal(await run(new FakeHost(), 2, 0), 4)
  api.mesh.direct.ping = () => Promise.reject(new MeshError('unreachable', 'no way'))
  assert.equal(await run(new FakeHost(), 2, 0), 1)
  api.mesh.direct.ping = async () => ({ timeMs: 1, hops: 1 })
  const host = new FakeHost()
  const ended = run(host, null, 60_000)
  await host.until(() => host.out.includes('1 link'))
  host.signals.emit('SIGINT')
  assert.equal(await ended, 0)
  await assert.rejects(
    ping({ client: api.client, settings: settingsFor(api), words: ['nobody'], host: new FakeHost() }, 0),
    { code: 'unknown-peer' },
  )
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ClientSettings } from '../../../cli/client/settings.ts'
import { type FakeApi, startApi } from '../api/fake-api.ts'
import { ALICE, FakeHost } from '../fake-node.ts'
import { startCommand } from './run-command.ts'

interface Subscribed {
  readonly api: FakeApi
  readonly host: FakeHost
  readonly ended: Promise<number>
}

/** A `sub` whose subscription stands. */
async function subscribe(
  context: TestContext,
  changes: Partial<ClientSettings> = {},
  host: FakeHost = new FakeHost(),
): Promise<Subscribed> {
  const api = await startApi(context)
  const { ended } = startCommand(api, 'sub', ['a/#'], changes, host)
  await host.until(() => api.mesh.subscribed.length === 1, 'the subscription')
  return { api, host, ended }
}

test('payloads are printed as they are, a line each, and nothing else', async (t) => {
  const { api, host, ended } = await subscribe(t, { count: 2 })
  api.mesh.deliver('a/b', 'tëxt \u001b[31m')
  api.mesh.deliver('other', 'x')
  api.mesh.deliver('a', 'two')
  assert.equal(await ended, 0)
  assert.equal(host.out, 'tëxt \u001b[31m\ntwo\n')
  assert.equal(host.err, '')
  await host.until(() => api.mesh.deliver('a', 'x').length === 0)
})

test('on a terminal a line says topic and sender, and is safe', async (t) => {
  const { api, host, ended } = await subscribe(t, { count: 1 }, new FakeHost({ stdoutTerminal: true }))
  api.mesh.deliver('a/b', 'tëxt \u001b[31m\nnext')
  assert.equal(await ended, 0)
  assert.equal(host.out, `[a/b] ${ALICE.slice(-8)}: tëxt \\x1b[31m\\x0anext\n`)
})

test('with --json each message is an event', async (t) => {
  const { api, host, ended } = await subscribe(t, { count: 2, json: true, since: '1h' })
  assert.deepEqual(api.mesh.subscribed[0]!.options, { since: '1h' })
  api.mesh.deliver('a', 'x')
  api.mesh.emit('gap', { pattern: 'a/#', from: ALICE, epoch: 1, first: 2, last: 3 })
  api.mesh.deliver('a', Uint8Array.of(0xff))
  assert.equal(await ended, 0)
  const events = host.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    events.map(({ event, data, data64 }) => [event, data ?? data64]),
    [
      ['subscribed', undefined],
      ['message', 'x'],
      ['gap', undefined],
      ['message', '/w=='],
    ],
  )
  assert.equal('number' in events[1], false)
})

test('a signal ends it with 0, what came is printed, and a second one does not wait', async (t) => {
  const { api, host, ended } = await subscribe(t)
  api.mesh.deliver('a', 'x')
  await host.until(() => host.out === 'x\n')
  host.signals.emit('SIGTERM')
  assert.equal(await ended, 0)
  const second = await subscribe(t, { exec: 'sleep 60' })
  second.api.mesh.deliver('a', 'x')
  await second.host.until(() => second.host.signals.listenerCount('SIGTERM') > 0)
  second.host.signals.emit('SIGTERM')
  second.host.signals.emit('SIGTERM')
  assert.deepEqual(second.host.exits, [143])
})

test('the time of --timeout ends it: with 4 when fewer messages came than were wanted', async (t) => {
  const all = await subscribe(t, { timeoutMs: 20 })
  assert.equal(await all.ended, 0)
  const few = await subscribe(t, { timeoutMs: 300, count: 2 })
  few.api.mesh.deliver('a', 'x')
  await assert.rejects(few.ended, { code: 'timed-out', message: /^1 of 2 messages came/ })
  assert.equal(few.host.out, 'x\n')
})

test('a node that stops, or is killed, ends it with an error of its own', async (t) => {
  const stopped = await subscribe(t)
  stopped.api.mesh.deliver('a', 'x')
  await stopped.api.api.close()
  await assert.rejects(stopped.ended, { code: 'not-running', message: /the node has stopped/ })
  assert.equal(stopped.host.out, 'x\n')
})

test('what cannot be asked for is wrong usage', async (t) => {
  const api = await startApi(t)
  const refused = (words: string[], changes: Partial<ClientSettings>): Promise<number> =>
    startCommand(api, 'sub', words, changes).ended
  await assert.rejects(refused(['a#'], {}), { code: 'usage', message: /^PATTERN is "a#"/ })
  await assert.rejects(refused(['a'], { since: 'noon' }), {
    code: 'usage',
    message: /^--since is "noon"; since must be a time back such as 90s/,
  })
  await assert.rejects(refused(['a'], { durable: '' }), { code: 'usage', message: /^--durable is ""/ })
})

test('a durable message is acknowledged once it is printed', async (t) => {
  const { api, host, ended } = await subscribe(t, { durable: 'me', count: 3 })
  assert.deepEqual(api.mesh.subscribed[0]!.options, { durable: 'me', ack: 'manual' })
  for (const text of ['one', 'two', 'three']) api.mesh.deliver('a', text)
  assert.equal(await ended, 0)
  assert.equal(host.out, 'one\ntwo\nthree\n')
  assert.deepEqual(api.mesh.acknowledged, [0, 1, 2])
})

test('a signal acknowledges what was printed before it leaves', async (t) => {
  const { api, host, ended } = await subscribe(t, { durable: 'me' })
  api.mesh.deliver('a', 'x')
  await host.until(() => host.out === 'x\n')
  host.signals.emit('SIGINT')
  assert.equal(await ended, 0)
  assert.deepEqual(api.mesh.acknowledged, [0])
})

test('a command runs for each message, and nothing of the message becomes part of it', async (t) => {
  const api = await startApi(t)
  const file = join(api.folder, 'out')
  const exec = `{ cat; printf '|%s|%s|%s|%s|%s|%s\\n' "$MESHD_TOPIC" "$MESHD_FROM" "$MESHD_ID" "$MESHD_SEQUENCE" "$MESHD_HOPS" "$MESHD_REPLAYED"; } >> '${file}'`
  const host = new FakeHost()
  const { ended } = startCommand(api, 'sub', ['#'], { exec, count: 2 }, host)
  await host.until(() => api.mesh.subscribed.length === 1)
  const hostile = `$(touch '${file}.evil'); \`touch '${file}.evil'\` "'; rm -rf x`
  api.mesh.deliver(`a/${hostile}`, hostile)
  api.mesh.deliver('b', '')
  assert.equal(await ended, 0)
  const facts = `${ALICE}|${ALICE}/1/0|0|1|0`
  assert.equal(readFileSync(file, 'utf8'), `${hostile}|a/${hostile}|${facts}\n|b|${facts}\n`)
  assert.throws(() => readFileSync(`${file}.evil`))
})

test('a command that fails makes the exit code 1, and need not read what it is given', async (t) => {
  const { api, host, ended } = await subscribe(t, { exec: 'exit 7', count: 1 })
  api.mesh.deliver('a', 'x'.repeat(1_000_000))
  assert.equal(await ended, 1)
  assert.match(host.err, /^meshd: the command failed for message .*\/1\/0: it ended with 7\n$/)
})

test('with --durable a command that fails runs again, and its message is acknowledged when it succeeds', async (t) => {
  const api = await startApi(t)
  const mark = join(api.folder, 'mark')
  const exec = `if [ -e '${mark}' ]; then exit 0; fi; touch '${mark}'; exit 1`
  const host = new FakeHost()
  const { ended } = startCommand(api, 'sub', ['a'], { exec, durable: 'me', count: 1, json: true }, host)
  await host.until(() => api.mesh.subscribed.length === 1)
  api.mesh.deliver('a', 'x')
  assert.equal(await ended, 0)
  assert.match(host.out, /\{"event":"command-failed","id":"[^"]+","text":"it ended with 1","retryInMs":1000\}/)
  assert.deepEqual(api.mesh.acknowledged, [0])
})

test('a message whose command never succeeded is not acknowledged', async (t) => {
  const { api, host, ended } = await subscribe(t, { exec: 'test "$(cat)" = good', execParallel: 2, durable: 'me' })
  for (const text of ['good', 'bad', 'good']) api.mesh.deliver('a', text)
  await host.until(() => host.err.includes('the command failed'))
  host.signals.emit('SIGTERM')
  assert.equal(await ended, 0)
  assert.deepEqual(api.mesh.acknowledged, [0])
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ClientSettings } from '../../../cli/client/settings.ts'
import { type FakeApi, startApi } from '../api/fake-api.ts'
import { ALICE, FakeHost } from '../fake-node.ts'
import { startCommand } from './run-command.ts'

interface Replying {
  readonly api: FakeApi
  readonly host: FakeHost
  readonly ended: Promise<number>
}

/** A `reply` that answers. */
async function replying(
  context: TestContext,
  changes: Partial<ClientSettings>,
  host: FakeHost = new FakeHost(),
): Promise<Replying> {
  const api = await startApi(context)
  const { ended } = startCommand(api, 'reply', ['a/b'], changes, host)
  await host.until(() => api.mesh.repliers.has('a/b'), 'the handler')
  return { api, host, ended }
}

let asked = 0

async function ask({ api }: Pick<Replying, 'api'>, data: string | Uint8Array = ''): Promise<Buffer> {
  const handler = api.mesh.repliers.get('a/b')
  if (handler === undefined) throw new Error('no handler')
  const request = { from: ALICE, topic: 'a/b', data: Buffer.from(data), id: `${ALICE}/1/${asked++}` }
  return Buffer.from(await handler(request, new AbortController().signal))
}

test('what a command prints is the answer, and nothing of the request becomes part of the command', async (t) => {
  const node = await replying(t, {
    exec: `cat; printf '|%s|%s|%s|%s|' "$MESHD_TOPIC" "$MESHD_FROM" "$MESHD_ID" "$MESHD_SEQUENCE"`,
    count: 2,
  })
  const hostile = `$(touch evil); \`touch evil\` "'; rm -rf x`
  const [first] = [await ask(node, hostile)]
  assert.equal(first.toString(), `${hostile}|a/b|${ALICE}|${ALICE}/1/${asked - 1}||`)
  const bytes = Uint8Array.of(0xff, 0x00, 0x0a)
  assert.deepEqual((await ask(node, bytes)).subarray(0, 3), Buffer.from(bytes))
  assert.equal(await node.ended, 0)
  assert.deepEqual([node.host.out, node.host.err], ['', ''])
  await node.host.until(() => !node.api.mesh.repliers.has('a/b'))
})

test('a command that fails answers with its last line of standard error, made safe, and the exit code stays 0', async (t) => {
  const node = await replying(t, {
    exec: `printf 'first\\nno \\033[31mclock here\\n\\n' >&2; echo half; exit 3`,
    count: 1,
  })
  await assert.rejects(ask(node), { message: 'no \\x1b[31mclock here' })
  assert.equal(await node.ended, 0)
  assert.match(node.host.err, /^first\n/)
  assert.match(node.host.err, /meshd: request \S+ failed: no \\x1b\[31mclock here\n$/)

  const silent = await replying(t, { exec: 'exit 7', count: 1, json: true })
  await assert.rejects(ask(silent), { message: 'the command failed: it ended with 7' })
  assert.equal(await silent.ended, 0)
  assert.match(
    silent.host.out,
    /\{"event":"replied","id":"\S+","from":"\S+","error":"the command failed: it ended with 7"\}/,
  )

  const killed = await replying(t, { exec: 'kill -KILL $$', count: 1 })
  await assert.rejects(ask(killed), { message: 'the command failed: it was ended by SIGKILL' })
  const long = await replying(t, { exec: `head -c 9000 /dev/zero | tr '\\0' x >&2; exit 1`, count: 1 })
  await assert.rejects(ask(long), { message: /^x{500}… \(3596 more\)$/ })
})

test('an answer has 1 MiB at most, and a command that prints without end is not waited for', async (t) => {
  const most = await replying(t, { exec: 'head -c 1048576 /dev/zero', count: 1 })
  assert.equal((await ask(most)).length, 1_048_576)
  const endless = await replying(t, { exec: 'exec yes 2> /dev/null', count: 1 })
  await assert.rejects(ask(endless), { message: 'the command failed: its answer is longer than 1048576 bytes' })
  assert.equal(await endless.ended, 0)
})

test('so many commands run at once, others wait, and a signal waits for those that run', async (t) => {
  const api = await startApi(t)
  const [log, go] = [join(api.folder, 'log'), join(api.folder, 'go')]
  const host = new FakeHost()
  const exec = `echo begun >> '${log}'; while [ ! -e '${go}' ]; do sleep 0.02; done; cat`
  const { ended } = startCommand(api, 'reply', ['a/b'], { exec, execParallel: 2 }, host)
  await host.until(() => api.mesh.repliers.has('a/b'))
  const answers = ['1', '2', '3'].map((text) =>
    ask({ api }, text).then(
      (answer) => answer.toString(),
      (error: Error) => error.message,
    ),
  )
  const begun = (): number => {
    try {
      return readFileSync(log, 'utf8').split('\n').length - 1
    } catch {
      return 0
    }
  }
  for (let i = 0; begun() < 2; i++) {
    assert.ok(i < 1_000, 'it did not begin')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  host.signals.emit('SIGTERM')
  const { writeFileSync } = await import('node:fs')
  writeFileSync(go, '')
  assert.deepEqual(await Promise.all(answers), ['1', '2', 'the program that answers has left'])
  assert.equal(await ended, 0)
  assert.equal(begun(), 2)
})

test('a fixed text answers everything, and with --json it tells what it does', async (t) => {
  const node = await replying(t, { text: 'säme', count: 2, json: true })
  assert.equal((await ask(node)).toString(), 'säme')
  assert.equal((await ask(node, 'x')).toString(), 'säme')
  assert.equal(await node.ended, 0)
  const events = node.host.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    events.map(({ event, topic, from }) => [event, topic ?? from]),
    [
      ['replying', 'a/b'],
      ['replied', ALICE],
      ['replied', ALICE],
    ],
  )
})

test('a program answers by lines, in any order, and the end of its output is the end', async (t) => {
  const node = await replying(t, { json: true })
  const { host } = node
  const answers = [ask(node, 'one'), ask(node, Uint8Array.of(0xff)), ask(node, 'three')]
  const told = (): Record<string, string>[] =>
    host.out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  await host.until(() => told().length === 4)
  const [first, one, two, three] = told()
  assert.deepEqual(first, { event: 'replying', topic: 'a/b' })
  assert.deepEqual(
    [one!.event, one!.topic, one!.from, one!.data, two!.data64],
    ['request', 'a/b', ALICE, 'one', '/w=='],
  )
  const say = (line: object | string): void =>
    void host.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
  const refused = assert.rejects(answers[2]!, { message: 'no' })
  say({ id: three!.id, error: 'no' })
  say({ id: two!.id, data64: '/w==' })
  say({ id: one!.id, data: '1' })
  await refused
  assert.deepEqual([(await answers[0])?.toString(), [...(await answers[1])!]], ['1', [0xff]])
  say({ id: one!.id, data: 'again' })
  say('no json')
  say('[]')
  say({ id: one!.id, dada: '1' })
  await host.until(() => told().length === 8)
  assert.deepEqual(
    told()
      .slice(4)
      .map(({ event, code }) => [event, code]),
    [
      ['warning', 'unknown-request'],
      ['warning', 'bad-reply'],
      ['warning', 'bad-reply'],
      ['warning', 'bad-argument'],
    ],
  )
  const last = assert.rejects(ask(node, 'late'), { message: 'the program that answers has left' })
  await host.until(() => told().length === 9)
  host.stdin.end()
  await last
  assert.equal(await node.ended, 1)
})

test('a program that has answered as many as were wanted is done', async (t) => {
  const node = await replying(t, { json: true, count: 1 })
  const answer = ask(node, 'x')
  await node.host.until(() => node.host.out.includes('"request"'))
  const { id } = JSON.parse(node.host.out.split('\n')[1]!)
  node.host.stdin.write(`${JSON.stringify({ id, data: 'y' })}\n`)
  assert.equal((await answer).toString(), 'y')
  assert.equal(await node.ended, 0)
})

test('a node that stops ends it, and so does --timeout, with 4 when fewer were asked than were wanted', async (t) => {
  const stopped = await replying(t, { text: 'x' })
  await stopped.api.api.close()
  await assert.rejects(stopped.ended, { code: 'not-running', message: /the node has stopped/ })
  const none = await replying(t, { text: 'x', timeoutMs: 200 })
  assert.equal(await none.ended, 0)
  const few = await replying(t, { text: 'x', timeoutMs: 300, count: 2 })
  await ask(few)
  await assert.rejects(few.ended, { code: 'timed-out', message: /^1 of 2 requests came/ })
})

test('what cannot be asked for is wrong usage, and a topic that is taken is said to be', async (t) => {
  const node = await replying(t, { text: 'x' })
  const refused = (changes: Partial<ClientSettings>): Promise<number> =>
    startCommand(node.api, 'reply', ['a/b'], changes).ended
  await assert.rejects(refused({}), { code: 'usage', message: /needs --exec COMMAND, --text TEXT, or --json/ })
  await assert.rejects(refused({ exec: 'x', text: 'y' }), { code: 'usage', message: /exclude each other/ })
  await assert.rejects(refused({ text: 'x' }), { code: 'already-registered' })
  const badTopic = startCommand(node.api, 'reply', ['a/#'], { text: 'x' }).ended
  await assert.rejects(badTopic, { code: 'usage', message: /^TOPIC is "a\/#"; a topic is / })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../../lib/errors.ts'
import { startApi } from '../api/fake-api.ts'
import { FakeHost } from '../fake-node.ts'
import { runCommand, startCommand } from './run-command.ts'

test('one message is published as it stands, and nothing is printed', async (t) => {
  const api = await startApi(t)
  const done = await runCommand(api, 'pub', ['t', 'tëxt\u0000'], { retain: true, ttlS: 60 })
  assert.deepEqual(done, { code: 0, out: '', err: '' })
  assert.deepEqual(api.mesh.publishedTexts(), ['tëxt\u0000'])
  assert.deepEqual(api.mesh.published[0]!.options, { retain: true, timeToLiveS: 60 })
  const json = await runCommand(api, 'pub', ['t', ''], { json: true, confirm: 1 })
  assert.deepEqual(JSON.parse(json.out).confirmed.length, 1)
})

test('a message that nobody is there to hear is published all the same, with a word', async (t) => {
  const api = await startApi(t)
  api.mesh.outcomes = []
  const { code, err } = await runCommand(api, 'pub', ['t', 'x'])
  assert.equal(code, 0)
  assert.match(err, /^meshd: no neighbour is connected/)
})

test('a message that is not confirmed in time is exit code 4', async (t) => {
  const api = await startApi(t)
  api.mesh.confirm = () => Promise.reject(new MeshError('timed-out', 'not confirmed'))
  await assert.rejects(runCommand(api, 'pub', ['t', 'x'], { confirm: 2, timeoutMs: 5 }), { code: 'timed-out' })
})

test('each line of standard input is a message, and the sum is told at the end', async (t) => {
  const api = await startApi(t)
  const done = await runCommand(api, 'pub', ['t'], {}, 'one\r\n\ntwo \u2028\n{"publish":1}\nlast')
  assert.deepEqual(api.mesh.publishedTexts(), ['one', '', 'two \u2028', '{"publish":1}', 'last'])
  assert.deepEqual(done, { code: 0, out: '', err: 'meshd: 5 messages published; 5 confirmed by a neighbour\n' })
  const bytes = await runCommand(api, 'pub', ['t'], { json: true, confirm: 0 }, Uint8Array.of(0xff, 0x00, 0x0a))
  assert.deepEqual([...Buffer.from(api.mesh.published.at(-1)!.data as Uint8Array)], [0xff, 0x00])
  assert.deepEqual(JSON.parse(bytes.out), { published: 1, failed: 0 })
})

test('many lines cost few writes and arrive in order', async (t) => {
  const api = await startApi(t)
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`)
  const { code } = await runCommand(api, 'pub', ['t'], {}, lines.join('\n'))
  assert.equal(code, 0)
  assert.deepEqual(api.mesh.publishedTexts(), lines)
})

test('standard input that cannot be read any more is told as that, behind what was published', async (t) => {
  const api = await startApi(t)
  const host = new FakeHost()
  const { ended } = startCommand(api, 'pub', ['t'], {}, host)
  host.stdin.write('one\ntwo\nhalf a line')
  await host.until(() => api.mesh.published.length === 2)
  host.stdin.destroy(Object.assign(new Error('read EIO'), { code: 'EIO' }))
  await assert.rejects(ended, {
    code: 'input-failed',
    message: 'standard input failed: read EIO; nothing more was read',
  })
  assert.deepEqual(api.mesh.publishedTexts(), ['one', 'two'])
  assert.equal(host.err, 'meshd: 2 messages published; 2 confirmed by a neighbour\n')
})

test('lines that were not published are told with their number, and the rest is', async (t) => {
  const api = await startApi(t)
  const publish = api.mesh.publish.bind(api.mesh)
  api.mesh.publish = (topic, data, options) =>
    data === 'bad'
      ? Promise.reject(new MeshError('identity-in-use', 'it does not fit\u001b[2J'))
      : publish(topic, data, options)
  const input = ['one', 'x'.repeat(1_048_577), 'bad', 'x'.repeat(1_048_577), 'two', 'bad', ''].join('\n')
  const { code, err } = await runCommand(api, 'pub', ['t'], {}, input)
  assert.equal(code, 1)
  assert.deepEqual(api.mesh.publishedTexts(), ['one', 'two'])
  assert.match(err, /line 2 was not published: it is longer than 1048576 bytes/)
  assert.match(err, /line 3 was not published: it does not fit\\x1b\[2J/)
  assert.match(err, /line 4 was/)
  assert.match(err, /line 6 was not published: it does not fit/)
  assert.match(err, /2 messages published, 4 were not; 2 confirmed by a neighbour\n$/)
  const json = await runCommand(api, 'pub', ['t'], { json: true, confirm: 0 }, input)
  const lines = json.out.split('\n').filter((line) => line !== '')
  const told = lines.map((line) => JSON.parse(line) as { line?: number; error?: { code: string } })
  const codes = told.flatMap(({ line, error }) => (error === undefined ? [] : [[line, error.code]]))
  assert.deepEqual(
    codes.toSorted(([a], [b]) => Number(a) - Number(b)),
    [
      [2, 'too-large'],
      [3, 'identity-in-use'],
      [4, 'too-large'],
      [6, 'identity-in-use'],
    ],
  )
  assert.deepEqual(told.at(-1), { published: 2, failed: 4 })
})

test('lines that nobody confirmed in time are exit code 4', async (t) => {
  const api = await startApi(t)
  api.mesh.confirm = async (number) => {
    if (number > 0) throw new MeshError('timed-out', 'not confirmed')
    return ['x']
  }
  const { code, err } = await runCommand(api, 'pub', ['t'], { timeoutMs: 5 }, 'a\nb\n')
  assert.equal(code, 4)
  assert.match(err, /2 messages published; 1 confirmed by a neighbour/)
})

test('input that comes slowly is published as it comes', async (t) => {
  const api = await startApi(t)
  const host = new FakeHost()
  const { ended } = startCommand(api, 'pub', ['t'], {}, host)
  host.stdin.write('first\nsec')
  await host.until(() => api.mesh.published.length === 1)
  host.stdin.write('ond\n')
  await host.until(() => api.mesh.published.length === 2)
  host.stdin.end()
  assert.equal(await ended, 0)
  assert.deepEqual(api.mesh.publishedTexts(), ['first', 'second'])
})

test('a node that goes away while lines are sent is told as that', async (t) => {
  const api = await startApi(t)
  const host = new FakeHost()
  const { ended } = startCommand(api, 'pub', ['t'], {}, host)
  host.stdin.write('first\n')
  await host.until(() => api.mesh.published.length === 1)
  await api.api.close()
  await assert.rejects(ended, { code: 'not-running' })
})

test('a topic that cannot be is wrong usage, before anything is sent', async (t) => {
  const api = await startApi(t)
  await assert.rejects(runCommand(api, 'pub', ['a/+', 'x']), { code: 'usage', message: /TOPIC is "a\/\+"; / })
  assert.equal(api.mesh.published.length, 0)
})

// The commands that talk to a running node, as a user starts them: real processes. Few, since each start costs half a second.

import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MESHD } from '../../tools/program-path.ts'
import { folder, LOCAL, meshd, Program } from '../program.ts'

async function run(
  context: TestContext,
  args: readonly string[],
  input = '',
): Promise<[number | null, string, string]> {
  const program = meshd(context, args)
  program.child.stdin.end(input)
  const code = await program.exit
  return [code, program.out, program.err]
}

async function addressOf(node: Program): Promise<string> {
  const [, address] = await node.sees(/"listening","id":"\w+","addresses":\["([^"]+)"\]/)
  return address!
}

test('what is published at one node is printed at another, a kill is noticed, and a restart replaces the socket', async (t) => {
  const dir = folder(t)
  const [here, there] = [join(dir, 'here'), join(dir, 'there')]
  const start = (dataDir: string, name: string, ...more: string[]): Program =>
    meshd(t, ['--json', ...LOCAL, '--data-dir', dataDir, '--name', name, ...more])
  const first = start(here, 'here')
  const seed = await addressOf(first)
  const second = start(there, 'there', '--seed', seed)
  await second.sees(/"neighbour-up"/)
  assert.equal(statSync(join(there, 'api.sock')).mode & 0o777, 0o600)

  const reader = meshd(t, ['sub', 'a/#', '--json', '--durable', 'reader', '--data-dir', there])
  await reader.sees(/"subscribed"/)
  const runner = meshd(t, [
    'sub',
    'a/#',
    '--exec',
    'printf "%s=" "$MESHD_TOPIC"; cat; echo',
    '--json',
    '--data-dir',
    there,
  ])
  await runner.sees(/"subscribed"/)
  assert.deepEqual(await run(t, ['pub', 'a/one', 'hello', '--confirm', '1', '--data-dir', here]), [0, '', ''])
  const [code, , told] = await run(t, ['pub', 'a/two', '--data-dir', here], 'x\ny\n')
  assert.deepEqual([code, told], [0, 'meshd: 2 messages published; 2 confirmed by a neighbour\n'])
  await reader.sees(/"data":"hello"[\s\S]*"data":"x"[\s\S]*"data":"y"/)
  await runner.sees(/\na\/one=hello\na\/two=x\na\/two=y\n/)
  assert.equal(await runner.stop(), 0)

  // The printed messages have been acknowledged, so they do not come again.
  reader.child.kill('SIGINT')
  assert.equal(await reader.exit, 0)
  const waiting = meshd(t, ['sub', 'a/#', '--data-dir', there])
  const [, out] = await run(t, ['status', '--json', '--data-dir', there])
  assert.equal(JSON.parse(out).name, 'there')
  second.child.kill('SIGKILL')
  assert.equal(await waiting.exit, 3)
  assert.match(waiting.err, /^meshd: (no node is running|the node went away)/)
  assert.ok(existsSync(join(there, 'api.sock')))
  assert.equal((await run(t, ['status', '--data-dir', there]))[0], 3)

  assert.equal((await run(t, ['pub', 'a/three', 'meanwhile', '--data-dir', here]))[0], 0)
  const again = start(there, 'there', '--seed', seed)
  await again.sees(/"neighbour-up"/)
  const [readerCode, printed] = await run(t, ['sub', 'a/#', '--durable', 'reader', '--count', '1', '--data-dir', there])
  assert.deepEqual([readerCode, printed], [0, 'meanwhile\n'])
  assert.equal(await again.stop(), 0)
  assert.equal(existsSync(join(there, 'api.sock')), false)
  assert.equal(await first.stop(), 0)
})

test('a question is answered by a command, and a command inside it talks to the same node', async (t) => {
  const dir = folder(t)
  const [here, there] = [join(dir, 'here'), join(dir, 'there')]
  const start = (dataDir: string, name: string, ...more: string[]): Program =>
    meshd(t, ['--json', ...LOCAL, '--data-dir', dataDir, '--name', name, ...more])
  const first = start(here, 'here')
  const second = start(there, 'there', '--seed', await addressOf(first))
  await Promise.all([first.sees(/"node-up".*"there"/), second.sees(/"node-up".*"here"/)])
  const reader = meshd(t, ['sub', 'asked', '--json', '--data-dir', here])
  await reader.sees(/"subscribed"/)
  const exec = `read -r line; '${process.execPath}' '${MESHD}' pub asked "$line" && test "$line" != bad && echo "<$line>"`
  const replier = meshd(t, ['reply', 'echo', '--exec', exec, '--json', '--data-dir', there])
  await replier.sees(/"replying"/)
  assert.deepEqual(await run(t, ['request', 'there', 'echo', 'hello', '--data-dir', here]), [0, '<hello>\n', ''])
  await reader.sees(/"data":"hello"/)
  const [code, out, err] = await run(t, ['request', 'there', 'echo', 'bad', '--data-dir', here])
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /the command failed: it ended with 1/)
  assert.equal(await replier.stop(), 0)
  const [nobody, , why] = await run(t, ['request', 'there', 'echo', 'x', '--data-dir', here])
  assert.equal(nobody, 1)
  assert.match(why, /nothing there takes|no handler|nobody/i)
})

test('without a node every command says how to start one, with exit code 3', async (t) => {
  const dataDir = folder(t)
  const results = await Promise.all([
    run(t, ['peers', '--data-dir', dataDir]),
    run(t, ['pub', 'a', '--json', '--data-dir', dataDir], 'x\n'),
  ])
  assert.deepEqual(
    results.map(([code]) => code),
    [3, 3],
  )
  assert.match(results[0]![2], /^meshd: no node is running at .*api\.sock; start one with `meshd run`/)
  assert.equal(JSON.parse(results[1]![2]).error.code, 'not-running')
})

test('a node that keeps nothing is found by the socket that both were told', async (t) => {
  const path = join(folder(t), 'x.sock')
  const node = meshd(t, ['--json', ...LOCAL, '--ephemeral', '--api', path])
  await addressOf(node)
  const [code, out] = await run(t, ['status', '--json', '--api', path])
  assert.deepEqual([code, JSON.parse(out).dataDir], [0, null])
  const second = meshd(t, ['--json', ...LOCAL, '--ephemeral', '--api', path])
  assert.equal(await second.exit, 1)
  assert.match(second.err, /"local-api","text":"a node answers at/)
  assert.equal(await node.stop(), 0)
})

test('what cannot be told on standard error ends nothing', {
  skip: !existsSync('/dev/full') && 'no /dev/full',
}, async (t) => {
  const dir = folder(t)
  const node = meshd(t, ['--json', ...LOCAL, '--data-dir', join(dir, 'node'), '--name', 'node'])
  const other = meshd(t, ['--json', ...LOCAL, '--data-dir', join(dir, 'other'), '--seed', await addressOf(node)])
  await other.sees(/"node-up".*"name":"node"/)
  const args = ['reply', 'q', '--json', '--exec', 'echo no >&2; exit 3', '--data-dir', join(dir, 'node')]
  const shell = ['-c', 'exec "$0" "$@" 2>/dev/full', process.execPath, MESHD, ...args]
  const replying = new Program(t, '/bin/sh', shell)
  await replying.sees(/"replying"/)
  for (let i = 0; i < 2; i++) {
    const [code, , err] = await run(t, ['request', 'node', 'q', 'x', '--data-dir', join(dir, 'other')])
    assert.deepEqual([code, err], [1, 'meshd: no\n'])
  }
  assert.equal(await replying.stop(), 0)
  for (const one of [other, node]) assert.equal(await one.stop(), 0)
})

// The program as a user starts it: real processes over loopback. Few, since each start costs half a second.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FROM_SOURCES, MESHD } from '../tools/program-path.ts'
import { DEADLINE_MS, folder, LOCAL, meshd, Program } from './program.ts'

test('a program and two pipes talk over a private network, and each leaves in order', async (t) => {
  const dir = folder(t)
  const keyFile = join(dir, 'network.key')
  const key = 'c0ffee00'.repeat(8)
  writeFileSync(keyFile, key)
  chmodSync(keyFile, 0o600)
  const dataDir = join(dir, 'data')
  const program = meshd(t, ['--json', ...LOCAL, '--network-key', keyFile, '--data-dir', dataDir, '--subscribe', 'x/#'])
  const [, peer, address] = await program.sees(/"listening","id":"(\w+)","addresses":\["([^"]+)"\]/)
  assert.equal(address?.endsWith(`/p2p/${peer}`), true)

  const seeded = [...LOCAL, '--ephemeral', '--seed', address!, '--network-key', '-']
  const first = meshd(t, [...seeded, '--name', 'first'])
  const second = meshd(t, seeded, { MESHD_NAME: 'second', MESHD_LOG_LEVEL: 'debug' })
  first.child.stdin.write(`${key}\n`)
  second.child.stdin.write(`${key}\n`)
  await first.sees(/connected: .* at 127/, 'err')
  await second.sees(/connected: .* at 127/, 'err')
  await program.sees(/(neighbour-up[\s\S]*){2}/)

  first.child.stdin.write('hello\nsecond line\n')
  await second.sees(/^hello\nsecond line\n$/)
  await program.sees(/"data":"second line"/)
  program.child.stdin.write(
    '{"publish":{"topic":"chat","data64":"AP8K"}}\n{"publish":{"topic":"x/y","data":"elsewhere"}}\nplain\n',
  )
  await first.sees(/plain\n$/)
  assert.equal(first.out, `${Buffer.from([0x00, 0xff, 0x0a]).toString()}\nplain\n`)
  await second.sees(/plain\n$/)

  first.child.stdin.end('last, without newline')
  await second.sees(/last, without newline\n$/)
  assert.equal(await first.stop(), 0)
  await program.sees(/"neighbour-down"/)
  assert.equal(await second.stop(), 0)
  assert.equal(await program.stop(), 0)
  assert.match(program.out, /\{"event":"stopped"\}\n$/)
  assert.equal(program.err, '')

  const { stdout, status } = spawnSync(process.execPath, [
    MESHD,
    'id',
    '--json',
    '--data-dir',
    dataDir,
    '--listen',
    '127.0.0.1:6374',
  ])
  assert.equal(status, 0)
  const shown = JSON.parse(stdout.toString())
  assert.equal(shown.id, peer)
  assert.deepEqual(shown.addresses, [`/ip4/127.0.0.1/tcp/6374/p2p/${peer}`])
})

test('thousands of lines arrive, all of them and in order', async (t) => {
  const receiver = meshd(t, [...LOCAL, '--ephemeral'])
  const [, address] = await receiver.sees(/listening on (\S+)/, 'err')
  const sender = meshd(t, [...LOCAL, '--ephemeral', '--seed', address!])
  await sender.sees(/connected: /, 'err')
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join('')
  sender.child.stdin.write(lines)
  await receiver.sees(/line 49999\n$/)
  assert.equal(receiver.out, lines)
  receiver.child.kill('SIGINT')
  assert.equal(await receiver.exit, 0)
  assert.equal(await sender.stop(), 0)
})

test('input is confirmed before the program leaves, and a durable reader misses none of it over kill -9', async (t) => {
  const dir = folder(t)
  const keeper = meshd(t, [...LOCAL, '--data-dir', join(dir, 'keeper')])
  const [, address] = await keeper.sees(/listening on (\S+)/, 'err')
  const seeded = [...LOCAL, '--seed', address!, '--quiet']
  const durable = ['--data-dir', join(dir, 'reader'), '--durable', 'reader', '--since', 'stored']
  const say = async (from: number, to: number): Promise<void> => {
    const sender = meshd(t, [...seeded, '--ephemeral', '--exit-after-input'])
    sender.child.stdin.end(Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join(''))
    assert.equal(await sender.exit, 0)
    assert.equal(sender.err, '')
  }
  await say(0, 5_000)
  const first = meshd(t, [...seeded, ...durable])
  await first.sees(/line 1000\n/)
  first.child.kill('SIGKILL')
  await first.exit
  await say(5_000, 6_000)
  const second = meshd(t, [...seeded, ...durable])
  await second.sees(/line 5999\n/)
  assert.equal(await second.stop(), 0)
  const third = meshd(t, [...seeded, ...durable])
  await say(6_000, 6_001)
  await third.sees(/line 6000\n/)
  assert.equal(third.out, 'line 6000\n')
  assert.equal(await third.stop(), 0)
  const lines = new Set((first.out + second.out).split('\n'))
  for (let i = 0; i < 6_000; i++) assert.ok(lines.has(`line ${i}`), `line ${i} is missing`)
  assert.equal(await keeper.stop(), 0)
})

test('a reader that leaves ends the node with 0', async (t) => {
  const program = meshd(t, ['--json', ...LOCAL, '--ephemeral'])
  await program.sees(/"listening"/)
  program.child.stdout.destroy()
  program.child.stdin.write('{"publish":1}\n')
  assert.equal(await program.exit, 0)
  assert.equal(program.err, '')
})

test('what cannot be printed is a failure', { skip: !existsSync('/dev/full') && 'no /dev/full' }, () => {
  const full = openSync('/dev/full', 'w')
  const tell = (...args: string[]): [number | null, string] => {
    const { status, stderr } = spawnSync(process.execPath, [MESHD, ...args], { stdio: ['ignore', full, 'pipe'] })
    return [status, stderr.toString()]
  }
  const [code, text] = tell('--version')
  assert.equal(code, 1)
  assert.match(text, /^meshd: standard output failed: ENOSPC/)
  const [jsonCode, json] = tell('--help', '--json')
  assert.deepEqual([jsonCode, JSON.parse(json).error.code], [1, 'ENOSPC'])
  closeSync(full)
})

test('a folder as standard input is no empty input', { skip: process.platform === 'win32' && 'POSIX only' }, () => {
  const input = openSync('/', 'r')
  const args = [MESHD, ...LOCAL, '--ephemeral', '--exit-after-input']
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: [input, 'pipe', 'pipe'] })
  closeSync(input)
  assert.equal(status, 1)
  assert.match(stderr.toString(), /standard input failed: EISDIR/)
})

test('a checkout that was not built runs from its sources', async (t) => {
  const program = new Program(t, process.execPath, [FROM_SOURCES, '--json', ...LOCAL, '--ephemeral'])
  await program.sees(/"listening"/)
  assert.equal(await program.stop(), 0)
  assert.equal(program.err, '')
})

test('wrong usage and failures have their exit codes and one line that says what is right', (t) => {
  const run = (...args: string[]): { status: number | null; err: string } => {
    const { status, stderr } = spawnSync(process.execPath, [MESHD, ...args], { input: '', timeout: DEADLINE_MS })
    return { status, err: stderr.toString() }
  }
  const usage = run('--json', '--tpoic', 'x')
  assert.equal(usage.status, 2)
  assert.deepEqual(JSON.parse(usage.err), {
    error: { code: 'usage', text: 'unknown flag --tpoic; did you mean --topic?' },
  })
  const missing = run('id', '--data-dir', join(folder(t), 'none'))
  assert.equal(missing.status, 1)
  assert.match(missing.err, /^meshd: there is no identity in .*; run `meshd` once to make one\n$/)
})

const NO_SCRIPT = !existsSync('/usr/bin/script') && 'no `script` to make a terminal with'

test('in a terminal it is a chat', { skip: NO_SCRIPT }, async (t) => {
  const other = meshd(t, [...LOCAL, '--ephemeral', '--name', 'other'])
  const [, address] = await other.sees(/listening on (\S+)/, 'err')
  const command = `'${process.execPath}' '${MESHD}' ${LOCAL.join(' ')} --ephemeral --name me --seed ${address}`
  const chat = new Program(t, '/usr/bin/script', ['-qec', command, '/dev/null'], { TERM: 'xterm' })
  await chat.sees(/\* connected: other /)
  chat.child.stdin.write('hello from the chat\r')
  await other.sees(/^hello from the chat\n$/)
  other.child.stdin.write('answer \x1b[31m\n')
  await chat.sees(/<other> answer \\x1b\[31m/)
  chat.child.stdin.write('/quit\r')
  assert.equal(await chat.exit, 0)
  assert.equal(await other.stop(), 0)
})

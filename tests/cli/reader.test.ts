// A reader of standard output that leaves while nothing is written, with real pipes: those that Node makes for a child are
// sockets.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { watchReader } from '../../cli/reader.ts'
import { MESHD } from '../tools/program-path.ts'
import { folder, LOCAL, meshd, Program } from './program.ts'

const IS_LINUX = process.platform === 'linux'

/** Runs the program into a pipe, and what its reader does and its exit code are printed. One that hangs is killed: 137. */
function into(t: TestContext, reader: string, args: readonly string[]): Program {
  const script = `{ timeout -s KILL 15 "$0" "$@"; echo "code $?" >&2; } | ${reader}`
  return new Program(t, '/bin/sh', ['-c', script, process.execPath, MESHD, ...args])
}

async function codeOf(program: Program): Promise<number> {
  const [, code] = await program.sees(/code (\d+)/, 'err')
  return Number(code)
}

test('a reader that leaves is noticed without a line to write', { skip: !IS_LINUX }, async (t) => {
  const dataDir = join(folder(t), 'data')
  const node = meshd(t, ['--json', ...LOCAL, '--data-dir', dataDir])
  await node.sees(/"listening"/)
  const here = ['--data-dir', dataDir]
  const programs = [
    into(t, 'head -1', ['run', '--json', ...LOCAL, '--ephemeral']),
    into(t, 'head -1', ['sub', 'quiet', '--json', ...here]),
    into(t, 'head -1', ['reply', 'quiet', '--json', '--text', 'x', ...here]),
    into(t, 'true', ['pipe', '--listen', '/quiet', ...here]),
  ]
  assert.deepEqual(await Promise.all(programs.map(codeOf)), [0, 0, 0, 1])
  assert.match(programs[0]!.out, /^\{"event":"listening".*\n$/)
  assert.equal(programs[1]!.out, '{"event":"subscribed","pattern":"quiet"}\n')
  assert.equal(await node.stop(), 0)
})

test('a reader that stays, however quiet it is, is not taken for gone', { skip: !IS_LINUX }, async (t) => {
  const dataDir = join(folder(t), 'data')
  const node = meshd(t, ['--json', ...LOCAL, '--data-dir', dataDir])
  await node.sees(/"listening"/)
  const patient = into(t, '{ sleep 3; cat; }', ['sub', 'x', '--count', '1', '--timeout', '1s', '--data-dir', dataDir])
  assert.equal(await codeOf(patient), 4)
  assert.equal(await node.stop(), 0)
})

test('what is no pipe is left alone', () => {
  const errors: Error[] = []
  for (const descriptor of [undefined, 0, 9_999]) {
    const stream = Object.assign(new PassThrough(), { fd: descriptor })
    stream.on('error', (error) => errors.push(error))
    watchReader(stream)()
  }
  assert.deepEqual(errors, [])
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LineInput } from '../../cli/input.ts'
import { readNetworkKeyFile, readNetworkKeyLine } from '../../cli/network-key.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { MeshError } from '../../lib/errors.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
const HEX = Buffer.from(KEY).toString('hex')
const NO_MODES = process.platform === 'win32' && 'this platform has no permission bits'

async function withFile(
  content: string | Uint8Array,
  mode: number,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-key-'))
  const path = join(folder, 'network.key')
  writeFileSync(path, content)
  chmodSync(path, mode)
  try {
    await use(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a network key file may be bytes, hex or base64', async () => {
  for (const content of [KEY, `${HEX}\n`, Buffer.from(KEY).toString('base64')]) {
    await withFile(content, 0o600, async (path) => {
      assert.deepEqual([...(await readNetworkKeyFile(path, 'linux'))], [...KEY])
    })
  }
})

test('a network key that others could read is refused with the command that mends it', { skip: NO_MODES }, async () => {
  for (const mode of [0o640, 0o604, 0o620]) {
    await withFile(HEX, mode, async (path) => {
      await assert.rejects(readNetworkKeyFile(path, 'linux'), (error: Error & { code: string }) => {
        assert.equal(error.code, 'key-file')
        assert.match(error.message, new RegExp(`mode ${mode.toString(8)}.*chmod 600 ${path}`))
        assert.doesNotMatch(error.message, new RegExp(HEX))
        return true
      })
    })
  }
  await withFile(HEX, 0o644, async (path) => {
    assert.equal((await readNetworkKeyFile(path, 'win32')).length, 32)
  })
})

test('a network key may come from a pipe that the shell names as a file', { skip: NO_MODES }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-key-'))
  const path = join(folder, 'pipe')
  try {
    execFileSync('mkfifo', ['-m', '644', path])
    const reading = readNetworkKeyFile(path, 'linux')
    writeFileSync(path, HEX)
    assert.deepEqual([...(await reading)], [...KEY])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what is no network key is refused', async () => {
  await assert.rejects(readNetworkKeyFile('/nowhere/key', 'linux'), /there is no such file/)
  await assert.rejects(readNetworkKeyFile(tmpdir(), 'win32'), /is a folder/)
  await withFile('short', 0o600, (path) =>
    assert.rejects(readNetworkKeyFile(path, 'linux'), (error: MeshError) => {
      // The command makes a file that is taken then: one that others may read is refused.
      return error.code === 'bad-key' && error.message.startsWith(`${path}: `) && error.message.includes('(umask 077; ')
    }),
  )
  await withFile('x'.repeat(5_000), 0o600, (path) => assert.rejects(readNetworkKeyFile(path, 'linux'), /too long/))
})

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text)
}

test('the first line of standard input can be the key, and the rest stays', async () => {
  const input = new LineInput(chunks(`${HEX}\r\nhello\n`), 1_000)
  assert.deepEqual([...(await readNetworkKeyLine(input))], [...KEY])
  assert.equal((await input.batch())?.length, 1)
})

test('a first line that is missing or no key is refused', async () => {
  await assert.rejects(readNetworkKeyLine(new LineInput(chunks(), 1_000)), /no network key on standard input/)
  await assert.rejects(readNetworkKeyLine(new LineInput(chunks('x'.repeat(20)), 10)), { code: 'key-file' })
  await assert.rejects(readNetworkKeyLine(new LineInput(chunks('hello\n'), 1_000)), { code: 'bad-key' })
})

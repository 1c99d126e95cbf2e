import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { DiskOutput, standardInput, standardOutput } from '../../cli/standard-streams.ts'

type Kind = 'file' | 'disk' | 'folder' | 'other'

const kinds = (kind: Kind): Parameters<typeof standardInput>[0] => ({
  isFile: () => kind === 'file',
  isBlockDevice: () => kind === 'disk',
  isDirectory: () => kind === 'folder',
})

test('a write that a disk takes in parts leaves whole', async () => {
  const written: Uint8Array[] = []
  const output = new DiskOutput(1, (_fd, bytes) => {
    const part = bytes.slice(0, 3)
    written.push(part)
    return part.length
  })
  output.write('abcdefgh')
  output.end('ij')
  await once(output, 'finish')
  assert.equal(Buffer.concat(written).toString(), 'abcdefghij')
})

test('a disk that fills up in the middle of a write is an error, and not a shorter write', async () => {
  let room = 5
  const output = new DiskOutput(1, (_fd, bytes) => {
    if (room === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    const count = Math.min(room, bytes.length)
    room -= count
    return count
  })
  const failed = once(output, 'error')
  output.write('abcdefgh')
  assert.equal((await failed)[0].code, 'ENOSPC')
})

test('a disk and a folder are read as they are, and a disk is written to', () => {
  for (const kind of ['disk', 'folder'] as const) {
    const input = standardInput(kinds(kind))
    assert.notEqual(input, process.stdin)
    input.destroy()
  }
  for (const kind of ['disk', 'file'] as const) assert.ok(standardOutput(kinds(kind)) instanceof DiskOutput)
  assert.equal(standardInput(kinds('other')), process.stdin)
  assert.equal(standardOutput(kinds('other')), process.stdout)
  assert.equal(standardOutput(null), process.stdout)
})

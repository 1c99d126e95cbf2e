import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from '../api/fake-api.ts'
import { runCommand } from './run-command.ts'

test('a protocol name that cannot be is wrong usage, before the node is asked', async (t) => {
  const api = await startApi(t)
  const long = 'x'.repeat(65)
  const says = (what: string): object => ({
    code: 'usage',
    message: new RegExp(`^${what} is ".*"; a protocol name must be`),
  })
  for (const name of ['', long]) {
    await assert.rejects(runCommand(api, 'pipe', ['alice', name], { listen: null }), says('PROTOCOL'))
    await assert.rejects(runCommand(api, 'pipe', [], { listen: name }), says('--listen'))
  }
})

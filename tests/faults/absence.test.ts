// The absences of absence.ts at a size for every day; its opening comment has the command for the full ones. Times are told
// and not judged: how fast a machine is says nothing about the program.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipUnlessAll } from '../tools/all-tests.ts'
import { runOff, runStopped } from './absence.ts'

test('a node that was off comes back to everything that it missed, once', {
  timeout: 60_000,
  skip: skipUnlessAll(),
}, async (context) => {
  const result = await runOff(3_000)
  context.diagnostic(JSON.stringify(result))
  assert.deepEqual([result.lost, result.otherLost], [0, 0])
})

test('a node that stood still gets all that was said meanwhile', {
  timeout: 60_000,
  skip: skipUnlessAll(),
}, async (context) => {
  const result = await runStopped(4, 1_000)
  context.diagnostic(JSON.stringify(result))
  assert.deepEqual([result.lost, result.otherLost], [0, 0])
})

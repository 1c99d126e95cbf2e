// The storm of storm.ts at a size for every day; its opening comment has the command for the full one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipUnlessAll } from '../tools/all-tests.ts'
import { runStorm } from './storm.ts'

// How long it took is told and not judged: that depends on what else the machine does.
for (const areNodes of [false, true]) {
  const what = areNodes ? 'nodes' : 'links'
  test(`eighty ${what} that come in one instant all get in, and those that were there before miss nothing`, {
    skip: skipUnlessAll(),
    timeout: 60_000,
  }, async (context) => {
    const plan = { newcomers: 80, processes: 2, oldNeighbours: 4, areNodes, messages: 60, perSecond: 20 }
    const result = await runStorm(plan)
    context.diagnostic(JSON.stringify(result))
    assert.equal(result.connected, 80)
    assert.equal(result.neighbours, 84)
    assert.equal(result.lost, 0)
    assert.equal(result.twice, 0)
  })
}

// The chain of chain.ts at a size for every day; its opening comment has the command for the full one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithoutNamespaces } from '../netns/namespaces.ts'
import { skipUnlessAll } from '../tools/all-tests.ts'
import { runChain } from './chain.ts'

test('in a chain of six, kill -9 and pulled cables lose nothing and double nothing', {
  skip: skipWithoutNamespaces() || skipUnlessAll(),
  timeout: 110_000,
}, async (context) => {
  const seed = Math.floor(performance.timeOrigin) % 1_000_000
  const plan = { messages: 4_000, kills: 3, cuts: 1, seed, settleMsMax: 60_000 }
  const result = await runChain(plan, (text) => context.diagnostic(text))
  context.diagnostic(`seed ${seed}: ${JSON.stringify(result)}`)
  for (const [i, { lost }] of result.nodes.entries()) assert.equal(lost, 0, `node ${i}, seed ${seed}`)
  assert.equal(result.bad, 0)
})

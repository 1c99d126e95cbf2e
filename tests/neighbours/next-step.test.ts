import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { BAN_FIRST_MS } from '../../lib/neighbours/bans.ts'
import { NOT_ADMITTED_WAIT_MS, nextStep } from '../../lib/neighbours/next-step.ts'
import { Bench, identityOf } from './fixture.ts'

const table: [code: number | null, asked: object, candidate: object][] = [
  [null, { kind: 'retry' }, { kind: 'retry' }],
  [GoodbyeCode.shuttingDown, { kind: 'retry' }, { kind: 'retry' }],
  [GoodbyeCode.duplicate, { kind: 'retry' }, { kind: 'retry' }],
  [GoodbyeCode.tooMany, { kind: 'retry-later' }, { kind: 'retry-later' }],
  [GoodbyeCode.protocolError, { kind: 'retry-later' }, { kind: 'retry-later' }],
  [GoodbyeCode.notAdmitted, { kind: 'wait', waitMs: NOT_ADMITTED_WAIT_MS }, { kind: 'forget' }],
  [GoodbyeCode.misbehaviour, { kind: 'wait', waitMs: BAN_FIRST_MS }, { kind: 'wait', waitMs: BAN_FIRST_MS }],
  [GoodbyeCode.idle, { kind: 'retry-later' }, { kind: 'forget' }],
  [GoodbyeCode.self, { kind: 'ours' }, { kind: 'ours' }],
  [4_711, { kind: 'retry' }, { kind: 'retry' }],
]

for (const [code, asked, candidate] of table) {
  test(`after goodbye ${code} the next step is ${JSON.stringify(asked)}, for a candidate ${JSON.stringify(candidate)}`, () => {
    assert.deepEqual(nextStep(code, true), asked)
    assert.deepEqual(nextStep(code, false), candidate)
  })
}

test('a link that the other end dialled and did not need is dialled by us only where we asked for that peer', () => {
  assert.deepEqual(nextStep(GoodbyeCode.idle, true, 'in'), { kind: 'retry' })
  assert.deepEqual(nextStep(GoodbyeCode.idle, false, 'in'), { kind: 'retry-later' })
  for (const [code, asked, candidate] of table) {
    if (code === GoodbyeCode.idle) continue
    assert.deepEqual([nextStep(code, true, 'in'), nextStep(code, false, 'in')], [asked, candidate])
  }
})

test('every goodbye code has a row in this test', () => {
  const rows = table.map(([code]) => code)
  for (const code of Object.values(GoodbyeCode)) assert.ok(rows.includes(code))
})

for (const [code, fromMs, toMs] of [
  [GoodbyeCode.shuttingDown, 50, 500],
  [GoodbyeCode.duplicate, 50, 500],
  [GoodbyeCode.tooMany, 30_000, 60_000],
  [GoodbyeCode.protocolError, 30_000, 60_000],
  [GoodbyeCode.notAdmitted, 3_600_000, 3_600_000],
  [GoodbyeCode.misbehaviour, 600_000, 600_000],
  [GoodbyeCode.idle, 30_000, 60_000],
] as const) {
  test(`a seed that answers with goodbye ${code} is tried again after ${fromMs} to ${toMs} ms, dialled or open`, () => {
    for (const fraction of [() => 0, () => 0.999]) {
      const bench = Bench.started({ fraction })
      bench.want(1)
      bench.fail(1, code)
      bench.want(2)
      const link = bench.open(2, identityOf(2))
      bench.end(link, code)
      for (const { retryInMs } of [bench.failures[0]!, bench.downs[0]!]) {
        assert.ok(retryInMs! >= fromMs && retryInMs! <= toMs, `${retryInMs}`)
      }
    }
  })
}

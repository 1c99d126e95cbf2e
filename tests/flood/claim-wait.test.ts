import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClaimWait, LATE_MS_MAX, type News } from '../../lib/flood/claim-wait.ts'

const NOTHING: News = { newest: -1, cameMs: Number.NEGATIVE_INFINITY, slackMs: 0 }

function begun(lastNumber: number, isHistory = false): ClaimWait {
  const wait = new ClaimWait()
  wait.begin(lastNumber, 0, 100, isHistory)
  return wait
}

test('nothing is due before the wait is over, then all that had been claimed', () => {
  const wait = begun(9)
  assert.deepEqual(wait.due([0, 9], 9, NOTHING, 99), { spans: [], nextMs: 100, overdue: null })
  assert.deepEqual(wait.due([0, 9], 9, NOTHING, 100), {
    spans: [0, 9],
    nextMs: Number.POSITIVE_INFINITY,
    overdue: 'silence',
  })
})

test('while others keep coming, what was claimed later waits as long as the first did', () => {
  const wait = begun(9)
  const news: News = { newest: 30, cameMs: 95, slackMs: 0 }
  wait.again(19, 60, 100)
  assert.deepEqual(wait.due([5, 6, 15, 16], 19, news, 100), { spans: [5, 6], nextMs: 160, overdue: 'gap' })
  assert.deepEqual(wait.due([5, 6, 15, 16], 19, news, 159).spans, [5, 6])
  assert.deepEqual(wait.due([5, 6, 15, 16], 19, news, 160).spans, [5, 6, 15, 16])
})

test('a claim that is told every moment still comes due', () => {
  const wait = begun(0)
  const news = (nowMs: number): News => ({ newest: 1_000, cameMs: nowMs, slackMs: 0 })
  const due: number[] = []
  for (let nowMs = 10; nowMs <= 1_000; nowMs += 10) {
    wait.again(nowMs, nowMs, 100)
    due.push(wait.due([0, nowMs], nowMs, news(nowMs), nowMs).spans[1] ?? -1)
  }
  for (const [i, last] of due.entries()) {
    const nowMs = (i + 1) * 10
    assert.ok(last === -1 || last <= nowMs - 100, `at ${nowMs}, ${last} was asked for too soon`)
    assert.ok(last >= nowMs - 210, `at ${nowMs}, only ${last} was asked for`)
  }
})

test('above the newest number nothing is due while bundles keep coming, and all of it once they do not', () => {
  const wait = begun(9)
  const news: News = { newest: 4, cameMs: 60, slackMs: 0 }
  const due = wait.due([2, 2, 5, 9], 9, news, 100)
  assert.deepEqual(due, { spans: [2, 2], nextMs: 160, overdue: 'gap' })
  wait.again(12, 150, 100)
  assert.deepEqual(wait.due([2, 2, 5, 12], 12, news, 160).spans, [2, 2, 5, 12], 'what was claimed a moment ago, too')
})

test('what is late for two seconds is due all the same, and is no reason to change the way', () => {
  const wait = begun(9)
  let nowMs = 100
  const lag = (): News => ({ newest: 4, cameMs: nowMs - 1, slackMs: 0 })
  assert.deepEqual(wait.due([5, 9], 9, lag(), nowMs).spans, [])
  wait.again(20, nowMs, 100)
  nowMs += LATE_MS_MAX - 1
  assert.deepEqual(wait.due([5, 20], 20, lag(), nowMs).spans, [])
  nowMs += 1
  const { spans, overdue } = wait.due([5, 20], 20, lag(), nowMs)
  assert.deepEqual([spans, overdue], [[5, 9], null])
})

test('what comes late but comes begins a new wait', () => {
  const wait = begun(9)
  assert.deepEqual(wait.due([5, 9], 9, { newest: 4, cameMs: 99, slackMs: 0 }, 100).spans, [])
  wait.again(20, 1_000, 100)
  const nowMs = 100 + LATE_MS_MAX
  assert.deepEqual(wait.due([12, 20], 20, { newest: 11, cameMs: nowMs - 1, slackMs: 0 }, nowMs).spans, [])
})

test('the answer to digests is history: it is asked for, and no reason to change the way', () => {
  const wait = begun(9, true)
  assert.deepEqual(wait.due([0, 9], 9, { newest: 20, cameMs: 0, slackMs: 0 }, 100), {
    spans: [0, 9],
    nextMs: Number.POSITIVE_INFINITY,
    overdue: null,
  })
  assert.equal(wait.due([0, 9], 9, NOTHING, 300).overdue, null)
  wait.again(15, 300, 100)
  assert.deepEqual(wait.due([3, 3, 12, 12], 15, { newest: 20, cameMs: 390, slackMs: 0 }, 400), {
    spans: [3, 3, 12, 12],
    nextMs: Number.POSITIVE_INFINITY,
    overdue: 'gap',
  })
})

test('where long ones take their time, the next has as much longer to come, and what is missing below the newest has not', () => {
  const wait = begun(9)
  const news: News = { newest: 4, cameMs: 60, slackMs: 200 }
  assert.deepEqual(wait.due([2, 2, 5, 9], 9, news, 200), { spans: [2, 2], nextMs: 360, overdue: 'gap' })
  assert.deepEqual(wait.due([5, 9], 9, news, 359).spans, [])
  assert.deepEqual(wait.due([5, 9], 9, news, 360).spans, [5, 9])
})

test('how long nothing has come says why it is overdue', () => {
  const gap: News = { newest: 20, cameMs: 0, slackMs: 0 }
  assert.equal(begun(9).due([0, 9], 9, gap, 100).overdue, 'gap', 'later ones have come')
  const silent: News = { newest: 4, cameMs: 0, slackMs: 0 }
  assert.equal(begun(9).due([5, 9], 9, silent, 100).overdue, 'silence')
  assert.equal(begun(9).due([5, 9], 9, { ...silent, slackMs: 1 }, 100).spans.length, 0, 'it is as late as usual')
})

test('a claim knows since when something of it has been missing', () => {
  const wait = begun(9)
  wait.again(19, 60, 100)
  wait.due([5, 19], 19, NOTHING, 200)
  assert.equal(wait.begunMs, 0)
  wait.begin(29, 300, 100, false)
  assert.equal(wait.begunMs, 300)
})

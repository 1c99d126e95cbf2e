import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeClock } from '../../lib/io/clock.ts'

test('a timer runs once, and not before its time by the same clock', async () => {
  for (const delayMs of [0, 0.4, 1.5, 3.2]) {
    const startMs = nodeClock.nowMs()
    await new Promise<void>((resolve) => nodeClock.timer(delayMs, resolve))
    // Node's timers count from the start of the turn, which lies before `startMs` by what this turn has taken.
    assert.ok(nodeClock.nowMs() - startMs >= delayMs - 1)
  }
})

test('a cancelled timer does not run, and cancelling twice or late is harmless', async () => {
  let ran = 0
  const cancelled = nodeClock.timer(0, () => ran++)
  cancelled.cancel()
  cancelled.cancel()
  const done = await new Promise<{ cancel(): void }>((resolve) => {
    const timer = nodeClock.timer(5, () => resolve(timer))
  })
  done.cancel()
  assert.equal(ran, 0)
})

test('endOfTurn comes after the microtasks and ticks of this turn', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    nodeClock.endOfTurn(() => {
      order.push('end of turn')
      resolve()
    })
    process.nextTick(() => order.push('tick'))
    queueMicrotask(() => order.push('microtask'))
    order.push('now')
  })
  assert.deepEqual(order.at(0), 'now')
  assert.deepEqual(order.at(-1), 'end of turn')
  assert.equal(order.length, 4)
})

test('what is put off to the end of the turn runs in order, each after what the one before it has brought about', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    for (const name of ['a', 'b', 'c']) {
      nodeClock.endOfTurn(() => {
        order.push(name)
        // So a socket calls back that has written all it was given.
        process.nextTick(() => order.push(`${name} written`))
        nodeClock.endOfTurn(() => {
          order.push(`${name} later`)
          if (order.length === 9) resolve()
        })
      })
    }
  })
  assert.deepEqual(order.slice(0, 6), ['a', 'a written', 'b', 'b written', 'c', 'c written'])
  assert.deepEqual(order.slice(6), ['a later', 'b later', 'c later'])
})

test('monotonic time never goes back, and is in milliseconds', () => {
  const startNs = process.hrtime.bigint()
  const startMs = nodeClock.nowMs()
  let lastMs = startMs
  for (let i = 0; i < 10_000; i++) {
    const nowMs = nodeClock.nowMs()
    assert.ok(nowMs >= lastMs)
    lastMs = nowMs
  }
  const tookMs = Number(process.hrtime.bigint() - startNs) / 1e6
  assert.ok(lastMs - startMs <= tookMs + 0.1 && lastMs - startMs > 0)
})

test('the wall clock is the machine’s, in milliseconds', () => {
  assert.ok(Math.abs(nodeClock.unixMs() - Date.now()) < 1000)
})

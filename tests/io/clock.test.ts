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

test('what is put off to the end of the turn runs in order, once, and what it puts off itself after all of it', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    for (const name of ['a', 'b', 'c']) {
      nodeClock.endOfTurn(() => {
        order.push(name)
        nodeClock.endOfTurn(() => order.push(name.toUpperCase()))
      })
    }
    setTimeout(resolve, 5)
  })
  assert.deepEqual(order, ['a', 'b', 'c', 'A', 'B', 'C'])
})

test('one that throws at the end of a turn takes none of the others with it', async () => {
  const order: string[] = []
  const thrown: unknown[] = []
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.once('uncaughtException', (error) => thrown.push(error))
  try {
    const failure = new Error('at the end of the turn')
    nodeClock.endOfTurn(() => order.push('before'))
    nodeClock.endOfTurn(() => {
      nodeClock.endOfTurn(() => order.push('later'))
      throw failure
    })
    nodeClock.endOfTurn(() => order.push('behind'))
    await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepEqual(thrown, [failure])
    assert.deepEqual(order, ['before', 'behind', 'later'])
  } finally {
    for (const listener of before) process.on('uncaughtException', listener)
  }
})

test('monotonic time never goes back, and is in milliseconds', () => {
  const [startMs, startNs] = [nodeClock.nowMs(), process.hrtime.bigint()]
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

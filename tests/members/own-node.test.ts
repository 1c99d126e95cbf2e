import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY } from '../../lib/bytes.ts'
import {
  CHANGE_JITTER_MS,
  CHANGE_MS_MIN,
  CROWD,
  CROWD_JITTER_MS,
  FIRST_JITTER_MS,
  FIRST_MS,
  OwnNode,
  REFRESH_MS,
  SECOND_MS_MIN,
} from '../../lib/members/own-node.ts'

class Desk {
  nowMs = 1_000
  state = 1
  readonly published: [number, Uint8Array][] = []
  readonly node: OwnNode

  constructor(fraction = 0.5) {
    this.node = new OwnNode({
      fraction: () => fraction,
      build: () => Uint8Array.of(this.state),
      publish: (payload) => this.published.push([this.nowMs, payload]),
    })
  }

  change(state: number): void {
    this.state = state
    this.node.changed(this.nowMs)
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    for (;;) {
      const atMs = this.node.nextDeadlineMs()
      if (atMs === null || atMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      this.node.tick(this.nowMs)
      const nextMs = this.node.nextDeadlineMs()
      assert.ok(nextMs === null || nextMs > this.nowMs, 'the deadline stays in the past')
    }
    this.nowMs = untilMs
  }
}

test('nothing is told before there is anything to tell, and then within a second, with all that changed meanwhile', () => {
  for (const fraction of [0, 0.5, 0.999]) {
    const desk = new Desk(fraction)
    assert.equal(desk.node.nextDeadlineMs(), null)
    desk.node.tick(desk.nowMs)
    desk.change(2)
    desk.advance(FIRST_MS - 1)
    assert.deepEqual(desk.published, [])
    desk.change(3)
    desk.advance(FIRST_JITTER_MS + 1)
    assert.deepEqual(desk.published, [[1_000 + FIRST_MS + fraction * FIRST_JITTER_MS, Uint8Array.of(3)]])
  }
})

test('in a crowd a node gives way before it first tells of itself, once, and by chance', () => {
  for (const fraction of [0, 0.5, 0.999]) {
    const desk = new Desk(fraction)
    desk.change(2)
    for (let i = 0; i < CROWD; i++) desk.node.newcomerTold()
    const firstMs = 1_000 + FIRST_MS + fraction * FIRST_JITTER_MS
    desk.advance(firstMs - desk.nowMs)
    assert.deepEqual(desk.published, [])
    // However many come meanwhile.
    for (let i = 0; i < CROWD; i++) desk.node.newcomerTold()
    desk.change(3)
    desk.advance(FIRST_MS + CROWD_JITTER_MS)
    const givenWayMs = firstMs + FIRST_MS + fraction * CROWD_JITTER_MS
    assert.deepEqual(desk.published, [[givenWayMs, Uint8Array.of(3)]])
  }
})

test('a few newcomers are no crowd, and those who come once this node is known hold up nothing', () => {
  const desk = new Desk()
  desk.change(2)
  for (let i = 0; i < CROWD - 1; i++) desk.node.newcomerTold()
  desk.advance(FIRST_MS + FIRST_JITTER_MS)
  assert.equal(desk.published.length, 1)
  for (let i = 0; i < CROWD; i++) desk.node.newcomerTold()
  desk.change(3)
  desk.advance(SECOND_MS_MIN + CHANGE_JITTER_MS)
  assert.equal(desk.published.length, 2)
})

test('further changes are told together: two seconds after the first time, then ten after the last time, at the earliest', () => {
  for (const fraction of [0, 0.5, 0.999]) {
    const desk = new Desk(fraction)
    desk.change(2)
    desk.advance(1_000)
    for (let state = 3; state < 40; state++) {
      desk.change(state)
      desk.advance(500)
    }
    desk.advance(20_000)
    const times = desk.published.map(([atMs]) => atMs)
    const waits = times.slice(1).map((atMs, i) => atMs - times[i]!)
    assert.equal(waits.length, 3)
    for (const [i, leastMs] of [SECOND_MS_MIN, CHANGE_MS_MIN, CHANGE_MS_MIN].entries()) {
      assert.ok(waits[i]! >= leastMs && waits[i]! <= leastMs + CHANGE_JITTER_MS, `${waits}`)
    }
    assert.deepEqual(desk.published.at(-1)![1], Uint8Array.of(39))
  }
})

test('a change after a long calm is told within a second', () => {
  const desk = new Desk()
  desk.change(2)
  desk.advance(60_000)
  desk.change(3)
  desk.advance(CHANGE_JITTER_MS)
  assert.equal(desk.published.length, 2)
})

test('what is as it was is not told again', () => {
  const desk = new Desk()
  desk.change(2)
  desk.advance(60_000)
  desk.change(3)
  desk.change(2)
  desk.advance(60_000)
  assert.equal(desk.published.length, 1)
})

test('what has not changed is told anew before half of its time-to-live is over', () => {
  const desk = new Desk()
  desk.change(2)
  desk.advance(REFRESH_MS * 3)
  assert.ok(desk.published.length >= 4)
  for (const [i, [atMs]] of desk.published.entries()) {
    if (i === 0) continue
    const sinceMs = atMs - desk.published[i - 1]![0]
    assert.ok(sinceMs > REFRESH_MS * 0.9 - 1 && sinceMs <= REFRESH_MS)
  }
})

test('an orderly end takes back what was told, once, and nothing where nothing was', () => {
  const desk = new Desk()
  desk.node.stop()
  assert.deepEqual(desk.published, [])
  desk.change(2)
  desk.advance(1_000)
  desk.change(3)
  desk.node.stop()
  desk.node.stop()
  assert.deepEqual(desk.published.at(-1), [2_000, EMPTY])
  assert.equal(desk.published.length, 2)
  assert.equal(desk.node.nextDeadlineMs(), null)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Claim, Claims } from '../../lib/flood/claims.ts'
import { SETTLED_MS, Settling } from '../../lib/flood/settling.ts'
import { CLAIM_ENTRIES_MAX } from '../../lib/limits.ts'

class Desk {
  nowMs = 1_000
  readonly claims = new Claims()
  /** Origins of which something is needed. */
  readonly needed = new Set<string>()
  readonly settling = new Settling(this.claims, ({ originKey }) => !this.needed.has(originKey))

  told(originKey: string): Claim {
    const claim = this.claims.tell({ originKey, epoch: 1, ranges: [0, 9] })!
    claim.toldMs = this.nowMs
    this.settling.add(claim, this.nowMs)
    return claim
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    for (;;) {
      const atMs = this.settling.nextDeadlineMs()
      if (atMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      assert.ok(this.settling.work(this.nowMs) > 0)
    }
    this.nowMs = untilMs
  }
}

test('what nothing was told of for a while is forgotten, and then nothing is due', () => {
  const desk = new Desk()
  assert.equal(desk.settling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  desk.told('a')
  desk.told('b')
  desk.advance(SETTLED_MS - 1)
  assert.equal(desk.claims.counts.entries, 2)
  desk.advance(2 * SETTLED_MS)
  assert.deepEqual(desk.claims.counts, { entries: 0, ranges: 0 })
  assert.equal(desk.settling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('claims that come and go before they are forgotten are not kept', () => {
  const desk = new Desk()
  for (let i = 0; i < CLAIM_ENTRIES_MAX * 3; i++) desk.told(`origin ${i}`)
  assert.equal(desk.claims.counts.entries, CLAIM_ENTRIES_MAX)
  assert.ok(desk.settling.count <= CLAIM_ENTRIES_MAX * 2, `${desk.settling.count}`)
  desk.advance(3 * SETTLED_MS)
  assert.deepEqual([desk.claims.counts.entries, desk.settling.count], [0, 0])
})

test('what is told again and again stays', () => {
  const desk = new Desk()
  for (let i = 0; i < 20; i++) {
    desk.told('a')
    desk.advance(SETTLED_MS / 2)
  }
  assert.equal(desk.claims.counts.entries, 1)
  desk.advance(3 * SETTLED_MS)
  assert.equal(desk.claims.counts.entries, 0)
})

test('what is needed stays, and is looked at again only when it is added again', () => {
  const desk = new Desk()
  desk.needed.add('a')
  const claim = desk.told('a')
  desk.advance(10 * SETTLED_MS)
  assert.equal(desk.claims.counts.entries, 1)
  assert.equal(desk.settling.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  desk.needed.clear()
  desk.settling.add(claim, desk.nowMs)
  desk.advance(3 * SETTLED_MS)
  assert.equal(desk.claims.counts.entries, 0)
})

test('many are looked at in portions', () => {
  const desk = new Desk()
  for (let i = 0; i < 3_000; i++) desk.told(`origin ${i}`)
  desk.nowMs += SETTLED_MS
  desk.settling.work(desk.nowMs)
  desk.nowMs += SETTLED_MS
  desk.settling.work(desk.nowMs)
  assert.equal(desk.claims.counts.entries, 3_000 - 1_024)
  assert.ok(desk.settling.nextDeadlineMs() <= desk.nowMs)
  desk.advance(0)
  assert.equal(desk.claims.counts.entries, 0)
})

test('a claim that was dropped meanwhile is let go of', () => {
  const desk = new Desk()
  desk.claims.drop(desk.told('a'))
  desk.told('a')
  desk.advance(3 * SETTLED_MS)
  assert.equal(desk.claims.counts.entries, 0)
})

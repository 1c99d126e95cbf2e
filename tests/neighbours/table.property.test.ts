// Random calls in random order, sensible or not, and what must hold after each.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MeshError } from '../../lib/errors.ts'
import { ASKED_TARGETS_MAX, BAN_ENTRIES_MAX, CANDIDATES_MAX, DIALS_MAX } from '../../lib/limits.ts'
import { Bench, FakeLink, identityOf, seeded, type Waiter } from './fixture.ts'

const MAX = 9
const SOURCES = ['seed', 'manual', 'mdns', 'exchange'] as const

type Call = { name: string; a: number; b: number }

class Run {
  readonly bench: Bench
  readonly links: FakeLink[] = []
  readonly waiters: (Waiter & { withdraw(): void })[] = []

  constructor(seed: number) {
    this.bench = Bench.started({
      own: identityOf(3),
      degree: { target: 4, chosenMax: 5, max: MAX },
      fraction: seeded(seed),
    })
  }

  call({ name, a, b }: Call): void {
    const { bench } = this
    const { table } = bench
    const identity = identityOf(a % 14)
    const port = 1 + (b % 16)
    const attempts = [...bench.dials.values()]
    const attempt = attempts[a % Math.max(1, attempts.length)]
    const link = this.links[a % Math.max(1, this.links.length)]
    const code = b % 10 === 9 ? null : b % 10
    switch (name) {
      case 'want':
        bench.want(port, SOURCES[a % 4], b % 3 === 0 ? identity.id : null, a % 2 === 0 ? identity.key : null)
        return
      case 'connect':
        this.waiters.push(bench.connect(port, b % 3 === 0 ? identity.id : null))
        return
      case 'visit':
        this.waiters.push(bench.visit(identity, port, 1 + ((b + a) % 16)))
        return
      case 'leave':
        table.leave(identity.key, bench.nowMs)
        assert.equal(table.isVisit(identity.key), false)
        return
      case 'withdraw':
        this.waiters[a % Math.max(1, this.waiters.length)]?.withdraw()
        return
      case 'unwant':
        table.unwantPeer(b % 2 === 0 ? identity.id : identity.key, bench.nowMs)
        return
      case 'open': {
        if (attempt === undefined) return
        table.handshaking(attempt, bench.nowMs)
        const verdict = table.mayProceed(identity, attempt, bench.nowMs)
        if (b % 2 === 0 && verdict.ok) return
        bench.dials.delete(attempt.number)
        if (!verdict.ok) {
          table.dialFailed(attempt, new MeshError(verdict.reason, verdict.text), bench.nowMs, null)
          return
        }
        const opened = new FakeLink(identity, 'out')
        this.links.push(opened)
        table.opened(opened, attempt, bench.nowMs)
        return
      }
      case 'fail':
        if (attempt === undefined) return
        bench.dials.delete(attempt.number)
        table.dialFailed(attempt, new MeshError('dial-failed', 'refused'), bench.nowMs, code)
        return
      case 'accept': {
        // Also without asking first: two that were admitted may race for the last place.
        if (b % 2 === 0 && !table.mayAdmit(identity, '192.0.2.9', bench.nowMs).ok) return
        const opened = new FakeLink(identity, 'in')
        this.links.push(opened)
        table.opened(opened, null, bench.nowMs)
        return
      }
      case 'close':
        if (link !== undefined) table.closed(link, new MeshError('connection-lost', 'lost'), bench.nowMs, code)
        return
      case 'reject':
        for (let i = 0; i < b % 12; i++) table.reject(identity, 'bad signature', bench.nowMs)
        return
      case 'advance':
        bench.advance(a * b * 10)
        return
      case 'restart':
        table.stop(bench.nowMs)
        assert.equal(table.openCount + bench.dials.size, 0)
        table.start(bench.nowMs)
        return
    }
  }

  check(): void {
    const { bench } = this
    const { table } = bench
    const links = [...table.links()]
    assert.equal(table.openCount, links.length)
    assert.ok(links.length <= MAX)
    assert.equal(new Set(links.map(({ identity }) => identity.key)).size, links.length)
    for (const link of links) {
      assert.equal((link as FakeLink).closedWith, null, 'a closed link stands')
      assert.equal(table.link(link.identity.id), link)
    }
    const open = this.links.filter(({ closedWith }) => closedWith === null).length
    assert.ok(open >= links.length)
    assert.ok(bench.dials.size <= DIALS_MAX)
    for (const { state, source, peer, direction } of table.snapshot(bench.nowMs)) {
      if (state !== 'open') continue
      const isVisit = table.isVisit(table.link(peer!)!.identity.key)
      assert.equal(source === 'visit', isVisit)
      assert.ok(!isVisit || direction === 'out', 'a visit that somebody else dialled')
    }
    const lines = table.snapshot(bench.nowMs)
    const under = lines.filter(({ state }) => state === 'dialling' || state === 'handshaking').length
    assert.equal(under, bench.dials.size, 'a dial without a target, or the other way round')
    assert.ok(lines.length <= MAX + CANDIDATES_MAX + ASKED_TARGETS_MAX + BAN_ENTRIES_MAX)
    table.tick(bench.nowMs)
    const deadlineMs = table.nextDeadlineMs()
    assert.ok(deadlineMs === null || deadlineMs > bench.nowMs, 'the deadline stays in the past')
    const ups = bench.log.filter((line) => line.startsWith('up')).length
    assert.equal(ups - bench.downs.length, links.length, 'ups and downs do not match')
  }
}

const calls = fc.array(
  fc.record({
    name: fc.constantFrom(
      ...[
        'want',
        'want',
        'connect',
        'visit',
        'visit',
        'leave',
        'withdraw',
        'unwant',
        'open',
        'open',
        'open',
        'fail',
        'fail',
      ],
      ...['accept', 'accept', 'close', 'close', 'reject', 'advance', 'advance', 'restart'],
    ),
    a: fc.nat({ max: 200 }),
    b: fc.nat({ max: 200 }),
  }),
  { maxLength: 120 },
)

test('no sequence of calls breaks the table', () => {
  fc.assert(
    fc.property(fc.nat(), calls, (seed, sequence) => {
      const run = new Run(seed)
      for (const call of sequence) {
        run.call(call)
        run.check()
      }
      // Everybody who waits hears of an end, at the latest at stop.
      run.bench.table.stop(run.bench.nowMs)
      assert.equal(run.bench.dials.size, 0)
      assert.equal(run.bench.table.openCount, 0)
    }),
    { seed: 3, numRuns: 1_500 },
  )
})

test('everyone who connects hears one end, unless it was withdrawn', () => {
  fc.assert(
    fc.property(fc.nat(), calls, (seed, sequence) => {
      const run = new Run(seed)
      for (const call of sequence) if (call.name !== 'withdraw') run.call(call)
      // Waiter throws when it is told twice.
      run.bench.table.stop(run.bench.nowMs)
      for (const waiter of run.waiters) assert.ok(!waiter.isWaiting)
    }),
    { seed: 4, numRuns: 500 },
  )
})

test('when all peers answer, every seed ends up linked within ten minutes, whatever happened before', () => {
  fc.assert(
    fc.property(fc.nat(), calls, (seed, sequence) => {
      const run = new Run(seed)
      const { bench } = run
      for (const call of sequence) if (call.name !== 'reject') run.call(call)
      for (const attempt of [...bench.dials.values()]) {
        bench.dials.delete(attempt.number)
        bench.table.dialFailed(attempt, new MeshError('dial-failed', 'refused'), bench.nowMs, null)
      }
      bench.want(900, 'seed')
      // Links other than those to seeds and manual addresses leave, and dials are answered by whoever is expected.
      for (let round = 0; round < 600; round++) {
        for (const attempt of [...bench.dials.values()]) {
          const expected = attempt.address.peer
          const identity = identityOf(expected === null ? 1_000 + attempt.address.port : Number(expected.slice(5)))
          const verdict = bench.table.mayProceed(identity, attempt, bench.nowMs)
          bench.dials.delete(attempt.number)
          if (verdict.ok) bench.table.opened(new FakeLink(identity, 'out'), attempt, bench.nowMs)
          else bench.table.dialFailed(attempt, new MeshError(verdict.reason, verdict.text), bench.nowMs, null)
        }
        if (bench.table.link('peer-1900') !== undefined) return
        for (const link of [...bench.table.links()]) {
          bench.table.closed(link, new MeshError('connection-lost', 'lost'), bench.nowMs, null)
        }
        bench.advance(1_000)
      }
      assert.fail('the seed was never reached')
    }),
    { seed: 5, numRuns: 200 },
  )
})

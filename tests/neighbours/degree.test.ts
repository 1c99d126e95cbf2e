// How many links and dials there are, to whom, and who gives way.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { CANDIDATE_FAILURES_MAX, DIALS_MAX } from '../../lib/limits.ts'
import { Bench, FakeLink, identityOf, seeded } from './fixture.ts'

test('candidates are dialled only while open and dialling links are fewer than the target', () => {
  const bench = Bench.started({ degree: { target: 3, chosenMax: 12, max: 64 } })
  bench.accept(identityOf(100))
  for (let port = 1; port <= 10; port++) bench.want(port, port % 2 ? 'mdns' : 'exchange')
  bench.advance(60_000)
  assert.equal(bench.dials.size, 2)
  for (const port of bench.dialledPorts) bench.open(port, identityOf(port))
  bench.advance(60_000)
  assert.equal(bench.dialCount, 2)
  bench.end(bench.table.link('peer-100')!)
  bench.advance(3_000)
  assert.equal(bench.dialCount, 3)
})

test('with target 0 candidates are never dialled, seeds and manual addresses are', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max: 64 } })
  bench.want(1, 'mdns')
  bench.want(2, 'exchange')
  bench.want(3, 'seed')
  bench.want(4, 'manual')
  bench.advance(3_600_000)
  assert.deepEqual(bench.dialledPorts, [3, 4])
})

test('at most two candidates are dialled in any second; seeds and manual addresses do not wait for that', () => {
  const bench = Bench.started({ degree: { target: 20, chosenMax: 20, max: 64 } })
  for (let port = 1; port <= 10; port++) bench.want(port, 'mdns')
  assert.equal(bench.dialCount, 2)
  bench.want(101, 'seed')
  bench.want(102, 'manual')
  assert.equal(bench.dialCount, 4)
  assert.equal(bench.table.nextDeadlineMs(), bench.nowMs + 1_000)
  bench.advance(999)
  assert.equal(bench.dialCount, 4)
  bench.advance(1)
  assert.equal(bench.dialCount, 6)
})

test('a flood of false candidates causes two dials a second and no more', () => {
  const bench = Bench.started({ degree: { target: 6, chosenMax: 12, max: 64 } })
  for (let second = 0; second < 60; second++) {
    for (let i = 0; i < 200; i++) bench.want(1_000 + second * 200 + i, 'exchange', null, `teller-${i % 5}`)
    for (const port of bench.dialledPorts) bench.fail(port)
    bench.advance(1_000)
  }
  assert.ok(bench.dialCount <= 2 * 61, `${bench.dialCount}`)
  assert.ok(bench.table.snapshot(bench.nowMs).length <= 256)
})

test('the candidate with fewest failures comes first', () => {
  const bench = Bench.started({ degree: { target: 1, chosenMax: 12, max: 64 }, fraction: () => 0 })
  bench.want(1, 'mdns')
  bench.fail(1)
  bench.accept(identityOf(50))
  bench.want(2, 'mdns')
  bench.advance(10_000)
  bench.end(bench.table.link('peer-50')!)
  assert.deepEqual(bench.dialledPorts, [2])
})

test('among candidates with equal failures chance decides', () => {
  const first = new Map<number, number>()
  for (let seed = 0; seed < 400; seed++) {
    const bench = new Bench({ degree: { target: 1, chosenMax: 12, max: 64 }, fraction: seeded(seed) })
    for (let port = 1; port <= 4; port++) bench.want(port, 'mdns')
    bench.table.start(bench.nowMs)
    const [port] = bench.dialledPorts
    first.set(port!, (first.get(port!) ?? 0) + 1)
  }
  for (let port = 1; port <= 4; port++) assert.ok(first.get(port)! > 60, `port ${port}: ${first.get(port)}`)
})

test('a candidate is forgotten after five failures in a row, and may be told again', () => {
  const bench = Bench.started()
  bench.want(1, 'mdns')
  for (let i = 1; i <= CANDIDATE_FAILURES_MAX; i++) {
    bench.fail(1)
    bench.advance(60_000)
  }
  assert.equal(bench.dials.size, 0)
  assert.equal(bench.failures.at(-1)?.retryInMs, null)
  assert.deepEqual(bench.table.snapshot(bench.nowMs), [])
  bench.want(1, 'mdns')
  assert.equal(bench.dials.size, 1)
})

test('the end of a link that lived long is not one of the five failures', () => {
  const bench = Bench.started()
  bench.want(1, 'mdns')
  const link = bench.open(1, identityOf(1))
  bench.advance(30_000)
  bench.end(link)
  for (let i = 1; i < CANDIDATE_FAILURES_MAX; i++) {
    bench.advance(60_000)
    bench.fail(1)
  }
  bench.advance(60_000)
  assert.equal(bench.dials.size, 1)
})

test('a candidate that does not admit us is forgotten at once', () => {
  const bench = Bench.started()
  bench.want(1, 'mdns')
  bench.fail(1, GoodbyeCode.notAdmitted)
  assert.deepEqual(bench.table.snapshot(bench.nowMs), [])
})

test('seeds and manual addresses are dialled for ever', () => {
  const bench = Bench.started()
  bench.want(1, 'seed')
  bench.want(2, 'manual')
  for (let i = 0; i < 200; i++) {
    for (const port of bench.dialledPorts) bench.fail(port)
    bench.advance(60_000)
    assert.deepEqual(bench.dialledPorts.sort(), [1, 2])
  }
})

test('a seed refused for an hour is tried within 60 s of any moment, and not too often', () => {
  for (let seed = 0; seed < 20; seed++) {
    const bench = Bench.started({ fraction: seeded(seed) })
    let lastMs = bench.nowMs
    const refuse = (): void => {
      if (bench.dials.size === 0) return
      assert.ok(bench.nowMs - lastMs <= 60_000)
      lastMs = bench.nowMs
      bench.fail(1)
    }
    bench.want(1)
    refuse()
    bench.advance(3_600_000, refuse)
    assert.ok(bench.nowMs - lastMs <= 60_000)
    // Full jitter waits 30 s on average once the bound is reached.
    assert.ok(bench.dialCount >= 60 && bench.dialCount <= 240, `${bench.dialCount}`)
  }
})

test('with the worst of chances a refused seed is still no busy loop', () => {
  const bench = Bench.started({ fraction: () => 0 })
  bench.want(1)
  bench.fail(1)
  bench.advance(60_000, () => bench.dials.size > 0 && bench.fail(1))
  assert.ok(bench.dialCount <= 60_000 / 50 + 1)
})

test('at most eight dials run at once', () => {
  const bench = Bench.started({ degree: { target: 20, chosenMax: 20, max: 64 } })
  for (let port = 1; port <= 20; port++) bench.want(port, port % 2 ? 'seed' : 'manual')
  assert.equal(bench.dials.size, DIALS_MAX)
  bench.fail(bench.dialledPorts[0]!)
  assert.equal(bench.dials.size, DIALS_MAX)
})

test('every one of many seeds gets its turn', () => {
  const bench = Bench.started()
  for (let port = 1; port <= 40; port++) bench.want(port)
  const tried = new Set<number>()
  for (let i = 0; i < 200; i++) {
    const [port] = bench.dialledPorts
    if (port !== undefined) {
      tried.add(port)
      bench.fail(port)
    }
    bench.advance(100)
  }
  assert.equal(tried.size, 40)
})

test('seeds count into the links that we choose, and those beyond wait; what the program connects to does not', () => {
  const bench = Bench.started({ degree: { target: 6, chosenMax: 2, max: 64 } })
  for (let port = 1; port <= 4; port++) bench.want(port)
  assert.deepEqual(bench.dialledPorts, [1, 2])
  const link = bench.open(1, identityOf(1))
  bench.open(2, identityOf(2))
  bench.want(9, 'mdns')
  bench.want(10, 'manual')
  bench.advance(60_000)
  assert.deepEqual(bench.dialledPorts, [10])
  assert.equal(bench.stateOf(3), 'wanted')
  bench.end(link)
  assert.deepEqual(bench.dialledPorts, [10, 3])
})

test('one socket is never dialled twice at once, whatever identity is expected there', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.want(1, 'seed', 'peer-1')
  assert.equal(bench.dials.size, 1)
  bench.fail(1)
  assert.equal(bench.dials.size, 1)
  assert.equal(bench.dialTo(1)?.address.peer, 'peer-1')
})

test('inbound links that nobody asked for are refused at the bound, with two places held back where it is eight or more', () => {
  for (const [max, admitted] of [
    [1, 1],
    [7, 7],
    [8, 6],
    [64, 62],
  ] as const) {
    const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max } })
    for (let i = 1; i <= admitted; i++) assert.ok(bench.accept(identityOf(i)), `${i} of ${max}`)
    const verdict = bench.table.mayAdmit(identityOf(99), '192.0.2.9', bench.nowMs)
    assert.ok(!verdict.ok && verdict.code === GoodbyeCode.tooMany && verdict.reason === 'too-many-neighbours')
    assert.equal(bench.table.openCount, admitted)
    // One that is known comes back instead of its old link and needs no place.
    assert.ok(bench.accept(identityOf(1)))
    assert.equal(bench.table.openCount, admitted)
  }
})

test('strangers from one site keep out their own, and not those from elsewhere', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max: 10 } })
  const crowd = [1, 2, 3, 4, 5, 6].map((number) => {
    bench.advance(1_000)
    return bench.accept(identityOf(number), `203.0.113.${number}`)!
  })
  const others = [11, 12].map((number) => bench.accept(identityOf(number), `198.51.100.${number}`)!)
  assert.equal(bench.accept(identityOf(7), '203.0.113.7'), null)
  for (const number of [13, 14]) others.push(bench.accept(identityOf(number), '198.51.100.1')!)
  assert.deepEqual(
    crowd.map(({ closedWith }) => closedWith),
    [null, null, null, null, GoodbyeCode.tooMany, GoodbyeCode.tooMany],
  )
  // Both sites have four: one more of either would only push out another one.
  assert.equal(bench.accept(identityOf(15), '198.51.100.2'), null)
  assert.equal(bench.accept(identityOf(5), '203.0.113.5'), null)
  assert.ok(bench.accept(identityOf(16), '2001:db8::1'))
  assert.equal(bench.table.openCount, 8)
  assert.equal([...crowd, ...others].filter(({ closedWith }) => closedWith === null).length, 7)
  // Whom a person asked for is nobody's crowd.
  for (const number of [1, 2, 3]) bench.want(number, 'seed', `peer-${number}`)
  assert.ok(bench.accept(identityOf(17), '2001:db8:1::1'))
  assert.ok(crowd.slice(0, 3).every(({ closedWith }) => closedWith === null))
  assert.equal(others.filter(({ closedWith }) => closedWith === null).length, 3)
})

test('peers that were asked for get the places held back, dialling or dialled, and then those of the youngest strangers', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max: 8 } })
  const strangers = [1, 2, 3, 4, 5, 6].map((number) => {
    bench.advance(1_000)
    return bench.accept(identityOf(number))!
  })
  bench.want(11, 'seed', 'peer-11')
  bench.want(12, 'seed')
  bench.want(13, 'manual', 'peer-13')
  bench.accept(identityOf(11))
  bench.open(12, identityOf(12))
  assert.equal(bench.table.openCount, 8)
  assert.equal(bench.downs.length, 0)
  bench.accept(identityOf(13))
  assert.equal(bench.table.openCount, 8)
  assert.equal(strangers[5]?.closedWith, GoodbyeCode.tooMany)
  assert.equal(bench.downs[0]?.link, strangers[5])
  const waiter = bench.connect(14)
  bench.open(14, identityOf(14))
  assert.ok(waiter.link)
  assert.equal(strangers[4]?.closedWith, GoodbyeCode.tooMany)
  assert.equal(bench.table.openCount, 8)
})

test('nobody who was asked for is evicted; when all were, a wanted peer waits without being dialled', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max: 2 } })
  for (let port = 1; port <= 3; port++) bench.want(port, 'seed', `peer-${port}`)
  const link = bench.open(1, identityOf(1))
  bench.open(2, identityOf(2))
  assert.equal(bench.accept(identityOf(3)), null)
  bench.fail(3)
  bench.advance(3_600_000)
  assert.equal(bench.dials.size, 0)
  bench.end(link)
  assert.deepEqual(bench.dialledPorts, [3])
})

test('a link that finds the places taken when it opens is closed with goodbye 2 and tried again later', () => {
  const bench = Bench.started({ degree: { target: 2, chosenMax: 12, max: 2 } })
  bench.want(1, 'mdns')
  const attempt = bench.dialTo(1)!
  assert.ok(bench.table.mayProceed(identityOf(1), attempt, bench.nowMs).ok)
  bench.accept(identityOf(8))
  bench.accept(identityOf(9))
  const link = new FakeLink(identityOf(1), 'out')
  bench.dials.delete(attempt.number)
  assert.equal(bench.table.opened(link, attempt, bench.nowMs), false)
  assert.equal(link.closedWith, GoodbyeCode.tooMany)
  assert.equal(bench.table.openCount, 2)
  assert.equal(bench.stateOf(1), 'backing-off')
  assert.equal(bench.failures.length, 1)
})

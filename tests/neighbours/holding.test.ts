// The number of links near its target: what the address book gives, when others are asked, which seeds sleep, which link is
// shed, and how a lost part of the network is looked for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import type { NodeRecord } from '../../lib/identity/node-record.ts'
import { CANDIDATE_DIALS_PER_SECOND_MAX, UNTRIED_DIALS_MAX } from '../../lib/limits.ts'
import type { TableLink } from '../../lib/neighbours/table.ts'
import { addressOf, Bench, FakeLink, identityOf, seeded } from './fixture.ts'

/** The book of this bench learns that peer `number` is at port `number`. */
function learn(bench: Bench, ...numbers: readonly number[]): void {
  for (const number of numbers) {
    const addresses = [addressOf(number)]
    const record = { identity: identityOf(number), issuedAtMs: 1, addresses, bytes: Uint8Array.of(1) } as NodeRecord
    bench.book.learn(record, addresses, `teller-${number % 40}`)
  }
  bench.table.tick(bench.nowMs)
}

/** So many neighbours that dialled us, numbered from `first`. */
function crowd(bench: Bench, count: number, first = 100): FakeLink[] {
  return Array.from({ length: count }, (_, i) => bench.accept(identityOf(first + i))!)
}

/** That many of the open links may be spared. */
function spareable(bench: Bench, links: readonly FakeLink[], degree = 6): void {
  for (const { identity } of links) {
    const number = Number(identity.id.slice(5))
    bench.topology.joined.add(number)
    bench.topology.degrees.set(number, degree)
  }
}

function openAll(bench: Bench): void {
  for (const port of bench.dialledPorts) bench.open(port, identityOf(port))
}

test('the book fills the links up to the target, two dials a second, and no further', () => {
  const bench = Bench.started()
  learn(bench, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  assert.equal(bench.dialCount, CANDIDATE_DIALS_PER_SECOND_MAX)
  for (let second = 0; second < 20; second++) {
    openAll(bench)
    bench.advance(1_000)
  }
  assert.equal(bench.dialCount, 6)
  assert.equal(bench.table.openCount, 6)
  const lines = bench.table.snapshot(bench.nowMs)
  assert.ok(lines.every(({ state, source }) => state === 'open' && source === 'exchange'))
})

test('with target 0 the book is left alone, nobody is asked and nothing is shed', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 12, max: 64 } })
  learn(bench, 1, 2, 3)
  spareable(bench, crowd(bench, 30))
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 0)
  assert.deepEqual([bench.asked, bench.shed], [[], []])
  assert.equal(bench.table.nextDeadlineMs(), null)
})

test('a peer of the book whose dial fails goes back there, and is tried again when it is due', () => {
  const bench = Bench.started({ fraction: () => 0.5 })
  learn(bench, 1)
  bench.fail(1)
  assert.deepEqual(bench.failures[0]?.retryInMs, null)
  assert.deepEqual(bench.table.snapshot(bench.nowMs), [])
  assert.equal(bench.table.nextDeadlineMs(), bench.nowMs + 22_500)
  bench.advance(22_499)
  assert.equal(bench.dialCount, 1)
  bench.advance(1)
  assert.equal(bench.dialCount, 2)
})

test('what a goodbye says of a peer of the book is kept there', () => {
  for (const [code, minMs, maxMs] of [
    [GoodbyeCode.tooMany, 30_000, 60_000],
    [GoodbyeCode.misbehaviour, 600_000, 600_000],
  ] as const) {
    const bench = Bench.started()
    learn(bench, 1)
    bench.fail(1, code)
    bench.advance(minMs - 1)
    assert.equal(bench.dialCount, 1, `${code}`)
    bench.advance(maxMs - minMs + 1)
    assert.equal(bench.dialCount, 2, `${code}`)
  }
  for (const code of [GoodbyeCode.notAdmitted, GoodbyeCode.idle, GoodbyeCode.self]) {
    const bench = Bench.started()
    learn(bench, 1)
    bench.fail(1, code)
    assert.equal(bench.book.size, 0, `${code}`)
  }
})

test('whoever sends us away is not dialled again at once, also when it had dialled us', () => {
  const bench = Bench.started()
  const link = bench.accept(identityOf(1))!
  learn(bench, 1)
  bench.end(link, GoodbyeCode.tooMany)
  bench.advance(29_999)
  assert.equal(bench.dialCount, 0)
  bench.advance(30_001)
  assert.equal(bench.dialCount, 1)
})

test('a link of the book that is lost is dialled again soon, and is forgotten by nobody', () => {
  const bench = Bench.started()
  learn(bench, 1)
  const link = bench.open(1, identityOf(1))
  bench.advance(60_000)
  bench.end(link)
  assert.equal(bench.downs[0]?.retryInMs, null)
  bench.advance(3_500)
  assert.deepEqual(bench.dialledPorts, [1])
  for (let i = 0; i < 50; i++) {
    for (const port of bench.dialledPorts) bench.fail(port)
    bench.advance(600_000)
  }
  assert.deepEqual(bench.dialledPorts, [1])
})

test('peers that were found before come first, whatever else was told', () => {
  const bench = Bench.started({ degree: { target: 1, chosenMax: 12, max: 64 } })
  const link = bench.accept(identityOf(50))!
  bench.book.succeeded(identityOf(300), addressOf(300))
  learn(bench, ...Array.from({ length: 200 }, (_, i) => i + 1))
  bench.end(link)
  assert.deepEqual(bench.dialledPorts, [300])
})

test('dials into the void leave two places and the way free for peers that were found before', () => {
  const bench = Bench.started({ degree: { target: 12, chosenMax: 12, max: 64 } })
  learn(bench, ...Array.from({ length: 200 }, (_, i) => i + 1))
  bench.advance(60_000)
  assert.equal(bench.dials.size, UNTRIED_DIALS_MAX)
  for (const number of [301, 302]) bench.book.succeeded(identityOf(number), addressOf(number))
  bench.table.tick(bench.nowMs)
  assert.deepEqual(bench.dialledPorts.slice(UNTRIED_DIALS_MAX).sort(), [301, 302])
})

test('two links are chosen near, the others at random', () => {
  const near = new Map<number, number>()
  for (let seed = 0; seed < 20; seed++) {
    const bench = Bench.started({ fraction: seeded(seed) })
    for (let number = 1; number <= 100; number++) bench.topology.reachable.add(number)
    learn(bench, ...Array.from({ length: 100 }, (_, i) => i + 1))
    bench.advance(60_000)
    for (const port of bench.dialledPorts) bench.fail(port)
    for (const [number, roundTripMs] of [
      [91, 3],
      [92, 2],
      [93, 1],
      [94, 4],
    ] as const) {
      bench.book.measured(`peer-${number}`, roundTripMs)
    }
    bench.advance(60_000)
    for (let second = 0; second < 10; second++) {
      openAll(bench)
      bench.advance(1_000)
    }
    assert.equal(bench.table.openCount, 6)
    for (const number of [91, 92, 93, 94]) {
      if (bench.table.link(`peer-${number}`)) near.set(number, (near.get(number) ?? 0) + 1)
    }
  }
  for (const number of [92, 93]) assert.ok(near.get(number)! >= 16, `${number}: ${near.get(number)}`)
  for (const number of [91, 94]) assert.ok((near.get(number) ?? 0) <= 6, `${number}: ${near.get(number)}`)
})

test('peers that have links enough by their own words are dialled only in need', () => {
  const bench = Bench.started()
  for (const number of [1, 2]) bench.topology.degrees.set(number, 8)
  crowd(bench, 5)
  learn(bench, 1, 2)
  bench.advance(40_000)
  assert.equal(bench.dialCount, 0)
  learn(bench, 3)
  assert.deepEqual(bench.dialledPorts, [3])
  bench.open(3, identityOf(3))
  for (const link of [...bench.table.links()]) bench.end(link)
  bench.advance(2_000)
  assert.deepEqual(bench.dialledPorts.sort(), [1, 2])
})

test('after a loss a node with links enough waits one to three seconds before it dials, one with few does not', () => {
  for (let seed = 0; seed < 20; seed++) {
    const bench = Bench.started({ fraction: seeded(seed) })
    const links = crowd(bench, 6)
    learn(bench, 1, 2, 3)
    bench.end(links[0]!)
    bench.advance(999)
    assert.equal(bench.dialCount, 0)
    bench.advance(2_001)
    assert.equal(bench.dialCount, 1)
    for (const link of links.slice(1, 3)) bench.end(link)
    assert.ok(bench.dialCount >= 2)
    bench.advance(1_000)
    assert.equal(bench.dialCount, 3)
  }
})

test('neighbours are asked for others while there are too few links and nobody to dial, ever less often', () => {
  const bench = Bench.started()
  bench.advance(600_000)
  assert.equal(bench.asked.length, 0, 'nobody is there to ask')
  const link = bench.accept(identityOf(100))!
  assert.deepEqual(bench.asked, [link])
  const times: number[] = []
  bench.advance(600_000, () => {
    if (times.length < bench.asked.length - 1) times.push(bench.nowMs)
  })
  assert.ok(bench.asked.length > 10 && bench.asked.length < 20, `${bench.asked.length}`)
  assert.ok(times[1]! - times[0]! < 6_000 && times.at(-1)! - times.at(-2)! >= 45_000)
  const before = bench.asked.length
  bench.accept(identityOf(101))
  assert.equal(bench.asked.length, before + 1, 'a new neighbour is asked at once')
  crowd(bench, 4, 200)
  const enough = bench.asked.length
  bench.advance(600_000)
  assert.equal(bench.asked.length, enough)
})

test('nobody is asked while there is somebody to dial', () => {
  const bench = Bench.started()
  learn(bench, ...Array.from({ length: 30 }, (_, i) => i + 1))
  bench.accept(identityOf(100))
  bench.advance(60_000)
  assert.equal(bench.asked.length, 0)
})

test('links too many are shed one by one, five to ten seconds apart, down to two above the target', () => {
  const bench = Bench.started()
  const links = crowd(bench, 11)
  spareable(bench, links)
  const times: number[] = [bench.nowMs]
  bench.advance(120_000, () => {
    while (times.length <= bench.shed.length) times.push(bench.nowMs)
  })
  assert.equal(bench.table.openCount, 8)
  assert.equal(bench.shed.length, 3)
  for (const [i, atMs] of times.slice(1).entries()) {
    const sinceMs = atMs - times[i]!
    assert.ok(sinceMs >= 5_000 && sinceMs <= 10_000, `${sinceMs}`)
  }
  for (const link of bench.shed) assert.equal((link as FakeLink).closedWith, GoodbyeCode.tooMany)
  assert.equal(bench.downs.length, 3)
  assert.equal(bench.table.nextDeadlineMs(), null)
})

test('a house that is far too full empties faster', () => {
  const bench = Bench.started()
  spareable(bench, crowd(bench, 60))
  bench.advance(110_000)
  assert.equal(bench.table.openCount, 8)
})

test('the far ones go first', () => {
  const bench = Bench.started()
  const links = crowd(bench, 10)
  for (const [i, link] of links.entries()) link.roundTripMs = i === 3 ? null : (i * 37) % 100
  spareable(bench, links)
  bench.advance(30_000)
  const shed = bench.shed.map(({ roundTripMs }) => roundTripMs)
  const all = links.map(({ roundTripMs }) => roundTripMs ?? 0).sort((a, b) => b - a)
  assert.deepEqual(shed, all.slice(0, 2))
})

test('a link is kept whose peer has few others, or no other way to us, or said nothing of its links', () => {
  for (const keep of [
    (bench: Bench) => spareable(bench, [], 6),
    (bench: Bench) => {
      spareable(bench, [...bench.table.links()] as FakeLink[], 4)
    },
    (bench: Bench) => {
      spareable(bench, [...bench.table.links()] as FakeLink[])
      bench.topology.joined.clear()
    },
    (bench: Bench) => {
      spareable(bench, [...bench.table.links()] as FakeLink[])
      bench.topology.degrees.clear()
    },
  ]) {
    const bench = Bench.started()
    crowd(bench, 12)
    keep(bench)
    bench.advance(60_000)
    assert.equal(bench.shed.length, 0)
  }
})

test('a link that was asked for by hand, at either end, is never shed', () => {
  const bench = Bench.started()
  const links: FakeLink[] = []
  for (let port = 1; port <= 6; port++) {
    bench.connect(port)
    links.push(bench.open(port, identityOf(port)))
  }
  for (let number = 100; number < 106; number++) {
    const link = new FakeLink(identityOf(number), 'in')
    Object.assign(link.about, { keep: true })
    bench.table.opened(link, null, bench.nowMs)
    links.push(link)
  }
  spareable(bench, links)
  bench.advance(600_000)
  assert.equal(bench.table.openCount, 12)
})

test('the other end is told whether the program asked for the link', () => {
  const keeps = (target: number): (boolean | undefined)[] => {
    const bench = Bench.started({ degree: { target, chosenMax: 12, max: 64 } })
    bench.want(1, 'seed')
    bench.want(2, 'manual')
    bench.connect(3)
    bench.want(4, 'mdns')
    return [1, 2, 3, 4].map((port) => bench.dialTo(port)?.keep)
  }
  assert.deepEqual(keeps(6), [false, true, true, false])
  assert.deepEqual(keeps(0), [true, true, true, undefined])
})

test('a seed that was found sleeps while others lead to it and there are links enough, and wakes when that ends', () => {
  const bench = Bench.started()
  bench.want(1, 'seed')
  const seed = bench.open(1, identityOf(1))
  const links = crowd(bench, 4)
  bench.topology.reachable.add(1)
  bench.end(seed, GoodbyeCode.tooMany)
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 1)
  assert.equal(bench.stateOf(1), 'wanted')
  // Nobody leads to it any more.
  bench.topology.reachable.delete(1)
  bench.table.tick(bench.nowMs)
  assert.deepEqual(bench.dialledPorts, [1])
  bench.topology.reachable.add(1)
  bench.fail(1)
  bench.advance(60_000)
  assert.equal(bench.dials.size, 0)
  // There are too few links.
  bench.end(links[0]!)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('a seed that was never found is dialled for ever, and so is one that the program connected to', () => {
  const bench = Bench.started()
  crowd(bench, 6)
  bench.topology.reachable.add(1).add(2)
  bench.want(1, 'seed', 'peer-1')
  bench.connect(2)
  const link = bench.open(2, identityOf(2))
  bench.end(link)
  for (let i = 0; i < 50; i++) {
    for (const port of bench.dialledPorts) bench.fail(port)
    bench.advance(60_000)
    assert.deepEqual(bench.dialledPorts.sort(), [1, 2])
  }
})

test('connect wakes a seed that sleeps', () => {
  const bench = Bench.started()
  bench.want(1, 'seed')
  const seed = bench.open(1, identityOf(1))
  crowd(bench, 6)
  bench.topology.reachable.add(1)
  bench.end(seed)
  bench.advance(60_000)
  assert.equal(bench.dials.size, 0)
  const waiter = bench.connect(1)
  assert.equal(bench.open(1, identityOf(1)), waiter.link)
})

test('about once a minute a known peer that nobody leads to is dialled, however many links there are', () => {
  const bench = Bench.started()
  crowd(bench, 8)
  bench.topology.reachable.add(1)
  for (const number of [1, 2]) bench.book.succeeded(identityOf(number), addressOf(number))
  const startMs = bench.nowMs
  bench.advance(75_000)
  assert.deepEqual(bench.dialledPorts, [2])
  bench.fail(2)
  const times: number[] = []
  bench.advance(3_600_000, () => {
    if (bench.dials.size === 0) return
    times.push(bench.nowMs - startMs)
    assert.deepEqual(bench.dialledPorts, [2])
    bench.fail(2)
  })
  // The book lets nobody be tried more often than its own waits, which end at ten minutes.
  assert.ok(times.length >= 6 && times.length <= 20, `${times}`)
})

test('a part of the network that was found again is kept though it makes a link too many', () => {
  const bench = Bench.started()
  const links = crowd(bench, 8)
  spareable(bench, links)
  bench.book.succeeded(identityOf(1), addressOf(1))
  bench.advance(75_000)
  const bridge = bench.open(1, identityOf(1))
  bench.topology.degrees.set(1, 6)
  bench.advance(60_000)
  assert.equal(bench.table.openCount, 8)
  assert.equal(bridge.closedWith, null)
})

test('an empty book is no reason to wake up', () => {
  const bench = Bench.started()
  crowd(bench, 6)
  assert.equal(bench.table.nextDeadlineMs(), null)
  bench.advance(3_600_000)
  learn(bench, 1)
  assert.equal(bench.dialCount, 0, 'the first one that is learned is not taken for lost at once')
})

test('a peer that the program disconnected from is not taken from the book', () => {
  const bench = Bench.started()
  learn(bench, 1)
  bench.open(1, identityOf(1))
  bench.table.unwantPeer('peer-1', bench.nowMs)
  learn(bench, 1)
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 1)
})

test('ten thousand made-up records cost two dials a second at most, and do not keep us from an honest peer', () => {
  const bench = Bench.started()
  bench.book.succeeded(identityOf(300), addressOf(300))
  for (let second = 0; second < 100; second++) {
    const first = 1_000 + second * 100
    learn(bench, ...Array.from({ length: 100 }, (_, i) => first + i))
    for (const port of bench.dialledPorts) {
      if (port === 300) bench.open(300, identityOf(300))
      else if (second % 5 === 4) bench.fail(port)
    }
    bench.advance(1_000)
  }
  assert.ok(bench.table.link('peer-300') !== undefined)
  assert.ok(bench.dialCount <= 2 * 101, `${bench.dialCount}`)
  assert.ok(bench.book.size <= 1_024)
  assert.ok(bench.table.snapshot(bench.nowMs).length <= 10)
})

test('a link that is shed may end the table in the middle of it', () => {
  const bench = Bench.started()
  const links = crowd(bench, 30)
  spareable(bench, links)
  const closed: TableLink[] = []
  for (const link of links) {
    link.onClose = () => {
      closed.push(link)
      bench.table.stop(bench.nowMs)
    }
  }
  bench.advance(60_000)
  assert.equal(closed.length, 30)
  assert.equal(bench.shed.length, 1)
})

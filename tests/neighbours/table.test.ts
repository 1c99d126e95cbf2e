// The life of links and of what is wanted: opening, ending, next steps, duplicates, stop.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { Bench, FakeLink, identityOf } from './fixture.ts'

const peer = identityOf(1)
const other = identityOf(2)

test('nothing is dialled before start, and what was wanted then is dialled at start', () => {
  const bench = new Bench()
  bench.want(1)
  assert.equal(bench.dialCount, 0)
  assert.equal(bench.table.nextDeadlineMs(), null)
  bench.table.start(bench.nowMs)
  bench.table.start(bench.nowMs)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('a target goes from wanted over dialling, handshaking and open to backing-off', () => {
  const bench = new Bench()
  bench.want(1)
  assert.equal(bench.stateOf(1), 'wanted')
  bench.table.start(bench.nowMs)
  assert.equal(bench.stateOf(1), 'dialling')
  bench.table.handshaking(bench.dialTo(1)!, bench.nowMs)
  assert.equal(bench.stateOf(1), 'handshaking')
  const link = bench.open(1, peer)
  assert.deepEqual(bench.table.snapshot(bench.nowMs + 5), [
    {
      link,
      state: 'open',
      peer: peer.id,
      address: link.address,
      direction: 'out',
      source: 'seed',
      openForMs: 5,
      lastError: null,
      retryInMs: null,
    },
  ])
  bench.end(link)
  assert.equal(bench.stateOf(1), 'backing-off')
  const [line] = bench.table.snapshot(bench.nowMs)
  assert.equal(line?.lastError, 'connection lost')
  assert.equal(line?.retryInMs, bench.downs[0]?.retryInMs)
})

test('the same address twice is dialled once', () => {
  const bench = Bench.started()
  bench.want(1, 'mdns')
  bench.want(1, 'seed')
  assert.equal(bench.dialCount, 1)
  bench.open(1, peer)
  assert.equal(bench.table.snapshot(0)[0]?.source, 'seed')
})

test('an inbound link with its peer satisfies a target whose identity is known', () => {
  const bench = new Bench()
  bench.want(1, 'seed', peer.id)
  bench.want(2, 'seed')
  bench.table.start(bench.nowMs)
  const link = bench.accept(peer)
  // The dial had not reached message 3 and is not needed any more.
  assert.deepEqual(bench.dialledPorts, [2])
  assert.equal(bench.table.link(peer.id), link)
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 2)
  bench.end(link!)
  bench.advance(60_000)
  assert.deepEqual(bench.dialledPorts, [2, 1])
})

test('two addresses that turn out to be one peer share its link', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.want(2)
  const link = bench.open(1, peer)
  assert.equal(bench.refusedAt(2, peer), 'already-connected')
  assert.equal(bench.table.openCount, 1)
  assert.deepEqual(bench.failures, [])
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 2)
  bench.end(link)
  bench.advance(600_000)
  // Both are known to be that peer: one is tried at a time.
  assert.equal(bench.dials.size, 1)
})

test('an own dial past message 2 keeps a second one to that peer from going on; if it fails, the second is tried again', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.want(2)
  assert.ok(bench.table.mayProceed(peer, bench.dialTo(1)!, bench.nowMs).ok)
  assert.equal(bench.refusedAt(2, peer), 'already-connected')
  bench.advance(10_000)
  assert.equal(bench.dialCount, 2)
  bench.fail(1)
  bench.advance(60_000)
  assert.equal(bench.dialCount, 3)
  const [port] = bench.dialledPorts
  bench.open(port!, peer)
  assert.equal(bench.table.openCount, 1)
  bench.advance(60_000)
  assert.equal(bench.dials.size, 0)
})

test('an address that is ourselves is never dialled again', () => {
  const bench = Bench.started()
  bench.want(1)
  assert.equal(bench.refusedAt(1, bench.own), 'self-connection')
  assert.equal(bench.failures[0]?.retryInMs, null)
  bench.advance(100_000_000)
  bench.want(1)
  assert.equal(bench.dialCount, 1)
  assert.equal(bench.connect(1).error?.code, 'self-connection')
  assert.equal(bench.want(2, 'mdns', bench.own.id), false)
  assert.deepEqual(bench.table.snapshot(bench.nowMs), [])
})

test('an address whose other end says that it is us is never dialled again', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.fail(1, GoodbyeCode.self)
  bench.advance(100_000_000)
  assert.equal(bench.dialCount, 1)
})

test('a socket that was connected to itself says nothing about the address: it is tried again', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.fail(1, null, new MeshError('self-connection', 'the socket is connected to itself'))
  bench.advance(60_000)
  assert.equal(bench.dialCount, 2)
})

test('the listener refuses our own identity and the banned', () => {
  const bench = Bench.started()
  const self = bench.table.mayAdmit(bench.own, '192.0.2.9', bench.nowMs)
  assert.ok(!self.ok && self.code === GoodbyeCode.self)
  for (let i = 0; i < 10; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  const banned = bench.table.mayAdmit(peer, '192.0.2.9', bench.nowMs)
  assert.ok(!banned.ok && banned.code === GoodbyeCode.misbehaviour && banned.reason === 'banned')
})

test('the dialer refuses whom the address does not expect', () => {
  const bench = Bench.started()
  bench.want(1, 'seed', peer.id)
  assert.equal(bench.refusedAt(1, other), 'wrong-identity')
  assert.ok(bench.failures[0]!.retryInMs! <= 500)
})

test('a failed dial, the end of a link and a next try are told with the time that is left', () => {
  const bench = Bench.started({ fraction: () => 0.5 })
  bench.want(1)
  bench.fail(1)
  assert.deepEqual(bench.failures[0]?.retryInMs, 250)
  assert.equal(bench.table.nextDeadlineMs(), bench.nowMs + 250)
  bench.advance(250)
  const link = bench.open(1, peer)
  bench.end(link)
  assert.deepEqual(bench.downs, [{ link, reason: 'connection lost', retryInMs: 500 }])
})

test('after a link that lived long the first retry comes within the first wait; after a short one the back-off goes on', () => {
  const bench = Bench.started({ fraction: () => 0.999 })
  bench.want(1)
  for (let i = 0; i < 6; i++) {
    bench.fail(1)
    bench.advance(60_000)
  }
  const short = bench.open(1, peer)
  bench.advance(29_999)
  bench.end(short)
  assert.ok(bench.downs[0]!.retryInMs! > 16_000)
  bench.advance(60_000)
  const long = bench.open(1, peer)
  bench.advance(30_000)
  bench.end(long)
  assert.ok(bench.downs[1]!.retryInMs! <= 500)
})

test('a neighbour that nobody asked for and that we did not dial goes without a retry', () => {
  const bench = Bench.started()
  bench.end(bench.accept(peer)!)
  assert.equal(bench.downs[0]?.retryInMs, null)
  assert.equal(bench.table.nextDeadlineMs(), null)
})

test('a losing duplicate leaves no retry behind while the other link stands', () => {
  const bench = Bench.started()
  bench.want(1, 'seed')
  const attempt = bench.dialTo(1)!
  assert.ok(bench.table.mayProceed(peer, attempt, bench.nowMs).ok)
  bench.accept(peer)
  // Message 3 is out: the dial goes on and the duplicate rule decides.
  assert.deepEqual(bench.dialledPorts, [1])
  bench.fail(1, GoodbyeCode.duplicate)
  assert.deepEqual(bench.failures, [])
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 1)
})

test('a duplicate that wins takes the neighbour over without a down, and the loser gets goodbye 1', () => {
  // The own key is the larger one, so the connection that the peer dialled stays.
  const bench = Bench.started()
  bench.want(1)
  const attempt = bench.dialTo(1)!
  bench.table.mayProceed(peer, attempt, bench.nowMs)
  const out = new FakeLink(peer, 'out')
  assert.ok(bench.table.opened(out, attempt, bench.nowMs))
  const inbound = bench.accept(peer)!
  assert.equal(bench.table.link(peer.key), inbound)
  assert.equal(out.closedWith, GoodbyeCode.duplicate)
  bench.end(out, GoodbyeCode.duplicate)
  assert.deepEqual(bench.log, ['dial 1', 'up peer-1 out', 'replaced out by in'])
  assert.equal(bench.table.openCount, 1)
})

test('a duplicate that loses is closed with goodbye 1 and never was up', () => {
  const bench = Bench.started({ own: identityOf(0) })
  bench.want(1)
  const out = bench.open(1, peer)
  const inbound = bench.accept(peer)!
  assert.equal(inbound.closedWith, GoodbyeCode.duplicate)
  assert.equal(bench.table.link(peer.id), out)
  bench.end(inbound)
  assert.deepEqual(bench.log, ['dial 1', 'up peer-1 out'])
})

test('a link that ends as a duplicate before its winner has opened here stands until that opens, whoever has the smaller key', () => {
  for (const own of [identityOf(0), identityOf(500)]) {
    const bench = Bench.started({ own })
    bench.want(1)
    const attempt = bench.dialTo(1)!
    assert.ok(bench.table.mayProceed(peer, attempt, bench.nowMs).ok)
    const loser = bench.accept(peer)!
    bench.end(loser, GoodbyeCode.duplicate)
    bench.end(loser)
    assert.equal(bench.table.link(peer.id), loser)
    const winner = new FakeLink(peer, 'out')
    assert.ok(bench.table.opened(winner, attempt, bench.nowMs))
    assert.equal(bench.table.link(peer.id), winner)
    assert.deepEqual(bench.log, ['dial 1', 'up peer-1 in', 'replaced in by out'])
  }
})

test('a link that ended as a duplicate goes down when the dial that should replace it fails or is given up', () => {
  for (const how of ['fails', 'is withdrawn', 'is refused at opening'] as const) {
    const bench = Bench.started()
    const waiter = bench.connect(1)
    const attempt = bench.dialTo(1)!
    assert.ok(bench.table.mayProceed(peer, attempt, bench.nowMs).ok)
    const inbound = bench.accept(peer)!
    bench.end(inbound, GoodbyeCode.duplicate)
    assert.equal(bench.table.openCount, 1)
    if (how === 'fails') bench.fail(1)
    if (how === 'is withdrawn') waiter.withdraw()
    if (how === 'is refused at opening') {
      bench.dials.delete(attempt.number)
      bench.table.opened(new FakeLink(other, 'out'), { ...attempt, address: { ...attempt.address, peer: peer.id } }, 0)
    }
    assert.equal(bench.table.openCount, 0)
    assert.equal(bench.downs.length, 1)
    assert.equal(bench.dials.size, 0)
  }
})

test('a second inbound link takes the place of the first, which the other end has forgotten', () => {
  const bench = Bench.started()
  const corpse = bench.accept(peer)!
  const fresh = bench.accept(peer)!
  assert.equal(bench.table.link(peer.id), fresh)
  assert.equal(corpse.closedWith, GoodbyeCode.duplicate)
  bench.end(corpse)
  assert.equal(bench.table.openCount, 1)
  assert.deepEqual(bench.downs, [])
})

test('of the connections that lost against another one of their peer only the last is read to its end', () => {
  const bench = Bench.started()
  const links = [1, 2, 3, 4].map(() => bench.accept(peer)!)
  assert.deepEqual(
    links.map(({ closedWith, isCut }) => [closedWith, isCut]),
    [
      [GoodbyeCode.duplicate, true],
      [GoodbyeCode.duplicate, true],
      [GoodbyeCode.duplicate, false],
      [null, false],
    ],
  )
  const other = bench.accept(identityOf(7))!
  bench.accept(identityOf(7))
  assert.equal(links[2]!.isCut, false)
  // Once it is over, there is nothing to cut off.
  bench.end(other)
  bench.accept(identityOf(7))
  assert.equal(other.isCut, false)
  assert.deepEqual(bench.downs, [])
})

test('the end of a link that no longer stands for its peer changes nothing', () => {
  const bench = Bench.started()
  bench.want(1)
  const link = bench.open(1, peer)
  bench.end(new FakeLink(peer, 'in'))
  assert.equal(bench.table.link(peer.id), link)
  bench.end(link)
  bench.end(link)
  assert.equal(bench.downs.length, 1)
})

test('stop cancels dials, closes links with goodbye 0, tells who waits, and is silent from then on', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.want(2)
  const link = bench.open(1, peer)
  const waiter = bench.connect(3)
  const [late] = [bench.dialTo(2)!]
  bench.table.stop(bench.nowMs)
  bench.table.stop(bench.nowMs)
  assert.equal(link.closedWith, GoodbyeCode.shuttingDown)
  assert.equal(waiter.error?.code, 'shutdown')
  assert.equal(bench.dials.size, 0)
  assert.equal(bench.downs.length, 1)
  const lines = bench.log.length
  bench.end(link)
  bench.table.dialFailed(late, new MeshError('aborted', 'aborted'), bench.nowMs, null)
  const opened = new FakeLink(other, 'out')
  assert.equal(bench.table.opened(opened, late, bench.nowMs), false)
  assert.equal(opened.closedWith, GoodbyeCode.shuttingDown)
  assert.equal(bench.accept(other), null)
  bench.want(4)
  bench.table.tick(bench.nowMs + 1e9)
  for (let i = 0; i < 10; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  assert.equal(bench.log.length, lines)
  assert.equal(bench.table.nextDeadlineMs(), null)
})

test('actions may call back into the table', () => {
  const bench = Bench.started()
  bench.want(1)
  const link = bench.open(1, peer)
  link.onClose = () => bench.end(link)
  bench.table.unwantPeer(peer.id, bench.nowMs)
  assert.equal(bench.downs.length, 1)
  const waiter = bench.connect(5)
  const retried: number[] = []
  waiter.failed = () => {
    if (retried.push(5) < 3)
      bench.table.connect({ host: '192.0.2.1', kind: 'ip4', port: 5, peer: null }, waiter, bench.nowMs)
  }
  for (let i = 0; i < 3; i++) bench.fail(5)
  assert.deepEqual(retried, [5, 5, 5])
  assert.equal(bench.dials.size, 0)
})

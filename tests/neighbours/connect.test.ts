// What a program asks for: connect and disconnect; and what a peer brings on itself: bans.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { CONNECTS_WAITING_MAX } from '../../lib/limits.ts'
import { Bench, FakeLink, identityOf } from './fixture.ts'

const peer = identityOf(1)
const other = identityOf(2)

test('connect resolves with the link and the address stays wanted', () => {
  const bench = Bench.started()
  const waiter = bench.connect(1)
  assert.ok(waiter.isWaiting)
  const link = bench.open(1, peer)
  assert.equal(waiter.link, link)
  assert.equal(bench.table.snapshot(0)[0]?.source, 'manual')
  bench.end(link)
  bench.advance(60_000)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('connect to a peer that is linked already resolves at once', () => {
  const bench = Bench.started()
  const link = bench.accept(peer)
  assert.equal(bench.connect(1, peer.id).link, link)
  assert.equal(bench.dialCount, 0)
  bench.want(2)
  assert.equal(bench.refusedAt(2, peer), 'already-connected')
  assert.equal(bench.connect(2).link, link)
})

test('connect rejects with the reason of its try and the address is wanted no longer', () => {
  const bench = Bench.started()
  const waiter = bench.connect(1)
  bench.fail(1)
  assert.equal(waiter.error?.code, 'dial-failed')
  assert.deepEqual(bench.table.snapshot(0), [])
  assert.equal(bench.failures[0]?.retryInMs, null)
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 1)
})

test('a failed connect leaves a seed, a manual address and a candidate wanted as they were', () => {
  for (const source of ['seed', 'manual', 'mdns'] as const) {
    const bench = Bench.started()
    bench.want(1, source)
    const waiter = bench.connect(1)
    bench.fail(1)
    assert.ok(waiter.error)
    assert.equal(bench.table.snapshot(0)[0]?.source, source)
    bench.advance(60_000)
    assert.deepEqual(bench.dialledPorts, [1])
  }
})

test('connect does not wait for the back-off of an address', () => {
  const bench = Bench.started({ fraction: () => 0.999 })
  bench.want(1)
  for (let i = 0; i < 9; i++) {
    bench.fail(1)
    if (i < 8) bench.advance(60_000)
  }
  assert.equal(bench.dials.size, 0)
  bench.connect(1)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('connect joins a dial that is under way, and several callers hear its end', () => {
  const bench = Bench.started()
  bench.want(1, 'mdns')
  const waiters = [bench.connect(1), bench.connect(1)]
  assert.equal(bench.dialCount, 1)
  const link = bench.open(1, peer)
  for (const waiter of waiters) assert.equal(waiter.link, link)
})

test('connect succeeds when the peer turns out to be linked, or is being opened over another address', () => {
  const bench = Bench.started()
  const link = bench.accept(peer)
  const first = bench.connect(1)
  assert.equal(bench.refusedAt(1, peer), 'already-connected')
  assert.equal(first.link, link)
  bench.want(2)
  bench.table.mayProceed(other, bench.dialTo(2)!, bench.nowMs)
  const second = bench.connect(3)
  assert.equal(bench.refusedAt(3, other), 'already-connected')
  assert.ok(second.isWaiting)
  assert.equal(bench.open(2, other), second.link)
})

test('connect succeeds with the winner when its own connection loses as a duplicate', () => {
  const bench = Bench.started()
  const waiter = bench.connect(1)
  const attempt = bench.dialTo(1)!
  bench.table.mayProceed(peer, attempt, bench.nowMs)
  const inbound = bench.accept(peer)
  const loser = new FakeLink(peer, 'out')
  assert.equal(bench.table.opened(loser, attempt, bench.nowMs), false)
  assert.equal(waiter.link, inbound)
})

test('connect is answered though a third address of its peer is told while one connection gives way to another', () => {
  const bench = Bench.started()
  bench.want(1)
  const attempt = bench.dialTo(1)!
  bench.table.mayProceed(peer, attempt, bench.nowMs)
  // It loses to the connection that we dialled, before that is open here.
  bench.end(bench.accept(peer)!, GoodbyeCode.duplicate)
  const waiter = bench.connect(2, peer.id)
  bench.want(3, 'mdns', peer.id)
  assert.ok(waiter.isWaiting)
  assert.deepEqual(bench.dialledPorts, [1])
  const heir = new FakeLink(peer, 'out')
  bench.table.opened(heir, attempt, bench.nowMs)
  assert.equal(waiter.link, heir)
})

test('a connect that is withdrawn cancels its dial, unless someone else wants the address', () => {
  const bench = Bench.started()
  const waiter = bench.connect(1)
  waiter.withdraw()
  waiter.withdraw()
  assert.deepEqual(bench.log, ['dial 1', 'cancel 1'])
  assert.ok(waiter.isWaiting)
  bench.want(2)
  bench.connect(2).withdraw()
  const [kept, gone] = [bench.connect(3), bench.connect(3)]
  gone.withdraw()
  assert.deepEqual(bench.dialledPorts, [2, 3])
  bench.fail(3)
  assert.ok(kept.error)
  assert.ok(gone.isWaiting)
})

test('connect fails at once on a node that is not running, has no place, or has too many callers waiting', () => {
  assert.equal(new Bench().connect(1).error?.code, 'not-running')
  const full = Bench.started({ degree: { target: 0, chosenMax: 1, max: 1 } })
  full.want(1)
  full.open(1, peer)
  assert.equal(full.connect(2).error?.code, 'too-many-neighbours')
  assert.equal(full.stateOf(2), undefined)
  const busy = Bench.started()
  for (let i = 0; i < CONNECTS_WAITING_MAX; i++) assert.ok(busy.connect(1).isWaiting)
  assert.equal(busy.connect(1).error?.code, 'too-many-neighbours')
})

test('disconnect ends the link with goodbye 0 and drops every address of the peer, seeds too', () => {
  for (const name of [peer.id, peer.key]) {
    const bench = Bench.started()
    bench.want(1)
    bench.want(2, 'mdns', peer.id)
    const link = bench.open(1, peer)
    assert.ok(bench.table.unwantPeer(name, bench.nowMs))
    assert.equal(link.closedWith, GoodbyeCode.shuttingDown)
    assert.equal(bench.downs[0]?.retryInMs, null)
    assert.deepEqual(bench.table.snapshot(0), [])
    bench.end(link)
    bench.advance(3_600_000)
    assert.equal(bench.dials.size, 0)
    assert.equal(bench.table.unwantPeer('nobody', bench.nowMs), false)
  }
})

test('disconnect gives up a dial to the peer and tells who waits for it', () => {
  const bench = Bench.started()
  const waiter = bench.connect(1, peer.id)
  assert.ok(bench.table.unwantPeer(peer.id, bench.nowMs))
  assert.equal(waiter.error?.code, 'disconnected')
  assert.deepEqual(bench.log, ['dial 1', 'cancel 1'])
})

test('a peer that the program disconnected from is not chosen again by hearsay, until it is asked for', () => {
  const bench = Bench.started()
  bench.want(1)
  bench.open(1, peer)
  bench.table.unwantPeer(peer.id, bench.nowMs)
  assert.equal(bench.want(1, 'mdns', peer.id), false)
  assert.equal(bench.want(2, 'exchange'), true)
  assert.equal(bench.refusedAt(2, peer), 'disconnected')
  assert.equal(bench.stateOf(2), undefined)
  assert.ok(bench.accept(peer), 'it may still dial us')
  bench.table.unwantPeer(peer.id, bench.nowMs)
  const waiter = bench.connect(3)
  const link = bench.open(3, peer)
  assert.equal(waiter.link, link)
  assert.equal(bench.want(4, 'mdns', peer.id), true)
})

test('the tenth reject ends the link with goodbye 5, and the peer is neither admitted nor dialled for ten minutes', () => {
  const bench = Bench.started()
  bench.want(1)
  const link = bench.open(1, peer)
  for (let i = 0; i < 9; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  assert.equal(link.closedWith, null)
  bench.table.reject(peer, 'bad signature', bench.nowMs)
  assert.equal(link.closedWith, GoodbyeCode.misbehaviour)
  assert.equal(bench.downs[0]?.retryInMs, 600_000)
  assert.equal(bench.stateOf(1), 'banned')
  assert.equal(bench.table.snapshot(bench.nowMs)[0]?.retryInMs, 600_000)
  assert.deepEqual(bench.log, ['dial 1', 'up peer-1 out', 'down peer-1', 'warning neighbour-banned'])
  assert.equal(bench.accept(peer), null)
  assert.equal(bench.connect(1).error?.code, 'banned')
  bench.advance(599_999)
  assert.equal(bench.dialCount, 1)
  bench.advance(1)
  assert.equal(bench.dialCount, 2)
  bench.open(1, peer)
  assert.equal(bench.table.openCount, 1)
})

test('a banned peer found at another address waits there too, and is shown without any address', () => {
  const bench = Bench.started()
  for (let i = 0; i < 10; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  assert.deepEqual(
    bench.table.snapshot(bench.nowMs).map(({ state, peer, retryInMs }) => [state, peer, retryInMs]),
    [['banned', 'peer-1', 600_000]],
  )
  bench.want(2)
  assert.equal(bench.refusedAt(2, peer), 'banned')
  assert.equal(bench.failures[0]?.retryInMs, 600_000)
  assert.equal(bench.table.snapshot(bench.nowMs).length, 1)
})

test('a link that opens while its peer is being banned is closed at once', () => {
  const bench = Bench.started()
  bench.want(1)
  const attempt = bench.dialTo(1)!
  assert.ok(bench.table.mayProceed(peer, attempt, bench.nowMs).ok)
  for (let i = 0; i < 10; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  const link = new FakeLink(peer, 'out')
  assert.equal(bench.table.opened(link, attempt, bench.nowMs), false)
  assert.equal(link.closedWith, GoodbyeCode.misbehaviour)
  assert.equal(bench.stateOf(1), 'banned')
})

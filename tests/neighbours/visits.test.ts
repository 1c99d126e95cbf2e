// Links for one purpose: dialled at once, counted among no neighbours, ended when they have served, and not dialled again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import { formatAddress, parseAddress } from '../../lib/identity/address.ts'
import { CONNECTS_WAITING_MAX } from '../../lib/limits.ts'
import { addressesToVisit } from '../../lib/neighbours/visits.ts'
import { addressOf, Bench, FakeLink, identityOf } from './fixture.ts'

const peer = identityOf(1)
const other = identityOf(2)

/** A node that has no use for more neighbours. */
function settled(target: number = 0): Bench {
  const bench = Bench.started({ degree: { target, chosenMax: 12, max: 64 } })
  for (let number = 100; number < 100 + target; number++) bench.accept(identityOf(number))
  // There is no lost part of the network to look for.
  bench.topology.reachable.add(1).add(2)
  return bench
}

function lineOf(bench: Bench, link: FakeLink): string | undefined {
  return bench.table.snapshot(bench.nowMs).find((line) => line.link === link)?.source
}

test('a visit dials at once and tells of the open link, which is shown as a visit', () => {
  const bench = settled(6)
  const waiter = bench.visit(peer, 1)
  assert.deepEqual(bench.dialledPorts, [1])
  assert.deepEqual([bench.dialTo(1)?.source, bench.dialTo(1)?.keep], ['visit', true])
  assert.equal(bench.table.snapshot(0).find(({ state }) => state === 'dialling')?.source, 'visit')
  const link = bench.open(1, peer)
  assert.equal(waiter.link, link)
  assert.equal(lineOf(bench, link), 'visit')
  assert.ok(bench.table.isVisit(peer.key))
  assert.equal(bench.table.isVisit(other.key), false)
  assert.ok(bench.log.includes('up peer-1 out'))
})

test('a visit ends with goodbye 6, and nobody dials again', () => {
  const bench = settled(6)
  bench.visit(peer, 1)
  const link = bench.open(1, peer)
  bench.table.leave(peer.key, bench.nowMs)
  assert.equal(link.closedWith, GoodbyeCode.idle)
  assert.deepEqual([bench.downs[0]?.link, bench.downs[0]?.retryInMs], [link, null])
  assert.equal(bench.table.link(peer.id), undefined)
  bench.table.leave(peer.key, bench.nowMs)
  bench.advance(3_600_000)
  assert.deepEqual([bench.dialCount, bench.downs.length], [1, 1])
  assert.ok(bench.accept(peer), 'and it is not unwanted')
})

test('when the link of a visit is lost nobody dials again', () => {
  for (const goodbyeCode of [null, 0, 2, 5, 6]) {
    const bench = settled(6)
    bench.visit(peer, 1)
    bench.end(bench.open(1, peer), goodbyeCode)
    assert.equal(bench.downs[0]?.retryInMs, null)
    bench.advance(3_600_000)
    assert.equal(bench.dialCount, 1, `after goodbye ${goodbyeCode}`)
    assert.equal(bench.stateOf(1), undefined)
  }
})

test('a visit to a peer that has a link gets that one, which is no visit and is not left', () => {
  const bench = settled()
  const link = bench.accept(peer)
  assert.equal(bench.visit(peer, 1).link, link)
  assert.equal(bench.dialCount, 0)
  bench.table.leave(peer.key, bench.nowMs)
  assert.equal(link?.closedWith, null)
})

test('the addresses are tried one after the other, and at the end all their reasons are told', () => {
  const bench = settled()
  const waiter = bench.visit(peer, 1, 2, 3)
  bench.fail(1)
  assert.deepEqual(bench.dialledPorts, [2])
  assert.equal(bench.failures[0]?.retryInMs, null)
  assert.equal(bench.refusedAt(2, other), 'wrong-identity')
  assert.ok(waiter.isWaiting)
  bench.fail(3, null, new MeshError('handshake-timeout', 'too slow'))
  assert.equal(waiter.error?.code, 'unreachable')
  assert.match(
    waiter.error!.message,
    /tcp\/1\/p2p\/peer-1: refused; .*tcp\/2.*: expected peer-1.*; .*tcp\/3.*: too slow/,
  )
  bench.advance(3_600_000)
  assert.equal(bench.dialCount, 3)
  assert.deepEqual(bench.table.snapshot(0), [])
})

test('a visit succeeds at its second address, or with a link that the peer dials meanwhile', () => {
  const bench = settled()
  const first = bench.visit(peer, 1, 2)
  bench.fail(1)
  assert.equal(bench.open(2, peer), first.link)
  const second = bench.visit(other, 3)
  assert.equal(bench.accept(other), second.link)
  assert.ok(bench.log.includes('cancel 3'))
  assert.equal(bench.table.isVisit(other.key), false)
})

test('two visits to one peer share a dial, and each goes its own way after a failure', () => {
  const bench = settled()
  const [first, second, third] = [bench.visit(peer, 1), bench.visit(peer, 1, 2), bench.visit(peer, 3)]
  assert.deepEqual(bench.dialledPorts, [1])
  bench.fail(1)
  assert.equal(first.error?.code, 'unreachable')
  assert.equal(bench.dials.size, 1, 'one at a time')
  const link = bench.open(bench.dialledPorts[0]!, peer)
  assert.equal(second.link, link)
  assert.equal(third.link, link)
})

test('a peer that says goodbye is not tried at its other addresses', () => {
  const bench = settled()
  const waiter = bench.visit(peer, 1, 2)
  bench.fail(1, GoodbyeCode.tooMany, new MeshError('peer-said-goodbye', 'goodbye 2'))
  assert.equal(waiter.error?.code, 'unreachable')
  assert.equal(bench.dials.size, 0)
})

test('a visit that is withdrawn gives up its dial, unless somebody else waits for it', () => {
  const bench = settled()
  const waiter = bench.visit(peer, 1, 2)
  waiter.withdraw()
  waiter.withdraw()
  assert.deepEqual(bench.log, ['dial 1', 'cancel 1'])
  assert.ok(waiter.isWaiting)
  const connect = bench.connect(1, peer.id)
  const visit = bench.visit(peer, 1)
  visit.withdraw()
  assert.deepEqual(bench.dialledPorts, [1])
  const [gone, kept] = [bench.visit(other, 2), bench.visit(other, 2)]
  gone.withdraw()
  assert.deepEqual(bench.dialledPorts, [1, 2])
  bench.open(2, other)
  bench.open(1, peer)
  assert.ok(kept.link !== null && connect.link !== null && gone.isWaiting && visit.isWaiting)
})

test('a link that a connect began and only a visit waited for in the end is a visit', () => {
  const bench = settled()
  const connect = bench.connect(1, peer.id)
  bench.visit(peer, 1)
  connect.withdraw()
  bench.open(1, peer)
  assert.ok(bench.table.isVisit(peer.key))
})

test('a visit fails at once on a node that is not running, at its own address, for the banned and without an address', () => {
  const idle = new Bench()
  assert.equal(idle.visit(peer, 1).error?.code, 'not-running')
  const bench = settled()
  assert.equal(bench.visit(bench.own, 1).error?.code, 'unreachable')
  assert.equal(bench.visit(peer).error?.code, 'unreachable')
  for (let i = 0; i < 10; i++) bench.table.reject(peer, 'bad signature', bench.nowMs)
  const banned = bench.visit(peer, 1, 2)
  assert.equal(bench.refusedAt(1, peer), 'banned')
  assert.equal(banned.error?.code, 'banned')
  for (let i = 0; i < CONNECTS_WAITING_MAX; i++) assert.ok(bench.visit(other, 3).isWaiting)
  assert.equal(bench.visit(other, 3).error?.code, 'too-many-neighbours')
})

test('stop and disconnect tell a visit that waits, and it goes to no other address', () => {
  const bench = settled()
  const first = bench.visit(peer, 1, 2)
  bench.table.unwantPeer(peer.id, bench.nowMs)
  assert.equal(first.error?.code, 'disconnected')
  const second = bench.visit(other, 3, 4)
  bench.table.stop(bench.nowMs)
  assert.equal(second.error?.code, 'shutdown')
  assert.equal(bench.dials.size, 0)
})

test('one may visit a peer that the program disconnected from, and it stays unwanted otherwise', () => {
  const bench = settled()
  bench.visit(peer, 1)
  bench.open(1, peer)
  bench.table.unwantPeer(peer.id, bench.nowMs)
  const waiter = bench.visit(peer, 1)
  assert.equal(bench.open(1, peer), waiter.link)
  bench.table.leave(peer.key, bench.nowMs)
  assert.equal(bench.want(1, 'mdns', peer.id), false)
})

test('a visit takes one of the places, but pushes nobody out', () => {
  const bench = Bench.started({ degree: { target: 0, chosenMax: 1, max: 2 } })
  const stranger = bench.accept(identityOf(50))
  bench.visit(peer, 1)
  const late = bench.visit(other, 2)
  bench.open(1, peer)
  assert.equal(bench.refusedAt(2, other), 'too-many-neighbours')
  assert.equal(late.error?.code, 'too-many-neighbours')
  assert.equal(bench.visit(identityOf(3), 3).error?.code, 'too-many-neighbours')
  assert.equal(bench.accept(identityOf(4)), null)
  assert.equal(stranger?.closedWith, null)
  // A neighbour that the program asks for does push out the stranger.
  bench.connect(5)
  bench.open(5, identityOf(5))
  assert.equal(stranger?.closedWith, GoodbyeCode.tooMany)
  assert.ok(bench.table.isVisit(peer.key))
})

test('visits count neither towards the target nor towards the links that are chosen, and none is shed', () => {
  const bench = Bench.started({ degree: { target: 3, chosenMax: 3, max: 64 } })
  for (let number = 100; number < 103; number++) bench.accept(identityOf(number))
  for (let number = 1; number <= 20; number++) {
    bench.visit(identityOf(number), number)
    bench.open(number, identityOf(number))
    bench.topology.degrees.set(number, 9)
    bench.topology.joined.add(number)
  }
  bench.advance(600_000)
  assert.equal(bench.table.openCount, 23)
  assert.deepEqual(bench.shed, [])
  // Not even when there are links too many.
  for (let number = 103; number < 110; number++) bench.accept(identityOf(number))
  bench.advance(600_000)
  assert.deepEqual(bench.shed, [])
})

test('dials of visits do not keep a node from choosing neighbours', () => {
  const bench = Bench.started({ degree: { target: 1, chosenMax: 1, max: 64 } })
  for (let port = 1; port <= 3; port++) bench.visit(identityOf(port), port)
  bench.want(9, 'mdns')
  assert.deepEqual(bench.dialledPorts, [1, 2, 3, 9])
})

test('a node that is short of neighbours keeps whom it visits as one, rather than to dial it again', () => {
  const bench = Bench.started({ degree: { target: 3, chosenMax: 12, max: 64 } })
  const links = [1, 2, 3, 4, 5].map((port) => {
    bench.visit(identityOf(port), port)
    return bench.open(port, identityOf(port))
  })
  const visits = links.filter(({ identity }) => bench.table.isVisit(identity.key))
  assert.equal(visits.length, 2)
  assert.equal(lineOf(bench, links[0]!), 'book')
  // One of those that it has is lost: another visit takes its place, when candidates are looked for again.
  bench.end(links[0]!)
  bench.advance(5_000)
  assert.equal(visits.filter(({ identity }) => bench.table.isVisit(identity.key)).length, 1)
})

test('a visit to a peer that is asked for is a link like any other, whichever came first', () => {
  for (const when of ['before', 'during', 'after'] as const) {
    for (const source of ['seed', 'manual'] as const) {
      const bench = settled()
      if (when === 'before') bench.want(1, source, peer.id)
      const waiter = bench.visit(peer, 1)
      if (when === 'during') bench.want(1, source, peer.id)
      const link = bench.open(1, peer)
      assert.equal(waiter.link, link)
      if (when === 'after') bench.want(2, source, peer.id)
      assert.equal(bench.table.isVisit(peer.key), false)
      assert.equal(lineOf(bench, link), source)
      bench.table.leave(peer.key, bench.nowMs)
      assert.equal(link.closedWith, null)
    }
  }
})

test('connect to a peer that is being visited makes it a neighbour that is kept', () => {
  const bench = settled()
  bench.visit(peer, 1)
  const link = bench.open(1, peer)
  assert.equal(bench.connect(2, peer.id).link, link)
  assert.equal(lineOf(bench, link), 'manual')
  bench.end(link)
  bench.advance(60_000)
  assert.deepEqual(bench.dialledPorts, [2])
  // Also where the address does not name the peer.
  bench.visit(other, 3)
  const second = bench.open(3, other)
  const waiter = bench.connect(4)
  assert.equal(bench.refusedAt(4, other), 'already-connected')
  assert.equal(waiter.link, second)
  assert.equal(lineOf(bench, second), 'manual')
})

test('a candidate that is visited is a visit while the node has links enough, and a candidate again after it', () => {
  const bench = settled(6)
  bench.want(1, 'mdns', peer.id)
  assert.equal(bench.dials.size, 0)
  bench.visit(peer, 1)
  const link = bench.open(1, peer)
  assert.equal(lineOf(bench, link), 'visit')
  bench.table.leave(peer.key, bench.nowMs)
  assert.equal(bench.stateOf(1), 'wanted')
  bench.advance(60_000)
  assert.equal(bench.dialCount, 1)
  bench.end(bench.table.link('peer-100')!)
  bench.advance(5_000)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('a visit does not wait for the back-off of a candidate, and its failure counts there', () => {
  const bench = Bench.started({ degree: { target: 1, chosenMax: 1, max: 64 }, fraction: () => 0.999 })
  bench.want(1, 'mdns', peer.id)
  bench.fail(1)
  assert.equal(bench.stateOf(1), 'backing-off')
  const waiter = bench.visit(peer, 1)
  assert.deepEqual(bench.dialledPorts, [1])
  bench.fail(1)
  assert.equal(waiter.error?.code, 'unreachable')
  assert.equal(bench.stateOf(1), 'backing-off')
  assert.ok(bench.failures.at(-1)!.retryInMs! > 900)
})

test('what a visit finds and what it does not find is told to the address book', () => {
  const bench = settled()
  bench.visit(peer, 1, 2)
  bench.fail(1)
  bench.open(2, peer)
  assert.deepEqual(bench.book.addressesOf(peer.id), [addressOf(2, peer.id)])
  bench.table.leave(peer.key, bench.nowMs)
  bench.visit(peer, 2)
  bench.fail(2)
  assert.equal(
    bench.book.choose(bench.nowMs, false, () => true),
    null,
    'it is not due at once',
  )
})

test('a visit to an address that somebody proves to be us at fails there, and goes on', () => {
  const bench = settled()
  const waiter = bench.visit(peer, 1, 2)
  bench.refusedAt(1, bench.own)
  assert.equal(bench.open(2, peer), waiter.link)
})

test('a visit to a peer whose link is giving way to another one waits for that', () => {
  const bench = settled()
  bench.want(1, 'seed', peer.id)
  const attempt = bench.dialTo(1)!
  assert.ok(bench.table.mayProceed(peer, attempt, bench.nowMs).ok)
  const inbound = bench.accept(peer)!
  bench.end(inbound, GoodbyeCode.duplicate)
  const waiter = bench.visit(peer, 2)
  assert.ok(waiter.isWaiting)
  assert.deepEqual(bench.dialledPorts, [1])
  const heir = new FakeLink(peer, 'out')
  bench.table.opened(heir, attempt, bench.nowMs)
  assert.equal(waiter.link, heir)
})

test('who is visited and told goodbye 6 does not dial because of it, unless it asked for that peer itself', () => {
  const bench = settled(6)
  bench.want(1, 'mdns', peer.id)
  const candidate = bench.accept(peer)!
  bench.nowMs += 30_000
  bench.end(candidate, GoodbyeCode.idle)
  bench.advance(29_000)
  assert.equal(bench.stateOf(1), 'backing-off', 'it is not forgotten either')
  assert.equal(bench.dialCount, 0)
  assert.equal(bench.downs.at(-1)?.retryInMs, null)
  bench.want(2, 'manual', other.id)
  bench.open(2, other)
  bench.end(bench.table.link(other.id)!)
  const inbound = bench.accept(other)!
  bench.nowMs += 30_000
  bench.end(inbound, GoodbyeCode.idle)
  bench.advance(500)
  assert.deepEqual(bench.dialledPorts, [2])
})

test('to visit are the addresses of the book, then the public ones that the peer tells, each once', () => {
  const own = parseAddress('/ip4/10.0.0.1/tcp/1')
  const told = ['10.0.0.1/tcp/1', '10.0.0.2/tcp/1', '127.0.0.1/tcp/1', '198.51.100.1/tcp/1', '198.51.100.1/tcp/1']
  const texts = [...told.map((end) => `/ip4/${end}`), '/dns/node.example/tcp/1', '/ip6/2001:db8::1/tcp/1']
  assert.deepEqual(addressesToVisit([own], texts).map(formatAddress), [
    '/ip4/10.0.0.1/tcp/1',
    '/ip4/198.51.100.1/tcp/1',
    '/ip6/2001:db8::1/tcp/1',
  ])
})

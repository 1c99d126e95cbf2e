import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ASKED_TARGETS_MAX, CANDIDATES_MAX, CANDIDATES_PER_TELLER_MAX, UNWANTED_PEERS_MAX } from '../../lib/limits.ts'
import { Backoff } from '../../lib/neighbours/backoff.ts'
import { strongerSource, Target } from '../../lib/neighbours/target.ts'
import { Targets } from '../../lib/neighbours/targets.ts'
import { UnwantedPeers } from '../../lib/neighbours/unwanted.ts'
import { addressOf, Bench, FakeLink, identityOf } from './fixture.ts'

const newBackoff = (): Backoff => new Backoff({ firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 }, () => 0.5)
const newTargets = (): Targets => new Targets(newBackoff)

function targetOf(port: number, peer: string | null = null): Target {
  return new Target({
    address: addressOf(port, peer),
    order: 0,
    source: 'seed',
    toldBy: null,
    backoff: newBackoff(),
    nowMs: 0,
  })
}

test('the stronger source wins: seed, manual, mdns, exchange, book', () => {
  const sources = ['book', 'exchange', 'mdns', 'manual', 'seed'] as const
  for (const [i, a] of sources.entries()) {
    for (const [j, b] of sources.entries()) assert.equal(strongerSource(a, b), sources[Math.max(i, j)])
  }
  assert.equal(strongerSource(null, 'exchange'), 'exchange')
})

test('an identity that the address does not expect is not remembered as its peer', () => {
  const target = targetOf(1, 'peer-1')
  target.prove(identityOf(2))
  assert.ok(target.proven === null)
  target.prove(identityOf(1))
  assert.deepEqual(target.proven, identityOf(1))
})

test('a target belongs to whoever proved to be there, by X25519 key, else to whom the address names', () => {
  const named = targetOf(1, 'peer-1')
  assert.ok(named.belongsTo(identityOf(1)))
  assert.ok(!named.belongsTo(identityOf(2)))
  const proven = targetOf(1)
  assert.ok(!proven.belongsTo(identityOf(1)))
  proven.prove(identityOf(1))
  assert.ok(proven.belongsTo({ ...identityOf(1), id: 'the-negative-key' }))
})

test('a target stays with its peer when the link is replaced by one under the negative key', () => {
  const bench = Bench.started()
  bench.accept(identityOf(1))
  bench.want(1, 'seed', 'peer-1')
  const negative = new FakeLink({ ...identityOf(1), id: 'the-negative-key' }, 'in')
  bench.table.opened(negative, null, bench.nowMs)
  bench.end(negative)
  bench.advance(500)
  assert.deepEqual(bench.dialledPorts, [1])
})

test('two targets meet at the same socket or the same peer', () => {
  assert.ok(targetOf(1).meets(targetOf(1, 'peer-1')))
  assert.ok(!targetOf(1).meets(targetOf(2)))
  assert.ok(targetOf(1, 'peer-1').meets(targetOf(2, 'peer-1')))
  assert.ok(!targetOf(1, 'peer-1').meets(targetOf(2, 'peer-2')))
  const [a, b] = [targetOf(1), targetOf(2)]
  a.prove(identityOf(1))
  assert.ok(!a.meets(b) && !b.meets(a))
  b.prove(identityOf(1))
  assert.ok(a.meets(b))
})

test('at the bound of candidates the one with most failures goes, and among these the oldest', () => {
  const targets = newTargets()
  for (let i = 0; i < CANDIDATES_MAX; i++) assert.ok(targets.add(addressOf(i), 'mdns', null, 0))
  for (const port of [7, 9]) targets.get(addressOf(port))!.backoff.failed()
  targets.add(addressOf(1_000), 'mdns', null, 0)
  assert.equal(targets.get(addressOf(7)), undefined)
  targets.add(addressOf(1_001), 'mdns', null, 0)
  assert.equal(targets.get(addressOf(9)), undefined)
  targets.add(addressOf(1_002), 'mdns', null, 0)
  assert.equal(targets.get(addressOf(0)), undefined)
  assert.equal(targets.size, CANDIDATES_MAX)
})

test('a candidate in use is never pushed out; when all are in use the newcomer is refused', () => {
  const targets = newTargets()
  for (let i = 0; i < CANDIDATES_MAX; i++) targets.add(addressOf(i), 'mdns', null, 0)!.state = { kind: 'linked' }
  assert.equal(targets.add(addressOf(1_000), 'mdns', null, 0), null)
  assert.equal(targets.size, CANDIDATES_MAX)
})

test('one teller pushes out only its own candidates', () => {
  const targets = newTargets()
  targets.add(addressOf(1), 'exchange', 'honest', 0)!.backoff.failed()
  for (let i = 0; i < 5_000; i++) targets.add(addressOf(10_000 + i), 'exchange', 'liar', 0)
  assert.equal(targets.size, CANDIDATES_PER_TELLER_MAX + 1)
  assert.ok(targets.get(addressOf(1)))
})

test('candidates take no place of seeds, and seeds are bounded too', () => {
  const targets = newTargets()
  for (let i = 0; i < ASKED_TARGETS_MAX; i++) assert.ok(targets.add(addressOf(i), 'seed', null, 0))
  assert.equal(targets.add(addressOf(60_000), 'manual', null, 0), null)
  assert.equal(targets.add(addressOf(60_000), null, null, 0), null)
  const candidate = targets.add(addressOf(60_000), 'mdns', null, 0)!
  assert.equal(targets.promote(candidate, 'manual'), false)
  assert.equal(candidate.source, 'mdns')
})

test('a promoted candidate no longer counts against its teller', () => {
  const targets = newTargets()
  const candidate = targets.add(addressOf(1), 'exchange', 'teller', 0)!
  assert.equal(targets.promote(candidate, 'mdns'), true)
  assert.equal(candidate.toldBy, null)
  assert.equal(targets.promote(candidate, 'exchange'), true)
  assert.equal(candidate.source, 'mdns')
})

test('of the peers that the program disconnected from the oldest is forgotten at the bound', () => {
  const unwanted = new UnwantedPeers()
  for (let i = 0; i < UNWANTED_PEERS_MAX + 1; i++) unwanted.add([`id-${i}`, `key-${i}`])
  assert.ok(!unwanted.has('id-0') && !unwanted.has('key-0'))
  assert.ok(unwanted.has('id-1') && unwanted.has('key-1'))
  unwanted.delete(['id-1'])
  assert.ok(!unwanted.has('id-1'))
  assert.ok(!unwanted.has(null))
})

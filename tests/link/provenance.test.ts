import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Provenance, provenanceOf, Tally, whoGivesWay, whoseTurn } from '../../lib/link/provenance.ts'

test('a block is an IPv4 address or an IPv6 /64, a site a /24 or a /48, and this machine both', () => {
  const block = (host: string): string => provenanceOf(host).block
  const site = (host: string): string => provenanceOf(host).site
  assert.equal(block('192.0.2.1'), '192.0.2.1')
  assert.equal(site('192.0.2.1'), site('192.0.2.255'))
  assert.notEqual(site('192.0.2.1'), site('192.0.3.1'))
  assert.equal(block('2001:db8::1'), block('2001:db8::ffff:1'))
  assert.notEqual(block('2001:db8::1'), block('2001:db8:0:1::1'))
  assert.equal(site('2001:db8::1'), site('2001:db8:0:1::1'))
  assert.notEqual(site('2001:db8::1'), site('2001:db8:1::1'))
  assert.equal(block('fe80::1%eth0'), block('fe80::2'))
  assert.deepEqual(provenanceOf('127.0.0.1'), provenanceOf('::1'))
})

test('a tally forgets places from which nobody is left', () => {
  const tally = new Tally()
  const [a, b] = [provenanceOf('192.0.2.1'), provenanceOf('192.0.2.2')]
  tally.add(a)
  tally.add(a)
  tally.add(b)
  assert.deepEqual([tally.of('block', a), tally.of('site', a), tally.of('block', b)], [2, 3, 1])
  for (const one of [a, b, a]) tally.remove(one)
  assert.deepEqual([tally.of('block', a), tally.of('site', a)], [0, 0])
})

test('the oldest of the most crowded site gives way, then of the most crowded block, and nobody to his like', () => {
  const tally = new Tally()
  const all = ['10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.2', '10.1.0.1', '10.1.0.2'].map(provenanceOf)
  for (const one of all) tally.add(one)
  const giving = (host: string): Provenance | null => whoGivesWay(all, tally, provenanceOf(host))
  assert.equal(giving('10.9.0.1'), all[0])
  assert.equal(giving('10.1.0.3'), all[0])
  assert.equal(giving('10.0.0.9'), all[1])
  assert.equal(giving('10.0.0.1'), all[1])
  assert.equal(giving('10.0.0.2'), null)
})

test('the next turn is for the site with fewest, then the block with fewest, then the first', () => {
  const tally = new Tally()
  for (const host of ['10.0.0.1', '10.0.0.1', '10.1.0.1']) tally.add(provenanceOf(host))
  const waiting = ['10.0.0.1', '10.0.0.2', '10.1.0.1', '10.1.0.2', '10.2.0.1', '10.2.0.2'].map(provenanceOf)
  assert.equal(whoseTurn(waiting, tally), waiting[4])
  assert.equal(whoseTurn(waiting.slice(0, 4), tally), waiting[3])
  assert.equal(whoseTurn(waiting.slice(0, 2), tally), waiting[1])
  assert.equal(whoseTurn([], tally), null)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BAN_ENTRIES_MAX } from '../../lib/limits.ts'
import {
  BAN_FIRST_MS,
  BAN_MAX_MS,
  BANS_FORGOTTEN_AFTER_MS,
  Bans,
  POINTS_HALVE_EVERY_MS,
} from '../../lib/neighbours/bans.ts'
import { identityOf } from './fixture.ts'

const peer = identityOf(1)

/** Rejects until one bans; returns how many it took and the length of the ban. */
function ban(bans: Bans, identity = peer, nowMs = 0): { rejects: number; lengthMs: number } {
  for (let rejects = 1; rejects < 100; rejects++) {
    const lengthMs = bans.reject(identity, nowMs)
    if (lengthMs !== null) return { rejects, lengthMs }
  }
  throw new Error('never banned')
}

test('the tenth reject within ten minutes bans for ten minutes', () => {
  const bans = new Bans()
  for (let i = 0; i < 9; i++) assert.equal(bans.reject(peer, i * 60_000), null)
  assert.equal(bans.untilMs(peer.key, 540_000), null)
  assert.equal(bans.reject(peer, 599_999), BAN_FIRST_MS)
  assert.equal(bans.untilMs(peer.key, 599_999), 599_999 + BAN_FIRST_MS)
  assert.equal(bans.untilMs(peer.key, 599_999 + BAN_FIRST_MS), null)
})

test('points halve every ten minutes, so that a reject now and then never bans', () => {
  const bans = new Bans()
  for (let i = 0; i < 9; i++) bans.reject(peer, 0)
  // 90 points are 45 now: five more make 95, the sixth bans.
  for (let i = 0; i < 5; i++) assert.equal(bans.reject(peer, POINTS_HALVE_EVERY_MS), null)
  assert.equal(bans.reject(peer, POINTS_HALVE_EVERY_MS), BAN_FIRST_MS)
  const patient = new Bans()
  for (let i = 0; i < 1_000; i++) assert.equal(patient.reject(peer, i * 180_000), null)
})

test('what a check rejects costs a tenth: who published it is banned by the hundredth, who passed it on never by that alone', () => {
  const bans = new Bans()
  for (let i = 0; i < 99; i++) assert.equal(bans.reject(peer, 0, 'published'), null)
  assert.equal(bans.reject(peer, 0, 'published'), BAN_FIRST_MS)
  const relay = new Bans()
  for (let i = 0; i < 10_000; i++) assert.equal(relay.reject(peer, 0, 'passed-on'), null)
  for (let i = 0; i < 4; i++) assert.equal(relay.reject(peer, 0), null)
  assert.equal(relay.reject(peer, 0, 'passed-on'), null)
  assert.equal(relay.reject(peer, 0), BAN_FIRST_MS)
})

test('each ban is twice as long as the last, up to a day', () => {
  const bans = new Bans()
  let nowMs = 0
  const lengths: number[] = []
  for (let i = 0; i < 10; i++) {
    const { lengthMs } = ban(bans, peer, nowMs)
    lengths.push(lengthMs / 60_000)
    nowMs += lengthMs
  }
  assert.deepEqual(lengths, [10, 20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440])
  assert.equal(BAN_MAX_MS / 60_000, 1_440)
})

test('after a day without a ban the next one is a first one', () => {
  const bans = new Bans()
  ban(bans, peer, 0)
  assert.equal(ban(bans, peer, BAN_FIRST_MS + BANS_FORGOTTEN_AFTER_MS).lengthMs, BAN_FIRST_MS)
})

test('rejects that were still under way when the ban began do not lengthen it', () => {
  const bans = new Bans()
  ban(bans)
  for (let i = 0; i < 100; i++) assert.equal(bans.reject(peer, 1), null)
  assert.equal(bans.untilMs(peer.key, 1), BAN_FIRST_MS)
  assert.equal(ban(bans, peer, BAN_FIRST_MS).rejects, 10)
})

test('a ban is on the X25519 key, so the negative of a public key does not escape it', () => {
  const bans = new Bans()
  ban(bans)
  const negative = { ...peer, id: 'another-peer-id', publicKey: new Uint8Array(32).fill(9) }
  assert.notEqual(bans.untilMs(negative.key, 0), null)
})

test('at the bound the harmless are forgotten first and the banned stay', () => {
  const bans = new Bans()
  ban(bans, identityOf(0))
  for (let i = 1; i < BAN_ENTRIES_MAX; i++) bans.reject(identityOf(i), 0)
  assert.equal(bans.size, BAN_ENTRIES_MAX)
  bans.reject(identityOf(1), 0)
  for (let i = 0; i < 5_000; i++) bans.reject(identityOf(100_000 + i), 0)
  assert.equal(bans.size, BAN_ENTRIES_MAX)
  assert.notEqual(bans.untilMs(identityOf(0).key, 0), null)
  // The one with two rejects outlived all those with one: eight more ban it.
  assert.equal(ban(bans, identityOf(1), 0).rejects, 8)
})

test('when all at the bound are banned, the ban that ends first is forgotten', () => {
  const bans = new Bans()
  for (let i = 0; i < BAN_ENTRIES_MAX; i++) ban(bans, identityOf(i), i)
  ban(bans, identityOf(5_000), 2_000)
  assert.equal(bans.untilMs(identityOf(0).key, 2_000), null)
  assert.notEqual(bans.untilMs(identityOf(1).key, 2_000), null)
  assert.equal([...bans.inForce(2_000)].length, BAN_ENTRIES_MAX)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnRecord } from '../../lib/discovery/own-record.ts'
import { type Address, parseAddress } from '../../lib/identity/address.ts'
import { decodeNodeRecord } from '../../lib/identity/node-record.ts'
import { contextOf } from '../link/ends.ts'
import { FakeClock } from '../link/fake-clock.ts'

test('the record is signed anew only when the addresses change, and they are looked at every five seconds', () => {
  const clock = new FakeClock()
  const { keyPair, network, primitives, identities } = contextOf(1, clock)
  let addresses: readonly Address[] = []
  let asked = 0
  const record = new OwnRecord({
    keyPair,
    network,
    primitives,
    clock,
    addresses: () => {
      asked++
      return addresses
    },
  })
  assert.equal(record.bytes(), null)
  addresses = [parseAddress('192.0.2.1:7')]
  assert.equal(record.bytes(), null)
  clock.skip(5_000)
  const first = record.bytes()!
  assert.deepEqual(decodeNodeRecord(first, network, identities, primitives).addresses, addresses)
  clock.skip(5_000)
  assert.equal(record.bytes(), first)
  addresses = [parseAddress('192.0.2.2:7')]
  clock.skip(5_000)
  const second = decodeNodeRecord(record.bytes()!, network, identities, primitives)
  assert.deepEqual(second.addresses, addresses)
  assert.ok(second.issuedAtMs > decodeNodeRecord(first, network, identities, primitives).issuedAtMs)
  assert.equal(asked, 4)
})

test('each record is issued later than the one before, whatever the clock does', () => {
  const clock = new FakeClock()
  const { keyPair, network, primitives, identities } = contextOf(1, clock)
  const place = (port: number): readonly Address[] => [parseAddress(`192.0.2.1:${port}`)]
  let addresses = place(1)
  let aheadMs = 0
  const unixMs = clock.unixMs.bind(clock)
  clock.unixMs = () => unixMs() + aheadMs
  const record = new OwnRecord({ keyPair, network, primitives, clock, addresses: () => addresses })
  const issuedAtMs = (): number => {
    clock.skip(5_000)
    return decodeNodeRecord(record.bytes()!, network, identities, primitives).issuedAtMs
  }
  const first = issuedAtMs()
  assert.equal(first, unixMs())
  // Set back by a day, and then the node moves.
  aheadMs = -86_400_000
  assert.equal(issuedAtMs(), first)
  addresses = place(2)
  assert.equal(issuedAtMs(), first + 1)
  // Before 1970.
  aheadMs = -1e13
  addresses = place(3)
  assert.equal(issuedAtMs(), first + 2)
  // Set right again: others may know a record of an earlier run that was issued meanwhile.
  aheadMs = 0
  const last = issuedAtMs()
  assert.equal(last, unixMs())
  aheadMs = 59_000
  assert.equal(issuedAtMs(), last)
})

test('a record of an earlier run that was issued later is outdone, but for one that nothing can outdo', () => {
  const clock = new FakeClock()
  const { keyPair, network, primitives, identities } = contextOf(1, clock)
  const addresses = (): readonly Address[] => [parseAddress('192.0.2.1:7')]
  const record = new OwnRecord({ keyPair, network, primitives, clock, addresses })
  const issuedAtMs = (): number => decodeNodeRecord(record.bytes()!, network, identities, primitives).issuedAtMs
  const first = issuedAtMs()
  assert.equal(record.met(first), false)
  assert.equal(record.met(first - 1), false)
  assert.equal(record.met(Number.MAX_SAFE_INTEGER), false)
  assert.equal(issuedAtMs(), first)
  assert.equal(record.met(first + 1e10), true)
  assert.equal(record.met(first + 1e10), false)
  assert.equal(issuedAtMs(), first + 1e10 + 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress, parseAddress } from '../../lib/identity/address.ts'
import { addressesWithinReach, isLocal } from '../../lib/identity/reach.ts'

const ALL = [
  '/ip4/127.0.0.1/tcp/1',
  '/ip4/10.0.0.1/tcp/1',
  '/ip4/169.254.0.1/tcp/1',
  '/ip6/fd00::1/tcp/1',
  '/ip4/198.51.100.1/tcp/1',
  '/dns/node.example/tcp/1',
].map((text) => parseAddress(text))

test('an address is taken only from somebody at least as near, and names from nobody', () => {
  for (const [host, from, to] of [
    ['127.0.0.1', 0, 5],
    ['::1', 0, 5],
    ['192.168.7.7', 1, 5],
    ['fe80::1%eth0', 1, 5],
    ['203.0.113.1', 4, 5],
    ['2001:db8::1', 4, 5],
  ] as const) {
    assert.deepEqual(addressesWithinReach(ALL, host).map(formatAddress), ALL.slice(from, to).map(formatAddress), host)
  }
})

test('local is what is not public, and a name is neither', () => {
  assert.deepEqual(ALL.map(isLocal), [true, true, true, true, false, false])
})

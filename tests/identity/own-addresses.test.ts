import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../lib/identity/address.ts'
import { ownAddresses } from '../../lib/identity/own-addresses.ts'
import type { InterfaceAddress } from '../../lib/io/world.ts'

function interfaceOf(host: string): InterfaceAddress {
  const family = host.includes(':') ? 'ip6' : 'ip4'
  return { interfaceName: 'eth0', host, family, internal: false, scope: 0, prefixLength: 24 }
}

const INTERFACES = ['127.0.0.1', '::1', '192.168.1.5', 'fe80::1', '2001:db8::5', '198.51.100.5'].map(interfaceOf)

function texts(...endpoints: { host: string; port: number }[]): string[] {
  return ownAddresses(endpoints, INTERFACES, null).map(formatAddress)
}

test('a listener on one address has that address', () => {
  assert.deepEqual(texts({ host: '192.168.1.5', port: 7 }), ['/ip4/192.168.1.5/tcp/7'])
})

test('all interfaces are spelled out: public first, then private, then loopback, link-local never', () => {
  assert.deepEqual(texts({ host: '::', port: 7 }), [
    '/ip6/2001:db8::5/tcp/7',
    '/ip4/198.51.100.5/tcp/7',
    '/ip4/192.168.1.5/tcp/7',
    '/ip4/127.0.0.1/tcp/7',
    '/ip6/::1/tcp/7',
  ])
})

test('0.0.0.0 is IPv4 alone', () => {
  assert.deepEqual(texts({ host: '0.0.0.0', port: 7 }), [
    '/ip4/198.51.100.5/tcp/7',
    '/ip4/192.168.1.5/tcp/7',
    '/ip4/127.0.0.1/tcp/7',
  ])
})

test('two listeners with one address in common name it once, ports apart', () => {
  assert.deepEqual(
    texts({ host: '127.0.0.1', port: 7 }, { host: '127.0.0.1', port: 7 }, { host: '127.0.0.1', port: 8 }),
    ['/ip4/127.0.0.1/tcp/7', '/ip4/127.0.0.1/tcp/8'],
  )
})

test('a link-local listener has no address that means anything elsewhere', () => {
  assert.deepEqual(texts({ host: 'fe80::1%eth0', port: 7 }), [])
  assert.deepEqual(texts({ host: '169.254.3.4', port: 7 }), [])
})

test('at most eight, the best of them', () => {
  const many = Array.from({ length: 12 }, (_, i) => interfaceOf(`10.0.0.${i + 1}`))
  const found = ownAddresses([{ host: '::', port: 7 }], [...many, interfaceOf('198.51.100.9')], null)
  assert.equal(found.length, 8)
  assert.equal(found[0]?.host, '198.51.100.9')
})

test('the peer id is part of the address where it is given', () => {
  assert.equal(ownAddresses([{ host: '127.0.0.1', port: 7 }], [], 'peer')[0]?.peer, 'peer')
})

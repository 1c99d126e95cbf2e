import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { concatBytes, fromHex, textOf, toHex } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import {
  type Address,
  addressFromBytes,
  addressToBytes,
  formatAddress,
  hostPort,
  parseAddress,
} from '../../lib/identity/address.ts'
import { seeded } from '../crypto/seeded.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'

const ID = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const ID_CID = 'bafzaajaiaejcbajzo4hkq7ixl5lkgvdgyngh5tglrwfjdnhog6rf35qploh4tm4u'

function address(host: string, kind: Address['kind'], port: number, peer: string | null = null): Address {
  return { host, kind, port, peer }
}

test('what people type is read', () => {
  const cases: [string, Address][] = [
    ['192.0.2.1:80', address('192.0.2.1', 'ip4', 80)],
    ['192.0.2.1', address('192.0.2.1', 'ip4', 6374)],
    ['[2001:DB8::1]:80', address('2001:db8::1', 'ip6', 80)],
    ['[2001:db8:0:0::1]', address('2001:db8::1', 'ip6', 6374)],
    ['2001:db8::1', address('2001:db8::1', 'ip6', 6374)],
    // Without brackets the last group is a group, not a port.
    ['2001:db8::1:6374', address('2001:db8::1:6374', 'ip6', 6374)],
    [':6375', address('::', 'ip6', 6375)],
    ['Example.ORG:443', address('example.org', 'dns', 443)],
    ['localhost', address('localhost', 'dns', 6374)],
    ['a_b.example.:1', address('a_b.example.', 'dns', 1)],
    ['4chan.org:65535', address('4chan.org', 'dns', 65_535)],
    ['[fe80::1%eth0]:80', address('fe80::1%eth0', 'ip6', 80)],
    ['[::ffff:192.0.2.1]:80', address('192.0.2.1', 'ip4', 80)],
  ]
  for (const [text, expected] of cases) assert.deepEqual(parseAddress(text), expected, text)
})

test('multiaddrs are read, and written back in canonical form', () => {
  const cases: [string, Address, string?][] = [
    ['/ip4/192.0.2.1/tcp/80', address('192.0.2.1', 'ip4', 80)],
    [`/ip4/192.0.2.1/tcp/80/p2p/${ID}`, address('192.0.2.1', 'ip4', 80, ID)],
    [`/ip4/192.0.2.1/tcp/80/p2p/${ID_CID}`, address('192.0.2.1', 'ip4', 80, ID), `/ip4/192.0.2.1/tcp/80/p2p/${ID}`],
    ['/ip6/2001:DB8:0::1/tcp/80', address('2001:db8::1', 'ip6', 80), '/ip6/2001:db8::1/tcp/80'],
    ['/ip6/::ffff:192.0.2.1/tcp/80', address('192.0.2.1', 'ip4', 80), '/ip4/192.0.2.1/tcp/80'],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/80', address('fe80::1%eth0', 'ip6', 80)],
    ['/dns/Example.org/tcp/80', address('example.org', 'dns', 80), '/dns/example.org/tcp/80'],
    ['/dns4/example.org/tcp/80', address('example.org', 'dns4', 80)],
    [`/dns6/example.org/tcp/80/p2p/${ID}`, address('example.org', 'dns6', 80, ID)],
  ]
  for (const [text, expected, canonical = text] of cases) {
    const parsed = parseAddress(text)
    assert.deepEqual(parsed, expected, text)
    assert.equal(formatAddress(parsed), canonical)
    assert.deepEqual(parseAddress(canonical), expected)
    assert.deepEqual(addressFromBytes(addressToBytes(parsed)), expected)
  }
})

test('the bytes are those of the multiaddr tables', () => {
  const cases: [Address, string][] = [
    [address('192.0.2.1', 'ip4', 6374), '04c000020106' + '18e6'],
    [address('2001:db8::1', 'ip6', 6374), '2920010db8000000000000000000000001' + '0618e6'],
    [address('fe80::1%e0', 'ip6', 1), '2a026530' + '29fe800000000000000000000000000001' + '060001'],
    [address('a.b', 'dns', 80), '3503612e62' + '060050'],
    [address('a.b', 'dns4', 80), '3603612e62' + '060050'],
    [address('a.b', 'dns6', 80), '3703612e62' + '060050'],
  ]
  for (const [one, hex] of cases) {
    assert.equal(toHex(addressToBytes(one)), hex)
    assert.deepEqual(addressFromBytes(fromHex(hex)), one)
  }
})

test('what is no address is refused with what would be right', () => {
  const texts = [
    '',
    ':',
    '[',
    ']',
    '[]',
    '[]:1',
    '[::1',
    '[::1]x',
    '[::1]:',
    '[192.0.2.1]:80',
    '[localhost]:80',
    'host:',
    'host:port',
    'host:-1',
  ]
  texts.push(
    'host:65536',
    'host:080',
    'host:8e1',
    'host: 80',
    'host:80 ',
    'ho st',
    'host/path',
    'http://host',
    'user@host',
    'höst',
    '-host',
  )
  texts.push(
    'host-',
    'a..b',
    '.',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1:80',
    'example.1',
    `${'a'.repeat(64)}.org`,
    `${'a.'.repeat(127)}ab`,
    'x'.repeat(10_000),
  )
  texts.push('::1%', 'fe80::1%a/b', '\0', 'host\n', 'host:1:2', '1:2:3', '[1:2:3]:4')
  texts.push(
    '/',
    '//',
    '/ip4',
    '/ip4/192.0.2.1',
    '/tcp/80',
    '/ip4/192.0.2.1/udp/80',
    '/ip4/192.0.2.1/tcp/80/ws',
    '/ip4/192.0.2.1/tcp/80/tcp/81',
  )
  texts.push(
    '/ip4/::1/tcp/80',
    '/ip4/192.0.2.1/tcp/65536',
    '/ip4/192.0.2.1/tcp/',
    '/dnsaddr/example.org/tcp/80',
    '/dns/192.0.2.1/tcp/80',
    '/dns4/::1/tcp/80',
  )
  texts.push(
    '/dns/a b/tcp/80',
    '/dns/a%2Fb/tcp/80',
    '/ip6zone/eth0/ip4/192.0.2.1/tcp/80',
    '/ip6zone/eth0/dns/a/tcp/80',
    '/ip6zone/a b/ip6/fe80::1/tcp/80',
  )
  texts.push(
    '/ip4/192.0.2.1/tcp/80/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '/ip4/192.0.2.1/tcp/80/p2p/x',
    `/p2p/${ID}`,
  )
  texts.push(
    `/ip4/192.0.2.1/tcp/80/p2p/${ID}/p2p-circuit`,
    '/unix/tmp/socket',
    `/ip4/192.0.2.1/tcp/80${'/ws'.repeat(2_000)}`,
  )
  for (const text of texts) {
    assert.throws(
      () => parseAddress(text),
      { code: 'bad-address', fault: 'local', message: /an address is host:port/ },
      text,
    )
  }
})

test('port 0 is only for listening', () => {
  for (const text of ['127.0.0.1:0', '[::]:0', ':0', '/ip4/127.0.0.1/tcp/0']) {
    assert.throws(() => parseAddress(text), { code: 'bad-address', message: /port 0/ })
    assert.equal(parseAddress(text, { allowPortZero: true }).port, 0)
  }
  assert.throws(() => addressFromBytes(fromHex('047f000001060000')), { code: 'bad-address' })
})

test('another default port takes the place of 6374 where none is given', () => {
  for (const text of ['host', '192.0.2.1', '::1', '[::1]']) assert.equal(parseAddress(text, { defaultPort: 9 }).port, 9)
  assert.equal(parseAddress('host:80', { defaultPort: 9 }).port, 80)
})

test('people see brackets around IPv6 only', () => {
  assert.equal(hostPort(parseAddress('[fe80::1%eth0]:80')), '[fe80::1%eth0]:80')
  assert.equal(hostPort(parseAddress('192.0.2.1:80')), '192.0.2.1:80')
  assert.equal(hostPort({ host: 'example.org', port: 80 }), 'example.org:80')
})

test('a binary form has at most 256 bytes', () => {
  const longest = address(`${'a.'.repeat(123)}abcd`, 'dns', 80)
  assert.equal(longest.host.length, 250)
  assert.equal(addressToBytes(longest).length, 256)
  assert.deepEqual(addressFromBytes(addressToBytes(longest)), longest)
  const over = address(`${'a.'.repeat(123)}abcde`, 'dns', 80)
  assert.throws(() => addressToBytes(over), { code: 'bad-address' })
  const bytes = concatBytes(fromHex('35fb01'), new TextEncoder().encode(over.host), fromHex('060050'))
  assert.equal(bytes.length, 257)
  assert.throws(() => addressFromBytes(bytes), { code: 'bad-address' })
})

test('a binary form that is cut or prolonged anywhere is refused', () => {
  for (const text of [
    '/ip4/192.0.2.1/tcp/80',
    '/ip6zone/eth0/ip6/fe80::1/tcp/80',
    `/dns/example.org/tcp/80/p2p/${ID}`,
  ]) {
    const bytes = addressToBytes(parseAddress(text))
    const withoutPeer = addressToBytes({ ...parseAddress(text), peer: null }).length
    for (let length = 0; length < bytes.length; length++) {
      if (length === withoutPeer) continue
      assert.throws(() => addressFromBytes(bytes.subarray(0, length)), { code: 'bad-address' }, `${text} ${length}`)
    }
    assert.throws(() => addressFromBytes(concatBytes(bytes, Uint8Array.of(0))), { code: 'bad-address' })
  }
})

interface Vectors {
  valid: { str: string; hex: string | null }[]
  invalid: { str: string }[]
  invalid_bytes: { hex: string }[]
  fuzz_bytes: { hex: string }[]
  fuzz_strings: { hex_utf8: string }[]
}

/** Null for a bad-address error; anything else that is thrown fails the test. */
function orNull(parse: () => Address): Address | null {
  try {
    return parse()
  } catch (error) {
    assert.ok(error instanceof MeshError && error.code === 'bad-address', String(error))
    return null
  }
}

test('of the multiaddr cases, our profile is read and all others are bad addresses', {
  skip: skipWithout('multiaddr.json'),
}, () => {
  const vectors = outsideVectors('multiaddr.json') as Vectors
  const profile =
    /^(\/ip6zone\/[\w.-]+)?\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/[1-9]\d*(\/(p2p|ipfs)\/(12D3|k51|bafzaaj)\w+)?\/?$/
  let read = 0
  for (const { str, hex } of vectors.valid) {
    const parsed = orNull(() => parseAddress(str))
    assert.equal(parsed !== null, profile.test(str), str)
    const fromBytes = hex === null ? null : orNull(() => addressFromBytes(fromHex(hex)))
    if (hex !== null) assert.deepEqual(fromBytes, parsed, str)
    if (parsed === null) continue
    read++
    // IPv4-mapped IPv6 is the one form that we write otherwise than it came.
    if (hex !== null && !str.includes('::ffff:')) assert.equal(toHex(addressToBytes(parsed)), hex, str)
  }
  assert.ok(read >= 5, `${read} cases are in our profile`)
  for (const { str } of vectors.invalid)
    assert.equal(
      orNull(() => parseAddress(str)),
      null,
      str,
    )
  for (const { hex } of vectors.invalid_bytes)
    assert.equal(
      orNull(() => addressFromBytes(fromHex(hex))),
      null,
    )
  for (const { hex } of vectors.fuzz_bytes)
    assert.equal(
      orNull(() => addressFromBytes(fromHex(hex))),
      null,
    )
  for (const { hex_utf8 } of vectors.fuzz_strings) orNull(() => parseAddress(textOf(fromHex(hex_utf8)) ?? '\ufffd'))
})

test('any bytes and any text give an address that can be written and read again, or a bad-address error', () => {
  const random = seeded(101)
  const samples = ['/ip4/192.0.2.1/tcp/80', '/ip6zone/eth0/ip6/fe80::1/tcp/80', `/dns6/example.org/tcp/80/p2p/${ID}`]
  for (let round = 0; round < 600; round++) {
    const bytes = addressToBytes(parseAddress(samples[round % 3]!))
    for (let times = random.below(4); times >= 0; times--) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    for (const given of [bytes, random.bytes(random.below(40))]) {
      const parsed = orNull(() => addressFromBytes(given))
      if (parsed !== null) {
        assert.deepEqual(addressFromBytes(addressToBytes(parsed)), parsed)
        assert.deepEqual(parseAddress(formatAddress(parsed)), parsed)
      }
      const text = String.fromCharCode(...given)
      for (const noise of [text, `/ip4/${text}`, `/${text}/tcp/80`, `[${text}]:80`]) {
        const read = orNull(() => parseAddress(noise))
        if (read !== null) assert.deepEqual(parseAddress(formatAddress(read)), read)
      }
    }
  }
})

test('binary addresses are written as the multiaddr package writes them, whatever they are', () => {
  const random = seeded(41)
  const hosts = ['0.0.0.0', '255.255.255.255', '::', '::1', 'fe80::1%eth0', 'example.org', '2001:db8::10.0.0.1']
  for (let round = 0; round < 40; round++)
    hosts.push([...random.bytes(4)].join('.'), `2001:db8::${random.below(65_536).toString(16)}`)
  for (const host of hosts) {
    for (const port of [1, 255, 256, 65_535]) {
      for (const peer of [null, ID]) {
        const one = { ...parseAddress(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`), peer }
        assert.deepEqual(addressToBytes(one), new Uint8Array(multiaddr(formatAddress(one)).bytes), formatAddress(one))
      }
    }
  }
})

test('the short way for plain IPv4 reads what the parser reads', () => {
  const random = seeded(31)
  for (let round = 0; round < 200; round++) {
    const bytes = random.bytes(8)
    bytes[0] = 0x04
    bytes[5] = 0x06
    if (round < 20) bytes.fill(round % 2 === 0 ? 0 : 0xff, 1, 5)
    bytes[7] = bytes[7]! | 1
    assert.deepEqual(addressFromBytes(bytes), parseAddress(multiaddr(bytes.slice()).toString()), toHex(bytes))
  }
})

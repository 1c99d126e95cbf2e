import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { test } from 'node:test'
import { toHex } from '../../lib/bytes.ts'
import { bytesOfIp4, bytesOfIp6, parseIp, type Scope, scopeOf, textOfIp6 } from '../../lib/identity/ip.ts'
import { seeded } from '../crypto/seeded.ts'

test('IPv6 text becomes its bytes and its one canonical text (RFC 5952)', () => {
  const cases: [text: string, hex: string, canonical: string][] = [
    ['::', '00'.repeat(16), '::'],
    ['::1', `${'00'.repeat(15)}01`, '::1'],
    ['1::', `0001${'00'.repeat(14)}`, '1::'],
    ['2001:DB8:0:0:0:0:2:1', '20010db8000000000000000000020001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '20010000000000010000000000000001', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['::ffff:0102:0304', '00000000000000000000ffff01020304', '::ffff:102:304'],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201', '64:ff9b::c000:201'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304', '1:2:3:4:5:6:102:304'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
  ]
  for (const [text, hex, canonical] of cases) {
    const bytes = bytesOfIp6(text)
    assert.ok(bytes !== null, text)
    assert.equal(toHex(bytes), hex)
    assert.equal(textOfIp6(bytes), canonical)
  }
})

test('what is no IP address is null', () => {
  const texts = [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
  ]
  texts.push(
    '1:2:3:4:5:6:7:1.2.3.4',
    '1:2:3:4::5:6:7:8',
    ' ::1',
    '::1 ',
    '[::1]',
    '::1%',
    '::1%a b',
    '::1%a/b',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
  )
  texts.push(
    '01.2.3.4',
    '1.2.3.4%eth0',
    '0x1.2.3.4',
    '1.2.3.-4',
    '1e1.2.3.4',
    `::1%${'x'.repeat(33)}`,
    ':'.repeat(10_000),
  )
  for (const text of texts) assert.equal(parseIp(text), null, text)
})

test('IPv4-mapped IPv6 is IPv4, in either way of writing it', () => {
  for (const text of ['::ffff:192.0.2.7', '::FFFF:c000:207', '0:0:0:0:0:ffff:192.0.2.7', '::ffff:192.0.2.7%eth0']) {
    assert.deepEqual(parseIp(text), { family: 'ip4', text: '192.0.2.7', zone: '' })
  }
})

test('a zone is kept', () => {
  assert.deepEqual(parseIp('FE80::1%eth0.5'), { family: 'ip6', text: 'fe80::1', zone: 'eth0.5' })
})

test('the verdict on random text is that of node:net', () => {
  const random = seeded(91)
  const alphabet = ['0', '1', 'ff', 'a', ':', ':', '::', '.', '1.2.3.4', '255', '2001', '12345']
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + random.below(15) }, () => alphabet[random.below(alphabet.length)]).join('')
    assert.equal(bytesOfIp4(text) !== null, isIPv4(text), text)
    assert.equal(bytesOfIp6(text) !== null, isIPv6(text), text)
  }
})

test('any 16 bytes survive being written and read, and are written as the URL standard writes them', () => {
  const random = seeded(92)
  for (let round = 0; round < 2_000; round++) {
    const bytes = random.bytes(16).map((byte) => (byte < 150 ? 0 : byte))
    const text = textOfIp6(bytes)
    assert.deepEqual(bytesOfIp6(text), bytes)
    assert.equal(`[${text}]`, new URL(`http://[${text}]/`).hostname)
  }
})

test('scopes: each block by its first and last address, and its neighbours', () => {
  const cases: Record<Scope, string[]> = {
    loopback: [
      '127.0.0.0',
      '127.255.255.255',
      '0.0.0.0',
      '0.255.255.255',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::1.2.3.4',
      'ff02::fb',
      'ffff::',
    ],
    link: ['169.254.0.0', '169.254.255.255', 'fe80::', 'febf:ffff::1', 'fe80::1%eth0', '::ffff:169.254.1.1'],
    private: [
      '10.0.0.0',
      '10.255.255.255',
      '172.16.0.0',
      '172.31.255.255',
      '192.168.0.0',
      '192.168.255.255',
      '100.64.0.0',
    ],
    public: [
      '9.255.255.255',
      '11.0.0.0',
      '172.15.255.255',
      '172.32.0.0',
      '192.167.255.255',
      '192.169.0.0',
      '100.63.255.255',
    ],
  }
  cases.private.push(
    '100.127.255.255',
    '198.18.0.0',
    '198.19.255.255',
    'fc00::',
    'fdff:ffff::1',
    'fec0::1',
    'feff::1',
    '::ffff:10.1.2.3',
  )
  cases.public.push(
    '100.128.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '1.0.0.0',
    '223.255.255.255',
  )
  cases.public.push(
    '169.253.255.255',
    '169.255.0.0',
    '2001:db8::1',
    'fbff::1',
    'fe7f::1',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  )
  // An address inside an address counts as the inner one.
  cases.private.push('64:ff9b::10.0.0.1', '2002:a00:1::')
  cases.loopback.push('64:ff9b::127.0.0.1', '2002:7f00:1::1')
  for (const [scope, hosts] of Object.entries(cases)) for (const host of hosts) assert.equal(scopeOf(host), scope, host)
})

test('what is no IP literal has the scope that is trusted least', () => {
  for (const host of ['', 'example.org', '[::1]', '1.2.3']) assert.equal(scopeOf(host), 'loopback')
})

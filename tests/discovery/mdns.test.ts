// Multicast DNS discovery over a network in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Candidate, MdnsDiscovery, type MdnsOptions } from '../../lib/discovery/mdns.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import type { DnsPacket, DnsRecord } from '../../lib/io/world.ts'
import { type FakeHost, FakeLan, seededRandom } from './fake-lan.ts'

const SERVICE = '_meshd._tcp.local'
const TAG = '0123456789abcdef'

interface Node {
  readonly id: string
  readonly instance: string
  readonly discovery: MdnsDiscovery
  readonly found: Candidate[]
  readonly lost: Candidate[]
  readonly warnings: string[]
  port: number | null
}

function peer(number: number): string {
  const key = new Uint8Array(32).fill(number)
  key[0] = number >> 8
  key[31] = number
  return peerIdOf(key)
}

function nodeOn(host: FakeHost, number: number, given: Partial<MdnsOptions> & { listens?: boolean } = {}): Node {
  const { listens, ...options } = given
  const id = peer(number)
  const node = {
    id,
    instance: `${id.slice(-8)}.${SERVICE}`,
    found: [] as Candidate[],
    lost: [] as Candidate[],
    warnings: [] as string[],
    port: listens === false ? null : 6000 + number,
  }
  const discovery = new MdnsDiscovery({
    clock: host.lan.clock,
    random: seededRandom(number),
    multicast: host.multicast,
    interfaces: host.interfaces,
    peerId: id,
    networkTag: TAG,
    port: () => node.port,
    found: (candidate) => node.found.push(candidate),
    lost: (candidate) => node.lost.push(candidate),
    warn: (code, text) => node.warnings.push(`${code}: ${text}`),
    ...options,
  })
  return Object.assign(node, { discovery })
}

/** What a stranger would announce; parts of it can be replaced. */
function announcement(
  number: number,
  change: { txt?: unknown; srv?: unknown; ttl?: number; a?: unknown } = {},
): DnsPacket {
  const id = peer(number)
  const name = `${id.slice(-8)}.${SERVICE}`
  const target = `host-${number}.local`
  const srv = 'srv' in change ? change.srv : { priority: 0, weight: 0, port: 6000 + number, target }
  const txt = 'txt' in change ? change.txt : [`id=${id}`, `net=${TAG}`, 'v=1']
  const answers: DnsRecord[] = [
    { name: SERVICE, type: 'PTR', ttl: change.ttl ?? 4500, class: 'IN', data: name },
    { name, type: 'SRV', ttl: 120, class: 'IN', flush: true, data: srv },
    { name, type: 'TXT', ttl: 4500, class: 'IN', flush: true, data: txt },
  ]
  if ('a' in change) answers.push({ name: target, type: 'A', ttl: 120, class: 'IN', data: change.a })
  return { type: 'response', questions: [], answers, additionals: [] }
}

const STRANGER = { host: '10.0.0.99', port: 5353 }

test('two nodes find each other within a second, with the address of the interface and the announced port', async () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  const b = nodeOn(lan.host('10.0.0.2'), 2)
  a.discovery.start()
  b.discovery.start()
  lan.clock.advance(1_000)
  assert.deepEqual(a.found, [{ peer: b.id, host: '10.0.0.2', port: 6002 }])
  assert.deepEqual(b.found, [{ peer: a.id, host: '10.0.0.1', port: 6001 }])
  await Promise.all([a.discovery.stop(), b.discovery.stop()])
  // The goodbyes are on their way still; nothing else is.
  lan.clock.advance(10)
  assert.equal(lan.clock.pending, 0)
})

test('a node that starts later is found, and finds, although the announcements were made before', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  lan.clock.advance(600_000)
  const b = nodeOn(lan.host('10.0.0.2'), 2)
  b.discovery.start()
  lan.clock.advance(1_000)
  assert.deepEqual(b.found, [{ peer: a.id, host: '10.0.0.1', port: 6001 }])
  assert.deepEqual(a.found, [{ peer: b.id, host: '10.0.0.2', port: 6002 }])
})

test('several nodes on one host find each other', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1')
  const nodes = [1, 2, 3].map((number) => nodeOn(host, number))
  for (const node of nodes) node.discovery.start()
  lan.clock.advance(2_000)
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node).map((other) => other.id)
    assert.deepEqual(node.found.map((one) => one.peer).sort(), others.sort())
  }
})

test('what is announced: twice, a second apart, all records of RFC 6763 with the lives of RFC 6762', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1', ['fd00::1', 'fe80::1']), 1)
  a.discovery.start()
  lan.clock.advance(5_000)
  const [first, second, third] = lan.of('response', '10.0.0.1')
  assert.equal(third, undefined)
  assert.ok(first!.atMs >= 20 && first!.atMs <= 120)
  assert.equal(second!.atMs - first!.atMs, 1_000)
  assert.deepEqual(first!.packet, second!.packet)
  const short = a.id.slice(-8)
  const bytes = (text: string) => new TextEncoder().encode(text)
  const target = `meshd-${short}.local`
  assert.deepEqual(first!.packet.answers, [
    { name: '_services._dns-sd._udp.local', type: 'PTR', ttl: 4500, class: 'IN', data: SERVICE },
    { name: SERVICE, type: 'PTR', ttl: 4500, class: 'IN', data: a.instance },
    {
      name: a.instance,
      type: 'SRV',
      ttl: 120,
      class: 'IN',
      flush: true,
      data: { priority: 0, weight: 0, port: 6001, target },
    },
    {
      name: a.instance,
      type: 'TXT',
      ttl: 4500,
      class: 'IN',
      flush: true,
      data: [bytes(`id=${a.id}`), bytes(`net=${TAG}`), bytes('v=1')],
    },
    { name: target, type: 'A', ttl: 120, class: 'IN', flush: true, data: '10.0.0.1' },
    { name: target, type: 'AAAA', ttl: 120, class: 'IN', flush: true, data: 'fd00::1' },
    { name: target, type: 'AAAA', ttl: 120, class: 'IN', flush: true, data: 'fe80::1' },
  ])
})

test('it asks at 0, 1, 3, 9, 27 and 81 seconds, and then every minute', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  lan.clock.advance(300_000)
  const times = lan.of('query', '10.0.0.1').map(({ atMs }) => atMs)
  const firstMs = times[0]!
  assert.ok(firstMs >= 20 && firstMs <= 120)
  const seconds = times.map((atMs) => Math.round((atMs - firstMs) / 1000))
  assert.deepEqual(seconds.slice(0, 6), [0, 1, 3, 9, 27, 81])
  for (let i = 6; i < times.length; i++) {
    const apartMs = times[i]! - times[i - 1]!
    assert.ok(apartMs >= 60_000 && apartMs <= 67_000)
  }
  assert.equal(times.length, 9)
})

test('the steady question is asked by one of many nodes', () => {
  const lan = new FakeLan()
  const nodes = [1, 2, 3, 4, 5].map((number) => nodeOn(lan.host(`10.0.0.${number}`), number))
  for (const node of nodes) node.discovery.start()
  lan.clock.advance(300_000)
  const before = lan.sent.length
  lan.clock.advance(600_000)
  const later = lan.sent.slice(before)
  const { length } = later.filter(({ packet }) => packet.type === 'query')
  assert.ok(length >= 8 && length <= 12, `${length} queries in ten minutes`)
  // Every pointer is known, so nobody has to say anything.
  assert.equal(later.filter(({ packet }) => packet.type === 'response').length, 0)
})

test('a node does not answer itself, and names its pointer as known', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  lan.clock.advance(300_000)
  assert.equal(lan.of('response', '10.0.0.1').length, 2)
  assert.deepEqual(
    lan.of('query', '10.0.0.1')[0]!.packet.answers.map(({ data }) => data),
    [a.instance],
  )
  assert.deepEqual(a.found, [])
})

test('an answer comes after 20 to 120 ms with everything that will be asked next, and is owed once a second at most', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  lan.clock.advance(10_000)
  const before = lan.of('response', '10.0.0.1').length
  const ask = () => lan.send({ type: 'query', questions: [{ name: SERVICE.toUpperCase(), type: 'PTR' }] }, STRANGER)
  ask()
  lan.clock.advance(20)
  assert.equal(lan.of('response', '10.0.0.1').length, before)
  lan.clock.advance(101)
  const answers = lan.of('response', '10.0.0.1').slice(before)
  assert.equal(answers.length, 1)
  assert.deepEqual(
    answers[0]!.packet.answers.map(({ type }) => type),
    ['PTR'],
  )
  assert.deepEqual(
    answers[0]!.packet.additionals.map(({ type }) => type),
    ['SRV', 'TXT', 'A'],
  )
  for (let i = 0; i < 200; i++) {
    ask()
    lan.clock.advance(10)
  }
  const all = lan.of('response', '10.0.0.1').slice(before)
  assert.equal(all.length, 2 + 1)
  for (let i = 1; i < all.length; i++) assert.ok(all[i]!.atMs - all[i - 1]!.atMs >= 1_000)
})

test('each kind of question gets its records, at once where nobody else has them', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  const target = `meshd-${a.id.slice(-8)}.local`
  for (const [name, type, answers, additionals] of [
    [a.instance, 'SRV', ['SRV'], ['A']],
    [a.instance, 'TXT', ['TXT'], []],
    [a.instance, 'ANY', ['SRV', 'TXT'], ['A']],
    [target, 'A', ['A'], []],
    [target, 'AAAA', ['A'], []],
    ['_services._dns-sd._udp.local', 'PTR', ['PTR'], []],
    [SERVICE, 'ANY', ['PTR'], ['SRV', 'TXT', 'A']],
    [SERVICE, 'SRV', null, null],
    ['other._meshd._tcp.local', 'SRV', null, null],
    ['', 'ANY', null, null],
  ] as const) {
    lan.clock.advance(10_000)
    const before = lan.of('response', '10.0.0.1').length
    lan.send({ type: 'query', questions: [{ name, type }] }, STRANGER)
    lan.clock.advance(125)
    const answer = lan.of('response', '10.0.0.1')[before]
    assert.deepEqual(answer?.packet.answers.map((record) => record.type) ?? null, answers, `${name} ${type}`)
    assert.deepEqual(answer?.packet.additionals.map((record) => record.type) ?? null, additionals, `${name} ${type}`)
  }
})

test('what the asker knows is not said again, unless half of its life is over', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1)
  a.discovery.start()
  lan.clock.advance(5_000)
  const own = lan.of('response', '10.0.0.1')[0]!.packet.answers
  for (const record of own) {
    for (const isFresh of [true, false]) {
      lan.clock.advance(10_000)
      const before = lan.of('response', '10.0.0.1').length
      const ttl = isFresh ? record.ttl! / 2 : record.ttl! / 2 - 1
      lan.send(
        { type: 'query', questions: [{ name: record.name, type: record.type }], answers: [{ ...record, ttl }] },
        STRANGER,
      )
      lan.clock.advance(125)
      assert.equal(lan.of('response', '10.0.0.1').length - before, isFresh ? 0 : 1, `${record.type} ${isFresh}`)
    }
  }
})

test('without a port it only looks for others; once there is one it is announced, and taken back when it is gone', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host('10.0.0.1'), 1, { listens: false })
  const b = nodeOn(lan.host('10.0.0.2'), 2)
  a.discovery.start()
  b.discovery.start()
  lan.clock.advance(5_000)
  assert.equal(a.found.length, 1)
  assert.equal(b.found.length, 0)
  assert.equal(lan.of('response', '10.0.0.1').length, 0)
  a.port = 7000
  a.discovery.refresh()
  lan.clock.advance(200)
  assert.deepEqual(b.found, [{ peer: a.id, host: '10.0.0.1', port: 7000 }])
  a.port = 7001
  lan.clock.advance(16_000)
  assert.deepEqual(b.found[1], { peer: a.id, host: '10.0.0.1', port: 7001 })
  a.port = null
  lan.clock.advance(16_000)
  assert.deepEqual(b.lost, [{ peer: a.id, host: '10.0.0.1', port: 7001 }])
})

test('stop says goodbye for everything but the service type, closes all, and nothing is called after it', async () => {
  const lan = new FakeLan()
  const hostA = lan.host('10.0.0.1', ['fe80::1'])
  const a = nodeOn(hostA, 1)
  const b = nodeOn(lan.host('10.0.0.2', ['fe80::2']), 2)
  a.discovery.start()
  b.discovery.start()
  lan.clock.advance(5_000)
  assert.equal(b.found.length, 2)
  const stopped = a.discovery.stop()
  const goodbye = lan.of('response', '10.0.0.1').at(-1)!.packet.answers
  assert.deepEqual(
    goodbye.map(({ type, ttl }) => `${type} ${ttl}`),
    ['PTR 0', 'SRV 0', 'TXT 0', 'A 0', 'AAAA 0'],
  )
  assert.equal(goodbye[0]!.data, a.instance)
  await stopped
  await a.discovery.stop()
  assert.equal(hostA.closes, hostA.opens)
  lan.clock.advance(10)
  assert.equal(b.lost.length, 2)
  const { length } = a.found
  lan.send(announcement(77), STRANGER)
  lan.clock.advance(100_000)
  assert.equal(a.found.length, length)
  a.discovery.start()
  lan.clock.advance(2_000)
  assert.equal(b.found.length, 5)
})

test('IPv6: a routable address is preferred, a link-local one carries the zone of our interface', () => {
  const lan = new FakeLan()
  const a = nodeOn(lan.host(null, ['fe80::1', 'fd00::1']), 1)
  const b = nodeOn(lan.host(null, ['fd00::2', 'fe80::2']), 2)
  const c = nodeOn(lan.host(null, ['fe80::3']), 3)
  for (const node of [a, b, c]) node.discovery.start()
  lan.clock.advance(1_500)
  const hosts = (node: Node) => node.found.map((one) => one.host).sort()
  assert.deepEqual(hosts(a), ['fd00::2', 'fe80::3%eth0'])
  assert.deepEqual(hosts(c), ['fe80::1%eth0', 'fe80::2%eth0'])
})

test('an announced address that is not on the interface is not used: where the packet came from is', () => {
  for (const a of ['192.0.2.7', '127.0.0.1', '224.0.0.251', 'nonsense', 7, null, '::1', '10.0.0.5%x']) {
    const lan = new FakeLan()
    const node = nodeOn(lan.host('10.0.0.1'), 1)
    node.discovery.start()
    lan.send(announcement(9, { a }), STRANGER)
    lan.clock.advance(10)
    assert.deepEqual(node.found, [{ peer: peer(9), host: '10.0.0.99', port: 6009 }], String(a))
  }
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.send(announcement(9, { a: '10.0.0.5' }), STRANGER)
  lan.clock.advance(10)
  assert.deepEqual(node.found, [{ peer: peer(9), host: '10.0.0.5', port: 6009 }])
})

test('other networks, ourselves, malformed texts and ports, and packets from other source ports are not reported', () => {
  const id = peer(9)
  const cases: [string, DnsPacket, number?][] = [
    ['another network', announcement(9, { txt: [`id=${id}`, 'net=0123456789abcdee', 'v=1'] })],
    ['ourselves', announcement(9, { txt: [`id=${peer(1)}`, `net=${TAG}`, 'v=1'] })],
    ['no version', announcement(9, { txt: [`id=${id}`, `net=${TAG}`] })],
    ['another version', announcement(9, { txt: [`id=${id}`, `net=${TAG}`, 'v=2'] })],
    ['no id', announcement(9, { txt: [`net=${TAG}`, 'v=1'] })],
    ['a bad id', announcement(9, { txt: ['id=12D3KooWnonsense', `net=${TAG}`, 'v=1'] })],
    ['a long id', announcement(9, { txt: [`id=${'1'.repeat(250)}`, `net=${TAG}`, 'v=1'] })],
    ['the id last of two', announcement(9, { txt: ['id=', `id=${id}`, `net=${TAG}`, 'v=1'] })],
    ['upper case tag', announcement(9, { txt: [`id=${id}`, `net=${TAG.toUpperCase()}`, 'v=1'] })],
    ['a text that is a number', announcement(9, { txt: 7 })],
    ['texts that are no text', announcement(9, { txt: [null, {}] })],
    ['bytes that are no UTF-8', announcement(9, { txt: [Uint8Array.of(0xff)] })],
    ['no texts', announcement(9, { txt: [] })],
    ...[0, -1, 65_536, 1.5, '80', null, undefined].map((port): [string, DnsPacket] => [
      `port ${port}`,
      announcement(9, { srv: { port, target: 'x.local' } }),
    ]),
    ['no target', announcement(9, { srv: { port: 80 } })],
    ['an empty target', announcement(9, { srv: { port: 80, target: '' } })],
    ['no service data', announcement(9, { srv: null })],
    ['a goodbye', announcement(9, { ttl: 0 })],
    ['another source port', announcement(9), 5354],
  ]
  for (const [name, packet, port = 5353] of cases) {
    const lan = new FakeLan()
    const node = nodeOn(lan.host('10.0.0.1'), 1)
    node.discovery.start()
    lan.send(packet, { host: '10.0.0.99', port })
    lan.clock.advance(10_000)
    assert.deepEqual(node.found, [], name)
    lan.send(announcement(9), STRANGER)
    lan.clock.advance(1)
    assert.equal(node.found.length, 1, name)
  }
})

test('a question from another source port is not answered', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.clock.advance(10_000)
  const before = lan.of('response', '10.0.0.1').length
  lan.send({ type: 'query', questions: [{ name: SERVICE, type: 'PTR' }] }, { host: '10.0.0.99', port: 40_000 })
  lan.clock.advance(2_000)
  assert.equal(lan.of('response', '10.0.0.1').length, before)
})

test('an instance that is only named is asked for its details within a second, three times at most', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.clock.advance(100_000)
  const { answers } = announcement(9)
  const name = answers[1]!.name
  const asked = () =>
    lan.of('query', '10.0.0.1').filter(({ packet }) => packet.questions.some((question) => question.name === name))
      .length
  for (let i = 0; i < 10; i++) {
    lan.send({ type: 'response', answers: answers.slice(0, 1) }, STRANGER)
    lan.clock.advance(1_200)
  }
  assert.equal(asked(), 3)
  lan.send({ type: 'response', answers: answers.slice(1, 2) }, STRANGER)
  lan.clock.advance(5)
  assert.deepEqual(node.found, [])
  lan.send({ type: 'response', answers: answers.slice(2) }, STRANGER)
  lan.clock.advance(5)
  assert.equal(node.found.length, 1)
})

test('an instance whose name cannot be written back is neither asked about nor named as known', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.clock.advance(100_000)
  const before = lan.of('query', '10.0.0.1').length
  // As a decoder gives a label of 63 bytes that are no UTF-8, and one with dots.
  for (const label of ['\ufffd'.repeat(63), 'a..b', '.']) {
    const name = `${label}.${SERVICE}`
    const answers = announcement(9).answers.map((record) =>
      record.type === 'PTR' ? { ...record, data: name } : { ...record, name },
    )
    lan.send({ type: 'response', answers: answers.slice(0, 1) }, STRANGER)
    lan.clock.advance(1_200)
    lan.send({ type: 'response', answers }, STRANGER)
    lan.clock.advance(100_000)
  }
  const queries = lan.of('query', '10.0.0.1').slice(before)
  assert.ok(queries.length > 0)
  const own = { name: SERVICE, type: 'PTR', ttl: 4500, class: 'IN', data: node.instance }
  for (const { packet } of queries) {
    assert.deepEqual(packet.questions, [{ name: SERVICE, type: 'PTR' }])
    assert.deepEqual(packet.answers, [own])
  }
})

test('a candidate is reported once a minute at most while nothing changes, and at once when something does', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  for (let i = 0; i < 59; i++) {
    lan.send(announcement(9), STRANGER)
    lan.clock.advance(1_000)
  }
  assert.equal(node.found.length, 1)
  lan.clock.advance(2_000)
  lan.send(announcement(9), STRANGER)
  lan.clock.advance(10)
  assert.equal(node.found.length, 2)
  lan.send(announcement(9, { srv: { port: 9999, target: 'x.local' } }), STRANGER)
  lan.clock.advance(10)
  assert.equal(node.found[2]?.port, 9999)
})

test('what is not heard of for its announced life is lost', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.send(announcement(9, { ttl: 120 }), STRANGER)
  lan.clock.advance(119_000)
  assert.equal(node.lost.length, 0)
  lan.clock.advance(17_000)
  assert.deepEqual(node.lost, node.found)
})

test('a flood of announcements is reported at the speed of dials, and a real one after it is still remembered', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  for (let i = 0; i < 3_000; i++) {
    lan.send(announcement(1_000 + i), STRANGER)
    if (i % 100 === 0) lan.clock.advance(10)
  }
  lan.clock.advance(10)
  assert.ok(node.found.length >= 64 && node.found.length <= 66, String(node.found.length))
  assert.ok(node.lost.length <= node.found.length)
  // Known answers show what is remembered; a query holds no more than fit a frame.
  lan.clock.advance(5_000)
  assert.equal(lan.of('query', '10.0.0.1').at(-1)!.packet.answers.length, 1 + 16)
  lan.send(announcement(9), STRANGER)
  lan.clock.advance(10)
  assert.equal(node.found.at(-1)?.peer, peer(9))
})

test('names without details do not push out complete candidates', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.send(announcement(9), STRANGER)
  for (let i = 0; i < 200; i++) {
    lan.send(
      { type: 'response', answers: [{ name: SERVICE, type: 'PTR', ttl: 4500, data: `junk-${i}.${SERVICE}` }] },
      STRANGER,
    )
  }
  lan.clock.advance(10)
  assert.equal(node.found.length, 1)
  assert.equal(node.lost.length, 0)
})

test('without multicast there is one warning, a try every minute, and no failure; once it works nodes are found', () => {
  for (const throws of [false, true]) {
    const lan = new FakeLan()
    const host = lan.host('10.0.0.1', ['fe80::1'])
    host.openError = new Error('bind EADDRINUSE')
    host.throws = throws
    const node = nodeOn(host, 1)
    node.discovery.start()
    lan.clock.advance(1_000)
    assert.deepEqual(node.warnings, [
      'no-multicast: cannot find nodes on the local network: bind EADDRINUSE; trying again every minute',
    ])
    assert.equal(host.opens, 2)
    lan.clock.advance(58_000)
    assert.equal(host.opens, 2)
    lan.clock.advance(2_000)
    assert.equal(host.opens, 4)
    lan.clock.advance(600_000)
    assert.equal(node.warnings.length, 1)
    if (!throws) assert.equal(host.closes, host.opens)
    host.openError = null
    lan.clock.advance(62_000)
    const other = nodeOn(lan.host('10.0.0.2'), 2)
    other.discovery.start()
    lan.clock.advance(2_000)
    assert.equal(node.found.length, 1)
    assert.equal(node.warnings.length, 1)
  }
})

test('a machine without interfaces is warned once, and again only after it had worked', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1')
  const all = host.all
  host.all = all.slice(0, 1)
  const node = nodeOn(host, 1)
  node.discovery.start()
  lan.clock.advance(100_000)
  assert.deepEqual(node.warnings, [
    'no-multicast: cannot find nodes on the local network: this machine has no network interface for it; trying again every minute',
  ])
  host.all = all
  lan.clock.advance(20_000)
  host.all = all.slice(0, 1)
  lan.clock.advance(20_000)
  assert.equal(node.warnings.length, 2)
  assert.equal(host.closes, 1)
})

test('one interface that does not work is no reason to warn', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1', ['fe80::1'])
  const open = host.multicast.open
  Object.assign(host.multicast, {
    open: (...[on, events]: Parameters<typeof open>) => {
      host.openError = on.family === 'ip6' ? new Error('no IPv6') : null
      return open(on, events)
    },
  })
  const node = nodeOn(host, 1)
  node.discovery.start()
  lan.clock.advance(200_000)
  assert.deepEqual(node.warnings, [])
})

test('interfaces and addresses that come later are used within 15 seconds', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1')
  const node = nodeOn(host, 1)
  node.discovery.start()
  lan.clock.advance(20_000)
  const before = lan.of('response', '10.0.0.1').length
  host.all = [
    ...host.all,
    { interfaceName: 'eth0', host: 'fd00::1', family: 'ip6', internal: false, scope: 0, prefixLength: 64 },
  ]
  lan.clock.advance(16_500)
  const announced = lan.of('response', '10.0.0.1').slice(before)
  assert.equal(announced.length, 2)
  assert.equal(announced[0]!.packet.answers.at(-1)!.data, 'fd00::1')
  assert.equal(lan.of('response', 'fd00::1').length, 2)
  host.all = host.all.slice(0, 2)
  lan.clock.advance(16_000)
  assert.equal(host.closes, 1)
})

test('a socket that fails now and then is kept, one that keeps failing is opened anew after a minute', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1')
  const node = nodeOn(host, 1)
  node.discovery.start()
  lan.clock.advance(5_000)
  host.fail(new Error('ENOBUFS'))
  host.fail(new Error('ENOBUFS'))
  assert.equal(host.closes, 0)
  lan.send(announcement(9), STRANGER)
  lan.clock.advance(10)
  for (let i = 0; i < 3; i++) host.fail(new Error('ENETUNREACH'))
  assert.equal(host.closes, 1)
  assert.equal(node.warnings.length, 1)
  assert.equal(node.lost.length, 1)
  lan.clock.advance(61_000)
  assert.equal(host.opens, 2)
  lan.send(announcement(9), STRANGER)
  lan.clock.advance(10)
  assert.equal(node.found.length, 2)
})

test('a socket that no longer hears even itself is opened anew', () => {
  const lan = new FakeLan()
  const host = lan.host('10.0.0.1')
  const node = nodeOn(host, 1)
  node.discovery.start()
  lan.clock.advance(200_000)
  assert.equal(host.opens, 1)
  host.deaf = true
  lan.clock.advance(80_000)
  assert.equal(host.opens, 2)
  lan.clock.advance(500_000)
  assert.equal(host.opens, 2)
  host.deaf = false
  lan.clock.advance(100_000)
  assert.equal(host.opens, 2)
  assert.deepEqual(node.warnings, [])
})

test('a node whose short name is taken by another takes its whole id as name', () => {
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1'), 1)
  node.discovery.start()
  lan.clock.advance(5_000)
  const packet = announcement(9)
  for (const record of packet.answers) {
    if (record.type === 'PTR') record.data = node.instance.toUpperCase().replace('_MESHD._TCP.LOCAL', SERVICE)
    else record.name = node.instance.toUpperCase()
  }
  lan.send(packet, STRANGER)
  lan.clock.advance(3_000)
  const last = lan.of('response', '10.0.0.1').at(-1)!.packet.answers
  assert.equal(last[1]!.data, `${node.id}.${SERVICE}`)
  assert.deepEqual(
    node.found.map((one) => one.peer),
    [peer(9)],
  )
})

test('no packet makes it throw or send more than a few packets a second', () => {
  const random = seededRandom(42)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.fraction() * list.length)]!
  const lan = new FakeLan()
  const node = nodeOn(lan.host('10.0.0.1', ['fe80::1']), 1)
  node.discovery.start()
  const names = [
    '',
    '.',
    SERVICE,
    node.instance,
    `x.${SERVICE}`,
    'a.local',
    'x'.repeat(255),
    '_services._dns-sd._udp.local',
  ]
  const values = [
    null,
    undefined,
    0,
    -1,
    1e308,
    Number.NaN,
    '',
    'a',
    [],
    {},
    [[]],
    { port: 1, target: `a.local` },
    { port: 'x' },
    Uint8Array.of(0xff),
    [Uint8Array.of(1)],
    [`id=${peer(5)}`, `net=${TAG}`, 'v=1'],
    node.instance,
    `x.${SERVICE}`,
    '10.0.0.7',
    'fe80::9',
    '::',
  ]
  const record = (): DnsRecord => ({
    name: pick(names),
    type: pick(['PTR', 'SRV', 'TXT', 'A', 'AAAA', 'ANY', 'NULL', 'constructor']),
    ttl: pick([0, 1, 120, 4500, -5, 2 ** 32, Number.NaN]),
    class: 'IN',
    data: pick(values),
  })
  for (let i = 0; i < 20_000; i++) {
    const list = () => Array.from({ length: Math.floor(random.fraction() * 6) }, record)
    lan.send(
      {
        type: pick(['query', 'response']),
        questions: list().map(({ name, type }) => ({ name, type })),
        answers: list(),
        additionals: list(),
      },
      { host: pick(['10.0.0.99', 'fe80::99', 'junk']), port: 5353 },
    )
    lan.clock.advance(1)
  }
  const seconds = lan.clock.nowMs() / 1000
  const own = lan.of('response', '10.0.0.1').length + lan.of('query', '10.0.0.1').length
  assert.ok(own < seconds * 8, `${own} packets in ${seconds} s`)
  for (const { peer: id, host, port } of node.found) {
    assert.equal(id, peer(5))
    assert.match(host, /^10\.0\.0\.\d+$|^fe80::[0-9a-f]+%eth0$/)
    assert.equal(port, 1)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, utf8 } from '../../lib/bytes.ts'
import { Exchange } from '../../lib/discovery/exchange.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { type Address, formatAddress, parseAddress } from '../../lib/identity/address.ts'
import { encodeNodeRecord } from '../../lib/identity/node-record.ts'
import { NODE_RECORD_BYTES_MAX, PEERS_BYTES_MAX } from '../../lib/limits.ts'
import { decodePeers } from '../../lib/link/opening.ts'
import { completedNative } from '../crypto/providers.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'

const OWN = 200

function recordOf(number: number, ...addresses: readonly string[]): Uint8Array {
  return recordAt(1, number, ...addresses)
}

function recordAt(issuedAtMs: number, number: number, ...addresses: readonly string[]): Uint8Array {
  const places = addresses.map((text) => parseAddress(text))
  return encodeNodeRecord(keyPairOf(number), openNetwork, issuedAtMs, places, completedNative)
}

/** A genuine record with eight addresses of 256 bytes that nobody can read: the longest there is. */
function longRecordOf(number: number): Uint8Array {
  const { signer, identity } = keyPairOf(number)
  const signedPart = encodeCbor([1, identity.publicKey, 1, new Array(8).fill(new Uint8Array(256))])
  const digest = completedNative.sha256(signedPart)
  return concatBytes(signer.sign(concatBytes(utf8('mesh/1 node'), openNetwork.id, digest)), signedPart)
}

class Post {
  readonly found: { address: Address; peer: string; toldBy: string }[] = []
  readonly known: { peer: string; record: Uint8Array }[] = []
  /** Issue times of our own records, and of neighbours' that outdo what they told. */
  readonly own: number[] = []
  readonly outdone: { key: string; issuedAtMs: number }[] = []
  readonly exchange: Exchange

  constructor(fraction: () => number = () => 0) {
    this.exchange = new Exchange({
      network: openNetwork,
      identities,
      primitives: completedNative,
      ownKey: keyPairOf(OWN).identity.key,
      fraction,
      found: ({ identity }, addresses, toldBy) => {
        for (const address of addresses) this.found.push({ address, peer: identity.id, toldBy })
      },
      ownFound: ({ issuedAtMs }) => this.own.push(issuedAtMs),
      neighbourOutdone: (key, { issuedAtMs }) => this.outdone.push({ key, issuedAtMs }),
      known: () => this.known,
    })
  }

  told(host: string, ...records: readonly Uint8Array[]): string[] {
    this.exchange.told(records, { key: 'teller', host })
    return this.found.splice(0).map(({ address }) => formatAddress({ ...address, peer: null }))
  }

  up(number: number, record: Uint8Array | null, host = '203.0.113.1'): void {
    this.exchange.neighbourUp(keyPairOf(number).identity, record, host)
  }
}

const EVERY_SCOPE = [
  '/ip4/127.0.0.1/tcp/1',
  '/ip4/10.0.0.1/tcp/1',
  '/ip4/169.254.0.1/tcp/1',
  '/ip6/fd00::1/tcp/1',
  '/ip4/100.64.0.1/tcp/1',
  '/ip4/198.51.100.1/tcp/1',
] as const

test('an address is taken only over a link at least as local', () => {
  const record = recordOf(1, ...EVERY_SCOPE)
  const { told } = Post.prototype
  const post = new Post()
  const from = (host: string): string[] => told.call(post, host, record)
  assert.deepEqual(from('127.0.0.1'), EVERY_SCOPE)
  assert.deepEqual(from('::1'), EVERY_SCOPE)
  assert.deepEqual(from('192.168.1.1'), EVERY_SCOPE.slice(1))
  assert.deepEqual(from('fe80::1%eth0'), EVERY_SCOPE.slice(1))
  assert.deepEqual(from('203.0.113.1'), EVERY_SCOPE.slice(5))
  assert.deepEqual(from('2001:db8::1'), EVERY_SCOPE.slice(5))
})

test('names are never taken from others', () => {
  const post = new Post()
  const record = recordOf(1, '/dns/internal.example/tcp/1', '/dns4/a.example/tcp/1', '/dns6/b.example/tcp/1')
  assert.deepEqual(post.told('127.0.0.1', record), [])
})

test('what was found belongs to the identity of the record and names who told it', () => {
  const post = new Post()
  post.exchange.told([recordOf(1, '/ip4/198.51.100.1/tcp/7')], { key: 'teller', host: '127.0.0.1' })
  assert.deepEqual(post.found, [
    {
      address: { host: '198.51.100.1', kind: 'ip4', port: 7, peer: null },
      peer: keyPairOf(1).identity.id,
      toldBy: 'teller',
    },
  ])
})

test('our own record is nobody to dial, but when it was issued is told', () => {
  const post = new Post()
  assert.deepEqual(post.told('127.0.0.1', recordAt(77, OWN, '/ip4/198.51.100.1/tcp/7')), [])
  assert.deepEqual(post.own, [77])
})

test('a record of a neighbour that others tell, issued later than what it told itself, is noticed once', () => {
  const post = new Post()
  const place = '/ip4/203.0.113.1/tcp/7'
  const { key } = keyPairOf(1).identity
  post.up(1, recordAt(100, 1, place))
  post.told('203.0.113.2', recordAt(100, 1, place), recordAt(99, 1, place))
  assert.deepEqual(post.outdone, [])
  const later = recordAt(200, 1, place)
  post.told('203.0.113.2', later, later)
  assert.deepEqual(post.outdone, [{ key, issuedAtMs: 200 }])
  // The latest is what is told to others.
  assert.deepEqual(decodePeers(post.exchange.tell(32, null)), [later])
  // Its own word is no news to it.
  post.exchange.told([recordAt(300, 1, place)], { key, host: '203.0.113.1' })
  assert.equal(post.outdone.length, 1)
  post.exchange.neighbourDown(keyPairOf(1).identity)
  post.told('203.0.113.2', recordAt(400, 1, place))
  assert.equal(post.outdone.length, 1)
})

test('a record that is not genuine is the fault of who told it', () => {
  const post = new Post()
  const record = recordOf(1, '/ip4/198.51.100.1/tcp/7')
  for (const wrong of [record.with(3, record[3]! ^ 1), record.subarray(0, 80), new Uint8Array(0)]) {
    assert.throws(() => post.told('127.0.0.1', wrong), { code: 'bad-peers', fault: 'remote' })
  }
})

test('a node’s own record must be genuine and its own', () => {
  const { exchange } = new Post()
  const record = recordOf(1)
  exchange.check(record, keyPairOf(1).identity)
  assert.throws(() => exchange.check(record, keyPairOf(2).identity), { code: 'bad-peers' })
  assert.throws(() => exchange.check(record.with(0, record[0]! ^ 1), keyPairOf(1).identity), { code: 'bad-peers' })
})

test('the records of open neighbours are told, without the asker’s own, as long as they are open', () => {
  const post = new Post()
  const records = [1, 2, 3].map((number) => recordOf(number))
  for (const [i, record] of records.entries()) post.up(i + 1, record)
  post.up(4, null)
  const told = (asker: string | null, count = 32): number[] => {
    return decodePeers(post.exchange.tell(count, asker)).map(
      (bytes) => records.findIndex((own) => Buffer.compare(own, bytes) === 0) + 1,
    )
  }
  assert.deepEqual(told(null), [1, 2, 3])
  assert.deepEqual(told(keyPairOf(2).identity.key), [1, 3])
  assert.deepEqual(told(null, 2), [1, 2])
  assert.deepEqual(told(null, 0), [])
  post.exchange.neighbourDown(keyPairOf(1).identity)
  assert.deepEqual(told(null), [2, 3])
})

test('which of many are told is left to chance', () => {
  const post = new Post(() => 0.999_999)
  const records = [1, 2, 3].map((number) => recordOf(number))
  for (const [i, record] of records.entries()) post.up(i + 1, record)
  assert.deepEqual(decodePeers(post.exchange.tell(1, null))[0], records[2])
})

test('known peers are told beside the neighbours, each node once', () => {
  const post = new Post()
  const [older, newer, other] = [recordOf(1), recordOf(1, '/ip4/198.51.100.1/tcp/1'), recordOf(2)]
  post.up(1, newer)
  post.known.push({ peer: keyPairOf(1).identity.id, record: older }, { peer: keyPairOf(2).identity.id, record: other })
  assert.deepEqual(decodePeers(post.exchange.tell(32, null)), [newer, other])
  assert.deepEqual(decodePeers(post.exchange.tell(32, keyPairOf(1).identity.key)), [other])
})

test('a neighbour’s own record is found like any other, by the rule of its connection', () => {
  const post = new Post()
  const [near, far] = ['/ip4/10.0.0.1/tcp/1', '/ip4/198.51.100.1/tcp/1']
  post.up(1, recordOf(1, near, far), '203.0.113.1')
  assert.deepEqual(
    post.found.map(({ address, toldBy }) => [formatAddress(address), toldBy]),
    [[far, keyPairOf(1).identity.key]],
  )
})

test('a record that a neighbour passed on counts as told by it, at its end of the connection', () => {
  const post = new Post()
  post.up(1, null, '10.0.0.9')
  const record = post.exchange.read(recordOf(2, ...EVERY_SCOPE), keyPairOf(2).identity)!
  post.exchange.passedOn(record, keyPairOf(1).identity.key)
  assert.deepEqual(
    post.found.map(({ address }) => formatAddress(address)),
    EVERY_SCOPE.slice(1),
  )
  assert.ok(post.found.every(({ toldBy }) => toldBy === keyPairOf(1).identity.key))
  post.exchange.neighbourDown(keyPairOf(1).identity)
  post.found.length = 0
  post.exchange.passedOn(record, keyPairOf(1).identity.key)
  assert.deepEqual(post.found, [])
})

test('a record in a message that is not genuine or not its sender’s is nothing', () => {
  const { exchange } = new Post()
  const record = recordOf(1)
  assert.equal(exchange.read(record, keyPairOf(2).identity), null)
  assert.equal(exchange.read(record.with(0, record[0]! ^ 1), keyPairOf(1).identity), null)
  const read = exchange.read(record, keyPairOf(1).identity)
  assert.deepEqual(read?.bytes, record)
  assert.equal(exchange.read(record, keyPairOf(1).identity), read)
})

test('asking is one number', () => {
  assert.deepEqual(new Post().exchange.ask(), Uint8Array.of(0x81, 0x18, 32))
})

test('an answer has at most 32 records and fits its frame, however long the neighbours’ records are', () => {
  const post = new Post()
  for (let number = 1; number <= 40; number++) post.up(number, recordOf(number))
  assert.equal(decodePeers(post.exchange.tell(1_000, null)).length, 32)
  for (let number = 1; number <= 40; number++) {
    const record = longRecordOf(number)
    assert.ok(record.length <= NODE_RECORD_BYTES_MAX)
    post.up(number, record)
  }
  const body = post.exchange.tell(32, null)
  assert.ok(body.length <= PEERS_BYTES_MAX)
  assert.ok(decodePeers(body).length > 25)
})

test('the same record is verified once, wherever it comes from, and a forged one each time', () => {
  let verified = 0
  const primitives = {
    ...completedNative,
    ed25519Verify: (...what: Parameters<typeof completedNative.ed25519Verify>) => {
      verified++
      return completedNative.ed25519Verify(...what)
    },
  }
  const found: string[] = []
  const exchange = new Exchange({
    network: openNetwork,
    identities,
    primitives,
    ownKey: keyPairOf(OWN).identity.key,
    fraction: () => 0,
    found: ({ identity }, _addresses, toldBy) => found.push(`${identity.id} ${toldBy}`),
    ownFound: () => {},
    neighbourOutdone: () => {},
    known: () => [],
  })
  const record = recordOf(1, '127.0.0.1:1')
  const { identity } = keyPairOf(1)
  exchange.check(record.slice(), identity)
  exchange.neighbourUp(identity, record.slice(), '127.0.0.1')
  exchange.told([record.slice(), record.slice()], { key: 'another', host: '127.0.0.1' })
  assert.equal(exchange.read(record.slice(), identity)?.identity.id, identity.id)
  assert.equal(verified, 1)
  assert.deepEqual(found, [`${identity.id} ${identity.key}`, `${identity.id} another`, `${identity.id} another`])
  // Genuine, and still not another node's own.
  assert.throws(() => exchange.check(record.slice(), keyPairOf(2).identity), { code: 'bad-peers' })

  const forged = record.slice()
  forged[3]! ^= 1
  for (let time = 0; time < 2; time++) assert.equal(exchange.read(forged.slice(), identity), null)
  assert.equal(verified, 3)
})

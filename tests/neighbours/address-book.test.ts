import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, formatAddress, parseAddress } from '../../lib/identity/address.ts'
import type { NodeRecord } from '../../lib/identity/node-record.ts'
import { BOOK_PEERS_MAX, BOOK_PEERS_PER_TELLER_MAX, CANDIDATE_FAILURES_MAX } from '../../lib/limits.ts'
import type { AddressBook, BookPeer } from '../../lib/neighbours/address-book.ts'
import { identityOf, newBook, seeded } from './fixture.ts'

const OWN = identityOf(500)
const ANY = (): boolean => true

function recordOf(number: number, issuedAtMs: number, ...texts: readonly string[]): NodeRecord {
  const addresses = texts.map((text) => parseAddress(text))
  return { identity: identityOf(number), issuedAtMs, addresses, bytes: Uint8Array.of(number & 0xff, issuedAtMs) }
}

class Desk {
  nowMs = 1_000
  readonly book: AddressBook

  constructor(fraction: () => number = () => 0.5) {
    this.book = newBook(OWN, fraction)
  }

  /** A neighbour tells of a node at these addresses, all of which may be taken. */
  learn(number: number, texts: readonly string[], toldBy = 'teller', issuedAtMs = 1): boolean {
    const record = recordOf(number, issuedAtMs, ...texts)
    return this.book.learn(record, record.addresses, toldBy)
  }

  found(number: number, text: string): void {
    this.book.succeeded(identityOf(number), parseAddress(text))
  }

  choose(near = false, wanted: (peer: BookPeer) => boolean = ANY): string | null {
    const choice = this.book.choose(this.nowMs, near, wanted)
    return choice === null ? null : formatAddress({ ...choice.address, peer: null }).slice(5)
  }

  /** Who is in it, by peer id. */
  get peers(): string[] {
    const peers: string[] = []
    this.book.choose(Number.POSITIVE_INFINITY, false, ({ peer }) => {
      peers.push(peer)
      return false
    })
    return peers
  }

  fail(number: number, text: string): void {
    const address: Address = { ...parseAddress(text), peer: identityOf(number).id }
    this.book.failed(address, this.nowMs)
  }
}

function deskByTheClock(unixMs: () => number): Desk {
  return Object.assign(new Desk(), { book: newBook(OWN, () => 0.5, unixMs) })
}

test('what was learned can be chosen, and insists on its peer', () => {
  const desk = new Desk()
  assert.equal(desk.book.choose(0, false, ANY), null)
  assert.ok(desk.learn(1, ['192.0.2.1:1']))
  const choice = desk.book.choose(desk.nowMs, false, ANY)
  assert.equal(choice?.address.peer, 'peer-1')
  assert.deepEqual([choice?.isProven, choice?.source, choice?.isNear], [false, 'exchange', false])
  assert.equal(
    desk.choose(false, ({ peer }) => peer !== 'peer-1'),
    null,
  )
})

test('we are not in our own book, nor is anybody without an address', () => {
  const desk = new Desk()
  assert.equal(desk.learn(500, ['192.0.2.1:1']), false)
  desk.found(500, '192.0.2.1:1')
  assert.equal(desk.learn(1, []), false)
  assert.equal(desk.book.size, 0)
})

test('peers that were found come before those that were only told, and chance decides among equals', () => {
  const chosen = new Map<string, number>()
  for (let seed = 0; seed < 200; seed++) {
    const desk = new Desk(seeded(seed))
    for (let number = 1; number <= 4; number++) desk.learn(number, [`192.0.2.${number}:1`])
    const first = desk.choose()!
    chosen.set(first, (chosen.get(first) ?? 0) + 1)
    desk.found(9, '192.0.2.9:1')
    assert.equal(desk.choose(), '192.0.2.9/tcp/1')
  }
  assert.equal(chosen.size, 4)
  for (const count of chosen.values()) assert.ok(count > 25, `${count}`)
})

test('the near one is the one with the shortest round trip, local ones before unknown ones', () => {
  const desk = new Desk()
  desk.learn(1, ['198.51.100.1:1'])
  assert.equal(desk.book.choose(desk.nowMs, true, ANY)?.isNear, false)
  desk.learn(2, ['10.0.0.2:1'])
  assert.equal(desk.choose(true), '10.0.0.2/tcp/1')
  assert.equal(desk.book.choose(desk.nowMs, true, ANY)?.isNear, true)
  desk.learn(3, ['198.51.100.3:1'])
  desk.book.measured('peer-3', 2)
  desk.book.measured('peer-3', null)
  desk.book.measured('nobody', 1)
  assert.equal(desk.choose(true), '198.51.100.3/tcp/1')
  desk.book.measured('peer-3', 200)
  assert.equal(desk.choose(true), '10.0.0.2/tcp/1')
})

test('of a newer record the addresses replace the older ones, but for those that were proven', () => {
  const desk = new Desk()
  desk.learn(1, ['192.0.2.1:1', '192.0.2.2:1'])
  desk.found(1, '192.0.2.1:1')
  assert.equal(desk.learn(1, ['192.0.2.3:1'], 'teller', 2), true)
  assert.equal(desk.learn(1, ['192.0.2.9:1'], 'teller', 1), false)
  assert.equal(desk.choose(), '192.0.2.1/tcp/1')
  desk.fail(1, '192.0.2.1:1')
  desk.nowMs += 1_000
  assert.equal(desk.choose(), '192.0.2.3/tcp/1')
  desk.fail(1, '192.0.2.3:1')
  desk.nowMs += 60_000
  assert.equal(desk.choose(), '192.0.2.1/tcp/1', 'the other two are gone')
})

test('a teller far away does not take away what a nearer one told', () => {
  const desk = new Desk()
  const record = recordOf(1, 2, '10.0.0.1:1', '198.51.100.1:1')
  desk.learn(1, ['10.0.0.1:1'], 'near', 1)
  assert.ok(desk.book.learn(record, record.addresses.slice(1), 'far'))
  assert.equal(desk.choose(), '10.0.0.1/tcp/1')
  const moved = recordOf(1, 3, '10.0.0.9:1')
  assert.equal(desk.book.learn(moved, [], 'far'), false)
  assert.equal(desk.book.size, 0, 'nothing is left that the node still names')
})

test('the same record from a nearer teller adds what the first one could not tell', () => {
  const desk = new Desk()
  const record = recordOf(1, 1, '10.0.0.1:1', '198.51.100.1:1')
  assert.ok(desk.book.learn(record, record.addresses.slice(1), 'far'))
  assert.ok(desk.book.learn(record, record.addresses, 'near'))
  assert.equal(desk.book.learn(record, record.addresses, 'near'), false)
  desk.fail(1, '198.51.100.1:1')
  desk.nowMs += 1_000
  assert.equal(desk.choose(), '10.0.0.1/tcp/1')
})

test('each address is tried before any a second time, and then the waits double up to ten minutes', () => {
  const desk = new Desk(() => 0.999)
  desk.learn(1, ['192.0.2.1:1', '192.0.2.2:1'])
  desk.found(1, '192.0.2.1:1')
  const waits: number[] = []
  for (let i = 0; i < 14; i++) {
    const text = desk.choose()!
    desk.fail(1, text.replace('/tcp/', ':'))
    const dueMs = desk.book.nextDueMs(ANY)!
    waits.push(Math.round((dueMs - desk.nowMs) / 1_000))
    assert.equal(desk.choose(), null)
    desk.nowMs = dueMs
  }
  assert.deepEqual(waits, [1, 30, 30, 60, 60, 120, 120, 240, 240, 480, 480, 600, 600, 600])
})

test('one that was never found is forgotten after five rounds, one that was found is kept', () => {
  const desk = new Desk()
  desk.learn(1, ['192.0.2.1:1'])
  desk.found(2, '192.0.2.2:1')
  for (let i = 0; i < CANDIDATE_FAILURES_MAX; i++) {
    desk.fail(1, '192.0.2.1:1')
    desk.fail(2, '192.0.2.2:1')
  }
  assert.deepEqual(desk.peers, ['peer-2'])
  desk.fail(1, '192.0.2.1:1')
  desk.fail(2, '192.0.2.77:1')
  desk.found(2, '192.0.2.2:1')
  assert.equal(desk.choose(), '192.0.2.2/tcp/1')
})

test('a peer that does not want us now waits, and one that never will is forgotten', () => {
  const desk = new Desk()
  desk.learn(1, ['192.0.2.1:1'])
  desk.book.postpone('peer-1', 60_000)
  desk.book.postpone('peer-1', 30_000)
  desk.book.postpone('nobody', 60_000)
  assert.equal(desk.choose(), null)
  assert.equal(desk.book.nextDueMs(ANY), 60_000)
  assert.equal(
    desk.book.nextDueMs(() => false),
    null,
  )
  desk.book.forget('peer-1')
  assert.equal(desk.book.nextDueMs(ANY), null)
})

test('one teller fills no more than its own part, with its own newest', () => {
  const desk = new Desk()
  desk.learn(9_999, ['192.0.2.9:1'], 'honest')
  for (let number = 1; number <= 10_000; number++) desk.learn(10_000 + number, [`192.0.2.1:${number}`], 'liar')
  assert.equal(desk.book.size, BOOK_PEERS_PER_TELLER_MAX + 1)
  assert.ok(desk.peers.includes('peer-9999'))
  assert.ok(desk.peers.includes('peer-20000'))
})

test('a full book makes room at the cost of the one who told most, never of those that were found', () => {
  const desk = new Desk()
  for (let number = 1; number <= 100; number++) desk.found(number, `192.0.2.1:${number}`)
  for (let number = 101; number <= 20_000; number++) {
    desk.learn(number, [`192.0.2.2:${number}`], `liar-${number % 50}`)
  }
  assert.equal(desk.book.size, BOOK_PEERS_MAX)
  desk.learn(30_000, ['192.0.2.3:1'], 'honest')
  desk.learn(30_001, ['192.0.2.3:2'], 'honest')
  for (let number = 40_001; number <= 41_000; number++) desk.learn(number, [`192.0.2.4:${number}`], `more-${number}`)
  assert.equal(desk.book.size, BOOK_PEERS_MAX)
  const peers = desk.peers
  for (let number = 1; number <= 100; number++) assert.ok(peers.includes(`peer-${number}`))
})

test('a book full of peers that were found takes only another one that was, for the one not found for longest', () => {
  let unixMs = 1_000
  const desk = deskByTheClock(() => unixMs++)
  for (let number = 1; number <= BOOK_PEERS_MAX; number++) desk.found(1_000 + number, `192.0.2.1:${number}`)
  desk.found(1_001, '192.0.2.1:1')
  assert.equal(desk.learn(1, ['192.0.2.2:1']), false)
  desk.found(2, '192.0.2.2:2')
  assert.equal(desk.book.size, BOOK_PEERS_MAX)
  assert.ok(desk.peers.includes('peer-2') && desk.peers.includes('peer-1001'))
  assert.ok(!desk.peers.includes('peer-1002'))
})

test('who is found at one place under many identities pushes out nobody from elsewhere', () => {
  let unixMs = 1_000
  const desk = deskByTheClock(() => unixMs++)
  const elsewhere = ['198.51.100.1:1', '192.0.2.1:1', '[2001:db8:1::1]:1']
  for (const [index, text] of elsewhere.entries()) desk.found(index + 1, text)
  for (let number = 1; number <= BOOK_PEERS_MAX * 2; number++) desk.found(1_000 + number, `203.0.113.5:${number}`)
  assert.equal(desk.book.size, BOOK_PEERS_MAX)
  for (const [index] of elsewhere.entries()) assert.ok(desk.peers.includes(`peer-${index + 1}`))
  // Where no place has more than another, whoever was not found for longest gives way.
  const wide = deskByTheClock(() => unixMs++)
  for (let number = 1; number <= BOOK_PEERS_MAX + 1; number++) {
    wide.found(1_000 + number, `20.${number >> 8}.${number & 255}.1:1`)
  }
  assert.deepEqual(
    [1_001, 1_002].map((number) => wide.peers.includes(`peer-${number}`)),
    [false, true],
  )
})

test('each place is as likely to be chosen as another, however many peers were found there', () => {
  const desk = new Desk(seeded(4))
  desk.found(1, '198.51.100.1:1')
  desk.found(2, '[2001:db8:1::1]:1')
  for (let number = 1; number <= 1_000; number++) desk.found(1_000 + number, `203.0.113.${number & 7}:${number}`)
  const chosen = Array.from({ length: 300 }, () => desk.choose())
  for (const text of ['198.51.100.1', '2001:db8:1::1']) {
    const count = chosen.filter((choice) => choice?.includes(text)).length
    assert.ok(count > 70 && count < 130, `${text}: ${count}`)
  }
})

test('a peer found at more addresses than a record holds keeps the best', () => {
  const desk = new Desk()
  for (let port = 1; port <= 20; port++) desk.found(1, `192.0.2.1:${port}`)
  desk.fail(1, '192.0.2.1:20')
  assert.notEqual(desk.choose(), '192.0.2.1/tcp/20')
  assert.equal(desk.book.size, 1)
})

test('records are given as they came, of those that are wanted and have one', () => {
  const desk = new Desk()
  desk.learn(1, ['192.0.2.1:1'])
  desk.learn(2, ['192.0.2.2:1'])
  desk.found(3, '192.0.2.3:1')
  const records = [...desk.book.records(({ peer }) => peer !== 'peer-2')]
  assert.deepEqual(records, [{ peer: 'peer-1', record: Uint8Array.of(1, 1) }])
})

test('it knows when it has changed', () => {
  const desk = new Desk()
  assert.equal(desk.book.isDirty, false)
  for (const change of [
    () => desk.learn(1, ['192.0.2.1:1']),
    () => desk.found(1, '192.0.2.1:1'),
    () => desk.learn(1, ['192.0.2.5:1'], 'teller', 2),
    () => desk.book.forget('peer-1'),
  ]) {
    change()
    assert.equal(desk.book.isDirty, true)
    desk.book.saved()
    assert.equal(desk.book.isDirty, false)
  }
  desk.book.forget('peer-1')
  desk.learn(500, ['192.0.2.1:1'])
  assert.equal(desk.book.isDirty, false)
})

test('the addresses of a peer begin with where it was found, then those that failed least, and each names it', () => {
  const desk = new Desk()
  assert.deepEqual(desk.book.addressesOf('peer-1'), [])
  desk.learn(1, ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1'])
  desk.learn(2, ['192.0.2.9:1'])
  desk.fail(1, '192.0.2.1:1')
  const texts = (): string[] => desk.book.addressesOf('peer-1').map(formatAddress)
  const found = ['192.0.2.2/tcp/1', '192.0.2.3/tcp/1', '192.0.2.1/tcp/1'].map((end) => `/ip4/${end}/p2p/peer-1`)
  assert.deepEqual(texts(), found)
  desk.found(1, '192.0.2.3:1')
  for (let i = 0; i < 3; i++) desk.fail(1, '192.0.2.3:1')
  assert.deepEqual(texts(), [found[1], found[0], found[2]], 'also where it has failed since')
})

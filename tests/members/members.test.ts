import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY } from '../../lib/bytes.ts'
import { parseAddress } from '../../lib/identity/address.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import type { NodeRecord } from '../../lib/identity/node-record.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import { NODE_NEIGHBOURS_MAX, NODE_TIME_TO_LIVE_S, NODES_MAX } from '../../lib/limits.ts'
import { Members, UNREACHABLE_MS } from '../../lib/members/members.ts'
import { decodeNodePayload, encodeNodePayload, type NodePayload } from '../../lib/members/node-payload.ts'
import { CROWD } from '../../lib/members/own-node.ts'
import { seeded } from '../crypto/seeded.ts'

/** An identity without cryptography. */
function nodeOf(number: number): Identity {
  const publicKey = new Uint8Array(32)
  new DataView(publicKey.buffer).setUint32(0, number)
  return { publicKey, x25519Key: publicKey, id: `peer-${number}`, key: `key-${number}` } as Identity
}

function recordOf(identity: Identity, bytes: Uint8Array): NodeRecord {
  return { identity, issuedAtMs: 1, addresses: [parseAddress(`192.0.2.1:${bytes[0]}`)], bytes }
}

function wordsOf({ neighbours = [], count = neighbours.length, name = '', record }: Told): Uint8Array {
  return encodeNodePayload({
    name,
    agent: 'test',
    record: record === undefined ? null : Uint8Array.of(record),
    neighbours: neighbours.map((neighbour) => nodeOf(neighbour).publicKey),
    startedAtMs: 5,
    neighbourCount: count,
  })
}

interface Told {
  readonly neighbours?: readonly number[]
  readonly count?: number
  readonly name?: string
  readonly record?: number
  readonly epoch?: number
  readonly sequence?: number
  readonly ageMs?: number
  readonly timeToLiveS?: number
  readonly toldBy?: string | null
}

class Desk {
  nowMs = 1_000
  readonly own = nodeOf(0)
  readonly events: string[] = []
  readonly published: (NodePayload | null)[] = []
  readonly addresses: string[] = []
  changes = 0
  reads = 0
  readonly heard = new Map<number, number>()
  readonly members: Members
  #sequence = 0

  constructor() {
    this.members = new Members({
      own: this.own,
      startedAtMs: 1_800_000_000_000,
      fraction: () => 0.5,
      about: () => ({ name: 'me', agent: 'test', record: Uint8Array.of(99) }),
      readRecord: (bytes, identity) => {
        this.reads++
        return bytes[0] === 13 ? null : recordOf(identity, bytes)
      },
      lastHeard: (publicKey) => this.heard.get(new DataView(publicKey.buffer).getUint32(0)) ?? null,
      actions: {
        publish: (payload) => this.published.push(decodeNodePayload(payload)),
        nodeUp: (peer, name) => this.events.push(`up ${peer} ${name}`),
        nodeDown: (peer, _name, reason) => this.events.push(`down ${peer} ${reason}`),
        addressesTold: ({ bytes }, toldBy) => this.addresses.push(`${bytes[0]} by ${toldBy}`),
        topologyChanged: () => this.changes++,
      },
    })
  }

  told(number: number, given: Told = {}): void {
    this.came(number, wordsOf({ name: `node ${number}`, ...given }), given)
  }

  came(number: number, payload: Uint8Array, given: Told = {}): void {
    const { epoch = 1, sequence = this.#sequence++, ageMs = 0, timeToLiveS = NODE_TIME_TO_LIVE_S, toldBy = 'a' } = given
    this.members.recordCame(nodeOf(number), payload, { epoch, sequence, ageMs, timeToLiveS, toldBy }, this.nowMs)
  }

  up(number: number): void {
    this.members.neighbourUp(nodeOf(number), this.nowMs)
  }

  down(number: number): void {
    this.members.neighbourDown(nodeOf(number), this.nowMs)
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 10_000, 'the clock does not get on')
      const atMs = this.members.nextDeadlineMs()
      if (atMs === null || atMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      this.members.tick(this.nowMs)
    }
    this.nowMs = untilMs
  }

  take(): string[] {
    return this.events.splice(0)
  }

  line(number: number): { hops: number | null; up: boolean } | undefined {
    const node = this.members.snapshot(this.nowMs).find(({ peer }) => peer === `peer-${number}`)
    return node && { hops: node.hops, up: node.up }
  }
}

const OLD: Told = { ageMs: 60_000 }

test('a node that was just heard is up at once, and has fifteen seconds to become reachable', () => {
  const desk = new Desk()
  desk.told(1)
  assert.deepEqual(desk.take(), ['up peer-1 node 1'])
  desk.advance(UNREACHABLE_MS - 1)
  assert.deepEqual(desk.take(), [])
  desk.advance(1)
  assert.deepEqual(desk.take(), ['down peer-1 unreachable'])
  desk.told(1)
  assert.deepEqual(desk.take(), ['up peer-1 node 1'])
})

test('a node known from an old message is up only once links lead to it', () => {
  const desk = new Desk()
  desk.told(2, OLD)
  desk.advance(60_000)
  assert.deepEqual(desk.take(), [])
  assert.deepEqual(desk.line(2), { hops: null, up: false })
  desk.up(1)
  desk.told(1, { neighbours: [0, 2] })
  desk.advance(250)
  assert.deepEqual(desk.take(), ['up peer-1 node 1', 'up peer-2 node 2'])
  assert.deepEqual(desk.line(1), { hops: 1, up: true })
  assert.deepEqual(desk.line(2), { hops: 2, up: true })
  assert.equal(desk.members.count, 3)
})

test('a node that nobody names any more goes down after fifteen seconds, and comes up when it is named again', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0, 2] })
  desk.told(2, { neighbours: [1] })
  desk.advance(60_000)
  desk.take()
  desk.told(1, { neighbours: [0] })
  desk.advance(UNREACHABLE_MS - 1)
  assert.deepEqual(desk.take(), [])
  desk.advance(250)
  assert.deepEqual(desk.take(), ['down peer-2 unreachable'])
  assert.deepEqual(desk.line(2), { hops: null, up: false })
  assert.equal(desk.members.count, 2)
  desk.told(1, { neighbours: [0, 2] })
  desk.advance(250)
  assert.deepEqual(desk.take(), ['up peer-2 node 2'])
})

test('when our last link is gone, everybody is unreachable', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0, 2] })
  desk.told(2, { neighbours: [1] })
  desk.advance(1_000)
  desk.take()
  desk.down(1)
  desk.down(1)
  desk.advance(UNREACHABLE_MS + 250)
  assert.deepEqual(desk.take().sort(), ['down peer-1 unreachable', 'down peer-2 unreachable'])
})

test('a node that takes itself back has left at once, and an older message does not bring it back', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { sequence: 5 })
  desk.take()
  desk.came(1, EMPTY, { sequence: 6 })
  assert.deepEqual(desk.take(), ['down peer-1 left'])
  assert.equal(desk.line(1), undefined)
  desk.told(1, { sequence: 4 })
  desk.came(1, EMPTY, { sequence: 7 })
  desk.advance(20_000)
  assert.deepEqual(desk.take(), [])
  desk.told(1, { epoch: 2, sequence: 0 })
  assert.deepEqual(desk.take(), ['up peer-1 node 1'])
})

test('of two messages the one of the later epoch holds, then the one with the greater number', () => {
  const desk = new Desk()
  desk.told(1, { epoch: 2, sequence: 3, name: 'newest' })
  desk.told(1, { epoch: 1, sequence: 9, name: 'older run' })
  desk.told(1, { epoch: 2, sequence: 3, name: 'the same' })
  desk.told(1, { epoch: 2, sequence: 2, name: 'earlier' })
  assert.equal(desk.members.snapshot(desk.nowMs)[1]?.name, 'newest')
})

test('a node whose message is over is gone', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { timeToLiveS: 100, ageMs: 40_000 })
  desk.advance(59_999)
  assert.deepEqual(desk.take(), ['up peer-1 node 1'])
  desk.advance(1)
  assert.deepEqual(desk.take(), ['down peer-1 expired'])
  assert.equal(desk.line(1), undefined)
  desk.told(2, { timeToLiveS: 10, ageMs: 10_000 })
  assert.equal(desk.line(2), undefined)
  desk.told(3, { ...OLD, timeToLiveS: 604_800 })
  desk.advance(NODE_TIME_TO_LIVE_S * 1_000)
  assert.equal(desk.line(3), undefined, 'nobody is kept longer than the protocol says')
})

test('our own message and one that cannot be read are nothing', () => {
  const desk = new Desk()
  desk.told(0, { name: 'not me' })
  desk.came(1, Uint8Array.of(0xff, 1, 2))
  assert.deepEqual(desk.take(), [])
  assert.equal(desk.members.snapshot(desk.nowMs).length, 1)
  desk.told(1, { name: 'sound' })
  desk.came(1, Uint8Array.of(0xff))
  assert.equal(desk.members.snapshot(desk.nowMs)[1]?.name, 'sound')
})

test('a node whose list is cut is taken to have the links that others tell of', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0], count: 200 })
  desk.told(2, { ...OLD, neighbours: [1] })
  desk.advance(250)
  assert.deepEqual(desk.line(2), { hops: 2, up: true })
})

test('this node tells of itself soon after its first neighbour is there, and of its neighbours in the order of their keys', () => {
  const desk = new Desk()
  desk.advance(60_000)
  assert.equal(desk.published.length, 0)
  desk.up(7)
  desk.advance(1_000)
  desk.up(3)
  desk.advance(11_000)
  assert.deepEqual(
    desk.published.map((node) => node?.neighbours.map((key) => key[3])),
    [[7], [3, 7]],
  )
  assert.deepEqual(desk.published[1], {
    name: 'me',
    agent: 'test',
    record: Uint8Array.of(99),
    neighbours: [nodeOf(3).publicKey, nodeOf(7).publicKey],
    startedAtMs: 1_800_000_000_000,
    neighbourCount: 2,
  })
})

test('with more than 128 neighbours the list is cut and says so', () => {
  const desk = new Desk()
  for (let number = 1; number <= 130; number++) desk.up(number)
  desk.advance(1_000)
  assert.equal(desk.published[0]?.neighbours.length, 128)
  assert.equal(desk.published[0]?.neighbourCount, 130)
})

test('an orderly end takes back what this node told', () => {
  const silent = new Desk()
  silent.members.stop()
  assert.equal(silent.published.length, 0)
  const desk = new Desk()
  desk.up(1)
  desk.advance(1_000)
  desk.members.stop()
  assert.equal(desk.published.length, 2)
  assert.equal(desk.published[1], null)
  desk.down(1)
  desk.told(2)
  assert.equal(desk.members.nextDeadlineMs(), null)
  desk.members.tick(desk.nowMs + 60_000)
  assert.equal(desk.published.length, 2)
  assert.deepEqual(desk.take(), [])
})

test('addresses are told on with the neighbour that brought them, once for the same record', () => {
  const desk = new Desk()
  desk.told(1, { record: 7, toldBy: 'a' })
  desk.told(1, { record: 7, toldBy: 'b' })
  desk.told(1, { record: 8, toldBy: null })
  desk.told(1, { record: 13, toldBy: 'a' })
  assert.deepEqual(desk.addresses, ['7 by a', '8 by null'])
  assert.equal(desk.reads, 3)
  assert.deepEqual(desk.members.snapshot(desk.nowMs)[1]?.addresses, [])
})

test('a snapshot has this node first, and of each what it said and when it was last heard', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0, 9], record: 7 })
  desk.advance(2_000)
  const [own, other] = desk.members.snapshot(desk.nowMs)
  assert.deepEqual(own, {
    peer: 'peer-0',
    name: 'me',
    agent: 'test',
    addresses: ['/ip4/192.0.2.1/tcp/99/p2p/peer-0'],
    neighbours: ['peer-1'],
    startedAtMs: 1_800_000_000_000,
    lastHeardMs: 0,
    hops: 0,
    up: true,
  })
  assert.deepEqual(other, {
    peer: 'peer-1',
    name: 'node 1',
    agent: 'test',
    addresses: ['/ip4/192.0.2.1/tcp/7/p2p/peer-1'],
    neighbours: ['peer-0', peerIdOf(nodeOf(9).publicKey)],
    startedAtMs: 5,
    lastHeardMs: 2_000,
    hops: 1,
    up: true,
  })
  desk.heard.set(1, desk.nowMs - 300)
  assert.equal(desk.members.snapshot(desk.nowMs)[1]?.lastHeardMs, 300)
})

test('people find nodes by peer id, by name, or by either end of a peer id', () => {
  const desk = new Desk()
  desk.told(12, { name: 'anna' })
  desk.told(13, { name: 'anna' })
  desk.told(112, { name: 'peer-12' })
  const found = (text: string): string[] => desk.members.find(text, desk.nowMs).map(({ peer }) => peer)
  assert.deepEqual(found('peer-12'), ['peer-12'])
  assert.deepEqual(found('anna'), ['peer-12', 'peer-13'])
  assert.deepEqual(found('peer-1'), ['peer-12', 'peer-13', 'peer-112'])
  assert.deepEqual(found('13'), ['peer-13'])
  assert.deepEqual(found('12'), ['peer-12', 'peer-112'])
  assert.deepEqual(found('me'), ['peer-0'])
  assert.deepEqual(found('nobody'), [])
  assert.deepEqual(found(''), [])
})

test('the table learns what it needs: who is reachable, how many links others have, whom we could spare', () => {
  const desk = new Desk()
  for (const number of [1, 2, 3]) desk.up(number)
  desk.told(1, { neighbours: [0, 2, 5], count: 9 })
  desk.told(2, { neighbours: [0] })
  desk.advance(250)
  const key = (number: number): Uint8Array => nodeOf(number).publicKey
  assert.equal(desk.members.isReachable(key(5)), true)
  assert.equal(desk.members.isReachable(key(6)), false)
  assert.deepEqual([desk.members.degreeOf(key(1)), desk.members.degreeOf(key(2))], [9, 1])
  assert.equal(desk.members.degreeOf(key(3)), null)
  assert.equal(desk.members.hasOtherWays(key(1)), true)
  assert.equal(desk.members.hasOtherWays(key(2)), false)
})

test('many changes are looked at together, four times a second at most', () => {
  const desk = new Desk()
  desk.up(1)
  for (let i = 0; i < 100; i++) {
    desk.told(2 + i, { neighbours: [1] })
    desk.advance(10)
  }
  assert.ok(desk.changes >= 4 && desk.changes <= 5, `${desk.changes}`)
})

test('the more nodes there are, the less often all of them are looked at', () => {
  const desk = new Desk()
  for (let number = 1; number <= 32_000; number++) desk.came(number, Uint8Array.of(0xa0), OLD)
  desk.advance(1_000)
  const before = desk.changes
  for (let i = 0; i < 100; i++) {
    desk.came(1, Uint8Array.of(0xa0), OLD)
    desk.advance(100)
  }
  const looks = desk.changes - before
  assert.ok(looks >= 10 && looks <= 11, `${looks}`)
})

test('nothing wakes a quiet node but the next time to tell and the next end of a life', () => {
  const desk = new Desk()
  assert.equal(desk.members.nextDeadlineMs(), null)
  desk.up(1)
  desk.told(1, { neighbours: [0] })
  desk.advance(30_000)
  const deadlineMs = desk.members.nextDeadlineMs()!
  assert.ok(deadlineMs - desk.nowMs > 3_000_000, `${deadlineMs - desk.nowMs}`)
})

test('ten thousand nodes that are made up are known, not believed, and forgotten again', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0] })
  for (let number = 1_000; number < 11_000; number++) desk.told(number, { ...OLD, neighbours: [number + 1, 1] })
  desk.advance(60_000)
  assert.deepEqual(desk.take(), ['up peer-1 node 1'])
  assert.equal(desk.members.count, 2)
  desk.advance(NODE_TIME_TO_LIVE_S * 1_000)
  assert.equal(desk.members.snapshot(desk.nowMs).length, 1)
})

test('at the bound newcomers are ignored while all are up, and those that are known go on', () => {
  const desk = new Desk()
  for (let number = 1; number <= NODES_MAX + 5; number++) desk.came(number, Uint8Array.of(0xa0), { sequence: 1 })
  assert.equal(desk.members.count, NODES_MAX + 1)
  desk.told(1, { sequence: 2, name: 'renamed' })
  assert.equal(desk.members.snapshot(desk.nowMs)[1]?.name, 'renamed')
})

test('at the bound a newcomer takes the place of one that no links lead to, the first to come first', () => {
  const desk = new Desk()
  desk.up(1)
  desk.told(1, { neighbours: [0, 2] })
  for (let number = 2; number <= NODES_MAX; number++) desk.came(number, Uint8Array.of(0xa0), { sequence: 1 })
  desk.advance(UNREACHABLE_MS * 2)
  desk.take()
  const [late, later] = [NODES_MAX + 1, NODES_MAX + 2]
  desk.told(late)
  desk.told(1, { neighbours: [0, 2, late, later] })
  desk.told(later)
  desk.advance(3_000)
  assert.deepEqual(
    desk.take(),
    [late, later].map((number) => `up peer-${number} node ${number}`),
  )
  assert.deepEqual(
    [2, 3, 4, 5, late, later].map((number) => desk.line(number)?.up),
    [true, undefined, undefined, false, true, true],
  )
  assert.equal(desk.members.snapshot(desk.nowMs).length, NODES_MAX + 1)
})

test('an open neighbour is known and reachable, whatever others make up', () => {
  const desk = new Desk()
  const named = Array.from({ length: NODE_NEIGHBOURS_MAX }, (_, i) => 2_000_000 + i)
  const [many, few] = [wordsOf({ neighbours: named }), wordsOf({ neighbours: [1] })]
  for (let number = 1; number <= NODES_MAX; number++) desk.came(number, number <= 2_048 ? many : few)
  const neighbour = NODES_MAX + 1
  desk.up(neighbour)
  desk.told(neighbour, { neighbours: [0, 1] })
  desk.advance(UNREACHABLE_MS * 2)
  assert.deepEqual(desk.line(neighbour), { hops: 1, up: true })
  assert.deepEqual(desk.line(1), { hops: 2, up: true })
})

test('a node that comes with a crowd tells of itself later, one that comes to many old nodes does not', () => {
  const toldAt = (others: number, given: Told): number => {
    const desk = new Desk()
    desk.up(1)
    // One that tells twice is still one.
    for (let number = 1; number <= others; number++) for (let i = 0; i < 2; i++) desk.told(number, given)
    while (desk.published.length === 0) desk.advance(10)
    return desk.nowMs - 1_000
  }
  assert.ok(toldAt(CROWD, {}) > 1_000)
  assert.ok(toldAt(CROWD - 1, {}) < 1_000)
  assert.ok(toldAt(CROWD * 2, { ageMs: 1_000 }) < 1_000)
})

test('random messages, links and times leave ups and downs in step', () => {
  const random = seeded(17)
  for (let run = 0; run < 40; run++) {
    const desk = new Desk()
    const isUp = new Map<string, boolean>()
    for (let step = 0; step < 150; step++) {
      const number = 1 + random.below(8)
      const what = random.below(6)
      if (what === 0) desk.up(number)
      else if (what === 1) desk.down(number)
      else if (what === 2) desk.came(number, EMPTY)
      else if (what === 3) desk.advance(random.below(20_000))
      else {
        const neighbours = Array.from({ length: random.below(4) }, () => random.below(9))
        desk.told(number, { neighbours, ageMs: random.below(40_000), timeToLiveS: 1 + random.below(100) })
      }
      for (const event of desk.take()) {
        const [way, peer] = event.split(' ') as [string, string]
        assert.notEqual(isUp.get(peer) ?? false, way === 'up', `${event} twice`)
        isUp.set(peer, way === 'up')
      }
      const up = [...isUp.values()].filter((value) => value).length
      assert.equal(desk.members.count, up + 1)
      assert.equal(desk.members.snapshot(desk.nowMs).filter((node) => node.up).length, up + 1)
    }
  }
})

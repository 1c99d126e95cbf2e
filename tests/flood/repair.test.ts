// The whole of repair, several machines together.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BundleFlag } from '../../lib/flood/bundle.ts'
import { LATE_TIMES, SLACK_FOR_MS } from '../../lib/flood/lateness.ts'
import { CLAIM_WAIT_MS, LAZY_CLAIM_WAIT_MS } from '../../lib/flood/repair.ts'
import { decodeHave, encodeHave } from '../../lib/flood/repair-frames.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { EPOCHS_PER_ORIGIN_MAX } from '../../lib/limits.ts'
import { seeded } from '../crypto/seeded.ts'
import { rounds } from '../tools/all-tests.ts'
import { plainBundle, plainOriginKey } from './fake-store.ts'
import { RepairNetwork, type RepairNode } from './repair-network.ts'

function countOf(network: RepairNetwork, type: number): number {
  return network.frames.filter((frame) => frame.type === type).length
}

function assertAllHaveAll(network: RepairNetwork, given = ''): void {
  for (const node of network.nodes) assert.deepEqual(network.missing(node), [], `${given} node ${node.number}`)
}

function assertQuiet(network: RepairNetwork): void {
  for (const { repair } of network.nodes) assert.equal(repair.nextDeadlineMs(), Number.POSITIVE_INFINITY)
}

function load(node: RepairNode, origins: number, bundles: number, count = 1, bytes = 300): void {
  for (let origin = 0; origin < origins; origin++) {
    for (let i = 0; i < bundles; i++) {
      node.load(
        plainBundle({
          originKey: plainOriginKey(1_000 + origin),
          epoch: 2 ** 50,
          first: i * count,
          count,
          bytes,
          heldSinceMs: 1_000,
        }),
      )
    }
  }
}

test('a node that comes later gets everything, and then all is quiet', () => {
  const network = new RepairNetwork(2)
  network.node(0).publish(40, 3)
  network.connect(0, 1)
  const tookMs = network.settle()
  assertAllHaveAll(network)
  const [first, second] = [network.node(0), network.node(1)]
  assert.deepEqual([second.taken, second.duplicates], [40, 0])
  assert.equal(second.repair.counters.received, 40)
  assert.equal(first.repair.counters.given, 40)
  assert.equal(second.repair.counters.requests, 1)
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  assertQuiet(network)
})

test('whatever links fail and return, in the end everybody has everything that anybody holds', () => {
  for (let seed = 1; seed <= rounds(30, 60); seed++) {
    const random = seeded(seed)
    const count = 2 + random.below(7)
    const network = new RepairNetwork(count, () => (random.below(3) === 0 ? { commitMs: 1 + random.below(300) } : {}))
    const lossPercent = random.below(60)
    network.loses = () => random.below(100) < lossPercent
    const anyLink = (): [number, number] => [random.below(count), random.below(count)]
    for (let step = 0; step < 120; step++) {
      const what = random.below(12)
      if (what < 4) network.connect(...anyLink(), 1 + random.below(80), 300 + random.below(5_000))
      else if (what < 6) network.cut(...anyLink())
      else if (what < 11)
        network.node(random.below(count)).publish(1 + random.below(20), 1 + random.below(4), 300 + random.below(20_000))
      else if (random.below(4) === 0) network.node(random.below(count)).restart()
      network.run(network.nowMs + random.below(900))
    }
    for (let i = 1; i < count; i++) network.connect(i, random.below(i))
    network.settle()
    assertAllHaveAll(network, `seed ${seed}:`)
    assertQuiet(network)
    assert.equal(network.doubleAsks, 0, `seed ${seed}`)
    const timeouts = network.nodes.reduce((sum, { repair }) => sum + repair.counters.timeouts, 0)
    assert.equal(timeouts, 0, `seed ${seed}`)
  }
})

test('several neighbours are asked for different things, and nothing comes twice', () => {
  const network = new RepairNetwork(5)
  for (let i = 0; i < 4; i++) load(network.node(i), 3, 2_000)
  for (let i = 0; i < 4; i++) network.connect(i, 4, 20, 500)
  network.settle()
  assertAllHaveAll(network)
  const newcomer = network.node(4)
  assert.deepEqual([newcomer.taken, newcomer.duplicates], [6_000, 0])
  assert.equal(network.doubleAsks, 0)
  for (let i = 0; i < 4; i++) assert.ok(network.node(i).repair.counters.given > 500, `${i} gave too little`)
})

test('a neighbour that never answers costs one deadline, and is left out where others claim the same', () => {
  const network = new RepairNetwork(3)
  for (const number of [0, 1]) load(network.node(number), 2, 50)
  network.connect(1, 2)
  const mute = network.node(1).links.get(2)!
  mute.holdsBack = (type) => type === FrameType.bundle || type === FrameType.given
  network.run(network.nowMs + 500)
  const node = network.node(2)
  assert.equal(node.repair.counters.requests, 1)
  network.connect(0, 2)
  network.run(network.nowMs + 2_000)
  assert.equal(node.taken, 0, 'it is being asked of the mute one')
  network.run(network.nowMs + 8_000)
  assert.equal(node.taken, 100)
  assert.equal(node.repair.counters.timeouts, 1)
  // What both hold is not asked of the mute one again, although its wait is over by then.
  network.run(network.nowMs + 60_000)
  network.loses = (_, to) => to === 2
  network.node(0).publish(10)
  network.connect(0, 1)
  network.settle()
  assertAllHaveAll(network)
  assert.equal(node.repair.counters.timeouts, 1)
})

test('a mute neighbour is asked again after a wait that doubles, and forgiven when it gives', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 10)
  network.connect(0, 1)
  const mute = network.node(0).links.get(1)!
  mute.holdsBack = (type) => type !== FrameType.have
  const wants = (): number[] => network.frames.filter(({ type }) => type === FrameType.want).map(({ atMs }) => atMs)
  network.run(120_000)
  const [first, ...others] = wants()
  assert.deepEqual(
    others.map((atMs) => Math.round((atMs - first!) / 1_000)),
    [20, 50, 100],
  )
  // A new link is no new chance.
  network.cut(0, 1)
  network.connect(0, 1)
  network.run(180_000)
  assert.equal(wants().length, 4)
  network.settle()
  assert.equal(network.node(1).taken, 10)
  network.node(0).links.get(1)!.holdsBack = () => false
  network.loses = () => true
  network.node(0).publish(5)
  const tookMs = network.settle()
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  assertAllHaveAll(network)
})

test('what a neighbour claims and does not give is not asked for again, however often it is told', () => {
  const network = new RepairNetwork(2, (number) => ({ ageMsMax: number === 1 ? 5_000 : 600_000 }))
  network.node(0).publish(1_000)
  network.run(20_000)
  network.loses = () => true
  network.connect(0, 1)
  network.run(22_000)
  const { counters } = network.node(1).repair
  assert.equal(counters.requests, 1)
  assert.equal(network.node(1).taken, 0)
  for (let i = 1; i <= 10; i++) {
    network.node(0).publish(1)
    network.run(22_000 + i * 2_000)
  }
  network.settle()
  // Each new one was asked for, alone.
  assert.equal(network.node(1).taken, 10)
  assert.equal(counters.requests, 11)
  assert.ok(network.node(0).store.looked < 1_100, 'the old ones were looked at once')
})

test('an answer that says there is more and has nothing is taken for the end', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 600)
  network.connect(0, 1)
  network.node(0).links.get(1)!.holdsBack = (type) => type === FrameType.bundle
  network.run(network.nowMs + 5_000)
  const { counters } = network.node(1).repair
  assert.equal(counters.requests, 1)
  network.settle()
  assert.equal(counters.requests, 1)
  assert.equal(counters.timeouts, 0)
})

test('what came and was refused for want of room is asked for again after a minute, and not before', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 10)
  const node = network.node(1)
  node.refuses = ({ first }) => first === 7
  network.connect(0, 1)
  network.run(50_000)
  assert.equal(node.taken, 9)
  assert.equal(node.repair.counters.requests, 1)
  assert.ok(node.repair.nextDeadlineMs() > 60_000, `${node.repair.nextDeadlineMs()}`)
  node.refuses = () => false
  // Something new of the same epoch is not held up by it.
  network.loses = () => true
  network.node(0).load(plainBundle({ originKey: plainOriginKey(1_000), epoch: 2 ** 50, first: 10 }))
  network.run(55_000)
  assert.equal(node.taken, 10)
  network.settle()
  assert.equal(node.taken, 11)
  assert.equal(node.repair.counters.requests, 3)
  assertQuiet(network)
})

test('epochs older than those kept are never asked for', () => {
  const network = new RepairNetwork(2)
  const originKey = plainOriginKey(7)
  for (let epoch = 100; epoch < 100 + EPOCHS_PER_ORIGIN_MAX; epoch++) {
    network.node(1).load(plainBundle({ originKey, epoch, first: 0 }))
  }
  network.node(0).load(plainBundle({ originKey, epoch: 50, first: 0 }))
  network.connect(0, 1)
  network.settle()
  assert.equal(countOf(network, FrameType.want), 1, 'only the other way')
  assert.equal(network.node(1).repair.counters.requests, 0)
})

test('a node without its past gets its own messages of earlier runs back, and a hint', () => {
  const network = new RepairNetwork(2)
  network.node(0).publish(12)
  network.connect(0, 1)
  network.settle()
  network.node(0).restart()
  network.connect(0, 1)
  network.settle()
  assertAllHaveAll(network)
  assert.equal(network.node(0).taken, 12)
  assert.equal(network.node(0).hints.at(-1), 1)
  assert.deepEqual(network.node(1).hints, [])
})

test('claims say who holds what, and a change of those about our own messages is told', () => {
  const network = new RepairNetwork(2, (number) => (number === 1 ? { commitMs: 700 } : {}))
  const [a, b] = [network.node(0), network.node(1)]
  network.connect(0, 1)
  network.settle()
  a.publish(3)
  network.run(network.nowMs + 500)
  assert.equal(b.taken, 3)
  assert.equal(a.repair.holds(a.keyOf(1), a.originKey, 1, 0, 2), false, 'not durable there')
  assert.equal(a.confirmations, 0)
  network.run(network.nowMs + 1_500)
  assert.equal(a.repair.holds(a.keyOf(1), a.originKey, 1, 0, 2), true)
  assert.equal(a.repair.holds(a.keyOf(1), a.originKey, 1, 0, 3), false)
  assert.equal(a.confirmations, 1)
  assert.equal(a.repair.isClaimed(a.originKey, 1, 2, 9), true)
  assert.equal(a.repair.isClaimed(a.originKey, 1, 3, 9), false)
  // After a new link the digests alone say it.
  network.settle()
  network.cut(0, 1)
  assert.equal(a.repair.holds(a.keyOf(1), a.originKey, 1, 0, 2), false)
  network.connect(0, 1)
  const before = network.frames.length
  network.settle()
  assert.equal(network.frames.length, before + 2, 'digests, and nothing else')
  assert.equal(a.repair.holds(a.keyOf(1), a.originKey, 1, 0, 2), true)
  assert.equal(a.confirmations, 2)
})

test('how long one was claimed before it came by itself is left to the next ones, for a while', () => {
  const askedAfter = (nextMs: number): number => {
    const network = new RepairNetwork(3)
    const node = network.node(2)
    network.connect(0, 2)
    network.connect(1, 2)
    // Beyond what counts as the answer to digests. What it claims is said for it below.
    network.run(network.nowMs + 4_000)
    network.node(1).links.get(2)!.holdsBack = () => true
    const from = plainOriginKey(7)
    const claim = (last: number): void => {
      const held = [{ originKey: from, epoch: 1, ranges: [0, last] }]
      node.frameCame(1, FrameType.have, encodeHave({ digests: null, newestEpoch: 0, held }))
    }
    const come = (first: number): void => {
      node.bundleCame(0, plainBundle({ originKey: from, epoch: 1, first, count: 1, heldSinceMs: network.nowMs }))
    }
    come(0)
    claim(1)
    network.run(network.nowMs + 200)
    come(1)
    network.run(network.nowMs + nextMs)
    come(2)
    claim(3)
    const sinceMs = network.nowMs
    network.run(sinceMs + 2_000)
    const wants = network.frames.filter(({ type, from, to }) => type === FrameType.want && from === 2 && to === 1)
    assert.equal(wants.length, 1)
    return wants[0]!.atMs - sinceMs
  }
  const waitMs = askedAfter(SLACK_FOR_MS - CLAIM_WAIT_MS)
  assert.equal(waitMs, CLAIM_WAIT_MS * 1.125)
  assert.equal(askedAfter(SLACK_FOR_MS - waitMs - 1), waitMs + LATE_TIMES * 200 - LAZY_CLAIM_WAIT_MS)
})

test('nothing is told while nothing changes, and what changes once a second at most', () => {
  const network = new RepairNetwork(2)
  network.connect(0, 1)
  network.settle()
  assert.equal(countOf(network, FrameType.have), 2)
  network.run(100_000)
  const haves = (): number[] =>
    network.frames.filter((one) => one.type === FrameType.have && one.from === 0).map(({ atMs }) => atMs)
  network.node(0).publish(1)
  network.run(100_500)
  assert.deepEqual(haves().slice(1), [100_100])
  for (let i = 0; i < 50; i++) {
    network.node(0).publish(1)
    network.run(network.nowMs + 100)
  }
  network.settle()
  const after = haves().slice(2)
  assert.ok(after.length <= 6 && after.length >= 5, `${after}`)
  for (const [i, atMs] of after.entries()) if (i > 0) assert.ok(atMs - after[i - 1]! >= 1_000, `${after}`)
  assert.equal(countOf(network, FrameType.want), 0)
})

test('what repair brought is passed on to those that do not hold it, and to nobody else', () => {
  const network = new RepairNetwork(4)
  load(network.node(0), 1, 30)
  load(network.node(2), 1, 30)
  network.connect(1, 2)
  network.settle()
  network.node(3).forwards = false
  network.connect(1, 3)
  network.settle()
  const sent = (from: number, to: number): number =>
    network.frames.filter((one) => one.type === FrameType.bundle && one.from === from && one.to === to).length
  assert.deepEqual([sent(2, 1), sent(1, 3)], [30, 30])
  network.connect(0, 1)
  network.settle()
  assert.deepEqual([sent(0, 1), sent(1, 0)], [0, 0])
  assert.equal(network.doubleAsks, 0)
})

test('origins have their turn: a long one does not hold up the others', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 5_000)
  for (let origin = 1; origin < 40; origin++) {
    network.node(0).load(plainBundle({ originKey: plainOriginKey(2_000 + origin), first: 0, heldSinceMs: 1_000 }))
  }
  network.connect(0, 1, 50)
  const node = network.node(1)
  network.run(network.nowMs + 700)
  for (let origin = 1; origin < 40; origin++) {
    assert.equal(node.seen.look(plainOriginKey(2_000 + origin), 1, 0, 0), 'duplicate', `origin ${origin}`)
  }
  assert.ok(node.taken < 3_000, `${node.taken} taken`)
  network.settle()
  assertAllHaveAll(network)
})

test('a newcomer gets current retained values before the rest of what it asked for', () => {
  const network = new RepairNetwork(2)
  const node = network.node(0)
  for (let i = 0; i < 400; i++) {
    const isRetained = i % 100 === 99
    node.publish(
      1,
      1,
      300,
      isRetained ? BundleFlag.retained : 0,
      isRetained ? 3_600 : 0,
      isRetained && i < 300 ? 'a' : 'b',
    )
  }
  const order: number[] = []
  network.node(1).refuses = ({ first }) => {
    order.push(first)
    return false
  }
  network.connect(0, 1)
  network.settle()
  assertAllHaveAll(network)
  assert.deepEqual(order.slice(0, 2).sort(), [299, 399])
  assert.deepEqual(order.slice(2, 8), [0, 1, 2, 3, 4, 5])
  assert.equal(order.length, 400)
})

test('another connection with the same neighbour begins anew and loses nothing', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 2_000)
  network.connect(0, 1, 40)
  network.run(network.nowMs + 250)
  assert.ok(network.node(1).taken < 2_000, 'not done yet')
  for (const [number, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const node = network.node(number)
    node.repair.linkUp(node.links.get(other)!, network.nowMs)
    node.rearm()
  }
  network.settle()
  assertAllHaveAll(network)
  assertQuiet(network)
})

test('while the disk is behind nothing is asked for, and nobody is blamed', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 600)
  const node = network.node(1)
  node.store.isBehind = true
  network.connect(0, 1)
  network.node(0).links.get(1)!.holdsBack = (type) => type !== FrameType.have
  network.run(network.nowMs + 30_000)
  assert.equal(node.repair.counters.requests, 0)
  node.store.isBehind = false
  network.run(network.nowMs + 150)
  assert.equal(node.repair.counters.requests, 1)
  // Behind while an answer is under way: the link is not read, so that it cannot come.
  node.store.isBehind = true
  network.run(network.nowMs + 25_000)
  assert.equal(node.repair.counters.timeouts, 0)
  node.store.isBehind = false
  network.run(network.nowMs + 2_000)
  assert.equal(node.repair.counters.timeouts, 1)
})

test('ten thousand origins are told in pages, and only those that differ', () => {
  const network = new RepairNetwork(2)
  const isShared = (origin: number): boolean => origin % 100 !== 0
  for (let origin = 0; origin < 10_000; origin++) {
    const bundle = plainBundle({ originKey: plainOriginKey(origin + 5), epoch: 2 ** 50, first: 0, heldSinceMs: 1_000 })
    network.node(0).load(bundle)
    if (isShared(origin)) network.node(1).load(bundle)
  }
  network.connect(0, 1)
  const tookMs = network.settle()
  assertAllHaveAll(network)
  assertQuiet(network)
  const haves = network.frames.filter(({ type }) => type === FrameType.have)
  for (const { bytes } of haves) assert.ok(bytes <= 32_768 + 100, `${bytes}`)
  const bytes = haves.reduce((sum, one) => sum + one.bytes, 0)
  assert.ok(bytes < 900_000, `${bytes} bytes`)
  assert.ok(tookMs < 5_000, `${tookMs} ms`)
  assert.equal(network.node(1).taken, 100)
  // In the other order everything differs.
  const other = new RepairNetwork(2)
  for (let origin = 0; origin < 10_000; origin++) {
    other
      .node(0)
      .load(plainBundle({ originKey: plainOriginKey(origin + 5), epoch: 2 ** 50, first: 0, heldSinceMs: 1_000 }))
  }
  other.connect(0, 1)
  other.run(other.nowMs + 4_000)
  assertAllHaveAll(other)
  // That it holds them now, the newcomer tells in its own time.
  other.settle()
  assertQuiet(other)
  assert.ok(other.node(1).repair.counters.requests < 80, `${other.node(1).repair.counters.requests} wants`)
})

test('a hundred thousand bundles come in as few answers as their bounds allow', () => {
  const network = new RepairNetwork(2)
  load(network.node(0), 1, 100_000)
  network.connect(0, 1, 10, 100_000)
  network.settle()
  assertAllHaveAll(network)
  const { counters } = network.node(1).repair
  assert.equal(counters.received, 100_000)
  assert.equal(network.node(1).duplicates, 0)
  assert.ok(counters.requests <= 100_000 / 256 + 10, `${counters.requests} wants`)
  assert.ok(network.node(0).store.scans < 100_000 / 64 + 400 + 100_000 / 256, `${network.node(0).store.scans} scans`)
})

test('in steady state a thousand messages cost little in haves', () => {
  const network = new RepairNetwork(3)
  for (const [a, b] of [
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const)
    network.connect(a, b)
  network.settle()
  const before = network.frames.length
  for (let i = 0; i < 1_000; i++) {
    network.node(0).publish(1)
    network.run(network.nowMs + 10)
  }
  network.settle()
  const haves = network.frames.slice(before).filter(({ type }) => type === FrameType.have)
  const bytes = haves.reduce((sum, one) => sum + one.bytes, 0)
  // Ten seconds, six directions: an entry of one epoch each second.
  assert.ok(haves.length <= 6 * 11, `${haves.length}`)
  assert.ok(bytes / haves.length < 60, `${bytes} bytes in ${haves.length}`)
  assert.equal(countOf(network, FrameType.want), 0)
})

test('frames for a neighbour that is gone are nobody’s business, and a frame of another type is a mistake', () => {
  const network = new RepairNetwork(2)
  const { repair } = network.node(0)
  repair.received('node 1', FrameType.given, new Uint8Array(0), 0)
  assert.equal(repair.bundleCame('node 1', 'x', 1, 0, 0, 0), false)
  assert.equal(repair.holds('node 1', 'x', 1, 0, 0), false)
  network.connect(0, 1)
  assert.throws(() => repair.received('node 1', FrameType.mode, new Uint8Array(0), 0), RangeError)
  assert.throws(() => repair.received('node 1', FrameType.have, new Uint8Array(0), 0), { code: 'bad-cbor' })
  assert.throws(() => decodeHave(new Uint8Array(0)), { code: 'bad-cbor' })
})

test('at rest a node remembers of its neighbours what confirms its own messages, and nothing of what both hold', () => {
  const network = new RepairNetwork(3)
  for (const node of network.nodes) node.publish(5)
  network.connect(0, 1)
  network.connect(1, 2)
  network.settle()
  assertAllHaveAll(network)
  for (const node of network.nodes) node.publish(5)
  network.settle()
  const origins = network.nodes.map(({ originKey }) => originKey)
  for (const [a, b] of [
    [0, 1],
    [1, 0],
    [1, 2],
    [2, 1],
  ] as const) {
    const { repair, keyOf } = network.node(a)
    const held = origins.filter((originKey) => repair.holds(keyOf(b), originKey, 1, 0, 0))
    assert.deepEqual(held, [origins[a]], `${a} of ${b}`)
  }
})

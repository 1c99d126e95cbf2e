import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../lib/bytes.ts'
import { BundleQueue } from '../../lib/flood/bundle-queue.ts'
import { LinkTrees, treeOf } from '../../lib/flood/link-trees.ts'
import { type OutgoingFrame, SendQueue } from '../../lib/link/send-queue.ts'
import { sealedBundle } from './bundles.ts'
import { carrierOf } from './queue-carrier.ts'

const NEIGHBOUR = { key: 'key', originKey: 'origin', peer: 'peer' }

function setUp(): {
  queue: SendQueue
  counters: { bundlesDropped: number; bundlesWithdrawn: number; bundlesAnnounced: number }
  bundles: BundleQueue
  trees: LinkTrees
  keeping: { isKeeping: () => boolean }
} {
  const queue = new SendQueue({ bytes: 0, bytesMax: 1e9 })
  const counters = { bundlesDropped: 0, bundlesWithdrawn: 0, bundlesAnnounced: 0 }
  const trees = new LinkTrees(NEIGHBOUR.key, true)
  const keeping = { isKeeping: () => true }
  return {
    queue,
    counters,
    trees,
    keeping,
    bundles: new BundleQueue(NEIGHBOUR, carrierOf(queue), trees, keeping, counters),
  }
}

/** The body of the first frame that the queue sends at that time. */
function bodySent(queue: SendQueue, nowMs: number): Uint8Array {
  const into = new Uint8Array(10_000)
  const end = queue.fill(into, 0, into.length, nowMs)
  // Type and a length of one or two bytes.
  return into.subarray(into[1]! < 128 ? 2 : 3, end)
}

test('hops and age are written when the bundle leaves', () => {
  const { queue, bundles } = setUp()
  const bundle = { ...sealedBundle(), hops: 4, ageMs: 100, heldSinceMs: 1_000 }
  bundles.offer(bundle)
  const body = bodySent(queue, 1_200.9)
  assert.equal(toHex(body.subarray(0, 3)), '05ac02')
  assert.deepEqual(new Uint8Array(body.subarray(3)), new Uint8Array(bundle.sealed))
})

test('an origin sends hops 1 and how long the bundle waited', () => {
  const { queue, bundles } = setUp()
  bundles.offer(sealedBundle())
  assert.equal(toHex(bodySent(queue, 7).subarray(0, 2)), '0107')
})

test('an offer says what became of the bundle, also later', () => {
  const { queue, counters, bundles } = setUp()
  const offer = bundles.offer(sealedBundle())
  assert.deepEqual([offer.peer, offer.outcome], ['peer', 'queued'])
  queue.clear()
  assert.equal(offer.outcome, 'dropped')
  assert.equal(counters.bundlesDropped, 1)
})

test('a carrier is asked to send now only while bundles wait for it', () => {
  const { queue, trees, keeping, counters } = setUp()
  let flushed = 0
  const carrier = { ...carrierOf(queue), flush: () => flushed++ }
  const bundles = new BundleQueue(NEIGHBOUR, carrier, trees, keeping, counters)
  bundles.sendNow()
  assert.equal(flushed, 0)
  bundles.offer(sealedBundle())
  bundles.sendNow()
  assert.equal(flushed, 1)
})

test('a full queue drops at once, and foresees it', () => {
  const { counters, trees, keeping } = setUp()
  const full = {
    bundleBytes: 5,
    carriedBytes: 0,
    isStalled: true,
    send: () => {},
    offer: () => false,
    wouldTake: () => false,
    withdraw: () => false,
    flush: () => {},
  }
  const bundles = new BundleQueue(NEIGHBOUR, full, trees, keeping, counters)
  assert.equal(bundles.foresee(0).outcome, 'dropped')
  assert.equal(bundles.offer(sealedBundle()).outcome, 'dropped')
  assert.equal(counters.bundlesDropped, 1)
  assert.equal(bundles.bundleBytes, 5)
  assert.equal(bundles.isStalled, true)
})

test('a bundle is withdrawn while it waits, and not once it has begun', () => {
  const { queue, counters, bundles } = setUp()
  const [first, second] = [sealedBundle({ first: 0 }), sealedBundle({ first: 1 })]
  bundles.offer(first)
  bundles.offer(second)
  queue.fill(new Uint8Array(10), 0, 10, 0)
  bundles.withdraw(first.key)
  bundles.withdraw('unknown')
  assert.equal(counters.bundlesWithdrawn, 0)
  bundles.withdraw(second.key)
  bundles.withdraw(second.key)
  assert.equal(counters.bundlesWithdrawn, 1)
  assert.equal(queue.bytes, 0)
})

test('over another connection the same bundles wait, and can be withdrawn there', () => {
  const { queue, counters, bundles } = setUp()
  const other = new SendQueue({ bytes: 0, bytesMax: 1e9 })
  const bundle = sealedBundle()
  bundles.offer(bundle)
  bundles.carryOver(carrierOf(other), new LinkTrees(NEIGHBOUR.key, true))
  for (const { into, frame } of queue.takeAll()) other.push(into, frame as OutgoingFrame)
  assert.equal(bundles.bundleBytes, other.bundleBytes)
  bundles.withdraw(bundle.key)
  assert.equal(counters.bundlesWithdrawn, 1)
  assert.equal(other.isEmpty, true)
})

test('an answer goes in its own class, takes the copy that waits among the live ones, and is closed behind it', () => {
  const { queue, counters, bundles } = setUp()
  const [live, asked] = [sealedBundle({ first: 0 }), sealedBundle({ first: 1 })]
  bundles.offer(asked)
  bundles.offer(live)
  bundles.give({ ...asked, hops: 255, ageMs: 3 })
  let left = 0
  bundles.conclude(Uint8Array.of(0x82, 0x01, 0xf4), () => left++)
  bundles.tell(0x11, Uint8Array.of(0x80))
  assert.equal(counters.bundlesWithdrawn, 1)
  const types: number[] = []
  while (!queue.isEmpty) {
    const into = new Uint8Array(1_000)
    // One record for each frame: the buffer has room for no second one of its size.
    const end = queue.fill(into, 0, 300, 0)
    for (let at = 0; at < end; ) {
      const isLong = into[at + 1]! >= 128
      const length = isLong ? (into[at + 1]! & 0x7f) | (into[at + 2]! << 7) : into[at + 1]!
      types.push(into[at]!)
      if (into[at] === 0x10 && types.filter((type) => type === 0x10).length === 2) {
        assert.equal(into[at + (isLong ? 3 : 2)], 255, 'hops are told in one byte')
      }
      at += (isLong ? 3 : 2) + length
    }
  }
  assert.deepEqual(types, [0x11, 0x10, 0x10, 0x14])
  assert.equal(left, 1)
})

test('whoever waits for an answer to leave hears also when it never will', () => {
  const { queue, bundles } = setUp()
  let left = 0
  bundles.conclude(Uint8Array.of(0x82, 0x01, 0xf4), () => left++)
  queue.clear()
  assert.equal(left, 1)
})

test('a tree that turns lazy is taken out of the queue, each bundle told as announced', () => {
  const { queue, counters, bundles, trees } = setUp()
  const [lazy, other] = [sealedBundle({ origin: 1 }), sealedBundle({ origin: 2 })]
  const tree = treeOf(lazy.originKey)
  assert.notEqual(treeOf(other.originKey), tree)
  const offers = [bundles.offer(lazy), bundles.offer(other), bundles.offer(sealedBundle({ origin: 1, first: 9 }))]
  trees.makeLazy(tree)
  bundles.turnedLazy(tree, 0)
  assert.deepEqual(
    offers.map(({ outcome }) => outcome),
    ['announced', 'queued', 'announced'],
  )
  assert.deepEqual([counters.bundlesAnnounced, counters.bundlesWithdrawn, counters.bundlesDropped], [2, 0, 0])
  assert.deepEqual([bundles.isLazy(tree), bundles.isLazy(tree + 1)], [true, false])
  assert.deepEqual([bundles.foresee(tree).outcome, bundles.announce().outcome], ['announced', 'announced'])
  assert.equal(counters.bundlesAnnounced, 3)
  queue.fill(new Uint8Array(10_000), 0, 10_000, 0)
  assert.equal(queue.isEmpty, true)
})

test('a neighbour that turns trees lazy again and again does not have a long queue searched each time', () => {
  const { bundles, counters } = setUp()
  const offer = (first: number): string => bundles.offer(sealedBundle({ origin: 1, first })).outcome
  const tree = treeOf(sealedBundle({ origin: 1 }).originKey)
  for (let first = 0; first < 100; first++) offer(first)
  bundles.turnedLazy(tree + 1, 1_000)
  bundles.turnedLazy(tree, 1_040)
  assert.equal(counters.bundlesAnnounced, 0)
  bundles.turnedLazy(tree, 1_050)
  assert.equal(counters.bundlesAnnounced, 100)
})

test('while the store keeps nothing, nothing is lazy', () => {
  const { bundles, trees, keeping } = setUp()
  trees.makeLazy(5)
  assert.equal(bundles.isLazy(5), true)
  keeping.isKeeping = () => false
  assert.deepEqual([bundles.isLazy(5), bundles.foresee(5).outcome], [false, 'queued'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bundle } from '../../lib/flood/bundle.ts'
import type { Offer } from '../../lib/flood/publisher.ts'
import { CONGESTED_BYTES, type FloodLink, Router } from '../../lib/flood/router.ts'
import { ORIGIN_SILENT_MS, Seen } from '../../lib/flood/seen.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import { HOPS_MAX } from '../../lib/limits.ts'
import type { Message } from '../../lib/types.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import {
  type BundleInput,
  bodyOf,
  bundleBody,
  bundleOfElements,
  elementsOf,
  originKeyOf,
  sealedBundle,
} from './bundles.ts'

class FakeLink implements FloodLink {
  readonly key: string
  readonly offered: Bundle[] = []
  readonly withdrawn: string[] = []
  bundleBytes = 0

  constructor(number: number) {
    this.key = keyPairOf(number).identity.key
  }

  offer(bundle: Bundle): Offer {
    this.offered.push(bundle)
    return this.foresee()
  }

  foresee(): Offer {
    return { peer: this.key, outcome: 'queued' }
  }

  withdraw(bundleKey: string): void {
    this.withdrawn.push(bundleKey)
  }
}

/** Node 9 with links to nodes 1, 2 and 3. */
class Node {
  nowMs = 1_000_000
  readonly warnings: string[] = []
  readonly subscriptions = new Subscriptions((code) => this.warnings.push(code))
  readonly rejections: [number, string][] = []
  readonly ownEpochs: number[] = []
  readonly heard: Message[] = []
  readonly links = [1, 2, 3].map((number) => new FakeLink(number))
  readonly router: Router

  constructor(seen = new Seen()) {
    this.router = new Router({
      primitives: completedNative,
      networkId: openNetwork.id,
      identities,
      subscriptions: this.subscriptions,
      ownOriginKey: originKeyOf(9),
      nowMs: () => this.nowMs,
      actions: {
        rejected: (link, reason) => this.rejections.push([this.links.indexOf(link as FakeLink), reason]),
        ownEpochMet: (epoch) => this.ownEpochs.push(epoch),
      },
      seen,
    })
    for (const link of this.links) this.router.addLink(link)
    this.subscriptions.subscribe('#', (message) => this.heard.push(message), 0)
  }

  /** A body comes from the link at this place. */
  from(at: number, body: Uint8Array): void {
    this.router.received(this.links[at]!, body)
  }

  get offers(): number[] {
    return this.links.map(({ offered }) => offered.length)
  }
}

const ofOrigin = (origin: number, given: Partial<BundleInput> = {}): Uint8Array => bundleBody({ origin, ...given })

function forged(body: Uint8Array): Uint8Array {
  return body.with(10, body[10]! ^ 1)
}

test('a new bundle is delivered and passed on to the others, with the same bytes', () => {
  const node = new Node()
  const body = ofOrigin(5, {
    messages: [
      ['a', 'one'],
      ['b', 'two'],
    ],
  })
  node.from(0, body)
  assert.deepEqual(
    node.heard.map(({ topic, id, hops }) => [topic, id, hops]),
    [
      ['a', `${keyPairOf(5).identity.id}/1/0`, 1],
      ['b', `${keyPairOf(5).identity.id}/1/1`, 1],
    ],
  )
  assert.deepEqual(node.offers, [0, 1, 1])
  assert.deepEqual(new Uint8Array(node.links[1]!.offered[0]!.sealed), new Uint8Array(body.subarray(2)))
  assert.equal(node.router.accepted, 1)
  assert.equal(node.router.deliveredMessages, 2)
  assert.equal(node.router.deliveredBytes, 6)
})

test('a bundle is not sent back to the neighbour that it came from', () => {
  const node = new Node()
  node.from(0, ofOrigin(5))
  node.from(1, ofOrigin(5, { first: 1 }))
  assert.deepEqual(node.offers, [1, 1, 2])
})

test('a neighbour gets what bears its own name by another way: so it learns that its identity is in use elsewhere', () => {
  const node = new Node()
  node.from(0, ofOrigin(2))
  assert.deepEqual(node.offers, [0, 1, 1])
})

test('another link with the same neighbour counts as the same', () => {
  const node = new Node()
  const again = new FakeLink(1)
  node.router.addLink(again)
  node.from(0, ofOrigin(5))
  assert.equal(again.offered.length, 0)
})

test('a bundle that nobody here wants is passed on all the same', () => {
  const node = new Node()
  node.subscriptions.close()
  node.from(0, ofOrigin(5))
  assert.equal(node.heard.length, 0)
  assert.deepEqual(node.offers, [0, 1, 1])
})

test('a duplicate is counted, not delivered, not passed on, and takes the waiting copy out of that queue', () => {
  const node = new Node()
  node.from(0, ofOrigin(5))
  node.from(1, bodyOf(sealedBundle({ origin: 5 }).sealed, 7, 300))
  assert.equal(node.router.duplicates, 1)
  assert.equal(node.heard.length, 1)
  assert.deepEqual(node.offers, [0, 1, 1])
  assert.deepEqual(node.links[1]!.withdrawn, [sealedBundle({ origin: 5 }).key])
  assert.deepEqual(node.links[2]!.withdrawn, [])
})

test('a forged copy that comes first does not silence the genuine one', () => {
  const node = new Node()
  node.from(0, forged(ofOrigin(5)))
  assert.deepEqual(node.rejections, [[0, 'bad-signature']])
  assert.deepEqual(node.offers, [0, 0, 0])
  node.from(1, ofOrigin(5))
  assert.equal(node.heard.length, 1)
  assert.deepEqual(node.offers, [1, 0, 1])
})

test('a forged copy of what was taken costs no signature check and no blame', () => {
  const node = new Node()
  node.from(0, ofOrigin(5))
  node.from(1, forged(ofOrigin(5)))
  assert.equal(node.router.duplicates, 1)
  assert.deepEqual(node.rejections, [])
})

test('what is malformed, of no identity or badly signed is a reject with its reason', () => {
  const node = new Node()
  node.from(0, new Uint8Array(0))
  node.from(0, bundleBody({}, 0))
  node.from(0, bundleOfElements([1, 2, 3]))
  node.from(1, forged(ofOrigin(5)))
  const smallOrder = new Uint8Array(32)
  smallOrder[0] = 1
  const elements = elementsOf()
  elements[1] = smallOrder
  node.from(2, bundleOfElements(elements))
  assert.deepEqual(node.rejections, [
    [0, 'malformed'],
    [0, 'malformed'],
    [0, 'malformed'],
    [1, 'bad-signature'],
    [2, 'bad-origin'],
  ])
  assert.deepEqual(node.router.rejected, { malformed: 3, 'bad-origin': 1, 'bad-signature': 1 })
  assert.deepEqual(node.router.seen.counts, { origins: 0, epochs: 0, ranges: 0 })
})

test('another version is ignored and nobody’s fault', () => {
  const node = new Node()
  node.from(0, bundleOfElements([2, 'whatever']))
  assert.equal(node.router.ignored['unknown-version'], 1)
  assert.deepEqual(node.rejections, [])
  assert.deepEqual(node.offers, [0, 0, 0])
})

test('a bundle of more than seven days is ignored and not marked: a younger copy may still come', () => {
  const node = new Node()
  const { sealed } = sealedBundle({ origin: 5 })
  node.from(0, bodyOf(sealed, 1, ORIGIN_SILENT_MS + 1))
  assert.equal(node.router.ignored['too-old'], 1)
  assert.deepEqual(node.offers, [0, 0, 0])
  node.from(0, bodyOf(sealed, 1, ORIGIN_SILENT_MS))
  assert.equal(node.router.accepted, 1)
})

test('an epoch older than the sixty-four kept is ignored', () => {
  const node = new Node()
  for (let epoch = 10; epoch < 74; epoch++) node.from(0, ofOrigin(5, { epoch }))
  node.from(0, ofOrigin(5, { epoch: 9 }))
  assert.equal(node.router.ignored['old-epoch'], 1)
  assert.equal(node.router.accepted, 64)
})

test('two bundles for one number: the second is neither delivered nor passed on, and its numbers are taken', () => {
  const node = new Node()
  const [x, y]: [string, string][] = [
    ['t', 'x'],
    ['t', 'y'],
  ]
  node.from(0, ofOrigin(5, { messages: [x!, x!] }))
  node.from(1, ofOrigin(5, { first: 1, messages: [y!, y!] }))
  assert.equal(node.router.ignored.equivocation, 1)
  assert.equal(node.heard.length, 2)
  assert.deepEqual(node.offers, [0, 1, 1])
  node.from(2, ofOrigin(5, { first: 2, messages: [y!] }))
  assert.equal(node.router.duplicates, 1)
  assert.deepEqual(node.rejections, [])
})

test('beyond our own bounds a bundle is ignored and not marked', () => {
  const node = new Node(new Seen({ originsMax: 4, rangesMax: 100 }))
  node.from(0, ofOrigin(5))
  node.from(0, ofOrigin(6))
  assert.equal(node.router.ignored['no-room'], 1)
  node.from(1, ofOrigin(6))
  assert.equal(node.router.accepted, 2)
})

test('a bundle with 32 hops and more is delivered and not passed on', () => {
  const node = new Node()
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 0 }).sealed, HOPS_MAX - 1))
  assert.deepEqual(node.offers, [0, 1, 1])
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 1 }).sealed, HOPS_MAX))
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 2 }).sealed, 255))
  assert.deepEqual(node.offers, [0, 1, 1])
  assert.deepEqual(
    node.heard.map(({ hops }) => hops),
    [31, 32, 255],
  )
})

test('our own bundle that comes back is a duplicate', () => {
  const node = new Node()
  const own = sealedBundle({ origin: 9 })
  node.router.markOwn(own)
  node.from(0, bodyOf(own.sealed))
  assert.equal(node.router.duplicates, 1)
  assert.deepEqual(node.ownEpochs, [])
})

test('a genuine bundle of our own that we did not make is told, passed on and not delivered', () => {
  const node = new Node()
  node.from(0, ofOrigin(9, { epoch: 77 }))
  assert.deepEqual(node.ownEpochs, [77])
  assert.equal(node.heard.length, 0)
  assert.deepEqual(node.offers, [0, 1, 1])
  node.from(0, forged(ofOrigin(9, { epoch: 78 })))
  assert.deepEqual(node.ownEpochs, [77])
})

test('each subscriber gets a payload of its own: changing one changes no other, nor what is passed on', () => {
  for (const payloadBytes of [10, 5_000]) {
    const node = new Node()
    node.subscriptions.close()
    const heard: Uint8Array[] = []
    for (let i = 0; i < 3; i++) {
      node.subscriptions.subscribe(
        't',
        ({ data }) => {
          heard.push(new Uint8Array(data))
          data.fill(0xee)
        },
        0,
      )
    }
    const payload = new Uint8Array(payloadBytes).fill(7)
    const body = ofOrigin(5, {
      messages: [
        ['t', payload],
        ['t', payload],
      ],
    })
    const kept = body.slice()
    node.from(0, body)
    assert.equal(heard.length, 6)
    for (const data of heard) assert.deepEqual(data, payload)
    assert.deepEqual(new Uint8Array(node.links[1]!.offered[0]!.sealed), kept.subarray(2))
  }
})

test('a lone subscriber may change a large payload without harm to the next one', () => {
  const node = new Node()
  for (const link of node.links) node.router.removeLink(link)
  node.subscriptions.close()
  const heard: number[] = []
  node.subscriptions.subscribe(
    't',
    ({ data }) => {
      heard.push(data[0]!, data[data.length - 1]!)
      data.fill(0xee)
    },
    0,
  )
  const payloads = [1, 2, 3].map((fill) => ['t', new Uint8Array(4_000).fill(fill)] as const)
  node.from(0, ofOrigin(5, { messages: payloads }))
  assert.deepEqual(heard, [1, 1, 2, 2, 3, 3])
})

test('a subscription hears what was published after it was made', () => {
  const node = new Node()
  const late: number[] = []
  node.subscriptions.subscribe('#', ({ sequence }) => late.push(sequence), node.nowMs)
  node.nowMs += 100
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 0 }).sealed, 1, 150))
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 1 }).sealed, 1, 50))
  assert.deepEqual(late, [1])
  assert.equal(node.heard.length, 2)
})

test('a small bundle from a large record is queued as a copy, so that it does not pin the record', () => {
  const node = new Node()
  const record = new Uint8Array(60_000)
  const body = ofOrigin(5)
  record.set(body, 1_000)
  node.from(0, record.subarray(1_000, 1_000 + body.length))
  const { sealed, origin } = node.links[1]!.offered[0]!
  assert.ok(sealed.buffer.byteLength < 1_000)
  assert.ok(origin.buffer.byteLength < 1_000)
})

test('publishers are held back while there is a link and all are behind', () => {
  const node = new Node()
  assert.deepEqual([node.router.congested, node.router.busy], [false, false])
  for (const link of node.links) link.bundleBytes = CONGESTED_BYTES + 1
  assert.deepEqual([node.router.congested, node.router.busy], [true, true])
  node.links[1]!.bundleBytes = CONGESTED_BYTES
  assert.deepEqual([node.router.congested, node.router.busy], [false, true])
  node.links[1]!.bundleBytes = 0
  assert.equal(node.router.busy, false)
  for (const link of node.links) node.router.removeLink(link)
  assert.deepEqual([node.router.congested, node.router.busy], [false, false])
})

test('our own bundles go to every link, and all of them answer', () => {
  const node = new Node()
  assert.equal(node.router.send(sealedBundle({ origin: 9 })).length, 3)
  assert.deepEqual(node.offers, [1, 1, 1])
  assert.equal(node.router.foresee().length, 3)
})

test('beside a slow model: whatever comes in whatever order, each message is delivered once and passed on once', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seeded(seed)
    const node = new Node()
    const bodies: { key: string; sealed: Uint8Array; ids: string[] }[] = []
    for (const origin of [1, 2, 5, 6]) {
      for (const epoch of [1, 2]) {
        let first = 0
        for (let i = 0; i < 5; i++) {
          const count = 1 + random.below(3)
          const messages = Array.from({ length: count }, (_, at) => ['t', `${origin} ${epoch} ${first + at}`] as const)
          const { sealed, key } = sealedBundle({ origin, epoch, first, messages })
          const ids = messages.map((_, at) => `${keyPairOf(origin).identity.id}/${epoch}/${first + at}`)
          bodies.push({ key, sealed, ids })
          first += count
        }
      }
    }
    const taken = new Set<string>()
    const delivered: string[] = []
    const offers: string[][] = [[], [], []]
    let [duplicates, rejected] = [0, 0]
    for (let step = 0; step < 400; step++) {
      const { key, sealed, ids } = bodies[random.below(bodies.length)]!
      const [at, hops, isForged] = [random.below(3), 1 + random.below(40), random.below(5) === 0]
      const body = bodyOf(sealed, hops)
      node.from(at, isForged ? forged(body) : body)
      if (taken.has(key)) duplicates++
      else if (isForged) rejected++
      else {
        taken.add(key)
        delivered.push(...ids)
        if (hops >= HOPS_MAX) continue
        for (let to = 0; to < 3; to++) if (to !== at) offers[to]!.push(key)
      }
    }
    assert.deepEqual(
      node.heard.map(({ id }) => id),
      delivered,
    )
    assert.deepEqual(
      node.links.map(({ offered }) => offered.map(({ key }) => key)),
      offers,
    )
    assert.equal(node.router.duplicates, duplicates)
    assert.equal(node.rejections.length, rejected)
  }
})

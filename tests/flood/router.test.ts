import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bundle, BundleFlag } from '../../lib/flood/bundle.ts'
import { LinkTrees, treeOf } from '../../lib/flood/link-trees.ts'
import { CONGESTED_BYTES } from '../../lib/flood/pace.ts'
import type { Offer } from '../../lib/flood/publisher.ts'
import { type FloodLink, REPAIRED_FORWARD_BYTES_MAX, Router, SLOW_DELIVERY_MS } from '../../lib/flood/router.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import { HOPS_MAX, LIVE_ORDER_WAIT_MS, TIME_TO_LIVE_S_MAX } from '../../lib/limits.ts'
import type { Message, Subscription } from '../../lib/types.ts'
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
import { AGE_MS_MAX, routerParts } from './router-parts.ts'

class FakeLink implements FloodLink {
  readonly key: string
  readonly trees: LinkTrees
  readonly offered: Bundle[] = []
  readonly withdrawn: string[] = []
  /** How many had been offered each time that they were to leave at once. */
  readonly sentAt: number[] = []
  announced = 0
  bundleBytes = 0
  isStalled = false

  constructor(number: number) {
    this.key = keyPairOf(number).identity.key
    this.trees = new LinkTrees(this.key, true)
  }

  offer(bundle: Bundle): Offer {
    this.offered.push(bundle)
    return this.foresee()
  }

  sendNow(): void {
    this.sentAt.push(this.offered.length)
    this.sending()
  }

  sending: () => void = () => {}

  foresee(tree = 0): Offer {
    return { peer: this.key, outcome: this.isLazy(tree) ? 'announced' : 'queued' }
  }

  isLazy(tree: number): boolean {
    return this.trees.isLazy(tree)
  }

  announce(): Offer {
    this.announced++
    return { peer: this.key, outcome: 'announced' }
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
  /** Of `heard`. */
  readonly hearing: Subscription
  readonly rejections: [number, string][] = []
  readonly ownEpochs: number[] = []
  readonly heard: Message[] = []
  readonly links = [1, 2, 3].map((number) => new FakeLink(number))
  readonly parts = routerParts()
  readonly retained: [string, string, string][] = []
  readonly heardOver: [string, string][] = []
  readonly came: [string, string, string][] = []
  /** Whether what comes was asked for, and which links say that they hold it. */
  isAsked = false
  /** Whether what comes unasked comes where it should not have to. */
  isStray = false
  /** Whether what comes was asked of somebody else. */
  isMissed = false
  readonly byThemselves: [originKey: string, epoch: number, first: number, last: number][] = []
  holders: string[] = []
  /** Before all that is published here: its origins' clocks are ahead, and ages count. */
  unixMs = 0
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
        heard: (origin, linkKey) => this.heardOver.push([origin, linkKey]),
        retainedCame: (origin, bundle, _messages, toldBy) => this.retained.push([origin.id, bundle.key, toldBy]),
      },
      ...this.parts,
      unixMs: () => this.unixMs,
      repair: {
        bundleCame: () => this.isAsked,
        cameByItself: (originKey, epoch, first, last) => {
          this.byThemselves.push([originKey, epoch, first, last])
          return this.isMissed
        },
        holds: (linkKey) => this.holders.includes(linkKey),
      },
      arrivals: {
        newCame: (link, { originKey }) => {
          this.came.push(['new', link.key, originKey])
          return this.isStray
        },
        duplicateCame: (link, { originKey }) => this.came.push(['duplicate', link.key, originKey]),
      },
      seen,
    })
    for (const link of this.links) this.router.addLink(link)
    this.hearing = this.subscriptions.subscribe('#', (message) => this.heard.push(message), 0)
  }

  /** A body comes from the link at this place. */
  from(at: number, body: Uint8Array): void {
    this.router.received(this.links[at]!, body)
  }

  /** Of what was delivered. */
  get sequences(): number[] {
    return this.heard.map(({ sequence }) => sequence)
  }

  get offers(): number[] {
    return this.links.map(({ offered }) => offered.length)
  }
}

/** What goes when a bundle comes, by the rule alone: whatever of its line has nothing missing behind the first that came. */
class Lines {
  readonly #next = new Map<string, number>()
  readonly #waiting = new Map<string, { first: number; ids: string[] }[]>()

  came(line: string, first: number, ids: string[]): string[] {
    const waiting = [...(this.#waiting.get(line) ?? []), { first, ids }].sort((a, b) => a.first - b.first)
    this.#waiting.set(line, waiting)
    let next = this.#next.get(line) ?? first
    const gone: string[] = []
    while (waiting.length > 0 && waiting[0]!.first <= next) {
      const { first, ids } = waiting.shift()!
      next = Math.max(next, first + ids.length)
      gone.push(...ids)
    }
    this.#next.set(line, next)
    return gone
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
  assert.equal(node.router.delivery.messages, 2)
  assert.equal(node.router.delivery.bytes, 6)
})

test('where handlers take long, the next bundle leaves before they get it', () => {
  const node = new Node()
  const sentBefore: number[] = []
  let tookMs = SLOW_DELIVERY_MS + 1
  const handler = (): void => {
    sentBefore.push(node.links[1]!.sentAt.length)
    node.nowMs += tookMs
  }
  node.subscriptions.subscribe('#', handler, 0)
  const pass = (first: number): void => node.from(0, ofOrigin(5, { first }))
  for (const first of [0, 1]) pass(first)
  assert.deepEqual(sentBefore, [0, 1])
  assert.deepEqual(node.links[1]!.sentAt, [2])
  // What goes to nobody makes nothing leave.
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 2 }).sealed, HOPS_MAX))
  assert.deepEqual(node.links[1]!.sentAt, [2])
  tookMs = SLOW_DELIVERY_MS
  for (const first of [3, 4]) pass(first)
  assert.deepEqual(node.links[1]!.sentAt, [2, 3])
})

test('that sending at once takes long, over many links, is no reason to send at once', () => {
  const node = new Node()
  let tookMs = SLOW_DELIVERY_MS + 1
  node.subscriptions.subscribe('#', () => (node.nowMs += tookMs), 0)
  node.links[1]!.sending = () => (node.nowMs += SLOW_DELIVERY_MS + 1)
  node.from(0, ofOrigin(5))
  tookMs = 0
  for (const first of [1, 2, 3]) node.from(0, ofOrigin(5, { first }))
  assert.deepEqual(node.links[1]!.sentAt, [2])
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
  node.hearing.unsubscribe()
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

test('a bundle older than what this node keeps is ignored and not marked: a younger copy may still come', () => {
  const node = new Node()
  const { sealed } = sealedBundle({ origin: 5 })
  node.from(0, bodyOf(sealed, 1, AGE_MS_MAX + 1))
  assert.equal(node.router.ignored['too-old'], 1)
  assert.deepEqual(node.offers, [0, 0, 0])
  node.from(0, bodyOf(sealed, 1, AGE_MS_MAX))
  assert.equal(node.router.accepted, 1)
})

test('a retained bundle is taken however old, up to its time-to-live', () => {
  const node = new Node()
  const retained = (first: number): Uint8Array =>
    sealedBundle({ origin: 5, first, flags: BundleFlag.retained, timeToLiveS: 7_200 }).sealed
  node.from(0, bodyOf(retained(0), 1, 7_200_001))
  assert.equal(node.router.ignored.expired, 1)
  node.from(0, bodyOf(retained(0), 1, 7_200_000))
  node.from(1, bodyOf(retained(1), 1, AGE_MS_MAX + 1))
  assert.equal(node.router.accepted, 2)
  assert.deepEqual(
    node.retained.map(([origin, , toldBy]) => [origin, toldBy]),
    [
      [keyPairOf(5).identity.id, node.links[0]!.key],
      [keyPairOf(5).identity.id, node.links[1]!.key],
    ],
  )
})

test('an ordinary bundle past its time-to-live is ignored, and a younger copy is not', () => {
  const node = new Node()
  const { sealed } = sealedBundle({ origin: 5, timeToLiveS: 2 })
  node.from(0, bodyOf(sealed, 1, 2_001))
  assert.equal(node.router.ignored.expired, 1)
  node.from(0, bodyOf(sealed, 1, 2_000))
  assert.equal(node.router.accepted, 1)
})

test('a retained bundle of two messages, without a time-to-live or with more than seven days is malformed', () => {
  const node = new Node()
  const flags = BundleFlag.retained
  const two = [
    ['t', 'one'],
    ['t', 'two'],
  ] as const
  node.from(0, ofOrigin(5, { first: 0, flags, timeToLiveS: 60, messages: two }))
  node.from(0, ofOrigin(5, { first: 2, flags, timeToLiveS: 0 }))
  node.from(0, ofOrigin(5, { first: 3, flags, timeToLiveS: TIME_TO_LIVE_S_MAX + 1 }))
  assert.equal(node.router.rejected.malformed, 3)
  node.from(0, ofOrigin(5, { first: 4, flags, timeToLiveS: TIME_TO_LIVE_S_MAX }))
  assert.equal(node.router.accepted, 1)
})

test('what was asked for goes on only to those who do not say that they hold it, whatever its hops', () => {
  const node = new Node()
  node.isAsked = true
  node.holders = [node.links[1]!.key]
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 0 }).sealed, HOPS_MAX))
  assert.deepEqual(node.offers, [0, 0, 1])
  node.links[2]!.bundleBytes = REPAIRED_FORWARD_BYTES_MAX
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 1 }).sealed, 1))
  assert.deepEqual(node.offers, [0, 0, 1])
  assert.equal(node.heard.length, 2)
})

test('the store has each accepted bundle once, and the lowest age that any copy of it showed', () => {
  const node = new Node()
  const put: string[] = []
  const younger: number[] = []
  node.parts.store.put = (bundle, topics) => put.push(`${bundle.first} ${topics?.join()}`)
  node.parts.store.younger = (_origin, _epoch, _first, ageMs) => younger.push(ageMs)
  const { sealed } = sealedBundle({ origin: 5, first: 0 })
  node.from(0, bodyOf(sealed, 1, 300_000))
  node.from(1, bodyOf(sealed, 1, 400_000))
  node.from(1, bodyOf(sealed, 1, 20_000))
  node.from(2, bodyOf(sealed, 1, 25_000))
  node.from(0, forged(ofOrigin(5, { first: 1 })))
  assert.deepEqual(put, ['0 chat'])
  assert.deepEqual(younger, [20_000])
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

test('what the store holds is a duplicate, also when its origin had to make room among those seen', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 100 })
  const node = new Node(seen)
  node.parts.store.holdings.add(originKeyOf(5), 1, 0, 0)
  assert.equal(seen.knows(originKeyOf(5)), false)
  node.from(0, ofOrigin(5))
  assert.equal(node.router.duplicates, 1)
  assert.equal(node.heard.length, 0)
  node.from(0, ofOrigin(5, { first: 1 }))
  assert.equal(node.heard.length, 1)
})

test('beyond our own bounds a bundle is ignored and not marked', () => {
  const seen = new Seen({ originsMax: 4, rangesMax: 100 })
  const node = new Node(seen)
  node.from(0, ofOrigin(5))
  seen.mark(originKeyOf(5), 1, 1, 99, '', node.nowMs)
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
  node.router.takeOwn(own)
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
    node.hearing.unsubscribe()
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
  node.hearing.unsubscribe()
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

test('an age that the signed time of sending belies keeps nobody from hearing a message', () => {
  const node = new Node()
  const late: number[] = []
  node.subscriptions.subscribe('#', ({ sequence }) => late.push(sequence), node.nowMs)
  node.nowMs += 100
  node.unixMs = 1_800_000_000_100
  const sent = (first: number, sentAtMs: number): void =>
    node.from(0, bodyOf(sealedBundle({ origin: 5, first, sentAtMs }).sealed, 1, 500_000))
  sent(0, 1_800_000_000_090)
  sent(1, 1_799_999_999_900)
  // A clock that is ahead says nothing.
  sent(2, 1_800_000_000_101)
  assert.deepEqual(late, [0])
  assert.equal(node.heard.length, 3)
})

test('nor does a slow clock, where the age says that a message is young', () => {
  const node = new Node()
  const late: number[] = []
  node.subscriptions.subscribe('#', ({ sequence }) => late.push(sequence), node.nowMs)
  node.nowMs += 100
  node.unixMs = 1_900_000_000_000
  node.from(0, bodyOf(sealedBundle({ origin: 5 }).sealed, 1, 50))
  assert.deepEqual(late, [0])
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

test('a bundle that overtook another is kept and passed on at once, and delivered behind it', () => {
  const node = new Node()
  const put: number[] = []
  node.parts.store.put = ({ first }) => put.push(first)
  for (const first of [0, 2, 3]) node.from(0, ofOrigin(5, { first }))
  assert.deepEqual(node.sequences, [0])
  assert.deepEqual(put, [0, 2, 3])
  assert.deepEqual(node.offers, [0, 3, 3])
  node.from(1, ofOrigin(5, { first: 1 }))
  assert.deepEqual(node.sequences, [0, 1, 2, 3])
  assert.equal(node.router.delivery.messages, 4)
  assert.equal(node.router.reorderedMessages, 2)
})

test('what is missing is waited for half a second at most, and delivered when it comes after that', () => {
  const node = new Node()
  for (const first of [0, 2]) node.from(0, ofOrigin(5, { first }))
  const deadlineMs = node.router.order.deadlineMs!
  assert.equal(deadlineMs, node.nowMs + LIVE_ORDER_WAIT_MS)
  node.router.order.tick(deadlineMs)
  assert.deepEqual(node.sequences, [0, 2])
  node.from(0, ofOrigin(5, { first: 1 }))
  assert.deepEqual(node.sequences, [0, 2, 1])
})

test('what is held is a copy of its own when it came in a large record, and nobody is handed a view of it', () => {
  const node = new Node()
  const payload = new Uint8Array(4_000).fill(7)
  for (const link of node.links) node.router.removeLink(link)
  const record = new Uint8Array(60_000)
  const body = ofOrigin(5, { first: 2, messages: [['t', payload]] })
  record.set(body)
  node.from(0, ofOrigin(5, { first: 0 }))
  node.from(0, record.subarray(0, body.length))
  assert.ok(node.router.order.heldBytes < 5_000, `${node.router.order.heldBytes} bytes`)
  record.fill(0)
  const large = ofOrigin(5, { first: 3, messages: [['t', payload]] })
  node.from(0, large)
  node.from(0, ofOrigin(5, { first: 1 }))
  assert.deepEqual(node.sequences, [0, 1, 2, 3])
  for (const { data } of node.heard.slice(2)) {
    assert.deepEqual(data, payload)
    assert.notEqual(data.buffer, large.buffer)
    assert.equal(data.buffer.byteLength, payload.length)
  }
})

test('nothing is held that no subscription would get: of no topic of theirs, or older than they are', () => {
  const node = new Node()
  node.hearing.unsubscribe()
  const heard: number[] = []
  node.subscriptions.subscribe('chat', ({ sequence }) => heard.push(sequence), node.nowMs)
  node.nowMs += 100
  node.from(0, ofOrigin(5, { first: 0 }))
  const other = [
    ['x', 'one'],
    ['y', 'two'],
  ] as const
  node.from(0, ofOrigin(5, { first: 2, messages: other }))
  node.from(0, bodyOf(sealedBundle({ origin: 5, first: 4 }).sealed, 1, 200))
  assert.equal(node.router.order.heldCount, 0)
  node.from(0, ofOrigin(5, { first: 5 }))
  assert.equal(node.router.order.heldCount, 1)
  node.from(0, ofOrigin(5, { first: 1, messages: [other[0]] }))
  assert.deepEqual(heard, [0, 5])
})

test('a subscription that was made while a bundle was held does not hear it', () => {
  const node = new Node()
  const late: number[] = []
  for (const first of [0, 2]) node.from(0, ofOrigin(5, { first }))
  node.nowMs += 100
  node.subscriptions.subscribe('#', ({ sequence }) => late.push(sequence), node.nowMs)
  node.from(0, ofOrigin(5, { first: 1 }))
  assert.deepEqual(node.sequences, [0, 1, 2])
  assert.deepEqual(late, [1])
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

test('beside a slow model: whatever comes in whatever order, each message is delivered once, in order, and passed on once', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seeded(seed)
    const node = new Node()
    const lines = new Lines()
    const bodies: { key: string; line: string; first: number; sealed: Uint8Array; ids: string[] }[] = []
    for (const origin of [1, 2, 5, 6]) {
      for (const epoch of [1, 2]) {
        let first = 0
        for (let i = 0; i < 5; i++) {
          const count = 1 + random.below(3)
          const messages = Array.from({ length: count }, (_, at) => ['t', `${origin} ${epoch} ${first + at}`] as const)
          const { sealed, key } = sealedBundle({ origin, epoch, first, messages })
          const ids = messages.map((_, at) => `${keyPairOf(origin).identity.id}/${epoch}/${first + at}`)
          bodies.push({ key, line: `${origin} ${epoch}`, first, sealed, ids })
          first += count
        }
      }
    }
    const taken = new Set<string>()
    const delivered: string[] = []
    const offers: string[][] = [[], [], []]
    let [duplicates, rejected] = [0, 0]
    for (let step = 0; step < 400; step++) {
      const { key, line, first, sealed, ids } = bodies[random.below(bodies.length)]!
      const [at, hops, isForged] = [random.below(3), 1 + random.below(40), random.below(5) === 0]
      const body = bodyOf(sealed, hops)
      node.from(at, isForged ? forged(body) : body)
      if (taken.has(key)) duplicates++
      else if (isForged) rejected++
      else {
        taken.add(key)
        delivered.push(...lines.came(line, first, ids))
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

test('where a link is lazy for the tree a bundle is announced in place of being offered, and nobody else is concerned', () => {
  const node = new Node()
  node.links[1]!.trees.makeLazy(treeOf(originKeyOf(5)))
  node.from(0, ofOrigin(5))
  node.from(0, ofOrigin(6))
  assert.deepEqual(node.offers, [0, 1, 2])
  assert.deepEqual(
    node.links.map(({ announced }) => announced),
    [0, 1, 0],
  )
})

test('our own go to eager links, and a publisher waits for those alone', () => {
  const node = new Node()
  const [lazy, full, free] = node.links as [FakeLink, FakeLink, FakeLink]
  lazy.trees.makeLazy(treeOf(originKeyOf(9)))
  const outcomes = (offers: readonly Offer[]): string[] => offers.map(({ outcome }) => outcome)
  assert.deepEqual(outcomes(node.router.foresee()), ['announced', 'queued', 'queued'])
  assert.deepEqual(outcomes(node.router.send(sealedBundle({ origin: 9 }))), ['announced', 'queued', 'queued'])
  assert.deepEqual(node.offers, [0, 1, 1])
  full.bundleBytes = CONGESTED_BYTES + 1
  assert.deepEqual([node.router.congested, node.router.busy], [false, false])
  free.bundleBytes = CONGESTED_BYTES + 1
  assert.deepEqual([node.router.congested, node.router.busy], [true, true])
})

test('what came new and what came again is told with its link; not what was asked for, nor our own', () => {
  const node = new Node()
  node.from(0, ofOrigin(5))
  node.from(1, ofOrigin(5))
  node.isAsked = true
  node.from(0, ofOrigin(5, { first: 1 }))
  node.from(1, ofOrigin(5, { first: 1 }))
  node.isAsked = false
  node.from(0, ofOrigin(9))
  node.from(1, ofOrigin(9))
  node.from(2, forged(ofOrigin(6)))
  assert.deepEqual(node.came, [
    ['new', node.links[0]!.key, originKeyOf(5)],
    ['duplicate', node.links[1]!.key, originKeyOf(5)],
    ['duplicate', node.links[1]!.key, originKeyOf(9)],
  ])
  const { epoch } = sealedBundle({ origin: 5 })
  assert.deepEqual(node.byThemselves, [
    [originKeyOf(5), epoch, 0, 0],
    [originKeyOf(9), epoch, 0, 0],
  ])
})

for (const how of ['isAsked', 'isStray', 'isMissed'] as const) {
  test(`a bundle that did not come as it should (${how}) goes to all who lack it, lazy or not`, () => {
    const node = new Node()
    node[how] = true
    node.holders = [node.links[2]!.key]
    node.links[1]!.trees.makeLazy(treeOf(originKeyOf(5)))
    node.from(0, ofOrigin(5))
    assert.deepEqual(node.offers, how === 'isAsked' ? [0, 1, 0] : [0, 1, 1])
    node.holders = node.links.map(({ key }) => key)
    node.from(0, ofOrigin(5, { first: 1 }))
    assert.deepEqual(node.offers, how === 'isAsked' ? [0, 1, 0] : [0, 1, 2])
    node.holders = []
    node.links[1]!.bundleBytes = REPAIRED_FORWARD_BYTES_MAX
    node.from(0, ofOrigin(5, { first: 2 }))
    assert.equal(node.offers[1], 1, 'new ones must not be kept out')
  })
}

test('hops bound what comes by itself, missed or not, and not what was asked for', () => {
  const node = new Node()
  const far = (first: number): Uint8Array => bodyOf(sealedBundle({ origin: 5, first }).sealed, HOPS_MAX, 0)
  node.isMissed = true
  node.from(0, far(0))
  assert.deepEqual(node.offers, [0, 0, 0])
  node.isAsked = true
  node.from(0, far(1))
  assert.deepEqual(node.offers, [0, 1, 1])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LinkTrees } from '../../lib/flood/link-trees.ts'
import { treeOf } from '../../lib/flood/link-trees.ts'
import type { Mode } from '../../lib/flood/mode-frame.ts'
import {
  FEWER_HOPS_MS,
  RENEW_BUNDLES,
  RENEW_MS,
  SILENT_MS,
  Trees,
  type TreesOptions,
  UNDER_WAY_MS,
} from '../../lib/flood/trees.ts'
import { plainOriginKey } from './fake-store.ts'

const OWN = plainOriginKey(9)
const A = plainOriginKey(1)
/** Another origin of A's tree. */
const A2 = `${A.slice(0, 2)}${'\x00'.repeat(30)}`
const B = plainOriginKey(2)

/** A node with three links, which says what it tells them. */
class Node {
  nowMs = 1_000
  readonly told: [link: string, mode: Mode, trees: readonly number[]][] = []
  readonly turned: [link: string, tree: number][] = []
  readonly trees: Trees
  #number = 0

  constructor(options: Partial<TreesOptions> = {}) {
    this.trees = new Trees({
      ownOriginKey: OWN,
      tell: (...what) => this.told.push(what),
      turnedLazy: (link, tree) => this.turned.push([link, tree]),
      ...options,
    })
  }

  up(key: string, isAble = true): LinkTrees {
    return this.trees.linkUp(key, isAble, this.nowMs)
  }

  /** A new bundle of that origin, and then copies of it. */
  came(originKey: string, first: LinkTrees, ...copies: readonly LinkTrees[]): boolean {
    const bundle = { originKey, epoch: 1, first: this.#number++, hops: 3 }
    const isMissed = this.trees.newCame(first, bundle, this.nowMs)
    for (const link of copies) this.trees.duplicateCame(link, bundle, this.nowMs)
    return isMissed
  }

  /** What was told since the last time. */
  get news(): [link: string, mode: Mode, trees: readonly number[]][] {
    return this.told.splice(0)
  }
}

test('a link that brings copies of what another brings first is declined for that origin, once', () => {
  const node = new Node()
  const [p, q, r] = [node.up('p'), node.up('q'), node.up('r')]
  node.came(A, p, q)
  assert.deepEqual(node.news, [['q', 'lazy', [treeOf(A)]]])
  node.came(A, p, q, r)
  assert.deepEqual(node.news, [['r', 'lazy', [treeOf(A)]]])
  assert.equal(q.declinedMs(treeOf(A)), 1_000)
  assert.equal(q.declinedMs(treeOf(B)), null)
  assert.deepEqual(node.trees.counters, { declined: 2, grafts: 0 })
})

test('a copy from the source itself, and one of an origin that was never heard, decline nothing', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, p)
  node.trees.duplicateCame(q, { originKey: B, epoch: 1, first: 0, hops: 1 }, 1_000)
  assert.deepEqual(node.news, [])
})

test('a link is not declined while the source is gone or declined: something always brings what has come once', () => {
  const node = new Node()
  const [p, q, r] = [node.up('p'), node.up('q'), node.up('r')]
  node.came(A, p, q)
  node.came(B, p)
  // Under way when it was declined: it is not the source for that.
  node.came(A, q)
  node.trees.linkDown('p', node.nowMs)
  node.told.length = 0
  node.trees.duplicateCame(r, { originKey: A, epoch: 1, first: 0, hops: 1 }, 2_000)
  assert.deepEqual(node.news, [])
})

test('a link that brings the news of another origin of that tree is not declined', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  assert.equal(treeOf(A2), treeOf(A))
  node.came(A2, q)
  node.came(A, p, q)
  assert.deepEqual(node.news, [])
})

test('what bears the own origin is declined without any source', () => {
  const node = new Node()
  const p = node.up('p')
  node.trees.duplicateCame(p, { originKey: OWN, epoch: 1, first: 0, hops: 2 }, 1_000)
  assert.deepEqual(node.news, [['p', 'lazy', [treeOf(OWN)]]])
})

test('links that cannot be lazy are neither declined nor listened to, and may be sources', () => {
  const node = new Node()
  const [p, q] = [node.up('p', false), node.up('q', false)]
  const r = node.up('r')
  node.came(A, p, q, r)
  assert.deepEqual(node.news, [['r', 'lazy', [treeOf(A)]]])
  node.trees.modeCame(q, { mode: 'lazy', trees: [5] }, 1_000)
  assert.equal(q.isLazy(5), false)
  node.trees.overdue('q', A, 'gap', 9_000)
  assert.deepEqual(node.news, [])
})

test('what comes over a declined link soon after means nothing; later a copy is declined again, once a second', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  node.nowMs += UNDER_WAY_MS - 1
  node.came(A, p, q)
  assert.deepEqual(node.news, [])
  node.nowMs += 1
  node.came(A, p, q, q)
  assert.deepEqual(node.news, [['q', 'lazy', [treeOf(A)]]])
  node.nowMs += 500
  node.came(A, p, q)
  assert.deepEqual(node.news, [])
  assert.equal(node.trees.counters.declined, 1)
})

test('a new bundle over a link that was declined long ago makes it the source again', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  assert.equal(node.came(A, q), false, 'it was under way')
  node.nowMs += UNDER_WAY_MS
  assert.equal(node.came(A, q), true, 'and the other one has been silent for a second')
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(A)]]])
  assert.equal(q.declinedMs(treeOf(A)), null)
  assert.equal(node.came(A, q), false)
  node.came(A, q, p)
  assert.deepEqual(node.news, [['p', 'lazy', [treeOf(A)]]])
})

test('a bundle that comes over another link than those before it was missed where it should have come', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  assert.deepEqual([node.came(A, p), node.came(A, p), node.came(A, q), node.came(A, q)], [false, false, true, false])
})

test('of two copies within a moment the one over fewer links stays', () => {
  const node = new Node()
  const [p, q, r] = [node.up('p'), node.up('q'), node.up('r')]
  const bundle = { originKey: A, epoch: 1, first: 50, hops: 4 }
  node.trees.newCame(p, bundle, 1_000)
  node.trees.duplicateCame(q, { ...bundle, hops: 2 }, 1_000 + FEWER_HOPS_MS)
  assert.deepEqual(node.news, [['p', 'lazy', [treeOf(A)]]])
  node.trees.duplicateCame(r, { ...bundle, hops: 1 }, 1_001 + FEWER_HOPS_MS)
  assert.deepEqual(node.news, [['r', 'lazy', [treeOf(A)]]], 'too late')
})

test('a copy of an earlier bundle, or over a source that cannot be declined, is judged by when it came alone', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  const bundle = { originKey: A, epoch: 1, first: 50, hops: 4 }
  node.trees.newCame(p, bundle, 1_000)
  node.trees.duplicateCame(q, { ...bundle, first: 49, hops: 1 }, 1_000)
  assert.deepEqual(node.news, [['q', 'lazy', [treeOf(A)]]])
  const other = new Node()
  const [plain, able] = [other.up('plain', false), other.up('able')]
  other.trees.newCame(plain, bundle, 1_000)
  other.trees.duplicateCame(able, { ...bundle, hops: 1 }, 1_000)
  assert.deepEqual(other.news, [['able', 'lazy', [treeOf(A)]]])
})

test('when the source is lost, all that were declined for it are asked again at once, and no others', () => {
  const node = new Node()
  const [p, q, r] = [node.up('p'), node.up('q'), node.up('r')]
  node.came(A, p, q, r)
  node.came(B, q, r)
  node.news
  node.trees.linkDown('p', node.nowMs)
  assert.deepEqual(node.news, [
    ['q', 'eager', [treeOf(A)]],
    ['r', 'eager', [treeOf(A)]],
  ])
  assert.notEqual(r.declinedMs(treeOf(B)), null)
  assert.equal(node.trees.counters.grafts, 2)
})

test('another connection with the same neighbour begins with everything eager', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.trees.modeCame(q, { mode: 'lazy', trees: [5] }, 1_000)
  node.news
  const again = node.up('q')
  assert.ok(q.isOver && !again.isOver)
  assert.deepEqual([again.isLazy(5), again.declinedMs(treeOf(A))], [false, null])
  node.trees.modeCame(q, { mode: 'lazy', trees: [6] }, 1_000)
  node.trees.duplicateCame(q, { originKey: A, epoch: 1, first: 0, hops: 1 }, 1_000)
  assert.deepEqual([q.isLazy(6), node.news], [false, []])
})

test('a gap makes a declined link eager again at once; one that is not declined is told only when all is silent', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  node.trees.overdue('q', A, 'gap', node.nowMs + 200)
  node.trees.overdue('q', A, 'gap', node.nowMs + 300)
  node.trees.overdue('nobody', A, 'gap', node.nowMs + 300)
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(A)]]])
  node.trees.overdue('p', A, 'silence', node.nowMs + UNDER_WAY_MS)
  node.trees.overdue('p', B, 'silence', node.nowMs + UNDER_WAY_MS)
  assert.deepEqual(node.news, [['p', 'eager', [treeOf(A)]]])
})

test('silence may be slowness: only what is silent still the next time is replaced', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  for (let i = 0; i < 5; i++) {
    node.trees.overdue('q', A, 'silence', node.nowMs + 100)
    assert.deepEqual(node.news, [], 'something has come since the last time')
    node.nowMs += 200
    node.came(A, p)
  }
  node.trees.overdue('q', A, 'silence', node.nowMs + 100)
  node.trees.overdue('q', A, 'silence', node.nowMs + 200)
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(A)]]])
})

test('after a second of silence nobody is waited for, and of an origin that never came not at all', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  node.trees.overdue('q', A, 'silence', node.nowMs + UNDER_WAY_MS)
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(A)]]])
  q.decline(treeOf(B), node.nowMs)
  node.trees.overdue('q', B, 'silence', node.nowMs + 1)
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(B)]]])
})

test('what is sent to all who may lack it is no sign that the source is lost, and missed where that is silent', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.nowMs += UNDER_WAY_MS
  node.came(A, p)
  node.news
  assert.equal(node.came(A, q), false, 'the source has brought something just now')
  node.nowMs += SILENT_MS
  assert.equal(node.came(A, q), true)
  assert.deepEqual([node.news, q.declinedMs(treeOf(A)) === null], [[], false])
  assert.equal(node.came(A, p), false, 'it is the source as before')
})

test('what the neighbour says holds, each turn to lazy is told of once', () => {
  const node = new Node()
  const p = node.up('p')
  node.up('q')
  node.trees.modeCame(p, { mode: 'lazy', trees: [5, 6, 5] }, 1_000)
  assert.deepEqual(node.turned, [
    ['p', 5],
    ['p', 6],
  ])
  node.trees.modeCame(p, { mode: 'eager', trees: [6, 7] }, 1_000)
  assert.deepEqual([p.isLazy(5), p.isLazy(6)], [true, false])
})

test('when nobody wants the own bundles, everybody gets them', () => {
  const node = new Node()
  const own = treeOf(OWN)
  const [p, q] = [node.up('p'), node.up('q')]
  node.trees.modeCame(p, { mode: 'lazy', trees: [own, 5] }, 1_000)
  assert.deepEqual([p.isLazy(own), q.isLazy(own)], [true, false])
  node.trees.modeCame(q, { mode: 'lazy', trees: [own] }, 1_000)
  assert.deepEqual([p.isLazy(own), q.isLazy(own), p.isLazy(5)], [false, false, true])
  node.trees.modeCame(p, { mode: 'lazy', trees: [own] }, 1_000)
  node.trees.linkDown('q', 1_000)
  assert.equal(p.isLazy(own), false)
})

test('after enough bundles and time all links may bring an origin again', () => {
  const node = new Node()
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p, q)
  node.news
  for (let i = 0; i < RENEW_BUNDLES * 3; i++) node.came(A, p)
  assert.deepEqual(node.news, [], 'not so soon')
  node.nowMs += RENEW_MS
  node.came(A, p)
  assert.deepEqual(node.news, [['q', 'eager', [treeOf(A)]]])
  node.came(A, p, q)
  assert.deepEqual(node.news, [['q', 'lazy', [treeOf(A)]]])
  node.nowMs += RENEW_MS
  for (let i = 0; i < RENEW_BUNDLES - 2; i++) node.came(A, p)
  assert.deepEqual(node.news, [], 'not for so few')
  assert.equal(node.trees.counters.grafts, 0)
})

test('the last news is remembered by epoch', () => {
  const node = new Node()
  const p = node.up('p')
  assert.equal(node.trees.newsMs(A, 1), Number.NEGATIVE_INFINITY)
  node.came(A, p)
  node.nowMs += 50
  assert.deepEqual([node.trees.newsMs(A, 1), node.trees.newsMs(A, 2)], [1_000, Number.NEGATIVE_INFINITY])
  node.came(A, p)
  assert.equal(node.trees.newsMs(A, 1), 1_050)
})

test('origins beyond the bound take the place of those heard first, and cost nothing but copies', () => {
  const node = new Node({ originsMax: 2 })
  const [p, q] = [node.up('p'), node.up('q')]
  node.came(A, p)
  node.came(A2, p)
  node.came(B, p)
  node.trees.duplicateCame(q, { originKey: A, epoch: 1, first: 0, hops: 1 }, 1_000)
  assert.deepEqual(node.news, [])
  node.came(A, p, q)
  assert.deepEqual(node.news, [['q', 'lazy', [treeOf(A)]]])
})

// The sending end alone: which envelopes leave for what waits, with links and the other end played here.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY } from '../../lib/bytes.ts'
import { type Content, decodeContent, Kind } from '../../lib/direct/content.ts'
import { Destinations } from '../../lib/direct/destinations.ts'
import { Envelopes, readDirect, textKey } from '../../lib/direct/envelope.ts'
import { OwnEpochs } from '../../lib/direct/own-epochs.ts'
import { Post, type Send } from '../../lib/direct/post.ts'
import { Relay } from '../../lib/direct/relay.ts'
import { WaitingTable } from '../../lib/direct/waiting.ts'
import type { MeshError } from '../../lib/errors.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'

const [own, neighbour, far] = [keyPairOf(1), keyPairOf(2), keyPairOf(3)]
const random = seeded(3)

interface Left {
  readonly content: Content
  readonly flooding: boolean
  readonly length: number
}

interface Setting {
  readonly post: Post
  readonly relay: Relay
  readonly left: Left[]
}

function setting(knownEpoch: number = 9, table?: WaitingTable): Setting {
  const given = { networkId: openNetwork.id, identities, primitives: completedNative }
  const shared = { ...given, random: (length: number) => random.bytes(length) }
  const opening = new Envelopes({ ...shared, keyPair: far })
  const left: Left[] = []
  const take = (body: Uint8Array): boolean => {
    const frame = readDirect(body, 4_096)
    const opened = opening.open(frame)!
    left.push({ content: decodeContent(opened.plain)!, flooding: frame.flooding, length: body.length })
    return true
  }
  const relay = new Relay({ send: (_, body) => take(body), flood: (body) => (take(body) ? 1 : 0) }, () => {})
  relay.routes.linkUp(neighbour.identity)
  const post = new Post({
    envelopes: new Envelopes({ ...shared, keyPair: own }),
    relay,
    destinations: new Destinations(),
    ownEpochs: new OwnEpochs({ epoch: () => 100, random: shared.random, startedMs: 0 }),
    sha256: completedNative.sha256,
    knownEpoch: () => knownEpoch,
    ...(table === undefined ? {} : { table }),
  })
  return { post, relay, left }
}

function order(change: Partial<Send> = {}): Send & { result: { error: MeshError | null; payload: Uint8Array } | null } {
  const made = {
    kind: Kind.message as number,
    answered: null,
    topic: 'inbox',
    payload: EMPTY as Uint8Array,
    floodsFirst: false,
    endMs: Number.POSITIVE_INFINITY,
    ...change,
    result: null as { error: MeshError | null; payload: Uint8Array } | null,
    settle: (error: MeshError | null, payload: Uint8Array) => {
      made.result = { error, payload }
    },
  }
  return made
}

/** Lets the post do all that is due until then, at its own times. */
function runUntil(post: Post, endMs: number): void {
  while (post.nextDeadlineMs() <= endMs) post.tick(Math.max(0, post.nextDeadlineMs()))
}

const summary = (left: readonly Left[]): string[] =>
  left.map(({ content, flooding }) => `${content.kind} ${content.destinationEpoch} ${content.sequence} ${flooding}`)

test('three tries at 0, 1 and 3 seconds, the later ones flooding, and a failure at 7', () => {
  const { post, left } = setting()
  const message = order()
  post.send(far.identity, message, 0)
  const times: number[] = []
  for (let ms = 0; ms <= 7_100; ms += 10) {
    const before = left.length
    runUntil(post, ms)
    if (left.length > before) times.push(ms)
  }
  assert.deepEqual(summary(left), ['0 9 0 false', '0 9 0 true', '0 9 0 true'])
  assert.ok(Math.abs(times[0]! - 1_000) <= 30 && Math.abs(times[1]! - 3_000) <= 50, String(times))
  assert.equal(message.result?.error?.code, 'timed-out')
  assert.equal(post.nextDeadlineMs(), Number.POSITIVE_INFINITY)
  assert.deepEqual(post.counters, { sent: 1, confirmed: 0, failed: 1, sealed: 3, untold: 0 })
})

test('without its epoch a destination is asked first, once for all that waits', () => {
  const { post, left } = setting(0)
  for (let i = 0; i < 5; i++) post.send(far.identity, order(), 0)
  assert.deepEqual(summary(left), ['5 0 0 false'])
  assert.equal(post.answered(far.identity, { epoch: 100, sequence: 1 }, 44, 1, 10), false, 'another question')
  assert.equal(post.answered(neighbour.identity, { epoch: 100, sequence: 0 }, 44, 1, 10), false, 'another node')
  assert.equal(post.answered(far.identity, { epoch: 100, sequence: 0 }, 44, 1, 10), true)
  post.tick(10)
  assert.deepEqual(
    summary(left).slice(1),
    [0, 1, 2, 3, 4].map((sequence) => `0 44 ${sequence} false`),
  )
})

test('what was sealed for another epoch is sealed again at once, but not a second time', () => {
  const { post, left } = setting()
  post.send(far.identity, order(), 0)
  for (const epoch of [10, 11, 12]) {
    post.wrongEpoch(far.identity, { epoch: 100, sequence: 0 }, epoch, 50)
    post.tick(50)
  }
  assert.deepEqual(summary(left), ['0 9 0 false', '0 10 0 false'])
  runUntil(post, 1_200)
  assert.deepEqual(summary(left).slice(2), ['0 12 0 true'])
})

test('a large message asks for the way before each later try, and goes alone when that is answered', () => {
  const { post, relay, left } = setting()
  relay.routes.heard(textKey(far.identity.publicKey), neighbour.identity.key, 0)
  const message = order({ payload: new Uint8Array(50_000) })
  post.send(far.identity, message, 0)
  runUntil(post, 1_500)
  assert.deepEqual(summary(left), ['0 9 0 false', '5 9 0 true'], 'the first wait is longer by 50,000 / 256 ms')
  relay.routes.heard(textKey(far.identity.publicKey), neighbour.identity.key, 1_500)
  assert.equal(post.answered(far.identity, { epoch: 100, sequence: 0 }, 9, 1, 1_500), true)
  post.tick(1_500)
  assert.deepEqual(summary(left).slice(2), ['0 9 0 false'])
  assert.equal(post.acknowledged(far.identity, { epoch: 100, sequence: 0 }), true)
  assert.equal(message.result?.error, null)
})

test('a request that was acknowledged is not tried again, and ends at its time-out', () => {
  const { post, left } = setting()
  const request = order({ kind: Kind.request, endMs: 20_000 })
  post.send(far.identity, request, 0)
  assert.equal(post.acknowledged(far.identity, { epoch: 100, sequence: 0 }), true)
  runUntil(post, 19_999)
  assert.deepEqual([left.length, request.result], [1, null])
  runUntil(post, 20_000)
  assert.equal(request.result?.error?.code, 'timed-out')
})

test('a reply needs no acknowledgement before it, and a second one changes nothing', () => {
  const { post } = setting()
  const request = order({ kind: Kind.request, endMs: 20_000 })
  post.send(far.identity, request, 0)
  const number = { epoch: 100, sequence: 0 }
  assert.equal(post.replied(neighbour.identity, number, null, Uint8Array.of(1), 1), false)
  assert.equal(post.replied(far.identity, number, null, Uint8Array.of(2), 1), true)
  assert.equal(post.replied(far.identity, number, null, Uint8Array.of(3), 1), false)
  assert.deepEqual(request.result, { error: null, payload: Uint8Array.of(2) })
  const message = order()
  post.send(far.identity, message, 0)
  assert.equal(post.replied(far.identity, { epoch: 100, sequence: 1 }, null, EMPTY, 1), false, 'a message has no reply')
})

test('a destination that is too busy is tried again, and named when it stays so', () => {
  const { post, left } = setting()
  const message = order()
  post.send(far.identity, message, 0)
  for (let ms = 10; ms < 8_000; ms += 10) {
    post.busy(far.identity, { epoch: 100, sequence: 0 })
    runUntil(post, ms)
  }
  assert.equal(left.length, 3)
  assert.match(message.result!.error!.message, /too busy/)
})

test('the bounds refuse what the program sends, and let a reply go once', () => {
  const { post, left } = setting(9, new WaitingTable({ countMax: 2, bytesMax: 10 }))
  const reply = (): Send => order({ kind: Kind.reply, answered: { epoch: 1, sequence: 1 }, topic: '' })
  post.send(far.identity, order({ payload: new Uint8Array(6) }), 0)
  assert.throws(() => post.send(far.identity, order({ payload: new Uint8Array(5) }), 0), { code: 'too-large' })
  post.send(far.identity, order(), 0)
  assert.throws(() => post.send(far.identity, order(), 0), { code: 'too-large' })
  for (let i = 0; i < 4; i++) post.send(far.identity, reply(), 0)
  assert.equal(left.length, 6)
  assert.deepEqual(post.table.counts, { count: 4, bytes: 6 })
  runUntil(post, 20_000)
  assert.deepEqual(post.table.counts, { count: 0, bytes: 0 })
  assert.equal(left.length, 6 + 4 * 2, 'two replies were kept and tried again, two were not')
})

test('sequence numbers have no gaps, whatever else is sent in between', () => {
  const { post, left } = setting()
  for (let i = 0; i < 3; i++) {
    post.send(far.identity, order(), 0)
    const notice = { kind: Kind.acknowledgement, answered: { epoch: 1, sequence: i }, topic: '', payload: EMPTY }
    post.tell(far.identity, { ...notice, flooding: false }, 0)
    post.send(far.identity, order({ kind: Kind.question, topic: '', endMs: 1_000 }), 0)
  }
  const numbered = left.filter(({ content }) => content.kind === Kind.message)
  assert.deepEqual(
    numbered.map(({ content }) => content.sequence),
    [0, 1, 2],
  )
})

test('a flood that must wait is put off without a try, and given up in the end', () => {
  const { post, left } = setting()
  const orders = Array.from({ length: 30 }, () => order())
  for (const one of orders) post.send(far.identity, one, 0)
  assert.equal(left.length, 20)
  runUntil(post, 900)
  assert.equal(left.length, 30)
})

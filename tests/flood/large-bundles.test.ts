// What becomes of the memory of a large bundle that came: given back when all have read it, and left alone while anybody may go
// on reading it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BundleQueue } from '../../lib/flood/bundle-queue.ts'
import { Checks } from '../../lib/flood/checks.ts'
import { LinkTrees } from '../../lib/flood/link-trees.ts'
import { Router } from '../../lib/flood/router.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import { Validation } from '../../lib/flood/validation.ts'
import { SendQueue } from '../../lib/link/send-queue.ts'
import type { CheckVerdict, Message } from '../../lib/types.ts'
import { completedNative } from '../crypto/providers.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import { type BundleInput, bundleBody, originKeyOf } from './bundles.ts'
import { carrierOf } from './queue-carrier.ts'
import { routerParts } from './router-parts.ts'

const PAYLOAD: Uint8Array = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)

/** A body as the frame reader makes a large one: a buffer of its own. */
function bodyOf(given: Partial<BundleInput> = {}): Uint8Array {
  return new Uint8Array(bundleBody({ messages: [['t', PAYLOAD]], ...given }))
}

/** A link with its real queue; nothing leaves before `sendAll`. */
class QueuedLink {
  readonly queue: SendQueue = new SendQueue({ bytes: 0, bytesMax: 1e9 })
  readonly bundles: BundleQueue

  constructor(number: number) {
    const { key } = keyPairOf(number).identity
    const counters = { bundlesDropped: 0, bundlesWithdrawn: 0, bundlesAnnounced: 0 }
    const neighbour = { key, originKey: originKeyOf(number), peer: `${number}` }
    this.bundles = new BundleQueue(
      neighbour,
      carrierOf(this.queue),
      new LinkTrees(key, true),
      { isKeeping: () => true },
      counters,
    )
  }

  sendAll(): Uint8Array {
    const into = new Uint8Array(200_000)
    return into.subarray(0, this.queue.fill(into, 0, into.length, 0))
  }
}

class Node {
  readonly subscriptions: Subscriptions = new Subscriptions(() => {})
  readonly checks: Checks = new Checks(() => {})
  readonly source: QueuedLink = new QueuedLink(1)
  readonly heard: Message[] = []
  readonly router: Router

  constructor() {
    const validation = new Validation({
      checks: this.checks,
      nowMs: () => 0,
      decided: (arrival, verdict) => this.router.decided(arrival, verdict),
      rejected: () => {},
    })
    this.router = new Router({
      ...routerParts(),
      primitives: completedNative,
      networkId: openNetwork.id,
      identities,
      subscriptions: this.subscriptions,
      ownOriginKey: originKeyOf(9),
      nowMs: () => 0,
      actions: { rejected: () => {}, ownEpochMet: () => {}, heard: () => {}, retainedCame: () => {} },
      validation,
    })
    this.router.addLink(this.source.bundles)
  }

  link(number: number): QueuedLink {
    const link = new QueuedLink(number)
    this.router.addLink(link.bundles)
    return link
  }

  subscribe(): void {
    this.subscriptions.subscribe('t', (message) => this.heard.push(message), 0)
  }

  comes(body: Uint8Array, from: QueuedLink = this.source): void {
    this.router.received(from.bundles, body)
  }
}

const isGivenBack = (body: Uint8Array): boolean => body.buffer.byteLength === 0

test('a relay gives the memory back when the last of its links has sent it, and not before', () => {
  const node = new Node()
  node.subscribe()
  const links = [node.link(2), node.link(3)]
  const body = bodyOf()
  const sealed = body.slice(2)
  node.comes(body)
  for (const link of links) {
    assert.equal(isGivenBack(body), false)
    const sent = link.sendAll()
    assert.deepEqual(sent.subarray(sent.length - sealed.length), sealed)
  }
  assert.equal(isGivenBack(body), true)
  // The subscriber has a copy of its own.
  assert.deepEqual(node.heard[0]!.data, PAYLOAD)
})

test('where nobody wants it and nobody is to get it, the memory goes at once', () => {
  const node = new Node()
  const body = bodyOf()
  node.comes(body)
  assert.equal(isGivenBack(body), true)
  assert.equal(node.router.accepted, 1)
})

test('a duplicate and what is refused give theirs back at once, and take nothing from what waits to be sent', () => {
  const node = new Node()
  const [second, third] = [node.link(2), node.link(3)]
  const body = bodyOf()
  const duplicates = [body.slice(), body.slice()]
  const forged = bodyOf({ first: 1 })
  forged[10]! ^= 1
  node.comes(body)
  node.comes(duplicates[0]!)
  node.comes(forged)
  assert.equal(node.router.rejected['bad-signature'], 1)
  assert.equal(isGivenBack(body), false)
  // Who sends it has it: its copy is not sent any more.
  node.comes(duplicates[1]!, second)
  assert.equal(second.sendAll().length, 0)
  for (const other of [...duplicates, forged]) assert.equal(isGivenBack(other), true)
  assert.equal(isGivenBack(body), false)
  assert.ok(third.sendAll().length > PAYLOAD.length)
  assert.equal(isGivenBack(body), true)
})

test('a subscriber that is given the bytes themselves keeps them', () => {
  const node = new Node()
  node.subscribe()
  const body = bodyOf()
  node.comes(body)
  assert.equal(node.heard[0]!.data.buffer, body.buffer)
  assert.deepEqual(node.heard[0]!.data, PAYLOAD)
})

test('what waits for an earlier bundle of its origin is whole when that has come', () => {
  const node = new Node()
  node.subscribe()
  const link = node.link(2)
  node.comes(bodyOf({ first: 0 }))
  node.comes(bodyOf({ first: 2 }))
  link.sendAll()
  link.sendAll()
  node.comes(bodyOf({ first: 1 }))
  assert.deepEqual(
    node.heard.map(({ sequence }) => sequence),
    [0, 1, 2],
  )
  for (const { data } of node.heard) assert.deepEqual(data, PAYLOAD)
})

test('a check may keep what it is shown, whatever it says and whenever', async () => {
  const node = new Node()
  node.subscribe()
  const shown: Message[] = []
  const verdicts: (CheckVerdict | Promise<CheckVerdict>)[] = [
    'ignore',
    'accept',
    Promise.resolve<CheckVerdict>('accept'),
  ]
  node.checks.register('t', (message) => {
    shown.push(message)
    return verdicts[shown.length - 1]!
  })
  const link = node.link(2)
  for (let first = 0; first < 3; first++) node.comes(bodyOf({ first }))
  await new Promise((resolve) => setImmediate(resolve))
  link.sendAll()
  assert.equal(shown.length, 3)
  assert.deepEqual(
    node.heard.map(({ sequence }) => sequence),
    [1, 2],
  )
  for (const { data } of [...shown, ...node.heard]) assert.deepEqual(data, PAYLOAD)
})

test('a body that is a part of something larger is left alone', () => {
  const node = new Node()
  const bytes = bodyOf()
  const piece = new Uint8Array(bytes.length + 10)
  piece.set(bytes, 5)
  node.comes(piece.subarray(5, 5 + bytes.length))
  assert.equal(node.router.accepted, 1)
  assert.deepEqual(piece.subarray(5, 5 + bytes.length), bytes)
})

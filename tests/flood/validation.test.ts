import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bundle, readBundleHead, readBundleMessages } from '../../lib/flood/bundle.ts'
import { CHECKS_MAX, Checks, SHARE_WARNING_EVERY_MS } from '../../lib/flood/checks.ts'
import { LinkTrees } from '../../lib/flood/link-trees.ts'
import { type FloodLink, Router } from '../../lib/flood/router.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import { type Arrival, Validation, type ValidationOptions } from '../../lib/flood/validation.ts'
import { type Check, type CheckVerdict, MeshError, type Message, type Receipt } from '../../lib/index.ts'
import { completedNative } from '../crypto/providers.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import { type BundleInput, bundleBody, originKeyOf } from './bundles.ts'
import { routerParts } from './router-parts.ts'

class FakeLink implements FloodLink {
  readonly key: string
  readonly trees: LinkTrees
  readonly bundleBytes = 0
  readonly isStalled = false
  readonly offered: number[] = []

  constructor(number: number) {
    this.key = keyPairOf(number).identity.key
    this.trees = new LinkTrees(this.key, true)
  }

  offer(bundle: Bundle): Receipt['neighbours'][0] {
    this.offered.push(bundle.first)
    return this.foresee()
  }

  foresee(): Receipt['neighbours'][0] {
    return { peer: this.key, outcome: 'queued' }
  }

  sendNow(): void {}

  isLazy(): boolean {
    return false
  }

  announce(): Receipt['neighbours'][0] {
    return { peer: this.key, outcome: 'announced' }
  }

  withdraw(): void {}
}

/** Node 9 with links to nodes 1 and 2, which hears everything. */
class Node {
  nowMs = 1_000_000
  readonly warnings: [string, string][] = []
  readonly checks = new Checks((code, text) => this.warnings.push([code, text]))
  readonly links = [new FakeLink(1), new FakeLink(2)] as const
  readonly blamed: number[] = []
  readonly heard: Message[] = []
  readonly stored: number[] = []
  readonly validation: Validation
  readonly router: Router

  constructor(bounds: Pick<ValidationOptions, 'bundlesMax' | 'bytesMax'> = {}) {
    const subscriptions = new Subscriptions(() => {})
    this.validation = new Validation({
      checks: this.checks,
      nowMs: () => this.nowMs,
      decided: (arrival, verdict) => this.router.decided(arrival, verdict),
      rejected: ({ link }) => this.blamed.push(this.links.indexOf(link as FakeLink)),
      ...bounds,
    })
    const parts = routerParts()
    const put = parts.store.put.bind(parts.store)
    parts.store.put = (bundle, topics) => {
      this.stored.push(bundle.first)
      put(bundle, topics)
    }
    this.router = new Router({
      primitives: completedNative,
      networkId: openNetwork.id,
      identities,
      subscriptions,
      ownOriginKey: originKeyOf(9),
      nowMs: () => this.nowMs,
      actions: { rejected: () => {}, ownEpochMet: () => {}, heard: () => {}, retainedCame: () => {} },
      ...parts,
      validation: this.validation,
    })
    for (const link of this.links) this.router.addLink(link)
    subscriptions.subscribe('#', (message) => this.heard.push(message), 0)
  }

  receive(given: Partial<BundleInput> = {}, link = 0, ageMs = 0): void {
    this.router.received(this.links[link as 0 | 1], bundleBody(given, 1, ageMs))
  }

  get sequences(): number[] {
    return this.heard.map(({ sequence }) => sequence)
  }
}

/** A check whose verdicts are given by hand, by text of the message. */
class Promised {
  readonly asked: string[] = []
  readonly #open = new Map<string, { resolve: (said: CheckVerdict) => void; reject: (error: Error) => void }>()
  readonly check: Check = (message) => {
    this.asked.push(message.text())
    return new Promise((resolve, reject) => this.#open.set(message.text(), { resolve, reject }))
  }

  async say(text: string, verdict: CheckVerdict | 'nonsense'): Promise<void> {
    this.#open.get(text)!.resolve(verdict as CheckVerdict)
    await said()
  }

  async fail(text: string): Promise<void> {
    this.#open.get(text)!.reject(new Error('no database'))
    await said()
  }
}

/** What promises have to say has been said. */
async function said(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve()
}

const isCode = (code: string) => (error: unknown) => error instanceof MeshError && error.code === code
const one = (first: number, text: string, topic = 'chat'): Partial<BundleInput> => ({
  first,
  messages: [[topic, text]],
})

test('what a check accepts is kept, passed on and delivered; what it does not is none of these, and is not taken again', () => {
  const node = new Node()
  node.checks.register('chat', (message) => message.text() as CheckVerdict)
  node.receive(one(0, 'accept'))
  node.receive(one(1, 'ignore'))
  node.receive(one(2, 'reject'))
  node.receive(one(3, 'accept'))
  assert.deepEqual(node.sequences, [0, 3])
  assert.deepEqual(node.links[1].offered, [0, 3])
  assert.deepEqual(node.stored, [0, 3])
  assert.deepEqual(node.blamed, [0])
  assert.deepEqual(node.validation.verdicts, { accept: 2, ignore: 1, reject: 1, overdue: 0 })
  assert.equal(node.router.accepted, 2)
  node.receive(one(1, 'ignore'), 1)
  node.receive(one(2, 'reject'), 1)
  assert.equal(node.router.duplicates, 2)
  assert.deepEqual(node.blamed, [0])
  assert.equal(node.router.seen.look(originKeyOf(1), 1, 0, 3), 'duplicate')
})

test('a bundle stands or falls as a whole, by the worst verdict of its messages', () => {
  const node = new Node()
  const seen: string[] = []
  node.checks.register('a/+', (message) => {
    seen.push(message.text())
    return message.text() as CheckVerdict
  })
  const texts = (...all: string[]): BundleInput['messages'] => all.map((text) => ['a/b', text] as const)
  node.receive({ first: 0, messages: texts('accept', 'ignore', 'accept') })
  node.receive({ first: 3, messages: texts('ignore', 'reject', 'accept') })
  node.receive({ first: 6, messages: [...texts('accept'), ['other', 'reject']] })
  assert.equal(seen.length, 7)
  assert.deepEqual(node.sequences, [6, 7])
  assert.deepEqual(node.validation.verdicts, { accept: 1, ignore: 1, reject: 1, overdue: 0 })
})

test('every check that matches is asked, each with a payload of its own, and one that is taken back is not', () => {
  const node = new Node()
  const first = node.checks.register('chat', (message) => {
    message.data.fill(0)
    return 'accept'
  })
  let text = ''
  const second = node.checks.register('#', (message) => {
    text = message.text()
    return 'ignore'
  })
  node.receive(one(0, 'hello'))
  assert.equal(text, 'hello')
  assert.deepEqual(node.sequences, [])
  second()
  second()
  node.receive(one(1, 'hello'))
  assert.deepEqual(
    node.heard.map((message) => message.text()),
    ['hello'],
  )
  assert.ok(node.checks.isActive)
  first()
  assert.ok(!node.checks.isActive)
})

test('what no check matches is not counted, and a message tells the check who it is from', () => {
  const node = new Node()
  const messages: Message[] = []
  node.checks.register('checked', (message) => {
    messages.push(message)
    return 'accept'
  })
  node.receive(one(0, 'x', 'free'))
  node.receive({ first: 1, flags: 1, timeToLiveS: 60, messages: [['checked', 'y']] })
  assert.deepEqual(node.validation.verdicts, { accept: 1, ignore: 0, reject: 0, overdue: 0 })
  const { topic, from, sequence, hops, retained, replayed } = messages[0]!
  assert.deepEqual(
    { topic, from, sequence, hops, retained, replayed },
    { topic: 'checked', from: keyPairOf(1).identity.id, sequence: 1, hops: 1, retained: true, replayed: false },
  )
})

test('messages of our own that come back are not checked, nor is anything before its signature is', () => {
  const node = new Node()
  node.checks.register('#', () => 'reject')
  node.receive({ origin: 9 })
  const forged = bundleBody({ first: 5 })
  forged[forged.length - 1]! ^= 1
  node.router.received(node.links[0], forged)
  assert.equal(node.router.rejected['bad-signature'], 1)
  assert.deepEqual(node.validation.verdicts, { accept: 0, ignore: 0, reject: 0, overdue: 0 })
  assert.deepEqual(node.stored, [0])
})

test('the topics of the mesh itself cannot be checked', () => {
  const node = new Node()
  for (const pattern of ['$mesh/node', '$mesh/#', '$mesh/+']) {
    assert.throws(() => node.checks.register(pattern, () => 'reject'), isCode('bad-topic'), pattern)
  }
  for (const pattern of ['#', '+/node', '+/#']) node.checks.register(pattern, () => 'reject')
  node.receive(one(0, 'x', '$mesh/node'))
  assert.deepEqual(node.stored, [0])
})

test('wrong arguments are refused, and so are more checks than the bound', () => {
  const { checks } = new Node()
  assert.throws(() => checks.register('a/#/b', () => 'accept'), isCode('bad-topic'))
  assert.throws(() => checks.register('a', 'accept' as never), isCode('bad-argument'))
  for (const options of [
    { timeoutMs: 0 },
    { timeoutMs: 60_001 },
    { timeoutMs: 1.5 },
    { badShare: -0.1 },
    { badShare: 1.1 },
    { badShare: Number.NaN },
    { badshare: 0.5 },
    null,
  ]) {
    assert.throws(() => checks.register('a', () => 'accept', options as never), isCode('bad-argument'))
  }
  for (const options of [{}, { timeoutMs: 1, badShare: 0 }, { timeoutMs: 60_000, badShare: 1 }]) {
    checks.register('a', () => 'accept', options)()
  }
  for (let i = 0; i < CHECKS_MAX; i++) checks.register('a', () => 'accept')
  assert.throws(() => checks.register('a', () => 'accept'), isCode('too-large'))
})

test('a check that throws, or says what is no verdict, ignores and warns', async () => {
  const node = new Node()
  const answers: unknown[] = [undefined, true, 'ACCEPT', Promise.resolve('no'), Promise.reject(new Error('late'))]
  node.checks.register('chat', () => {
    if (answers.length === 0) throw new Error('broken')
    return answers.shift() as CheckVerdict
  })
  const thrower = {
    // biome-ignore lint/suspicious/noThenProperty: a check may return anything
    get then(): never {
      throw new Error('no promise')
    },
  }
  answers.push(thrower)
  for (let i = 0; i < 7; i++) node.receive(one(i, 'x'))
  await said()
  assert.deepEqual(node.validation.verdicts, { accept: 0, ignore: 7, reject: 0, overdue: 0 })
  assert.deepEqual(
    node.warnings.map(([code]) => code),
    new Array(7).fill('handler-failed'),
  )
  assert.match(node.warnings.map(([, text]) => text).join('\n'), /chat threw: broken/)
  assert.deepEqual(node.sequences, [])
})

test('what is promised is waited for: nothing happens before the verdict, and a copy is not checked again', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('chat', promised.check)
  node.receive(one(0, 'a'))
  node.receive(one(0, 'a'), 1)
  assert.equal(node.router.duplicates, 1)
  assert.deepEqual(promised.asked, ['a'])
  assert.deepEqual([node.sequences, node.stored, node.links[1].offered], [[], [], []])
  assert.equal(node.validation.waitingCount, 1)
  await promised.say('a', 'accept')
  assert.deepEqual([node.sequences, node.stored, node.links[1].offered], [[0], [0], [0]])
  node.receive(one(1, 'b'))
  await promised.say('b', 'reject')
  assert.deepEqual(node.blamed, [0])
  assert.deepEqual(node.stored, [0])
  assert.deepEqual([node.validation.waitingCount, node.validation.waitingBytes], [0, 0])
})

test('what was checked stays in the order of its origin, whichever verdict comes first', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('slow', promised.check)
  node.checks.register('quick', () => 'accept')
  node.receive(one(0, 'a', 'slow'))
  node.receive(one(1, 'b', 'slow'), 1)
  node.receive(one(2, 'c', 'quick'))
  node.receive(one(3, 'd', 'slow'))
  node.receive({ ...one(0, 'other', 'slow'), origin: 2 })
  await promised.say('b', 'accept')
  await promised.say('other', 'accept')
  assert.deepEqual(
    node.heard.map((message) => message.text()),
    ['other'],
  )
  await promised.say('d', 'ignore')
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [0, 0, 1, 2])
  assert.deepEqual(node.stored, [0, 0, 1, 2])
  assert.deepEqual(node.validation.verdicts, { accept: 4, ignore: 1, reject: 0, overdue: 0 })
})

test('topics without a check are kept and passed on at once; their delivery waits a moment for what is being checked', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('slow', promised.check)
  node.receive(one(0, 'a', 'slow'))
  node.receive(one(1, 'b', 'free'))
  assert.deepEqual([node.sequences, node.stored, node.links[1].offered], [[], [1], [1]])
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [0, 1])
  node.receive(one(2, 'c', 'slow'))
  node.receive(one(3, 'd', 'free'))
  await promised.say('c', 'ignore')
  assert.deepEqual(node.sequences, [0, 1, 3])
  node.receive(one(4, 'e', 'slow'))
  node.receive(one(5, 'f', 'free'))
  node.nowMs += 500
  node.router.order.tick(node.nowMs)
  assert.deepEqual(node.sequences, [0, 1, 3, 5])
  await promised.say('e', 'accept')
  assert.deepEqual(node.sequences, [0, 1, 3, 5, 4])
})

test('a refused bundle holds up none that waited for it', () => {
  const node = new Node()
  node.checks.register('chat', (message) => message.text() as CheckVerdict)
  node.receive(one(0, 'accept'))
  node.receive(one(2, 'accept'))
  assert.deepEqual(node.sequences, [0])
  node.receive(one(1, 'ignore'))
  assert.deepEqual(node.sequences, [0, 2])
})

test('a verdict that comes too late is overdue, and what waited behind it goes on', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('slow', promised.check, { timeoutMs: 100 })
  node.checks.register('slower', promised.check)
  node.receive(one(0, 'a', 'slow'))
  node.receive(one(1, 'b', 'slower'))
  await promised.say('b', 'accept')
  assert.equal(node.validation.deadlineMs, node.nowMs + 100)
  node.nowMs += 99
  node.validation.tick(node.nowMs)
  assert.deepEqual(node.sequences, [])
  node.nowMs += 1
  node.validation.tick(node.nowMs)
  assert.deepEqual(node.sequences, [1])
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [1])
  assert.deepEqual(node.validation.verdicts, { accept: 1, ignore: 0, reject: 0, overdue: 1 })
  assert.equal(node.validation.deadlineMs, null)
  assert.deepEqual(node.blamed, [])
})

test('a promise that fails after its time is a warning, and no more', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('chat', promised.check)
  node.receive(one(0, 'a'))
  node.nowMs += 5_000
  node.validation.tick(node.nowMs)
  await promised.fail('a')
  assert.deepEqual(node.warnings, [['handler-failed', 'the check of chat threw: no database']])
  assert.deepEqual(node.validation.verdicts, { accept: 0, ignore: 0, reject: 0, overdue: 1 })
})

test('one reject decides, also while other messages of the bundle wait', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('slow', promised.check)
  node.checks.register('quick', () => 'reject')
  const slow = ['slow', 'a'] as const
  node.receive({ first: 0, messages: [slow, ['quick', 'x']] })
  assert.equal(node.validation.verdicts.reject, 1)
  await promised.fail('a')
  assert.equal(node.warnings.length, 1)
  node.receive({ first: 2, messages: [slow, ['slow', 'b']] })
  await promised.say('b', 'reject')
  assert.equal(node.validation.verdicts.reject, 2)
  assert.equal(node.validation.waitingCount, 0)
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [])
})

test('a message whose time-to-live ends while it waits is not delivered', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('chat', promised.check)
  node.receive({ ...one(0, 'a'), timeToLiveS: 1 })
  node.nowMs += 1_001
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [])
  assert.equal(node.router.ignored.expired, 1)
})

test('beyond the bounds what would have to wait is overdue without being checked; what need not wait goes on', async () => {
  const node = new Node({ bundlesMax: 2 })
  const promised = new Promised()
  node.checks.register('slow', promised.check)
  node.checks.register('quick', () => 'accept')
  node.receive(one(0, 'a', 'slow'))
  node.receive(one(1, 'b', 'slow'))
  node.receive(one(2, 'c', 'slow'))
  assert.deepEqual(promised.asked, ['a', 'b'])
  assert.equal(node.validation.verdicts.overdue, 1)
  node.receive(one(3, 'd', 'quick'))
  assert.deepEqual(node.stored, [3])
  await promised.say('a', 'accept')
  await promised.say('b', 'accept')
  node.receive(one(4, 'e', 'slow'))
  assert.deepEqual(promised.asked, ['a', 'b', 'e'])
  assert.equal(node.router.seen.look(originKeyOf(1), 1, 0, 4), 'duplicate')
})

test('bytes are bounded too, at the bound exactly', () => {
  const promised = new Promised()
  const measure = new Node()
  measure.checks.register('chat', promised.check)
  measure.receive(one(0, 'a'))
  const each = measure.validation.waitingBytes
  const node = new Node({ bytesMax: 2 * each })
  node.checks.register('chat', promised.check)
  for (let i = 0; i < 3; i++) node.receive(one(i, 'a'))
  assert.deepEqual([node.validation.waitingCount, node.validation.waitingBytes], [2, 2 * each])
  const tight = new Node({ bytesMax: 2 * each - 1 })
  tight.checks.register('chat', promised.check)
  for (let i = 0; i < 3; i++) tight.receive(one(i, 'a'))
  assert.equal(tight.validation.waitingCount, 1)
})

test('a first promise that finds no room is overdue, and its failure is a warning', async () => {
  const node = new Node({ bundlesMax: 0 })
  const promised = new Promised()
  node.checks.register('chat', promised.check)
  node.receive(one(0, 'a'))
  await promised.fail('a')
  node.receive(one(1, 'b'))
  assert.deepEqual(promised.asked, ['a'])
  assert.equal(node.validation.verdicts.overdue, 2)
  assert.equal(node.warnings.length, 1)
})

test('a node that stops drops what waits, also when its own handler stops it', async () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('chat', promised.check)
  node.receive(one(0, 'a'))
  node.receive(one(1, 'b'))
  await promised.say('b', 'accept')
  const deliver = node.heard.push.bind(node.heard)
  node.heard.push = (...messages) => {
    node.validation.close()
    return deliver(...messages)
  }
  await promised.say('a', 'accept')
  assert.deepEqual(node.sequences, [0])
  node.receive(one(2, 'c'))
  assert.equal(node.validation.waitingCount, 0)
  assert.equal(node.validation.deadlineMs, null)
})

test('a warning tells of a check that accepts too little, once a minute at most', () => {
  const node = new Node()
  let verdict: CheckVerdict = 'accept'
  node.checks.register('chat', () => verdict)
  let first = 0
  const receive = (count: number, next: CheckVerdict): void => {
    verdict = next
    const messages = Array.from({ length: count }, () => ['chat', 'x'] as const)
    node.receive({ first, messages })
    first += count
  }
  receive(49, 'accept')
  receive(50, 'ignore')
  assert.deepEqual(node.warnings, [])
  receive(1, 'ignore')
  const text = '51 of the last 100 messages that the check of chat saw were not accepted'
  assert.deepEqual(node.warnings, [['bad-share', text]])
  receive(900, 'reject')
  node.nowMs += SHARE_WARNING_EVERY_MS - 1
  receive(1, 'reject')
  assert.equal(node.warnings.length, 1)
  node.nowMs += 1
  receive(1, 'reject')
  assert.equal(node.warnings.length, 2)
  node.nowMs += SHARE_WARNING_EVERY_MS
  receive(500, 'accept')
  receive(1, 'accept')
  receive(500, 'reject')
  // Of the last 1,000 half are bad, and no more.
  assert.equal(node.warnings.length, 2)
})

test('the share that warns can be chosen, and what is overdue counts as not accepted', () => {
  const node = new Node()
  const promised = new Promised()
  node.checks.register('chat', promised.check, { badShare: 0 })
  node.checks.register('chat', () => 'ignore', { badShare: 1 })
  for (let i = 0; i < 100; i++) {
    node.receive(one(i, String(i)))
    node.nowMs += 5_000
    node.validation.tick(node.nowMs)
  }
  assert.deepEqual(
    node.warnings.map(([code]) => code),
    ['bad-share'],
  )
  assert.match(node.warnings[0]![1], /^100 of the last 100/)
})

test('arrivals that wait keep no larger buffer than they need', () => {
  const nowMs = 1_000
  const body = bundleBody(one(0, 'a'))
  const record = new Uint8Array(65_536)
  record.set(body, 100)
  const { bundle, messagesAt } = readBundleHead(record.subarray(100, 100 + body.length), nowMs)!
  const checks = new Checks(() => {})
  checks.register('chat', () => new Promise(() => {}))
  const validation = new Validation({ checks, nowMs: () => nowMs, decided: () => {}, rejected: () => {} })
  const messages = readBundleMessages({ bundle, messagesAt })
  const arrival: Arrival = {
    link: new FakeLink(1),
    bundle,
    messages,
    identity: keyPairOf(1).identity,
    isAsked: false,
    isMissed: false,
  }
  assert.equal(validation.judge(arrival, nowMs), null)
  assert.ok(validation.waitingBytes < 1_000)
})

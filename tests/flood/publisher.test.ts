import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { MeshError } from '../../lib/errors.ts'
import { WIDE_FILL_BYTES_MAX } from '../../lib/flood/builder.ts'
import {
  BUNDLE_FILL_BYTES_MAX,
  type Bundle,
  readBundleHead,
  readBundleMessages,
  SIGNATURE_BYTES,
} from '../../lib/flood/bundle.ts'
import { FILL_MS, FILL_MS_MAX } from '../../lib/flood/fill-time.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { OwnRetained } from '../../lib/flood/own-retained.ts'
import { type Offer, Publisher, type PublisherLinks, type RetainedKeeper } from '../../lib/flood/publisher.ts'
import { WAITING_BYTES_MAX, WAITING_CALLS_MAX } from '../../lib/flood/waiting-calls.ts'
import { PAYLOAD_BYTES_MAX, TIME_TO_LIVE_S_MAX } from '../../lib/limits.ts'
import type { Outcome, PublishOptions, Receipt } from '../../lib/types.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { FakeClock } from '../link/fake-clock.ts'
import { bodyOf, originKeyOf, signing } from './bundles.ts'

class FakeLinks implements PublisherLinks {
  readonly sent: Bundle[] = []
  readonly order: string[]
  congested = false
  congestedUntilMs: number | null = null
  busy = false
  outcome: Outcome = 'queued'

  constructor(order: string[]) {
    this.order = order
  }

  send(bundle: Bundle): readonly Offer[] {
    // It keeps what it is given, and so holds it.
    bundle.buffer?.hold()
    this.order.push('send')
    this.sent.push(bundle)
    return this.foresee()
  }

  foresee(): readonly Offer[] {
    return [{ peer: 'neighbour', outcome: this.outcome }]
  }
}

class Press {
  readonly clock = new FakeClock()
  readonly order: string[] = []
  readonly links = new FakeLinks(this.order)
  readonly publisher: Publisher
  readonly id = keyPairOf(1).identity.id
  readonly store = { isBehind: false, holdings: new Holdings() }
  holders: string[] = []

  constructor(epoch = 100) {
    const { signer, identity } = keyPairOf(1)
    this.publisher = new Publisher({
      origin: { publicKey: identity.publicKey, originKey: originKeyOf(1), signer, peerId: identity.id },
      signing,
      clock: this.clock,
      links: this.links,
      epoch,
      store: this.store,
      sealed: () => this.order.push('sealed'),
      holders: () => this.holders,
    })
  }

  publish(payload: string | Uint8Array = 'x', options?: PublishOptions): Promise<Receipt> {
    return this.publisher.publish('t', payload, options)
  }

  /** What left, as flags/time-to-live: first number and count. */
  get kinds(): string[] {
    return this.links.sent.map(({ flags, timeToLiveS, first, count }) => `${flags}/${timeToLiveS}: ${first} ${count}`)
  }

  /** What left, as epoch/first: payloads. */
  get left(): string[] {
    return this.links.sent.map((bundle) => {
      const head = readBundleHead(bodyOf(bundle.sealed), 0)!
      assert.equal(signing.verify(head.bundle), true)
      const { topics, payloads } = readBundleMessages(head)
      const { sealed, epoch, first } = head.bundle
      const texts = topics.map((_, i) =>
        Buffer.from(sealed.subarray(payloads[i * 2]!, payloads[i * 2 + 1]!)).toString(),
      )
      return `${epoch}/${first}: ${texts.join(' ')}`
    })
  }

  /** Publishes so fast that waiting gathers more. */
  async hurry(): Promise<void> {
    this.clock.advance(100)
    for (let turn = 0; turn < 30; turn++) {
      for (let i = 0; i < 10; i++) await this.publish()
      this.clock.advance(2)
    }
  }
}

const refusal = new MeshError('not-running', 'stopped')

test('what is published in one turn is one bundle that leaves at its end', async () => {
  const press = new Press()
  const receipts = await Promise.all([press.publish('a'), press.publish('b'), press.publish(utf8('c'))])
  assert.deepEqual(press.left, [])
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: a b c'])
  assert.deepEqual(
    receipts.map(({ id }) => id),
    [`${press.id}/100/0`, `${press.id}/100/1`, `${press.id}/100/2`],
  )
  assert.equal(press.clock.timerCount, 0)
})

test('the numbers go on without gaps from bundle to bundle', async () => {
  const press = new Press()
  for (const payload of ['a', 'b', 'c']) {
    await press.publish(payload)
    press.clock.settle()
  }
  assert.deepEqual(press.left, ['100/0: a', '100/1: b', '100/2: c'])
  assert.equal(press.publisher.nextSequence, 3)
  assert.deepEqual([press.publisher.messages, press.publisher.bundles, press.publisher.payloadBytes], [3, 3, 3])
})

test('a bundle’s numbers are marked as taken before it leaves', async () => {
  const press = new Press()
  await press.publish()
  press.clock.settle()
  assert.deepEqual(press.order, ['sealed', 'send'])
})

test('the payload is the caller’s again as soon as publish has returned', async () => {
  const press = new Press()
  const payload = utf8('kept')
  const publishing = press.publish(payload)
  payload.fill(0x78)
  await publishing
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: kept'])
})

test('a receipt foresees until the bundle leaves, and tells what became of it then', async () => {
  const press = new Press()
  const receipt = await press.publish()
  assert.deepEqual(receipt.neighbours, [{ peer: 'neighbour', outcome: 'queued' }])
  press.links.outcome = 'dropped'
  assert.deepEqual(receipt.neighbours, [{ peer: 'neighbour', outcome: 'dropped' }])
  press.links.outcome = 'queued'
  press.clock.settle()
  press.links.outcome = 'dropped'
  assert.deepEqual(receipt.neighbours, [{ peer: 'neighbour', outcome: 'queued' }])
})

test('what does not fit the bundle begins the next, in the order of the calls', async () => {
  const press = new Press()
  await press.publish('small')
  await press.publish(new Uint8Array(PAYLOAD_BYTES_MAX).fill(0x79))
  await press.publish('after')
  press.clock.settle()
  assert.deepEqual(
    press.left.map((text) => text.replace(/y+/, 'y')),
    ['100/0: small', '100/1: y', '100/2: after'],
  )
})

test('a thousand and more messages in a turn make several bundles', async () => {
  const press = new Press()
  for (let i = 0; i < 2_500; i++) await press.publish()
  press.clock.advance(FILL_MS)
  assert.deepEqual(
    press.links.sent.map(({ first, count }) => [first, count]),
    [
      [0, 1_024],
      [1_024, 1_024],
      [2_048, 452],
    ],
  )
})

test('who publishes slowly never waits', async () => {
  const press = new Press()
  for (let i = 0; i < 20; i++) {
    await press.publish()
    press.clock.settle()
    assert.equal(press.links.sent.length, i + 1)
    press.clock.advance(50)
  }
})

test('who publishes fast has bundles filled for at most five milliseconds', async () => {
  const press = new Press()
  await press.hurry()
  const before = press.links.sent.length
  await press.publish('first')
  press.clock.settle()
  assert.equal(press.links.sent.length, before)
  press.clock.advance(FILL_MS - 1)
  await press.publish('second')
  press.clock.advance(1)
  assert.equal(press.links.sent.length, before + 1)
  assert.match(press.left.at(-1)!, /first second$/)
})

test('where timers come late a bundle is filled for longer, up to twenty milliseconds, and soon no more once they do not', async () => {
  const press = new Press()
  await press.hurry()
  async function fillOnce(lateMs: number): Promise<number> {
    const sent = press.links.sent.length
    await press.publish()
    press.clock.settle()
    const startMs = press.clock.nowMs()
    while (press.links.sent.length === sent) {
      for (let i = 0; i < 20; i++) await press.publish()
      press.clock.skip(lateMs)
      press.clock.advance(1)
    }
    return press.clock.nowMs() - startMs
  }
  assert.equal(await fillOnce(0), FILL_MS)
  let longest = 0
  for (let i = 0; i < 20; i++) longest = Math.max(longest, await fillOnce(12))
  assert.ok(longest >= FILL_MS_MAX && longest <= FILL_MS_MAX + 13, `${longest} ms`)
  for (let i = 0; i < 20; i++) await fillOnce(0)
  assert.equal(await fillOnce(0), FILL_MS)
})

test('a bundle grows beyond one record only for an origin that fills several in five milliseconds', async () => {
  const press = new Press()
  const payload = new Uint8Array(256)
  for (let turns = 0; turns < 40; turns++) {
    for (let i = 0; i < 20; i++) await press.publish(payload)
    press.clock.advance(1)
  }
  const sizes = (): number[] => press.links.sent.map(({ sealed }) => sealed.length)
  assert.ok(Math.max(...sizes()) <= BUNDLE_FILL_BYTES_MAX + SIGNATURE_BYTES)
  press.links.sent.length = 0
  for (let turns = 0; turns < 40; turns++) {
    for (let i = 0; i < 240; i++) await press.publish(payload)
    press.clock.advance(1)
  }
  const most = Math.max(...sizes())
  assert.ok(most > WIDE_FILL_BYTES_MAX - 600 && most <= WIDE_FILL_BYTES_MAX + SIGNATURE_BYTES, `${most} bytes`)
  press.links.sent.length = 0
  press.clock.advance(100)
  for (let turns = 0; turns < 40; turns++) {
    for (let i = 0; i < 20; i++) await press.publish(payload)
    press.clock.advance(1)
  }
  assert.ok(Math.max(...sizes().slice(3)) <= BUNDLE_FILL_BYTES_MAX + SIGNATURE_BYTES)
})

test('while all links are busy a bundle fills, and leaves when one runs empty or after five milliseconds', async () => {
  const press = new Press()
  press.clock.advance(100)
  press.links.busy = true
  await press.publish('a')
  press.clock.settle()
  assert.deepEqual(press.left, [])
  press.publisher.linkIdle()
  assert.deepEqual(press.left, ['100/0: a'])
  press.clock.advance(100)
  await press.publish('b')
  press.clock.advance(FILL_MS)
  assert.deepEqual(press.left, ['100/0: a', '100/1: b'])
})

test('a link that runs empty does not cut short what is filled because it is fast', async () => {
  const press = new Press()
  await press.hurry()
  await press.publish()
  press.clock.settle()
  const before = press.links.sent.length
  press.publisher.linkIdle()
  assert.equal(press.links.sent.length, before)
})

test('while even the fastest neighbour is behind, callers wait, and go on in their order', async () => {
  const press = new Press()
  press.links.congested = true
  const order: string[] = []
  const publishing = ['a', 'b', 'c'].map((payload) => press.publish(payload).then(() => order.push(payload)))
  press.publisher.resume()
  press.clock.settle()
  await new Promise(setImmediate)
  assert.equal(order.length, 0)
  press.links.congested = false
  const late = press.publish('d').then(() => order.push('d'))
  press.publisher.resume()
  await Promise.all([...publishing, late])
  press.clock.settle()
  assert.deepEqual(order, ['a', 'b', 'c', 'd'])
  assert.deepEqual(press.left, ['100/0: a b c d'])
})

test('when slower neighbours are not waited for any longer, callers go on without a word from any link', async () => {
  const press = new Press()
  press.links.congested = true
  press.links.congestedUntilMs = press.clock.nowMs() + 40
  const publishing = press.publish('a')
  press.clock.advance(39)
  assert.equal(press.publisher.nextSequence, 0)
  press.links.congested = false
  press.links.congestedUntilMs = null
  press.clock.advance(1)
  assert.equal(press.publisher.nextSequence, 1)
  await publishing
  press.publisher.close(new MeshError('not-running', 'over'))
  assert.equal(press.clock.timerCount, 0)
})

test('the bytes of a caller that waits were copied', async () => {
  const press = new Press()
  press.links.congested = true
  const payload = utf8('kept')
  const publishing = press.publish(payload)
  payload.fill(0x78)
  press.links.congested = false
  press.publisher.resume()
  await publishing
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: kept'])
})

test('resuming stops when the neighbours are behind again', async () => {
  const press = new Press()
  press.links.congested = true
  const publishing = Array.from({ length: 3 }, () => press.publish(new Uint8Array(PAYLOAD_BYTES_MAX)))
  press.links.congested = false
  const { send } = press.links
  press.links.send = (bundle) => {
    press.links.congested = true
    return send.call(press.links, bundle)
  }
  press.publisher.resume()
  assert.equal(press.links.sent.length, 1)
  for (let i = 0; i < 3; i++) {
    press.links.congested = false
    press.publisher.resume()
  }
  await Promise.all(publishing)
  assert.deepEqual(
    press.links.sent.map(({ first }) => first),
    [0, 1, 2],
  )
})

test('calls and bytes that wait are bounded', async () => {
  const press = new Press()
  press.links.congested = true
  const waiting: Promise<Receipt>[] = []
  for (let i = 0; i < WAITING_BYTES_MAX / PAYLOAD_BYTES_MAX; i++) {
    waiting.push(press.publish(new Uint8Array(PAYLOAD_BYTES_MAX)))
  }
  await assert.rejects(press.publish('x'), { code: 'too-large' })
  waiting.push(press.publish(''))
  const others = new Press()
  others.links.congested = true
  for (let i = 0; i < WAITING_CALLS_MAX; i++) waiting.push(others.publish(''))
  await assert.rejects(others.publish(''), { code: 'too-large' })
  press.publisher.close(refusal)
  others.publisher.close(refusal)
  const results = await Promise.allSettled(waiting)
  assert.ok(results.every(({ status }) => status === 'rejected'))
})

test('an abort takes a waiting call out, and only that one', async () => {
  const press = new Press()
  press.links.congested = true
  const controller = new AbortController()
  const first = press.publish('a', { signal: controller.signal })
  const second = press.publish('b')
  controller.abort(new Error('enough'))
  await assert.rejects(first, { code: 'aborted' })
  await assert.rejects(press.publish('c', { signal: controller.signal }), { code: 'aborted' })
  press.links.congested = false
  press.publisher.resume()
  await second
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: b'])
})

test('an abort after the call has resolved changes nothing', async () => {
  const press = new Press()
  press.links.congested = true
  const controller = new AbortController()
  const publishing = press.publish('a', { signal: controller.signal })
  press.links.congested = false
  press.publisher.resume()
  controller.abort()
  await publishing
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: a'])
})

test('paused, nothing leaves; moved to another epoch, what was gathered leaves under it, and receipts know', async () => {
  const press = new Press()
  await press.publish('before')
  press.clock.settle()
  const gathered = [await press.publish('a'), await press.publish('b')]
  press.publisher.pause()
  press.clock.advance(1_000)
  press.publisher.seal()
  const held = press.publish('c')
  assert.deepEqual(press.left, ['100/0: before'])
  press.publisher.moveTo(500)
  const receipt = await held
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: before', '500/0: a b', '500/2: c'])
  assert.deepEqual(
    [...gathered, receipt].map(({ id }) => id),
    [0, 1, 2].map((sequence) => `${press.id}/500/${sequence}`),
  )
  assert.equal(press.publisher.epoch, 500)
})

test('what is no topic is refused, also by the first call and after a good one', async () => {
  const press = new Press()
  for (const topic of [null, undefined, '', 7, 'a+']) {
    await assert.rejects(press.publisher.publish(topic as string, 'x'), { code: 'bad-topic' })
  }
  await press.publish('good')
  for (const topic of [null, undefined, '', 7, 'a+']) {
    await assert.rejects(press.publisher.publish(topic as string, 'x'), { code: 'bad-topic' })
  }
  assert.equal(press.publisher.nextSequence, 1)
})

test('a bundle that was begun takes what fits it while the neighbours are behind, and nothing else goes on', async () => {
  const press = new Press()
  await press.publish('begun')
  press.links.congested = true
  await press.publish('fits')
  const waiting = [press.publish(new Uint8Array(PAYLOAD_BYTES_MAX)), press.publish('behind it')]
  await new Promise(setImmediate)
  assert.equal(press.publisher.nextSequence, 2)
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: begun fits'])
  press.links.congested = false
  press.publisher.resume()
  await Promise.all(waiting)
  assert.equal(press.publisher.nextSequence, 4)
})

test('closing sends what is gathered and refuses what waits and what comes', async () => {
  const press = new Press()
  const receipt = await press.publish('last')
  press.links.congested = true
  const waiting = press.publish(new Uint8Array(PAYLOAD_BYTES_MAX))
  assert.equal(press.publisher.close(refusal), true)
  assert.equal(press.publisher.close(refusal), false)
  assert.deepEqual(press.left, ['100/0: last'])
  assert.equal(receipt.neighbours.length, 1)
  await assert.rejects(waiting, refusal)
  await assert.rejects(press.publish(), refusal)
  press.clock.settle()
  assert.equal(press.links.sent.length, 1)
})

test('closed while it was paused, what was gathered went to nobody, and says so', async () => {
  const press = new Press()
  const receipt = await press.publish('lost')
  press.publisher.pause()
  press.publisher.close(refusal)
  press.clock.advance(100)
  assert.deepEqual(press.left, [])
  assert.deepEqual(receipt.neighbours, [])
})

test('wrong arguments reject and use no number', async () => {
  const press = new Press()
  await assert.rejects(press.publisher.publish('a/+', 'x'), { code: 'bad-topic' })
  await assert.rejects(press.publisher.publish('$mesh/x', 'x'), { code: 'bad-topic' })
  await assert.rejects(press.publish({} as unknown as string), { code: 'bad-argument' })
  await assert.rejects(press.publish([1] as unknown as string), { code: 'bad-argument' })
  await assert.rejects(press.publish(new Uint8Array(PAYLOAD_BYTES_MAX + 1)), { code: 'too-large' })
  await assert.rejects(press.publish('é'.repeat(PAYLOAD_BYTES_MAX / 2 + 1)), { code: 'too-large' })
  assert.equal(press.publisher.nextSequence, 0)
  await press.publish(new Uint8Array(PAYLOAD_BYTES_MAX))
  assert.equal(press.publisher.nextSequence, 1)
})

test('the mesh itself may publish below its own prefix', async () => {
  const press = new Press()
  await press.publisher.publishChecked('$mesh/node', 'x')
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: x'])
})

test('while the disk is behind, callers wait as they do for slow neighbours', async () => {
  const press = new Press()
  press.store.isBehind = true
  let published = false
  const publishing = press.publish('a').then(() => {
    published = true
  })
  press.publisher.resume()
  await new Promise(setImmediate)
  assert.equal(published, false)
  press.store.isBehind = false
  press.publisher.resume()
  await publishing
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: a'])
})

test('a retained message has a bundle of its own, in its turn', async () => {
  const press = new Press()
  await press.publish('a')
  const receipt = await press.publish('b', { retain: true })
  await press.publish('c')
  await press.publish('d', { retain: false })
  await press.publish('e', { retain: true, timeToLiveS: 60 })
  press.clock.settle()
  assert.deepEqual(press.left, ['100/0: a', '100/1: b', '100/2: c d', '100/4: e'])
  assert.deepEqual(press.kinds, ['0/0: 0 1', `1/${TIME_TO_LIVE_S_MAX}: 1 1`, '0/0: 2 2', '1/60: 4 1'])
  assert.equal(receipt.id, `${press.id}/100/1`)
})

test('messages with one time-to-live share bundles, others do not', async () => {
  const press = new Press()
  for (const timeToLiveS of [5, 5, 6]) await press.publish('x', { timeToLiveS })
  await press.publish('x')
  await press.publish('x')
  press.clock.settle()
  assert.deepEqual(press.kinds, ['0/5: 0 2', '0/6: 2 1', '0/0: 3 2'])
})

test('moved to another epoch, what was gathered keeps its time-to-live', async () => {
  const press = new Press()
  await press.publish('x', { timeToLiveS: 7 })
  press.publisher.pause()
  press.publisher.moveTo(500)
  assert.deepEqual(press.kinds, ['0/7: 0 1'])
})

test('wrong publish options reject and use no number', async () => {
  const press = new Press()
  for (const timeToLiveS of [0, -1, 1.5, TIME_TO_LIVE_S_MAX + 1, Number.NaN]) {
    await assert.rejects(press.publish('x', { timeToLiveS }), { code: 'bad-argument' })
  }
  await assert.rejects(press.publish('x', { retain: 1 as unknown as boolean }), { code: 'bad-argument' })
  assert.equal(press.publisher.nextSequence, 0)
})

test('what a program retains is kept, what the mesh itself retains is not', async () => {
  const press = new Press()
  const kept: string[] = []
  const keeper: RetainedKeeper = {
    admit: (topic, _payload, bytes) => {
      if (topic === 'full') throw new MeshError('too-large', `${bytes} bytes`)
    },
    published: (topic, payload, timeToLiveS) => kept.push(`${topic} ${payload} ${timeToLiveS}`),
    stop: () => {},
  }
  press.publisher.keepRetainedIn(keeper)
  await press.publisher.publish('a', 'x', { retain: true, timeToLiveS: 9 })
  await press.publisher.publish('b', 'x')
  await press.publisher.publishChecked('$mesh/node', 'x', { retain: true, timeToLiveS: 9 })
  await assert.rejects(press.publisher.publish('full', 'xyz', { retain: true }), { message: '3 bytes' })
  assert.equal(press.publisher.publishAgain('a', utf8('x'), 9), true)
  assert.deepEqual(kept, ['a x 9'])
  press.clock.settle()
  assert.deepEqual(press.kinds, ['1/9: 0 1', '0/0: 1 1', '1/9: 2 1', '1/9: 3 1'])
})

test('once publishing has ended, nothing tries to publish current values again', async () => {
  const press = new Press()
  const { clock, publisher } = press
  const kept = new OwnRetained({ publisher, clock, fraction: () => 0 })
  await publisher.publish('a', 'x', { retain: true, timeToLiveS: 60 })
  clock.settle()
  assert.equal(clock.timerCount, 1)
  clock.advance(24_000)
  assert.equal(press.kinds.length, 2)
  publisher.close(refusal)
  assert.equal(clock.timerCount, 0)
  assert.equal(kept.counts.values, 0)
})

test('publishing again never waits and never overtakes', async () => {
  const press = new Press()
  press.links.congested = true
  assert.equal(press.publisher.publishAgain('a', utf8('x'), 9), false)
  const waiting = press.publish('b')
  press.links.congested = false
  assert.equal(press.publisher.publishAgain('a', utf8('x'), 9), false)
  press.publisher.resume()
  await waiting
  assert.equal(press.publisher.publishAgain('a', utf8('x'), 9), true)
  press.publisher.close(refusal)
  assert.equal(press.publisher.publishAgain('a', utf8('x'), 9), false)
})

test('a receipt is confirmed once enough neighbours and this node’s own store hold its bundle', async () => {
  const press = new Press()
  const receipt = await press.publish('a')
  await press.publish('b')
  const confirmed = receipt.confirmed(2)
  press.holders = ['p', 'q']
  press.publisher.confirmationsChanged()
  press.clock.settle()
  press.store.holdings.add(originKeyOf(1), 100, 0, 1)
  press.publisher.confirmationsChanged()
  press.clock.advance(100)
  assert.deepEqual(await confirmed, ['p', 'q'])
  assert.deepEqual(await receipt.confirmed(), ['p', 'q'])
})

test('a receipt whose message got another number is confirmed under that', async () => {
  const press = new Press()
  const receipt = await press.publish('a')
  press.publisher.pause()
  const confirmed = receipt.confirmed()
  press.publisher.moveTo(500)
  press.holders = ['p']
  press.store.holdings.add(originKeyOf(1), 500, 0, 0)
  press.publisher.confirmationsChanged()
  press.clock.advance(100)
  assert.deepEqual(await confirmed, ['p'])
})

test('closing rejects those who wait for a confirmation', async () => {
  const press = new Press()
  const receipt = await press.publish('a')
  const confirmed = receipt.confirmed()
  press.publisher.close(refusal)
  await assert.rejects(confirmed, refusal)
  await assert.rejects(receipt.confirmed(), refusal)
})

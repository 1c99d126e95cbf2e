import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { Confirmations, LOOK_MS, Publication } from '../../lib/flood/receipt.ts'
import { FakeClock } from '../link/fake-clock.ts'

class Desk {
  readonly clock = new FakeClock()
  readonly confirmations: Confirmations
  /** By first number: who holds it. */
  readonly held = new Map<number, string[]>()
  isStored = true
  asked = 0

  constructor() {
    this.confirmations = new Confirmations(this.clock, {
      holders: (_epoch, first) => {
        this.asked++
        return this.held.get(first) ?? []
      },
      isStored: () => this.isStored,
    })
  }

  publication(first: number, count = 1): Publication {
    const publication = new Publication(1, first)
    publication.count = count
    return publication
  }

  /** Whether it has settled, and how, so far. */
  watch(publication: Publication, count = 1, options: { timeout?: number; signal?: AbortSignal } = {}): string[] {
    const outcome: string[] = []
    this.confirmations.wait(publication, count, options).then(
      (holders) => outcome.push(holders.join(' ')),
      (error: MeshError) => outcome.push(error.code),
    )
    return outcome
  }

  async change(): Promise<void> {
    this.confirmations.changed()
    this.clock.advance(LOOK_MS)
    await new Promise(setImmediate)
  }
}

test('it waits until there are enough, and until this node’s own store has it', async () => {
  const desk = new Desk()
  desk.isStored = false
  const publication = desk.publication(0)
  const outcomes = [0, 1, 2].map((count) => desk.watch(publication, count))
  desk.held.set(0, ['a'])
  await desk.change()
  assert.deepEqual(outcomes, [[], [], []])
  desk.isStored = true
  await desk.change()
  assert.deepEqual(outcomes, [['a'], ['a'], []])
  desk.held.set(0, ['a', 'b', 'c'])
  await desk.change()
  assert.deepEqual(outcomes[2], ['a b c'])
  assert.equal(desk.confirmations.count, 0)
  assert.equal(desk.clock.timerCount, 0)
})

test('what holds already resolves at once', async () => {
  const desk = new Desk()
  assert.deepEqual(await desk.confirmations.wait(desk.publication(0), 0, {}), [])
})

test('a bundle that has not left is confirmed by nobody', async () => {
  const desk = new Desk()
  const publication = desk.publication(0, 0)
  const outcome = desk.watch(publication, 0)
  await desk.change()
  assert.deepEqual(outcome, [])
  publication.count = 1
  await desk.change()
  assert.deepEqual(outcome, [''])
})

test('it gives up after its time, or when it is told to, and leaves nothing behind', async () => {
  const desk = new Desk()
  const controller = new AbortController()
  const late = desk.watch(desk.publication(0), 1, { timeout: 500, signal: controller.signal })
  const given = desk.watch(desk.publication(1), 1, { timeout: 10_000, signal: controller.signal })
  desk.clock.advance(500)
  controller.abort()
  await new Promise(setImmediate)
  assert.deepEqual([late, given], [['timed-out'], ['aborted']])
  assert.equal(desk.clock.timerCount, 0)
  assert.equal(desk.confirmations.count, 0)
  assert.deepEqual(desk.watch(desk.publication(0), 1, { timeout: 0 }), [])
  desk.clock.advance(0)
})

test('wrong arguments are refused', () => {
  const { confirmations, publication } = { confirmations: new Desk().confirmations, publication: new Publication(1, 0) }
  for (const count of [-1, 1.5, Number.NaN]) {
    assert.throws(() => confirmations.wait(publication, count, {}), { code: 'bad-argument' })
  }
  for (const timeout of [-1, Number.NaN, 2 ** 31]) {
    assert.throws(() => confirmations.wait(publication, 1, { timeout }), { code: 'bad-argument' })
  }
  assert.throws(() => confirmations.wait(publication, 1, { signal: AbortSignal.abort() }), { code: 'aborted' })
})

test('closed, those who wait and those who come are told why; what is held is still told', async () => {
  const desk = new Desk()
  const waiting = desk.watch(desk.publication(0))
  const error = new MeshError('not-running', 'stopped')
  desk.confirmations.close(error)
  await new Promise(setImmediate)
  assert.deepEqual(waiting, ['not-running'])
  assert.throws(() => desk.confirmations.wait(desk.publication(0), 1, {}), error)
  desk.held.set(0, ['a'])
  assert.deepEqual(await desk.confirmations.wait(desk.publication(0), 1, {}), ['a'])
})

test('changes cost nothing while nobody waits, and come together while somebody does', async () => {
  const desk = new Desk()
  for (let i = 0; i < 1_000; i++) desk.confirmations.changed()
  desk.clock.settle()
  assert.deepEqual([desk.asked, desk.clock.timerCount], [0, 0])
  const publication = desk.publication(0, 3)
  desk.watch(publication)
  desk.watch(publication)
  desk.asked = 0
  for (let i = 0; i < 100; i++) {
    desk.confirmations.changed()
    desk.clock.advance(1)
  }
  assert.ok(desk.asked <= 3, `${desk.asked} times`)
})

test('a hundred thousand that wait are looked through in steps', async () => {
  const desk = new Desk()
  for (let first = 0; first < 100_000; first += 10) {
    const publication = desk.publication(first, 10)
    for (let i = 0; i < 10; i++) desk.watch(publication)
    desk.held.set(first, ['a'])
  }
  desk.asked = 0
  desk.confirmations.changed()
  let most = 0
  for (let before = 0; desk.clock.turn(); before = desk.asked) most = Math.max(most, desk.asked - before)
  assert.equal(desk.confirmations.count, 0)
  assert.ok(most <= 512, `${most} in one turn`)
})

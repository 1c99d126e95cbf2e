import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnEpochs } from '../../lib/direct/own-epochs.ts'
import { Sources, type SourcesBounds } from '../../lib/direct/sources.ts'
import { Ranges } from '../../lib/flood/ranges.ts'
import { seeded } from '../crypto/seeded.ts'

const random = seeded(8)

function ownEpochs(epoch: () => number = () => 1_000 * 2 ** 20): OwnEpochs {
  return new OwnEpochs({ epoch, random: (length) => random.bytes(length), startedMs: 0 })
}

function sourcesWith(bounds: Partial<SourcesBounds> = {}): { sources: Sources; epochs: OwnEpochs } {
  const epochs = ownEpochs()
  const sources = new Sources(epochs, () => new Ranges(), { sourcesMax: 65_536, rangesMax: 262_144, ...bounds })
  return { sources, epochs }
}

test('each number of each epoch of each source is taken once', () => {
  const { sources } = sourcesWith()
  const model = new Set<string>()
  for (let i = 0; i < 3_000; i++) {
    const [source, epoch, sequence] = [`${random.below(3)}`, random.below(3), random.below(200)]
    const name = `${source} ${epoch} ${sequence}`
    assert.equal(sources.isTaken(source, { epoch, sequence }), model.has(name))
    assert.equal(sources.take(source, { epoch, sequence }, 'link', i), model.has(name) ? 'taken' : 'new')
    model.add(name)
  }
})

test('an epoch before the eight that are kept is not taken any more', () => {
  const { sources } = sourcesWith()
  for (let epoch = 10; epoch < 18; epoch++) assert.equal(sources.take('s', { epoch, sequence: 0 }, 'link', 0), 'new')
  assert.equal(sources.take('s', { epoch: 9, sequence: 0 }, 'link', 0), 'too-old')
  assert.equal(sources.take('s', { epoch: 18, sequence: 0 }, 'link', 0), 'new')
  assert.equal(sources.take('s', { epoch: 10, sequence: 0 }, 'link', 0), 'too-old')
  assert.equal(sources.counts.ranges, 8)
})

test('a source with more gaps than are kept waits for the lowest to be old, and what lies in it is never taken', () => {
  const { sources } = sourcesWith()
  for (let i = 0; i < 256; i++) assert.equal(sources.take('s', { epoch: 1, sequence: i * 2 }, 'link', 0), 'new')
  assert.equal(sources.take('s', { epoch: 1, sequence: 1_000 }, 'link', 59_999), 'no-room')
  assert.equal(sources.take('s', { epoch: 1, sequence: 1 }, 'link', 59_999), 'new', 'a gap that closes needs no room')
  assert.equal(sources.take('s', { epoch: 1, sequence: 512 }, 'link', 59_999), 'new')
  assert.equal(sources.take('s', { epoch: 1, sequence: 1_000 }, 'link', 60_000), 'new')
  assert.equal(sources.take('s', { epoch: 1, sequence: 3 }, 'link', 60_000), 'taken')
  assert.ok(sources.counts.ranges <= 256)
})

test('one neighbour introduces a quarter of the table at most', () => {
  const { sources } = sourcesWith({ sourcesMax: 16 })
  const takings = Array.from({ length: 5 }, (_, i) => sources.take(`${i}`, { epoch: 1, sequence: 0 }, 'evil', 0))
  assert.deepEqual(takings, ['new', 'new', 'new', 'new', 'no-room'])
  assert.equal(sources.take('other', { epoch: 1, sequence: 0 }, 'good', 0), 'new')
})

test('a full table moves the epoch on, and forgets only those that two moves have made harmless', () => {
  const { sources, epochs } = sourcesWith({ sourcesMax: 4 })
  const take = (source: string, nowMs: number): string => sources.take(source, { epoch: 1, sequence: 0 }, source, nowMs)
  const first = epochs.current
  for (const source of ['a', 'b', 'c', 'd']) assert.equal(take(source, 0), 'new')
  assert.equal(take('e', 0), 'no-room')
  const second = epochs.current
  assert.ok(second > first)
  assert.deepEqual([epochs.isOurs(first), epochs.isOurs(second)], [true, true])
  assert.equal(sources.take('a', { epoch: 1, sequence: 1 }, 'a', 30_000), 'new', 'a is still heard')
  assert.equal(take('e', 30_000), 'no-room')
  assert.equal(epochs.current, second, 'not twice within a minute')
  assert.equal(take('e', 60_000), 'no-room')
  assert.deepEqual([epochs.isOurs(first), epochs.isOurs(second)], [false, true])
  assert.equal(take('e', 61_000), 'new')
  assert.deepEqual(sources.counts, { sources: 2, ranges: 2 })
  assert.equal(take('a', 62_000), 'taken', 'its numbers of the last two epochs are remembered')
})

test('ranges in all are bounded too, and what came over one link takes a quarter of them', () => {
  const { sources } = sourcesWith({ rangesMax: 8 })
  const take = (source: string, epoch: number, sequence: number, nowMs: number = 0): string =>
    sources.take(source, { epoch, sequence }, source, nowMs)
  assert.deepEqual(
    [take('0', 1, 0), take('0', 1, 10), take('0', 1, 20), take('0', 2, 0)],
    ['new', 'new', 'no-room', 'no-room'],
  )
  for (const source of ['1', '2', '3']) assert.deepEqual([take(source, 1, 0), take(source, 2, 0)], ['new', 'new'])
  assert.equal(take('4', 1, 0), 'no-room')
  assert.equal(take('0', 1, 11), 'new', 'a range that grows needs no room')
  assert.deepEqual(sources.counts, { sources: 4, ranges: 8 })
})

test('a source that is forgotten to make room for itself takes nothing that it would not remember', () => {
  const { sources, epochs } = sourcesWith({ rangesMax: 8 })
  const take = (source: string, sequence: number, nowMs: number): string =>
    sources.take(source, { epoch: 1, sequence }, 'link', nowMs)
  assert.deepEqual([take('a', 0, 0), take('a', 10, 0)], ['new', 'new'])
  epochs.move(0)
  epochs.move(60_000)
  assert.equal(take('a', 20, 60_000), 'no-room')
  assert.deepEqual([take('a', 20, 60_001), take('a', 20, 60_002)], ['new', 'taken'])
})

test('the epoch follows that of the run, and moves on by the time that has passed', () => {
  let ofRun = 500 * 2 ** 20 + 77
  const epochs = ownEpochs(() => ofRun)
  assert.equal(epochs.current, ofRun)
  assert.equal(epochs.isOurs(ofRun), true)
  assert.equal(epochs.isOurs(ofRun - 1), false)
  assert.equal(epochs.move(10_000), true)
  assert.equal(Math.floor(epochs.current / 2 ** 20), 510)
  assert.deepEqual([epochs.isOurs(ofRun), epochs.isOurs(epochs.current), epochs.moves], [true, true, 1])
  assert.equal(epochs.move(69_999), false)
  ofRun = 600 * 2 ** 20
  assert.equal(epochs.current, ofRun)
  assert.equal(epochs.moves, 2)
  ofRun = 2 ** 53 - 1
  assert.equal(epochs.current, ofRun)
  assert.equal(epochs.move(200_000), false, 'there is no further one')
})

// Many nodes that hold their links by themselves: from one seed, through deaths, through a split network.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rounds } from '../tools/all-tests.ts'
import { Crowd, personOf } from './crowd.ts'

function assertHolds(crowd: Crowd, what: string): void {
  const { degrees } = crowd
  assert.equal(crowd.largestPart, crowd.nodes.size, `${what}: it fell apart`)
  assert.ok(degrees[0]! >= 4 && degrees.at(-1)! <= 8, `${what}: ${degrees}`)
}

function fromOneSeed(seed: number, count: number): Crowd {
  const crowd = new Crowd(seed)
  crowd.add(1)
  for (let number = 2; number <= count; number++) crowd.add(number, [1])
  return crowd
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`thirty nodes from one seed hold four to eight links each within two minutes, and without it (${seed})`, () => {
    const crowd = fromOneSeed(seed, 30)
    crowd.run(120_000)
    assertHolds(crowd, 'after two minutes')
    for (const { members } of crowd.nodes.values()) assert.equal(members.count, 30)
    const dials = (): number => [...crowd.nodes.values()].reduce((sum, node) => sum + node.dials, 0)
    const [dialled, published] = [dials(), crowd.published]
    crowd.run(1_800_000)
    assert.deepEqual([dials(), crowd.published], [dialled, published], 'a quiet network is left alone')
    for (const number of [1, 2, 3, 4, 5, 6]) crowd.kill(crowd.nodes.get(number)!)
    crowd.run(60_000)
    assertHolds(crowd, 'after six deaths')
    for (const { members, events } of crowd.nodes.values()) {
      assert.equal(members.count, 24)
      assert.ok(events.includes(`down ${personOf(1).id} unreachable`))
    }
  })
}

test('two halves that lost each other find together again within two minutes of being able to', () => {
  const crowd = fromOneSeed(7, 24)
  crowd.run(120_000)
  crowd.split((number) => number % 2)
  crowd.run(900_000)
  assert.equal(crowd.largestPart, 12)
  for (const { members } of crowd.nodes.values()) assert.equal(members.count, 12)
  crowd.split(() => 0)
  crowd.run(120_000)
  assertHolds(crowd, 'joined again')
  for (const { members } of crowd.nodes.values()) assert.equal(members.count, 24)
})

test('nodes come and go for an hour, and the network stays whole', () => {
  const crowd = fromOneSeed(9, 30)
  crowd.run(120_000)
  for (let round = 0; round < rounds(30, 60); round++) {
    const numbers = [...crowd.nodes.keys()]
    const [leaving, known] = [numbers[(round * 7) % numbers.length]!, numbers[(round * 11 + 3) % numbers.length]!]
    if (leaving === known) continue
    crowd.kill(crowd.nodes.get(leaving)!)
    crowd.add(100 + round, [known])
    crowd.run(60_000)
    const { degrees } = crowd
    assert.equal(crowd.largestPart, crowd.nodes.size)
    assert.ok(degrees[0]! >= 4 && degrees.at(-1)! <= 9, `${degrees}`)
  }
})

test('a node whose seeds are all dead comes back over its address book', () => {
  const crowd = fromOneSeed(11, 12)
  crowd.run(120_000)
  const book = crowd.nodes.get(7)!.book.encode()
  for (const number of [1, 7]) crowd.kill(crowd.nodes.get(number)!)
  crowd.run(600_000)
  const back = crowd.add(7, [1], 6, book)
  crowd.run(30_000)
  assert.ok(back.degree >= 4, `${back.degree}`)
  assert.equal(crowd.largestPart, 11)
})

test('two neighbours of which one was dead for hours are neighbours again', () => {
  const crowd = new Crowd(13)
  const [a, b] = [crowd.add(1), crowd.add(2, [1])]
  crowd.run(60_000)
  assert.equal(a.degree, 1)
  const book = b.book.encode()
  crowd.kill(b)
  crowd.run(4 * 3_600_000)
  // It has no seeds any more, only what it knew.
  const back = crowd.add(2, [], 6, book)
  crowd.run(5_000)
  assert.equal(back.degree, 1)
  crowd.kill(a)
  crowd.run(4 * 3_600_000)
  // This one knows nobody; the other has it in its book.
  crowd.add(1)
  crowd.run(15 * 60_000)
  assert.equal(back.degree, 1)
})

test('sixty nodes with one seed do not lean on it', () => {
  const crowd = fromOneSeed(17, 60)
  crowd.run(180_000)
  assertHolds(crowd, 'after three minutes')
})

// The small tables and counters that the larger parts stand on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { Budget } from '../../lib/direct/budget.ts'
import { Destinations } from '../../lib/direct/destinations.ts'
import { failureBytes, failureText } from '../../lib/direct/failure-text.ts'
import { Handled } from '../../lib/direct/handled.ts'
import { RecentMap } from '../../lib/direct/recent-map.ts'
import { keyPairOf } from '../identity/nodes.ts'

test('a budget gives what a second brings, and saves no more', () => {
  const budget = new Budget(20)
  const takeAll = (nowMs: number): number => {
    let count = 0
    while (budget.take(nowMs)) count++
    return count
  }
  assert.equal(takeAll(0), 20)
  assert.equal(budget.has(49), false)
  assert.equal(takeAll(100), 2)
  assert.equal(takeAll(100), 0)
  assert.equal(takeAll(1_000_000), 20)
})

test('a recent map keeps what is used and never grows past its bound', () => {
  const map = new RecentMap<number>(8)
  map.set('used', 1)
  for (let i = 0; i < 100; i++) {
    map.set(`other ${i}`, i)
    assert.equal(map.get('used'), 1)
    assert.ok(map.size <= 8)
  }
  assert.equal(map.peek('other 99'), 99)
  assert.equal(map.peek('other 0'), undefined)
  map.set('other 99', 100)
  assert.equal(map.get('other 99'), 100)
  map.delete('other 99')
  assert.equal(map.get('other 99'), undefined)
  map.turn()
  map.turn()
  assert.equal(map.size, 0)
})

test('an envelope is handled once within two minutes, and its memory ends by itself', () => {
  const handled = new Handled()
  assert.equal(handled.look('a', 3, 0), 'new')
  assert.equal(handled.look('a', 3, 119_999), 'again')
  assert.equal(handled.look('a', 3, 120_001), 'again')
  assert.equal(handled.look('a', 3, 600_000), 'new')
  for (let i = 0; i < 100_000; i++) handled.look(`${i}`, 1, 600_000)
  assert.ok(handled.size <= 65_536)
  assert.equal(handled.look('99999', 1, 600_000), 'again')
})

test('a copy that has come half as far is handled once more, five times at most', () => {
  const handled = new Handled()
  const sights = [32, 31, 17, 16, 9, 8, 8, 4, 2, 1, 1].map((hops) => handled.look('a', hops, 0))
  assert.deepEqual(sights, [
    'new',
    'again',
    'again',
    'nearer',
    'again',
    'nearer',
    'again',
    'nearer',
    'nearer',
    'nearer',
    'again',
  ])
})

test('no number is given twice to a destination, though it was forgotten in between', () => {
  const destinations = new Destinations(4)
  const first = destinations.of(keyPairOf(1).identity)
  assert.deepEqual(
    [0, 1, 2].map(() => destinations.nextSequence(first)),
    [0, 1, 2],
  )
  assert.equal(destinations.of(keyPairOf(1).identity), first)
  for (let number = 2; number < 12; number++) destinations.nextSequence(destinations.of(keyPairOf(number).identity))
  const again = destinations.of(keyPairOf(1).identity)
  assert.notEqual(again, first)
  assert.ok(destinations.nextSequence(again) >= 3)
})

test('a public key and its negative are two destinations of one row of numbers', () => {
  const { identity } = keyPairOf(1)
  const negative = { ...identity, publicKey: identity.publicKey.slice() }
  negative.publicKey[31] = negative.publicKey[31]! ^ 0x80
  const destinations = new Destinations()
  const one = destinations.of(identity)
  one.epoch = 5
  destinations.nextSequence(one)
  const other = destinations.of(negative)
  assert.notEqual(other, one)
  assert.deepEqual([other.epoch, destinations.nextSequence(other)], [0, 1])
})

test('a failure says its first 1,024 bytes, cut between characters, with nothing that acts on a terminal', () => {
  const through = (text: string): string => failureText(failureBytes(text))
  assert.equal(through('plain'), 'plain')
  assert.equal(through('x'.repeat(1_025)), 'x'.repeat(1_024))
  assert.equal(through(`${'x'.repeat(1_023)}é`), 'x'.repeat(1_023))
  assert.equal(through('☕'.repeat(400)), '☕'.repeat(341))
  assert.equal(through('a\u001b[2Jb\u202ec\nd\u2028'), 'a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}')
  assert.equal(failureText(Uint8Array.of(0xff)), '')
  assert.equal(failureText(utf8('x'.repeat(1_025))), '')
})

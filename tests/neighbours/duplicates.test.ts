import assert from 'node:assert/strict'
import { test } from 'node:test'
import { survivorOf } from '../../lib/neighbours/duplicates.ts'
import { identityOf } from './fixture.ts'

const small = identityOf(1).x25519Key
const large = identityOf(2).x25519Key

test('of two directions the connection dialled by the smaller key stays, whichever came first', () => {
  assert.equal(survivorOf(small, large, 'out', 'in'), 'older')
  assert.equal(survivorOf(small, large, 'in', 'out'), 'newer')
  assert.equal(survivorOf(large, small, 'in', 'out'), 'older')
  assert.equal(survivorOf(large, small, 'out', 'in'), 'newer')
})

test('both ends choose the same connection in each of the four orders in which they can see the two', () => {
  for (const smallSees of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    for (const largeSees of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      // Connection a is dialled by the small key, b by the large one.
      const chosen = (
        own: Uint8Array,
        other: Uint8Array,
        sees: readonly ['a' | 'b', 'a' | 'b'],
        dialled: 'a' | 'b',
      ) => {
        const [older, newer] = sees.map((name) => (name === dialled ? 'out' : 'in')) as ['in' | 'out', 'in' | 'out']
        return survivorOf(own, other, older, newer) === 'older' ? sees[0] : sees[1]
      }
      assert.equal(chosen(small, large, smallSees, 'a'), 'a')
      assert.equal(chosen(large, small, largeSees, 'b'), 'a')
    }
  }
})

test('in the same direction the newer stays', () => {
  for (const [own, other] of [
    [small, large],
    [large, small],
  ] as const) {
    assert.equal(survivorOf(own, other, 'in', 'in'), 'newer')
    assert.equal(survivorOf(own, other, 'out', 'out'), 'newer')
  }
})

test('keys are compared byte by byte, not as numbers of either end', () => {
  const a = new Uint8Array(32)
  const b = new Uint8Array(32)
  a[0] = 0x7f
  b[0] = 0x80
  assert.equal(survivorOf(a, b, 'out', 'in'), 'older')
  a[0] = 0x80
  a[31] = 1
  assert.equal(survivorOf(a, b, 'out', 'in'), 'newer')
})

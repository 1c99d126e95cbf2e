import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recency, type Recent } from '../../lib/flood/recency.ts'
import { seeded } from '../crypto/seeded.ts'

interface Thing extends Recent<Thing> {
  readonly name: number
}

test('beside an array, the order of last touches is the same from both ends', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed)
    const things: Thing[] = Array.from({ length: 6 }, (_, name) => ({ name, older: null, newer: null }))
    const recency = new Recency<Thing>()
    let slow: Thing[] = []
    for (let step = 0; step < 60; step++) {
      const thing = things[random.below(things.length)]!
      const stands = slow.includes(thing)
      slow = slow.filter((other) => other !== thing)
      if (stands && random.below(3) === 0) {
        recency.remove(thing)
      } else {
        recency.touch(thing)
        slow.push(thing)
      }
      const forward: Thing[] = []
      for (let at = recency.oldest; at !== null; at = at.newer) forward.push(at)
      const backward: Thing[] = []
      for (let at = recency.newest; at !== null; at = at.older) backward.push(at)
      assert.deepEqual(
        forward.map(({ name }) => name),
        slow.map(({ name }) => name),
      )
      assert.deepEqual(backward.reverse(), forward)
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NODE_LINKS_MAX, NODE_NEIGHBOURS_MAX } from '../../lib/limits.ts'
import { Topology } from '../../lib/members/topology.ts'
import { seeded } from '../crypto/seeded.ts'

function hopsOf(topology: Topology, ...keys: readonly string[]): (number | null)[] {
  topology.compute()
  return keys.map((key) => topology.hops(key))
}

test('hops count links over each node’s own words, beginning with ours', () => {
  const topology = new Topology('me')
  topology.tell('me', ['a'], false)
  topology.tell('a', ['me', 'b', 'c'], false)
  topology.tell('b', ['a', 'd'], false)
  topology.tell('x', ['y'], false)
  assert.deepEqual(hopsOf(topology, 'me', 'a', 'b', 'c', 'd', 'x', 'y', 'nobody'), [0, 1, 2, 2, 3, null, null, null])
})

test('a node that only names others itself is not reachable, unless its neighbour’s list is cut', () => {
  const topology = new Topology('me')
  topology.tell('me', ['hub'], false)
  topology.tell('hub', ['me'], false)
  topology.tell('dead', ['hub'], false)
  assert.deepEqual(hopsOf(topology, 'dead'), [null])
  topology.tell('hub', ['me'], true)
  assert.deepEqual(hopsOf(topology, 'dead'), [2])
  topology.tell('hub', ['me'], false)
  assert.deepEqual(hopsOf(topology, 'dead'), [null])
})

test('what is told anew replaces what was told', () => {
  const topology = new Topology('me')
  topology.tell('me', ['a', 'b'], false)
  topology.tell('a', ['c'], false)
  topology.tell('a', ['d'], false)
  assert.deepEqual(hopsOf(topology, 'c', 'd'), [null, 2])
  topology.tell('me', ['b'], false)
  assert.deepEqual(hopsOf(topology, 'a', 'd', 'b'), [null, null, 1])
  assert.deepEqual([...topology.neighbours('a')], ['d'])
  assert.deepEqual([...topology.neighbours('nobody')], [])
})

test('a node that is forgotten leads nowhere, and is still there for those that name it', () => {
  const topology = new Topology('me')
  topology.tell('me', ['a'], false)
  topology.tell('a', ['b'], true)
  topology.tell('b', ['c'], false)
  topology.forget('b')
  topology.forget('b')
  topology.forget('nobody')
  topology.forget('me')
  assert.deepEqual(hopsOf(topology, 'a', 'b', 'c'), [1, 2, null])
})

test('places come free when nobody names them any more, also those of nodes that name themselves', () => {
  const topology = new Topology('me')
  for (let round = 0; round < 50; round++) {
    topology.tell('me', [`a${round}`, `a${round}`], false)
    topology.tell(`a${round}`, [`a${round}`, `b${round}`, 'me'], round % 2 === 0)
    topology.tell(`b${round}`, [`c${round}`], false)
    assert.deepEqual(hopsOf(topology, `c${round}`), [3])
    topology.forget(`a${round}`)
    topology.forget(`b${round}`)
  }
  topology.tell('me', [], false)
  assert.equal(topology.size, 1)
  assert.equal(topology.linkCount, 0)
})

test('a neighbour in common is another way to a neighbour', () => {
  const topology = new Topology('me')
  topology.tell('me', ['a', 'b', 'c'], false)
  topology.tell('a', ['me', 'b'], false)
  topology.tell('b', ['me'], false)
  topology.tell('c', ['me', 'z', 'c'], false)
  assert.equal(topology.hasOtherWays('a'), true)
  assert.equal(topology.hasOtherWays('b'), false)
  assert.equal(topology.hasOtherWays('c'), false)
  assert.equal(topology.hasOtherWays('nobody'), false)
})

test('a longer way counts only with a second one that shares no node with it', () => {
  const topology = new Topology('me')
  topology.tell('me', ['p', 'a', 'b'], false)
  topology.tell('p', ['me', 'q', 'r'], false)
  topology.tell('q', ['p', 'a'], false)
  topology.tell('r', ['p'], false)
  assert.equal(topology.hasOtherWays('p'), false)
  topology.tell('r', ['p', 'q'], false)
  assert.equal(topology.hasOtherWays('p'), false)
  topology.tell('r', ['p', 'a'], false)
  assert.equal(topology.hasOtherWays('p'), false)
  topology.tell('r', ['p', 'b'], false)
  assert.equal(topology.hasOtherWays('p'), true)
})

test('two halves that are joined by two links keep them both', () => {
  const topology = new Topology('a1')
  topology.tell('a1', ['b1', 'a2', 'a3'], false)
  for (const half of ['a', 'b']) {
    const names = [1, 2, 3, 4].map((number) => `${half}${number}`)
    for (const name of names.slice(1)) topology.tell(name, names, false)
  }
  topology.tell('a2', ['a1', 'a3', 'a4', 'b2'], false)
  topology.tell('b2', ['b1', 'b3', 'b4', 'a2'], false)
  topology.tell('b1', ['b2', 'b3', 'b4', 'a1'], false)
  assert.equal(topology.hasOtherWays('b1'), false)
  assert.equal(topology.hasOtherWays('a2'), true)
})

test('beyond the bound of links lists are cut, and room comes back', () => {
  const topology = new Topology('me')
  const long = Array.from({ length: 1_024 }, (_, i) => `far-${i}`)
  for (let i = 0; i < NODE_LINKS_MAX / 1_024; i++) topology.tell(`liar-${i}`, long, false)
  assert.equal(topology.linkCount, NODE_LINKS_MAX)
  // What is longer than a share takes nothing from anybody, and who changes what it said keeps the room that it had.
  topology.tell('liar-0', ['a', 'b'], false)
  assert.equal(topology.linkCount, NODE_LINKS_MAX - 1_022)
  topology.tell('late', [...long, 'a', 'b'], false)
  assert.equal(topology.linkCount, NODE_LINKS_MAX)
  assert.deepEqual([...topology.neighbours('late')], long.slice(0, 1_022))
  topology.forget('late')
  assert.equal(topology.linkCount, NODE_LINKS_MAX - 1_022)
})

test('a few links have room at the cost of the longest lists, however many nodes are made up', () => {
  const topology = new Topology('me')
  const named = Array.from({ length: NODE_NEIGHBOURS_MAX }, (_, i) => `far-${i}`)
  topology.tell('me', ['hub'], false)
  topology.tell('hub', ['me'], false)
  for (let i = 0; i < NODE_LINKS_MAX / NODE_NEIGHBOURS_MAX; i++) topology.tell(`liar-${i}`, named, false)
  topology.tell('hub', ['me', 'late'], false)
  topology.tell('late', ['hub', 'b', 'c', 'd'], false)
  assert.deepEqual(hopsOf(topology, 'hub', 'late', 'b', 'c', 'd'), [1, 2, 3, 3, 3])
  assert.equal([...topology.neighbours('liar-7')].length, NODE_NEIGHBOURS_MAX / 2)
  assert.ok(topology.linkCount <= NODE_LINKS_MAX)
  // As many nodes as there may be, each with as many links as it can: nobody's first four are lost.
  for (let i = 0; i < 40_000; i++) topology.tell(`crowd-${i}`, named, false)
  topology.tell('later', ['late', 'hub', 'e', 'f'], false)
  topology.tell('late', ['hub', 'later'], false)
  assert.deepEqual(hopsOf(topology, 'hub', 'late', 'later', 'e', 'f'), [1, 2, 3, 4, 4])
  assert.ok(topology.linkCount <= NODE_LINKS_MAX)
})

test('our own links count whatever others tell', () => {
  const topology = new Topology('me')
  const named = Array.from({ length: NODE_NEIGHBOURS_MAX }, (_, i) => `far-${i}`)
  for (let i = 0; i < NODE_LINKS_MAX / NODE_NEIGHBOURS_MAX; i++) topology.tell(`liar-${i}`, named, false)
  topology.tell('me', ['a', 'b', 'c', 'd', 'e', 'f'], false)
  assert.deepEqual(hopsOf(topology, 'a', 'b', 'c', 'd', 'e', 'f'), [1, 1, 1, 1, 1, 1])
  assert.equal([...topology.neighbours('liar-0')].length, NODE_NEIGHBOURS_MAX)
})

test('it finds the same hops as a slow and obvious search, whatever is told and forgotten', () => {
  const random = seeded(5)
  const names = Array.from({ length: 24 }, (_, i) => `n${i}`)
  for (let run = 0; run < 60; run++) {
    const topology = new Topology('n0')
    const told = new Map<string, { neighbours: string[]; isCut: boolean }>([['n0', { neighbours: [], isCut: false }]])
    for (let step = 0; step < 80; step++) {
      const name = names[random.below(names.length)]!
      if (random.below(5) === 0 && name !== 'n0') {
        topology.forget(name)
        told.delete(name)
      } else {
        const neighbours = Array.from({ length: random.below(5) }, () => names[random.below(names.length)]!)
        const isCut = name !== 'n0' && random.below(4) === 0
        topology.tell(name, neighbours, isCut)
        told.set(name, { neighbours, isCut })
      }
    }
    topology.compute()
    const slow = new Map<string, number>([['n0', 0]])
    for (let round = 0; round < names.length; round++) {
      for (const [name, hops] of [...slow]) {
        const next = [...(told.get(name)?.neighbours ?? [])]
        if (told.get(name)?.isCut)
          for (const [other, { neighbours }] of told) if (neighbours.includes(name)) next.push(other)
        for (const other of next) slow.set(other, Math.min(slow.get(other) ?? Number.POSITIVE_INFINITY, hops + 1))
      }
    }
    for (const name of names) assert.equal(topology.hops(name), slow.get(name) ?? null, `run ${run}, ${name}`)
  }
})

test('the hops of ten thousand nodes of eight links each are those of a search that only goes outwards', () => {
  const random = seeded(3)
  const topology = new Topology('n0')
  const links = new Map<string, string[]>()
  for (let i = 0; i < 10_000; i++) {
    const named = Array.from({ length: 8 }, () => `n${random.below(10_000)}`)
    topology.tell(`n${i}`, named, false)
    links.set(`n${i}`, named)
  }
  topology.compute()
  const reached = new Map<string, number>([['n0', 0]])
  for (const [name, hops] of reached) {
    for (const next of links.get(name)!) if (!reached.has(next)) reached.set(next, hops + 1)
  }
  assert.ok(reached.size > 9_900)
  for (const name of links.keys()) assert.equal(topology.hops(name), reached.get(name) ?? null, name)
})

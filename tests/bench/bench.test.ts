// The parts of the benchmarks that only reckon: graphs, percentiles, tables, and the counting of payloads.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countLatency, type Histogram, joinHistograms, median, percentile, summed } from './figures.ts'
import { isConnected, regularGraph } from './graph.ts'
import { kindOf } from './peer.ts'
import { besideTable, betweenMarkers, type Cell, detailsTable, figure, peersTable } from './tables.ts'
import { makePayload, type Stream, Tally } from './tally.ts'
import { processesOf, WORKS, worksOf } from './works.ts'

test('a graph is connected, has the same degree everywhere, and no edge twice', () => {
  for (const [nodes, degree] of [
    [2, 1],
    [8, 4],
    [8, 3],
    [8, 7],
    [16, 4],
    [33, 6],
  ] as const) {
    for (let seed = 1; seed <= 20; seed++) {
      const edges = regularGraph(nodes, degree, seed)
      const place = `${nodes} nodes of degree ${degree}, seed ${seed}`
      const names = edges.map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
      assert.equal(new Set(names).size, (nodes * degree) / 2, place)
      for (let node = 0; node < nodes; node++) {
        assert.equal(edges.flat().filter((end) => end === node).length, degree, place)
      }
      assert.ok(
        edges.every(([a, b]) => a !== b),
        place,
      )
      assert.ok(isConnected(nodes, edges), place)
    }
  }
})

test('a seed always gives the same graph, and seeds differ', () => {
  assert.deepEqual(regularGraph(16, 4, 1), regularGraph(16, 4, 1))
  assert.notDeepEqual(regularGraph(16, 4, 1), regularGraph(16, 4, 2))
})

test('there is no graph with an odd number of ends, or with more links than other nodes', () => {
  assert.throws(() => regularGraph(5, 3, 1))
  assert.throws(() => regularGraph(4, 4, 1))
  assert.throws(() => regularGraph(4, 0, 1))
  assert.equal(isConnected(3, [[0, 1]]), false)
})

test('a median is a value that was measured', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([10, 1, 2, 3]), 2)
  assert.equal(median([5]), 5)
  assert.throws(() => median([]))
})

test('a percentile is at most a fiftieth too high', () => {
  const histograms: Histogram[] = [new Map(), new Map()]
  for (let ms = 1; ms <= 1_000; ms++) countLatency(histograms[ms % 2]!, ms)
  const whole = joinHistograms(histograms)
  for (const fraction of [0.01, 0.5, 0.99, 1]) {
    const found = percentile(whole, fraction)!
    assert.ok(found >= fraction * 1_000 - 1e-6 && found <= fraction * 1_020, `${fraction}: ${found}`)
  }
  assert.equal(percentile(new Map(), 0.5), undefined)
  const none: Histogram = new Map()
  countLatency(none, -1)
  assert.equal(percentile(none, 0.5), 0.001)
})

test('runs are summed up by medians, but losses by the worst', () => {
  const sum = summed([{ perSecond: 1, lost: 0 }, { perSecond: 3, lost: 7, p50Ms: 4 }, { perSecond: 2 }])
  assert.deepEqual(sum, { perSecond: 2, lost: 7, p50Ms: 4 })
})

test('a figure has three digits that count', () => {
  assert.equal(figure(123_456), '123,000')
  assert.equal(figure(999.6), '1,000')
  assert.equal(figure(12.345), '12.3')
  assert.equal(figure(0.01234), '0.012')
  assert.equal(figure(0), '0')
  assert.equal(figure(undefined), '–')
  assert.equal(figure(Number.NaN), '–')
})

const [meshd, raw, tls] = [kindOf('meshd'), kindOf('raw'), kindOf('tls')]
const link = WORKS.find(({ name }) => name === 'link')!
const idle = WORKS.find(({ name }) => name === 'idle')!
const cells: Cell[] = [
  {
    work: link,
    kind: meshd,
    runs: [{ perSecond: 90 }, { perSecond: 110 }],
    sum: { perSecond: 100, cpuUs: 5, lost: 0 },
  },
  { work: link, kind: raw, runs: [{ perSecond: 200 }], sum: { perSecond: 200, cpuUs: 2 } },
  { work: link, kind: tls, runs: [], sum: null },
  { work: idle, kind: meshd, runs: [], sum: { idleCpuFraction: 0.01, idleRssBytes: 5e7 } },
]

test('peers stand beside each other, with the ratio of the first two', () => {
  assert.equal(
    besideTable(cells, [link, idle], [meshd, raw, tls]),
    `| work |  | meshd | raw TCP | TLS 1.3, mutual | meshd ÷ raw TCP |
| --- | --- | --: | --: | --: | --: |
| two nodes, 256 B | deliveries/s | 100 | 200 | failed | 0.50 |
| one node, 20 neighbours, nobody publishes | % of a core | 1 | – | – | – |
|  | MB of process | 50 | – | – | – |`,
  )
})

test('each peer has a row, with what a delivery cost where that was measured', () => {
  assert.equal(
    peersTable(cells, [link, idle], [meshd, raw]),
    `|  | two nodes, 256 B: deliveries/s | CPU µs for each | one node, 20 neighbours, nobody publishes: % of a core |
| --- | --: | --: | --: |
| meshd | 100 | 5 | 1 |
| raw TCP | 200 | 2 | – |`,
  )
})

test('the details show how far runs lay apart, and which failed', () => {
  const rows = detailsTable(cells).split('\n')
  assert.equal(rows.length, 5)
  assert.match(rows[2]!, /^\| link \| meshd \| 100 \| 90 to 110 \| 5 \|/)
  assert.match(rows[4]!, /^\| link \| TLS 1\.3, mutual \| failed \|/)
  for (const row of rows) assert.equal(row.split('|').length, rows[0]!.split('|').length)
})

test('only what stands between the markers of a page changes', () => {
  const page = 'a\n<!-- x -->\nold\n<!-- /x -->\nb <!-- y --><!-- /y -->'
  assert.equal(betweenMarkers(page, 'x', 'new\n'), 'a\n<!-- x -->\nnew\n<!-- /x -->\nb <!-- y --><!-- /y -->')
  assert.throws(() => betweenMarkers(page, 'z', ''))
})

test('works are chosen by how their names begin', () => {
  assert.deepEqual(
    worksOf(['flood', 'large'], WORKS).map(({ name }) => name),
    ['large-link', 'large-flood', 'flood'],
  )
  assert.equal(worksOf([], WORKS).length, WORKS.length)
  assert.throws(() => worksOf(['nothing'], WORKS))
  assert.throws(() => kindOf('nothing'))
})

test('every work can be had in small', () => {
  for (const work of WORKS) {
    const plan = work.plan(0.0001)
    assert.ok(processesOf(plan) >= 2)
    if (!('streams' in plan)) continue
    for (const { count, warmUp, publisher, payloadBytes } of plan.streams) {
      assert.ok(count >= 1 && warmUp >= 1 && publisher < plan.nodes && payloadBytes >= 256, work.name)
    }
  }
})

const streams: Stream[] = [
  { publisher: 0, payloadBytes: 256, count: 100, warmUp: 2, perSecond: null },
  { publisher: 1, payloadBytes: 1_024, count: 3, warmUp: 1, perSecond: null },
]

test('a tally counts what came once, and warm-ups not at all', () => {
  const tally = new Tally(streams)
  for (let sequence = 0; sequence < 102; sequence++) tally.take(makePayload(0, sequence, 256))
  for (const sequence of [0, 1, 1, 2]) tally.take(makePayload(1, sequence, 1_024))
  const { delivered, bytes, duplicates, corrupt, latencies } = tally.counted
  assert.deepEqual(
    { delivered, bytes, duplicates, corrupt },
    { delivered: 102, bytes: 27_648, duplicates: 1, corrupt: 0 },
  )
  assert.equal(
    latencies.reduce((sum, [, count]) => sum + count, 0),
    100,
  )
})

test('a tally takes no payload of a wrong length, stream or content for a delivery', () => {
  const tally = new Tally(streams)
  tally.take(makePayload(0, 5, 257))
  tally.take(makePayload(2, 5, 256))
  const changed = makePayload(0, 64, 256)
  changed[100]! ^= 1
  tally.take(changed)
  const cut = makePayload(0, 6, 256)
  cut[255]! ^= 1
  tally.take(cut)
  assert.equal(tally.counted.corrupt, 4)
  assert.equal(tally.counted.delivered, 0)
})

test('a tally has settled when all that others publish has come', async () => {
  const tally = new Tally(streams)
  for (let sequence = 0; sequence < 3; sequence++) tally.take(makePayload(1, sequence, 1_024))
  const settled = tally.settled(0, 'all', 60_000, 60_000)
  tally.take(makePayload(1, 3, 1_024))
  await settled
  await tally.settled(0, 'warm-up', 60_000, 60_000)
})

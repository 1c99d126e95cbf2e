import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics, ROWS } from '../../../cli/http/metrics.ts'
import { Mesh } from '../../../lib/index.ts'
import type { MeshStats } from '../../../lib/types.ts'
import { STATS } from '../fake-node.ts'

const UNITS = ['bytes', 'seconds']

async function render(stats: MeshStats | null = STATS): Promise<string> {
  return (await new Metrics({ stats: () => stats, agent: 'meshd/1.2.3', nowMs: () => 0 }).render()).text
}

/** Every number of the statistics, wherever it stands. */
function numbersIn(value: object): number[] {
  return Object.values(value).flatMap((one: unknown) =>
    typeof one === 'number' ? [one] : typeof one === 'object' && one !== null ? numbersIn(one) : [],
  )
}

test('every number of the statistics is shown once', async () => {
  const text = await render()
  const shown = Array.from(text.matchAll(/^meshd_(?!build_info)\S+ (\d+)$/gm), ([, value]) => Number(value))
  assert.deepEqual(
    shown.toSorted((a, b) => a - b),
    numbersIn(STATS).toSorted((a, b) => a - b),
  )
})

test('names follow the conventions: a prefix, base units, _total for counters alone', () => {
  for (const { name, kind, help } of ROWS) {
    assert.match(name, /^meshd_[a-z_]+$/)
    assert.equal(name.endsWith('_total'), kind === 'counter', name)
    assert.ok(!/_(ms|kb|mb|count|milliseconds)(_|$)/.test(name), name)
    const base = name.replace(/_total$/, '').split('_')
    assert.ok(!base.slice(0, -1).some((word) => UNITS.includes(word)), `${name}: the unit stands last`)
    assert.match(help, /\.$/)
  }
  assert.equal(new Set(ROWS.map(({ name }) => name)).size, ROWS.length)
})

test('labels are of closed sets: what a peer could make up is counted together', async () => {
  const text = await render()
  assert.match(text, /^meshd_closed_links_total\{code="peer-silent"\} 22$/m)
  assert.match(text, /^meshd_closed_links_total\{code="other"\} 23$/m)
  assert.match(text, /^meshd_ignored_bundles_total\{reason="too-old"\} 11$/m)
  assert.ok(!text.includes('made-up'))
})

test('every reason that a node can count is known here', async () => {
  const mesh = new Mesh({ listen: [], mdns: false })
  await mesh.start()
  const stats = mesh.stats()
  await mesh.stop()
  const text = await render(stats)
  assert.ok(!/meshd_(ignored|rejected)_bundles_total\{reason="other"\}/.test(text))
  const reasons = text.matchAll(/meshd_(?:ignored|rejected)_bundles_total\{reason="([a-z-]+)"\}/g)
  assert.deepEqual(
    Array.from(reasons, ([, reason]) => reason).sort(),
    Object.keys({ ...stats.bundles.ignored, ...stats.bundles.rejected }).sort(),
  )
})

test('the process and the version are shown, and the format is that of Prometheus', async () => {
  const metrics = new Metrics({ stats: () => STATS, agent: 'meshd/1.2.3', nowMs: () => 0 })
  const { type, text } = await metrics.render()
  assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(text, /^process_resident_memory_bytes \d+$/m)
  assert.match(text, /^process_cpu_seconds_total /m)
  assert.match(text, /^nodejs_eventloop_lag_seconds /m)
  assert.match(text, /^meshd_build_info\{version="1\.2\.3"\} 1$/m)
  for (const line of text.trim().split('\n')) {
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [-+\w.]+|)$/)
  }
})

test('how late the event loop is stands there once it was measured, and no number before', async () => {
  let nowMs = 0
  const metrics = new Metrics({ stats: () => STATS, agent: 'meshd/1', nowMs: () => nowMs })
  const { text } = await metrics.render()
  assert.doesNotMatch(text, /nan$|9223372036/im)
  assert.match(text, /^# TYPE nodejs_eventloop_lag_min_seconds gauge$/m)
  assert.match(text, /^nodejs_eventloop_lag_seconds \d/m)
  const measured = /^nodejs_eventloop_lag_min_seconds 0\.\d+$/m
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    nowMs += 1_000
    const later = (await metrics.render()).text
    assert.doesNotMatch(later, /nan$|9223372036/im)
    if (measured.test(later)) return
  }
  assert.fail('it is never measured')
})

test('counters follow the node, and an output is used again for a second', async () => {
  let neighbours = 1
  let nowMs = 0
  const metrics = new Metrics({ stats: () => ({ ...STATS, neighbours }), agent: 'meshd/1', nowMs: () => nowMs })
  const read = async (): Promise<string | undefined> =>
    /^meshd_neighbours (\d+)$/m.exec((await metrics.render()).text)?.[1]
  assert.equal(await read(), '1')
  neighbours = 5
  nowMs = 999
  assert.equal(await read(), '1')
  nowMs = 1_000
  assert.equal(await read(), '5')
  neighbours = 2
  nowMs = 2_000
  assert.equal(await read(), '2')
})

test('a node that does not run has its process at least', async () => {
  assert.match(await render(null), /^process_resident_memory_bytes/m)
})

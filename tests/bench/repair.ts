// What the store and the telling of it cost: `node --import tsx tests/bench/repair.ts`. Two nodes in one process on loopback, so
// the rates are those of one core doing the work of both; read the ratios. Prints one Markdown table. Not a test.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Mesh, type MeshOptions } from '../../lib/index.ts'

const OPTIONS: MeshOptions = { network: { name: 'bench' }, mdns: false, degree: { target: 0 } }
const PAYLOAD = new Uint8Array(256).fill(7)

async function withNodes<T>(isDurable: boolean, work: (from: Mesh, to: Mesh) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'meshd-bench-'))
  const dataDir = (name: string): MeshOptions => (isDurable ? { dataDir: join(root, name) } : {})
  const from = new Mesh({ ...OPTIONS, ...dataDir('from'), listen: ['127.0.0.1:0'] })
  const to = new Mesh({ ...OPTIONS, ...dataDir('to'), listen: [] })
  try {
    await from.start()
    await to.start()
    return await work(from, to)
  } finally {
    await Promise.all([from.stop(), to.stop()])
    rmSync(root, { recursive: true, force: true })
  }
}

/** Resolves when `to` has heard so many. */
function heard(to: Mesh, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count
    to.subscribe('work', () => --left === 0 && resolve(), { since: 'stored' })
  })
}

/** `perTurn` messages share a bundle. */
async function publish(from: Mesh, count: number, perTurn: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await from.publish('work', PAYLOAD)
    if (i % perTurn === perTurn - 1) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Messages a second through one link, counted where they are read from the store. */
function stored(count: number, isDurable: boolean): Promise<number> {
  return withNodes(isDurable, async (from, to) => {
    await to.connect(from.addresses[0]!)
    const done = heard(to, count)
    const startMs = performance.now()
    await publish(from, count, 256)
    await done
    return (count * 1_000) / (performance.now() - startMs)
  })
}

/** Bytes of `have`, both directions, for 1,000 messages at this rate. */
function told(perSecond: number, seconds: number): Promise<number> {
  return withNodes(false, async (from, to) => {
    await to.connect(from.addresses[0]!)
    await sleep(3_000)
    const bytes = (): number => from.stats().repair.haveBytesOut + to.stats().repair.haveBytesOut
    const before = bytes()
    const startMs = performance.now()
    for (let i = 0; i < perSecond * seconds; i++) {
      await from.publish('work', PAYLOAD)
      const waitMs = startMs + ((i + 1) * 1_000) / perSecond - performance.now()
      if (waitMs > 1) await sleep(waitMs)
    }
    await sleep(2_000)
    return ((bytes() - before) * 1_000) / (perSecond * seconds)
  })
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')

console.log('\n| repair and store | |\n| --- | --: |')
const memory = await stored(200_000, false)
const durable = await stored(200_000, true)
console.log(`| read from the store in memory, messages a second | ${whole(memory)} |`)
console.log(`| read from the store on disk, messages a second | ${whole(durable)} |`)
console.log(`| disk beside memory, ratio | ${(durable / memory).toFixed(2)} |`)
console.log(`| \`have\` for 1,000 messages at 1,000 a second, bytes | ${whole(await told(1_000, 5))} |`)
console.log(`| \`have\` for 1,000 messages at 100 a second, bytes | ${whole(await told(100, 5))} |`)

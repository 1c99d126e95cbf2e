// The real store on a real disk, in a process of its own that is killed at any moment: everything that it was told to be
// durable is there, and what is there is whole.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Holdings } from '../../lib/flood/holdings.ts'
import { nodeClock } from '../../lib/io/clock.ts'
import { nodeDatabases } from '../../lib/io/database.ts'
import type { DurableStore } from '../../lib/store/durable-store.ts'
import { openDurableStore } from '../../lib/store/open-durable.ts'
import { ALL, originKeyOf, testBundle } from '../store/bundles.ts'
import { childScript } from '../tools/child-script.ts'
import { chance } from '../virtual/chance.ts'

const child = childScript(fileURLToPath(new URL('./store-child.ts', import.meta.url)))
const networkId = new Uint8Array(32).fill(4)

interface Opened {
  readonly store: DurableStore
  readonly holdings: Holdings
  readonly warnings: string[]
}

async function open(path: string, bytesMax = 100_000_000): Promise<Opened> {
  const holdings = new Holdings()
  const warnings: string[] = []
  const warn = (code: string, text: string): void => {
    warnings.push(`${code}: ${text}`)
  }
  const places = { databases: nodeDatabases, path, clock: nodeClock, networkId }
  const store = await openDurableStore({ ...places, holdings, bytesMax, ageMsMax: 3_600_000, warn })
  return { store, holdings, warnings }
}

/** Runs the child until it has confirmed `confirmations` times, then kills it. The last number that it confirmed. */
async function killed(path: string, epoch: number, confirmations: number): Promise<number> {
  const process: ChildProcess = spawn('node', [child, path, String(epoch)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let confirmed = -1
  let text = ''
  await new Promise<void>((resolve) => {
    process.stdout!.on('data', (chunk: Buffer) => {
      const lines = (text + chunk.toString()).split('\n')
      text = lines.pop()!
      for (const line of lines) {
        confirmed = Number(line)
        if (--confirmations === 0) process.kill('SIGKILL')
      }
    })
    process.on('close', () => resolve())
  })
  assert.equal(process.signalCode, 'SIGKILL')
  return confirmed
}

test('everything that was confirmed outlives a kill at any moment, and nothing else counts as taken', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-kill-'))
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  const path = join(folder, 'store')
  const random = chance(3)
  let lastArrival = 0
  for (let epoch = 1; epoch <= 4; epoch++) {
    const confirmed = await killed(path, epoch, 1 + random.below(120))
    const { store, holdings, warnings } = await open(path)
    assert.deepEqual(warnings, [])
    const [taken] = [...store.taken()].filter((one) => one.epoch === epoch)
    const last = taken?.ranges[1] ?? -1
    assert.ok(last >= confirmed, `confirmed up to ${confirmed}, there up to ${last}`)
    assert.deepEqual(taken?.ranges ?? [], last === -1 ? [] : [0, last])
    assert.deepEqual(holdings.ranges(originKeyOf(1), epoch), taken?.ranges ?? [])
    let first = 0
    for (const { bundle, arrival } of store.scanArrivals(lastArrival, ALL)) {
      assert.deepEqual(bundle.sealed, testBundle({ epoch, first, count: 2, bytes: sizeOf(first) }).sealed)
      assert.equal(arrival, lastArrival + 1 + first / 2)
      first += 2
    }
    assert.equal(first, last + 1)
    const offset = store.readOffset('reader')
    assert.ok(offset === null || offset.arrival <= store.lastArrival)
    lastArrival = store.lastArrival
    await store.close()
  }
})

/** As in the child. */
function sizeOf(first: number): number {
  return first % 34 === 0 ? 20_000 : 100
}

test('a disk that is full stops saving and nothing else, until there is room again', async (context) => {
  const mounted = mkdtempSync(join(tmpdir(), 'meshd-full-'))
  context.after(() => rmSync(mounted, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', mounted], { stdio: 'ignore' })
  } catch {
    return context.skip('mount is not allowed here')
  }
  try {
    const ballast = join(mounted, 'ballast')
    writeFileSync(ballast, new Uint8Array(6_000_000))
    const { store, warnings } = await open(join(mounted, 'store'))
    let failed = false
    let first = 0
    for (; !failed && first < 200; first++) {
      store.put(testBundle({ first, bytes: 100_000, heldSinceMs: nodeClock.nowMs() }), null)
      await store.flushed().catch(() => {
        failed = true
      })
    }
    assert.ok(failed && first > 10)
    assert.match(warnings[0]!, /^store-failing: .*the disk is full/)
    const { lastArrival } = store
    assert.equal(store.scanArrivals(0, ALL).length, lastArrival)
    rmSync(ballast)
    for (let attempt = 0; store.lastArrival < first && attempt < 20; attempt++) await store.flushed().catch(() => {})
    assert.equal(store.lastArrival, first)
    assert.match(warnings[1]!, /^store-recovered/)
    await store.close()
  } finally {
    execFileSync('umount', ['-l', mounted])
  }
})

test('with more than the disk holds, what expires or is given up makes room by itself', async (context) => {
  const mounted = mkdtempSync(join(tmpdir(), 'meshd-small-'))
  context.after(() => rmSync(mounted, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', mounted], { stdio: 'ignore' })
  } catch {
    return context.skip('mount is not allowed here')
  }
  try {
    const { store, warnings } = await open(join(mounted, 'store'), 4_000_000)
    for (let first = 0; first < 400; first++) {
      store.put(testBundle({ first, bytes: 50_000, heldSinceMs: nodeClock.nowMs() }), null)
      if (first % 5 === 0) await store.flushed()
    }
    await store.flushed()
    assert.deepEqual(warnings, [])
    assert.ok(store.counts.bytes <= 4_000_000 && store.counts.bundles > 70)
    await store.close()
  } finally {
    execFileSync('umount', ['-l', mounted])
  }
})

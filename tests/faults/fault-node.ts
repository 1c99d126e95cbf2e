// One node in a process of its own that publishes on order and writes down what it gets, for the fault scripts.
//
// `work` is read by a durable reader. The log file is that reader's own memory: a message whose id stands in it is done,
// also after kill -9, and one that comes a second time is counted and not written again, which is what an idempotent reader
// is. `live` is read by a plain subscription, which measures how long the longest pause between two messages was.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Mesh } from '../../lib/index.ts'

export interface FaultNodeOptions {
  readonly folder: string
  readonly listen: string
  readonly seeds: readonly string[]
}

/** What the driver orders. `perSecond` 0: as fast as it goes. */
export type Order =
  | { order: 'publish'; topic: 'work' | 'live'; from: number; count: number; perSecond: number }
  | { order: 'watch' }
  | { order: 'report' }
  | { order: 'stop' }

/** What a node answers. */
export type Answer =
  | { answer: 'ready'; peer: string }
  | { answer: 'published'; topic: string }
  | { answer: 'warning'; code: string; text: string }
  | { answer: 'report'; report: Report }

export interface Report {
  /** Of `work`, each once. */
  readonly delivered: number
  readonly redelivered: number
  /** Payloads that were not what was published. */
  readonly bad: number
  /** Of `live`, since `watch`. */
  readonly live: number
  readonly liveTwice: number
  readonly livePauseMsMax: number
  /** Bundles that came because they were asked for. */
  readonly repaired: number
  readonly rssBytes: number
}

const PAYLOAD_BYTES = 200

const options = JSON.parse(process.argv[2]!) as FaultNodeOptions
const done = new Set<string>()
let redelivered = 0
let bad = 0
let liveSeen = new Set<string>()
let liveTwice = 0
let livePauseMsMax = 0
let liveAtMs = 0

const logPath = join(options.folder, 'delivered.log')
const log = openSync(logPath, 'a+')
const before = readFileSync(logPath, 'utf8')
for (const id of before.split('\n')) if (id !== '') done.add(id)
// A line that a kill cut short is no line.
if (before !== '' && !before.endsWith('\n')) {
  done.delete(before.slice(before.lastIndexOf('\n') + 1))
  writeSync(log, '\n')
}

const mesh = new Mesh({
  network: { name: 'faults' },
  listen: [options.listen],
  seeds: options.seeds,
  mdns: false,
  dataDir: join(options.folder, 'data'),
  degree: { target: 0 },
  backoff: { maxMs: 1_000 },
})
mesh.on('warning', ({ code, text }) => answer({ answer: 'warning', code, text }))
const work = (message: { data: Uint8Array; id: string }): void => {
  if (message.data.length !== PAYLOAD_BYTES) bad++
  if (done.has(message.id)) {
    redelivered++
    return
  }
  done.add(message.id)
  writeSync(log, `${message.id}\n`)
}
mesh.subscribe('work', work, { durable: 'faults', since: 'stored' })
mesh.subscribe('live', ({ id }) => {
  const nowMs = performance.now()
  if (liveAtMs !== 0) livePauseMsMax = Math.max(livePauseMsMax, nowMs - liveAtMs)
  liveAtMs = nowMs
  if (liveSeen.has(id)) liveTwice++
  liveSeen.add(id)
})

process.on('message', (order: Order) => {
  void obey(order)
})
await mesh.start()
answer({ answer: 'ready', peer: mesh.id })

async function obey(order: Order): Promise<void> {
  switch (order.order) {
    case 'publish':
      await publish(order.topic, order.from, order.count, order.perSecond)
      return answer({ answer: 'published', topic: order.topic })
    case 'watch':
      liveSeen = new Set()
      liveTwice = 0
      livePauseMsMax = 0
      liveAtMs = 0
      return
    case 'report':
      return answer({ answer: 'report', report: report() })
    case 'stop':
      await mesh.stop()
      closeSync(log)
      process.disconnect()
  }
}

async function publish(topic: string, from: number, count: number, perSecond: number): Promise<void> {
  const startMs = performance.now()
  for (let i = 0; i < count; i++) {
    await mesh.publish(topic, new Uint8Array(PAYLOAD_BYTES).fill((from + i) & 0xff))
    if (perSecond > 0) {
      const waitMs = startMs + ((i + 1) * 1_000) / perSecond - performance.now()
      if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    } else if (i % 256 === 255) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

function report(): Report {
  return {
    delivered: done.size,
    redelivered,
    bad,
    live: liveSeen.size,
    liveTwice,
    livePauseMsMax: Math.round(livePauseMsMax),
    repaired: mesh.stats().repair.received,
    rssBytes: process.memoryUsage.rss(),
  }
}

function answer(what: Answer): void {
  process.send?.(what)
}

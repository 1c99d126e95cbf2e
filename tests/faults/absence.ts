// A node that was away: killed while others publish, or stopped in its tracks (SIGSTOP), it must catch up with none lost,
// and the others must not notice. Three nodes on loopback in a line: publisher, middle, and the one that is away at the end;
// a fourth hangs on the middle and watches the live stream.
//
//   node --import tsx tests/faults/absence.ts [messages missed] [seconds stopped]

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { FaultProcess } from './fault-process.ts'

const LIVE_PER_SECOND = 200

export interface AbsenceResult {
  /** Of the node that was away, at the end. */
  readonly lost: number
  readonly redelivered: number
  /** From its start, or its going on, to the last missing message. */
  readonly caughtUpMs: number
  /** Longest pause of the live stream while it caught up: at the node itself, and at one that was there all along. */
  readonly ownPauseMs: number
  readonly otherPauseMs: number
  readonly otherLost: number
}

interface Line {
  readonly publisher: FaultProcess
  readonly away: FaultProcess
  readonly other: FaultProcess
}

/** Off for `missed` messages; comes back while a live stream passes. */
export function runOff(missed: number): Promise<AbsenceResult> {
  return withLine(async ({ publisher, away, other }) => {
    await publisher.publish('work', 0, 100)
    await until(async () => (await away.report()).delivered === 100, 10_000)
    await away.kill()
    await publisher.publish('work', 100, missed)
    const streaming = publisher.publish('live', 0, LIVE_PER_SECOND * 12, LIVE_PER_SECOND)
    await sleep(500)
    const startedMs = performance.now()
    await away.start()
    await until(async () => (await away.report()).live > 0, 10_000)
    away.watch()
    other.watch()
    const caughtUpMs = await until(async () => (await away.report()).delivered === missed + 100, 60_000, startedMs)
    const [own, others] = await Promise.all([away.report(), other.report()])
    await streaming
    await until(async () => (await other.report()).delivered === missed + 100, 10_000)
    const end = await other.report()
    return {
      lost: missed + 100 - own.delivered,
      redelivered: own.redelivered,
      caughtUpMs,
      ownPauseMs: own.livePauseMsMax,
      otherPauseMs: others.livePauseMsMax,
      otherLost: missed + 100 - end.delivered,
    }
  })
}

/** Stopped for so long under `perSecond` messages a second, then continued. */
export function runStopped(seconds: number, perSecond: number): Promise<AbsenceResult> {
  return withLine(async ({ publisher, away, other }) => {
    const count = perSecond * (seconds + 2)
    const working = publisher.publish('work', 0, count, perSecond)
    const streaming = publisher.publish('live', 0, LIVE_PER_SECOND * (seconds + 2), LIVE_PER_SECOND)
    await sleep(1_000)
    other.watch()
    away.signal('SIGSTOP')
    await sleep(seconds * 1_000)
    const { livePauseMsMax } = await other.report()
    away.signal('SIGCONT')
    const startedMs = performance.now()
    await Promise.all([working, streaming])
    const caughtUpMs = await until(async () => (await away.report()).delivered === count, 60_000, startedMs)
    await until(async () => (await other.report()).delivered === count, 10_000)
    const [own, end] = await Promise.all([away.report(), other.report()])
    return {
      lost: count - own.delivered,
      redelivered: own.redelivered,
      caughtUpMs,
      ownPauseMs: own.livePauseMsMax,
      otherPauseMs: livePauseMsMax,
      otherLost: count - end.delivered,
    }
  })
}

async function withLine(run: (line: Line) => Promise<AbsenceResult>): Promise<AbsenceResult> {
  const root = mkdtempSync(join(tmpdir(), 'meshd-absence-'))
  const ports = await freePorts(4)
  const [publisher, middle, away, other] = [null, 0, 1, 1].map((seed, i) => {
    const seeds = seed === null ? [] : [`127.0.0.1:${ports[seed]}`]
    return new FaultProcess({ folder: mkdtempSync(join(root, `${i}-`)), listen: `127.0.0.1:${ports[i]}`, seeds })
  }) as [FaultProcess, FaultProcess, FaultProcess, FaultProcess]
  const all = [publisher, middle, away, other]
  try {
    for (const node of all) await node.start()
    await sleep(500)
    return await run({ publisher, away, other })
  } finally {
    await Promise.all(all.map((node) => node.stop().catch(() => node.kill())))
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** Milliseconds since `startedMs` until it was so, or until time was up. */
async function until(isSo: () => Promise<boolean>, msMax: number, startedMs = performance.now()): Promise<number> {
  while (performance.now() - startedMs < msMax && !(await isSo())) await sleep(50)
  return Math.round(performance.now() - startedMs)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [missed = 20_000, seconds = 20] = process.argv.slice(2).map(Number)
  console.log(`off for ${missed} messages:`, JSON.stringify(await runOff(missed)))
  console.log(
    `stopped for ${seconds} s under 5,000 messages a second:`,
    JSON.stringify(await runStopped(seconds, 5_000)),
  )
}

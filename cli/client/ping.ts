// `meshd ping`: how far a node is, in links and in time, neighbour or not. docs/cli.md, "meshd ping".

import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '../../lib/errors.ts'
import { shortId } from '../../lib/identity/peer-id.ts'
import { codeOf, EXIT, exitCodeOf } from '../failures.ts'
import { jsonLine } from '../json-events.ts'
import { printable } from '../printable.ts'
import { StopSignals } from '../signals.ts'
import { milliseconds } from './amounts.ts'
import { ApiFailure } from './node-client.ts'
import type { CommandContext } from './perform.ts'

const COUNT = 4
const INTERVAL_MS = 1_000
const TIMEOUT_MS = 10_000
const SLACK_MS = 5_000

interface Pong {
  readonly peer: string
  readonly timeMs: number
  readonly hops: number
}

/** 0 when at least one was answered. What another one fails with after that is told, and is no failure of the whole. */
export async function ping(context: CommandContext, intervalMs: number = INTERVAL_MS): Promise<number> {
  const { settings, words, host } = context
  const stopping = new AbortController()
  const signals = new StopSignals({
    signals: host.signals,
    stop: () => stopping.abort(),
    exit: (code) => host.exit(code),
  })
  const times: number[] = []
  let [sent, exitCode] = [0, EXIT.failed as number]
  try {
    const count = settings.count ?? COUNT
    while (sent < count && !stopping.signal.aborted) {
      const startMs = host.nowMs()
      sent++
      try {
        const pong = await one(context, words[0]!)
        times.push(pong.timeMs)
        host.stdout.write(settings.json ? jsonLine({ event: 'pong', ...pong }) : `${pongText(pong, words[0]!)}\n`)
      } catch (error) {
        // What the node answers may be otherwise with the next one; that nobody is meant will not.
        if (!(error instanceof ApiFailure) || ['unknown-peer', 'ambiguous-peer', 'bad-argument'].includes(error.code))
          throw error
        exitCode = exitCodeOf(error)
        const [code, text] = [codeOf(error), printable(reasonOf(error))]
        host.stdout.write(settings.json ? jsonLine({ event: 'no-pong', code, text }) : `no answer: ${text}\n`)
      }
      const waitMs = intervalMs - (host.nowMs() - startMs)
      if (sent < count && waitMs > 0) await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  } finally {
    signals.release()
  }
  const sum = sumOf(times, sent)
  host.stdout.write(settings.json ? jsonLine({ event: 'pinged', ...sum }) : `${sumText(sum)}\n`)
  return times.length > 0 ? EXIT.done : exitCode
}

async function one({ client, settings }: CommandContext, peer: string): Promise<Pong> {
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS
  return (await client.post('/v1/ping', { peer, timeoutMs }, timeoutMs + SLACK_MS)) as unknown as Pong
}

function pongText({ peer, timeMs, hops }: Pong, given: string): string {
  const who = peer.includes(given) ? shortId(peer) : `${printable(given)} (${shortId(peer)})`
  return `answer from ${who}: ${hops} ${hops === 1 ? 'link' : 'links'}, ${milliseconds(timeMs)}`
}

interface PingSum {
  readonly sent: number
  readonly answered: number
  /** Null when none was answered. */
  readonly leastMs: number | null
  readonly meanMs: number | null
  readonly mostMs: number | null
}

function sumOf(times: readonly number[], sent: number): PingSum {
  const answered = times.length
  if (answered === 0) return { sent, answered, leastMs: null, meanMs: null, mostMs: null }
  const meanMs = times.reduce((sum, ms) => sum + ms, 0) / answered
  return { sent, answered, leastMs: Math.min(...times), meanMs, mostMs: Math.max(...times) }
}

function sumText({ sent, answered, leastMs, meanMs, mostMs }: PingSum): string {
  const times =
    leastMs === null
      ? ''
      : `; ${milliseconds(leastMs)} to ${milliseconds(mostMs!)}, ${milliseconds(meanMs!)} on average`
  return `${answered} of ${sent} answered${times}`
}

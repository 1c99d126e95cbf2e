// One process with one node, or with many that only dial; crew.ts tells it over IPC what to do. Each order is answered once
// with what it returns.

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { BenchPeer, PeerSetting } from './peer.ts'
import { RawFlood } from './raw-flood.ts'
import { type Counted, makePayload, monotonicMs, type Stream, Tally } from './tally.ts'

export interface Usage {
  /** User and system time since `mark`. */
  readonly cpuMs: number
  /** The most since the process began. */
  readonly rssBytesMax: number
}

export interface Memory {
  readonly rssBytes: number
  /** JavaScript's heap and what it holds outside. */
  readonly heapBytes: number
}

/** What may be ordered, with its answer. Times are milliseconds. */
export interface Orders {
  /** Makes `nodes` nodes by the module at `path`; answers the address of the first. */
  open(path: string, setting: PeerSetting, nodes: number): Promise<string>
  /** The first node counts what comes from now on. */
  expect(own: number, streams: readonly Stream[]): Promise<void>
  dial(address: string): Promise<void>
  hangUp(): Promise<void>
  links(): Promise<number>
  /** Those of its nodes from `first` to before `end` dial, one after the other. */
  dialAll(address: string, first: number, end: number): Promise<void>
  /** The first node dials and hangs up, again and again. */
  dialTimes(address: string, count: number): Promise<void>
  /** Publishes what this node is to publish, its warm-up or all the rest; answers when it began, by the shared clock. */
  publish(part: 'warm-up' | 'rest'): Promise<number>
  /** By the shared clock. */
  now(): Promise<number>
  settled(part: 'warm-up' | 'all', stalledMs: number, limitMs: number): Promise<void>
  counted(): Promise<Counted>
  mark(): Promise<void>
  usage(): Promise<Usage>
  memory(): Promise<Memory>
}

export interface Order {
  readonly number: number
  readonly name: keyof Orders
  readonly given: readonly unknown[]
}

/** A publisher lets the event loop turn this often; some promises would otherwise never let the sockets run. */
const MESSAGES_A_TURN = 64
const BYTES_A_TURN = 1_048_576

const peers: BenchPeer[] = []
let tally: Tally
let own = 0
let streams: readonly Stream[] = []
let usageBefore = process.cpuUsage()

async function publishStream(number: number, stream: Stream, part: 'warm-up' | 'rest'): Promise<void> {
  const [first, end] = part === 'warm-up' ? [0, stream.warmUp] : [stream.warmUp, stream.warmUp + stream.count]
  const perTurn = Math.max(1, Math.min(MESSAGES_A_TURN, Math.floor(BYTES_A_TURN / stream.payloadBytes)))
  const startMs = monotonicMs()
  for (let sequence = first; sequence < end; sequence++) {
    if (stream.perSecond !== null) {
      const earlyMs = startMs + ((sequence - first) * 1_000) / stream.perSecond - monotonicMs()
      if (earlyMs > 0) await sleep(earlyMs)
    } else if (sequence % perTurn === 0) await turn()
    await peers[0]!.publish(makePayload(number, sequence, stream.payloadBytes))
  }
}

const orders: Orders = {
  async open(path, setting, nodes) {
    const module = (await import(pathToFileURL(path).href)) as {
      open(setting: PeerSetting, tools: object): Promise<BenchPeer>
    }
    for (let i = 0; i < nodes; i++) peers.push(await module.open(setting, { RawFlood }))
    return peers[0]!.address
  },
  async expect(given, plan) {
    own = given
    streams = plan
    tally = new Tally(plan)
    await peers[0]!.receive((payload) => tally.take(payload))
  },
  dial: (address) => peers[0]!.dial(address),
  hangUp: () => peers[0]!.hangUp(),
  links: async () => peers[0]!.links(),
  async dialAll(address, first, end) {
    for (const peer of peers.slice(first, end)) {
      await peer.receive(() => undefined)
      await peer.dial(address)
    }
  },
  async dialTimes(address, count) {
    for (let i = 0; i < count; i++) {
      await peers[0]!.dial(address)
      await peers[0]!.hangUp()
    }
  },
  async publish(part) {
    const startMs = monotonicMs()
    await Promise.all(
      streams.map((stream, number) => (stream.publisher === own ? publishStream(number, stream, part) : undefined)),
    )
    return startMs
  },
  now: async () => monotonicMs(),
  settled: (part, stalledMs, limitMs) => tally.settled(own, part, stalledMs, limitMs),
  counted: async () => tally.counted,
  async mark() {
    usageBefore = process.cpuUsage()
  },
  async usage() {
    const { user, system } = process.cpuUsage(usageBefore)
    return { cpuMs: (user + system) / 1000, rssBytesMax: process.resourceUsage().maxRSS * 1024 }
  },
  async memory() {
    for (let i = 0; i < 4; i++) {
      globalThis.gc!()
      await sleep(50)
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rssBytes: rss, heapBytes: heapUsed + external }
  },
}

process.on('message', ({ number, name, given }: Order) => {
  const order = orders[name] as (...given: readonly unknown[]) => Promise<unknown>
  order(...given).then(
    (answer) => process.send!({ number, answer }),
    (error: Error) => process.send!({ number, error: error.stack }),
  )
})
// Whoever gave the orders is gone.
process.on('disconnect', () => process.exit())

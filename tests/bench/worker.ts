// One node in a process of its own, told by run.ts over IPC what to do. Each order is answered once with what it returns.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { meshdPeer } from './meshd-peer.ts'
import type { BenchPeer, PeerKind } from './peer.ts'
import { rawPeer } from './raw-peer.ts'

/** User and system time of this process since `mark`, and the most memory that it had. */
export interface Usage {
  readonly cpuMs: number
  readonly rssBytesMax: number
}

export interface Received {
  readonly count: number
  /** Since the last one came: time that was only spent waiting for more. */
  readonly idleMs: number
}

/** What run.ts may order, with its answer. Times are milliseconds. */
export interface Orders {
  open(kind: PeerKind, listens: boolean): Promise<string>
  dial(address: string): Promise<void>
  /** Counts what comes from now on. */
  expect(expected: number, payloadBytes: number): Promise<void>
  /** Answers once all that is expected has come, or nothing has for a while. */
  received(): Promise<Received>
  publish(count: number, payloadBytes: number): Promise<void>
  /** Dials and hangs up, one after the other. */
  dialTimes(address: string, count: number): Promise<void>
  mark(): Promise<void>
  usage(): Promise<Usage>
  close(): Promise<void>
}

export interface Order {
  readonly number: number
  readonly name: keyof Orders
  readonly given: readonly unknown[]
}

/** Publishers let the event loop turn this often; some promises would otherwise never let the sockets run. */
const MESSAGES_PER_TURN = 64
const STALLED_MS = 3_000

let peer: BenchPeer
let usageBefore = process.cpuUsage()
let count = 0
let arrived: Promise<Received> = Promise.resolve({ count: 0, idleMs: 0 })

const orders: Orders = {
  async open(kind, listens) {
    peer = await (kind === 'meshd' ? meshdPeer(listens) : rawPeer(listens))
    return peer.address
  },
  dial: (address) => peer.dial(address),
  async expect(expected, payloadBytes) {
    count = 0
    arrived = new Promise((resolve) => {
      let before = -1
      let lastMs = performance.now()
      const watch = setInterval(() => {
        if (count === before) done()
        before = count
      }, STALLED_MS)
      const done = (): void => {
        clearInterval(watch)
        resolve({ count, idleMs: performance.now() - lastMs })
      }
      peer.receive((payload) => {
        if (payload.length !== payloadBytes) throw new Error(`a payload of ${payload.length} bytes`)
        lastMs = performance.now()
        if (++count === expected) done()
      })
    })
  },
  received: () => arrived,
  async publish(total, payloadBytes) {
    for (let i = 1; i <= total; i++) {
      // A new payload each time, as a program has.
      const payload = Buffer.allocUnsafe(payloadBytes)
      payload.writeUInt32LE(i, 0)
      await peer.publish(payload)
      if (i % MESSAGES_PER_TURN === 0) await nextTurn()
    }
  },
  async dialTimes(address, total) {
    for (let i = 0; i < total; i++) {
      await peer.dial(address)
      await peer.hangUp()
    }
  },
  async mark() {
    usageBefore = process.cpuUsage()
  },
  async usage() {
    const { user, system } = process.cpuUsage(usageBefore)
    return { cpuMs: (user + system) / 1000, rssBytesMax: process.resourceUsage().maxRSS * 1024 }
  },
  async close() {
    await peer.close()
    process.disconnect()
  },
}

process.on('message', ({ number, name, given }: Order) => {
  const order = orders[name] as (...given: readonly unknown[]) => Promise<unknown>
  order(...given).then(
    (answer) => process.send!({ number, answer }),
    (error: Error) => process.send!({ number, error: error.stack }),
  )
})

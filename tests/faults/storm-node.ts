// One process of the storm (storm.ts): it holds some nodes, does what the driver orders, and writes down what became of it.
//
// The hub publishes at a steady pace, the listeners note how long each of its messages took, and the newcomers dial the hub all
// in one instant.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { Mesh } from '../../lib/index.ts'
import type { MeshOptions } from '../../lib/options.ts'
import { BareNode } from './bare-link.ts'

export const STORM_TOPIC = 'storm'

/** What the driver orders. */
export type StormOrder =
  | { order: 'start'; nodes: number; options: MeshOptions }
  /** Newcomers without nodes behind them: bare-link.ts. */
  | { order: 'start-bare'; nodes: number; network: string }
  | { order: 'connect'; address: string }
  | { order: 'listen' }
  | { order: 'publish'; count: number; perSecond: number }
  | { order: 'report' }
  | { order: 'stop' }

export type StormAnswer =
  | { answer: 'started'; addresses: readonly string[] }
  /** How long those that have a link took, and why tries failed. */
  | { answer: 'connected'; tookMs: readonly number[]; failures: readonly string[] }
  | { answer: 'published' }
  | { answer: 'report'; report: StormReport }

export interface StormReport {
  readonly neighbours: number
  /** Per node of this process: how long each message of the hub took, by its number. */
  readonly delays: readonly (readonly (readonly [number: number, ms: number])[])[]
  /** The longest time for which this process did not come round to anything else, since it began to publish. */
  readonly longestTurnMs: number
  readonly warnings: readonly string[]
}

/** Whoever is not in by then is counted as left out. */
const CONNECT_MS_MAX = 30_000
/** After a try that failed. */
const RETRY_MS = 500

const meshes: Mesh[] = []
const bare: BareNode[] = []
const delays: [number, number][][] = []
const warnings: string[] = []
const turns = monitorEventLoopDelay({ resolution: 1 })

process.on('message', (order: StormOrder) => {
  void obey(order)
})

async function obey(order: StormOrder): Promise<void> {
  switch (order.order) {
    case 'start':
      for (let i = 0; i < order.nodes; i++) {
        const mesh = new Mesh(order.options)
        mesh.on('warning', ({ code, text }) => warnings.push(`${code}: ${text}`))
        await mesh.start()
        meshes.push(mesh)
      }
      return answer({ answer: 'started', addresses: meshes.flatMap((mesh) => mesh.addresses.slice(0, 1)) })
    case 'start-bare':
      for (let i = 0; i < order.nodes; i++) bare.push(new BareNode(order.network))
      return answer({ answer: 'started', addresses: [] })
    case 'connect':
      return answer(await connect(order.address))
    case 'listen':
      for (const mesh of meshes) listen(mesh)
      return
    case 'publish':
      turns.enable()
      await publish(order.count, order.perSecond)
      return answer({ answer: 'published' })
    case 'report': {
      const open = meshes.map((mesh) => mesh.neighbours().filter(({ state }) => state === 'open').length)
      const neighbours = open.reduce((sum, count) => sum + count, 0) + bare.filter(({ isOpen }) => isOpen).length
      return answer({ answer: 'report', report: { neighbours, delays, longestTurnMs: turns.max / 1e6, warnings } })
    }
    case 'stop':
      for (const node of bare) node.close()
      await Promise.all(meshes.map((mesh) => mesh.stop()))
      process.disconnect()
  }
}

async function connect(address: string): Promise<StormAnswer & { answer: 'connected' }> {
  const failures: string[] = []
  const startMs = performance.now()
  const tookMs: number[] = []
  const dial = async (once: () => Promise<unknown>): Promise<void> => {
    for (;;) {
      try {
        await once()
        tookMs.push(performance.now() - startMs)
        return
      } catch (error) {
        failures.push((error as Error).message)
      }
      await setTimeout(RETRY_MS)
    }
  }
  const dials = [
    ...meshes.map((mesh) => dial(() => mesh.connect(address))),
    ...bare.map((node) => dial(() => node.connect(address))),
  ]
  const gaveUp = setTimeout(CONNECT_MS_MAX, undefined, { ref: false })
  await Promise.race([Promise.all(dials), gaveUp])
  return { answer: 'connected', tookMs, failures }
}

function listen(mesh: Mesh): void {
  const own: [number, number][] = []
  delays.push(own)
  mesh.subscribe(STORM_TOPIC, ({ data }) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    own.push([view.getUint32(0), timeMs() - view.getFloat64(4)])
  })
}

async function publish(count: number, perSecond: number): Promise<void> {
  const startMs = performance.now()
  for (let number = 0; number < count; number++) {
    const waitMs = startMs + (number * 1_000) / perSecond - performance.now()
    if (waitMs > 0) await setTimeout(waitMs)
    const data = new Uint8Array(200)
    const view = new DataView(data.buffer)
    view.setUint32(0, number)
    view.setFloat64(4, timeMs())
    await meshes[0]!.publish(STORM_TOPIC, data)
  }
}

/** The same clock in every process of a machine. */
function timeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function answer(what: StormAnswer): void {
  process.send?.(what)
}

// The two stores in virtual time, opened the same way, for tests that both must pass.

import type { Bundle } from '../../lib/flood/bundle.ts'
import type { BundleStore } from '../../lib/flood/bundle-store.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { openDurableStore } from '../../lib/store/open-durable.ts'
import { NodeClock, VirtualTime } from '../virtual/clock.ts'
import { MemoryDisk } from '../virtual/database.ts'
import { type BundleGiven, testBundle } from './bundles.ts'

export const NETWORK_ID: Uint8Array = new Uint8Array(32).fill(9)

export interface Bounds {
  bytesMax: number
  ageMsMax: number
}

export interface OpenedStore {
  readonly store: BundleStore
  readonly holdings: Holdings
  readonly clock: NodeClock
  readonly time: VirtualTime
  readonly disk: MemoryDisk
  /** `<code>: <text>` of each warning. */
  readonly warnings: string[]
  /** Puts one that comes now. */
  put(given?: Partial<BundleGiven>): Bundle
  /** Puts one that comes now, and waits until it can be scanned. */
  kept(given?: Partial<BundleGiven>): Promise<Bundle>
  /** Lets time go by. */
  pass(forMs: number): Promise<void>
}

export type StoreKind = 'memory' | 'durable'
export const STORE_KINDS: readonly StoreKind[] = ['memory', 'durable']
export const PATH = '/data/store'

export interface OpenParts {
  time?: VirtualTime
  clock?: NodeClock
  disk?: MemoryDisk
  networkId?: Uint8Array
}

export async function openStore(
  kind: StoreKind,
  given: Partial<Bounds> = {},
  parts: OpenParts = {},
): Promise<OpenedStore> {
  const time = parts.time ?? new VirtualTime()
  const clock = parts.clock ?? new NodeClock(time)
  const disk = parts.disk ?? new MemoryDisk()
  const holdings = new Holdings()
  const bounds: Bounds = { bytesMax: 10_000_000, ageMsMax: 600_000, ...given }
  const warnings: string[] = []
  const warn = (code: string, text: string): void => {
    warnings.push(`${code}: ${text}`)
  }
  const networkId = parts.networkId ?? NETWORK_ID
  const places = { databases: disk.of(clock), path: PATH, networkId, warn }
  const opening = kind === 'memory' ? null : openDurableStore({ ...places, clock, holdings, ...bounds })
  const store = opening === null ? new MemoryStore({ clock, holdings, ...bounds }) : await time.of(opening)
  const put = (bundle: Partial<BundleGiven> = {}): Bundle => {
    const made = testBundle({ heldSinceMs: clock.nowMs(), ...bundle })
    store.put(made, null)
    return made
  }
  return {
    store,
    holdings,
    clock,
    time,
    disk,
    warnings,
    put,
    kept: async (bundle) => {
      const made = put(bundle)
      await time.of(store.flushed())
      await time.settle()
      return made
    },
    pass: (forMs) => time.run(forMs),
  }
}

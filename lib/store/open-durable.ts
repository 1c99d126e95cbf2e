// Opens the store on disk: its state and what it holds are read, bundles are not. However much is stored, the event loop has
// its turns meanwhile.

import { bytesKey } from '../bytes.ts'
import type { Holdings } from '../flood/holdings.ts'
import type { Clock, Database, Databases } from '../io/world.ts'
import { DurableStore } from './durable-store.ts'
import { prefixRange, readNumber, STATE_KEY, Table } from './keys.ts'
import { EMPTY_STATE, readRanges, readState } from './layout.ts'
import { StoreTime } from './store-time.ts'

/** Ranges read before others get their turn: a few milliseconds. */
const RANGES_PER_TURN = 4_096

export interface DurableStoreOptions {
  readonly databases: Databases
  /** The database's folder. */
  readonly path: string
  readonly clock: Clock
  readonly networkId: Uint8Array
  /** Empty at first; only this store writes to it. */
  readonly holdings: Holdings
  /** Bytes of ordinary bundles, as `bundleBytes` counts them; 0 keeps none. */
  readonly bytesMax: number
  readonly ageMsMax: number
  /** Codes: `store-damaged`, `store-failing`, `store-recovered`. */
  readonly warn: (code: string, text: string) => void
}

/**
 * What was kept in `path` by the runs before, or an empty store. One that is damaged, of another format or of another network
 * is moved aside, with a warning. Rejects with MeshError `data-folder`.
 */
export async function openDurableStore(options: DurableStoreOptions): Promise<DurableStore> {
  const { databases, path, clock, networkId, holdings, bytesMax, ageMsMax, warn } = options
  const { database, setAside } = await databases.open(path, (found) => isOurs(found, networkId))
  if (setAside !== null) {
    warn(
      'store-damaged',
      `what was kept in ${path} is damaged, or of another network or version; it is now ${setAside}`,
    )
  }
  try {
    const found = database.get(STATE_KEY)
    const state = found === null ? null : readState(found, networkId)
    await readHoldings(database, holdings, clock)
    const time = new StoreTime(clock, state)
    const parts = { database, path, clock, time, networkId, holdings, bytesMax, ageMsMax, warn }
    return new DurableStore({ ...parts, state: state ?? EMPTY_STATE })
  } catch (error) {
    await database.close()
    throw error
  }
}

function isOurs(database: Database, networkId: Uint8Array): boolean {
  const state = database.get(STATE_KEY)
  if (state !== null) return readState(state, networkId) !== null
  for (const _entry of database.range(Uint8Array.of(0), Uint8Array.of(255))) return false
  return true
}

async function readHoldings(database: Database, holdings: Holdings, clock: Clock): Promise<void> {
  // Leaves first: they lie below, and numbers cost least in their order.
  for (const table of [Table.heldLeaf, Table.held]) await readHeld(database, table, holdings, clock)
}

async function readHeld(database: Database, table: Table, holdings: Holdings, clock: Clock): Promise<void> {
  const [from, to] = prefixRange(table, new Uint8Array(0))
  let next: Uint8Array | null = from
  while (next !== null) {
    let ranges = 0
    const begin: Uint8Array = next
    next = null
    for (const { key, value } of database.range(begin, to)) {
      const held = readRanges(value)?.ranges ?? []
      const originKey = bytesKey(key.subarray(1, 33))
      const epoch = readNumber(key, 33)
      for (let i = 0; i < held.length; i += 2) holdings.add(originKey, epoch, held[i]!, held[i + 1]!)
      ranges += 1 + held.length / 2
      if (ranges < RANGES_PER_TURN) continue
      next = new Uint8Array([...key, 0])
      break
    }
    if (next !== null) await new Promise<void>((resolve) => clock.endOfTurn(resolve))
  }
}

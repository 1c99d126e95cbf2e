// Chance as this machine gives it. Not a place for keys derived from anything: it only yields fresh bytes.
// Part of the door to the world (docs/protocol.md has no section for it).

import { randomFillSync } from 'node:crypto'
import type { Random } from './world.ts'

/** Fresh bytes for the next short requests: asking the system for 4,096 costs little more than asking for 32. */
const pool = new Uint8Array(4_096)
const POOLED_BYTES_MAX = 64
let poolAt = pool.length

/** The operating system's generator for bytes, the engine's quick one for jitter and choice. */
export const nodeRandom: Random = {
  bytes(length: number): Uint8Array {
    if (length > POOLED_BYTES_MAX) return randomFillSync(new Uint8Array(length))
    if (poolAt + length > pool.length) {
      randomFillSync(pool)
      poolAt = 0
    }
    const bytes = pool.slice(poolAt, poolAt + length)
    // What is a key from now on is in one place only.
    pool.fill(0, poolAt, poolAt + length)
    poolAt += length
    return bytes
  },

  fraction(): number {
    return Math.random()
  },
}

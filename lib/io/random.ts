// Chance as this machine gives it. Not a place for keys derived from anything: it only yields fresh bytes.
// Part of the door to the world (docs/protocol.md has no section for it).

import { randomFillSync } from 'node:crypto'
import type { Random } from './world.ts'

/** The operating system's generator for bytes, the engine's quick one for jitter and choice. */
export const nodeRandom: Random = {
  bytes(length: number): Uint8Array {
    return randomFillSync(new Uint8Array(length))
  },

  fraction(): number {
    return Math.random()
  },
}

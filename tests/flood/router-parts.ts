// What a router needs beside what a test is about: nothing is kept, nothing was asked for, nobody claims or checks anything.

import { Checks } from '../../lib/flood/checks.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { LinkTrees } from '../../lib/flood/link-trees.ts'
import type { FloodLink, RouterOptions } from '../../lib/flood/router.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { Validation } from '../../lib/flood/validation.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { FakeClock } from '../link/fake-clock.ts'

export const AGE_MS_MAX = 600_000

export function routerParts(
  ageMsMax: number = AGE_MS_MAX,
): Pick<RouterOptions, 'seen' | 'store' | 'repair' | 'arrivals' | 'validation' | 'ageMsMax' | 'unixMs'> {
  return {
    seen: new Seen(),
    store: new MemoryStore({ clock: new FakeClock(), holdings: new Holdings(), bytesMax: 0, ageMsMax }),
    repair: { bundleCame: () => false, cameByItself: () => false, holds: () => false },
    arrivals: { newCame: () => false, duplicateCame: () => {} },
    validation: new Validation({
      checks: new Checks(() => {}),
      nowMs: () => 0,
      decided: () => {},
      rejected: () => {},
    }),
    ageMsMax,
    unixMs: () => 0,
  }
}

/** Of a link on which everything is eager. */
export function eagerParts(key: string): Pick<FloodLink, 'trees' | 'isLazy' | 'announce'> {
  return {
    trees: new LinkTrees(key, false),
    isLazy: () => false,
    announce: () => {
      throw new Error('nothing is announced on this link')
    },
  }
}

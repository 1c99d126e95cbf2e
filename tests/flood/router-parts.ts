// What a router needs beside what a test is about: nothing is kept, nothing was asked for, nobody claims or checks anything.

import { Checks } from '../../lib/flood/checks.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import type { RouterOptions } from '../../lib/flood/router.ts'
import { Seen } from '../../lib/flood/seen.ts'
import { Validation } from '../../lib/flood/validation.ts'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { FakeClock } from '../link/fake-clock.ts'

export const AGE_MS_MAX = 600_000

export function routerParts(
  ageMsMax: number = AGE_MS_MAX,
): Pick<RouterOptions, 'seen' | 'store' | 'repair' | 'validation' | 'ageMsMax'> {
  return {
    seen: new Seen(),
    store: new MemoryStore({ clock: new FakeClock(), holdings: new Holdings(), bytesMax: 0, ageMsMax }),
    repair: { bundleCame: () => false, holds: () => false },
    validation: new Validation({
      checks: new Checks(() => {}),
      nowMs: () => 0,
      decided: () => {},
      rejected: () => {},
    }),
    ageMsMax,
  }
}

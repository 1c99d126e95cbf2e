// Whether this node offers lazy links, and how it says so in the handshake. docs/protocol.md, "Payloads", "Lazy links".

import { LAZY_STORE_AGE_MS_MIN, LAZY_STORE_BYTES_MIN } from '../limits.ts'
import type { ResolvedOptions } from '../options.ts'

/** The name of the feature. */
export const LAZY_LINKS = 'lazy-links'

/** What is announced must still be there when it is asked for: a node that hardly keeps anything has every link eager. */
export function offersLazyLinks({ flood, store }: Pick<ResolvedOptions, 'flood' | 'store'>): boolean {
  return flood === 'adaptive' && store.bytesMax >= LAZY_STORE_BYTES_MIN && store.ageMsMax >= LAZY_STORE_AGE_MS_MIN
}

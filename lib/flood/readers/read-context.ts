// What a reader needs of the node that it is part of. No code.

import type { Clock } from '../../io/world.ts'
import type { MeshEvents } from '../../types.ts'
import type { BundleStore } from '../bundle-store.ts'
import type { Seen } from '../seen.ts'

/** What there is to read, between `start` and `stop`. */
export interface ReadContext {
  readonly store: BundleStore
  readonly seen: Pick<Seen, 'look' | 'taken'>
  /** `Bundle.originKey` of this node: a node does not hear itself. */
  readonly ownOriginKey: string
  readonly clock: Clock
}

/** Who a reader tells what. */
export interface ReaderNotices {
  /** What all readers have handed out so far; each adds its own. */
  readonly delivered: { messages: number; bytes: number }
  warn(code: string, text: string): void
  gap(gap: MeshEvents['gap'][0]): void
}

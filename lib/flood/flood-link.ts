// An open link as the router sees it: a place to put bundles. bundle-queue.ts is the one that exists; it has no code here.
// docs/protocol.md, "Flood".

import type { Bundle } from './bundle.ts'
import type { LinkTrees } from './link-trees.ts'
import type { Offer } from './publisher.ts'

/** What the router needs of an open link. */
export interface FloodLink {
  /** Key of the neighbour's identity. */
  readonly key: string
  /** Bytes of bundles that wait in its queue. */
  readonly bundleBytes: number
  /** It has dropped bundles, and drops more, until its queue is empty. */
  readonly isStalled: boolean
  /** Queues a bundle, or tells that it was dropped. */
  offer(bundle: Bundle): Offer
  /** Bundles that wait for the end of this turn leave now. */
  sendNow(): void
  /** The neighbour does not want bundles of this tree unasked. */
  isLazy(tree: number): boolean
  /** In place of `offer` where it is lazy: counts. Repair tells the neighbour. */
  announce(): Offer
  /** What `offer`, or `announce`, would say now of a bundle of this tree. */
  foresee(tree: number): Offer
  readonly trees: LinkTrees
  /** The neighbour has this bundle: takes the copy that still waits for it out of the queue. */
  withdraw(bundleKey: string): void
}

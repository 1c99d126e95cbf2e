// Which trees one link carries unasked, in each direction. A tree is the way that bundles of an origin take from node to node;
// its number is the first two bytes of the origin's public key, so that what is remembered has a bound whatever origins there
// are. Plain state: what changes it is decided in trees.ts. docs/protocol.md, "Lazy links".

import { LAZY_TREES_MAX } from '../limits.ts'

/** For so long what was held back while a tree was lazy may still have to be announced after it no longer is. */
const AFTERMATH_MS = 1_000

/** The tree of an origin, 0 to 65,535. `originKey` as in Bundle. */
export function treeOf(originKey: string): number {
  return (originKey.charCodeAt(0) << 8) | originKey.charCodeAt(1)
}

export class LinkTrees {
  /** Key of the neighbour's identity. */
  readonly key: string
  /** Both ends offer lazy links. Without that nothing here ever changes. */
  readonly isAble: boolean
  /** The link is gone, or another connection has taken over. */
  isOver = false
  /** What the neighbour does not want unasked. */
  readonly #lazy = new Set<number>()
  /** What this node does not want unasked, and when it said so last. */
  readonly #declined = new Map<number, number>()
  #aftermathMs: number | null = null

  constructor(key: string, isAble: boolean) {
    this.key = key
    this.isAble = isAble
  }

  /** Bundles of this tree are not sent to this neighbour by themselves, only told of. */
  isLazy(tree: number): boolean {
    return this.#lazy.has(tree)
  }

  /** Trees that are lazy on the way to this neighbour. */
  get lazyCount(): number {
    return this.#lazy.size
  }

  /** Whether additions of this tree must be told of soon: it is lazy, or something was until a moment ago. */
  isAnnounced(tree: number, nowMs: number): boolean {
    if (this.#aftermathMs !== null && nowMs >= this.#aftermathMs) this.#aftermathMs = null
    return this.#aftermathMs !== null || this.#lazy.has(tree)
  }

  /** Whether `isAnnounced` may hold for any tree. */
  get isAnnouncing(): boolean {
    return this.#lazy.size > 0 || this.#aftermathMs !== null
  }

  /** False when it was lazy before, or when there is no room: then it stays as it is, and the neighbour gets its copies. */
  makeLazy(tree: number): boolean {
    if (this.#lazy.has(tree) || this.#lazy.size >= LAZY_TREES_MAX) return false
    this.#lazy.add(tree)
    return true
  }

  /** False when it was not lazy. */
  makeEager(tree: number, nowMs: number): boolean {
    if (!this.#lazy.delete(tree)) return false
    this.#aftermathMs = nowMs + AFTERMATH_MS
    return true
  }

  /** When this node last said that it does not want this tree unasked; null: it does. */
  declinedMs(tree: number): number | null {
    return this.#declined.get(tree) ?? null
  }

  /** False when there is no room. */
  decline(tree: number, nowMs: number): boolean {
    if (!this.#declined.has(tree) && this.#declined.size >= LAZY_TREES_MAX) return false
    this.#declined.set(tree, nowMs)
    return true
  }

  /** False when it was not declined. */
  accept(tree: number): boolean {
    return this.#declined.delete(tree)
  }
}

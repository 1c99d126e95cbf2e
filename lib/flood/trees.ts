// Over which links this node lets bundles come unasked, so that each comes once. It looks at what comes: a link that brings
// copies of what another link brings first is asked to bring no more of that origin, and asked to bring it again when that
// other link is lost or falls silent. Each node decides about its own links alone, so that nobody else can cut it off. No
// timers, no bundles: frames and times come in. docs/protocol.md, "Lazy links".

import { ORIGINS_MAX } from '../limits.ts'
import type { Bundle } from './bundle.ts'
import type { Overdue } from './claim-wait.ts'
import { LinkTrees, treeOf } from './link-trees.ts'
import type { Mode, ModeFrame } from './mode-frame.ts'

/** What a neighbour sent before it read that it should not: for so long it means nothing. */
export const UNDER_WAY_MS = 1_000
/** A source that has brought nothing for so long may be silent, or slow; after UNDER_WAY_MS it is silent. */
export const SILENT_MS = 80
/** A copy that comes this little later over fewer links came the better way: chance made the other one faster. */
export const FEWER_HOPS_MS = 5
/** After so many bundles of an origin, and so long, all links may bring them again: the fastest of them may be another now. */
export const RENEW_BUNDLES = 64
export const RENEW_MS = 30_000

export interface TreesOptions {
  /** `Bundle.originKey` of this node. */
  readonly ownOriginKey: string
  /** Tells a neighbour what this node wants of it. In any number of frames. */
  tell(linkKey: string, mode: Mode, trees: readonly number[]): void
  /** A neighbour does not want this tree unasked any more. */
  turnedLazy(linkKey: string, tree: number, nowMs: number): void
  /** Origins remembered; for tests. */
  readonly originsMax?: number
}

export interface TreesCounters {
  /** Times that a tree was declined on a link of this node, by this node. */
  declined: number
  /** Times that this node asked for one again. */
  grafts: number
}

/** What trees look at in a bundle. */
export type Seal = Pick<Bundle, 'originKey' | 'epoch' | 'first' | 'hops'>

/** Where an origin's news comes from. */
interface Source {
  readonly originKey: string
  readonly tree: number
  /** The link that brought the last new bundle unasked. */
  link: LinkTrees
  /** Of that bundle. */
  epoch: number
  first: number
  hops: number
  newsMs: number
  /** `newsMs` when bundles were last overdue though they came until a moment ago. */
  overdueNewsMs: number
  /** Bundles since all links were last let bring them, and when that was. */
  bundles: number
  renewedMs: number
}

export class Trees {
  readonly counters: TreesCounters = { declined: 0, grafts: 0 }
  readonly #options: TreesOptions
  readonly #ownTree: number
  readonly #originsMax: number
  readonly #links = new Map<string, LinkTrees>()
  /** In the order in which they were first heard. */
  readonly #sources = new Map<string, Source>()
  /** The same by tree: nearly always one each. */
  readonly #byTree = new Map<number, Source[]>()

  constructor(options: TreesOptions) {
    this.#options = options
    this.#ownTree = treeOf(options.ownOriginKey)
    this.#originsMax = options.originsMax ?? ORIGINS_MAX
  }

  /** A link is open, everything on it eager; or another connection with that neighbour has taken over. */
  linkUp(key: string, isAble: boolean, nowMs: number): LinkTrees {
    this.linkDown(key, nowMs)
    const link = new LinkTrees(key, isAble)
    this.#links.set(key, link)
    return link
  }

  /** What it brought is asked for from all others at once. */
  linkDown(key: string, nowMs: number): void {
    const link = this.#links.get(key)
    if (link === undefined) return
    this.#links.delete(key)
    link.isOver = true
    const lost = new Set<number>()
    for (const source of this.#sources.values()) if (source.link === link) lost.add(source.tree)
    for (const other of this.#links.values()) {
      const again: number[] = []
      for (const tree of lost) if (other.accept(tree)) again.push(tree)
      if (again.length > 0) this.#tell(other, 'eager', again)
    }
    this.#keepOwnGoing(nowMs)
  }

  /**
   * A new bundle of that origin came by itself, verified. True: it came over another link than those before it, so that it
   * did not come, or not in time, where it should have. From now on this link is the one that brings news, unless it was declined and
   * the one that did is heard still, or it was under way when it was declined.
   */
  newCame(link: LinkTrees, { originKey, epoch, first, hops }: Seal, nowMs: number): boolean {
    let source = this.#sources.get(originKey)
    if (source === undefined) source = this.#open(link, originKey, nowMs)
    const isStray = source.link !== link
    if (isStray) {
      const declinedMs = link.declinedMs(source.tree)
      if (declinedMs !== null) {
        if (nowMs - declinedMs < UNDER_WAY_MS) return false
        // It was sent to whoever may lack it: no sign that the source is lost.
        if (!source.link.isOver && nowMs - source.newsMs < UNDER_WAY_MS) return nowMs - source.newsMs >= SILENT_MS
        this.#acceptAgain(link, source.tree)
      }
      source.link = link
    }
    source.epoch = epoch
    source.first = first
    source.hops = hops
    source.newsMs = nowMs
    source.bundles++
    if (source.bundles >= RENEW_BUNDLES && nowMs - source.renewedMs >= RENEW_MS) this.#renew(source, nowMs)
    return isStray
  }

  /** A bundle came unasked that had been taken before. */
  duplicateCame(link: LinkTrees, bundle: Seal, nowMs: number): void {
    const { originKey } = bundle
    if (!link.isAble || link.isOver) return
    const tree = treeOf(originKey)
    const declinedMs = link.declinedMs(tree)
    if (declinedMs !== null) {
      if (nowMs - declinedMs >= UNDER_WAY_MS && link.decline(tree, nowMs)) this.#options.tell(link.key, 'lazy', [tree])
      return
    }
    let worse = link
    if (originKey !== this.#options.ownOriginKey) {
      const source = this.#otherSource(link, originKey)
      if (source === null) return
      if (isBetter(bundle, source, nowMs) && source.link.isAble) {
        worse = source.link
        source.link = link
        source.hops = bundle.hops
      }
    }
    if (this.#brings(worse, tree) || !worse.decline(tree, nowMs)) return
    this.counters.declined++
    this.#options.tell(worse.key, 'lazy', [tree])
  }

  /** A neighbour says what it wants of this node. */
  modeCame(link: LinkTrees, { mode, trees }: ModeFrame, nowMs: number): void {
    if (!link.isAble || link.isOver) return
    for (const tree of trees) {
      if (mode === 'eager') link.makeEager(tree, nowMs)
      else if (link.makeLazy(tree)) this.#options.turnedLazy(link.key, tree, nowMs)
    }
    this.#keepOwnGoing(nowMs)
  }

  /**
   * Bundles of that origin are overdue, and that neighbour has some: it is to send them unasked from now on. Not at once when
   * nothing comes, for on a busy machine all may be late: only when nothing has by the next time that some are overdue.
   */
  overdue(linkKey: string, originKey: string, why: Overdue, nowMs: number): void {
    const link = this.#links.get(linkKey)
    const source = this.#sources.get(originKey)
    if (link === undefined || !link.isAble) return
    const tree = treeOf(originKey)
    // Nothing came for long, and this neighbour is not known to hold anything back: it may believe what this node forgot.
    const mayBeDeaf = source !== undefined && nowMs - source.newsMs >= UNDER_WAY_MS
    if (why === 'silence' && source !== undefined && !mayBeDeaf && source.overdueNewsMs !== source.newsMs) {
      source.overdueNewsMs = source.newsMs
      return
    }
    if (link.accept(tree) || mayBeDeaf) this.#tell(link, 'eager', [tree])
  }

  /** When the last new bundle of that epoch came by itself, over a link that it is to come over; minus infinite: none did. */
  newsMs(originKey: string, epoch: number): number {
    const source = this.#sources.get(originKey)
    return source === undefined || source.epoch !== epoch ? Number.NEGATIVE_INFINITY : source.newsMs
  }

  #open(link: LinkTrees, originKey: string, nowMs: number): Source {
    if (this.#sources.size >= this.#originsMax) this.#forget(this.#sources.values().next().value!)
    const source: Source = {
      originKey,
      tree: treeOf(originKey),
      link,
      epoch: 0,
      first: 0,
      hops: 0,
      newsMs: nowMs,
      overdueNewsMs: Number.NaN,
      bundles: 0,
      renewedMs: nowMs,
    }
    this.#acceptAgain(link, source.tree)
    this.#sources.set(originKey, source)
    const others = this.#byTree.get(source.tree)
    if (others === undefined) this.#byTree.set(source.tree, [source])
    else others.push(source)
    return source
  }

  /** Lets every link bring this origin's bundles: those that bring them later than another are declined again. */
  #renew(source: Source, nowMs: number): void {
    source.bundles = 0
    source.renewedMs = nowMs
    for (const link of this.#links.values()) {
      if (link.accept(source.tree)) this.#options.tell(link.key, 'eager', [source.tree])
    }
  }

  #forget(source: Source): void {
    this.#sources.delete(source.originKey)
    const others = this.#byTree.get(source.tree)!
    if (others.length === 1) this.#byTree.delete(source.tree)
    else others.splice(others.indexOf(source), 1)
  }

  /** Where the origin's news comes from, when that is another link that is open and not declined. */
  #otherSource(link: LinkTrees, originKey: string): Source | null {
    const source = this.#sources.get(originKey)
    if (source === undefined || source.link === link || source.link.isOver) return null
    return source.link.declinedMs(source.tree) === null ? source : null
  }

  /** Origins of one tree may have their news from different links: none of these is declined. */
  #brings(link: LinkTrees, tree: number): boolean {
    return this.#byTree.get(tree)?.some((source) => source.link === link) ?? false
  }

  /**
   * When nobody wants this node's own bundles unasked, each believes that another brings them: that cannot be, so all get
   * them.
   */
  #keepOwnGoing(nowMs: number): void {
    for (const link of this.#links.values()) if (!link.isLazy(this.#ownTree)) return
    for (const link of this.#links.values()) link.makeEager(this.#ownTree, nowMs)
  }

  #acceptAgain(link: LinkTrees, tree: number): void {
    if (link.accept(tree)) this.#tell(link, 'eager', [tree])
  }

  #tell(link: LinkTrees, mode: 'eager', trees: readonly number[]): void {
    this.counters.grafts += trees.length
    this.#options.tell(link.key, mode, trees)
  }
}

/** Whether this copy of the bundle that `source` brought came over fewer links, and hardly later. */
function isBetter({ epoch, first, hops }: Seal, source: Source, nowMs: number): boolean {
  if (epoch !== source.epoch || first !== source.first) return false
  return hops < source.hops && nowMs - source.newsMs <= FEWER_HOPS_MS
}

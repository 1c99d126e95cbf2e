// Repair: with each neighbour, tells what this node holds, asks for what it lacks, gives what it is asked for. What a link, a
// full queue or a night's absence lost comes again this way, and nothing is ever sent twice for it. This module joins the
// parts and shares the work out; it has no timers and no clock: time comes in. docs/protocol.md, "Repair".

import type { Primitives } from '../crypto/primitives.ts'
import { FrameType } from '../framing/frames.ts'
import { Arriving } from './arriving.ts'
import { AskedNumbers } from './asked-numbers.ts'
import { Asking, type AskingWorld } from './asking.ts'
import { type Bundle, originIn } from './bundle.ts'
import type { BundleStore } from './bundle-store.ts'
import type { Overdue } from './claim-wait.ts'
import { AllClaims, type Claim, Claims } from './claims.ts'
import { Digests } from './digests.ts'
import { Giving, type LongAnswers } from './giving.ts'
import { Lateness } from './lateness.ts'
import { type LinkTrees, treeOf } from './link-trees.ts'
import { decodeGiven, decodeHave, decodeWant, keyBytes } from './repair-frames.ts'
import type { Seen } from './seen.ts'
import { Settling } from './settling.ts'
import { touches, without } from './spans.ts'
import { Suspicions } from './suspicions.ts'
import { Telling } from './telling.ts'
import { VainReads } from './vain-reads.ts'

/** Before what is claimed is asked for: time for eager copies to come. */
export const CLAIM_WAIT_MS = 200
/** The same where links may be lazy: what this neighbour tells of, another should have brought before. */
export const LAZY_CLAIM_WAIT_MS = 80
/** The same for what a new link's first answers to digests tell: no eager copies are under way. */
export const FIRST_CLAIM_WAIT_MS = 20
/** For so long what a new link tells for the first time counts as such an answer. */
const FIRST_CLAIMS_MS = 3_000
/** What one call of `tick` may cost. A unit is about ten microseconds. */
const TICK_COST_MAX = 250
const PARTS = 4

/** A neighbour's link, as repair needs it. */
export interface RepairLink {
  /** The neighbour's identity key. */
  readonly key: string
  /** Its `Bundle.originKey`. */
  readonly originKey: string
  readonly trees: Pick<LinkTrees, 'isAble' | 'isAnnounced' | 'isAnnouncing'>
  /** Bytes that went out over it within the last CARRIED_MS. */
  readonly carriedBytes: number
  /** Queues a `have` or `want` before all bundles. */
  tell(type: number, body: Uint8Array): void
  /** Queues a bundle behind those given before, beside new ones; withdraws the copy that waits among these. */
  give(bundle: Bundle): void
  /**
   * Queues a `given` behind the bundles given before. `left` must be called once, when it has begun to leave or was dropped; after
   * that, ask `nextDeadlineMs` again.
   */
  conclude(body: Uint8Array, left: () => void): void
}

/** What repair asks of trees.ts. */
export interface RepairTrees {
  /** See News in claim-wait.ts. */
  newsMs(originKey: string, epoch: number): number
  /** Bundles of that origin are overdue, and that neighbour is about to be asked for some; see Due in claim-wait.ts. */
  overdue(linkKey: string, originKey: string, why: Overdue, nowMs: number): void
}

export interface RepairOptions {
  readonly store: BundleStore
  readonly seen: Seen
  readonly primitives: Primitives
  /** `Bundle.originKey` of this node. */
  readonly ownOriginKey: string
  /** The greatest age of ordinary bundles that are worth asking for: the store's. */
  readonly ageMsMax: number
  /** Which links bring what by themselves. */
  readonly trees: RepairTrees
  /** 0 up to 1: keeps nodes that hear the same from asking in step. */
  fraction(): number
  /** A neighbour tells the newest epoch that it saw of this node's; never 0. Nothing proves it. */
  hint(epoch: number): void
  /** That neighbour's claims about this node's own messages changed. */
  confirmed(linkKey: string): void
}

export interface RepairCounters {
  /** Bundles that came because they were asked for. */
  received: number
  given: number
  requests: number
  /** Requests without an answer within their deadline. */
  timeouts: number
  haveBytesOut: number
  haveBytesIn: number
}

interface Side {
  readonly link: RepairLink
  readonly upMs: number
  readonly claims: Claims
  readonly telling: Telling
  readonly asking: Asking
  readonly giving: Giving
  readonly settling: Settling
}

export class Repair {
  readonly counters: RepairCounters = {
    received: 0,
    given: 0,
    requests: 0,
    timeouts: 0,
    haveBytesOut: 0,
    haveBytesIn: 0,
  }
  readonly #options: RepairOptions
  readonly #digests: Digests
  readonly #ownBucket: number
  readonly #world: AskingWorld
  readonly #asked = new AskedNumbers()
  readonly #longAnswers: LongAnswers = { count: 0 }
  readonly #vainReads = new VainReads()
  readonly #arriving = new Arriving()
  readonly #lateness = new Lateness()
  readonly #sides = new Map<string, Side>()
  readonly #allClaims = new AllClaims()
  /** The same, in the order in which they have their turn. */
  #order: Side[] = []
  /** Which part of which side works next. */
  #turn = 0
  /** All sides know since when there are additions. */
  #isAdditionNoted = false
  readonly #suspicions = new Suspicions((key) => this.#sides.has(key))

  constructor(options: RepairOptions) {
    this.#options = options
    const { store, seen, primitives, ownOriginKey, ageMsMax } = options
    this.#digests = new Digests(store.holdings, primitives)
    this.#ownBucket = this.#digests.bucketOf(keyBytes(ownOriginKey))
    this.#world = {
      seen,
      asked: this.#asked,
      ageMsMax,
      counters: this.counters,
      isBehind: () => store.isBehind,
      news: (originKey, epoch, nowMs) => {
        const cameMs = Math.max(options.trees.newsMs(originKey, epoch), this.#arriving.heardMs(originKey, epoch))
        return { newest: seen.lastTaken(originKey, epoch), cameMs, slackMs: this.#lateness.slackMs(originKey, nowMs) }
      },
      leaveToOthers: (claim, spans) => {
        let left = spans
        for (const { asking, claims } of this.#order) {
          if (asking.isSuspect) continue
          const other = claims.find(claim.originKey, claim.epoch)
          if (other !== null) left = without(left, other.ranges)
        }
        return left
      },
      freed: (nowMs) => this.#freed(nowMs),
    }
  }

  /**
   * The link is open, and the store's holdings are loaded. Called again for the same neighbour (another connection took over):
   * all begins anew, but for the numbers of requests.
   */
  linkUp(link: RepairLink, nowMs: number): void {
    const before = this.#sides.get(link.key)
    if (before !== undefined) this.linkDown(link.key, nowMs)
    const { store, seen, ownOriginKey } = this.#options
    const claims = new Claims(undefined, this.#allClaims)
    const settling = new Settling(claims, (claim) => this.#isSettled(claim))
    const telling = new Telling({
      holdings: store.holdings,
      digests: this.#digests,
      ownBucket: this.#ownBucket,
      ownOriginKey,
      newestEpoch: () => seen.newestEpoch(link.originKey) ?? 0,
      send: (body) => {
        this.counters.haveBytesOut += body.length
        link.tell(FrameType.have, body)
      },
      lazy: {
        isFirst: ownOriginKey < link.originKey,
        isAnnouncing: () => link.trees.isAnnouncing,
        isAnnounced: (originKey, nowMs) => link.trees.isAnnounced(treeOf(originKey), nowMs),
        covers: (originKey, epoch, ranges) => {
          const claim = claims.find(originKey, epoch)
          return claim !== null && without(ranges, claim.ranges).length === 0
        },
      },
      sharesOwn: (held) => {
        // What it told of an epoch in words is newer than its digests.
        for (const told of held) if (claims.find(told.originKey, told.epoch) === null) claims.tell(told)
        if (held.length > 0) this.#options.confirmed(link.key)
      },
    })
    const asking = new Asking({
      world: this.#world,
      claims,
      suspicion: this.#suspicions.of(link.key),
      lastNumber: before?.asking.lastNumber ?? 0,
      send: (body) => link.tell(FrameType.want, body),
      overdue: (originKey, why, nowMs) => this.#options.trees.overdue(link.key, originKey, why, nowMs),
      settled: (claim, nowMs) => settling.add(claim, nowMs),
    })
    const giving = new Giving(store, link, this.counters, this.#longAnswers, this.#vainReads)
    this.#isAdditionNoted = false
    const side: Side = { link, upMs: nowMs, claims, telling, asking, giving, settling }
    this.#sides.set(link.key, side)
    this.#order.push(side)
  }

  linkDown(key: string, nowMs: number): void {
    const side = this.#sides.get(key)
    if (side === undefined) return
    this.#sides.delete(key)
    this.#order = this.#order.filter((other) => other !== side)
    side.giving.close()
    side.asking.close(nowMs)
    this.#allClaims.leave(side.claims)
    this.#arriving.linkDown(key)
    this.#lateness.clear()
    this.#suspicions.linkDown(key)
    // What a suspect left to this one is the suspect's to give now.
    this.#freed(nowMs)
  }

  /**
   * A `have`, `want` or `given` came from that neighbour: `nextDeadlineMs`, as far as that may have brought it nearer. Throws
   * MeshError `bad-frame` or `bad-cbor` for what no honest node sends; then ask `nextDeadlineMs`.
   */
  received(linkKey: string, type: number, body: Uint8Array, nowMs: number): number {
    const side = this.#sides.get(linkKey)
    if (side === undefined) return Number.POSITIVE_INFINITY
    switch (type) {
      case FrameType.have:
        return this.#haveCame(side, body, nowMs)
      case FrameType.want:
        side.giving.want(decodeWant(body))
        break
      case FrameType.given:
        side.asking.given(decodeGiven(body), nowMs)
        break
      default:
        throw new RangeError(`frame type ${type} is not repair's`)
    }
    return this.nextDeadlineMs()
  }

  /** That neighbour does not want one more tree unasked. */
  turnedLazy(linkKey: string): void {
    this.#sides.get(linkKey)?.telling.turnedLazy()
  }

  /**
   * For every bundle frame, whatever becomes of it: whether that neighbour was asked for it. Needs no new look at
   * `nextDeadlineMs`.
   */
  bundleCame(linkKey: string, originKey: string, epoch: number, first: number, last: number, nowMs: number): boolean {
    const tookMs = this.#arriving.end(linkKey, originKey, nowMs)
    if (tookMs > 0) this.#lateness.came(originKey, tookMs, 0, nowMs)
    if (this.#asked.isEmpty) return false
    return this.#sides.get(linkKey)?.asking.bundleCame(originKey, epoch, first, last, nowMs) ?? false
  }

  /** Part of a long bundle is here from that neighbour: `start` of its frame's body, more each time. */
  underWay(linkKey: string, start: Uint8Array, nowMs: number): void {
    if (this.#arriving.grew(linkKey, nowMs)) return
    const origin = this.#sides.has(linkKey) ? originIn(start) : null
    if (origin !== null) this.#arriving.begin(linkKey, origin.originKey, origin.epoch, nowMs)
  }

  /**
   * A new bundle, verified, came by itself: whether any neighbour is being asked for any of first…last, so that it did not come
   * when it should have. For how long a neighbour had claimed it is left to the next ones.
   */
  cameByItself(originKey: string, epoch: number, first: number, last: number, nowMs: number): boolean {
    let claimedForMs = 0
    for (const { asking, claims } of this.#order) {
      if (!asking.isLooking || asking.isSuspect) continue
      const claim = claims.find(originKey, epoch)
      if (claim === null || !claim.isWanting || !touches(claim.ranges, first, last)) continue
      claimedForMs = Math.max(claimedForMs, nowMs - claim.wait.begunMs)
    }
    if (claimedForMs > 0) this.#lateness.came(originKey, claimedForMs, LAZY_CLAIM_WAIT_MS, nowMs)
    return !this.#asked.isEmpty && this.#asked.touches(originKey, epoch, first, last)
  }

  /** Whether that neighbour says that it holds all of first…last. */
  holds(linkKey: string, originKey: string, epoch: number, first: number, last: number): boolean {
    return this.#sides.get(linkKey)?.claims.covers(originKey, epoch, first, last) ?? false
  }

  /** Whether any neighbour says that it holds any of first…last, those that do not answer aside. */
  isClaimed(originKey: string, epoch: number, first: number, last: number): boolean {
    for (const { asking, claims } of this.#order) {
      if (!asking.isSuspect && claims.touches(originKey, epoch, first, last)) return true
    }
    return false
  }

  /** Something was added to the store's holdings: `nextDeadlineMs`, as far as that may have brought it nearer. */
  added(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    // Until the next `tick` there is nothing more to do for it.
    if (this.#isAdditionNoted) return nextMs
    this.#isAdditionNoted = true
    for (const { telling } of this.#order) {
      telling.added(nowMs)
      nextMs = Math.min(nextMs, telling.nextDeadlineMs())
    }
    return nextMs
  }

  /** Does what is due, some milliseconds of it at most: when more is due, `nextDeadlineMs` is in the past. */
  tick(nowMs: number): void {
    this.#isAdditionNoted = false
    let cost = 0
    const parts = this.#order.length * PARTS
    for (let done = 0; done < parts && cost < TICK_COST_MAX; done++) {
      this.#turn = (this.#turn + 1) % parts
      const { telling, asking, giving, settling } = this.#order[Math.floor(this.#turn / PARTS)]!
      const part = this.#turn % PARTS
      if (part === 0) cost += telling.work(nowMs)
      else if (part === 1) cost += asking.work(nowMs)
      else cost += part === 2 ? giving.work(nowMs) : settling.work(nowMs)
    }
  }

  /** When `tick` has something to do; infinite: never, as things stand; in the past or minus infinite: at once. */
  nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const { telling, asking, giving, settling } of this.#order) {
      nextMs = Math.min(nextMs, telling.nextDeadlineMs(), asking.nextDeadlineMs())
      nextMs = Math.min(nextMs, giving.nextDeadlineMs(), settling.nextDeadlineMs())
    }
    return nextMs
  }

  #haveCame(side: Side, body: Uint8Array, nowMs: number): number {
    this.counters.haveBytesIn += body.length
    const { digests, newestEpoch, held } = decodeHave(body)
    if (newestEpoch > 0) this.#options.hint(newestEpoch)
    if (digests !== null) side.telling.digestsCame(digests)
    const { ownOriginKey, seen, fraction } = this.#options
    const waitMs = (side.link.trees.isAble ? LAZY_CLAIM_WAIT_MS : CLAIM_WAIT_MS) * (1 + fraction() / 4)
    const isNewLink = nowMs - side.upMs < FIRST_CLAIMS_MS
    let isOwn = false
    for (const numbers of held) {
      const { originKey, epoch } = numbers
      const isFirst = isNewLink && side.claims.find(originKey, epoch) === null
      const claim = side.claims.tell(numbers)
      if (originKey === ownOriginKey) isOwn = true
      if (claim === null) continue
      claim.toldMs = nowMs
      if (seen.isPast(originKey, epoch)) side.claims.drop(claim)
      else side.asking.claimed(claim, nowMs, isFirst ? FIRST_CLAIM_WAIT_MS : waitMs, isFirst)
    }
    let isFreed = false
    for (const { asking } of this.#order) {
      if (!asking.isSuspect) continue
      asking.freed(nowMs)
      isFreed = true
    }
    if (isOwn) this.#options.confirmed(side.link.key)
    if (isFreed || digests !== null) return this.nextDeadlineMs()
    return Math.min(side.asking.nextDeadlineMs(), side.settling.nextDeadlineMs())
  }

  /**
   * Nothing of it is missing here. Those of this node's own messages stay, since they confirm them; and so does what a neighbour
   * did not give, or is asked for again later: it must not be believed anew.
   */
  #isSettled({ originKey, epoch, ranges, struck, refused, isWanting, isDropped }: Claim): boolean {
    const isNeeded = isDropped || isWanting || struck.length > 0 || refused.length > 0
    if (isNeeded || originKey === this.#options.ownOriginKey) return false
    return this.#options.seen.missing(originKey, epoch, ranges).length === 0
  }

  #freed(nowMs: number): void {
    for (const { asking } of this.#order) asking.freed(nowMs)
  }
}

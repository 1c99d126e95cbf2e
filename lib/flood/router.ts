// The flood core: judges every bundle that a neighbour sends, keeps it, delivers it here and passes it on to the others. It
// decides in this order, and the order matters: known? genuine? only then is it marked as seen, since a mark before the
// signature check would let a forged copy censor the real one. What this program's own checks do not accept ends there.
// Knows links only as places to put bundles. docs/protocol.md, "Flood".

import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import { HOPS_MAX, TIME_TO_LIVE_S_MAX } from '../limits.ts'
import {
  ageAt,
  type Bundle,
  BundleFlag,
  type BundleHead,
  type BundleMessages,
  BundleSigning,
  readBundleHead,
  readBundleMessages,
  unpinned,
} from './bundle.ts'
import { type BundleBuffer, receivedBuffer } from './bundle-buffers.ts'
import type { BundleStore } from './bundle-store.ts'
import { Delivery } from './delivery.ts'
import type { FloodLink } from './flood-link.ts'
import { type LinkTrees, treeOf } from './link-trees.ts'
import { LiveOrder } from './live-order.ts'
import { Pace } from './pace.ts'
import type { Offer, PublisherLinks } from './publisher.ts'
import type { Seen } from './seen.ts'
import { SlowAges } from './slow-ages.ts'
import type { Subscriptions } from './subscriptions.ts'
import { TopicCounts } from './topic-counts.ts'
import type { Arrival, BundleVerdict, Validation } from './validation.ts'

export type { FloodLink } from './flood-link.ts'

/** What came by repair is passed on unasked only while fewer bytes than this wait: new bundles must not be kept out. */
export const REPAIRED_FORWARD_BYTES_MAX = 1_048_576

/** Where handlers took longer than this for a bundle, the next one leaves before they get it. */
export const SLOW_DELIVERY_MS = 5

/** Nobody's fault: late, foreign or beyond our own bounds. */
export type IgnoreReason = 'unknown-version' | 'too-old' | 'expired' | 'old-epoch' | 'no-room' | 'equivocation'
/** Provable from the bytes alone: costs the neighbour that sent them. */
export type RejectReason = 'malformed' | 'bad-origin' | 'bad-signature'

/** What the router asks of repair. */
export interface RepairView {
  /** For every bundle that came: whether that neighbour was asked for it. */
  bundleCame(linkKey: string, originKey: string, epoch: number, first: number, last: number, nowMs: number): boolean
  /** For every new one that came by itself, genuine: whether any neighbour is being asked for any of these. */
  cameByItself(originKey: string, epoch: number, first: number, last: number, nowMs: number): boolean
  /** Whether that neighbour says that it holds all of these. */
  holds(linkKey: string, originKey: string, epoch: number, first: number, last: number): boolean
}

/** Hears what comes over which link; see trees.ts. */
export interface ArrivalWatch {
  /** True: it did not come over the link that brought those before it. */
  newCame(link: LinkTrees, bundle: Bundle, nowMs: number): boolean
  duplicateCame(link: LinkTrees, bundle: Bundle, nowMs: number): void
}

export interface RouterActions {
  rejected(link: FloodLink, reason: RejectReason): void
  /** A genuine bundle of our own origin that this run did not issue: up to this epoch, numbers are spoken for. */
  ownEpochMet(epoch: number): void
  /** A new bundle of this origin came over that link by itself. */
  heard(originKey: string, linkKey: string, nowMs: number): void
  /** A new retained bundle, verified, of another node or of an earlier run of ours; `linkKey` is who brought it. Its bytes are good for this call. */
  retainedCame(identity: Identity, bundle: Bundle, messages: BundleMessages, linkKey: string): void
}

export interface RouterOptions {
  readonly primitives: Primitives
  readonly networkId: Uint8Array
  readonly identities: Identities
  readonly subscriptions: Subscriptions
  /** `Bundle.originKey` of this node. */
  readonly ownOriginKey: string
  readonly nowMs: () => number
  readonly unixMs: () => number
  readonly actions: RouterActions
  readonly seen: Seen
  readonly store: BundleStore
  readonly repair: RepairView
  readonly arrivals: ArrivalWatch
  /** Gives its later verdicts to `decided`. */
  readonly validation: Validation
  /** What is older than this is not taken, but for retained bundles. */
  readonly ageMsMax: number
}

export class Router implements PublisherLinks {
  readonly signing: BundleSigning
  readonly seen: Seen
  /** What waits for earlier messages of its origin; whoever made the router sees to its deadline. */
  readonly order: LiveOrder
  readonly delivery: Delivery
  /** Of what others published. */
  readonly topicCounts: TopicCounts = new TopicCounts()
  readonly #options: RouterOptions
  readonly #links = new Set<FloodLink>()
  readonly #ownTree: number
  readonly #pace: Pace
  readonly #slowAges = new SlowAges()
  /** Handlers took long for the last bundle. */
  #isSlow = false
  readonly ignored: Record<IgnoreReason, number> = {
    'unknown-version': 0,
    'too-old': 0,
    expired: 0,
    'old-epoch': 0,
    'no-room': 0,
    equivocation: 0,
  }
  readonly rejected: Record<RejectReason, number> = { malformed: 0, 'bad-origin': 0, 'bad-signature': 0 }
  accepted = 0
  duplicates = 0
  /** Of the messages delivered, those that waited for earlier ones of their origin. */
  reorderedMessages = 0

  constructor(options: RouterOptions) {
    this.#options = options
    this.#ownTree = treeOf(options.ownOriginKey)
    this.#pace = new Pace(this.#links, this.#ownTree, options.nowMs)
    this.signing = new BundleSigning(options.networkId, options.primitives)
    this.seen = options.seen
    this.delivery = new Delivery(options.subscriptions, options.unixMs)
    this.order = new LiveOrder({
      // What waits for a check's verdict is marked as seen, but has not had its turn.
      isTaken: (...numbers) => this.seen.look(...numbers) === 'duplicate' && !options.validation.holds(...numbers),
      deliver: ({ bundle, messages, from, sinceMs }) => {
        const before = this.delivery.messages
        // Its bytes may be anyone's by now.
        this.delivery.deliver(bundle, messages, from, true, sinceMs)
        this.reorderedMessages += this.delivery.messages - before
      },
    })
  }

  addLink(link: FloodLink): void {
    this.#links.add(link)
  }

  removeLink(link: FloodLink): void {
    this.#links.delete(link)
  }

  /** A bundle frame's body came from `link`. Takes `body` over: it may be empty afterwards, when all is done with it. */
  received(link: FloodLink, body: Uint8Array): void {
    const buffer = receivedBuffer(body)
    this.#read(link, body, buffer)
    buffer?.release()
  }

  #read(link: FloodLink, body: Uint8Array, buffer: BundleBuffer | null): void {
    const { nowMs: now, repair, store } = this.#options
    const nowMs = now()
    let head: BundleHead | null
    let messages: BundleMessages
    let isAsked = false
    try {
      head = readBundleHead(body, nowMs, buffer)
      if (head === null) return this.#ignore('unknown-version')
      const { originKey, epoch, first, count, key } = head.bundle
      isAsked = repair.bundleCame(link.key, originKey, epoch, first, first + count - 1, nowMs)
      const sighting = this.#look(originKey, epoch, first, first + count - 1)
      if (sighting === 'duplicate') {
        this.duplicates++
        if (this.#slowAges.isYounger(head.bundle)) store.younger(originKey, epoch, first, head.bundle.ageMs)
        link.withdraw(key)
        if (!isAsked) this.#options.arrivals.duplicateCame(link.trees, head.bundle, nowMs)
        return
      }
      if (sighting === 'old-epoch') return this.#ignore('old-epoch')
      const late = this.#lateness(head.bundle)
      if (late !== null) return this.#ignore(late)
      messages = readBundleMessages(head)
    } catch (error) {
      if (error instanceof MeshError && error.fault === 'remote') return this.#reject(link, 'malformed')
      throw error
    }
    this.#judgeNew(link, head.bundle, messages, isAsked, nowMs)
  }

  #look(originKey: string, epoch: number, first: number, last: number): ReturnType<Seen['look']> {
    const sighting = this.seen.look(originKey, epoch, first, last)
    // An origin that had to make room is forgotten before its bundles are.
    const isHeld = sighting === 'new' && !this.seen.knows(originKey)
    return isHeld && this.#options.store.holdings.has(originKey, epoch, first, last) ? 'duplicate' : sighting
  }

  /** The checks have come to a verdict on a bundle that waited for it. */
  decided(arrival: Arrival, verdict: BundleVerdict): void {
    const { bundle } = arrival
    const nowMs = this.#options.nowMs()
    if (verdict !== 'accept') return this.#passOver(bundle)
    if (bundle.timeToLiveS > 0 && ageAt(bundle, nowMs) > bundle.timeToLiveS * 1000) {
      this.#ignore('expired')
      return this.#passOver(bundle)
    }
    this.#take(arrival, nowMs)
  }

  /** A bundle of our own was sealed: its numbers are taken, and it is kept, before any copy of it can come back. */
  takeOwn(bundle: Bundle): void {
    const { originKey, epoch, first, count } = bundle
    this.seen.mark(originKey, epoch, first, first + count - 1, '', this.#options.nowMs())
    this.#options.store.put(bundle, null)
  }

  send(bundle: Bundle): readonly Offer[] {
    const offers: Offer[] = []
    for (const link of this.#links) offers.push(link.isLazy(this.#ownTree) ? link.announce() : link.offer(bundle))
    return offers
  }

  foresee(): readonly Offer[] {
    return Array.from(this.#links, (link) => link.foresee(this.#ownTree))
  }

  get congested(): boolean {
    return this.#pace.congested
  }

  get congestedUntilMs(): number | null {
    return this.#pace.deadlineMs
  }

  get busy(): boolean {
    return this.#pace.busy
  }

  #judgeNew(link: FloodLink, bundle: Bundle, messages: BundleMessages, isAsked: boolean, nowMs: number): void {
    const { originKey, epoch, first, count } = bundle
    const { identities, ownOriginKey, actions, arrivals, repair, validation } = this.#options
    const identity = identities.admit(bundle.origin, originKey)
    if (identity === null) return this.#reject(link, 'bad-origin')
    if (!this.signing.verify(bundle)) return this.#reject(link, 'bad-signature')
    const own = originKey === ownOriginKey
    if (own) actions.ownEpochMet(epoch)
    const sighting = this.seen.mark(originKey, epoch, first, first + count - 1, link.key, nowMs)
    switch (sighting) {
      case 'new':
        break
      case 'overlap':
        return this.#ignore('equivocation')
      case 'no-room':
        return this.#ignore('no-room')
      case 'old-epoch':
        return this.#ignore('old-epoch')
      case 'duplicate':
        this.duplicates++
        return
    }
    let isMissed = isAsked
    if (!isAsked) {
      actions.heard(originKey, link.key, nowMs)
      isMissed = repair.cameByItself(originKey, epoch, first, first + count - 1, nowMs)
      if (!own && arrivals.newCame(link.trees, bundle, nowMs)) isMissed = true
    }
    const arrival: Arrival = { link, bundle, messages, identity, isAsked, isMissed }
    if (validation.checks.isActive && !own) {
      // A check may keep what it is shown, and its verdict may come later.
      bundle.buffer?.leave()
      const verdict = validation.judge(arrival, nowMs)
      if (verdict === null) return this.order.expect(originKey, epoch, first)
      if (verdict !== 'accept') return this.#passOver(bundle)
    }
    this.#take(arrival, nowMs)
  }

  /** A bundle is new, genuine and wanted: keeps it, passes it on, delivers it. */
  #take({ link, bundle, messages, identity, isAsked, isMissed }: Arrival, nowMs: number): void {
    const { originKey, epoch, first, count } = bundle
    const { ownOriginKey, actions, store } = this.#options
    this.accepted++
    if (!isAsked) this.#slowAges.came(bundle)
    store.put(bundle, messages.topics)
    const isShared = isAsked ? this.#forwardRepaired(link, bundle) : this.#forward(link, bundle, isMissed)
    // They must not hold up the nodes behind this one. Otherwise what comes in one turn leaves together.
    if (isShared && this.#isSlow) for (const link of this.#links) link.sendNow()
    if (bundle.flags & BundleFlag.retained) actions.retainedCame(identity, bundle, messages, link.key)
    if (originKey === ownOriginKey) return
    this.topicCounts.noteAll(messages, nowMs)
    if (this.order.admits(originKey, epoch, first, first + count - 1)) {
      // Theirs alone: a node with hundreds of links needs longer than that to send one bundle at once.
      const startMs = this.#options.nowMs()
      this.delivery.deliver(bundle, messages, identity.id, isShared, nowMs)
      this.#isSlow = this.#options.nowMs() - startMs > SLOW_DELIVERY_MS
      if (this.order.heldCount > 0) this.order.follow(originKey, epoch)
    } else if (this.delivery.isWanted(bundle, messages, nowMs)) {
      bundle.buffer?.leave()
      this.order.hold({ bundle: unpinned(bundle), messages, from: identity.id, sinceMs: nowMs })
    }
  }

  /** A bundle is seen and not wanted: those of its origin that wait for it need not. */
  #passOver({ originKey, epoch, first, count }: Bundle): void {
    if (this.order.heldCount === 0) return
    if (this.order.admits(originKey, epoch, first, first + count - 1)) this.order.follow(originKey, epoch)
  }

  /**
   * Whether anyone else holds the bundle's bytes now. A neighbour that is the origin gets its copy like any other: bundles
   * of its identity that it did not make are how it learns that the identity is in use elsewhere.
   *
   * What did not come the way it should goes also to those who should get it from elsewhere, unless they say that they hold
   * it: what did not come here may not have come there either.
   */
  #forward(from: FloodLink, bundle: Bundle, isMissed: boolean): boolean {
    if (bundle.hops >= HOPS_MAX) return false
    const tree = treeOf(bundle.originKey)
    let copy: Bundle | null = null
    for (const link of this.#links) {
      if (link.key === from.key) continue
      if (link.isLazy(tree) && !(isMissed && this.#lacks(link, bundle))) {
        link.announce()
        continue
      }
      copy ??= unpinned(bundle)
      link.offer(copy)
    }
    return copy !== null
  }

  /** What was asked for goes on to all who lack it, lazy or not, and whatever its hops. */
  #forwardRepaired(from: FloodLink, bundle: Bundle): boolean {
    let copy: Bundle | null = null
    for (const link of this.#links) {
      if (link.key === from.key || !this.#lacks(link, bundle)) continue
      copy ??= unpinned(bundle)
      link.offer(copy)
    }
    return copy !== null
  }

  /** It does not say that it holds the bundle, and there is room for more than what is new. */
  #lacks(link: FloodLink, { originKey, epoch, first, count }: Bundle): boolean {
    if (link.bundleBytes >= REPAIRED_FORWARD_BYTES_MAX) return false
    return !this.#options.repair.holds(link.key, originKey, epoch, first, first + count - 1)
  }

  /** Nobody's fault, and not marked: a younger copy may still come. */
  #lateness(bundle: Bundle): 'too-old' | 'expired' | null {
    const { ageMs, flags, timeToLiveS, count } = bundle
    if (flags & BundleFlag.retained) {
      if (count !== 1 || timeToLiveS < 1 || timeToLiveS > TIME_TO_LIVE_S_MAX) {
        throw new MeshError('bad-bundle', 'a retained bundle has one message and a time-to-live of at most 7 days')
      }
    } else if (ageMs > this.#options.ageMsMax) {
      return 'too-old'
    }
    return timeToLiveS > 0 && ageMs > timeToLiveS * 1000 ? 'expired' : null
  }

  #ignore(reason: IgnoreReason): void {
    this.ignored[reason]++
  }

  #reject(link: FloodLink, reason: RejectReason): void {
    this.rejected[reason]++
    this.#options.actions.rejected(link, reason)
  }
}

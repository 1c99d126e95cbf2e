// The flood core: judges every bundle that a neighbour sends, delivers it here and passes it on to the others. It decides
// in this order, and the order matters: known? genuine? only then is it marked as seen, since a mark before the signature
// check would let a forged copy censor the real one. Knows links only as places to put bundles. docs/protocol.md, "Flood".

import { copyBytes } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import type { Identities } from '../identity/identities.ts'
import { HOPS_MAX } from '../limits.ts'
import {
  ageAt,
  type Bundle,
  type BundleHead,
  type BundleMessages,
  BundleSigning,
  readBundleHead,
  readBundleMessages,
} from './bundle.ts'
import { DeliveredMessage, type MessageOrigin } from './message.ts'
import { OWN_BUFFER_BYTES, PayloadCopies, plainView } from './payload-copies.ts'
import type { Offer, PublisherLinks } from './publisher.ts'
import { ORIGIN_SILENT_MS, Seen } from './seen.ts'
import type { Subscriber, Subscriptions } from './subscriptions.ts'

/** A link with more bundles than this in its queue is behind; publishers wait when every link is. */
export const CONGESTED_BYTES = 262_144

/** Nobody's fault: late, foreign or beyond our own bounds. */
export type IgnoreReason = 'unknown-version' | 'too-old' | 'old-epoch' | 'no-room' | 'equivocation'
/** Provable from the bytes alone: costs the neighbour that sent them. */
export type RejectReason = 'malformed' | 'bad-origin' | 'bad-signature'

/** What the router needs of an open link. */
export interface FloodLink {
  /** Key of the neighbour's identity. */
  readonly key: string
  /** Bytes of bundles that wait in its queue. */
  readonly bundleBytes: number
  /** Queues a bundle, or tells that it was dropped. */
  offer(bundle: Bundle): Offer
  /** What `offer` would say now. */
  foresee(): Offer
  /** The neighbour has this bundle: takes the copy that still waits for it out of the queue. */
  withdraw(bundleKey: string): void
}

export interface RouterActions {
  rejected(link: FloodLink, reason: RejectReason): void
  /** A genuine bundle of our own origin that this run did not issue: up to this epoch, numbers are spoken for. */
  ownEpochMet(epoch: number): void
}

export interface RouterOptions {
  readonly primitives: Primitives
  readonly networkId: Uint8Array
  readonly identities: Identities
  readonly subscriptions: Subscriptions
  /** `Bundle.originKey` of this node. */
  readonly ownOriginKey: string
  readonly nowMs: () => number
  readonly actions: RouterActions
  readonly seen?: Seen
}

export class Router implements PublisherLinks {
  readonly signing: BundleSigning
  readonly seen: Seen
  readonly #options: RouterOptions
  readonly #links = new Set<FloodLink>()
  readonly #copies = new PayloadCopies()
  readonly ignored: Record<IgnoreReason, number> = {
    'unknown-version': 0,
    'too-old': 0,
    'old-epoch': 0,
    'no-room': 0,
    equivocation: 0,
  }
  readonly rejected: Record<RejectReason, number> = { malformed: 0, 'bad-origin': 0, 'bad-signature': 0 }
  accepted = 0
  duplicates = 0
  deliveredMessages = 0
  deliveredBytes = 0

  constructor(options: RouterOptions) {
    this.#options = options
    this.signing = new BundleSigning(options.networkId, options.primitives)
    this.seen = options.seen ?? new Seen()
  }

  addLink(link: FloodLink): void {
    this.#links.add(link)
  }

  removeLink(link: FloodLink): void {
    this.#links.delete(link)
  }

  /** A bundle frame's body came from `link`. Keeps subarrays of `body`, which must be the caller's to give. */
  received(link: FloodLink, body: Uint8Array): void {
    const nowMs = this.#options.nowMs()
    let head: BundleHead | null
    let messages: BundleMessages
    try {
      head = readBundleHead(body, nowMs)
      if (head === null) return this.#ignore('unknown-version')
      const { originKey, epoch, first, count, key } = head.bundle
      const sighting = this.seen.look(originKey, epoch, first, first + count - 1)
      if (sighting === 'duplicate') {
        this.duplicates++
        return link.withdraw(key)
      }
      if (sighting === 'old-epoch') return this.#ignore('old-epoch')
      if (head.bundle.ageMs > ORIGIN_SILENT_MS) return this.#ignore('too-old')
      messages = readBundleMessages(head)
    } catch (error) {
      if (error instanceof MeshError && error.fault === 'remote') return this.#reject(link, 'malformed')
      throw error
    }
    this.#judgeNew(link, head.bundle, messages, nowMs)
  }

  /** A bundle of our own was sealed: its numbers are taken before any copy of it can come back. */
  markOwn(bundle: Bundle): void {
    const { originKey, epoch, first, count } = bundle
    this.seen.mark(originKey, epoch, first, first + count - 1, '', this.#options.nowMs())
  }

  send(bundle: Bundle): readonly Offer[] {
    const offers: Offer[] = []
    for (const link of this.#links) offers.push(link.offer(bundle))
    return offers
  }

  foresee(): readonly Offer[] {
    return Array.from(this.#links, (link) => link.foresee())
  }

  get congested(): boolean {
    if (this.#links.size === 0) return false
    for (const link of this.#links) if (link.bundleBytes <= CONGESTED_BYTES) return false
    return true
  }

  get busy(): boolean {
    if (this.#links.size === 0) return false
    for (const link of this.#links) if (link.bundleBytes === 0) return false
    return true
  }

  #judgeNew(link: FloodLink, bundle: Bundle, messages: BundleMessages, nowMs: number): void {
    const { originKey, epoch, first, count } = bundle
    const identity = this.#options.identities.admit(bundle.origin)
    if (identity === null) return this.#reject(link, 'bad-origin')
    if (!this.signing.verify(bundle)) return this.#reject(link, 'bad-signature')
    const own = originKey === this.#options.ownOriginKey
    if (own) this.#options.actions.ownEpochMet(epoch)
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
    this.accepted++
    const isShared = this.#forward(link, unpinned(bundle))
    if (!own) this.#deliver(bundle, messages, identity.id, isShared, nowMs)
  }

  /**
   * Whether anyone else holds the bundle's bytes now. A neighbour that is the origin gets its copy like any other: bundles
   * of its identity that it did not make are how it learns that the identity is in use elsewhere.
   */
  #forward(from: FloodLink, bundle: Bundle): boolean {
    let isShared = false
    if (bundle.hops >= HOPS_MAX) return isShared
    for (const link of this.#links) {
      if (link.key === from.key) continue
      link.offer(bundle)
      isShared = true
    }
    return isShared
  }

  #deliver(bundle: Bundle, messages: BundleMessages, from: string, isShared: boolean, nowMs: number): void {
    const { topics, payloads } = messages
    const { epoch, sentAtMs, hops } = bundle
    const origin: MessageOrigin = { from, epoch, sentAtMs, hops, replayed: false }
    // A subscription hears what was published after it was made; history has its own ways to be asked for.
    const bornMs = nowMs - ageAt(bundle, nowMs)
    let topic = ''
    let subscribers: readonly Subscriber[] = []
    for (let i = 0; i < topics.length; i++) {
      if (i === 0 || topics[i] !== topic) {
        topic = topics[i]!
        subscribers = this.#options.subscriptions.matching(topic)
      }
      for (const subscriber of subscribers) {
        if (subscriber.sinceMs > bornMs + 1) continue
        const [start, end] = [payloads[i * 2]!, payloads[i * 2 + 1]!]
        // A large payload that nobody else holds is handed over as it is, unless keeping it would keep ten times as much.
        const isLarge = end - start >= OWN_BUFFER_BYTES && (end - start) * 10 >= bundle.sealed.buffer.byteLength
        const handOver = isLarge && !isShared && subscribers.length === 1
        const data = handOver ? plainView(bundle.sealed, start, end) : this.#copies.copy(bundle.sealed, start, end)
        this.deliveredMessages++
        this.deliveredBytes += data.length
        subscriber.deliver(new DeliveredMessage(topic, data, bundle.first + i, origin))
      }
    }
  }

  #ignore(reason: IgnoreReason): void {
    this.ignored[reason]++
  }

  #reject(link: FloodLink, reason: RejectReason): void {
    this.rejected[reason]++
    this.#options.actions.rejected(link, reason)
  }
}

/** A small bundle cut from a large record would keep the whole record in memory for as long as it is queued: copies it. */
function unpinned(bundle: Bundle): Bundle {
  if (bundle.sealed.length * 4 >= bundle.sealed.buffer.byteLength) return bundle
  return { ...bundle, sealed: copyBytes(bundle.sealed), origin: copyBytes(bundle.origin) }
}

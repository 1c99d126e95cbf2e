// One neighbour's bundles that wait to be sent: the router's and repair's view of a link. It outlives the connection when
// another one with the same neighbour takes over. docs/protocol.md, "Flood", "Repair" and "Scheduling".

import { EMPTY } from '../bytes.ts'
import { FrameType } from '../framing/frames.ts'
import { varintLength, writeVarint } from '../framing/varint.ts'
import type { OutgoingFrame, QueuePlace, SendClass } from '../link/send-queue.ts'
import type { Outcome } from '../types.ts'
import { ageAt, type Bundle } from './bundle.ts'
import { type LinkTrees, treeOf } from './link-trees.ts'
import type { Offer } from './publisher.ts'
import type { RepairLink } from './repair.ts'
import type { FloodLink } from './router.ts'

/** A neighbour that turns trees on and off must not have a long queue searched more often. */
const SEARCH_MS = 50
/** A queue that is searched whenever it is asked for. */
const SHORT_QUEUE = 64
/** The hops are told in one byte. */
const HOPS_TOLD_MAX = 255

/** What a bundle queue needs of the link that carries it. */
export interface BundleCarrier {
  readonly bundleBytes: number
  /** That went out within the last CARRIED_MS; see Outflow. */
  readonly carriedBytes: number
  readonly isStalled: boolean
  send(into: SendClass, frame: OutgoingFrame): void
  offer(frame: OutgoingFrame): boolean
  wouldTake(bodyLength: number): boolean
  withdraw(frame: OutgoingFrame): boolean
  flush(): void
}

/** Counted over all neighbours. */
export interface BundleQueueCounters {
  bundlesDropped: number
  bundlesWithdrawn: number
  /** Not sent because the neighbour did not want them unasked: it was told that they are here. */
  bundlesAnnounced: number
}

/** Whether what is announced will be there when it is asked for. */
export interface Keeping {
  isKeeping(): boolean
}

export class BundleQueue implements FloodLink, RepairLink {
  readonly key: string
  readonly originKey: string
  readonly #announced: Offer
  readonly #peer: string
  readonly #keeping: Keeping
  readonly #counters: BundleQueueCounters
  readonly #waiting = new Map<string, BundleFrame>()
  readonly #concluded: () => void
  #carrier: BundleCarrier
  #trees: LinkTrees
  #searchedMs = Number.NEGATIVE_INFINITY

  /** `key` and `originKey` as in RepairLink; `peer` is the peer id text. `concluded`: called after each `left`. */
  constructor(
    neighbour: { key: string; originKey: string; peer: string },
    carrier: BundleCarrier,
    trees: LinkTrees,
    keeping: Keeping,
    counters: BundleQueueCounters,
    concluded: () => void = () => {},
  ) {
    this.#trees = trees
    this.#keeping = keeping
    this.#announced = Object.freeze({ peer: neighbour.peer, outcome: 'announced' })
    this.key = neighbour.key
    this.originKey = neighbour.originKey
    this.#peer = neighbour.peer
    this.#carrier = carrier
    this.#counters = counters
    this.#concluded = concluded
  }

  get carriedBytes(): number {
    return this.#carrier.carriedBytes
  }

  get bundleBytes(): number {
    return this.#carrier.bundleBytes
  }

  get isStalled(): boolean {
    return this.#carrier.isStalled
  }

  get trees(): LinkTrees {
    return this.#trees
  }

  isLazy(tree: number): boolean {
    return this.#trees.isLazy(tree) && this.#keeping.isKeeping()
  }

  /** Another connection carries this neighbour's bundles from now on. */
  carryOver(carrier: BundleCarrier, trees: LinkTrees): void {
    this.#carrier = carrier
    this.#trees = trees
  }

  announce(): Offer {
    this.#counters.bundlesAnnounced++
    return this.#announced
  }

  /** The neighbour does not want this tree unasked any more: takes out what waits of it. */
  turnedLazy(tree: number, nowMs: number): void {
    if (this.#waiting.size > SHORT_QUEUE && nowMs - this.#searchedMs < SEARCH_MS) return
    this.#searchedMs = nowMs
    for (const [key, frame] of this.#waiting) {
      if (frame.tree !== tree || !this.#carrier.withdraw(frame)) continue
      frame.announced()
      this.#waiting.delete(key)
    }
  }

  offer(bundle: Bundle): Offer {
    const offer = new QueueOffer(this.#peer)
    const frame = new BundleFrame(bundle, offer, this.#waiting, this.#counters)
    if (this.#carrier.offer(frame)) this.#waiting.set(bundle.key, frame)
    else frame.dropped()
    return offer
  }

  foresee(tree: number): Offer {
    if (this.isLazy(tree)) return this.#announced
    return { peer: this.#peer, outcome: this.#carrier.wouldTake(0) ? 'queued' : 'dropped' }
  }

  sendNow(): void {
    if (this.#waiting.size > 0) this.#carrier.flush()
  }

  withdraw(bundleKey: string): void {
    const frame = this.#waiting.get(bundleKey)
    if (frame === undefined || !this.#carrier.withdraw(frame)) return
    frame.finished()
    this.#waiting.delete(bundleKey)
    this.#counters.bundlesWithdrawn++
  }

  tell(type: number, body: Uint8Array): void {
    this.#carrier.send('control', new PlainFrame(type, body))
  }

  give(bundle: Bundle): void {
    this.withdraw(bundle.key)
    this.#carrier.send('repair', new GivenFrame(bundle))
  }

  conclude(body: Uint8Array, left: () => void): void {
    const gone = (): void => {
      left()
      this.#concluded()
    }
    this.#carrier.send('repair', new PlainFrame(FrameType.given, body, gone))
  }
}

/** Held by receipts: it must not keep the bundle's bytes in memory. */
class QueueOffer implements Offer {
  readonly peer: string
  outcome: Outcome = 'queued'

  constructor(peer: string) {
    this.peer = peer
  }
}

class BundleFrame implements OutgoingFrame {
  readonly type = FrameType.bundle
  readonly body: Uint8Array
  place: QueuePlace | null = null
  readonly #bundle: Bundle
  readonly #offer: QueueOffer
  readonly #waiting: Map<string, BundleFrame>
  readonly #counters: BundleQueueCounters

  constructor(bundle: Bundle, offer: QueueOffer, waiting: Map<string, BundleFrame>, counters: BundleQueueCounters) {
    bundle.buffer?.hold()
    this.body = bundle.sealed
    this.#bundle = bundle
    this.#offer = offer
    this.#waiting = waiting
    this.#counters = counters
  }

  begin(nowMs: number): Uint8Array {
    this.#waiting.delete(this.#bundle.key)
    return prefixOf(this.#bundle, nowMs)
  }

  finished(): void {
    this.#bundle.buffer?.release()
  }

  get tree(): number {
    return treeOf(this.#bundle.originKey)
  }

  /** It is not to be sent after all. */
  announced(): void {
    this.finished()
    this.#offer.outcome = 'announced'
    this.#counters.bundlesAnnounced++
  }

  dropped(): void {
    this.finished()
    this.#waiting.delete(this.#bundle.key)
    this.#offer.outcome = 'dropped'
    this.#counters.bundlesDropped++
  }
}

/** A stored bundle that a neighbour asked for. Its bytes are its own. */
class GivenFrame implements OutgoingFrame {
  readonly type = FrameType.bundle
  readonly body: Uint8Array
  place: QueuePlace | null = null
  readonly #bundle: Bundle

  constructor(bundle: Bundle) {
    this.body = bundle.sealed
    this.#bundle = bundle
  }

  begin(nowMs: number): Uint8Array {
    return prefixOf(this.#bundle, nowMs)
  }

  dropped(): void {}
}

/** A whole body; `left` hears when its turn has come, or never will. */
class PlainFrame implements OutgoingFrame {
  readonly type: number
  readonly body: Uint8Array
  place: QueuePlace | null = null
  readonly #left: () => void

  constructor(type: number, body: Uint8Array, left: () => void = () => {}) {
    this.type = type
    this.body = body
    this.#left = left
  }

  begin(): Uint8Array {
    this.#left()
    return EMPTY
  }

  dropped(): void {
    this.#left()
  }
}

/** Hops and age, as they must be told when the bundle leaves now. */
function prefixOf(bundle: Bundle, nowMs: number): Uint8Array {
  const ageMs = ageAt(bundle, nowMs)
  const prefix = new Uint8Array(1 + varintLength(ageMs))
  prefix[0] = Math.min(HOPS_TOLD_MAX, bundle.hops + 1)
  writeVarint(prefix, 1, ageMs)
  return prefix
}

// One neighbour's bundles that wait to be sent: the router's view of a link. It outlives the connection when another one
// with the same neighbour takes over. docs/protocol.md, "Flood" and "Scheduling".

import { FrameType } from '../framing/frames.ts'
import { varintLength, writeVarint } from '../framing/varint.ts'
import type { OutgoingFrame, QueuePlace } from '../link/send-queue.ts'
import type { Outcome } from '../types.ts'
import { ageAt, type Bundle } from './bundle.ts'
import type { Offer } from './publisher.ts'
import type { FloodLink } from './router.ts'

/** What a bundle queue needs of the link that carries it. */
export interface BundleCarrier {
  readonly bundleBytes: number
  offer(frame: OutgoingFrame): boolean
  wouldTake(bodyLength: number): boolean
  withdraw(frame: OutgoingFrame): boolean
}

/** Counted over all neighbours. */
export interface BundleQueueCounters {
  bundlesDropped: number
  bundlesWithdrawn: number
}

export class BundleQueue implements FloodLink {
  readonly key: string
  readonly #peer: string
  readonly #counters: BundleQueueCounters
  readonly #waiting = new Map<string, BundleFrame>()
  #carrier: BundleCarrier

  /** `key` as in FloodLink; `peer` is the peer id text. */
  constructor(neighbour: { key: string; peer: string }, carrier: BundleCarrier, counters: BundleQueueCounters) {
    this.key = neighbour.key
    this.#peer = neighbour.peer
    this.#carrier = carrier
    this.#counters = counters
  }

  get bundleBytes(): number {
    return this.#carrier.bundleBytes
  }

  /** Another connection carries this neighbour's bundles from now on. */
  carryOver(carrier: BundleCarrier): void {
    this.#carrier = carrier
  }

  offer(bundle: Bundle): Offer {
    const offer = new QueueOffer(this.#peer)
    const frame = new BundleFrame(bundle, offer, this.#waiting, this.#counters)
    if (this.#carrier.offer(frame)) this.#waiting.set(bundle.key, frame)
    else frame.dropped()
    return offer
  }

  foresee(): Offer {
    return { peer: this.#peer, outcome: this.#carrier.wouldTake(0) ? 'queued' : 'dropped' }
  }

  withdraw(bundleKey: string): void {
    const frame = this.#waiting.get(bundleKey)
    if (frame === undefined || !this.#carrier.withdraw(frame)) return
    frame.finished()
    this.#waiting.delete(bundleKey)
    this.#counters.bundlesWithdrawn++
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
    const ageMs = ageAt(this.#bundle, nowMs)
    const prefix = new Uint8Array(1 + varintLength(ageMs))
    prefix[0] = this.#bundle.hops + 1
    writeVarint(prefix, 1, ageMs)
    return prefix
  }

  finished(): void {
    this.#bundle.buffer?.release()
  }

  dropped(): void {
    this.finished()
    this.#waiting.delete(this.#bundle.key)
    this.#offer.outcome = 'dropped'
    this.#counters.bundlesDropped++
  }
}

// One node's flood, put together: router, publisher, repair and the store they share, and for each neighbour the queue of
// its bundles. What comes in on links goes in here, by neighbour; who the neighbours are is decided elsewhere. It decides
// nothing itself. docs/protocol.md, "Flood".

import { bytesKey } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { FrameType } from '../framing/frames.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import type { KeyPair } from '../identity/key-pair.ts'
import type { Network } from '../identity/network.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Random } from '../io/world.ts'
import { MODE_TREES_MAX } from '../limits.ts'
import type { ResolvedOptions } from '../options.ts'
import { ARRIVING_BYTES_MIN } from './arriving.ts'
import type { Bundle, BundleMessages } from './bundle.ts'
import { type BundleCarrier, BundleQueue, type BundleQueueCounters } from './bundle-queue.ts'
import type { BundleStore } from './bundle-store.ts'
import type { Checks } from './checks.ts'
import { treeOf } from './link-trees.ts'
import { decodeMode, encodeMode, type Mode } from './mode-frame.ts'
import { OwnEpoch } from './own-epoch.ts'
import { OwnRetained } from './own-retained.ts'
import { Publisher } from './publisher.ts'
import { Repair } from './repair.ts'
import { Router } from './router.ts'
import { Seen } from './seen.ts'
import { StoreWatch } from './store-watch.ts'
import type { Subscriptions } from './subscriptions.ts'
import { Trees } from './trees.ts'
import { Validation } from './validation.ts'

export interface FloodOptions {
  readonly options: ResolvedOptions
  readonly clock: Clock
  readonly random: Random
  readonly primitives: Primitives
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  readonly subscriptions: Subscriptions
  readonly checks: Checks
  readonly store: BundleStore
  /** Durable before this run, where there is a data folder. */
  readonly epoch: number
  /** An epoch beyond `after`, durable where there is a data folder. */
  nextEpoch(after: number): Promise<number>
  /** A neighbour sent what no honest node sends. */
  rejected(identity: Identity, reason: string): void
  /** A check of this program rejected what a neighbour published itself, or passed on: no proof of anything. */
  disapproved(identity: Identity, isItsOwn: boolean): void
  /** A new bundle of this origin came over that neighbour's link by itself. */
  heard(originKey: string, linkKey: string, nowMs: number): void
  /** A new retained bundle of another node came; `toldBy` is the key of the neighbour that brought it. */
  retainedCame(origin: Identity, bundle: Bundle, messages: BundleMessages, toldBy: string): void
  warn(code: string, text: string): void
}

interface Neighbour {
  readonly identity: Identity
  readonly bundles: BundleQueue
}

export class Flood {
  readonly seen: Seen
  readonly router: Router
  readonly validation: Validation
  readonly publisher: Publisher
  readonly retained: OwnRetained
  readonly repair: Repair
  readonly trees: Trees
  readonly counters: BundleQueueCounters = { bundlesDropped: 0, bundlesWithdrawn: 0, bundlesAnnounced: 0 }
  readonly #given: FloodOptions
  readonly #ownOriginKey: string
  readonly #ownEpoch: OwnEpoch
  readonly #storeWatch: StoreWatch
  readonly #alarm: Alarm
  readonly #orderAlarm: Alarm
  readonly #checkAlarm: Alarm
  readonly #ends: (() => void)[] = []
  /** By identity key; the same neighbour over whichever connection. */
  readonly #neighbours = new Map<string, Neighbour>()

  constructor(given: FloodOptions) {
    this.#given = given
    const { options, clock, random, primitives, keyPair, network, identities, subscriptions, store } = given
    const ownOriginKey = bytesKey(keyPair.identity.publicKey)
    this.#ownOriginKey = ownOriginKey
    const { ageMsMax } = options.store
    const fraction = (): number => random.fraction()
    this.seen = new Seen({ isClaimed: (...numbers) => this.repair.isClaimed(...numbers) })
    for (const { originKey, epoch, ranges } of store.taken()) this.seen.restore(originKey, epoch, ranges, clock.nowMs())
    this.#storeWatch = new StoreWatch(store, () => clock.nowMs())
    this.trees = new Trees({
      ownOriginKey,
      tell: (linkKey, mode, trees) => this.#tellMode(linkKey, mode, trees),
      turnedLazy: (linkKey, tree, nowMs) => {
        this.#neighbours.get(linkKey)?.bundles.turnedLazy(tree, nowMs)
        this.repair.turnedLazy(linkKey)
      },
    })
    this.repair = new Repair({
      trees: this.trees,
      store,
      seen: this.seen,
      primitives,
      ownOriginKey,
      ageMsMax,
      fraction,
      hint: (epoch) => this.#ownEpoch.hinted(epoch),
      confirmed: () => this.publisher.confirmationsChanged(),
    })
    this.#alarm = new Alarm(clock, () => this.#withRepair((nowMs) => this.repair.tick(nowMs)))
    this.validation = new Validation({
      checks: given.checks,
      nowMs: () => clock.nowMs(),
      decided: (arrival, verdict) => {
        this.router.decided(arrival, verdict)
        this.#orderChanged()
      },
      rejected: ({ link, bundle }) => this.#disapproved(link.key, bundle.originKey),
    })
    this.#checkAlarm = new Alarm(clock, () => {
      this.validation.tick(clock.nowMs())
      this.#checkAlarm.set(this.validation.deadlineMs)
    })
    this.router = new Router({
      primitives,
      networkId: network.id,
      identities,
      subscriptions,
      ownOriginKey,
      nowMs: () => clock.nowMs(),
      unixMs: () => clock.unixMs(),
      seen: this.seen,
      store,
      repair: this.repair,
      arrivals: this.trees,
      validation: this.validation,
      ageMsMax,
      actions: {
        rejected: (from, reason) => this.#rejected(from.key, reason),
        ownEpochMet: (epoch) => this.#ownEpoch.met(epoch),
        heard: (...what) => given.heard(...what),
        retainedCame: (origin, bundle, messages, toldBy) => {
          if (bundle.originKey === ownOriginKey) this.retained.cameBack(bundle, messages)
          else given.retainedCame(origin, bundle, messages, toldBy)
        },
      },
    })
    const { order } = this.router
    this.#orderAlarm = new Alarm(clock, () => {
      order.tick(clock.nowMs())
      this.#orderAlarm.set(order.deadlineMs)
    })
    this.publisher = new Publisher({
      origin: {
        publicKey: keyPair.identity.publicKey,
        originKey: ownOriginKey,
        signer: keyPair.signer,
        peerId: keyPair.identity.id,
      },
      signing: this.router.signing,
      clock,
      links: this.router,
      store,
      epoch: given.epoch,
      sealed: (bundle) => this.router.takeOwn(bundle),
      holders: (epoch, first, last) => this.#holders(ownOriginKey, epoch, first, last),
    })
    this.#ownEpoch = new OwnEpoch(this.publisher, { ...given, unixMs: () => clock.unixMs() })
    this.retained = new OwnRetained({ publisher: this.publisher, clock, fraction })
    this.#ends.push(
      store.onArrivals(() => {
        this.publisher.confirmationsChanged()
        this.#alarm.hasten(this.repair.added(clock.nowMs()))
      }),
      store.onEased(() => this.publisher.resume()),
    )
  }

  /** Goes on telling what earlier runs published as current values, and lets readers begin. */
  start(): void {
    const { clock, store, subscriptions } = this.#given
    this.retained.restore(store.retained(this.#ownOriginKey))
    subscriptions.attach({ store, seen: this.seen, ownOriginKey: this.#ownOriginKey, clock })
  }

  /** A frame of the flood's came from that neighbour; false when it is none. */
  frame(key: string, type: number, body: Uint8Array): boolean {
    const neighbour = this.#neighbours.get(key)
    switch (type) {
      case FrameType.bundle:
        if (neighbour !== undefined) this.#bundleCame(neighbour.bundles, body)
        return true
      case FrameType.have:
      case FrameType.want:
      case FrameType.given:
        if (neighbour !== undefined) this.#repairCame(key, type, body)
        return true
      case FrameType.mode:
        // Where one end does not offer lazy links, this is a frame that is not known.
        if (!neighbour?.bundles.trees.isAble) return false
        this.#modeCame(neighbour.bundles, body)
        return true
      default:
        return false
    }
  }

  /** Part of a frame's body of that length is here from that neighbour: `start`, good for this call only. */
  underWay(key: string, type: number, start: Uint8Array, length: number): void {
    if (type !== FrameType.bundle || length < ARRIVING_BYTES_MIN || !this.#neighbours.has(key)) return
    this.repair.underWay(key, start, this.#given.clock.nowMs())
  }

  /** `isAble`: both ends offer lazy links. */
  neighbourUp(identity: Identity, carrier: BundleCarrier, isAble: boolean): void {
    const { key, id: peer, publicKey } = identity
    const names = { key, peer, originKey: bytesKey(publicKey) }
    this.#withRepair((nowMs) => {
      const trees = this.trees.linkUp(key, isAble, nowMs)
      const again = (): void => this.#withRepair(() => {})
      const bundles = new BundleQueue(names, carrier, trees, this.#storeWatch, this.counters, again)
      this.#neighbours.set(key, { identity, bundles })
      this.router.addLink(bundles)
      this.repair.linkUp(bundles, nowMs)
    })
  }

  neighbourReplaced(key: string, carrier: BundleCarrier, isAble: boolean): void {
    const neighbour = this.#neighbours.get(key)
    if (neighbour === undefined) return
    // What was told on the other connection may not have come.
    this.#withRepair((nowMs) => {
      neighbour.bundles.carryOver(carrier, this.trees.linkUp(key, isAble, nowMs))
      this.repair.linkUp(neighbour.bundles, nowMs)
    })
  }

  /** Whether this node's own bundles go to that neighbour by themselves; null when it is none. */
  modeOf(key: string): Mode | null {
    const bundles = this.#neighbours.get(key)?.bundles
    if (bundles === undefined) return null
    return bundles.isLazy(treeOf(this.#ownOriginKey)) ? 'lazy' : 'eager'
  }

  neighbourDown(key: string): void {
    const neighbour = this.#neighbours.get(key)
    if (neighbour !== undefined) {
      this.#neighbours.delete(key)
      this.router.removeLink(neighbour.bundles)
      this.#withRepair((nowMs) => {
        this.trees.linkDown(key, nowMs)
        this.repair.linkDown(key, nowMs)
      })
    }
    this.publisher.resume()
  }

  /** Bundles left on some link, which has so many bytes of them left. */
  progressed(bundleBytes: number): void {
    this.publisher.resume()
    if (bundleBytes === 0) this.publisher.linkIdle()
  }

  /** Nothing is published any more; what was goes out. No message waits for an earlier one any more, or for a check. */
  close(): void {
    this.validation.close()
    this.#checkAlarm.cancel()
    this.router.order.close()
    this.#orderAlarm.cancel()
    this.publisher.close(new MeshError('not-running', 'this node has stopped'))
  }

  /** After the last link is gone. */
  stop(): void {
    this.#alarm.cancel()
    for (const end of this.#ends.splice(0)) end()
  }

  #bundleCame(bundles: BundleQueue, body: Uint8Array): void {
    this.router.received(bundles, body)
    this.#orderChanged()
    if (this.validation.waitingCount > 0) this.#checkAlarm.set(this.validation.deadlineMs)
  }

  #repairCame(key: string, type: number, body: Uint8Array): void {
    let nextMs = Number.NaN
    try {
      nextMs = this.repair.received(key, type, body, this.#given.clock.nowMs())
    } finally {
      this.#alarm.hasten(Number.isNaN(nextMs) ? this.repair.nextDeadlineMs() : nextMs)
    }
  }

  #modeCame(bundles: BundleQueue, body: Uint8Array): void {
    const frame = decodeMode(body)
    this.#withRepair((nowMs) => this.trees.modeCame(bundles.trees, frame, nowMs))
    // Which links hold the publisher back is another question now.
    this.publisher.resume()
  }

  #tellMode(linkKey: string, mode: Mode, trees: readonly number[]): void {
    const bundles = this.#neighbours.get(linkKey)?.bundles
    for (let at = 0; at < trees.length; at += MODE_TREES_MAX) {
      bundles?.tell(FrameType.mode, encodeMode({ mode, trees: trees.slice(at, at + MODE_TREES_MAX) }))
    }
  }

  #orderChanged(): void {
    const { order } = this.router
    // A deadline that is gone costs less as a ring for nothing than as a timer taken back with every gap that closes.
    if (order.heldCount > 0) this.#orderAlarm.set(order.deadlineMs)
  }

  /** Every other call that may change when repair has to act next goes through here. */
  #withRepair(call: (nowMs: number) => void): void {
    try {
      call(this.#given.clock.nowMs())
    } finally {
      this.#alarm.set(this.repair.nextDeadlineMs())
    }
  }

  /** Peer ids of the open neighbours that say that they hold these messages of ours. */
  #holders(ownOriginKey: string, epoch: number, first: number, last: number): readonly string[] {
    const holders: string[] = []
    for (const [key, { identity }] of this.#neighbours) {
      if (this.repair.holds(key, ownOriginKey, epoch, first, last)) holders.push(identity.id)
    }
    return holders
  }

  #rejected(key: string, reason: string): void {
    const neighbour = this.#neighbours.get(key)
    if (neighbour !== undefined) this.#given.rejected(neighbour.identity, reason)
  }

  #disapproved(key: string, originKey: string): void {
    const neighbour = this.#neighbours.get(key)
    if (neighbour === undefined) return
    this.#given.disapproved(neighbour.identity, bytesKey(neighbour.identity.publicKey) === originKey)
  }
}

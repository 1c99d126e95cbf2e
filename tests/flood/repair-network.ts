// A small network of real repair machines over links of memory, in a time of its own: what a router would do with bundles is
// done here in a few lines. Links have a delay and a speed, can be cut with all that is under way, and can lose new bundles
// (as a full queue does), but never what answers a want.

import assert from 'node:assert/strict'
import { primitives } from '../../lib/crypto/choose.ts'
import { ageAt, type Bundle } from '../../lib/flood/bundle.ts'
import { LinkTrees } from '../../lib/flood/link-trees.ts'
import { Repair, type RepairLink } from '../../lib/flood/repair.ts'
import { decodeGiven, decodeWant } from '../../lib/flood/repair-frames.ts'
import { Seen, type SeenOptions } from '../../lib/flood/seen.ts'
import { Trees } from '../../lib/flood/trees.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { FakeStore, plainBundle, plainOriginKey } from './fake-store.ts'

/** A frame as it was sent. */
export interface SentFrame {
  readonly atMs: number
  readonly from: number
  readonly to: number
  readonly type: number
  readonly bytes: number
}

export interface NodeSettings {
  /** What is put can be found that much later. */
  readonly commitMs?: number
  readonly ageMsMax?: number
  readonly seen?: SeenOptions
}

export interface Event {
  readonly atMs: number
  readonly order: number
  readonly act: () => void
  /** It is no longer to happen, and takes no time. */
  isOff: boolean
}

const STEPS_MAX = 4_000_000

export class RepairNetwork {
  nowMs = 1_000
  readonly nodes: RepairNode[] = []
  readonly frames: SentFrame[] = []
  /** How often each node alone was asked for something while another was: never, when all is well. */
  doubleAsks = 0
  /** The longest that one `tick` took, in real milliseconds, and how many there were. */
  tickMsMax = 0
  ticks = 0
  /** Of new bundles (not of answers), which are lost. */
  loses: (from: number, to: number) => boolean = () => false
  #events: Event[] = []
  #order = 0
  #steps = 0

  constructor(count: number, settings: (number: number) => NodeSettings = () => ({})) {
    for (let i = 0; i < count; i++) this.nodes.push(new RepairNode(this, i, settings(i)))
  }

  node(number: number): RepairNode {
    return this.nodes[number]!
  }

  at(atMs: number, act: () => void): Event {
    const event = { atMs, order: this.#order++, act, isOff: false }
    const heap = this.#events
    let place = heap.push(event) - 1
    while (place > 0 && isBefore(event, heap[(place - 1) >> 1]!)) {
      heap[place] = heap[(place - 1) >> 1]!
      place = (place - 1) >> 1
    }
    heap[place] = event
    return event
  }

  /** Links two nodes. `bytesPerMs` bounds bundles and answers. */
  connect(a: number, b: number, delayMs = 5, bytesPerMs = 10_000): void {
    if (a === b || this.node(a).links.has(b)) return
    const [there, back] = [new SimLink(this, a, b, delayMs, bytesPerMs), new SimLink(this, b, a, delayMs, bytesPerMs)]
    this.node(a).linkUp(there)
    this.node(b).linkUp(back)
  }

  /** What is under way is lost. */
  cut(a: number, b: number): void {
    this.node(a).linkDown(b)
    this.node(b).linkDown(a)
  }

  /** Lets everything happen that is due by then. */
  run(untilMs: number): void {
    while (this.#events.length > 0 && this.#events[0]!.atMs <= untilMs) this.#step()
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  /** Until nothing will ever happen any more by itself. Returns the time until nobody told anybody anything any more. */
  settle(): number {
    const begunMs = this.nowMs
    while (this.#events.length > 0) this.#step()
    return Math.max(0, (this.frames.at(-1)?.atMs ?? begunMs) - begunMs)
  }

  /** What somebody holds and this node has not taken. */
  missing(node: RepairNode): string[] {
    const missing: string[] = []
    for (const { store } of this.nodes) {
      for (const { originKey, epoch, ranges } of store.taken()) {
        const left = node.seen.missing(originKey, epoch, store.holdings.ranges(originKey, epoch))
        if (left.length > 0) missing.push(`${originKey.charCodeAt(1)}/${epoch}: ${left} of ${ranges}`)
      }
    }
    return missing
  }

  #step(): void {
    assert.ok(this.#steps++ < STEPS_MAX, 'it does not end')
    const heap = this.#events
    const event = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      let place = 0
      for (;;) {
        let child = place * 2 + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
        if (isBefore(last, heap[child]!)) break
        heap[place] = heap[child]!
        place = child
      }
      heap[place] = last
    }
    if (event.isOff) return
    this.nowMs = Math.max(this.nowMs, event.atMs)
    event.act()
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

export class RepairNode {
  readonly number: number
  readonly originKey: string
  readonly links: Map<number, SimLink> = new Map()
  readonly hints: number[] = []
  confirmations = 0
  /** Bundles that came and were taken, and those that came in vain. */
  taken = 0
  duplicates = 0
  /** A bundle that is not taken, whatever it is, as for want of room. */
  refuses: (bundle: Bundle) => boolean = () => false
  /** Bundles that came are passed on. */
  forwards: boolean = true
  store: FakeStore
  seen!: Seen
  trees!: Trees
  repair!: Repair
  epoch = 1
  next = 0
  readonly #network: RepairNetwork
  readonly #settings: NodeSettings
  #alarm: Event | null = null
  #commitMs: number | null = null
  /** What it asks of others now, by neighbour. */
  readonly #asking = new Map<number, { request: number; numbers: Set<string> }>()

  constructor(network: RepairNetwork, number: number, settings: NodeSettings) {
    this.#network = network
    this.#settings = settings
    this.number = number
    this.originKey = plainOriginKey(number)
    this.store = new FakeStore({ nowMs: () => network.nowMs, commits: settings.commitMs !== undefined })
    this.#begin()
  }

  get #nowMs(): number {
    return this.#network.nowMs
  }

  /** Publishes bundles of so many messages each, in the present epoch, of this origin or another. */
  publish(bundles: number, count = 1, bytes = 300, flags = 0, timeToLiveS = 0, topic = ''): void {
    for (let i = 0; i < bundles; i++) {
      const { originKey, epoch, next: first } = this
      const heldSinceMs = this.#nowMs
      const bundle = plainBundle({ originKey, epoch, first, count, bytes, heldSinceMs, hops: 0, flags, timeToLiveS })
      this.next += count
      this.seen.mark(originKey, epoch, first, first + count - 1, '', heldSinceMs)
      this.#put(bundle, topic)
      for (const link of this.links.values()) link.offer(bundle)
    }
    this.rearm()
  }

  /** Puts bundles into seen and store as if they had been taken before. */
  load(bundle: Bundle, topic = ''): void {
    const { originKey, epoch, first, count } = bundle
    this.seen.mark(originKey, epoch, first, first + count - 1, '', this.#nowMs)
    this.#put(bundle, topic)
    this.store.commit()
  }

  bundleCame(from: number, bundle: Bundle): void {
    const { originKey, epoch, first, count } = bundle
    const [last, nowMs] = [first + count - 1, this.#nowMs]
    const key = this.keyOf(from)
    const wasAsked = this.repair.bundleCame(key, originKey, epoch, first, last, nowMs)
    const isNew = this.seen.look(originKey, epoch, first, last) === 'new'
    if (!isNew || this.refuses(bundle) || this.seen.mark(originKey, epoch, first, last, key, nowMs) !== 'new') {
      this.duplicates++
      return
    }
    this.taken++
    if (!wasAsked) {
      this.repair.cameByItself(originKey, epoch, first, last, nowMs)
      this.trees.newCame(this.links.get(from)!.trees, bundle, nowMs)
    }
    this.#put(bundle, '')
    if (this.forwards) {
      for (const [to, link] of this.links) {
        if (to === from || (wasAsked && this.repair.holds(this.keyOf(to), originKey, epoch, first, last))) continue
        link.offer(bundle)
      }
    }
    this.rearm()
  }

  frameCame(from: number, type: number, body: Uint8Array): void {
    if (type === FrameType.given) {
      const { request } = decodeGiven(body)
      if (this.#asking.get(from)?.request === request) this.#asking.delete(from)
    }
    const beforeMs = this.repair.nextDeadlineMs()
    const nextMs = this.repair.received(this.keyOf(from), type, body, this.#nowMs)
    // What it answers is enough to know when it has to act, without asking about all the neighbours.
    assert.ok(Math.min(beforeMs, nextMs) <= this.repair.nextDeadlineMs(), `frame ${type}: ${beforeMs}, ${nextMs}`)
    this.rearm()
  }

  /** Watches that nothing is asked of two at once. */
  asks(to: number, body: Uint8Array): void {
    const { request, wanted } = decodeWant(body)
    const numbers = new Set<string>()
    for (const { originKey, epoch, ranges } of wanted) {
      for (let at = 0; at < ranges.length; at += 2) {
        for (let number = ranges[at]!; number <= ranges[at + 1]!; number++)
          numbers.add(`${originKey}${epoch}/${number}`)
      }
    }
    this.#asking.delete(to)
    for (const other of this.#asking.values()) {
      for (const number of numbers) if (other.numbers.has(number)) this.#network.doubleAsks++
    }
    this.#asking.set(to, { request, numbers })
  }

  linkUp(link: SimLink): void {
    this.links.set(link.to, link)
    link.trees = this.trees.linkUp(link.key, false, this.#nowMs)
    this.repair.linkUp(link, this.#nowMs)
    this.rearm()
  }

  linkDown(to: number): void {
    const link = this.links.get(to)
    if (link === undefined) return
    this.links.delete(to)
    this.#asking.delete(to)
    link.isUp = false
    this.repair.linkDown(this.keyOf(to), this.#nowMs)
    this.rearm()
  }

  /** All links gone, memory gone, the store as it was committed. The identity stays, the epoch is a new one. */
  restart(): void {
    for (const to of [...this.links.keys()]) this.#network.cut(this.number, to)
    const isDurable = this.#settings.commitMs !== undefined
    this.store = isDurable ? this.store.reopened() : new FakeStore({ nowMs: () => this.#network.nowMs })
    this.epoch++
    this.next = 0
    this.#asking.clear()
    this.#commitMs = null
    this.#begin()
  }

  keyOf(number: number): string {
    return `node ${number}`
  }

  rearm(): void {
    const atMs = Math.max(this.#nowMs, this.repair.nextDeadlineMs())
    if (this.#alarm?.atMs === atMs) return
    if (this.#alarm !== null) this.#alarm.isOff = true
    this.#alarm = null
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#alarm = this.#network.at(atMs, () => {
      this.#alarm = null
      this.#tick()
      this.rearm()
    })
  }

  #begin(): void {
    this.seen = new Seen({ ...this.#settings.seen, isClaimed: (...numbers) => this.repair.isClaimed(...numbers) })
    for (const { originKey, epoch, ranges } of this.store.taken()) this.seen.restore(originKey, epoch, ranges, 0)
    this.trees = new Trees({ ownOriginKey: this.originKey, tell: () => {}, turnedLazy: () => {} })
    this.repair = new Repair({
      trees: this.trees,
      store: this.store,
      seen: this.seen,
      primitives,
      ownOriginKey: this.originKey,
      ageMsMax: this.#settings.ageMsMax ?? 600_000,
      fraction: () => 0.5,
      hint: (epoch) => this.hints.push(epoch),
      confirmed: () => this.confirmations++,
    })
    this.store.onArrivals(() => {
      if (this.repair.added(this.#nowMs) < Number.POSITIVE_INFINITY) this.rearm()
    })
  }

  #tick(): void {
    const begun = process.hrtime.bigint()
    this.repair.tick(this.#nowMs)
    const tickMs = Number(process.hrtime.bigint() - begun) / 1e6
    this.#network.tickMsMax = Math.max(this.#network.tickMsMax, tickMs)
    this.#network.ticks++
  }

  #put(bundle: Bundle, topic: string): void {
    const { store } = this
    store.put(bundle, [topic])
    const { commitMs } = this.#settings
    if (commitMs === undefined || this.#commitMs !== null) return
    this.#commitMs = this.#nowMs + commitMs
    this.#network.at(this.#commitMs, () => {
      if (store !== this.store) return
      this.#commitMs = null
      store.commit()
    })
  }
}

/** One direction of a link. */
export class SimLink implements RepairLink {
  readonly key: string
  readonly originKey: string
  readonly to: number
  trees: LinkTrees
  isUp = true
  /** Frames that are not sent at all: a neighbour that does not answer, or says something else. */
  holdsBack: (type: number) => boolean = () => false
  readonly #network: RepairNetwork
  readonly #from: number
  readonly #delayMs: number
  readonly #bytesPerMs: number
  #busyUntilMs = 0

  constructor(network: RepairNetwork, from: number, to: number, delayMs: number, bytesPerMs: number) {
    this.#network = network
    this.#from = from
    this.to = to
    this.key = `node ${to}`
    this.trees = new LinkTrees(this.key, false)
    this.originKey = plainOriginKey(to)
    this.#delayMs = delayMs
    this.#bytesPerMs = bytesPerMs
  }

  readonly carriedBytes = 0

  tell(type: number, body: Uint8Array): void {
    if (type === FrameType.want) this.#network.node(this.#from).asks(this.to, body)
    if (this.holdsBack(type)) return
    this.#record(type, body.length)
    this.#arrives(this.#network.nowMs + this.#delayMs, (node) => node.frameCame(this.#from, type, body))
  }

  /** A new bundle: may be lost. */
  offer(bundle: Bundle): void {
    if (!this.#network.loses(this.#from, this.to)) this.give(bundle)
  }

  give(bundle: Bundle): void {
    if (this.holdsBack(FrameType.bundle)) return
    this.#record(FrameType.bundle, bundle.sealed.length)
    this.#arrives(this.#leavesAt(bundle.sealed.length) + this.#delayMs, (node) => {
      const { nowMs } = this.#network
      const ageMs = ageAt(bundle, nowMs)
      node.bundleCame(this.#from, { ...bundle, hops: Math.min(255, bundle.hops + 1), ageMs, heldSinceMs: nowMs })
    })
  }

  conclude(body: Uint8Array, left: () => void): void {
    const atMs = this.#leavesAt(body.length)
    this.#network.at(atMs, () => {
      left()
      this.#network.node(this.#from).rearm()
    })
    if (this.holdsBack(FrameType.given)) return
    this.#record(FrameType.given, body.length)
    this.#arrives(atMs + this.#delayMs, (node) => node.frameCame(this.#from, FrameType.given, body))
  }

  #leavesAt(bytes: number): number {
    this.#busyUntilMs = Math.max(this.#network.nowMs, this.#busyUntilMs) + bytes / this.#bytesPerMs
    return this.#busyUntilMs
  }

  #record(type: number, bytes: number): void {
    this.#network.frames.push({ atMs: this.#network.nowMs, from: this.#from, to: this.to, type, bytes })
  }

  #arrives(atMs: number, come: (node: RepairNode) => void): void {
    this.#network.at(atMs, () => {
      const node = this.#network.node(this.to)
      if (this.isUp && node.links.get(this.#from)?.isUp === true) come(node)
    })
  }
}

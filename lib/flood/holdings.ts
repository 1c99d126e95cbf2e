// Which messages this node can give: for each (origin, epoch) the ranges of sequence numbers whose bundles the store holds.
// The store writes it; repair reads what changed, and tells it to neighbours. It knows no bundles and no neighbours.
// docs/protocol.md, "Repair".

import { EPOCHS_PER_ORIGIN_MAX, RANGES_PER_EPOCH_MAX, RANGES_PER_ORIGIN_MAX } from '../limits.ts'
import { Recency, type Recent } from './recency.ts'
import { covers, exclude, include, type Spans } from './spans.ts'

/** What is held of one epoch of one origin. Only this module writes to it. */
export interface HeldEpoch extends Recent<HeldEpoch> {
  readonly origin: HeldOrigin
  readonly originKey: string
  readonly epoch: number
  /** first, last, first, last, …: not a copy. */
  readonly ranges: Spans
  /** `Holdings.serial` when something was last added. */
  readonly serial: number
}

export interface HeldOrigin {
  readonly key: string
  /** Ascending by epoch. Empty: nothing is held any more, and it is no longer in the table. */
  readonly epochs: readonly HeldEpoch[]
  /** In all its epochs. */
  readonly rangesCount: number
}

/** What is told of one epoch. */
export interface Told {
  readonly originKey: string
  readonly epoch: number
  readonly ranges: Spans
}

interface Epoch extends HeldEpoch {
  readonly origin: Origin
  readonly ranges: number[]
  serial: number
}

interface Origin extends HeldOrigin {
  readonly epochs: Epoch[]
  rangesCount: number
  isChanged: boolean
}

const NOTHING: Spans = Object.freeze([])

export class Holdings {
  readonly #origins = new Map<string, Origin>()
  /** By the last addition. */
  readonly #recency = new Recency<HeldEpoch>()
  readonly #changed: Origin[] = []
  /** Where the last number went: bundles of one origin mostly come in rows. */
  #last: Epoch | null = null
  #serial = 0

  /** Grows with every addition. */
  get serial(): number {
    return this.#serial
  }

  get originsCount(): number {
    return this.#origins.size
  }

  /** first…last are held from now on. Costs the same whatever is held, as long as numbers come in order. */
  add(originKey: string, epoch: number, first: number, last: number): void {
    let held = this.#last
    if (held === null || held.epoch !== epoch || held.originKey !== originKey) {
      held = this.#open(originKey, epoch)
      this.#last = held
    }
    const before = held.ranges.length
    include(held.ranges, first, last)
    const { origin } = held
    if (held.ranges.length !== before) origin.rangesCount += (held.ranges.length - before) / 2
    held.serial = ++this.#serial
    this.#recency.touch(held)
    if (!origin.isChanged) this.#markChanged(origin)
  }

  /** first…last are not held any more. Neighbours hear of it only when something of that epoch is added. */
  remove(originKey: string, epoch: number, first: number, last: number): void {
    const origin = this.#origins.get(originKey)
    const held = origin?.epochs[placeOf(origin.epochs, epoch)]
    if (origin === undefined || held?.epoch !== epoch) return
    const before = held.ranges.length
    exclude(held.ranges, first, last)
    origin.rangesCount += (held.ranges.length - before) / 2
    if (!origin.isChanged) this.#markChanged(origin)
    if (held.ranges.length > 0) return
    if (this.#last === held) this.#last = null
    this.#recency.remove(held)
    origin.epochs.splice(placeOf(origin.epochs, epoch), 1)
    if (origin.epochs.length === 0) this.#origins.delete(originKey)
  }

  /** first, last, first, last, …: a copy; empty when nothing is held. */
  ranges(originKey: string, epoch: number): number[] {
    return this.held(originKey, epoch).slice()
  }

  /** The same, not a copy: to be read at once. */
  held(originKey: string, epoch: number): Spans {
    const epochs = this.#origins.get(originKey)?.epochs
    if (epochs === undefined) return NOTHING
    const held = epochs[placeOf(epochs, epoch)]
    return held?.epoch === epoch ? held.ranges : NOTHING
  }

  has(originKey: string, epoch: number, first: number, last: number): boolean {
    return covers(this.held(originKey, epoch), first, last)
  }

  origin(originKey: string): HeldOrigin | null {
    return this.#origins.get(originKey) ?? null
  }

  /** Of the epochs that something was added to after `serial`, the one whose last addition is longest ago; `newer` leads on. */
  firstAddedAfter(serial: number): HeldEpoch | null {
    let found: HeldEpoch | null = null
    for (let at = this.#recency.newest; at !== null && at.serial > serial; at = at.older) found = at
    return found
  }

  /** Origins whose holdings changed in any way since they were last taken from here, at most so many. */
  takeChanged(countMax: number): HeldOrigin[] {
    const taken = this.#changed.splice(Math.max(0, this.#changed.length - countMax))
    for (const origin of taken) origin.isChanged = false
    return taken
  }

  #open(originKey: string, epoch: number): Epoch {
    let origin = this.#origins.get(originKey)
    if (origin === undefined) {
      origin = { key: originKey, epochs: [], rangesCount: 0, isChanged: false }
      this.#origins.set(originKey, origin)
    }
    const { epochs } = origin
    const place = placeOf(epochs, epoch)
    const known = epochs[place]
    if (known?.epoch === epoch) return known
    const opened: Epoch = { origin, originKey: origin.key, epoch, ranges: [], serial: 0, older: null, newer: null }
    epochs.splice(place, 0, opened)
    return opened
  }

  #markChanged(origin: Origin): void {
    origin.isChanged = true
    this.#changed.push(origin)
  }
}

/**
 * What of an origin is told to neighbours, in digests as in entries, ascending by epoch: the newest 64 epochs, in each the
 * highest 4,096 ranges, 16,384 in all, the older ones left out first. Nearly always that is everything.
 */
export function toldOf(origin: HeldOrigin): readonly Told[] {
  const { epochs } = origin
  if (epochs.length <= EPOCHS_PER_ORIGIN_MAX && origin.rangesCount <= RANGES_PER_EPOCH_MAX) return epochs
  const told: Told[] = []
  let left = RANGES_PER_ORIGIN_MAX
  for (let i = epochs.length - 1; i >= 0 && left > 0 && told.length < EPOCHS_PER_ORIGIN_MAX; i--) {
    const held = epochs[i]!
    const count = Math.min(left, RANGES_PER_EPOCH_MAX, held.ranges.length / 2)
    left -= count
    const isWhole = count * 2 === held.ranges.length
    told.push(isWhole ? held : { originKey: origin.key, epoch: held.epoch, ranges: held.ranges.slice(-count * 2) })
  }
  return told.reverse()
}

/** What of one epoch is told, or null when its origin has too many newer ones. */
export function toldOfEpoch(held: HeldEpoch): Told | null {
  return toldOf(held.origin).find(({ epoch }) => epoch === held.epoch) ?? null
}

/** Where `epoch` is or would be. */
function placeOf(epochs: readonly HeldEpoch[], epoch: number): number {
  let low = 0
  let high = epochs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (epochs[middle]!.epoch < epoch) low = middle + 1
    else high = middle
  }
  return low
}

// What of the additions one neighbour must hear of soon, because bundles of their tree do not come to it by themselves. What
// it claims itself by then it need not hear of at once: of two ends that got a bundle elsewhere, one tells the other. That is the
// first end, at its next look; the other end leaves it a look's time for that. Looks, and sends nothing: telling.ts does.
// docs/protocol.md, "Lazy links".

import { type HeldEpoch, type Holdings, type Told, toldOfEpoch } from './holdings.ts'
import { type Spans, upTo } from './spans.ts'

/**
 * Between two looks. The first end tells what a look finds, the other end at the look after it: at most one and two of these after
 * it was added. Each look wakes the process, and each telling two.
 */
export const LOOK_MS = 50

/** What one link has to say about its neighbour. */
export interface AnnouncingLink {
  /** Whether this end tells first. */
  readonly isFirst: boolean
  /** Whether bundles of any tree are announced. */
  isAnnouncing(): boolean
  /** Whether bundles of this origin are. */
  isAnnounced(originKey: string, nowMs: number): boolean
  /** Whether the neighbour claims all of these. */
  covers(originKey: string, epoch: number, ranges: Spans): boolean
}

interface Handled {
  /** `HeldEpoch.serial` of which this speaks. */
  serial: number
  /** What was held up to this number is to be told at the next look, unless the neighbour has it; null: it was told. */
  upTo: number | null
}

export class Announcing {
  readonly #holdings: Holdings
  readonly #link: AnnouncingLink
  /** Of what was added since the last full telling. */
  readonly #handled = new Map<HeldEpoch, Handled>()
  #lookedSerial = -1
  #lookAtMs: number | null = null
  #hasPending = false

  constructor(holdings: Holdings, link: AnnouncingLink) {
    this.#holdings = holdings
    this.#link = link
  }

  /** When `isDue` has something to say; minus infinite: at once; infinite: not as things stand. */
  nextDeadlineMs(): number {
    if (this.#lookAtMs !== null) return this.#lookAtMs
    return this.#isWaiting ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  /** Something may have been added: from now on `nextDeadlineMs` says when to look at it. */
  added(nowMs: number): void {
    // On beats that all links share: one waking for all of them.
    if (this.#lookAtMs === null && this.#isWaiting) this.#lookAtMs = (Math.floor(nowMs / LOOK_MS) + 1) * LOOK_MS
  }

  /** Whether it is time for `look`. */
  isDue(nowMs: number): boolean {
    this.added(nowMs)
    return this.#lookAtMs !== null && nowMs >= this.#lookAtMs
  }

  /**
   * Looks at what was added after `toldSerial`, and gives what is to be told now, each as it is held, to `take`; false: there
   * is no room for it, and it waits for the next look. Returns how many epochs it looked at.
   */
  look(toldSerial: number, nowMs: number, take: (told: Told) => boolean): number {
    this.#lookAtMs = null
    this.#lookedSerial = this.#holdings.serial
    this.#hasPending = false
    let looked = 0
    for (let held = this.#holdings.firstAddedAfter(toldSerial); held !== null; held = held.newer) {
      looked++
      if (this.#link.isAnnounced(held.originKey, nowMs) && !this.#lookAt(held, take)) break
    }
    return looked
  }

  /** Whether all that is held of it was told. */
  isTold(held: HeldEpoch): boolean {
    const handled = this.#handled.get(held)
    return handled !== undefined && handled.serial === held.serial && handled.upTo === null
  }

  /** All that was added is told. */
  clear(): void {
    this.#handled.clear()
    this.#hasPending = false
    this.#lookAtMs = null
    this.#lookedSerial = this.#holdings.serial
  }

  /** One more tree is announced from now on: what was added of it before may be untold. */
  again(): void {
    this.#lookedSerial = -1
  }

  get #isWaiting(): boolean {
    return this.#hasPending || (this.#holdings.serial !== this.#lookedSerial && this.#link.isAnnouncing())
  }

  /** False: it is to be told, and there was no room. */
  #lookAt(held: HeldEpoch, take: (told: Told) => boolean): boolean {
    const { serial, ranges } = held
    const handled = this.#handled.get(held)
    const isNew = handled === undefined || handled.upTo === null
    if (isNew && handled?.serial === serial) return true
    const newest = ranges[ranges.length - 1] ?? -1
    if (isNew && !this.#link.isFirst) {
      this.#handled.set(held, { serial, upTo: newest })
      this.#hasPending = true
      return true
    }
    const dueUpTo = isNew || this.#link.isFirst ? newest : handled.upTo!
    const told = toldOfEpoch(held)
    if (told !== null && !this.#link.covers(held.originKey, held.epoch, upTo(told.ranges, dueUpTo))) {
      const hasRoom = take(told)
      this.#handled.set(held, { serial, upTo: hasRoom ? null : dueUpTo })
      this.#hasPending ||= !hasRoom
      return hasRoom
    }
    // The neighbour has those. What came since waits for another look.
    this.#handled.set(held, { serial, upTo: newest })
    this.#hasPending ||= dueUpTo < newest
    return true
  }
}

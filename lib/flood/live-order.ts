// Each origin's live messages in its own order: a bundle that overtook others of its origin, by a shorter way or past one
// that repair still fetches, waits a moment for them. Only delivery to live subscriptions waits; what is taken, kept and
// passed on is the router's business and does not. Nothing is lost here: what comes late is delivered late. Reads no clock:
// times come in, and `tick` is to be called at `deadlineMs`. docs/protocol.md, "Forwarding".

import { LIVE_ORDER_BUNDLES_MAX, LIVE_ORDER_BYTES_MAX, LIVE_ORDER_WAIT_MS, ORIGINS_MAX } from '../limits.ts'
import type { Bundle, BundleMessages } from './bundle.ts'

/** What one message of a held bundle keeps beside its bytes: two places, a topic, and room in their lists. */
const HELD_MESSAGE_BYTES = 32

/** A bundle that waits for those before it. */
export interface HeldBundle {
  /** Not to be cut from a buffer that is much larger: that whole buffer is kept, and counted. */
  readonly bundle: Bundle
  readonly messages: BundleMessages
  /** Peer id of the origin. */
  readonly from: string
  /** When it came, by the monotonic clock; never before that of the one held last. */
  readonly sinceMs: number
}

export interface LiveOrderOptions {
  /** A bundle that was held goes now. May call `close`. */
  deliver(held: HeldBundle): void
  /** Whether every one of these numbers has come, and those of held bundles with them: nothing is left to wait for. */
  isTaken(originKey: string, epoch: number, first: number, last: number): boolean
  readonly originsMax?: number
  readonly bundlesMax?: number
  readonly bytesMax?: number
}

/** One epoch of an origin. Between calls the first of `held` lacks a number before it. */
interface Line {
  readonly epoch: number
  /** Everything before it has gone, was given up, or came before we knew this epoch. */
  next: number
  /** Ascending. */
  readonly held: HeldBundle[]
  /** The epoch known before this one: what is still on its way of an earlier run. Older ones are in no order. */
  older: Line | null
}

export class LiveOrder {
  readonly #options: LiveOrderOptions
  readonly #originsMax: number
  readonly #bundlesMax: number
  readonly #bytesMax: number
  /** The newest epoch of each origin; those known longest first. */
  readonly #lines = new Map<string, Line>()
  /** Of all origins, those held longest first. */
  readonly #held = new Set<HeldBundle>()
  #bytes = 0
  #isClosed = false

  constructor(options: LiveOrderOptions) {
    this.#options = options
    this.#originsMax = options.originsMax ?? ORIGINS_MAX
    this.#bundlesMax = options.bundlesMax ?? LIVE_ORDER_BUNDLES_MAX
    this.#bytesMax = options.bytesMax ?? LIVE_ORDER_BYTES_MAX
  }

  get heldCount(): number {
    return this.#held.size
  }

  get heldBytes(): number {
    return this.#bytes
  }

  /** When to call `tick`, by the clock of `HeldBundle.sinceMs`; null: not at all. */
  get deadlineMs(): number | null {
    const oldest = this.#oldest()
    return oldest === undefined ? null : oldest.sinceMs + LIVE_ORDER_WAIT_MS
  }

  /**
   * Whether the bundle of these numbers, which are taken, may be delivered now: that is then to be done at once, and `follow`
   * called when anything is held. When it may not, it is to be held, or let go if nobody wants it.
   */
  admits(originKey: string, epoch: number, first: number, last: number): boolean {
    const line = this.#lines.get(originKey)
    if (line !== undefined && line.epoch === epoch) return this.#admitsTo(line, originKey, first, last)
    return this.#isClosed || this.#admitsOther(line, originKey, epoch, first, last)
  }

  /**
   * A bundle that begins with this number has come and may be delivered later: those behind it wait for it, even where it is
   * the first that is known of its epoch.
   */
  expect(originKey: string, epoch: number, first: number): void {
    if (this.#isClosed || this.#find(originKey, epoch) !== null) return
    this.#admitsOther(this.#lines.get(originKey), originKey, epoch, first, first - 1)
  }

  /** Delivers what a bundle of that epoch, which was admitted and delivered, was the last to be waited for. */
  follow(originKey: string, epoch: number): void {
    const line = this.#find(originKey, epoch)
    if (line !== null) this.#release(line, -1)
  }

  /** Holds a bundle that was not admitted just now. At the bounds, all that is held of the origin that waits longest goes. */
  hold(held: HeldBundle): void {
    const { originKey, epoch, first } = held.bundle
    const line = this.#find(originKey, epoch)!
    let at = line.held.length
    while (at > 0 && line.held[at - 1]!.bundle.first > first) at--
    line.held.splice(at, 0, held)
    this.#held.add(held)
    this.#bytes += costOf(held)
    while (this.#held.size > this.#bundlesMax || this.#bytes > this.#bytesMax) {
      this.#releaseAll(this.#lines.get(this.#oldest()!.bundle.originKey)!)
    }
  }

  /** Gives up what was waited for too long: the bundle that waits longest goes, and with it what stands before it. */
  tick(nowMs: number): void {
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      if (oldest.sinceMs + LIVE_ORDER_WAIT_MS > nowMs) return
      const { originKey, epoch, first } = oldest.bundle
      this.#release(this.#find(originKey, epoch)!, first)
    }
  }

  /** Delivers all that is held; from now on nothing waits. */
  close(): void {
    this.#isClosed = true
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      this.#releaseAll(this.#lines.get(oldest.bundle.originKey)!)
    }
    this.#lines.clear()
  }

  #admitsTo(line: Line, originKey: string, first: number, last: number): boolean {
    if (first > line.next) {
      const { held, epoch, next } = line
      // What one that is held lacks, this one lacks too. Else the gap may be of numbers that nobody here wanted.
      if (held.length > 0 && held[0]!.bundle.first < first) return false
      if (!this.#options.isTaken(originKey, epoch, next, first - 1)) return false
    }
    if (last >= line.next) line.next = last + 1
    return true
  }

  /** Of an origin that is not known, or of another epoch than its newest. */
  #admitsOther(line: Line | undefined, originKey: string, epoch: number, first: number, last: number): boolean {
    const opened: Line = { epoch, next: last + 1, held: [], older: null }
    if (line === undefined) {
      if (this.#lines.size >= this.#originsMax) this.#forgetOldest()
      this.#lines.set(originKey, opened)
      return true
    }
    const { older } = line
    if (older !== null) {
      if (older.epoch === epoch) return this.#admitsTo(older, originKey, first, last)
      if (older.epoch > epoch) return true
      this.#release(older, Number.POSITIVE_INFINITY)
    }
    if (epoch < line.epoch) {
      line.older = opened
    } else {
      opened.older = line
      line.older = null
      this.#lines.set(originKey, opened)
    }
    return true
  }

  #forgetOldest(): void {
    const [originKey, line] = this.#lines.entries().next().value!
    this.#releaseAll(line)
    this.#lines.delete(originKey)
  }

  #find(originKey: string, epoch: number): Line | null {
    let line = this.#lines.get(originKey) ?? null
    while (line !== null && line.epoch !== epoch) line = line.older
    return line
  }

  /** The earlier epoch goes first. */
  #releaseAll(line: Line): void {
    if (line.older !== null) this.#release(line.older, Number.POSITIVE_INFINITY)
    this.#release(line, Number.POSITIVE_INFINITY)
  }

  /** Delivers what is held up to this first number, whatever it lacks, and then what lacks nothing. */
  #release(line: Line, upTo: number): void {
    const { held } = line
    for (let first = held[0]; first !== undefined; first = held[0]) {
      const { bundle } = first
      if (bundle.first > upTo && !this.#lacksNothing(line, bundle)) return
      held.shift()
      this.#held.delete(first)
      this.#bytes -= costOf(first)
      line.next = Math.max(line.next, bundle.first + bundle.count)
      this.#options.deliver(first)
    }
  }

  #lacksNothing(line: Line, { originKey, epoch, first }: Bundle): boolean {
    return first <= line.next || this.#options.isTaken(originKey, epoch, line.next, first - 1)
  }

  #oldest(): HeldBundle | undefined {
    return this.#held.size === 0 ? undefined : this.#held.values().next().value
  }
}

function costOf({ bundle }: HeldBundle): number {
  return bundle.sealed.buffer.byteLength + bundle.count * HELD_MESSAGE_BYTES
}

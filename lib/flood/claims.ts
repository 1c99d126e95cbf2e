// What one neighbour says that it holds, within bounds. A claim never changes what this node has taken: it only says whom to
// ask, whom not to send to, and whom to name as a holder. docs/protocol.md, "Repair".

import { ALL_CLAIM_ENTRIES_MAX, CLAIM_ENTRIES_MAX, CLAIM_RANGES_MAX, EPOCHS_PER_ORIGIN_MAX } from '../limits.ts'
import { ClaimWait } from './claim-wait.ts'
import { Recency, type Recent } from './recency.ts'
import type { EpochNumbers } from './repair-frames.ts'
import { covers, type Spans, touches, union, without } from './spans.ts'

/** One epoch's claim. Asking keeps what it needs to know here too. */
export interface Claim extends Recent<Claim> {
  readonly originKey: string
  readonly epoch: number
  /** What it says it holds, less what was struck. */
  ranges: Spans
  /** What it did not give when asked: not believed again on this link, however often it is told. */
  struck: Spans
  /** It is no longer among the claims. */
  isDropped: boolean
  /** Something of it may be worth asking for: it stands in the asking queue. */
  isWanting: boolean
  /** When it was told last. */
  toldMs: number
  /** Nothing of it is missing: it stands among those that are about to be forgotten (settling.ts). */
  isSettling: boolean
  /** When and until when it waits: see claim-wait.ts. */
  readonly wait: ClaimWait
  /** What came when asked and was not taken here, for want of room: asked for again from `retryMs` on. */
  refused: Spans
  retryMs: number
  retryWaitMs: number
}

export interface ClaimBounds {
  readonly entriesMax: number
  readonly rangesMax: number
}

/** Those of all neighbours of a node: whoever claims most gives way when they are too many together. */
export class AllClaims {
  readonly #entriesMax: number
  readonly #members = new Set<Claims>()
  #entriesCount = 0

  constructor(entriesMax: number = ALL_CLAIM_ENTRIES_MAX) {
    this.#entriesMax = entriesMax
  }

  get entries(): number {
    return this.#entriesCount
  }

  /** Before it holds anything. */
  join(claims: Claims): void {
    this.#members.add(claims)
  }

  changed(claims: Claims, by: 1 | -1): void {
    if (this.#members.has(claims)) this.#entriesCount += by
  }

  /** That neighbour is gone, and its claims count no more. */
  leave(claims: Claims): void {
    if (this.#members.delete(claims)) this.#entriesCount -= claims.counts.entries
  }

  /** Has those who claim most give up what was told longest ago. */
  trim(): void {
    while (this.#entriesCount > this.#entriesMax) {
      let largest: Claims | null = null
      for (const claims of this.#members) {
        if (largest === null || claims.counts.entries > largest.counts.entries) largest = claims
      }
      largest!.dropOldest()
    }
  }
}

export class Claims {
  readonly #bounds: ClaimBounds
  readonly #all: AllClaims
  /** At most 64 for each origin. */
  readonly #origins = new Map<string, Claim[]>()
  /** By when they were last told. */
  readonly #recency = new Recency<Claim>()
  #entriesCount = 0
  #rangesCount = 0

  constructor(
    bounds: ClaimBounds = { entriesMax: CLAIM_ENTRIES_MAX, rangesMax: CLAIM_RANGES_MAX },
    all: AllClaims = new AllClaims(),
  ) {
    this.#bounds = bounds
    this.#all = all
    all.join(this)
  }

  get counts(): { entries: number; ranges: number } {
    return { entries: this.#entriesCount, ranges: this.#rangesCount }
  }

  find(originKey: string, epoch: number): Claim | null {
    const epochs = this.#origins.get(originKey)
    if (epochs !== undefined) for (const claim of epochs) if (claim.epoch === epoch) return claim
    return null
  }

  /**
   * The neighbour holds exactly these of that epoch. Beyond the bounds, the claims that were told longest ago go; of one
   * origin the lowest epoch. Returns the claim, or null when there is none: nothing is held, or it went at once.
   */
  tell({ originKey, epoch, ranges }: EpochNumbers): Claim | null {
    const known = this.find(originKey, epoch)
    if (ranges.length === 0) {
      if (known !== null) this.drop(known)
      return null
    }
    const claim = known ?? this.#open(originKey, epoch)
    if (claim === null) return null
    this.#change(claim, without(ranges, claim.struck), claim.struck)
    this.#recency.touch(claim)
    const { entriesMax, rangesMax } = this.#bounds
    while (this.#entriesCount > entriesMax || this.#rangesCount > rangesMax) this.dropOldest()
    this.#all.trim()
    return claim.isDropped ? null : claim
  }

  /** It was asked for these and did not give them. */
  strike(claim: Claim, spans: Spans): void {
    if (!claim.isDropped) this.#change(claim, without(claim.ranges, spans), union(claim.struck, spans))
  }

  /** What was told longest ago. There is one. */
  dropOldest(): void {
    this.drop(this.#recency.oldest!)
  }

  drop(claim: Claim): void {
    if (claim.isDropped) return
    claim.isDropped = true
    this.#recency.remove(claim)
    this.#entriesCount--
    this.#all.changed(this, -1)
    this.#rangesCount -= rangesOf(claim)
    const epochs = this.#origins.get(claim.originKey)!
    if (epochs.length === 1) this.#origins.delete(claim.originKey)
    else epochs.splice(epochs.indexOf(claim), 1)
    // Queues may go on referring to it.
    claim.ranges = []
    claim.struck = []
    claim.refused = []
  }

  /** Whether it says that it holds all of these. */
  covers(originKey: string, epoch: number, first: number, last: number): boolean {
    const claim = this.find(originKey, epoch)
    return claim !== null && covers(claim.ranges, first, last)
  }

  /** Whether it says that it holds any of these. */
  touches(originKey: string, epoch: number, first: number, last: number): boolean {
    const claim = this.find(originKey, epoch)
    return claim !== null && touches(claim.ranges, first, last)
  }

  #open(originKey: string, epoch: number): Claim | null {
    const epochs = this.#origins.get(originKey)
    if (epochs !== undefined && epochs.length >= EPOCHS_PER_ORIGIN_MAX) {
      const oldest = epochs.reduce((a, b) => (a.epoch < b.epoch ? a : b))
      if (epoch < oldest.epoch) return null
      this.drop(oldest)
    }
    const claim = newClaim(originKey, epoch)
    if (epochs === undefined) this.#origins.set(originKey, [claim])
    else epochs.push(claim)
    this.#entriesCount++
    this.#all.changed(this, 1)
    return claim
  }

  #change(claim: Claim, ranges: Spans, struck: Spans): void {
    this.#rangesCount -= rangesOf(claim)
    claim.ranges = ranges
    claim.struck = struck
    this.#rangesCount += rangesOf(claim)
  }
}

function rangesOf(claim: Claim): number {
  return (claim.ranges.length + claim.struck.length) / 2
}

function newClaim(originKey: string, epoch: number): Claim {
  return {
    originKey,
    epoch,
    ranges: [],
    struck: [],
    isDropped: false,
    isWanting: false,
    toldMs: Number.NEGATIVE_INFINITY,
    isSettling: false,
    wait: new ClaimWait(),
    refused: [],
    retryMs: 0,
    retryWaitMs: 0,
    older: null,
    newer: null,
  }
}

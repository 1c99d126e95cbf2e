// What one neighbour is asked for: what it claims, this node has not taken, and nobody else is being asked for. One want at a
// time, again and again until nothing is missing. Its neighbour may lie or sleep: that costs one deadline, not the message.
// docs/protocol.md, "Repair".

import { CLAIM_ENTRIES_MAX, WANT_NUMBERS_MAX } from '../limits.ts'
import type { AskedNumbers } from './asked-numbers.ts'
import type { Due, News, Overdue } from './claim-wait.ts'
import type { Claim, Claims } from './claims.ts'
import { encodeWant, type Given } from './repair-frames.ts'
import type { Seen } from './seen.ts'
import { common, countNumbers, include, type Spans, touches, union, without } from './spans.ts'
import type { Suspicion } from './suspicions.ts'
import { type Askable, sharesOf } from './want-shares.ts'

/** Time since the want, or since the last bundle that it asked for, after which others may be asked. */
export const ANSWER_SILENT_MS = 10_000
/** The same since the want, whatever comes. */
export const ANSWER_MS_MAX = 60_000
/** A neighbour that did not answer is not asked again before this; doubles each time. */
export const SUSPECT_WAIT_MS = 10_000
export const SUSPECT_WAIT_MS_MAX = 600_000
/** What came and was not taken for want of room is asked for again after this; doubles each time. */
const REFUSED_WAIT_MS = 60_000
const REFUSED_WAIT_MS_MAX = 600_000
/** The disk is behind: look again after this. */
const BEHIND_WAIT_MS = 100
const BEHIND_ANSWER_WAIT_MS = 1_000
/** Claims in one want: with each of another origin it still fits its frame. */
const WANT_CLAIMS_MAX = 960
/**
 * Least numbers that are asked for when there are more, however little came the last time: twice as many as an answer has room for
 * where messages are longest, and some. The rest is left to others.
 */
const WANT_NUMBERS_MIN = 8
/** Of which at most half stand among the claims: nothing is looked at while an answer is awaited, however long, but claims come and go. */
const QUEUED_MAX = 2 * CLAIM_ENTRIES_MAX
/** Claims looked at in one step, and how many make one unit of work. */
const LOOKS_PER_STEP = 1_024
const LOOKS_PER_COST = 8

/** What asking needs from around it. */
export interface AskingWorld {
  readonly seen: Seen
  readonly asked: AskedNumbers
  /** The greatest age of a bundle that is worth having. */
  readonly ageMsMax: number
  readonly isBehind: () => boolean
  /** What came of that epoch by itself. */
  news(originKey: string, epoch: number, nowMs: number): News
  /** `spans` without what a neighbour that is not suspect claims too. */
  leaveToOthers(claim: Claim, spans: Spans): Spans
  /** Something that was asked of one neighbour may now be asked of others. */
  freed(nowMs: number): void
  readonly counters: { requests: number; timeouts: number; received: number }
}

interface DueClaim extends Askable {
  readonly overdue: Overdue | null
}

interface AskedClaim extends Askable {
  readonly came: number[]
}

interface Request {
  readonly number: number
  readonly askedMs: number
  /** When the last bundle that it asked for came; the time of asking before that. */
  heardMs: number
  readonly byOrigin: ReadonlyMap<string, readonly AskedClaim[]>
}

export class Asking {
  readonly #world: AskingWorld
  readonly #claims: Claims
  readonly #suspicion: Suspicion
  readonly #send: (body: Uint8Array) => void
  readonly #overdue: (originKey: string, why: Overdue, nowMs: number) => void
  readonly #settled: (claim: Claim, nowMs: number) => void
  #request: Request | null = null
  #lastNumber: number
  /** Claims of which something may be missing, from `#head` on. */
  #queue: Claim[] = []
  #head = 0
  /** How many of the queue are still to be looked at before all have been. */
  #toLookAt = 0
  #lookAtMs = Number.POSITIVE_INFINITY
  /** When the first of those that were looked at in this pass and were not due will be. */
  #nextDueMs = Number.POSITIVE_INFINITY
  /** Something is missing that others are being asked for. */
  #isHeldBack = false
  #numbersMax = WANT_NUMBERS_MAX

  constructor(given: {
    world: AskingWorld
    claims: Claims
    suspicion: Suspicion
    lastNumber: number
    send(body: Uint8Array): void
    /** Before a want: bundles of that origin did not come by themselves, and this neighbour has some. */
    overdue(originKey: string, why: Overdue, nowMs: number): void
    /** Nothing of that claim is missing. */
    settled(claim: Claim, nowMs: number): void
  }) {
    this.#world = given.world
    this.#claims = given.claims
    this.#suspicion = given.suspicion
    this.#lastNumber = given.lastNumber
    this.#send = given.send
    this.#overdue = given.overdue
    this.#settled = given.settled
  }

  get isSuspect(): boolean {
    return this.#suspicion.failures > 0
  }

  get isWaiting(): boolean {
    return this.#request !== null
  }

  /** Something that the neighbour claims was missing when it was looked at last. */
  get isLooking(): boolean {
    return this.#head < this.#queue.length
  }

  /** Claims to be looked at, and some that have gone since. */
  get queuedCount(): number {
    return this.#queue.length - this.#head
  }

  /** Request numbers that were used. */
  get lastNumber(): number {
    return this.#lastNumber
  }

  /**
   * The neighbour told this claim. What is missing of it will be asked for after a wait, in which it may still come.
   * `isHistory`: see ClaimWait.
   */
  claimed(claim: Claim, nowMs: number, waitMs: number, isHistory: boolean): void {
    const lastNumber = lastOf(claim)
    if (claim.isWanting) {
      claim.wait.again(lastNumber, nowMs, waitMs)
    } else {
      if (this.#world.seen.missing(claim.originKey, claim.epoch, claim.ranges).length === 0) {
        return this.#settled(claim, nowMs)
      }
      claim.isWanting = true
      claim.wait.begin(lastNumber, nowMs, waitMs, isHistory)
      this.#queue.push(claim)
      if (this.queuedCount >= QUEUED_MAX) this.#tidy()
    }
    this.#lookAtMs = Math.min(this.#lookAtMs, nowMs + waitMs)
    this.#nextDueMs = Math.min(this.#nextDueMs, nowMs + waitMs)
  }

  /** Others are not asked any more for something that may be missing here. */
  freed(nowMs: number): void {
    if (!this.#isHeldBack) return
    this.#isHeldBack = false
    this.#toLookAt = 0
    this.#lookAtMs = Math.min(this.#lookAtMs, nowMs)
  }

  /** A bundle came from this neighbour: whether it had been asked for any of it. */
  bundleCame(originKey: string, epoch: number, first: number, last: number, nowMs: number): boolean {
    const asked = this.#request?.byOrigin.get(originKey)
    if (asked === undefined) return false
    let wasAsked = false
    for (const { claim, spans, came } of asked) {
      if (claim.epoch !== epoch || !touches(spans, first, last)) continue
      include(came, first, last)
      wasAsked = true
    }
    if (!wasAsked) return false
    this.#request!.heardMs = nowMs
    this.#suspicion.failures = 0
    this.#suspicion.untilMs = 0
    this.#world.counters.received++
    return true
  }

  /** The answer ended. Answers to other requests than the present one come from before, and mean nothing any more. */
  given({ request: number, more }: Given, nowMs: number): void {
    const request = this.#request
    if (request === null || request.number !== number) return
    let cameCount = 0
    for (const asked of request.byOrigin.values()) for (const { came } of asked) cameCount += countNumbers(came)
    // An answer that its bounds have ended has at least one bundle.
    const isAll = !more || cameCount === 0
    this.#numbersMax = isAll
      ? Math.min(WANT_NUMBERS_MAX, this.#numbersMax * 2)
      : Math.min(WANT_NUMBERS_MAX, Math.max(WANT_NUMBERS_MIN, cameCount * 2))
    const { seen } = this.#world
    for (const asked of request.byOrigin.values()) {
      for (const { claim, spans, came } of asked) {
        const missing = seen.missing(claim.originKey, claim.epoch, spans)
        if (missing.length === 0) continue
        this.#refused(claim, common(missing, came), nowMs)
        if (isAll) this.#claims.strike(claim, without(missing, came))
      }
    }
    this.#end(nowMs)
  }

  /** Asks, or notices that no answer comes, if it is time. Returns the work that it was. */
  work(nowMs: number): number {
    const request = this.#request
    if (request !== null) {
      if (nowMs < deadlineOf(request)) return 0
      if (this.#world.isBehind()) {
        // Links are not read now, so that the answer cannot come.
        request.heardMs = nowMs - ANSWER_SILENT_MS + BEHIND_ANSWER_WAIT_MS
        return nowMs < deadlineOf(request) ? 1 : this.#gaveNoAnswer(nowMs)
      }
      return this.#gaveNoAnswer(nowMs)
    }
    if (this.#head === this.#queue.length || nowMs < this.#lookAtMs || nowMs < this.#suspicion.untilMs) return 0
    if (this.#world.isBehind()) {
      this.#lookAtMs = nowMs + BEHIND_WAIT_MS
      return 1
    }
    return this.#look(nowMs)
  }

  nextDeadlineMs(): number {
    if (this.#request !== null) return deadlineOf(this.#request)
    if (this.#head === this.#queue.length) return Number.POSITIVE_INFINITY
    return Math.max(this.#lookAtMs, this.#suspicion.untilMs)
  }

  /** The link is gone. */
  close(nowMs: number): void {
    this.#queue = []
    this.#head = 0
    if (this.#request !== null) this.#end(nowMs)
  }

  /** Looks at some of the queue, and sends a want if anything of those can be asked for. */
  #look(nowMs: number): number {
    if (this.#toLookAt === 0) {
      this.#toLookAt = this.#queue.length - this.#head
      this.#nextDueMs = Number.POSITIVE_INFINITY
      this.#isHeldBack = false
    }
    const count = Math.min(this.#toLookAt, LOOKS_PER_STEP)
    const found: DueClaim[] = []
    // Whoever comes first in this want comes last in the next, so that all have their turn.
    let leader: Claim | null = null
    let looked = 0
    while (looked < count && found.length < WANT_CLAIMS_MAX) {
      const claim = this.#next()
      looked++
      const due = this.#askable(claim, nowMs)
      if (due === null) {
        claim.isWanting = false
        this.#settled(claim, nowMs)
        continue
      }
      const { spans, overdue } = due
      if (spans.length > 0) found.push({ claim, spans, overdue })
      if (spans.length > 0 && leader === null) leader = claim
      else this.#queue.push(claim)
    }
    this.#toLookAt -= looked
    if (leader !== null) this.#queue.push(leader)
    if (found.length > 0) {
      this.#ask(found, nowMs)
      this.#toLookAt = 0
      this.#lookAtMs = nowMs
    } else {
      this.#lookAtMs = this.#toLookAt > 0 ? nowMs : this.#nextDueMs
    }
    return 1 + Math.ceil(looked / LOOKS_PER_COST)
  }

  #tidy(): void {
    this.#queue = this.#queue.slice(this.#head).filter(({ isDropped }) => !isDropped)
    this.#head = 0
    this.#toLookAt = 0
  }

  #next(): Claim {
    const claim = this.#queue[this.#head++]!
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return claim
  }

  /** What can be asked for now, maybe nothing; null when nothing is missing and the claim need not be looked at again. */
  #askable(claim: Claim, nowMs: number): Due | null {
    if (claim.isDropped) return null
    const { seen, asked, news } = this.#world
    const { originKey, epoch } = claim
    const all = seen.missing(originKey, epoch, claim.ranges)
    if (all.length === 0) return null
    const due = claim.wait.due(all, lastOf(claim), news(originKey, epoch, nowMs), nowMs)
    this.#nextDueMs = Math.min(this.#nextDueMs, due.nextMs)
    let missing = due.spans
    if (missing.length === 0) return due
    if (claim.refused.length > 0) {
      if (nowMs >= claim.retryMs) claim.refused = []
      else missing = without(missing, claim.refused)
      if (missing.length === 0) {
        this.#nextDueMs = Math.min(this.#nextDueMs, claim.retryMs)
        return { ...due, spans: [] }
      }
    }
    missing = asked.leftOf(originKey, epoch, missing)
    if (this.isSuspect) missing = this.#world.leaveToOthers(claim, missing)
    if (missing.length === 0) this.#isHeldBack = true
    return { ...due, spans: missing }
  }

  #ask(found: readonly DueClaim[], nowMs: number): void {
    for (const { claim, overdue } of found) if (overdue !== null) this.#overdue(claim.originKey, overdue, nowMs)
    const chosen = sharesOf(found, this.#numbersMax)
    const byOrigin = new Map<string, AskedClaim[]>()
    const wanted: { originKey: string; epoch: number; ranges: Spans }[] = []
    for (const { claim, spans } of chosen) {
      const { originKey, epoch } = claim
      const asked = { claim, spans, came: [] }
      const others = byOrigin.get(originKey)
      if (others === undefined) byOrigin.set(originKey, [asked])
      else others.push(asked)
      this.#world.asked.add(originKey, epoch, spans)
      wanted.push({ originKey, epoch, ranges: spans })
    }
    const number = ++this.#lastNumber
    this.#request = { number, askedMs: nowMs, heardMs: nowMs, byOrigin }
    this.#world.counters.requests++
    this.#send(encodeWant({ request: number, ageMsMax: this.#world.ageMsMax, wanted }))
  }

  #gaveNoAnswer(nowMs: number): number {
    const { failures } = this.#suspicion
    this.#suspicion.failures = failures + 1
    this.#suspicion.untilMs = nowMs + Math.min(SUSPECT_WAIT_MS_MAX, SUSPECT_WAIT_MS * 2 ** Math.min(failures, 10))
    this.#world.counters.timeouts++
    this.#end(nowMs)
    return 1
  }

  #refused(claim: Claim, spans: Spans, nowMs: number): void {
    if (spans.length === 0 || claim.isDropped) return
    claim.refused = union(claim.refused, spans)
    claim.retryWaitMs = Math.min(REFUSED_WAIT_MS_MAX, claim.retryWaitMs * 2 || REFUSED_WAIT_MS)
    claim.retryMs = nowMs + claim.retryWaitMs
  }

  #end(nowMs: number): void {
    const { asked } = this.#world
    for (const entries of this.#request!.byOrigin.values()) {
      for (const { claim, spans } of entries) asked.remove(claim.originKey, claim.epoch, spans)
    }
    this.#request = null
    this.#lookAtMs = nowMs
    this.#world.freed(nowMs)
  }
}

function lastOf({ ranges }: Claim): number {
  return ranges[ranges.length - 1] ?? -1
}

function deadlineOf(request: Request): number {
  return Math.min(request.heardMs + ANSWER_SILENT_MS, request.askedMs + ANSWER_MS_MAX)
}

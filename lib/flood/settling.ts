// Claims of one neighbour of which nothing is missing here. Once nothing was told of them for a while they are forgotten: what
// both sides hold is of no use to know, and a neighbour tells of every origin that there is. docs/protocol.md, "Repair".

import { CLAIM_ENTRIES_MAX } from '../limits.ts'
import type { Claim, Claims } from './claims.ts'

/** For so long after it was told a claim is of use all the same: what it covers need not be announced to that neighbour. */
export const SETTLED_MS = 2_000
/** Of which at most half stand among the claims: the others have gone meanwhile. */
const KEPT_MAX = 2 * CLAIM_ENTRIES_MAX
/** Claims looked at in one step, and how many make one unit of work (see `Repair.tick`). */
const LOOKS_PER_STEP = 1_024
const LOOKS_PER_COST = 8

export class Settling {
  readonly #claims: Claims
  readonly #isSettled: (claim: Claim) => boolean
  /** To be looked at a while after those that are `#due`. */
  #waiting: Claim[] = []
  #due: Claim[] = []
  #atMs = Number.POSITIVE_INFINITY

  /** `isSettled`: nothing of the claim is missing, nor is it needed for anything else. */
  constructor(claims: Claims, isSettled: (claim: Claim) => boolean) {
    this.#claims = claims
    this.#isSettled = isSettled
  }

  /** Claims that are to be forgotten, and some that have gone already. */
  get count(): number {
    return this.#waiting.length + this.#due.length
  }

  /** Nothing of that claim is missing. */
  add(claim: Claim, nowMs: number): void {
    if (claim.isSettling) return
    claim.isSettling = true
    this.#waiting.push(claim)
    if (this.count >= KEPT_MAX) this.#tidy()
    if (this.#atMs === Number.POSITIVE_INFINITY) this.#atMs = nowMs + SETTLED_MS
  }

  /** When `work` has something to do; infinite: not as things stand. */
  nextDeadlineMs(): number {
    return this.#atMs
  }

  /** Forgets what has settled, in part when it is much. Returns the work that it was. */
  work(nowMs: number): number {
    if (nowMs < this.#atMs) return 0
    let looked = 0
    for (; looked < LOOKS_PER_STEP && this.#due.length > 0; looked++) this.#look(this.#due.pop()!, nowMs)
    if (this.#due.length === 0) {
      this.#due = this.#waiting
      this.#waiting = []
      this.#atMs = this.#due.length === 0 ? Number.POSITIVE_INFINITY : nowMs + SETTLED_MS
    }
    return 1 + Math.ceil(looked / LOOKS_PER_COST)
  }

  #tidy(): void {
    this.#waiting = this.#waiting.filter(({ isDropped }) => !isDropped)
    this.#due = this.#due.filter(({ isDropped }) => !isDropped)
  }

  #look(claim: Claim, nowMs: number): void {
    if (!claim.isDropped && nowMs - claim.toldMs < SETTLED_MS) {
      this.#waiting.push(claim)
      return
    }
    claim.isSettling = false
    if (this.#isSettled(claim)) this.#claims.drop(claim)
  }
}

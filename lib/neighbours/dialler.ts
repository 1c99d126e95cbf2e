// The attempts under way and the choice of the next one. It calls nobody: the table dials what is chosen here.
// docs/protocol.md section 5.3 has the rule for second dials.

import type { Identity } from '../identity/identities.ts'
import { CANDIDATE_DIALS_PER_SECOND_MAX, DIALS_MAX, UNTRIED_DIALS_MAX } from '../limits.ts'
import type { DialAttempt } from './contract.ts'
import type { Target } from './target.ts'

export interface RunningDial {
  readonly attempt: DialAttempt
  readonly target: Target
  /** Who the other end has proven to be; null before message 2. */
  proven: Identity | null
  /** Message 3 may be on its way: from here on the other end may hold this link for open. */
  proceeded: boolean
}

/** How things stand in the table. */
export interface Occupancy {
  /** Open links but visits. */
  readonly open: number
  /** Open links that this node chose to dial by itself: seeds and candidates, but not what the program connected to. */
  readonly chosen: number
  readonly target: number
  readonly chosenMax: number
  /** Whether one more link with a peer that was asked for would be admitted. */
  readonly roomForAsked: boolean
  /** Whether one more visit would be. */
  readonly roomForVisits: boolean
  /** Candidates may be dialled now, as far as time goes. */
  readonly seeks: boolean
  /** The next candidate had better be one that is near, or one that is not. */
  readonly prefersNear: boolean
  /** A seed that is not needed at present. */
  isAsleep(target: Target): boolean
}

export type Choice =
  | { readonly kind: 'dial'; readonly target: Target }
  /** Only the rate of candidates stands against a dial, until then. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'nothing' }

const NOTHING: Choice = { kind: 'nothing' }

export class Dialler {
  readonly #running = new Map<number, RunningDial>()
  readonly #fraction: () => number
  /** When the newest candidates were dialled, at most CANDIDATE_DIALS_PER_SECOND_MAX of them. */
  readonly #candidateDialsMs: number[] = []
  #lastNumber = 0

  constructor(fraction: () => number) {
    this.#fraction = fraction
  }

  get size(): number {
    return this.#running.size
  }

  get(attempt: DialAttempt): RunningDial | undefined {
    return this.#running.get(attempt.number)
  }

  /** The targets being dialled. */
  *targets(): IterableIterator<Target> {
    for (const { target } of this.#running.values()) yield target
  }

  /** Starts an attempt and puts the target into its state. */
  begin(target: Target, keep: boolean, nowMs: number): DialAttempt {
    const { address, visibleSource: source } = target
    const attempt: DialAttempt = { number: ++this.#lastNumber, address, source, keep }
    if (!target.urgent) {
      this.#candidateDialsMs.push(nowMs)
      if (this.#candidateDialsMs.length > CANDIDATE_DIALS_PER_SECOND_MAX) this.#candidateDialsMs.shift()
    }
    this.#running.set(attempt.number, { attempt, target, proven: null, proceeded: false })
    target.state = { kind: 'dialling', attempt }
    return attempt
  }

  /** Forgets an attempt. Returns what it was, or undefined when it has ended before. */
  end(attempt: DialAttempt): RunningDial | undefined {
    const running = this.#running.get(attempt.number)
    this.#running.delete(attempt.number)
    return running
  }

  /** The dial that has sent message 3, or is about to, to that Identity.key; null where there is none. */
  proceedingTo(key: string): DialAttempt | null {
    for (const { attempt, proven, proceeded } of this.#running.values()) {
      if (proceeded && proven?.key === key) return attempt
    }
    return null
  }

  /**
   * What to dial next of the targets that are `wanted`: whom somebody waits for, then seeds and manual addresses, whoever has
   * waited longest first; then a candidate where somebody was found before, then the one with fewest failures, then near or
   * far ones as preferred, at random among equals. Never two dials at once that would reach the same socket or the same
   * peer, never more than DIALS_MAX, and of candidates where nobody was found before never more than UNTRIED_DIALS_MAX.
   */
  choose(targets: Iterable<Target>, occupancy: Occupancy, nowMs: number): Choice {
    if (this.#running.size >= DIALS_MAX) return NOTHING
    const mayChoose = this.mayChoose(occupancy)
    const [tried, untried] = [this.hasRoomFor(true, occupancy), this.hasRoomFor(false, occupancy)]
    let asked: Target | null = null
    let candidate: Target | null = null
    let equals = 0
    for (const target of targets) {
      if (target.state.kind !== 'wanted' || occupancy.isAsleep(target) || this.#isUnderWay(target)) continue
      if (target.urgent) {
        const hasRoom = target.isWish ? occupancy.roomForAsked : occupancy.roomForVisits
        if (!hasRoom || (isOwnChoice(target) && !mayChoose)) continue
        if (asked === null || comesBefore(target, asked)) asked = target
      } else if (mayChoose && this.#mayTry(target, occupancy, target.isTried ? tried : untried)) {
        const order = candidate === null ? -1 : candidateOrder(target, candidate, occupancy.prefersNear)
        equals = order < 0 ? 1 : order === 0 ? equals + 1 : equals
        if (order < 0 || (order === 0 && this.#fraction() * equals < 1)) candidate = target
      }
    }
    if (asked !== null) return { kind: 'dial', target: asked }
    if (candidate === null) return NOTHING
    const untilMs = this.#candidateSlotMs()
    return nowMs >= untilMs ? { kind: 'dial', target: candidate } : { kind: 'wait', untilMs }
  }

  /** Whether this node may choose one more link by itself. */
  mayChoose(occupancy: Occupancy): boolean {
    return occupancy.chosen + this.#chosenRunning() < occupancy.chosenMax
  }

  /**
   * Whether one more dial to a candidate where somebody was found before (`tried`), or was not, could lead to a link that is
   * wanted. A dial to nowhere takes seconds to fail; so that made-up addresses cannot hold up those that are proven, the latter
   * do not wait for the former.
   */
  hasRoomFor(tried: boolean, { open, target }: Occupancy): boolean {
    const untried = this.#untriedRunning()
    if (!tried && untried >= UNTRIED_DIALS_MAX) return false
    return open + this.#neighboursRunning() - (tried ? untried : 0) < target
  }

  #mayTry({ book, isTried }: Target, { seeks }: Occupancy, hasRoom: boolean): boolean {
    if (book?.isProbe) return isTried || this.#untriedRunning() < UNTRIED_DIALS_MAX
    return seeks && hasRoom
  }

  #neighboursRunning(): number {
    let count = 0
    for (const { attempt } of this.#running.values()) if (attempt.source !== 'visit') count++
    return count
  }

  #untriedRunning(): number {
    let count = 0
    for (const { target } of this.#running.values()) if (!target.urgent && !target.isTried) count++
    return count
  }

  #candidateSlotMs(): number {
    if (this.#candidateDialsMs.length < CANDIDATE_DIALS_PER_SECOND_MAX) return Number.NEGATIVE_INFINITY
    return this.#candidateDialsMs[0]! + 1_000
  }

  #chosenRunning(): number {
    let count = 0
    for (const { attempt } of this.#running.values()) {
      if (attempt.source !== 'manual' && attempt.source !== 'visit') count++
    }
    return count
  }

  #isUnderWay(target: Target): boolean {
    for (const running of this.#running.values()) if (running.target.meets(target)) return true
    return false
  }
}

/** Negative where `a` is to be dialled before `b`. */
function candidateOrder(a: Target, b: Target, prefersNear: boolean): number {
  const tried = Number(b.isTried) - Number(a.isTried)
  const failures = a.backoff.failures - b.backoff.failures
  return tried || failures || Number(b.isNear === prefersNear) - Number(a.isNear === prefersNear)
}

/** A seed that nobody waits for counts among the links that this node chooses. */
function isOwnChoice(target: Target): boolean {
  return target.source === 'seed' && !target.isAwaited
}

function comesBefore(a: Target, b: Target): boolean {
  const awaited = Number(b.isAwaited) - Number(a.isAwaited)
  return (awaited || sinceMs(a) - sinceMs(b) || a.order - b.order) < 0
}

function sinceMs(target: Target): number {
  return target.state.kind === 'wanted' ? target.state.sinceMs : Number.POSITIVE_INFINITY
}

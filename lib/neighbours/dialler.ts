// The attempts under way and the choice of the next one. It calls nobody: the table dials what is chosen here.
// docs/protocol.md section 5.3 has the rule for second dials.

import type { Identity } from '../identity/identities.ts'
import { CANDIDATE_DIALS_PER_SECOND_MAX, DIALS_MAX } from '../limits.ts'
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
  readonly open: number
  /** Open links that this node chose to dial by itself: seeds and candidates, but not what the program connected to. */
  readonly chosen: number
  readonly target: number
  readonly chosenMax: number
  /** Whether one more link with a peer that was asked for would be admitted. */
  readonly roomForAsked: boolean
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

  /** Starts an attempt and puts the target into its state. */
  begin(target: Target, nowMs: number): DialAttempt {
    const attempt: DialAttempt = { number: ++this.#lastNumber, address: target.address, source: target.visibleSource }
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
   * waited longest first; then the candidate with fewest failures, at random among equals. Never two dials at once that
   * would reach the same socket or the same peer, and never more than DIALS_MAX.
   */
  choose(targets: Iterable<Target>, occupancy: Occupancy, nowMs: number): Choice {
    if (this.#running.size >= DIALS_MAX) return NOTHING
    const chosen = occupancy.chosen + this.#chosenRunning()
    const mayChoose = chosen < occupancy.chosenMax
    const mayTryCandidates = mayChoose && occupancy.open + this.#running.size < occupancy.target
    let asked: Target | null = null
    let candidate: Target | null = null
    let equals = 0
    for (const target of targets) {
      if (target.state.kind !== 'wanted' || this.#isUnderWay(target)) continue
      if (target.urgent) {
        if (!occupancy.roomForAsked || (isOwnChoice(target) && !mayChoose)) continue
        if (asked === null || comesBefore(target, asked)) asked = target
      } else if (mayTryCandidates) {
        const fewer = candidate === null ? -1 : target.backoff.failures - candidate.backoff.failures
        equals = fewer < 0 ? 1 : fewer === 0 ? equals + 1 : equals
        if (fewer < 0 || (fewer === 0 && this.#fraction() * equals < 1)) candidate = target
      }
    }
    if (asked !== null) return { kind: 'dial', target: asked }
    if (candidate === null) return NOTHING
    const untilMs = this.#candidateSlotMs()
    return nowMs >= untilMs ? { kind: 'dial', target: candidate } : { kind: 'wait', untilMs }
  }

  #candidateSlotMs(): number {
    if (this.#candidateDialsMs.length < CANDIDATE_DIALS_PER_SECOND_MAX) return Number.NEGATIVE_INFINITY
    return this.#candidateDialsMs[0]! + 1_000
  }

  #chosenRunning(): number {
    let count = 0
    for (const { attempt } of this.#running.values()) if (attempt.source !== 'manual') count++
    return count
  }

  #isUnderWay(target: Target): boolean {
    for (const running of this.#running.values()) if (running.target.meets(target)) return true
    return false
  }
}

/** A seed that nobody waits for counts among the links that this node chooses. */
function isOwnChoice(target: Target): boolean {
  return target.source === 'seed' && target.listeners.size === 0
}

function comesBefore(a: Target, b: Target): boolean {
  const awaited = Number(b.listeners.size > 0) - Number(a.listeners.size > 0)
  return (awaited || sinceMs(a) - sinceMs(b) || a.order - b.order) < 0
}

function sinceMs(target: Target): number {
  return target.state.kind === 'wanted' ? target.state.sinceMs : Number.POSITIVE_INFINITY
}

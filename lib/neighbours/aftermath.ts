// What a failed try or the end of a link means for the address it went over: when it is due again, that it is forgotten, or
// that the address book is to remember it. It dials nothing and calls nobody. docs/protocol.md section 5.8.

import { CANDIDATE_FAILURES_MAX } from '../limits.ts'
import type { Bans } from './bans.ts'
import type { TableLink, TableOptions } from './contract.ts'
import type { NextStep } from './next-step.ts'
import type { Target } from './target.ts'
import type { Targets } from './targets.ts'

export class Aftermath {
  readonly #options: TableOptions
  readonly #targets: Targets
  readonly #bans: Bans

  constructor(options: TableOptions, targets: Targets, bans: Bans) {
    this.#options = options
    this.#targets = targets
    this.#bans = bans
  }

  /**
   * Puts the target into the state that follows, or drops it. Returns when it will be due, or null when it will not. `livedLong`:
   * its link did, so that the back-off has started over.
   */
  follow(target: Target, step: NextStep, reason: string, livedLong: boolean, nowMs: number): number | null {
    target.lastError = reason
    if (target.isFromBook) {
      this.#backToBook(target, step, livedLong, nowMs)
      return null
    }
    // A name leads elsewhere as nodes come and go, and to several at once.
    const isName = target.address.kind !== 'ip4' && target.address.kind !== 'ip6'
    if (step.kind === 'ours' && !isName) {
      target.state = { kind: 'ours' }
      return null
    }
    let untilMs = nowMs
    if (step.kind === 'retry' || step.kind === 'ours')
      untilMs += livedLong ? target.backoff.soon() : target.backoff.failed()
    else untilMs += target.backoff.failedForLong()
    if (step.kind === 'wait') untilMs = nowMs + step.waitMs
    untilMs = this.banEndMs(target, nowMs) ?? untilMs
    if (step.kind === 'forget' || (!target.asked && target.backoff.failures >= CANDIDATE_FAILURES_MAX)) {
      this.#targets.delete(target)
      return null
    }
    target.state = { kind: 'backing-off', untilMs }
    return untilMs
  }

  /** Our visit to this peer has served its purpose: its addresses are what they would be without it. */
  left({ identity, roundTripMs }: TableLink, nowMs: number): void {
    this.#options.book.measured(identity.id, roundTripMs)
    for (const target of this.#targets.of(identity)) {
      if (target.state.kind !== 'linked') continue
      if (target.isFromBook) this.#targets.delete(target)
      else target.state = { kind: 'wanted', sinceMs: nowMs }
    }
  }

  /** When the ban of whoever was found there ends; null where there is none. */
  banEndMs({ proven }: Target, nowMs: number): number | null {
    return proven === null ? null : this.#bans.untilMs(proven.key, nowMs)
  }

  /** Half to all of the longest back-off. */
  laterMs(): number {
    return (this.#options.backoff.maxMs * (1 + this.#options.fraction())) / 2
  }

  /** The book remembers what follows, and gives it out again when it is due. */
  #backToBook(target: Target, step: NextStep, livedLong: boolean, nowMs: number): void {
    const { book } = this.#options
    const peer = target.address.peer!
    this.#targets.delete(target)
    if (step.kind === 'retry-later') book.postpone(peer, nowMs + this.laterMs())
    else if (step.kind === 'wait') book.postpone(peer, nowMs + step.waitMs)
    else if (step.kind !== 'retry') book.forget(peer)
    else if (livedLong) book.postpone(peer, nowMs + target.backoff.soon())
    else book.failed(target.address, nowMs)
  }
}

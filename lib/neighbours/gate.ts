// Whether a connection may go on, at each point where that is asked: on our own dials before message 3, on others' after it,
// and on both when the link is open. It lets nobody in itself: the table does. docs/protocol.md sections 5.3 and 5.7.

import { GoodbyeCode } from '../framing/goodbye.ts'
import type { Identity } from '../identity/identities.ts'
import { type Admission, judge, refusal } from './admission.ts'
import type { DialAttempt, TableLink, Verdict } from './contract.ts'
import type { Pursuit } from './pursuit.ts'

export class Gate {
  readonly #admission: Admission
  readonly #pursuit: Pursuit

  constructor(admission: Admission, pursuit: Pursuit) {
    this.#admission = admission
    this.#pursuit = pursuit
  }

  /** As NeighbourTable.mayProceed. */
  mayProceed(identity: Identity, attempt: DialAttempt, nowMs: number): Verdict {
    const { dialler, unwanted } = this.#pursuit
    const running = dialler.get(attempt)
    if (running === undefined) return refusal(GoodbyeCode.shuttingDown, 'aborted', 'this dial was given up')
    running.proven = identity
    // A name may lead to ourselves and to its peer.
    if (identity.key !== this.#admission.own.key) running.target.prove(identity)
    const verdict = this.judge(identity, 'out', attempt, '', nowMs)
    if (!verdict.ok) return verdict
    const proceeding = dialler.proceedingTo(identity.key)
    if (this.#admission.open.has(identity.key) || (proceeding !== null && proceeding.number !== attempt.number)) {
      return refusal(GoodbyeCode.duplicate, 'already-connected', 'there is a connection with this peer')
    }
    const isAskedFor = running.target.urgent || this.#pursuit.targets.isAsked(identity)
    if (unwanted.has(identity.key) && !isAskedFor) {
      return refusal(GoodbyeCode.shuttingDown, 'disconnected', 'the program disconnected from this peer')
    }
    running.proceeded = true
    return verdict
  }

  /** Again when the link is open: a ban, a full table or a `stop` may have come since it was judged. */
  judgeOpened(link: TableLink, attempt: DialAttempt | null, nowMs: number): Verdict {
    const running = attempt === null ? undefined : this.#pursuit.dialler.get(attempt)
    if (attempt !== null && running === undefined) {
      return refusal(GoodbyeCode.shuttingDown, 'aborted', 'this dial was given up')
    }
    if (running !== undefined) {
      running.proven = link.identity
      running.target.prove(link.identity)
    }
    return this.judge(link.identity, link.direction, attempt, link.remoteHost, nowMs)
  }

  /** `attempt`: null where the other end dialled, from `host`. */
  judge(
    identity: Identity,
    direction: 'in' | 'out',
    attempt: DialAttempt | null,
    host: string,
    nowMs: number,
  ): Verdict {
    if (!this.#pursuit.started) return refusal(GoodbyeCode.shuttingDown, 'not-running', 'this node is not running')
    return judge(this.#admission, identity, direction, attempt?.address.peer ?? null, host, nowMs)
  }
}

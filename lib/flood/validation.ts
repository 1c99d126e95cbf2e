// Has this program's checks judge each new bundle, between its verification and everything that is done with it, and keeps
// those whose verdict takes time. A bundle is judged as a whole, since one signature covers it all: the worst verdict of its
// messages is its own. Its numbers are marked as taken before, whatever the verdict will be; so a copy is a duplicate while
// the first one waits, and what is not accepted is not fetched again. Reads no clock. docs/protocol.md, "Verdicts".

import { reasonOf } from '../errors.ts'
import type { Identity } from '../identity/identities.ts'
import { CHECKED_BUNDLES_WAITING_MAX, CHECKED_BYTES_WAITING_MAX } from '../limits.ts'
import { promiseOf } from '../promised.ts'
import type { CheckVerdict, Message } from '../types.ts'
import { type Bundle, BundleFlag, type BundleMessages, unpinned, unpinnedBytes } from './bundle.ts'
import type { Checks, Registration } from './checks.ts'
import { DeliveredMessage, type MessageOrigin } from './message.ts'
import { PayloadCopies } from './payload-copies.ts'
import type { FloodLink } from './router.ts'

/** What one message of a waiting bundle keeps beside its bytes: places, a topic, and the call that is not answered. */
const WAITING_MESSAGE_BYTES = 128

/** `overdue`: nobody was at fault, but the verdict did not come in time, or there was no room to wait for it. */
export type BundleVerdict = CheckVerdict | 'overdue'

/** A verified bundle that is new here. */
export interface Arrival {
  readonly link: FloodLink
  readonly bundle: Bundle
  readonly messages: BundleMessages
  readonly identity: Identity
  readonly isAsked: boolean
  /** It did not come by itself, or not in time, or not over the link that brought those before it. */
  readonly isMissed: boolean
}

export interface ValidationOptions {
  readonly checks: Checks
  nowMs(): number
  /** The verdict on a bundle for which `judge` gave null. May call `close`. */
  decided(arrival: Arrival, verdict: BundleVerdict): void
  /** A check said `reject`, at once or later. */
  rejected(arrival: Arrival): void
  readonly bundlesMax?: number
  readonly bytesMax?: number
}

interface Promised {
  readonly registration: Registration
  readonly answer: Promise<unknown>
}

/** A verdict that a check has promised. */
interface Call {
  readonly registration: Registration
  isAnswered: boolean
}

interface Waiting {
  readonly arrival: Arrival
  readonly bytes: number
  readonly calls: Call[]
  readonly deadlineMs: number
  /** Of `calls`, those not answered. */
  open: number
  worst: CheckVerdict
  /** Null while calls are open. It can only be `accept` then: anything else ends the waiting at once. */
  verdict: 'accept' | null
}

export class Validation {
  readonly checks: Checks
  /** Bundles of which at least one message was to be checked. */
  readonly verdicts: Record<BundleVerdict, number> = { accept: 0, ignore: 0, reject: 0, overdue: 0 }
  readonly #options: ValidationOptions
  readonly #bundlesMax: number
  readonly #bytesMax: number
  readonly #copies = new PayloadCopies()
  /** By origin, as they came. The first of each has no verdict yet. */
  readonly #waiting = new Map<string, Waiting[]>()
  #count = 0
  #bytes = 0
  #isClosed = false

  constructor(options: ValidationOptions) {
    this.checks = options.checks
    this.#options = options
    this.#bundlesMax = options.bundlesMax ?? CHECKED_BUNDLES_WAITING_MAX
    this.#bytesMax = options.bytesMax ?? CHECKED_BYTES_WAITING_MAX
  }

  get waitingCount(): number {
    return this.#count
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  /** When to call `tick`, by the clock of `nowMs`; null: not at all. */
  get deadlineMs(): number | null {
    let earliest: number | null = null
    for (const line of this.#waiting.values()) {
      for (const { verdict, deadlineMs } of line) {
        if (verdict === null && (earliest === null || deadlineMs < earliest)) earliest = deadlineMs
      }
    }
    return earliest
  }

  /**
   * Runs the checks on a bundle, which must not be our own. Returns the verdict; null when it has to wait for it, or with an
   * accepted one for those of its origin that came before it: `decided` tells later, each origin's in their order.
   */
  judge(arrival: Arrival, nowMs: number): BundleVerdict | null {
    const { bundle, messages } = arrival
    const { topics, payloads } = messages
    const hasRoom = this.#hasRoom(bundle)
    if (!hasRoom && this.#mayTakeTime(topics)) return this.#end(arrival, 'overdue')
    const promised: Promised[] = []
    let origin: MessageOrigin | null = null
    let worst: CheckVerdict = 'accept'
    for (let i = 0; i < topics.length; i++) {
      for (const registration of this.checks.matching(topics[i]!)) {
        if (registration.isOver) continue
        origin ??= originOf(arrival)
        const data = this.#copies.copy(bundle.sealed, payloads[i * 2]!, payloads[i * 2 + 1]!)
        const said = ask(registration, new DeliveredMessage(topics[i]!, data, bundle.first + i, origin))
        if (typeof said === 'object') {
          registration.answersLater = true
          promised.push({ registration, answer: said })
        } else {
          registration.note(said === 'accept', nowMs)
          worst = worse(worst, said)
        }
      }
    }
    if (origin === null) return 'accept'
    const mayWait = hasRoom && !this.#isClosed
    const isBehind = this.#waiting.has(bundle.originKey)
    if (worst !== 'reject' && mayWait && (promised.length > 0 || (worst === 'accept' && isBehind))) {
      this.#wait(arrival, promised, worst, nowMs)
      return null
    }
    for (const { registration, answer } of promised) {
      // Nobody waits for it any more; but that it fails is not to be lost, nor to end the program.
      answer.then(undefined, (error: unknown) => registration.failed(reasonOf(error)))
    }
    return this.#end(arrival, promised.length > 0 && worst !== 'reject' ? 'overdue' : worst)
  }

  /** Whether any of these numbers waits for its verdict. */
  holds(originKey: string, epoch: number, first: number, last: number): boolean {
    if (this.#count === 0) return false
    const line = this.#waiting.get(originKey)
    if (line === undefined) return false
    return line.some(({ arrival: { bundle } }) => {
      return bundle.epoch === epoch && bundle.first <= last && bundle.first + bundle.count > first
    })
  }

  /** Gives up what was waited for too long. */
  tick(nowMs: number): void {
    for (const waiting of [...this.#waiting.values()].flat()) {
      if (waiting.verdict !== null || waiting.deadlineMs > nowMs || !this.#isHeld(waiting)) continue
      for (const { registration, isAnswered } of waiting.calls) if (!isAnswered) registration.note(false, nowMs)
      this.#settle(waiting, 'overdue')
    }
  }

  /** Drops what waits; from now on nothing does. */
  close(): void {
    this.#isClosed = true
    this.#waiting.clear()
    this.#count = 0
    this.#bytes = 0
  }

  #hasRoom(bundle: Bundle): boolean {
    if (this.#isClosed) return false
    return this.#count < this.#bundlesMax && this.#bytes + costOf(bundle) <= this.#bytesMax
  }

  #mayTakeTime(topics: readonly string[]): boolean {
    return topics.some((topic, i) => {
      if (i > 0 && topic === topics[i - 1]) return false
      return this.checks.matching(topic).some(({ answersLater }) => answersLater)
    })
  }

  #wait(arrival: Arrival, promised: readonly Promised[], worst: CheckVerdict, nowMs: number): void {
    const bundle = unpinned(arrival.bundle)
    const calls = promised.map(({ registration }) => ({ registration, isAnswered: false }))
    const timeoutMs = calls.reduce((longest, { registration }) => Math.max(longest, registration.timeoutMs), 0)
    const waiting: Waiting = {
      arrival: { ...arrival, bundle },
      bytes: costOf(bundle),
      calls,
      deadlineMs: nowMs + timeoutMs,
      open: calls.length,
      worst,
      verdict: calls.length > 0 ? null : 'accept',
    }
    const line = this.#waiting.get(bundle.originKey)
    if (line === undefined) this.#waiting.set(bundle.originKey, [waiting])
    else line.push(waiting)
    this.#count++
    this.#bytes += waiting.bytes
    for (const [i, { registration, answer }] of promised.entries()) {
      const call = calls[i]!
      answer.then(
        (said) => this.#answered(waiting, call, registration.verdictOf(said)),
        (error: unknown) => this.#answered(waiting, call, registration.failed(reasonOf(error))),
      )
    }
  }

  #answered(waiting: Waiting, call: Call, verdict: CheckVerdict): void {
    // Too late, or it makes no difference any more.
    if (!this.#isHeld(waiting)) return
    call.isAnswered = true
    call.registration.note(verdict === 'accept', this.#options.nowMs())
    waiting.open--
    waiting.worst = worse(waiting.worst, verdict)
    if (waiting.open === 0 || waiting.worst === 'reject') this.#settle(waiting, waiting.worst)
  }

  /** An accepted bundle waits for those before it; another one makes way at once. */
  #settle(waiting: Waiting, verdict: BundleVerdict): void {
    const { originKey } = waiting.arrival.bundle
    if (verdict === 'accept') {
      waiting.verdict = verdict
    } else {
      this.#remove(waiting)
      this.#options.decided(waiting.arrival, this.#end(waiting.arrival, verdict))
    }
    // What is decided runs the program's handlers, which may end all this.
    for (let next = this.#waiting.get(originKey)?.[0]; next?.verdict === 'accept'; ) {
      this.#remove(next)
      this.#options.decided(next.arrival, this.#end(next.arrival, 'accept'))
      next = this.#waiting.get(originKey)?.[0]
    }
  }

  #isHeld(waiting: Waiting): boolean {
    return this.#waiting.get(waiting.arrival.bundle.originKey)?.includes(waiting) ?? false
  }

  #remove(waiting: Waiting): void {
    const { originKey } = waiting.arrival.bundle
    const line = this.#waiting.get(originKey)!
    line.splice(line.indexOf(waiting), 1)
    if (line.length === 0) this.#waiting.delete(originKey)
    this.#count--
    this.#bytes -= waiting.bytes
  }

  #end(arrival: Arrival, verdict: BundleVerdict): BundleVerdict {
    this.verdicts[verdict]++
    if (verdict === 'reject') this.#options.rejected(arrival)
    return verdict
  }
}

function originOf({ bundle, identity }: Arrival): MessageOrigin {
  const { epoch, sentAtMs, hops, flags } = bundle
  const retained = (flags & BundleFlag.retained) !== 0
  return { from: identity.id, epoch, sentAtMs, hops, replayed: false, retained }
}

/** A verdict, or a promise of what should be one. */
function ask(registration: Registration, message: Message): CheckVerdict | Promise<unknown> {
  try {
    const said: unknown = registration.check(message)
    return promiseOf(said) ?? registration.verdictOf(said)
  } catch (error) {
    return registration.failed(reasonOf(error))
  }
}

function worse(a: CheckVerdict, b: CheckVerdict): CheckVerdict {
  if (a === 'reject' || b === 'reject') return 'reject'
  return a === 'ignore' || b === 'ignore' ? 'ignore' : 'accept'
}

function costOf(bundle: Bundle): number {
  return unpinnedBytes(bundle) + bundle.count * WAITING_MESSAGE_BYTES
}

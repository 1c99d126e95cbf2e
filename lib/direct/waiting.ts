// What we have sent and wait for: the table of messages, requests, replies and questions that nobody has answered yet, within
// bounds, and when each is due. When to try again, and how, is post.ts. docs/protocol.md, "Tries".

import type { MeshError } from '../errors.ts'
import { DIRECT_WAITING_BYTES_MAX, DIRECT_WAITING_MAX } from '../limits.ts'
import type { Numbered } from './content.ts'
import { Kind } from './content.ts'
import type { Destination } from './destinations.ts'

/** Due times are rounded up to this, so that a look at the whole table is rare. */
const GRAIN_MS = 16

/**
 * `new`: no try has left. `asking`: a question for the epoch or the way is out. `ready`: it was answered, or the epoch was
 * wrong; the rest of the same try is due. `sent`: sealed and gone. `accepted`: a request that was acknowledged.
 */
export type WaitingState = 'new' | 'asking' | 'ready' | 'sent' | 'accepted'

export interface Order {
  readonly kind: number
  readonly destination: Destination
  readonly number: Numbered
  readonly answered: Numbered | null
  readonly topic: string
  /** Kept until it is settled: the table's own. */
  readonly payload: Uint8Array
  /** The first try floods as well. */
  readonly floodsFirst: boolean
  /** Too large to flood. */
  readonly isLarge: boolean
  /** When a request or a question fails, whatever its tries; Infinity for others. */
  readonly endMs: number
  /** Called once: with the error, or null and what came back (empty but for a reply), and over how many links. */
  readonly settle: (error: MeshError | null, payload: Uint8Array, hops: number) => void
}

export interface Waiting extends Order {
  readonly sinceMs: number
  state: WaitingState
  tries: number
  dueMs: number
  /** Sealed again at once because the epoch was wrong; not twice. */
  wasResealed: boolean
  /** Some try found a link to leave on. */
  hasLeft: boolean
  /** The destination said that it has no room. */
  wasBusy: boolean
  /** A relay said that it knows no way. */
  wasUnreachable: boolean
  /** Key under which a relay's word about the last large envelope is known. */
  envelopeKey: string | null
}

/** What was ordered, before its first try. */
export function beginWaiting(order: Order, nowMs: number): Waiting {
  return {
    ...order,
    sinceMs: nowMs,
    state: 'new',
    tries: 0,
    dueMs: nowMs,
    wasResealed: false,
    hasLeft: false,
    wasBusy: false,
    wasUnreachable: false,
    envelopeKey: null,
  }
}

interface Account {
  count: number
  bytes: number
}

export interface WaitingBounds {
  readonly countMax: number
  readonly bytesMax: number
}

export class WaitingTable {
  readonly #bounds: WaitingBounds
  readonly #waiting = new Map<string, Waiting>()
  readonly #byEnvelope = new Map<string, Waiting>()
  readonly #own: Account = { count: 0, bytes: 0 }
  readonly #replies: Account = { count: 0, bytes: 0 }
  /** Nothing is due before this; some of it may be gone already. */
  #earliestMs = Number.POSITIVE_INFINITY

  constructor(bounds: WaitingBounds = { countMax: DIRECT_WAITING_MAX, bytesMax: DIRECT_WAITING_BYTES_MAX }) {
    this.#bounds = bounds
  }

  get counts(): { count: number; bytes: number } {
    return { count: this.#own.count + this.#replies.count, bytes: this.#own.bytes + this.#replies.bytes }
  }

  get earliestMs(): number {
    return this.#earliestMs
  }

  hasRoomFor(kind: number, bytes: number): boolean {
    const account = this.#accountOf(kind)
    return account.count < this.#bounds.countMax && account.bytes + bytes <= this.#bounds.bytesMax
  }

  /** The caller has seen that there is room. */
  add(waiting: Waiting): void {
    this.#waiting.set(nameOf(waiting.kind, waiting.destination.identity.key, waiting.number), waiting)
    const account = this.#accountOf(waiting.kind)
    account.count++
    account.bytes += waiting.payload.length
  }

  /** What `from` may answer with this number. */
  find(isQuestion: boolean, from: string, number: Numbered): Waiting | null {
    return this.#waiting.get(nameOf(isQuestion ? Kind.question : Kind.message, from, number)) ?? null
  }

  findEnvelope(envelopeKey: string): Waiting | null {
    return this.#byEnvelope.get(envelopeKey) ?? null
  }

  /** Whether it was still there. */
  remove(waiting: Waiting): boolean {
    const name = nameOf(waiting.kind, waiting.destination.identity.key, waiting.number)
    if (this.#waiting.get(name) !== waiting) return false
    this.#waiting.delete(name)
    this.sentAs(waiting, null)
    const account = this.#accountOf(waiting.kind)
    account.count--
    account.bytes -= waiting.payload.length
    return true
  }

  /** Removes it and tells whoever waits; nothing when it was settled before. */
  settle(waiting: Waiting, error: MeshError | null, payload: Uint8Array, hops: number): boolean {
    if (!this.remove(waiting)) return false
    waiting.settle(error, payload, hops)
    return true
  }

  sentAs(waiting: Waiting, envelopeKey: string | null): void {
    if (waiting.envelopeKey !== null) this.#byEnvelope.delete(waiting.envelopeKey)
    waiting.envelopeKey = envelopeKey
    if (envelopeKey !== null) this.#byEnvelope.set(envelopeKey, waiting)
  }

  /** Due at `dueMs`, or a moment later; never after its end. */
  dueAt(waiting: Waiting, dueMs: number): void {
    waiting.dueMs = Math.min(Math.ceil(dueMs / GRAIN_MS) * GRAIN_MS, waiting.endMs)
    this.#earliestMs = Math.min(this.#earliestMs, waiting.dueMs)
  }

  dueNow(waiting: Waiting, nowMs: number): void {
    waiting.dueMs = nowMs
    this.#earliestMs = Math.min(this.#earliestMs, nowMs)
  }

  /** Hands out what is due, at most so many; what is not handed out stays due. */
  takeDue(nowMs: number, countMax: number): Waiting[] {
    const due: Waiting[] = []
    if (nowMs < this.#earliestMs) return due
    let earliestMs = Number.POSITIVE_INFINITY
    for (const waiting of this.#waiting.values()) {
      if (waiting.dueMs <= nowMs && due.length < countMax) due.push(waiting)
      else earliestMs = Math.min(earliestMs, waiting.dueMs)
    }
    this.#earliestMs = earliestMs
    return due
  }

  /** Everything that waits, to be looked at; few calls only. */
  all(): Waiting[] {
    return [...this.#waiting.values()]
  }

  #accountOf(kind: number): Account {
    // What others make us send must not take the room of what the program sends.
    return kind === Kind.reply ? this.#replies : this.#own
  }
}

/** Questions are numbered apart: a destination marks the numbers of all others, and a gap for each question would cost it. */
function nameOf(kind: number, peer: string, number: Numbered): string {
  return `${kind === Kind.question ? '?' : ''}${peer}/${number.epoch}/${number.sequence}`
}

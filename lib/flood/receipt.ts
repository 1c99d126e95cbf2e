// What a program learns of a message that it published: where it went, and which neighbours say that they hold it. All
// messages of a bundle share what is known of it, and a receipt that nobody asks costs nothing more.
// docs/guide.md, "Publish, and what a receipt says".

import { optionsOf } from '../call-options.ts'
import { MeshError } from '../errors.ts'
import type { Clock, Timer } from '../io/world.ts'
import type { Outcome, Receipt } from '../types.ts'
import { messageId } from './message.ts'

/** Calls of `confirmed` that wait; one more rejects. */
export const CONFIRMATIONS_MAX = 1_048_576
/** Claims and commits come in bursts: what waits is looked through at most so often. */
export const LOOK_MS = 50
/** Bundles looked at in one turn of the event loop. */
const BUNDLES_PER_TURN_MAX = 512
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** One bundle's place in one neighbour's queue. */
export interface Offer {
  readonly peer: string
  readonly outcome: Outcome
}

/** What became of one bundle; all receipts of its messages share it. */
export class Publication {
  epoch: number
  /** Sequence number of its first message. */
  first: number
  /** Messages in it; 0 until it is sealed. */
  count = 0
  offers: readonly Offer[] | null = null

  constructor(epoch: number, first: number) {
    this.epoch = epoch
    this.first = first
  }
}

/** What all receipts of one publisher share. */
export interface ReceiptContext {
  readonly peerId: string
  /** What would become of a bundle that left now. */
  foresee(): readonly Offer[]
  readonly confirmations: Confirmations
}

export class PublishReceipt implements Receipt {
  readonly #publication: Publication
  /** Its place in the bundle, counted from 0. */
  readonly #index: number
  readonly #context: ReceiptContext

  constructor(publication: Publication, index: number, context: ReceiptContext) {
    this.#publication = publication
    this.#index = index
    this.#context = context
  }

  get id(): string {
    return messageId(this.#context.peerId, this.#publication.epoch, this.#publication.first + this.#index)
  }

  get neighbours(): readonly { peer: string; outcome: Outcome }[] {
    const offers = this.#publication.offers ?? this.#context.foresee()
    return offers.map(({ peer, outcome }) => ({ peer, outcome }))
  }

  async confirmed(count: number = 1, options?: { timeout?: number; signal?: AbortSignal }): Promise<readonly string[]> {
    const known = optionsOf('confirmed', options, ['timeout', 'signal'])
    return this.#context.confirmations.wait(this.#publication, count, known ?? {})
  }
}

/** Who holds what of this node's own messages. */
export interface ConfirmationSource {
  /** Peer ids of open neighbours that say that they hold all of these. */
  holders(epoch: number, first: number, last: number): readonly string[]
  /** Whether this node's own store holds them. */
  isStored(epoch: number, first: number, last: number): boolean
}

interface Waiter {
  readonly count: number
  readonly resolve: (holders: readonly string[]) => void
  readonly reject: (error: MeshError) => void
  /** Takes back its timer and listener. */
  settle(): void
}

/** Those who wait for messages of this node to be held elsewhere. */
export class Confirmations {
  readonly #clock: Clock
  readonly #source: ConfirmationSource
  readonly #waiting = new Map<Publication, Set<Waiter>>()
  #count = 0
  #timer: Timer | null = null
  #isLooking = false
  /** Something changed since the last look began. */
  #isStale = false
  #lookedMs = Number.NEGATIVE_INFINITY
  #closed: MeshError | null = null

  constructor(clock: Clock, source: ConfirmationSource) {
    this.#clock = clock
    this.#source = source
  }

  /** Calls that wait. */
  get count(): number {
    return this.#count
  }

  /** See `Receipt.confirmed`. Throws or rejects with MeshError. */
  wait(
    publication: Publication,
    count: number,
    { timeout, signal }: { timeout?: number; signal?: AbortSignal },
  ): Promise<readonly string[]> {
    if (!Number.isInteger(count) || count < 0) throw bad('the count of confirmations must be a whole number')
    if (timeout !== undefined && !(timeout >= 0 && timeout <= TIMEOUT_MS_MAX)) {
      throw bad(`the timeout of a confirmation must be 0 to ${TIMEOUT_MS_MAX} milliseconds`)
    }
    if (signal?.aborted) throw aborted(signal)
    const holders = this.#holders(publication)
    if (holders !== null && holders.length >= count) return Promise.resolve(holders)
    if (this.#closed !== null) throw this.#closed
    if (this.#count >= CONFIRMATIONS_MAX) {
      throw new MeshError('too-large', `at most ${CONFIRMATIONS_MAX} calls of confirmed can wait; await some first`)
    }
    return new Promise((resolve, reject) => {
      const failed = (error: MeshError): void => {
        this.#remove(publication, waiter)
        reject(error)
      }
      const onAbort = (): void => failed(aborted(signal!))
      const timer =
        timeout === undefined
          ? null
          : this.#clock.timer(timeout, () =>
              failed(new MeshError('timed-out', notConfirmed(publication, count, timeout))),
            )
      signal?.addEventListener('abort', onAbort)
      const waiter: Waiter = {
        count,
        resolve,
        reject,
        settle: () => {
          timer?.cancel()
          signal?.removeEventListener('abort', onAbort)
        },
      }
      const group = this.#waiting.get(publication) ?? new Set()
      this.#waiting.set(publication, group.add(waiter))
      this.#count++
    })
  }

  /** What neighbours say that they hold, or what this node's store holds, may have changed. Free while nobody waits. */
  changed(): void {
    if (this.#count === 0) return
    this.#isStale = true
    if (this.#isLooking || this.#timer !== null) return
    const waitMs = this.#lookedMs + LOOK_MS - this.#clock.nowMs()
    if (waitMs <= 0) this.#begin()
    else {
      this.#timer = this.#clock.timer(waitMs, () => {
        this.#timer = null
        this.#begin()
      })
    }
  }

  /** Rejects those who wait, and those who come. */
  close(error: MeshError): void {
    this.#closed ??= error
    this.#timer?.cancel()
    this.#timer = null
    for (const [publication, group] of this.#waiting) {
      for (const waiter of group) {
        this.#remove(publication, waiter)
        waiter.reject(this.#closed)
      }
    }
  }

  /** Null while this node's own store does not hold the bundle. */
  #holders({ epoch, first, count }: Publication): readonly string[] | null {
    const last = first + count - 1
    if (count === 0 || !this.#source.isStored(epoch, first, last)) return null
    return this.#source.holders(epoch, first, last)
  }

  #begin(): void {
    this.#isLooking = true
    this.#isStale = false
    this.#lookedMs = this.#clock.nowMs()
    // At the end of the turn: what one turn brings is looked at once.
    this.#clock.endOfTurn(() => this.#look(this.#waiting.entries()))
  }

  #look(entries: Iterator<[Publication, Set<Waiter>]>): void {
    for (let looked = 0; looked < BUNDLES_PER_TURN_MAX; looked++) {
      const next = entries.next()
      if (next.done) {
        this.#isLooking = false
        if (this.#isStale) this.changed()
        return
      }
      const [publication, group] = next.value
      const holders = this.#holders(publication)
      if (holders === null) continue
      for (const waiter of group) {
        if (holders.length < waiter.count) continue
        this.#remove(publication, waiter)
        waiter.resolve(holders)
      }
    }
    this.#clock.endOfTurn(() => this.#look(entries))
  }

  #remove(publication: Publication, waiter: Waiter): void {
    const group = this.#waiting.get(publication)
    if (group === undefined || !group.delete(waiter)) return
    if (group.size === 0) this.#waiting.delete(publication)
    this.#count--
    waiter.settle()
  }
}

function notConfirmed(publication: Publication, count: number, timeout: number): string {
  const what = publication.count === 0 ? 'the message has not left' : 'not enough neighbours say that they hold it'
  return `a message was not confirmed by ${count} within ${timeout} ms: ${what}`
}

function aborted(signal: AbortSignal): MeshError {
  return new MeshError('aborted', 'waiting for a confirmation was aborted', { cause: signal.reason })
}

function bad(text: string): MeshError {
  return new MeshError('bad-argument', text)
}

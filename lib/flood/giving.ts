// What one neighbour is given when it asks: whole bundles from the store, in steps, closed by `given`. One answer at a time;
// the next one begins when the last has left, so that what waits for a slow reader is bounded. docs/protocol.md, "Repair".

import { ANSWER_BUNDLES_MAX, ANSWER_BYTES_MAX, FAST_ANSWER_BYTES_MAX } from '../limits.ts'
import type { Bundle } from './bundle.ts'
import type { BundleStore, Sift, StoredBundle } from './bundle-store.ts'
import { type EpochNumbers, encodeGiven, type Want } from './repair-frames.ts'
import { common, type Spans, touches } from './spans.ts'
import type { VainReads } from './vain-reads.ts'

/** One step gives no more than this, looks no more often into the store, and looks for no more numbers in vain. */
const STEP_BUNDLES = 64
const STEP_LOOKS = 64
const STEP_NUMBERS = 512
/** Current retained bundles, of one origin and in all, that are looked at to be given first; others come in their place. */
const RETAINED_PER_ORIGIN_MAX = 128
const RETAINED_LOOKS_MAX = 256
/** Units of work (see `Repair.tick`) for a look into the store and for a bundle. */
const LOOK_COST = 1
const BUNDLE_COST = 4
/** For a row of the disk that was read in vain, and for a number that was looked for in vain in any store. */
const VAIN_ROW_COST = 1 / 4
const VAIN_NUMBER_COST = 1 / 8
/** Rows that a link may have read in vain before it has to wait for what others have booked: what honest wants have beside. */
const VAIN_ROWS_UNBOOKED_MAX = 512
/** Answers of more than ANSWER_BYTES_MAX that may wait to be sent at a time, over all links: their bytes are copies. */
export const LONG_ANSWERS_MAX = 8

/** Answers of more than ANSWER_BYTES_MAX to all neighbours that wait to be sent. */
export interface LongAnswers {
  count: number
}

/** Where an answer goes. */
export interface GivingLink {
  /** Bytes that went out over it within the last CARRIED_MS. */
  readonly carriedBytes: number
  give(bundle: Bundle): void
  conclude(body: Uint8Array, left: () => void): void
}

export class Giving {
  readonly #store: BundleStore
  readonly #link: GivingLink
  readonly #counters: { given: number }
  readonly #longAnswers: LongAnswers
  readonly #vainReads: VainReads
  /** Rows read in vain that are not booked yet, and when this link may go on after those that are. */
  #vainRows = 0
  #resumeMs = Number.NEGATIVE_INFINITY
  #answer: Answer | null = null
  /** All of an answer is queued; it has not left. */
  #isLeaving = false
  /** What is answered, or leaving, is a long answer. */
  #isLong = false
  #next: Want | null = null
  #isClosed = false

  /** `longAnswers` and `vainReads` are those of all links. */
  constructor(
    store: BundleStore,
    link: GivingLink,
    counters: { given: number },
    longAnswers: LongAnswers,
    vainReads: VainReads,
  ) {
    this.#store = store
    this.#link = link
    this.#counters = counters
    this.#longAnswers = longAnswers
    this.#vainReads = vainReads
  }

  /** When `work` has something to do; infinite: nothing is asked for; in the past or minus infinite: at once. */
  nextDeadlineMs(): number {
    return this.#answer === null ? Number.POSITIVE_INFINITY : this.#resumeMs
  }

  /** The neighbour asks. While it is being answered, only its newest want waits. */
  want(want: Want): void {
    if (this.#answer !== null || this.#isLeaving) this.#next = want
    else this.#answer = new Answer(this.#store, want, this.#begin())
  }

  /** One step of the answer. Returns the work that it was. */
  work(nowMs: number): number {
    const answer = this.#answer
    if (answer === null || nowMs < this.#resumeMs) return 0
    const step = { looks: 0, numbers: 0, bundles: 0 }
    const { readFailures, vainRows: vainRowsBefore } = this.#store
    answer.advance(step, (bundle) => this.#link.give(bundle))
    this.#counters.given += step.bundles
    const vainRows = this.#store.vainRows - vainRowsBefore
    this.#book(vainRows, nowMs)
    if (this.#store.readFailures > readFailures) answer.breakOff()
    if (answer.isOver && answer.hasFailed) {
      this.#answer = null
      this.#left()
    } else if (answer.isOver) {
      this.#answer = null
      this.#isLeaving = true
      const { request, more } = answer
      this.#link.conclude(encodeGiven({ request, more }), () => this.#left())
    }
    const vainCost = Math.max(vainRows * VAIN_ROW_COST, step.numbers * VAIN_NUMBER_COST)
    return 1 + step.looks * LOOK_COST + step.bundles * BUNDLE_COST + Math.ceil(vainCost)
  }

  /** The link is gone. */
  close(): void {
    this.#isClosed = true
    this.#answer = null
    this.#next = null
    this.#end()
  }

  #book(vainRows: number, nowMs: number): void {
    this.#vainRows += vainRows
    if (this.#vainRows <= VAIN_ROWS_UNBOOKED_MAX) return
    this.#resumeMs = this.#vainReads.book(this.#vainRows, nowMs)
    this.#vainRows = 0
  }

  /** An answer begins: the most bytes that it may have. */
  #begin(): number {
    const bytesMax = Math.min(FAST_ANSWER_BYTES_MAX, this.#link.carriedBytes)
    if (bytesMax <= ANSWER_BYTES_MAX || this.#longAnswers.count >= LONG_ANSWERS_MAX) return ANSWER_BYTES_MAX
    this.#isLong = true
    this.#longAnswers.count++
    return bytesMax
  }

  #end(): void {
    if (this.#isLong) this.#longAnswers.count--
    this.#isLong = false
  }

  #left(): void {
    if (this.#isClosed) return
    this.#end()
    this.#isLeaving = false
    const next = this.#next
    this.#next = null
    if (next !== null) this.want(next)
  }
}

/** What one step has done. */
interface Step {
  looks: number
  /** That were looked for and not found. */
  numbers: number
  bundles: number
}

class Answer {
  readonly request: number
  readonly #store: BundleStore
  readonly #want: Want
  readonly #bytesMax: number
  /** `Bundle.key` of what was given. */
  readonly #given = new Set<string>()
  #bytes = 0
  /** Which origin's current retained bundles come next; null when those are done. */
  #retainedAt: number | null = 0
  #retainedLooks = 0
  /** Which entry of the want comes next, what of it is held, and where in that. */
  #entryAt = 0
  #held: Spans | null = null
  #rangeAt = 0
  #number = 0
  isOver = false
  more = false
  /** It could not be read what there is, and nothing was given: an end would tell that there is nothing. */
  hasFailed = false

  constructor(store: BundleStore, want: Want, bytesMax: number) {
    this.request = want.request
    this.#store = store
    this.#want = want
    this.#bytesMax = bytesMax
  }

  advance(step: Step, give: (bundle: Bundle) => void): void {
    while (!this.isOver && step.bundles < STEP_BUNDLES && step.looks < STEP_LOOKS && step.numbers < STEP_NUMBERS) {
      if (this.#retainedAt !== null) this.#giveRetained(this.#retainedAt, step, give)
      else if (this.#held === null) this.#openEntry(step)
      else this.#giveSome(this.#held, step, give)
    }
  }

  /** Some of what is wanted cannot be read now. It may be asked for again. */
  breakOff(): void {
    this.isOver = true
    this.more = true
    this.hasFailed = this.#given.size === 0
  }

  /** The current retained bundles of one origin, as far as they are asked for. */
  #giveRetained(at: number, step: Step, give: (bundle: Bundle) => void): void {
    const { wanted } = this.#want
    const originKey = wanted[at]?.originKey
    let end = at + 1
    while (end < wanted.length && wanted[end]!.originKey === originKey) end++
    this.#retainedAt = end < wanted.length ? end : null
    if (originKey === undefined) return
    step.looks++
    let looks = 0
    const sift: Sift = (epoch, sequence) => {
      if (++looks > RETAINED_PER_ORIGIN_MAX) return 'stop'
      return this.#isWanted(epoch, sequence, at, end) ? 'take' : 'skip'
    }
    for (const { bundle } of this.#store.retained(originKey, sift)) {
      if (!this.#giveOne(bundle, step, give)) return
    }
    step.numbers += looks
    this.#retainedLooks += looks
    if (this.#retainedLooks >= RETAINED_LOOKS_MAX) this.#retainedAt = null
  }

  #isWanted(epoch: number, sequence: number, from: number, to: number): boolean {
    const { wanted } = this.#want
    for (let i = from; i < to; i++) {
      if (wanted[i]!.epoch === epoch && touches(wanted[i]!.ranges, sequence, sequence)) return true
    }
    return false
  }

  #openEntry(step: Step): void {
    const entry: EpochNumbers | undefined = this.#want.wanted[this.#entryAt++]
    if (entry === undefined) {
      this.isOver = true
      return
    }
    step.numbers++
    const held = common(entry.ranges, this.#store.holdings.held(entry.originKey, entry.epoch))
    if (held.length === 0) return
    this.#held = held
    this.#rangeAt = 0
    this.#number = held[0]!
  }

  /** Some bundles of the present entry, from the present number on. */
  #giveSome(held: Spans, step: Step, give: (bundle: Bundle) => void): void {
    const { originKey, epoch } = this.#want.wanted[this.#entryAt - 1]!
    const first = this.#number
    const last = Math.min(held[this.#rangeAt + 1]!, first + STEP_NUMBERS - step.numbers - 1)
    const bundlesMax = STEP_BUNDLES - step.bundles
    const found = this.#scan(originKey, epoch, first, last, bundlesMax)
    let next = first
    let numbersFound = 0
    for (const { bundle } of found) {
      next = bundle.first + bundle.count
      numbersFound += bundle.count
      if (!this.#given.has(bundle.key) && !this.#giveOne(bundle, step, give)) return
    }
    const numbersLookedAt = found.length < bundlesMax ? last - first + 1 : next - first
    step.looks++
    step.numbers += Math.max(0, numbersLookedAt - numbersFound)
    if (found.length === 0) next = last + 1
    while (this.#rangeAt < held.length && next > held[this.#rangeAt + 1]!) this.#rangeAt += 2
    if (this.#rangeAt >= held.length) this.#held = null
    else this.#number = Math.max(next, held[this.#rangeAt]!)
  }

  #scan(originKey: string, epoch: number, first: number, last: number, bundlesMax: number): StoredBundle[] {
    const bytesMax = Math.max(1, this.#bytesMax - this.#bytes)
    return this.#store.scanSequences(originKey, epoch, first, last, this.#want.ageMsMax, { bundlesMax, bytesMax })
  }

  /** Gives it, or ends the answer because it is one too many. */
  #giveOne(bundle: Bundle, step: Step, give: (bundle: Bundle) => void): boolean {
    const bytes = this.#bytes + bundle.sealed.length
    if (this.#given.size > 0 && (this.#given.size >= ANSWER_BUNDLES_MAX || bytes > this.#bytesMax)) {
      this.isOver = true
      this.more = true
      return false
    }
    this.#bytes = bytes
    this.#given.add(bundle.key)
    step.bundles++
    give(bundle)
    return true
  }
}

// Whether the disk takes what it is given, what was lost while it did not, and what people are told of it: once when it
// begins, once when bundles begin to be lost, once when it is over.

import type { Clock } from '../io/world.ts'

/** One commit: composing it must not hold up the event loop, nor its write the next one for long. */
const COMMIT_BYTES_MAX = 8_388_608
/** After a failure: what is small may fit where more does not. Doubles with each commit that is taken. */
const TRIAL_BYTES_MAX = 262_144
const WARN_AGAIN_MS = 600_000

export class DiskHealth {
  /** Bytes that the next commit may have. */
  commitBytesMax: number = COMMIT_BYTES_MAX
  /** Attempts since the disk began to fail. */
  failedAttempts = 0
  /** Bundles that were given up unsaved, ever. */
  notSaved = 0
  readonly #clock: Clock
  readonly #path: string
  readonly #warn: (code: string, text: string) => void
  #isFailing = false
  #notSavedBefore = 0
  #hasToldOfLoss = false
  #warnedMs = Number.NEGATIVE_INFINITY

  /** `path` is for messages. */
  constructor(clock: Clock, path: string, warn: (code: string, text: string) => void) {
    this.#clock = clock
    this.#path = path
    this.#warn = warn
  }

  get isFailing(): boolean {
    return this.#isFailing
  }

  /** The disk refused a commit, or does not answer. */
  failed(reason: string): void {
    if (!this.#isFailing) {
      this.#isFailing = true
      this.#notSavedBefore = this.notSaved
      this.#hasToldOfLoss = false
      this.#warnedMs = Number.NEGATIVE_INFINITY
    }
    this.commitBytesMax = TRIAL_BYTES_MAX
    this.failedAttempts++
    const nowMs = this.#clock.nowMs()
    const isLossNew = this.#lost > 0 && !this.#hasToldOfLoss
    if (!isLossNew && nowMs - this.#warnedMs < WARN_AGAIN_MS) return
    this.#warnedMs = nowMs
    this.#hasToldOfLoss = this.#lost > 0
    const waiting = this.#lost > 0 ? `; ${this.#lost} bundles were given up unsaved, the oldest first` : ''
    this.#warn('store-failing', `cannot save messages in ${this.#path}: ${reason}${waiting}`)
  }

  /** A commit with bundles was taken. Well again once as much as ever fits, or when nothing waits any more. */
  succeeded(isAllWritten: boolean): void {
    if (!this.#isFailing) return
    this.failedAttempts = 0
    this.commitBytesMax = Math.min(COMMIT_BYTES_MAX, this.commitBytesMax * 2)
    if (!isAllWritten && this.commitBytesMax < COMMIT_BYTES_MAX) return
    this.#isFailing = false
    this.commitBytesMax = COMMIT_BYTES_MAX
    const lost = this.#lost === 0 ? '' : `; ${this.#lost} bundles were given up unsaved`
    this.#warn('store-recovered', `messages are saved in ${this.#path} again${lost}`)
  }

  get #lost(): number {
    return this.notSaved - this.#notSavedBefore
  }
}

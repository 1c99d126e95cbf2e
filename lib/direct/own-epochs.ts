// The epochs under which this node takes direct messages. What is sealed for another epoch is not taken: so nothing that was
// recorded in an earlier run can be delivered in this one, though no number of that run is known any more. When the memory of
// numbers is full the node moves on to a further epoch, and may then forget in the same way. docs/protocol.md, "Replay".

import { INTEGER_MAX } from '../limits.ts'

/** Whoever was told the epoch before the last move has so long to learn the new one. */
export const EPOCH_MOVE_MS = 60_000
/** An epoch is Unix seconds times this, and 20 random bits. */
const EPOCHS_PER_SECOND = 2 ** 20

export interface OwnEpochsOptions {
  /** The epoch of this run; it may grow. */
  epoch(): number
  /** Cryptographically strong. */
  random(length: number): Uint8Array
  readonly startedMs: number
}

export class OwnEpochs {
  readonly #given: OwnEpochsOptions
  #ofRun: number
  #current: number
  #before: number | null = null
  #moves = 0
  #movedMs = Number.NEGATIVE_INFINITY

  constructor(options: OwnEpochsOptions) {
    this.#given = options
    this.#ofRun = options.epoch()
    this.#current = this.#ofRun
  }

  /** The epoch that others are told, and under which our own are numbered. */
  get current(): number {
    const ofRun = this.#given.epoch()
    if (ofRun !== this.#ofRun) {
      this.#ofRun = ofRun
      if (ofRun > this.#current) this.#moveTo(ofRun)
    }
    return this.#current
  }

  /** How often it has moved. What was last taken two moves ago cannot be taken again. */
  get moves(): number {
    return this.#moves
  }

  /** The current one, or the one before it: what is on its way when we move is still taken. */
  isOurs(epoch: number): boolean {
    return epoch === this.current || epoch === this.#before
  }

  /** On to an epoch that no run had: later than this one by the time that has passed. False: it moved a moment ago. */
  move(nowMs: number): boolean {
    if (nowMs - this.#movedMs < EPOCH_MOVE_MS) return false
    const bytes = this.#given.random(3)
    const low = ((bytes[0]! & 0x0f) << 16) | (bytes[1]! << 8) | bytes[2]!
    const passedS = Math.max(0, Math.floor((nowMs - this.#given.startedMs) / 1_000))
    const next = Math.max(
      this.current + 1,
      this.#ofRun - (this.#ofRun % EPOCHS_PER_SECOND) + passedS * EPOCHS_PER_SECOND + low,
    )
    if (next > INTEGER_MAX) return false
    this.#movedMs = nowMs
    this.#moveTo(next)
    return true
  }

  #moveTo(epoch: number): void {
    this.#before = this.#current
    this.#current = epoch
    this.#moves++
  }
}

// How much the other end may send on one stream, and when it is told of more: after the program has *read*, not after bytes
// have come, so a reader that stops holds the writer back. The window grows while it, and not the reader, is what limits the
// flow. docs/protocol.md, "Windows".

import { STREAM_WINDOW_BYTES_MIN } from '../limits.ts'
import type { CreditPool } from './credit-pool.ts'
import { badStream } from './messages.ts'

/** Large windows are granted anew by steps of this: half of one would leave the writer with half of it at times. */
const STEP_BYTES_MAX = 1_048_576
/**
 * Round trips are taken to last at least this long: an event loop answers in turns, which last milliseconds under load
 * whatever the wire does.
 */
const ROUND_TRIP_MS_MIN = 5

export class ReceiveWindow {
  readonly #pool: CreditPool
  /** What is to be under way or wait here at any time. */
  #bytes: number
  /** What of the pool is ours: the window, or more while it is coming down to a smaller one. */
  #heldBytes: number
  /** All that the other end was ever allowed, has sent, and that the program has read. read <= received <= granted. */
  #granted = 0
  #received = 0
  #read = 0
  /** Since when the reading of half a window is timed; null before the first byte. */
  #timedFromMs: number | null = null
  #timedFromBytes = 0
  /** `read` has said that it is time to grant, and nobody has yet. */
  #isDue = false
  #isEnded = false

  constructor(pool: CreditPool) {
    this.#pool = pool
    this.#bytes = pool.open()
    this.#heldBytes = this.#bytes
  }

  /** Bytes that came and were not read. */
  get unreadBytes(): number {
    return this.#received - this.#read
  }

  /** The window as it is now. */
  get bytes(): number {
    return this.#bytes
  }

  /** Credit that was granted and is not used up. */
  get outstandingBytes(): number {
    return this.#granted - this.#received
  }

  /** Raises what the other end is allowed to all of the window, and returns by how much. It is in force at once. */
  grant(): number {
    const credit = Math.max(0, this.#read + this.#bytes - this.#granted)
    this.#granted += credit
    this.#isDue = false
    return credit
  }

  /** So many bytes came. Throws MeshError `bad-stream` when that is more than was allowed. */
  received(bytes: number, nowMs: () => number): void {
    if (bytes > this.#granted - this.#received) {
      throw badStream(`${bytes} bytes on a stream that was granted ${this.#granted - this.#received}`)
    }
    this.#received += bytes
    this.#timedFromMs ??= nowMs()
  }

  /** The program has read `total` bytes since the beginning. True: the other end should be told of more. */
  read(total: number, nowMs: () => number, roundTripMs: () => number | null): boolean {
    if (total <= this.#read) return false
    this.#read = total
    this.#giveBack()
    if (this.#isEnded || this.#isDue || !this.#isStepRead) return false
    if (2 * (total - this.#timedFromBytes) >= this.#bytes) this.#adjust(nowMs(), roundTripMs())
    this.#isDue = this.#isStepRead
    return this.#isDue
  }

  /** No more will come: what is held is what waits. */
  end(): void {
    this.#isEnded = true
    this.#granted = this.#received
    this.#bytes = 0
    this.#giveBack()
  }

  /**
   * The link is over, behind `end`: what waits is kept for its reader, and counts as a least window at least, so that the room
   * bounds the streams as well. False when links that are over have left too much already.
   */
  linger(): boolean {
    this.#bytes = STREAM_WINDOW_BYTES_MIN
    this.#giveBack()
    return this.#pool.mayLinger
  }

  /** The stream is over. Call once. */
  close(): void {
    this.#pool.close(this.#heldBytes)
    this.#heldBytes = 0
  }

  /** Holds what is in the window or promised, and gives back the rest. */
  #giveBack(): void {
    const needed = Math.max(this.#bytes, this.#granted - this.#read)
    if (needed === this.#heldBytes) return
    this.#pool.giveBack(this.#heldBytes - needed)
    this.#heldBytes = needed
  }

  get #isStepRead(): boolean {
    return this.#granted - this.#read <= this.#bytes - Math.min(this.#bytes / 2, STEP_BYTES_MAX)
  }

  /**
   * Half of the window was read within two round trips: the flow is faster than a quarter of the window in each, so that the
   * window may be what limits it. A reader that takes longer would not gain by a larger one, only hold more memory.
   */
  #adjust(nowMs: number, roundTripMs: number | null): void {
    const elapsedMs = nowMs - this.#timedFromMs!
    this.#timedFromMs = nowMs
    this.#timedFromBytes = this.#read
    const fair = this.#pool.fair(this.#bytes)
    if (fair < this.#bytes) {
      this.#bytes = fair
      this.#giveBack()
    } else if (this.#heldBytes === fair && elapsedMs < 2 * Math.max(roundTripMs ?? 0, ROUND_TRIP_MS_MIN)) {
      this.#bytes = this.#pool.grow(fair)
      this.#heldBytes = this.#bytes
    }
  }
}

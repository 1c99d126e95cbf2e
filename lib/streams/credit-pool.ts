// How much the other end of a link may be allowed to send in all its streams together, and how that is shared out: the first
// streams get much, crowds get little, and there is always something left for one more. docs/protocol.md, "Windows".

import {
  LINK_WINDOWS_CROWDED_BYTES,
  LINK_WINDOWS_NEWCOMERS_BYTES,
  STREAM_WINDOW_BYTES,
  STREAM_WINDOW_BYTES_MAX,
  STREAM_WINDOW_BYTES_MIN,
  STREAM_WINDOW_CROWDED_BYTES,
} from '../limits.ts'

/** Window bytes of the streams of several links together. */
export interface WindowBudget {
  bytes: number
  readonly bytesMax: number
  /** Of these, what was left unread on links that are over; absent: nothing yet. */
  leftBytes?: number
}

/** One link's windows. Their sum stays within LINK_WINDOWS_BYTES_MAX as long as there are at most STREAMS_PER_LINK_MAX of them. */
export class CreditPool {
  readonly #shared: WindowBudget
  #bytes = 0
  #windows = 0
  #isRetired = false

  constructor(shared: WindowBudget) {
    this.#shared = shared
  }

  /** Sum of all windows. */
  get bytes(): number {
    return this.#bytes
  }

  /** Windows that were opened and not closed. */
  get windows(): number {
    return this.#windows
  }

  /** A window for a new stream: never less than STREAM_WINDOW_BYTES_MIN. */
  open(): number {
    this.#windows++
    const bytes = this.#firstWindow()
    this.#count(bytes)
    return bytes
  }

  /** The window that a stream may have whose reader needs more than `window`: twice of it, or the same. */
  grow(window: number): number {
    const larger = Math.min(2 * window, STREAM_WINDOW_BYTES_MAX)
    const upTo = larger <= STREAM_WINDOW_CROWDED_BYTES ? LINK_WINDOWS_NEWCOMERS_BYTES : LINK_WINDOWS_CROWDED_BYTES
    if (!this.#hasRoom(larger - window, upTo)) return window
    this.#count(larger - window)
    return larger
  }

  /**
   * The window that a stream should come down to: half of it where it is large and the link is crowded, or the same. What
   * was granted cannot be taken back, so the bytes are given back later, as they are read.
   */
  fair(window: number): number {
    if (this.#bytes <= LINK_WINDOWS_CROWDED_BYTES) return window
    const share = Math.max(STREAM_WINDOW_CROWDED_BYTES, LINK_WINDOWS_CROWDED_BYTES / this.#windows)
    return window / 2 < share ? window : window / 2
  }

  /** The link is over: what its windows hold from now on is left for readers to come. */
  retire(): void {
    this.#isRetired = true
    this.#shared.leftBytes = (this.#shared.leftBytes ?? 0) + this.#bytes
  }

  /** Whether all that links have left is within its half of the room: the other half is for links that are there. */
  get mayLinger(): boolean {
    return (this.#shared.leftBytes ?? 0) <= this.#shared.bytesMax / 2
  }

  /** Part of a window is not needed any more. */
  giveBack(bytes: number): void {
    this.#count(-bytes)
  }

  /** A stream is over; `bytes` is what is left of its window. */
  close(bytes: number): void {
    this.#windows--
    this.#count(-bytes)
  }

  #firstWindow(): number {
    if (this.#hasRoom(STREAM_WINDOW_BYTES, LINK_WINDOWS_CROWDED_BYTES)) return STREAM_WINDOW_BYTES
    if (this.#hasRoom(STREAM_WINDOW_CROWDED_BYTES, LINK_WINDOWS_NEWCOMERS_BYTES)) return STREAM_WINDOW_CROWDED_BYTES
    return STREAM_WINDOW_BYTES_MIN
  }

  #hasRoom(bytes: number, upTo: number): boolean {
    return this.#bytes + bytes <= upTo && this.#shared.bytes + bytes <= this.#shared.bytesMax
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#shared.bytes += bytes
    if (this.#isRetired) this.#shared.leftBytes = (this.#shared.leftBytes ?? 0) + bytes
  }
}

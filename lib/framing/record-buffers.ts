// Buffers for sealed records on their way out and in, used again when they have left or were opened: at full speed a link
// carries thousands of records of 64 KiB a second, and a buffer of its own for each costs the collector as much as the cipher.
// docs/protocol.md section 6.

import { RECORD_BYTES_MAX } from '../limits.ts'

const WHOLE_BYTES: number = 2 + RECORD_BYTES_MAX
/** Below this a fresh buffer is cheaper than the bookkeeping. */
const SMALL_BYTES = 4_096
/** Kept for reuse; what comes back beyond is left to the collector. One MiB in all. */
const FREE_MAX = 16

/** Shared by all links of the process. */
export class RecordBuffers {
  readonly #free: Uint8Array[] = []

  /** Room for `length` bytes, not cleared; `release` (null for small ones) gives it back once nobody reads it any more. */
  take(length: number): { bytes: Uint8Array; release: (() => void) | undefined } {
    if (length < SMALL_BYTES) return { bytes: new Uint8Array(length), release: undefined }
    const whole = this.#free.pop() ?? new Uint8Array(WHOLE_BYTES)
    const release = (): void => {
      if (this.#free.length < FREE_MAX) this.#free.push(whole)
    }
    return { bytes: whole.subarray(0, length), release }
  }
}

export const recordBuffers: RecordBuffers = new RecordBuffers()

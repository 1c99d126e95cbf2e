// How much a node reads on its disk for nothing because neighbours ask: so much of its time, over all links together. What finds
// nothing costs as much as what is given, and no answer limits it, so that somebody could keep a node busy by asking for what is
// all too old. Each link's reads are booked behind those of the others, by a virtual clock (GCRA); time comes in.
// docs/protocol.md, "What is given".

/** A row takes 2 to 4 microseconds, measured; it is booked for some three times that, so that a third of the time goes into it. */
export const VAIN_ROW_MS = 0.01
/** What may be read without a wait after a time without any: more than the longest `want` has read, two rows for each number. */
export const VAIN_BURST_MS = 500
/** Nobody is put off for longer, however many links have booked and are gone again. */
export const VAIN_WAIT_MS_MAX = 1_000

export class VainReads {
  #bookedMs = Number.NEGATIVE_INFINITY

  /** Books rows that were read. Whoever had them read may go on at the time that it returns. */
  book(rows: number, nowMs: number): number {
    const bookedMs = Math.max(this.#bookedMs, nowMs - VAIN_BURST_MS) + rows * VAIN_ROW_MS
    this.#bookedMs = Math.min(bookedMs, nowMs + VAIN_WAIT_MS_MAX)
    return this.#bookedMs
  }
}

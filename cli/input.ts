// Standard input as batches of lines, read no faster than they are taken: while a batch is being worked on, nothing more is
// read, and so whoever writes into the pipe is held back.

import { setImmediate as turn } from 'node:timers/promises'
import { type InputLine, LineSplitter } from './lines.ts'

/** A chunk may hold ten thousands of short lines: the node's links get their turn in between. */
export const LINES_PER_TURN_MAX = 1_024

export class LineInput {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #splitter: LineSplitter
  #ready: InputLine[] = []
  #ended = false

  /** `chunks`: a Readable without encoding. Nothing is read before the first call. */
  constructor(chunks: AsyncIterable<Uint8Array>, lineBytesMax: number) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#splitter = new LineSplitter(lineBytesMax)
  }

  /** The next line alone, or null at the end. Rejects with what the stream fails with. */
  async line(): Promise<InputLine | null> {
    const [first, ...rest] = (await this.batch()) ?? []
    this.#ready = rest
    return first ?? null
  }

  /** The lines that are there, 1 to `LINES_PER_TURN_MAX`; null at the end. Rejects with what the stream fails with. */
  async batch(): Promise<InputLine[] | null> {
    if (this.#ready.length > 0) await turn()
    while (this.#ready.length === 0) {
      if (this.#ended) return null
      const next = await this.#chunks.next()
      this.#ended = next.done === true
      this.#ready = next.done ? this.#splitter.end() : this.#splitter.push(next.value)
    }
    const batch = this.#ready.slice(0, LINES_PER_TURN_MAX)
    this.#ready = this.#ready.slice(LINES_PER_TURN_MAX)
    return batch
  }
}

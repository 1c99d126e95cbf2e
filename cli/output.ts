// Standard output behind a bounded queue: what one turn of the event loop prints leaves in one write, a slow reader never
// holds the node up, and what does not fit is counted instead of kept. It does not know what it prints.

import type { Writable } from 'node:stream'

/** What may wait for a slow reader: ten seconds of a fast link's messages, and small beside the node's own bounds. */
export const WAITING_BYTES_MAX: number = 16 * 1_048_576
export const WAITING_CHUNKS_MAX = 65_536
/** From here on what waits leaves at once and not at the end of the turn, so that one turn cannot fill the queue alone. */
const WRITE_BYTES = 262_144
const WRITE_CHUNKS = 8_192

export interface OutputEvents {
  /** The reader has caught up after `count` lines did not fit. */
  overflowed(count: number): void
  /** Nothing can be printed any more: the reader left (`EPIPE`), the disk is full. Called once. */
  broken(error: Error): void
}

export class Output {
  readonly #stream: Writable
  readonly #events: OutputEvents
  readonly #waitingBytesMax: number
  #chunks: Uint8Array[] = []
  #bytes = 0
  #lost = 0
  #scheduled = false
  /** True between a write that filled the stream and its `drain`. */
  #full = false
  #broken = false
  #flushed: (() => void)[] = []

  constructor(stream: Writable, events: OutputEvents, waitingBytesMax: number = WAITING_BYTES_MAX) {
    this.#stream = stream
    this.#events = events
    this.#waitingBytesMax = waitingBytesMax
    stream.on('drain', () => {
      this.#full = false
      this.#write()
      this.#tellOverflow()
    })
    stream.on('error', (error: Error) => this.#fail(error))
    // A stream that is destroyed without an error will never drain either.
    stream.on('close', () => this.#fail(new Error('standard output was closed')))
  }

  /** Prints the parts together, or none of them when there is no room: then it counts one lost line. */
  offer(...parts: readonly Uint8Array[]): void {
    let bytes = 0
    for (const part of parts) bytes += part.length
    const room = this.#bytes === 0 || this.#bytes + bytes <= this.#waitingBytesMax
    if (this.#lost > 0 || !room || this.#chunks.length >= WAITING_CHUNKS_MAX) this.#lost++
    else this.#queue(parts, bytes)
  }

  /** Prints this even when messages no longer fit: for the program's own few lines, which have as much room again. */
  print(text: string): void {
    const bytes = Buffer.from(text)
    if (this.#bytes > 2 * this.#waitingBytesMax) this.#lost++
    else this.#queue([bytes], bytes.length)
  }

  /** Resolves when all that was printed has left this process, or can never leave. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#flushed.push(resolve)
      this.#write()
      this.#tellFlushed()
    })
  }

  #queue(parts: readonly Uint8Array[], bytes: number): void {
    if (this.#broken) return
    this.#chunks.push(...parts)
    this.#bytes += bytes
    if (this.#bytes >= WRITE_BYTES || this.#chunks.length >= WRITE_CHUNKS) this.#write()
    else if (!this.#scheduled && !this.#full) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#write()
      })
    }
  }

  #write(): void {
    if (this.#full || this.#broken || this.#chunks.length === 0) return
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes)
    this.#chunks = []
    this.#bytes = 0
    this.#full = !this.#stream.write(bytes, () => this.#tellFlushed())
  }

  #tellOverflow(): void {
    if (this.#lost === 0 || this.#full) return
    const count = this.#lost
    this.#lost = 0
    this.#events.overflowed(count)
  }

  #tellFlushed(): void {
    if (!this.#broken && (this.#chunks.length > 0 || this.#stream.writableLength > 0)) return
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #fail(error: Error): void {
    if (this.#broken) return
    this.#broken = true
    this.#chunks = []
    this.#bytes = 0
    this.#tellFlushed()
    this.#events.broken(error)
  }
}

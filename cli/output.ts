// Standard output behind a bounded queue: what one turn of the event loop prints leaves in one write, a slow reader never
// holds the node up, and what does not fit is counted instead of kept. It does not know what it prints.

import type { Writable } from 'node:stream'
import { watchReader } from './reader.ts'

/** What may wait for a slow reader: ten seconds of a fast link's messages, and small beside the node's own bounds. */
export const WAITING_BYTES_MAX: number = 16 * 1_048_576
export const WAITING_CHUNKS_MAX = 65_536
/** From here on what waits leaves at once and not at the end of the turn, so that one turn cannot fill the queue alone. */
const WRITE_BYTES = 262_144
const WRITE_CHUNKS = 8_192
/** Who can be held back is, when more than this has not left. */
export const HELD_BACK_BYTES = 1_048_576

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
  /** To be called when what was put in since the last write has left. */
  #left: (() => void)[] = []
  /** Bytes that were put in and have not left. */
  #unsentBytes = 0
  #heldBack: (() => void)[] = []

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
    watchReader(stream)
  }

  /** Prints the parts together, or none of them when there is no room: then it counts one lost line. */
  offer(...parts: readonly Uint8Array[]): void {
    let bytes = 0
    for (const part of parts) bytes += part.length
    const room = this.#bytes === 0 || this.#bytes + bytes <= this.#waitingBytesMax
    if (this.#lost > 0 || !room || this.#chunks.length >= WAITING_CHUNKS_MAX) this.#lost++
    else this.#queue(parts, bytes)
  }

  /**
   * Prints the parts in any case; `left` is called when they have left this process, or never. The promise, where there is
   * one, resolves when more should be put in.
   */
  deliver(parts: readonly Uint8Array[], left: () => void): Promise<void> | undefined {
    if (this.#broken) return undefined
    let bytes = 0
    for (const part of parts) bytes += part.length
    this.#left.push(left)
    this.#queue(parts, bytes)
    if (this.#unsentBytes < HELD_BACK_BYTES) return undefined
    return new Promise((resolve) => this.#heldBack.push(resolve))
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
    this.#unsentBytes += bytes
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
    const left = this.#left
    this.#chunks = []
    this.#bytes = 0
    this.#left = []
    this.#full = !this.#stream.write(bytes, (error) => {
      this.#unsentBytes -= bytes.length
      if (!error) for (const tell of left) tell()
      if (this.#unsentBytes < HELD_BACK_BYTES) this.#letGo()
      this.#tellFlushed()
    })
  }

  #letGo(): void {
    for (const resolve of this.#heldBack.splice(0)) resolve()
  }

  #tellOverflow(): void {
    if (this.#lost === 0 || this.#full) return
    const count = this.#lost
    this.#lost = 0
    this.#events.overflowed(count)
  }

  #tellFlushed(): void {
    // The stream may be empty before it has said so: those who wait for what left hear of it first.
    if (!this.#broken && (this.#unsentBytes > 0 || this.#stream.writableLength > 0)) return
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #fail(error: Error): void {
    if (this.#broken) return
    this.#broken = true
    this.#chunks = []
    this.#bytes = 0
    this.#left = []
    this.#letGo()
    this.#tellFlushed()
    this.#events.broken(error)
  }
}

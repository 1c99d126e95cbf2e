// A stream as programs hold it: node:stream's Duplex over one Stream. What it does with bytes and ends is in stream.ts.
// docs/protocol.md, "Streams".

import { Duplex } from 'node:stream'
import { resetCodeOf } from './reset-codes.ts'
import type { Stream, StreamUser } from './stream.ts'

/** A record's worth: what Node holds for a reader beside our own window. */
const READABLE_BYTES = 65_536
/** Several records, so that the link has something to send while the program makes more. */
const WRITABLE_BYTES = 262_144

/**
 * Both directions are open until each has ended: `end` closes ours and leaves the other one readable. `destroy` gives the
 * stream up; the other end is told why by a code (see `StreamResetError`). A stream that the other end gave up is destroyed
 * with a MeshError, and so is one whose link is over, behind what came on it before and was not read yet; unless both ends
 * had said all. Without a listener for `error` that is nobody's uncaught exception: what a peer does must not end a program.
 *
 * `for await` leaves the writing side open when it has read to the end, unlike Node's own, so that an answer can follow; it
 * destroys the stream when it is left before.
 */
export class MeshStream extends Duplex {
  /** The name that both ends agreed on. */
  readonly protocol: string
  /** Peer id of the other end. */
  readonly peer: string
  /** The stream's number on its link. */
  readonly id: number
  readonly #stream: Stream
  #pushedBytes = 0
  /** Node's buffer has room. */
  #isWanted = false
  #onWritten: ((error?: Error | null) => void) | null = null
  #onEnded: (() => void) | null = null
  #isEndPushed = false

  constructor(stream: Stream, protocol: string, peer: string) {
    super({ readableHighWaterMark: READABLE_BYTES, writableHighWaterMark: WRITABLE_BYTES })
    this.protocol = protocol
    this.peer = peer
    this.id = stream.number
    this.#stream = stream
    this.on('error', () => {})
    const isRead = (): boolean => this.readableFlowing !== null
    const user: StreamUser = {
      get isRead() {
        return isRead()
      },
      arrived: () => this.#deliver(),
      written: (error) => {
        const done = this.#onWritten
        this.#onWritten = null
        done?.(error)
      },
      ended: () => this.#onEnded?.(),
      failed: (error, isBehindEnd) => this.#fail(error, isBehindEnd),
    }
    stream.attach(user)
  }

  /** As Node's, and tells the other end of the room that it makes. */
  // biome-ignore lint/suspicious/noExplicitAny: as Node declares it; with anything narrower this is no stream to its `pipeline`
  override read(size?: number): any {
    const chunk: unknown = super.read(size)
    this.#countRead()
    return chunk
  }

  // biome-ignore lint/suspicious/noExplicitAny: as `read`
  override async *[Symbol.asyncIterator](): AsyncGenerator<any, undefined, unknown> {
    let isWhole = false
    try {
      yield* this.iterator({ destroyOnReturn: false })
      isWhole = true
    } finally {
      if (!isWhole) this.destroy()
    }
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#onWritten = done
    this.#stream.write([chunk])
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this.#onWritten = done
    this.#stream.write(chunks.map(({ chunk }) => chunk))
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#onEnded = () => done()
    this.#stream.end()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.abandon(resetCodeOf(error))
    done(error)
  }

  #deliver(): void {
    while (this.#isWanted) {
      const piece = this.#stream.take()
      if (piece === null) break
      this.#pushedBytes += piece.length
      this.#isWanted = this.push(piece)
    }
    this.#countRead()
    if (!this.#stream.isTakenToItsEnd || this.#isEndPushed) return
    this.#isEndPushed = true
    this.push(null)
    // A program that never reads still hears of the end when there was nothing to read.
    super.read(0)
  }

  /** Where the reader is to hear of the end first, that is a turn before. */
  #fail(error: Error, isBehindEnd: boolean): void {
    if (!isBehindEnd || this.readableEnded || this.destroyed) return void this.destroy(error)
    this.once('end', () => void this.destroy(error))
    if (!this.#isEndPushed) {
      this.#isEndPushed = true
      this.push(null)
    }
    super.read(0)
  }

  /** With `setEncoding` Node counts characters in place of bytes; then this is as near as it gets, and right at the end. */
  #countRead(): void {
    this.#stream.consumed(this.#pushedBytes - this.readableLength)
  }
}

// Reads a stream as lines and as counted bytes, whatever the pieces they come in. It holds one line at most beside the piece that
// came last, and gives up on an end that says nothing for too long.

import type { Readable } from 'node:stream'
import { MeshError } from '../../lib/errors.ts'
import { LINE_BYTES_MAX, Refusal } from './messages.ts'

const LF = 0x0a

export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #stream: Readable
  readonly #silenceMs: number | null
  #rest: Uint8Array = new Uint8Array(0)

  /**
   * `stream` is read from the first call on. With `silenceMs` it is destroyed with MeshError `timed-out` when so much time
   * passes without a byte while one is waited for.
   */
  constructor(stream: Readable, silenceMs: number | null = null) {
    // Left at any time, the stream stays as it is: an answer may have to follow.
    this.#pieces = stream.iterator({ destroyOnReturn: false })
    this.#stream = stream
    this.#silenceMs = silenceMs
  }

  /**
   * The next line without its newline. Rejects with Refusal `bad-request` for one of more than LINE_BYTES_MAX bytes, MeshError
   * `connection-lost` when the stream ends before, or what the stream fails with.
   */
  async line(): Promise<Uint8Array> {
    let line: Uint8Array = new Uint8Array(0)
    for (;;) {
      const end = this.#rest.indexOf(LF)
      const part = end === -1 ? this.#rest : this.#rest.subarray(0, end)
      if (line.length + part.length > LINE_BYTES_MAX) {
        throw new Refusal('bad-request', `a line is longer than ${LINE_BYTES_MAX} bytes`)
      }
      line = line.length === 0 ? part : Buffer.concat([line, part])
      if (end !== -1) {
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      if (!(await this.#more())) throw new MeshError('connection-lost', 'the stream ended in the middle of the talk')
    }
  }

  /** The next bytes, 1 to `bytesMax` of them; null at the end of the stream. Rejects with what the stream fails with. */
  async bytes(bytesMax: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) if (!(await this.#more())) return null
    const bytes = this.#rest.subarray(0, bytesMax)
    this.#rest = this.#rest.subarray(bytes.length)
    return bytes
  }

  /** Reads what still comes and forgets it, to the end of the stream however that is. */
  async drain(): Promise<void> {
    try {
      while ((await this.bytes(Number.POSITIVE_INFINITY)) !== null);
    } catch {
      // The stream is over all the same, and nobody waits for what it held.
    }
  }

  async #more(): Promise<boolean> {
    const alarm = this.#silenceMs === null ? undefined : setTimeout(() => this.#silent(), this.#silenceMs).unref()
    try {
      const { done, value } = await this.#pieces.next()
      if (done === true) return false
      this.#rest = value
      return true
    } finally {
      clearTimeout(alarm)
    }
  }

  #silent(): void {
    this.#stream.destroy(new MeshError('timed-out', `nothing came for ${this.#silenceMs! / 1000} s`))
  }
}

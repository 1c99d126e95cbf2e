// Cuts a byte stream into lines. Pure: chunks go in, lines come out; it keeps at most one unfinished line of bounded size.
// Bytes, not text: what is piped through a node comes out as it went in.

/** A line without its newline (LF, or CRLF); `number` counts from 1. */
export type InputLine =
  | { readonly kind: 'line'; readonly number: number; readonly bytes: Uint8Array }
  /** Longer than allowed; its bytes are gone. */
  | { readonly kind: 'too-long'; readonly number: number }

const LF = 0x0a
const CR = 0x0d

export class LineSplitter {
  readonly #lineBytesMax: number
  #parts: Uint8Array[] = []
  #partsBytes = 0
  #number = 1
  #tooLong = false

  /** Lines of more than `lineBytesMax` bytes (newline not counted) come out as `too-long`. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that this chunk completes. They are views into the chunk where they can be. */
  push(chunk: Uint8Array): InputLine[] {
    const lines: InputLine[] = []
    let from = 0
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, at))
      lines.push(this.#finish(true))
      from = at + 1
    }
    // A copy: an unfinished line must not pin the chunk it came in, nor change with it.
    if (from < chunk.length) this.#hold(new Uint8Array(chunk.subarray(from)))
    return lines
  }

  /** The stream is over: what has no newline is a line too. */
  end(): InputLine[] {
    return this.#partsBytes > 0 || this.#tooLong ? [this.#finish(false)] : []
  }

  #hold(part: Uint8Array): void {
    if (this.#tooLong || part.length === 0) return
    this.#partsBytes += part.length
    // One more than the bound: it may be the CR of the newline.
    if (this.#partsBytes > this.#lineBytesMax + 1) {
      this.#tooLong = true
      this.#parts = []
    } else {
      this.#parts.push(part)
    }
  }

  #finish(newline: boolean): InputLine {
    const number = this.#number++
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    if (newline && bytes.at(-1) === CR) bytes = bytes.subarray(0, -1)
    const tooLong = this.#tooLong || bytes.length > this.#lineBytesMax
    this.#parts = []
    this.#partsBytes = 0
    this.#tooLong = false
    return tooLong ? { kind: 'too-long', number } : { kind: 'line', number, bytes }
  }
}

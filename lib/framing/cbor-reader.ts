// Reads CBOR by position without building values: the hot path (bundles). Same rules as cbor-check.ts, item by item, so what
// it has read to the end would also have passed the checker. Not for maps: they are read by decodeCbor.
// docs/protocol.md section 7.

import { bytesKey, textOf } from '../bytes.ts'
import { CBOR_DEPTH_MAX, INTEGER_MAX } from '../limits.ts'
import { badCbor, checkItem, isShortAscii, Major, readArgument } from './cbor-check.ts'
import { headLength } from './cbor-writer.ts'

/** Texts up to this length are looked at byte by byte. */
const SHORT_BYTES_MAX = 64

/**
 * A position in CBOR bytes. Every method reads the item at the position and moves behind it, or throws MeshError `bad-cbor`
 * when the item is of another kind, breaks the rules or its bound, or does not end by `end`; the position then means nothing.
 */
export class CborReader {
  /** Offset of the next item in the bytes given. */
  at: number
  readonly #source: Uint8Array
  readonly #end: number

  /** Reads `source` from `at` up to `end`. Keeps the array, copies nothing. */
  constructor(source: Uint8Array, at: number = 0, end: number = source.length) {
    this.#source = source
    this.at = at
    this.#end = end
  }

  /**
   * Enters an array of at least `countMin` elements: its count, never more than the bytes that are left. The elements come
   * next. Read no more than the count: the reader does not know where an array ends.
   */
  array(countMin: number = 0): number {
    const start = this.at
    const count = this.#argument(Major.array, 'an array')
    if (count > this.#end - this.at) throw badCbor(start, `an array of ${count} in ${this.#end - this.at} bytes`)
    if (count < countMin) throw badCbor(start, `an array of ${count} where ${countMin} are needed`)
    return count
  }

  /** A whole number from 0 to `max`. */
  uint(max: number = INTEGER_MAX): number {
    const start = this.at
    const value = this.#argument(Major.unsigned, 'a whole number')
    if (value > max) throw badCbor(start, `${value} where ${max} is the most`)
    return value
  }

  /** A byte string of at most `lengthMax` bytes, as a subarray of the source. */
  bytes(lengthMax: number): Uint8Array {
    const length = this.#length(Major.bytes, 'a byte string', lengthMax)
    this.at += length
    return this.#source.subarray(this.at - length, this.at)
  }

  /** A text of at most `byteLengthMax` bytes of UTF-8. */
  text(byteLengthMax: number): string {
    const start = this.at
    const length = this.#length(Major.text, 'a text', byteLengthMax)
    this.at += length
    const bytes = this.#source.subarray(this.at - length, this.at)
    // A decoder has more to set up than a topic has to read.
    const text = isShortAscii(this.#source, this.at - length, this.at, SHORT_BYTES_MAX)
      ? bytesKey(bytes)
      : textOf(bytes)
    if (text === null) throw badCbor(start, 'a text that is not UTF-8')
    return text
  }

  /** Any one allowed item that lies `depth` arrays deep (an element of the outermost: 1). */
  skip(depth: number = 1): void {
    this.at = checkItem(this.#source, this.at, this.#end, { depthMax: CBOR_DEPTH_MAX - depth })
  }

  /** Throws unless everything has been read. */
  finish(): void {
    if (this.at !== this.#end) throw badCbor(this.at, `${this.#end - this.at} bytes too many`)
  }

  #length(major: number, name: string, lengthMax: number): number {
    const start = this.at
    const length = this.#argument(major, name)
    if (length > lengthMax) throw badCbor(start, `${name} of ${length} bytes where ${lengthMax} are allowed`)
    if (length > this.#end - this.at) {
      throw badCbor(start, `${name} of ${length} bytes where ${this.#end - this.at} are left`)
    }
    return length
  }

  #argument(major: number, name: string): number {
    const { at } = this
    if (at < this.#end) {
      // Most heads are one byte: these are read without a call.
      const initial = this.#source[at]!
      if (initial >> 5 !== major) throw badCbor(at, `not ${name}`)
      if ((initial & 0x1f) < 24) {
        this.at = at + 1
        return initial & 0x1f
      }
    }
    const argument = readArgument(this.#source, at, this.#end)
    this.at = at + headLength(argument)
    return argument
  }
}

// Reads CBOR by position without building values: the hot path (bundles). Same rules as cbor-check.ts, item by item, so what
// it has read to the end would also have passed the checker. Not for maps: they are read by decodeCbor.
// docs/protocol.md section 7.

import { textOf } from '../bytes.ts'
import { CBOR_DEPTH_MAX, INTEGER_MAX } from '../limits.ts'
import { badCbor, checkItem, Major, readArgument } from './cbor-check.ts'
import { headLength } from './cbor-writer.ts'

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
    const text = textOf(this.#source.subarray(this.at - length, this.at))
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
    if (this.at < this.#end && this.#source[this.at]! >> 5 !== major) throw badCbor(this.at, `not ${name}`)
    const argument = readArgument(this.#source, this.at, this.#end)
    this.at += headLength(argument)
    return argument
  }
}

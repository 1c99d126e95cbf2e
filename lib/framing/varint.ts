// Unsigned LEB128 in its shortest form, at most 2^53 - 1 (multiformats' unsigned-varint with a lower bound).
// docs/protocol.md, "Notation". Written here because the published packages take one of these on trust: uint8-varint the
// shortest form, multiformats the upper bound, and neither tells "not all here yet" from "broken".

import { MeshError } from '../errors.ts'
import { INTEGER_MAX } from '../limits.ts'

/** The longest varint: 53 bits in groups of 7. */
export const VARINT_BYTES_MAX = 8

/** Bytes of `value`, a whole number from 0 to 2^53 - 1. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

/**
 * Writes `value` at `at` and returns the offset behind it. Room is the caller's duty. RangeError for anything but a whole
 * number from 0 to 2^53 - 1.
 */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no varint holds ${value}`)
  let rest = value
  let next = at
  while (rest >= 0x80) {
    into[next++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  into[next++] = rest
  return next
}

/**
 * The varint at `at`, with the offset behind it, or null when it goes on behind `end`. Throws MeshError `bad-frame` when it
 * is longer than it need be or above 2^53 - 1, as soon as that is certain.
 */
export function readVarint(bytes: Uint8Array, at: number, end: number): { value: number; next: number } | null {
  let value = 0
  let scale = 1
  for (let i = 0; at + i < end; i++) {
    const byte = bytes[at + i]!
    value += (byte & 0x7f) * scale
    // The eighth byte has room for four bits; a continuation there can only lead further up.
    if (value > INTEGER_MAX || (i === VARINT_BYTES_MAX - 1 && byte > 0x7f)) {
      throw new MeshError('bad-frame', 'a varint above 2^53 - 1')
    }
    if (byte < 0x80) {
      if (byte === 0 && i > 0) throw new MeshError('bad-frame', 'a varint that is not in its shortest form')
      return { value, next: at + i + 1 }
    }
    scale *= 0x80
  }
  return null
}

// The CBOR that this protocol allows, checked in one pass before anything is built from it. docs/protocol.md section 7.
// Allowed: definite lengths, heads in their shortest form, integers up to 2^53 - 1, byte strings, valid UTF-8 text, arrays,
// maps with unsigned integer or text keys (each key once), false, true and null. No tags, no floats, nothing else.
// It is no decoder: it keeps nothing, and its work is bounded by the bytes it is given.

import { textOf } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, CBOR_MAP_ENTRIES_MAX, INTEGER_MAX } from '../limits.ts'
import { headLength } from './cbor-writer.ts'

/** CBOR's major types (RFC 8949 section 3.1). */
export const Major = {
  unsigned: 0,
  negative: 1,
  bytes: 2,
  text: 3,
  array: 4,
  map: 5,
  tag: 6,
  simple: 7,
} as const

export const CBOR_FALSE = 0xf4
export const CBOR_TRUE = 0xf5
export const CBOR_NULL = 0xf6

export interface CborBounds {
  /** Bytes in all. Default: no bound beyond what the caller received. */
  readonly bytesMax?: number
  /** Arrays and maps inside each other. Default CBOR_DEPTH_MAX. */
  readonly depthMax?: number
  /** Items in all: each array, map, key, string and number counts one. Default CBOR_ITEMS_MAX. */
  readonly itemsMax?: number
  /** Entries of one map. Default CBOR_MAP_ENTRIES_MAX. */
  readonly mapEntriesMax?: number
  /** Allows negative integers down to -(2^53 - 1). Default false: no message of this protocol has one. */
  readonly negative?: boolean
}

/**
 * Returns when `bytes` are exactly one allowed item. Throws MeshError `bad-cbor` that names the offset and what is wrong.
 */
export function checkCbor(bytes: Uint8Array, bounds: CborBounds = {}): void {
  if (bounds.bytesMax !== undefined && bytes.length > bounds.bytesMax) {
    throw badCbor(0, `${bytes.length} bytes where ${bounds.bytesMax} are allowed`)
  }
  const next = checkItem(bytes, 0, bytes.length, bounds)
  if (next !== bytes.length) throw badCbor(next, `${bytes.length - next} bytes too many`)
}

/**
 * Checks the one item that begins at `at` and must end by `end`; returns the offset behind it. Throws MeshError `bad-cbor`.
 */
export function checkItem(bytes: Uint8Array, at: number, end: number, bounds: CborBounds = {}): number {
  const walk: Walk = {
    bytes,
    end,
    itemsLeft: bounds.itemsMax ?? CBOR_ITEMS_MAX,
    mapEntriesMax: bounds.mapEntriesMax ?? CBOR_MAP_ENTRIES_MAX,
    negative: bounds.negative ?? false,
  }
  return step(walk, at, bounds.depthMax ?? CBOR_DEPTH_MAX)
}

/** The error that every reader of CBOR here throws. `at` is an offset into the array that was given. */
export function badCbor(at: number, what: string): MeshError {
  return new MeshError('bad-cbor', `CBOR at byte ${at}: ${what}`)
}

/**
 * The argument of the head at `at`: a value, a length or a count, as the major type has it. Because only the shortest form
 * is allowed, the head is always `headLength(argument)` bytes long. Not for major type 7. Throws MeshError `bad-cbor`.
 */
export function readArgument(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw badCbor(at, 'it ends where an item should begin')
  const info = bytes[at]! & 0x1f
  if (info < 24) return info
  if (info > 27) throw badCbor(at, info === 31 ? 'indefinite length' : `reserved head ${info}`)
  if (at + (1 << (info - 24)) >= end) throw badCbor(at, 'it ends inside a head')
  let argument = 0
  let shorter = false
  switch (info) {
    case 24:
      argument = bytes[at + 1]!
      shorter = argument < 24
      break
    case 25:
      argument = (bytes[at + 1]! << 8) | bytes[at + 2]!
      shorter = argument < 0x100
      break
    case 26:
      argument = uint32(bytes, at + 1)
      shorter = argument < 0x1_0000
      break
    default:
      argument = uint32(bytes, at + 1) * 0x1_0000_0000 + uint32(bytes, at + 5)
      if (argument > INTEGER_MAX) throw badCbor(at, 'a number above 2^53 - 1')
      shorter = argument < 0x1_0000_0000
  }
  if (shorter) throw badCbor(at, `${argument} is not in its shortest form`)
  return argument
}

interface Walk {
  readonly bytes: Uint8Array
  readonly end: number
  itemsLeft: number
  readonly mapEntriesMax: number
  readonly negative: boolean
}

/** One item and all it holds; `depthLeft` bounds the recursion. */
function step(walk: Walk, at: number, depthLeft: number): number {
  const { bytes, end } = walk
  if (at >= end) throw badCbor(at, 'it ends where an item should begin')
  if (--walk.itemsLeft < 0) throw badCbor(at, 'too many items')
  const initial = bytes[at]!
  const major = initial >> 5
  if (major === Major.simple) {
    if (initial < CBOR_FALSE || initial > CBOR_NULL) throw badCbor(at, 'neither false, true nor null')
    return at + 1
  }
  if (major === Major.tag) throw badCbor(at, 'a tag')
  if (major === Major.negative && !walk.negative) throw badCbor(at, 'a negative number')
  const info = initial & 0x1f
  const argument = info < 24 ? info : readArgument(bytes, at, end)
  const next = info < 24 ? at + 1 : at + headLength(argument)
  switch (major) {
    case Major.unsigned:
      return next
    case Major.negative:
      if (argument === INTEGER_MAX) throw badCbor(at, 'a number below -(2^53 - 1)')
      return next
    case Major.bytes:
      if (argument > end - next) throw badCbor(at, `a byte string of ${argument} bytes where ${end - next} are left`)
      return next + argument
    case Major.text:
      if (argument > end - next) throw badCbor(at, `a text of ${argument} bytes where ${end - next} are left`)
      if (
        !isShortAscii(bytes, next, next + argument, ASCII_BYTES_MAX) &&
        textOf(bytes.subarray(next, next + argument)) === null
      ) {
        throw badCbor(at, 'a text that is not UTF-8')
      }
      return next + argument
    case Major.array: {
      if (depthLeft === 0) throw badCbor(at, 'nested too deeply')
      // Every element takes at least a byte: a count beyond that is refused before it costs anything.
      if (argument > end - next) throw badCbor(at, `an array of ${argument} in ${end - next} bytes`)
      let inside = next
      for (let i = 0; i < argument; i++) inside = step(walk, inside, depthLeft - 1)
      return inside
    }
    default:
      if (depthLeft === 0) throw badCbor(at, 'nested too deeply')
      if (argument > walk.mapEntriesMax) throw badCbor(at, `a map of ${argument} entries`)
      if (argument * 2 > end - next) throw badCbor(at, `a map of ${argument} in ${end - next} bytes`)
      return stepEntries(walk, at, next, argument, depthLeft - 1)
  }
}

/**
 * The entries of a map. Keys in ascending order, the usual case, need no memory to be told apart. Otherwise they are sorted:
 * a Set would be quadratic for keys that were chosen to collide, because V8 hashes integers without a secret.
 */
function stepEntries(walk: Walk, mapAt: number, at: number, count: number, depthLeft: number): number {
  const { bytes, end } = walk
  const numbers = count > 1 ? new Float64Array(count) : null
  const texts: string[] = []
  let numbersCount = 0
  let ascending = true
  let next = at
  for (let i = 0; i < count; i++) {
    const major = next < end ? bytes[next]! >> 5 : Major.unsigned
    if (major !== Major.unsigned && major !== Major.text) throw badCbor(next, 'a map key that is no number and no text')
    const keyAt = next
    next = step(walk, keyAt, 0)
    if (numbers !== null && major === Major.unsigned) {
      const key = readArgument(bytes, keyAt, end)
      const before = numbersCount === 0 ? -1 : numbers[numbersCount - 1]!
      if (key === before) throw badCbor(keyAt, 'a map key that was there before')
      if (key < before) ascending = false
      numbers[numbersCount++] = key
    } else if (numbers !== null) {
      const length = readArgument(bytes, keyAt, end)
      texts.push(textOf(bytes.subarray(next - length, next))!)
    }
    next = step(walk, next, depthLeft)
  }
  if (numbers !== null && !ascending && hasEqualNeighbours(numbers.subarray(0, numbersCount).sort())) {
    throw badCbor(mapAt, 'a map with a key twice')
  }
  if (texts.length > 1 && hasEqualNeighbours(texts.sort())) throw badCbor(mapAt, 'a map with a key twice')
  return next
}

const ASCII_BYTES_MAX = 256

function hasEqualNeighbours(sorted: ArrayLike<unknown>): boolean {
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) return true
  return false
}

/**
 * Whether bytes[at, end) are at most `lengthMax` and all ASCII. Looking at each byte is faster than asking the decoder up to a
 * length, and ten times slower at a megabyte.
 */
export function isShortAscii(bytes: Uint8Array, at: number, end: number, lengthMax: number): boolean {
  if (end - at > lengthMax) return false
  for (let i = at; i < end; i++) if (bytes[i]! > 0x7f) return false
  return true
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

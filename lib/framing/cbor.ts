// CBOR values to bytes and back, for every message that is not on the hot path. docs/protocol.md section 7.
// What goes out is written by cbor-x. What comes in is checked first (cbor-check.ts) and then built here, by a page of code
// that no tag, float or oversized length can reach any more. cbor-x does not read: without its optional native part it drops
// a U+FEFF at the head of a text of more than 63 bytes, with it it does not, so two honest nodes could read one message
// differently; and its native part would be a parser in C++ on bytes from strangers.

import { Encoder } from 'cbor-x/encode'
import { textOf } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, CBOR_MAP_ENTRIES_MAX } from '../limits.ts'
import { CBOR_FALSE, CBOR_TRUE, type CborBounds, checkCbor, Major, readArgument } from './cbor-check.ts'
import { headLength } from './cbor-writer.ts'

/** What `decodeCbor` returns. Numbers are whole and at most 2^53 - 1 in size. */
export type CborValue = number | string | boolean | null | Uint8Array | CborValue[] | Map<number | string, CborValue>

/** What `encodeCbor` takes: the same, and read-only arrays and maps of it. */
export type CborInput =
  | CborValue
  | readonly CborInput[]
  | ReadonlyMap<number, CborInput>
  | ReadonlyMap<string, CborInput>
  | ReadonlyMap<number | string, CborInput>

const encoder = new Encoder({
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  mapsAsObjects: false,
})

/**
 * The value's one encoding: a new array that passes `checkCbor` with its default bounds. Map entries keep their order.
 * Throws MeshError `bad-argument` for what the wire has no form for: negative or fractional numbers, numbers above 2^53 - 1,
 * text with half a surrogate pair, undefined, other objects, too deep, too many.
 */
export function encodeCbor(value: CborInput): Uint8Array {
  const budget = { itemsLeft: CBOR_ITEMS_MAX }
  // The copy has exactly the length needed; the encoder's own answer is a slice of a slab that it would keep alive.
  return new Uint8Array(encoder.encode(prepare(value, CBOR_DEPTH_MAX, budget)))
}

/**
 * The value of exactly one item. Byte strings are copies of their own, maps are Maps, integers are numbers.
 * Throws MeshError `bad-cbor` for everything that `checkCbor` refuses under the same bounds.
 */
export function decodeCbor(bytes: Uint8Array, bounds?: CborBounds): CborValue {
  checkCbor(bytes, bounds)
  return build({ bytes, at: 0 })
}

/** The value as cbor-x must be given it: it writes numbers from 2^32 up as floats unless they are BigInts. */
function prepare(value: CborInput, depthLeft: number, budget: { itemsLeft: number }): unknown {
  if (--budget.itemsLeft < 0) throw unencodable('too many items')
  switch (typeof value) {
    case 'number':
      if (!Number.isSafeInteger(value) || value < 0) throw unencodable(`the number ${value}`)
      return value < 0x1_0000_0000 ? value : BigInt(value)
    case 'string':
      if (!value.isWellFormed()) throw unencodable('a text with half a surrogate pair')
      return value
    case 'boolean':
      return value
  }
  if (value === null || value instanceof Uint8Array) return value
  if (depthLeft === 0) throw unencodable('a value nested too deeply')
  if (Array.isArray(value)) return value.map((element) => prepare(element, depthLeft - 1, budget))
  if (!(value instanceof Map)) throw unencodable(`a value of type ${typeof value}`)
  if (value.size > CBOR_MAP_ENTRIES_MAX) throw unencodable(`a map of ${value.size} entries`)
  const prepared = new Map<unknown, unknown>()
  for (const [key, element] of value) {
    if (typeof key !== 'number' && typeof key !== 'string') throw unencodable(`a map key of type ${typeof key}`)
    prepared.set(prepare(key, 0, budget), prepare(element, depthLeft - 1, budget))
  }
  return prepared
}

function unencodable(what: string): MeshError {
  return new MeshError('bad-argument', `${what} cannot be written as CBOR here`)
}

/** Builds the item at `from.at`, which has been checked, and moves `from.at` behind it. */
function build(from: { readonly bytes: Uint8Array; at: number }): CborValue {
  const { bytes } = from
  const initial = bytes[from.at]!
  const major = initial >> 5
  if (major === Major.simple) {
    from.at += 1
    return initial === CBOR_FALSE ? false : initial === CBOR_TRUE ? true : null
  }
  const argument = readArgument(bytes, from.at, bytes.length)
  from.at += headLength(argument)
  const start = from.at
  switch (major) {
    case Major.unsigned:
      return argument
    case Major.negative:
      return -1 - argument
    case Major.bytes:
      from.at += argument
      return new Uint8Array(bytes.subarray(start, from.at))
    case Major.text:
      from.at += argument
      return textOf(bytes.subarray(start, from.at))!
    case Major.array: {
      const elements: CborValue[] = []
      for (let i = 0; i < argument; i++) elements.push(build(from))
      return elements
    }
    default: {
      const entries = new Map<number | string, CborValue>()
      for (let i = 0; i < argument; i++) {
        const key = build(from) as number | string
        entries.set(key, build(from))
      }
      return entries
    }
  }
}

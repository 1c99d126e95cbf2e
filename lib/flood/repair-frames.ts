// The bodies of `have`, `want` and `given`: bytes to values and back, and what makes one malformed. What they mean is for
// repair.ts and its parts to say. docs/protocol.md, "Repair".

import { bytesKey } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CBOR_FALSE, CBOR_NULL, CBOR_TRUE, checkCbor, Major } from '../framing/cbor-check.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { headLength, writeHead } from '../framing/cbor-writer.ts'
import {
  CBOR_ITEMS_MAX,
  EPOCHS_PER_ORIGIN_MAX,
  HAVE_BYTES_MAX,
  HAVE_ENTRIES_MAX,
  INTEGER_MAX,
  RANGES_PER_EPOCH_MAX,
  WANT_BYTES_MAX,
  WANT_NUMBERS_MAX,
  WANT_RANGES_MAX,
} from '../limits.ts'
import type { Spans } from './spans.ts'

/** All digests, one after the other. */
export const DIGESTS_BYTES = 4_096
const ORIGIN_BYTES = 32
/** How deep in arrays the elements of the body, of an origin's pair and of an epoch's pair lie. */
const BODY_DEPTH = 1
const ORIGIN_DEPTH = 3
const EPOCH_DEPTH = 5

/** Numbers of one epoch of one origin. `originKey` is what `bytesKey` makes of its public key. */
export interface EpochNumbers {
  readonly originKey: string
  readonly epoch: number
  readonly ranges: Spans
}

export interface Have {
  /** 4,096 bytes, a subarray of the body; null in all but the first on a link. */
  readonly digests: Uint8Array | null
  /** The newest epoch that the sender saw of the receiver; 0: none. */
  readonly newestEpoch: number
  /** What the sender holds, each instead of what it said of that epoch before. */
  readonly held: readonly EpochNumbers[]
}

export interface Want {
  readonly request: number
  /** Older bundles are not wanted, current retained ones aside. */
  readonly ageMsMax: number
  readonly wanted: readonly EpochNumbers[]
}

export interface Given {
  readonly request: number
  /** The bounds of an answer ended it, and not what is held. */
  readonly more: boolean
}

/** A new array. Entries of one origin that follow each other share its key. */
export function encodeHave(have: Have): Uint8Array {
  const { digests, newestEpoch, held } = have
  const headBytes = digests === null ? 1 : headLength(DIGESTS_BYTES) + DIGESTS_BYTES
  const into = new Uint8Array(1 + headBytes + headLength(newestEpoch) + numbersLength(held))
  let at = writeHead(into, 0, Major.array, 3)
  if (digests === null) {
    into[at++] = CBOR_NULL
  } else {
    at = writeHead(into, at, Major.bytes, DIGESTS_BYTES)
    into.set(digests, at)
    at += DIGESTS_BYTES
  }
  writeNumbers(into, writeHead(into, at, Major.unsigned, newestEpoch), held)
  return into
}

/** Throws MeshError `bad-frame` or `bad-cbor` for what no honest node sends. */
export function decodeHave(body: Uint8Array): Have {
  // The reader checks what it reads. Only the bound on items is the checker's, which a short body cannot reach.
  if (body.length > CBOR_ITEMS_MAX) checkCbor(body, { bytesMax: HAVE_BYTES_MAX })
  const reader = new CborReader(body)
  const elements = reader.array(3)
  let digests: Uint8Array | null = null
  if (body[reader.at] === CBOR_NULL) reader.at++
  else digests = reader.bytes(DIGESTS_BYTES)
  if (digests !== null && digests.length !== DIGESTS_BYTES) throw badFrame(`digests of ${digests.length} bytes`)
  const newestEpoch = reader.uint()
  const held = readNumbers(reader)
  if (held.length > HAVE_ENTRIES_MAX) throw badFrame(`a have of ${held.length} epochs`)
  finish(reader, elements, 3)
  return { digests, newestEpoch, held }
}

/** A new array. What it asks for must keep the bounds of a want. */
export function encodeWant(want: Want): Uint8Array {
  const { request, ageMsMax, wanted } = want
  const into = new Uint8Array(1 + headLength(request) + headLength(ageMsMax) + numbersLength(wanted))
  let at = writeHead(into, 0, Major.array, 3)
  at = writeHead(into, at, Major.unsigned, request)
  writeNumbers(into, writeHead(into, at, Major.unsigned, ageMsMax), wanted)
  return into
}

/** Throws MeshError `bad-frame` or `bad-cbor` for what no honest node sends. */
export function decodeWant(body: Uint8Array): Want {
  checkCbor(body, { bytesMax: WANT_BYTES_MAX })
  const reader = new CborReader(body)
  const elements = reader.array(3)
  const request = reader.uint()
  const ageMsMax = reader.uint()
  const wanted = readNumbers(reader)
  finish(reader, elements, 3)
  let ranges = 0
  let numbers = 0
  for (const one of wanted) {
    ranges += one.ranges.length / 2
    for (let at = 0; at < one.ranges.length; at += 2) numbers += one.ranges[at + 1]! - one.ranges[at]! + 1
  }
  if (ranges > WANT_RANGES_MAX) throw badFrame(`a want of ${ranges} ranges`)
  if (numbers > WANT_NUMBERS_MAX) throw badFrame(`a want of ${numbers} numbers`)
  return { request, ageMsMax, wanted }
}

/** A new array. */
export function encodeGiven(given: Given): Uint8Array {
  const into = new Uint8Array(2 + headLength(given.request))
  const at = writeHead(into, writeHead(into, 0, Major.array, 2), Major.unsigned, given.request)
  into[at] = given.more ? CBOR_TRUE : CBOR_FALSE
  return into
}

/** Throws MeshError `bad-frame` or `bad-cbor` for what no honest node sends. */
export function decodeGiven(body: Uint8Array): Given {
  checkCbor(body)
  const reader = new CborReader(body)
  const elements = reader.array(2)
  const request = reader.uint()
  const initial = body[reader.at++]
  if (initial !== CBOR_TRUE && initial !== CBOR_FALSE) throw badFrame('a given that does not say whether there is more')
  finish(reader, elements, 2)
  return { request, more: initial === CBOR_TRUE }
}

/** Most bytes that one more entry adds to a body. */
export function entryLength(entry: EpochNumbers): number {
  return 1 + ORIGIN_BYTES + 2 + 1 + epochLength(entry)
}

/** The bytes of an origin's public key. */
export function keyBytes(originKey: string): Uint8Array {
  const bytes = new Uint8Array(originKey.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = originKey.charCodeAt(i)
  return bytes
}

/** Reads all of `[[origin, [[epoch, [first, last, …]], …]], …]`. */
function readNumbers(reader: CborReader): EpochNumbers[] {
  const numbers: EpochNumbers[] = []
  for (let origins = reader.array(); origins > 0; origins--) {
    const parts = reader.array(2)
    const origin = reader.bytes(ORIGIN_BYTES)
    if (origin.length !== ORIGIN_BYTES) throw badFrame(`an origin of ${origin.length} bytes`)
    const originKey = bytesKey(origin)
    const epochs = reader.array()
    if (epochs > EPOCHS_PER_ORIGIN_MAX) throw badFrame(`${epochs} epochs of one origin`)
    for (let i = 0; i < epochs; i++) {
      const pair = reader.array(2)
      const epoch = reader.uint()
      numbers.push({ originKey, epoch, ranges: readRanges(reader) })
      for (let extra = 2; extra < pair; extra++) reader.skip(EPOCH_DEPTH)
    }
    for (let extra = 2; extra < parts; extra++) reader.skip(ORIGIN_DEPTH)
  }
  return numbers
}

function readRanges(reader: CborReader): number[] {
  const count = reader.array()
  if (count % 2 !== 0) throw badFrame('a range without its end')
  if (count > RANGES_PER_EPOCH_MAX * 2) throw badFrame(`${count / 2} ranges of one epoch`)
  // Most have one. A list that grows from nothing has room for seventeen numbers, and claims are kept.
  let ranges: number[] = []
  for (let i = 0; i < count; i += 2) {
    const first = reader.uint()
    const last = reader.uint(INTEGER_MAX)
    if (first > last) throw badFrame(`a range from ${first} to ${last}`)
    if (i === 0) ranges = [first, last]
    else if (first > ranges[i - 1]! + 1) ranges.push(first, last)
    else throw badFrame('ranges that touch or do not ascend')
  }
  return ranges
}

function finish(reader: CborReader, elements: number, known: number): void {
  for (let extra = known; extra < elements; extra++) reader.skip(BODY_DEPTH)
  reader.finish()
}

/** How many entries from `from` on are of one origin. */
function runLength(entries: readonly EpochNumbers[], from: number): number {
  let end = from + 1
  while (end < entries.length && entries[end]!.originKey === entries[from]!.originKey) end++
  return end - from
}

function countRuns(entries: readonly EpochNumbers[]): number {
  let runs = 0
  for (let i = 0; i < entries.length; i += runLength(entries, i)) runs++
  return runs
}

function epochLength({ epoch, ranges }: EpochNumbers): number {
  let length = 1 + headLength(epoch) + headLength(ranges.length)
  for (const bound of ranges) length += headLength(bound)
  return length
}

function numbersLength(entries: readonly EpochNumbers[]): number {
  let length = headLength(countRuns(entries))
  for (let i = 0; i < entries.length; ) {
    const run = runLength(entries, i)
    length += 1 + headLength(ORIGIN_BYTES) + ORIGIN_BYTES + headLength(run)
    for (const end = i + run; i < end; i++) length += epochLength(entries[i]!)
  }
  return length
}

function writeNumbers(into: Uint8Array, start: number, entries: readonly EpochNumbers[]): void {
  let at = writeHead(into, start, Major.array, countRuns(entries))
  for (let i = 0; i < entries.length; ) {
    const run = runLength(entries, i)
    at = writeHead(into, at, Major.array, 2)
    at = writeHead(into, at, Major.bytes, ORIGIN_BYTES)
    into.set(keyBytes(entries[i]!.originKey), at)
    at = writeHead(into, at + ORIGIN_BYTES, Major.array, run)
    for (const end = i + run; i < end; i++) {
      const { epoch, ranges } = entries[i]!
      at = writeHead(into, at, Major.array, 2)
      at = writeHead(into, at, Major.unsigned, epoch)
      at = writeHead(into, at, Major.array, ranges.length)
      for (const bound of ranges) at = writeHead(into, at, Major.unsigned, bound)
    }
  }
}

function badFrame(what: string): MeshError {
  return new MeshError('bad-frame', what)
}

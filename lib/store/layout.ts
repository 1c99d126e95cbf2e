// The values of the database: fixed fields, numbers big-endian. keys.ts has the keys. Reading takes what the disk gave back:
// a value of another length is one that was damaged (io/database.ts gives an empty one then), and reads as null.

import { bytesKey } from '../bytes.ts'
import type { ReaderOffset } from '../flood/bundle-store.ts'
import { readVarint, varintLength, writeVarint } from '../framing/varint.ts'
import { readNumber, readUint32, writeNumber, writeText, writeUint32 } from './keys.ts'

/** Another version of keys or values is another number here, and a database that is not among those read is set aside. */
export const FORMAT_VERSION = 2
/** In version 1 a set of ranges was one row, however many it had. Such a row reads as a head that has no leaves. */
const FORMAT_VERSION_MIN = 1

/** What is known of a bundle beside its bytes, from its arrival on. */
export interface RecordNumbers {
  readonly originKey: string
  readonly epoch: number
  readonly first: number
  readonly count: number
  /** By the store's time. */
  readonly arrivedMs: number
  /** The age that it came with. */
  readonly ageMs: number
  readonly hops: number
  readonly timeToLiveS: number
  readonly sealedBytes: number
}

export interface DiskRecord extends RecordNumbers {
  /** Its place in the table of expiries; 0: none. */
  readonly lookMs: number
  /** It was current when it came; whether it still is, `place` says. */
  readonly wasCurrent: boolean
}

const RECORD_BYTES = 84

/** `lookMs` and `wasCurrent` as in DiskRecord. */
export function recordValue(record: RecordNumbers, lookMs: number, wasCurrent: boolean): Uint8Array {
  const value = new Uint8Array(RECORD_BYTES)
  writeNumber(value, 0, record.arrivedMs)
  writeNumber(value, 8, record.ageMs)
  writeNumber(value, 16, lookMs)
  writeNumber(value, 24, record.epoch)
  writeNumber(value, 32, record.first)
  writeUint32(value, 40, record.sealedBytes)
  writeUint32(value, 44, Math.min(record.timeToLiveS, 0xffff_ffff))
  value[48] = record.count >> 8
  value[49] = record.count
  value[50] = record.hops
  value[51] = wasCurrent ? 1 : 0
  writeText(value, 52, record.originKey)
  return value
}

export function readRecord(value: Uint8Array | null): DiskRecord | null {
  if (value?.length !== RECORD_BYTES) return null
  return {
    arrivedMs: readNumber(value, 0),
    ageMs: readNumber(value, 8),
    lookMs: readNumber(value, 16),
    epoch: readNumber(value, 24),
    first: readNumber(value, 32),
    sealedBytes: readUint32(value, 40),
    timeToLiveS: readUint32(value, 44),
    count: value[48]! * 256 + value[49]!,
    hops: value[50]!,
    wasCurrent: value[51] === 1,
    originKey: bytesKey(value.subarray(52)),
  }
}

/** The current value of an origin's topic. */
export interface DiskCurrent {
  readonly arrival: number
  readonly epoch: number
  readonly sequence: number
  /** As `bundleBytes` counts it. */
  readonly bytes: number
  readonly isRemoval: boolean
}

const CURRENT_BYTES = 29

export function currentValue(current: DiskCurrent): Uint8Array {
  const value = new Uint8Array(CURRENT_BYTES)
  writeNumber(value, 0, current.arrival)
  writeNumber(value, 8, current.epoch)
  writeNumber(value, 16, current.sequence)
  writeUint32(value, 24, current.bytes)
  value[28] = current.isRemoval ? 1 : 0
  return value
}

export function readCurrent(value: Uint8Array | null): DiskCurrent | null {
  if (value?.length !== CURRENT_BYTES) return null
  return {
    arrival: readNumber(value, 0),
    epoch: readNumber(value, 8),
    sequence: readNumber(value, 16),
    bytes: readUint32(value, 24),
    isRemoval: value[28] === 1,
  }
}

/** What the whole store is, as of one commit. */
export interface DiskState {
  /** Arrival of the bundle that comes next. */
  nextArrival: number
  /** Ordinary bundles have this arrival or a later one; what came before is there only as a current value. */
  windowBegin: number
  /** As `bundleBytes` counts them: of all with an arrival of `windowBegin` or later, of the current values, of everything. */
  windowBytes: number
  currentBytes: number
  bytes: number
  bundles: number
  /** The store's time and the wall clock at this commit: see store-time.ts. */
  timeMs: number
  unixMs: number
}

export const EMPTY_STATE: DiskState = Object.freeze({
  nextArrival: 1,
  windowBegin: 1,
  windowBytes: 0,
  currentBytes: 0,
  bytes: 0,
  bundles: 0,
  timeMs: 0,
  unixMs: 0,
})

const STATE_HEAD_BYTES = 36
const STATE_FIELDS = [
  'nextArrival',
  'windowBegin',
  'windowBytes',
  'currentBytes',
  'bytes',
  'bundles',
  'timeMs',
  'unixMs',
] as const

export function stateValue(state: DiskState, networkId: Uint8Array): Uint8Array {
  const value = new Uint8Array(STATE_HEAD_BYTES + STATE_FIELDS.length * 8)
  writeUint32(value, 0, FORMAT_VERSION)
  value.set(networkId, 4)
  STATE_FIELDS.forEach((field, i) => {
    writeNumber(value, STATE_HEAD_BYTES + i * 8, Math.max(0, state[field]))
  })
  return value
}

/** Null for another format or another network. */
export function readState(value: Uint8Array, networkId: Uint8Array): DiskState | null {
  if (value.length !== STATE_HEAD_BYTES + STATE_FIELDS.length * 8) return null
  const version = readUint32(value, 0)
  if (version < FORMAT_VERSION_MIN || version > FORMAT_VERSION) return null
  for (let i = 0; i < 32; i++) if (value[4 + i] !== networkId[i]) return null
  const state = { ...EMPTY_STATE }
  STATE_FIELDS.forEach((field, i) => {
    state[field] = readNumber(value, STATE_HEAD_BYTES + i * 8)
  })
  return state
}

/** Ranges of one set of numbers, as far as one row has them: see range-rows.ts. */
export interface DiskRanges {
  /** When the set last grew, by the store's time; 0 where nobody asks. */
  readonly stamp: number
  /** How many ranges lie in rows below this one. */
  readonly below: number
  readonly ranges: number[]
}

const BELOW_MAX = 0xffff
const STAMP_MAX = 2 ** 48 - 1

/** `below` in 2 bytes, `stamp` in 6, then the ranges as differences: first, last - first, next first - last, … */
export function rangesValue(stamp: number, below: number, ranges: readonly number[]): Uint8Array {
  let length = 8
  let before = 0
  for (const bound of ranges) {
    length += varintLength(bound - before)
    before = bound
  }
  const value = new Uint8Array(length)
  writeNumber(value, 0, Math.min(stamp, STAMP_MAX))
  value[0] = Math.min(below, BELOW_MAX) >> 8
  value[1] = Math.min(below, BELOW_MAX)
  let at = 8
  before = 0
  for (const bound of ranges) {
    at = writeVarint(value, at, bound - before)
    before = bound
  }
  return value
}

export function readRanges(value: Uint8Array | null): DiskRanges | null {
  if (value === null || value.length < 8) return null
  const ranges: number[] = []
  let bound = 0
  for (let at = 8; at < value.length; ) {
    const step = readVarint(value, at, value.length)
    if (step === null) return null
    bound += step.value
    ranges.push(bound)
    at = step.next
  }
  if (ranges.length % 2 !== 0) return null
  const stamp = (value[2]! * 256 + value[3]!) * 2 ** 32 + readUint32(value, 4)
  return { stamp, below: value[0]! * 256 + value[1]!, ranges }
}

export function offsetValue({ arrival, index }: ReaderOffset): Uint8Array {
  const value = new Uint8Array(16)
  writeNumber(value, 0, arrival)
  writeNumber(value, 8, index)
  return value
}

export function readOffsetValue(value: Uint8Array | null): ReaderOffset | null {
  return value?.length === 16 ? { arrival: readNumber(value, 0), index: readNumber(value, 8) } : null
}

/** A number that stands alone. */
export function numberValue(number: number): Uint8Array {
  const value = new Uint8Array(8)
  writeNumber(value, 0, number)
  return value
}

export function readNumberValue(value: Uint8Array | null): number | null {
  return value?.length === 8 ? readNumber(value, 0) : null
}

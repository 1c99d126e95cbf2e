// The keys of the database: one byte that names the table, then fields of fixed length, numbers in big-endian, so that keys
// ascend as the numbers do. layout.ts has the values.
//
//   state                                   one record: the format, the network, counts and the time
//   record    arrival                       what is known of a bundle beside its bytes
//   body      arrival                       BODY_HEAD and the sealed bytes
//   sequence  origin, epoch, first          its arrival
//   expiry    time, arrival                 when a bundle that expires out of turn is to be looked at
//   taken     origin, epoch                 the highest of the numbers ever stored, and when the last one came
//   held      origin, epoch, block          the highest of the numbers held of one block of 65,536
//   current   origin, topic                 the current value: its arrival, numbers and size
//   place     arrival                       origin and topic of the current value that came then
//   offset    name                          where a reader stands
//   takenLeaf origin, epoch, last           those of `taken` that it has no room for: range-rows.ts
//   heldLeaf  origin, epoch, last           those of `held`

export const Table = {
  state: 1,
  record: 2,
  body: 3,
  sequence: 4,
  expiry: 5,
  taken: 6,
  held: 7,
  current: 8,
  place: 9,
  offset: 10,
  takenLeaf: 11,
  heldLeaf: 12,
} as const
export type Table = (typeof Table)[keyof typeof Table]

const ORIGIN_BYTES = 32
/** Of an origin and an epoch together. */
export const RUN_BYTES: number = ORIGIN_BYTES + 8
const TWO_32 = 2 ** 32

export const STATE_KEY: Uint8Array = Uint8Array.of(Table.state)

/** Numbers held are kept in blocks of so many: what of a block is held is one set of ranges. */
export const BLOCK_NUMBERS = 65_536

/** A whole number up to 2^53 - 1 in 8 bytes, big-endian. */
export function writeNumber(into: Uint8Array, at: number, value: number): void {
  writeUint32(into, at, Math.floor(value / TWO_32))
  writeUint32(into, at + 4, value >>> 0)
}

export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
}

export function readNumber(from: Uint8Array, at: number): number {
  return readUint32(from, at) * TWO_32 + readUint32(from, at + 4)
}

export function readUint32(from: Uint8Array, at: number): number {
  return ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0
}

/** One table's keys of one number: records, bodies and places by arrival; the begin of a time in expiries. */
export function numberKey(table: Table, value: number): Uint8Array {
  const key = new Uint8Array(9)
  key[0] = table
  writeNumber(key, 1, value)
  return key
}

export function expiryKey(atMs: number, arrival: number): Uint8Array {
  const key = new Uint8Array(17)
  key[0] = Table.expiry
  writeNumber(key, 1, atMs)
  writeNumber(key, 9, arrival)
  return key
}

/** Origin and epoch: what keys of five tables go on with. `originKey` has one character for each byte. */
export function runBytes(originKey: string, epoch: number): Uint8Array {
  const bytes = new Uint8Array(RUN_BYTES)
  writeText(bytes, 0, originKey)
  writeNumber(bytes, ORIGIN_BYTES, epoch)
  return bytes
}

export function takenKey(run: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + RUN_BYTES)
  key[0] = Table.taken
  key.set(run, 1)
  return key
}

/** A bundle's place by its first number, a block of what is held, or a leaf of ranges by the last number that it covers. */
export function runKey(
  table: typeof Table.sequence | typeof Table.held | typeof Table.takenLeaf | typeof Table.heldLeaf,
  run: Uint8Array,
  value: number,
): Uint8Array {
  const key = new Uint8Array(1 + RUN_BYTES + 8)
  key[0] = table
  key.set(run, 1)
  writeNumber(key, 1 + RUN_BYTES, value)
  return key
}

/** All keys of a table that begin with these bytes: from the first up to before the second. */
export function prefixRange(table: Table, prefix: Uint8Array): [from: Uint8Array, to: Uint8Array] {
  const from = new Uint8Array(1 + prefix.length)
  from[0] = table
  from.set(prefix, 1)
  const to = from.slice()
  for (let at = to.length - 1; at >= 0; at--) {
    to[at] = to[at]! + 1
    // A byte that was 255 has become 0: the one before it carries on. The table's own byte never gets there.
    if (to[at] !== 0) return [from, to.subarray(0, at + 1)]
  }
  return [from, to]
}

/** Origin and topic: the key of a current value, and what `place` says of it, without the table's byte. */
export function currentPlace(originKey: string, topicUtf8: Uint8Array): Uint8Array {
  const place = new Uint8Array(ORIGIN_BYTES + topicUtf8.length)
  writeText(place, 0, originKey)
  place.set(topicUtf8, ORIGIN_BYTES)
  return place
}

export function textKey(table: typeof Table.current | typeof Table.offset, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + rest.length)
  key[0] = table
  key.set(rest, 1)
  return key
}

/** One byte for each character, all below 256. */
export function writeText(into: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
}

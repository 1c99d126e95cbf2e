// Writes CBOR heads in their shortest form, for the paths where building a value tree first would cost too much (bundles).
// Not an encoder: what follows the head is the caller's. docs/protocol.md section 7.

/** Bytes of the head that carries `value`, a whole number from 0 to 2^53 - 1. */
export function headLength(value: number): number {
  if (value < 24) return 1
  if (value < 0x100) return 2
  if (value < 0x1_0000) return 3
  if (value < 0x1_0000_0000) return 5
  return 9
}

/**
 * Writes the head of an item at `at` and returns the offset behind it. `major` is CBOR's major type (0 to 7); `value` is the
 * integer, length or count, a whole number from 0 to 2^53 - 1 (anything else is a RangeError). Room is the caller's duty.
 */
export function writeHead(into: Uint8Array, at: number, major: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no CBOR head holds ${value}`)
  const type = major << 5
  if (value < 24) {
    into[at] = type | value
    return at + 1
  }
  if (value < 0x100) {
    into[at] = type | 24
    into[at + 1] = value
    return at + 2
  }
  if (value < 0x1_0000) {
    into[at] = type | 25
    into[at + 1] = value >>> 8
    into[at + 2] = value
    return at + 3
  }
  if (value < 0x1_0000_0000) {
    into[at] = type | 26
    return writeUint32(into, at + 1, value)
  }
  into[at] = type | 27
  return writeUint32(into, writeUint32(into, at + 1, Math.floor(value / 0x1_0000_0000)), value)
}

/** The low 32 bits of `value`, big-endian; a typed array keeps the low 8 bits of what is stored. */
function writeUint32(into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
  return at + 4
}

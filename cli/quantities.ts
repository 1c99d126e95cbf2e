// Durations, sizes and whole numbers as people write them on a command line. Reads text; the bounds are the caller's.

export { parseDuration } from '../lib/flood/readers/since.ts'

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes in `65536`, `64K`, `64M`, `1G` or `1T` (powers of 1,024), or null. */
export function parseSize(text: string): number | null {
  const match = /^(0|[1-9][0-9]{0,14})([KMGT]?)$/.exec(text)
  if (match === null) return null
  const bytes = Number(match[1]) * UNIT_BYTES[match[2]!]!
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** A whole number without sign or leading zeros, or null. */
export function parseWhole(text: string): number | null {
  return /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : null
}

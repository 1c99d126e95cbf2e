// Reproducible bytes and numbers for tests: the same seed gives the same ones on every machine.

export interface Seeded {
  bytes(length: number): Uint8Array
  /** A whole number from 0 to below `limit` (at most 2^32). */
  below(limit: number): number
}

/** Marsaglia's 32-bit xorshift. Nothing secret may come from it. */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() >>> 24),
    below: (limit) => Math.floor((next() / 0x1_0000_0000) * limit),
  }
}

// Random values for the framing tests; every property runs with the seed below, so a run repeats exactly.

import fc from 'fast-check'
import type { CborValue } from '../../lib/framing/cbor.ts'

export const SEEDED: { readonly seed: number; readonly numRuns: number } = { seed: 20_240_501, numRuns: 400 }

/** Whole numbers around every border between head lengths, and others. */
export const wholeNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  fc.nat(70_000),
  fc.maxSafeNat(),
)

export const bytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 300 })

/** Well-formed text, some beyond ASCII, some longer than the short path. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ minLength: 60, maxLength: 70 }),
)

const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    wholeNumber,
    text,
    bytes,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 30 }),
    fc
      .uniqueArray(fc.tuple(fc.oneof(wholeNumber, text), tie('value')), { maxLength: 30, selector: ([key]) => key })
      .map((entries) => new Map(entries)),
  ),
}))

/** Anything that `encodeCbor` takes. */
export const cborValue: fc.Arbitrary<CborValue> = value

/** How to cut an array of bytes into pieces. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 3_000 }), {
  minLength: 1,
  maxLength: 10,
})

/** The pieces, in order; the cut sizes repeat. */
export function cutUp(whole: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < whole.length; ) {
    const size = sizes[pieces.length % sizes.length]!
    pieces.push(whole.slice(at, at + size))
    at += size
  }
  return pieces
}

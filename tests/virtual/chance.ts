// Seeded numbers for simulations, whose seeds are often small and near each other.

import { type Seeded, seeded } from '../crypto/seeded.ts'

/** Streams of neighbouring seeds have nothing in common; those of the generator below begin alike. */
export function chance(seed: number): Seeded {
  const random = seeded(Math.imul(seed + 1, 0x9e37_79b1))
  for (let i = 0; i < 16; i++) random.below(2)
  return random
}

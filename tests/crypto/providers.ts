// Both providers by name, for tests that hold them to the same answers.

import { native } from '../../lib/crypto/native.ts'
import { noble } from '../../lib/crypto/noble.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'

/** The native provider with the portable one in its gaps; `nativeIsWhole` says whether there are any. */
export const completedNative: Primitives = { ...noble, ...native }

export const nativeIsWhole: boolean = Object.keys(noble).every((name) => name in native)

export const providers: readonly (readonly [name: string, primitives: Primitives])[] = [
  ['noble', noble],
  ['native', completedNative],
]

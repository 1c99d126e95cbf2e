// The providers by name, for tests that hold them to the same answers.

import { native } from '../../lib/crypto/native.ts'
import { noble } from '../../lib/crypto/noble.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { sodium } from '../../lib/crypto/sodium.ts'

type Named = readonly [name: string, primitives: Primitives]

/** The native provider with the portable one in its gaps; `nativeIsWhole` says whether there are any. */
export const completedNative: Primitives = { ...noble, ...native }

export const nativeIsWhole: boolean = Object.keys(noble).every((name) => name in native)

/** Why libsodium is not among the providers here. */
export const skipWithoutSodium: string | false = Object.keys(sodium).length === 0 && 'no sodium-native for this machine'

/** What is held to the portable provider. */
export const others: readonly Named[] = [
  ['native', completedNative],
  ...(skipWithoutSodium === false ? [['sodium', { ...completedNative, ...sodium }] as const] : []),
]

export const providers: readonly Named[] = [['noble', noble], ...others]

// Which provider serves which primitive. Decides nothing at run time: the choice is made once, when this module loads.

import { MeshError } from '../errors.ts'
import { native } from './native.ts'
import { noble } from './noble.ts'
import type { Primitives } from './primitives.ts'
import { sodium } from './sodium.ts'

export type Provider = 'sodium' | 'native' | 'noble'

export interface Choice {
  readonly primitives: Primitives
  /** Who serves each primitive. */
  readonly report: Readonly<Record<keyof Primitives, Provider>>
}

/** Who may serve, the one to be preferred first: the fastest that answers rightly. */
const OFFERS: readonly (readonly [Provider, Partial<Primitives>])[] = [
  ['sodium', sodium],
  ['native', native],
  ['noble', noble],
]

/**
 * Each primitive from libsodium where that is installed, else from node:crypto where this build has it, else from noble.
 * `force` 'native' leaves libsodium out, 'noble' takes all from noble; undefined or '' leaves the choice free. Throws MeshError
 * `bad-option` on any other value.
 */
export function choosePrimitives(force?: string): Choice {
  const from = force === undefined || force === '' ? 0 : OFFERS.findIndex(([provider]) => provider === force)
  if (from < 0) {
    throw new MeshError(
      'bad-option',
      `MESHD_CRYPTO must be 'noble' (only portable cryptography), 'native' (no libsodium) or unset, not '${force}'`,
    )
  }
  const offers = OFFERS.slice(from)
  const names = Object.keys(noble) as (keyof Primitives)[]
  const report = Object.fromEntries(
    names.map((name) => [name, offers.find(([, offered]) => offered[name] !== undefined)![0]]),
  )
  return Object.freeze({
    primitives: Object.freeze(Object.assign({}, ...offers.map(([, offered]) => offered).reverse()) as Primitives),
    report: Object.freeze(report as Choice['report']),
  })
}

// The environment is read here, and not by `cli/` as everywhere else, because modules take these primitives when they load,
// before any option is parsed; and so that whole test runs can be repeated on one provider.

/** What this process uses. */
export const primitives: Primitives = choosePrimitives(process.env.MESHD_CRYPTO).primitives

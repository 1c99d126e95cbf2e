// Which provider serves which primitive. Decides nothing at run time: the choice is made once, when this module loads.

import { MeshError } from '../errors.ts'
import { native } from './native.ts'
import { noble } from './noble.ts'
import type { Primitives } from './primitives.ts'

export interface Choice {
  readonly primitives: Primitives
  /** For `meshd doctor`: who serves each primitive. */
  readonly report: Readonly<Record<keyof Primitives, 'native' | 'noble'>>
}

/**
 * Each primitive from node:crypto where this build has it, else from noble. `force` 'noble' takes all from noble; undefined
 * or '' leaves the choice free. Throws MeshError `bad-option` on any other value.
 */
export function choosePrimitives(force?: string): Choice {
  if (force !== undefined && force !== '' && force !== 'noble') {
    throw new MeshError(
      'bad-option',
      `MESHD_CRYPTO must be 'noble' (only portable cryptography) or unset, not '${force}'`,
    )
  }
  const offered = force === 'noble' ? {} : native
  const names = Object.keys(noble) as (keyof Primitives)[]
  const report = Object.fromEntries(names.map((name) => [name, offered[name] === undefined ? 'noble' : 'native']))
  return Object.freeze({
    primitives: Object.freeze({ ...noble, ...offered }),
    report: Object.freeze(report as Record<keyof Primitives, 'native' | 'noble'>),
  })
}

// The environment is read here, and not by `cli/` as everywhere else, because modules take these primitives when they load,
// before any option is parsed; and so that whole test runs can be repeated on one provider.
const chosen = choosePrimitives(process.env.MESHD_CRYPTO)

/** What this process uses. */
export const primitives: Primitives = chosen.primitives

/** Who serves each of `primitives`. */
export const primitivesReport: Choice['report'] = chosen.report

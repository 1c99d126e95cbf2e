// The options of a single call, as far as all calls have them alike. A name that is not known is refused: what it was meant to
// change would silently stay as it is.

import { MeshError } from './errors.ts'

/** What was given, or no options. Throws MeshError `bad-argument` that names the call. */
export function optionsOf<T extends { signal?: AbortSignal }>(
  call: string,
  given: T | undefined,
  known: readonly (keyof T & string)[],
): T | undefined {
  if (given === undefined) return given
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw bad(`the options of ${call} must be an object`)
  }
  for (const key in given) {
    if (!known.includes(key)) throw bad(`unknown option ${key} of ${call}; known are ${known.join(', ')}`)
  }
  checkSignal(given.signal)
  return given
}

/** Throws MeshError `bad-argument`. Those of other makers than Node.js will do. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') throw bad('signal must be an AbortSignal')
}

function bad(text: string): MeshError {
  return new MeshError('bad-argument', text)
}

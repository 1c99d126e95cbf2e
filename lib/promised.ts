// What a function of the program returns may be a promise of any make: of this realm, of another one, or of a library that has
// its own. `await` treats them all alike, and so do we.

/**
 * The promise that `returned` is, or null when it is none. May throw what a Proxy throws when it is asked; a `then` that throws
 * makes a rejection.
 */
export function promiseOf(returned: unknown): Promise<unknown> | null {
  if ((typeof returned !== 'object' && typeof returned !== 'function') || returned === null) return null
  return 'then' in returned ? Promise.resolve(returned) : null
}

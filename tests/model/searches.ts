// Tests that are searches of the model of the flood and its repair (spec/flood.pml). They need Debian's packages spin and gcc.
// docs/protocol.md, section 8.11.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipUnlessAll } from '../tools/all-tests.ts'
import { check, lackingForSpin, type Search } from './spin.ts'

/** Searches of fewer states than this are for every day. */
const BRIEF_STATES_MAX = 200_000
const MODEL = fileURLToPath(new URL('../../spec/flood.pml', import.meta.url))
const lacking = lackingForSpin()
const given = { skip: lacking }
/** Each takes several seconds of a core: for CI, and for whoever changes the model. */
const whole = { skip: lacking || skipUnlessAll() }

/** Holds for every order of events. At least `statesMin` states, so that a network that does nothing is noticed. */
export function holds(name: string, search: Search, statesMin: number, ...defines: string[]): void {
  test(name, statesMin >= BRIEF_STATES_MAX ? whole : given, (context) => {
    const { error, isComplete, states, unreached } = check(MODEL, search, defines)
    context.diagnostic(`${states} states: ${search} ${defines.join(' ')}`)
    assert.equal(error, null)
    assert.ok(isComplete)
    assert.ok(states >= statesMin, `${states} states`)
    assert.ok(!unreached.includes('Quiet'), 'it became quiet')
    assert.ok(!unreached.includes('init'))
  })
}

/** The rule that `defines` breaks is needed: without it, this goes wrong. */
export function goesWrong(name: string, expected: RegExp, search: Search, ...defines: string[]): void {
  test(name, given, () => {
    const { error } = check(MODEL, search, defines)
    assert.match(error ?? 'no error', expected)
  })
}

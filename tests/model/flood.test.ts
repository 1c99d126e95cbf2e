// The model of the flood and its repair (spec/flood.pml): every state of small networks is visited, and nothing is wrong in
// any of them. Then each of some rules is broken, and the error has to be found: a model that cannot fail shows nothing.
// Needs Debian's packages spin and gcc. docs/protocol.md, section 8.11.

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
function holds(name: string, search: Search, statesMin: number, ...defines: string[]): void {
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
function goesWrong(name: string, expected: RegExp, search: Search, ...defines: string[]): void {
  test(name, given, () => {
    const { error } = check(MODEL, search, defines)
    assert.match(error ?? 'no error', expected)
  })
}

holds(
  'a line has both messages in the end, though links fail twice, a queue is full, an answer is late and a copy is forged',
  'states',
  500_000,
  ...['LINE', 'FAILURES=2', 'LOSSES=1', 'TIMEOUTS=1', 'FORGERIES=1'],
)
holds(
  'a line has three messages in the end, though a link fails',
  'states',
  300_000,
  'LINE',
  'MESSAGES=3',
  'FAILURES=1',
)
holds(
  'a line loses nothing that was durable, though a link fails and a node crashes',
  'states',
  800_000,
  ...['LINE', 'DISK', 'FAILURES=1', 'CRASHES=1'],
)
holds(
  'a triangle has the message in the end, though links fail twice, one of them for good, a queue is full and an answer is late',
  'states',
  400_000,
  ...['MESSAGES=1', 'FAILURES=2', 'GONE=1', 'LOSSES=1', 'TIMEOUTS=1'],
)
holds('a triangle delivers two messages once each', 'states', 700_000, 'MESSAGES=2')
holds(
  'a triangle loses nothing that was durable, though a link fails and a node crashes',
  'states',
  400_000,
  ...['MESSAGES=1', 'DISK', 'FAILURES=1', 'CRASHES=1'],
)
holds(
  'a neighbour that claims everything and gives nothing keeps no message from the others',
  'states',
  250_000,
  ...['MESSAGES=1', 'LIAR=2', 'FAILURES=2', 'LOSSES=1'],
)
holds(
  'a line has the message in the end, though links turn lazy and eager again, and one fails',
  'states',
  35_000,
  ...['LINE', 'MESSAGES=1', 'TURNS=3', 'FAILURES=1', 'TIMEOUTS=1'],
)
holds(
  'a triangle has the message in the end, though any of its links turn lazy and one fails',
  'states',
  300_000,
  ...['MESSAGES=1', 'TURNS=4', 'FAILURES=1'],
)
holds(
  'a line with lazy links loses nothing that was durable, though a node crashes',
  'states',
  200_000,
  ...['LINE', 'DISK', 'TURNS=2', 'CRASHES=1'],
)

holds('a line always becomes quiet', 'cycles', 200_000, 'LINE', 'FAILURES=1', 'LOSSES=1', 'TIMEOUTS=1')
holds(
  'a line with a disk always becomes quiet after a crash',
  'cycles',
  50_000,
  ...['LINE', 'MESSAGES=1', 'DISK', 'FAILURES=1', 'CRASHES=1', 'TIMEOUTS=1'],
)
holds('a triangle always becomes quiet', 'cycles', 80_000, 'MESSAGES=1', 'FAILURES=1', 'TIMEOUTS=1')
holds('a triangle whose links turn lazy always becomes quiet', 'cycles', 50_000, 'MESSAGES=1', 'TURNS=3', 'FAILURES=1')
holds('a liar keeps nobody busy for ever', 'cycles', 150_000, 'MESSAGES=1', 'LIAR=2', 'FAILURES=1', 'LOSSES=1')

goesWrong(
  'marked before it is verified, a forged copy silences the true one',
  /^assertion violated \(seen\[me\]==\(delivered/,
  'states',
  ...['LINE', 'FORGERIES=1', 'WRONG_MARK_FIRST'],
)
goesWrong(
  'without repair on a link that returned, messages are missing',
  /^assertion violated .*seen\[me\]==seen\[peer\]/,
  'states',
  ...['LINE', 'FAILURES=1', 'WRONG_NO_REPAIR'],
)
goesWrong(
  'where a lazy link is not told of what it does not carry, messages are missing',
  /^assertion violated .*seen\[me\]==seen\[peer\]/,
  'states',
  ...['LINE', 'MESSAGES=1', 'TURNS=1', 'WRONG_SILENT'],
)
goesWrong(
  'claimed before it is durable, a bundle that was lost in a crash stays claimed',
  /^assertion violated .*claims& ~\(stored\[peer\]/,
  'states',
  ...['LINE', 'DISK', 'CRASHES=1', 'WRONG_CLAIM_EARLY'],
)
goesWrong(
  'stored without its bundle, a mark as seen loses the message in a crash',
  /^assertion violated \(stored\[me\]==seen\[me\]\)/,
  'states',
  ...['LINE', 'DISK', 'CRASHES=1', 'WRONG_SEEN_ALONE'],
)
goesWrong(
  'compared with what is held by now, digests hide from the other end what came in the meantime',
  /^assertion violated .*claims==stored\[peer\]/,
  'states',
  ...['LINE', 'DISK', 'FAILURES=1', 'WRONG_COMPARE_NOW'],
)
goesWrong(
  'told of more after an empty answer and asking again, a node asks a liar for ever',
  /^non-progress cycle/,
  'cycles',
  ...['MESSAGES=1', 'LIAR=2', 'WRONG_TRUST_MORE'],
)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogLevel } from '../../cli/flags.ts'
import { Happenings, nextTry, readable } from '../../cli/happenings.ts'
import { BURST_LINES, LINES_PER_S, Notices } from '../../cli/notices.ts'
import { PEOPLE_MAX, People } from '../../cli/people.ts'
import { ALICE, BOB } from './fake-node.ts'

function notices(level: LogLevel): { notices: Notices; lines: string[]; clock: { ms: number } } {
  const lines: string[] = []
  const clock = { ms: 0 }
  return {
    notices: new Notices({ level, nowMs: () => clock.ms, print: (line) => void lines.push(line) }),
    lines,
    clock,
  }
}

test('each level shows itself and what is graver', () => {
  const shown = (level: LogLevel): string[] => {
    const { notices: told, lines } = notices(level)
    told.debug('d')
    told.info('i')
    told.warn('w')
    told.error('e')
    return lines
  }
  assert.deepEqual(shown('error'), ['e'])
  assert.deepEqual(shown('warn'), ['warning: w', 'e'])
  assert.deepEqual(shown('info'), ['i', 'warning: w', 'e'])
  assert.deepEqual(shown('debug'), ['d', 'i', 'warning: w', 'e'])
})

test('a notice is one printable line of bounded length', () => {
  const { notices: told, lines } = notices('info')
  told.info('a\x1b[31m\nb')
  told.info('x'.repeat(5_000))
  assert.equal(lines[0], 'a\\x1b[31m\\x0ab')
  assert.equal(lines[1]!.length, 2_000 + '… (3000 more)'.length)
})

test('a flood of notices is cut, and what was left out is counted', () => {
  const { notices: told, lines, clock } = notices('info')
  for (let i = 0; i < BURST_LINES + 7; i++) told.info(`line ${i}`)
  assert.equal(lines.length, BURST_LINES)
  clock.ms += 1_000 / LINES_PER_S
  told.info('later')
  assert.deepEqual(lines.slice(BURST_LINES), ['(7 lines like these were left out)', 'later'])
  told.info('too soon')
  told.flush()
  told.flush()
  assert.deepEqual(lines.slice(BURST_LINES + 2), ['(1 lines like these were left out)'])
})

test('people are called by name, and by name and id where a name is borne twice', () => {
  const people = new People('me')
  assert.equal(people.label(ALICE), 'iceALICE')
  people.learn(ALICE, 'alice')
  assert.equal(people.label(ALICE), 'alice')
  assert.equal(people.full(ALICE), 'alice (iceALICE)')
  people.learn(BOB, 'alice')
  assert.equal(people.label(ALICE), 'alice (iceALICE)')
  assert.equal(people.label(BOB), 'alice (bBobBOB)'.replace('bBobBOB', BOB.slice(-8)))
  people.learn(BOB, 'bob')
  assert.equal(people.label(ALICE), 'alice')
  people.learn(BOB, '')
  assert.equal(people.label(BOB), BOB.slice(-8))
})

test('nobody else can bear the own name unmarked, nor a name that hides something', () => {
  const people = new People('me')
  people.learn(ALICE, 'me ')
  assert.equal(people.label(ALICE), 'me (iceALICE)')
  people.learn(ALICE, '\x1b[31mm\u202ee')
  assert.equal(people.label(ALICE), '\\x1b[31mm\\u202ee')
})

test('names are forgotten when there are too many', () => {
  const people = new People('me')
  people.learn(ALICE, 'alice')
  for (let i = 0; i < PEOPLE_MAX; i++) people.learn(`peer-${i}`, `name-${i}`)
  assert.equal(people.label(ALICE), 'iceALICE')
  assert.equal(people.label(`peer-${PEOPLE_MAX - 1}`), `name-${PEOPLE_MAX - 1}`)
})

test('an address that stays unreachable is told once for each reason, and again after it was reached', () => {
  const { notices: told, lines } = notices('info')
  const happenings = new Happenings(told, new People('me'), new AbortController().signal)
  const address = '/ip4/192.0.2.1/tcp/6374'
  const fail = (reason: string): void =>
    happenings.dialFailed({ address, reason, code: 'connection-lost', retryInMs: 1_500 })
  fail('connection refused')
  fail('connection refused')
  fail('timed out')
  fail('timed out')
  happenings.neighbourUp({ peer: ALICE, address, direction: 'out', name: 'alice' })
  happenings.neighbourDown({ peer: ALICE, reason: 'goodbye', code: 'connection-lost', retryInMs: null })
  fail('timed out')
  assert.deepEqual(lines, [
    'cannot reach 192.0.2.1:6374: connection refused; next try in 1.5 s',
    'cannot reach 192.0.2.1:6374: timed out; next try in 1.5 s',
    'connected: alice (iceALICE) at 192.0.2.1:6374',
    'disconnected: alice (iceALICE): goodbye',
    'cannot reach 192.0.2.1:6374: timed out; next try in 1.5 s',
  ])
})

test('the reason of a failed dial does not name its address twice', () => {
  const { notices: told, lines } = notices('info')
  const happenings = new Happenings(told, new People('me'), new AbortController().signal)
  happenings.dialFailed({
    address: '/ip4/192.0.2.1/tcp/1',
    reason: '192.0.2.1:1: refused',
    code: 'connection-lost',
    retryInMs: null,
  })
  happenings.dialFailed({
    address: '/dns/x.org/tcp/1',
    reason: '192.0.2.1:1: refused',
    code: 'connection-lost',
    retryInMs: null,
  })
  assert.deepEqual(lines, ['cannot reach 192.0.2.1:1: refused', 'cannot reach x.org:1: 192.0.2.1:1: refused'])
})

test('links that close because the node stops are no news', () => {
  const { notices: told, lines } = notices('info')
  const happenings = new Happenings(told, new People('me'), AbortSignal.abort())
  happenings.neighbourDown({ peer: ALICE, reason: 'this node is stopping', code: 'connection-lost', retryInMs: null })
  assert.deepEqual(lines, [])
})

test('a node with many addresses shows some, one with none says so', () => {
  const { notices: told, lines } = notices('info')
  const happenings = new Happenings(told, new People('me'), new AbortController().signal)
  happenings.listening({ id: ALICE, addresses: Array.from({ length: 10 }, (_, i) => `a${i}`) })
  assert.equal(lines.length, 10)
  assert.match(lines[9]!, /and on 2 more addresses/)
  happenings.listening({ id: ALICE, addresses: [] })
  assert.match(lines.at(-1)!, /listening nowhere/)
})

test('addresses are shown as host and port where they can be', () => {
  assert.equal(readable('/ip6/2001:db8::1/tcp/1'), '[2001:db8::1]:1')
  assert.equal(readable('/something/else'), '/something/else')
  assert.equal(nextTry(null), '')
})

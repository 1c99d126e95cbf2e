import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkTopic, isTopicText, TopicPattern } from '../../lib/flood/topics.ts'
import { seeded } from '../crypto/seeded.ts'

/** OASIS MQTT 5.0, section 4.7, with its own examples. */
const MATCHES: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ['a', ['a'], ['A', 'a/', '/a', 'a/b', 'b']],
  [
    'sport/tennis/player1/#',
    ['sport/tennis/player1', 'sport/tennis/player1/ranking', 'sport/tennis/player1/score/wimbledon'],
    ['sport/tennis/player2', 'sport/tennis', 'sport/tennis/player10'],
  ],
  ['sport/#', ['sport', 'sport/', 'sport/a', 'sport/a/b'], ['sports', 'a/sport']],
  ['#', ['a', '/', 'a/b/c', '//'], ['$SYS', '$SYS/a', '$mesh/node']],
  ['sport/tennis/+', ['sport/tennis/player1', 'sport/tennis/'], ['sport/tennis', 'sport/tennis/player1/ranking']],
  ['sport/+', ['sport/', 'sport/a'], ['sport', 'sport/a/b']],
  ['+', ['finance', 'a'], ['/finance', 'a/b', '/', '$SYS']],
  ['+/+', ['/finance', 'a/b', '/'], ['a', 'a/b/c', '$SYS/a']],
  ['/+', ['/finance', '/'], ['finance', '/a/b']],
  ['+/tennis/#', ['a/tennis', 'a/tennis/b', '/tennis'], ['tennis', '$x/tennis']],
  ['sport/+/player1', ['sport/tennis/player1', 'sport//player1'], ['sport/player1', 'sport/a/b/player1']],
  ['+/monitor/Clients', ['a/monitor/Clients'], ['$SYS/monitor/Clients']],
  ['$SYS/#', ['$SYS', '$SYS/a/b'], ['SYS/a', '$SYSa']],
  ['$SYS/monitor/+', ['$SYS/monitor/Clients'], ['a/monitor/Clients']],
  ['a/+/#', ['a/b', 'a/', 'a/b/c/d'], ['a', 'b/a']],
  ['+/#', ['a', 'a/b', '/', '//'], ['$SYS', '$SYS/a']],
  ['//', ['//'], ['/', '///', 'a//']],
  ['/#', ['/', '/a', '/a/b'], ['a', 'a/b']],
  ['a/$b/+', ['a/$b/c'], ['a/b/c']],
]

for (const [pattern, yes, no] of MATCHES) {
  test(`${pattern} matches what MQTT says it does`, () => {
    const compiled = new TopicPattern(pattern)
    for (const topic of yes) assert.equal(compiled.matches(topic), true, `${topic} must match`)
    for (const topic of no) assert.equal(compiled.matches(topic), false, `${topic} must not match`)
  })
}

/** As one reads the rules: level by level, from the left. */
function slowMatch(pattern: readonly string[], topic: readonly string[]): boolean {
  const [level, ...rest] = pattern
  if (level === undefined) return topic.length === 0
  if (level === '#') return true
  if (topic.length === 0) return false
  return (level === '+' || level === topic[0]) && slowMatch(rest, topic.slice(1))
}

test('beside a slow matcher all small patterns and topics agree', () => {
  const random = seeded(3)
  const level = (): string => ['', 'a', 'b', '$a'][random.below(4)]!
  for (let run = 0; run < 5_000; run++) {
    const topic = Array.from({ length: 1 + random.below(4) }, level)
    if (topic.join('/') === '') continue
    const pattern = Array.from({ length: 1 + random.below(4) }, () => (random.below(3) === 0 ? '+' : level()))
    if (random.below(3) === 0) pattern[pattern.length - 1] = '#'
    if (pattern.join('/') === '') continue
    const hidden = topic[0]!.startsWith('$') && !pattern[0]!.startsWith('$')
    const expected = !hidden && slowMatch(pattern, topic)
    const matches = new TopicPattern(pattern.join('/')).matches(topic.join('/'))
    assert.equal(matches, expected, `${pattern.join('/')} and ${topic.join('/')}`)
  }
})

test('a pattern is exact when it has no wildcard', () => {
  assert.equal(new TopicPattern('a/b').exact, true)
  assert.equal(new TopicPattern('a/+').exact, false)
  assert.equal(new TopicPattern('a/#').exact, false)
})

test('patterns that break the rules are refused', () => {
  for (const pattern of [
    '',
    'sport/tennis#',
    'sport/#/ranking',
    '#/a',
    'sport+',
    '+a',
    'a/b+/c',
    '##',
    'a\0',
    '\ud800',
  ]) {
    assert.throws(() => new TopicPattern(pattern), { code: 'bad-topic' }, pattern)
  }
  assert.throws(() => new TopicPattern(5 as unknown as string), { code: 'bad-topic' })
  new TopicPattern('t'.repeat(255))
  assert.throws(() => new TopicPattern('t'.repeat(256)), { code: 'bad-topic' })
})

test('topics that break the rules are refused to programs, and so are those of the mesh', () => {
  for (const topic of ['a', '/', '$SYS/a', 'é'.repeat(127), 't'.repeat(255), '$mesh', ' ']) checkTopic(topic)
  for (const topic of [
    '',
    'a+',
    '+',
    '#',
    'a/#',
    'a\0b',
    '$mesh/',
    '$mesh/x',
    't'.repeat(256),
    'é'.repeat(128),
    '\udc00',
  ]) {
    assert.throws(() => checkTopic(topic), { code: 'bad-topic' }, topic)
  }
  assert.throws(() => checkTopic(undefined as unknown as string), { code: 'bad-topic' })
})

test('a topic in a bundle is any text without wildcard and U+0000', () => {
  assert.equal(isTopicText('$mesh/node'), true)
  for (const topic of ['', '\0', 'a+', 'a#']) assert.equal(isTopicText(topic), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration, parseSince } from '../../../lib/flood/readers/since.ts'
import { keyPairOf } from '../../identity/nodes.ts'
import { originKeyOf } from '../bundles.ts'

const { id } = keyPairOf(1).identity

test('a duration is a whole number and one unit', () => {
  assert.deepEqual(
    ['1s', '90s', '10m', '24h', '7d', '3650d'].map(parseDuration),
    [1_000, 90_000, 600_000, 86_400_000, 604_800_000, 315_360_000_000],
  )
})

for (const text of [
  '',
  's',
  '0s',
  '01s',
  '-1s',
  '1',
  '1.5h',
  '1 h',
  '1H',
  '1ms',
  '1w',
  '10m ',
  '3651d',
  '99999999999s',
]) {
  test(`the duration ${JSON.stringify(text)} is refused`, () => assert.equal(parseDuration(text), null))
}

test('each way to say where to begin is read', () => {
  assert.deepEqual(parseSince('10m'), { kind: 'back', ms: 600_000 })
  assert.deepEqual(parseSince('stored'), { kind: 'stored' })
  assert.deepEqual(parseSince('retained'), { kind: 'retained' })
  const originKey = originKeyOf(1)
  assert.deepEqual(parseSince(`${id}/7/0`), { kind: 'message', originKey, epoch: 7, sequence: 0 })
  assert.deepEqual(parseSince(`${id}/9007199254740991/12`), {
    kind: 'message',
    originKey,
    epoch: 9_007_199_254_740_991,
    sequence: 12,
  })
})

for (const text of [
  '',
  'yesterday',
  'Stored',
  id,
  `${id}/1`,
  `${id}/1/2/3`,
  `${id}/01/2`,
  `${id}/1/-2`,
  `${id}/1/9007199254740992`,
  `${id.slice(0, -1)}/1/2`,
  '/1/2',
  7 as unknown as string,
]) {
  test(`${JSON.stringify(text)} says nothing about where to begin, and the error says what would`, () => {
    assert.throws(() => parseSince(text), {
      code: 'bad-argument',
      message: /90s, 10m, 24h or 7d, a message id, 'stored'/,
    })
  })
}

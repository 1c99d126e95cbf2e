import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration, parseSize, parseWhole } from '../../cli/quantities.ts'

test('sizes are whole numbers of bytes, or of powers of 1,024', () => {
  assert.deepEqual(
    ['0', '1', '65536', '64K', '64M', '1G', '1T'].map(parseSize),
    [0, 1, 65_536, 65_536, 67_108_864, 1_073_741_824, 1_099_511_627_776],
  )
  for (const text of ['', 'M', '-1', '01', '1.5G', '64m', '64 M', '64MB', '1e3', '9999999T', '99999999999999999']) {
    assert.equal(parseSize(text), null, text)
  }
})

test('whole numbers have no sign and no leading zeros', () => {
  assert.deepEqual(['0', '7', '123456789012345'].map(parseWhole), [0, 7, 123_456_789_012_345])
  for (const text of ['', '-1', '+1', '01', '1.0', '1e3', ' 1', '1234567890123456'])
    assert.equal(parseWhole(text), null)
})

test('durations are those of the library', () => {
  assert.equal(parseDuration('90s'), 90_000)
  assert.equal(parseDuration('90'), null)
})

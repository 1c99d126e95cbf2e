import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration, milliseconds, size } from '../../../cli/client/amounts.ts'

test('durations have their two greatest units', () => {
  for (const [ms, text] of [
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [59_999, '59 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [11_520_000, '3 h 12 min'],
    [90_000_000, '1 d 1 h'],
  ] as const) {
    assert.equal(duration(ms), text)
  }
})

test('sizes and times are short', () => {
  assert.deepEqual([0, 1_023, 1_024, 1_572_864, 2 ** 50].map(size), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 MiB',
    '1024.0 TiB',
  ])
  assert.deepEqual([0.04, 12.34, 123.4].map(milliseconds), ['0.0 ms', '12.3 ms', '123 ms'])
})

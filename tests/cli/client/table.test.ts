import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cut, facts, table, widthOf } from '../../../cli/client/table.ts'

const HEAD = [
  { title: 'NAME', isFlexible: true as const },
  { title: 'N', alignRight: true as const },
  { title: 'LAST' },
]

test('columns are as wide as their widest cell, numbers at the right', () => {
  const text = table(
    HEAD,
    [
      ['alice', '7', 'x'],
      ['bo', '1234', ''],
    ],
    null,
  )
  assert.equal(text, 'NAME      N  LAST\nalice     7  x\nbo     1234\n')
})

test('no line is longer than the terminal is wide; flexible columns give way first', () => {
  const rows = [['a very long name indeed', '1234567', 'short']]
  assert.equal(
    table(HEAD, rows, 80),
    'NAME                           N  LAST\na very long name indeed  1234567  short\n',
  )
  assert.equal(table(HEAD, rows, 30), 'NAME                  N  LAST\na very long n…  1234567  short\n')
  for (let columns = 1; columns < 60; columns++) {
    for (const line of table(HEAD, rows, columns).trimEnd().split('\n'))
      assert.ok(widthOf(line) <= columns, `${columns}: ${line}`)
  }
})

test('wide characters count twice and marks not at all', () => {
  assert.equal(widthOf('abc'), 3)
  assert.equal(widthOf('日本'), 4)
  assert.equal(widthOf('🙂'), 2)
  assert.equal(widthOf('e\u0301'), 1)
  assert.equal(cut('日本語', 5), '日本…')
  assert.equal(cut('日本語', 4), '日…')
  assert.equal(cut('abc', 0), '')
  assert.equal(cut('abc', 3), 'abc')
  assert.equal(
    table(
      [{ title: 'A' }, { title: 'B' }],
      [
        ['日本', 'x'],
        ['abc', 'y'],
      ],
      null,
    ),
    'A     B\n日本  x\nabc   y\n',
  )
})

test('nothing in a cell can move the cursor or break the line', () => {
  const text = table(HEAD, [['a\u001b[31m\nb\u202e', '1', '']], null)
  assert.equal(text, 'NAME                  N  LAST\na\\x1b[31m\\x0ab\\u202e  1\n')
  assert.equal(
    facts(
      [
        ['name', 'a\nb'],
        ['x', 'y'],
      ],
      null,
    ),
    'name  a\\x0ab\nx     y\n',
  )
  assert.equal(facts([['name', 'a long value']], 10), 'name  a l…\n')
})

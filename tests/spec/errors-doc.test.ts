// docs/errors.md against the table of error codes, both ways.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERROR_FAULTS } from '../../lib/errors.ts'

const DOC = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

test('docs/errors.md lists every error code once, with its fault, when it comes and what to do', () => {
  const rows = Array.from(DOC.matchAll(/^\| `([a-z-]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$/gm))
  const listed = rows.map(([, code, fault]) => [code, fault])
  assert.equal(new Set(listed.map(([code]) => code)).size, listed.length, 'no code twice')
  assert.deepEqual(Object.fromEntries(listed), { ...ERROR_FAULTS })
  assert.equal(rows.length, DOC.match(/^\| `/gm)?.length, 'every row has its four cells')
})

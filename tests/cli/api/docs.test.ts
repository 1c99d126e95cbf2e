// Holds docs/api.md and the local API to each other.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { statusOf } from '../../../cli/api/answers.ts'
import { ROUTES } from '../../../cli/api/server.ts'
import { ERROR_FAULTS, type ErrorCode, MeshError } from '../../../lib/errors.ts'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const PAGE = read('docs/api.md')

test('the page lists every call with its query, and no other', () => {
  const listed = Array.from(
    PAGE.matchAll(/^\| `(GET|POST) (\/v1\/[a-z/]+)` \| (.*?) \|/gm),
    ([, method, path, query]) => {
      return { method, path, query: query! }
    },
  )
  assert.deepEqual(
    listed.map(({ method, path }) => `${method} ${path}`),
    ROUTES.map(({ method, path }) => `${method} ${path}`),
  )
  for (const [i, { path, query }] of ROUTES.entries()) {
    if (path === '/v1/publish') continue
    for (const name of query) assert.ok(listed[i]!.query.includes(`\`${name}\``), `${path}: ${name}`)
  }
  for (const name of ['topic', 'confirm', 'timeoutMs']) assert.ok(PAGE.includes(`\`${name}\``), name)
})

test('the page lists every event of a subscription, and every code of its own', () => {
  const sources = readdirSync(new URL('../../../cli/api/', import.meta.url)).map((name) => read(`cli/api/${name}`))
  for (const source of sources) {
    for (const [, event] of source.matchAll(/event: '([a-z-]+)'/g)) {
      assert.ok(PAGE.includes(`{"event":"${event}"`), `the page has no event ${event}`)
    }
    for (const [, code] of source.matchAll(/new ApiError\(\s*\d+,\s*'([a-z-]+)'/g)) {
      assert.ok(PAGE.includes(`\`${code}\``), `the page has no code ${code}`)
    }
  }
})

test('the page has the status of every code', () => {
  const rows = Array.from(
    PAGE.matchAll(/^\| (\d{3}) \| (.*) \|$/gm),
    ([, status, codes]) => [Number(status), codes!] as const,
  )
  for (const code of Object.keys(ERROR_FAULTS) as ErrorCode[]) {
    const status = statusOf(new MeshError(code, ''))
    const named = rows.find(([, codes]) => codes.includes(`\`${code}\``))
    assert.equal(status, named?.[0] ?? (ERROR_FAULTS[code] === 'remote' ? 502 : 500), code)
  }
})

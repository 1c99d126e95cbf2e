// Runs every example of the guide and of the README as a reader would, and holds the output that the page promises against
// what came out. The examples are also compiled with the project's own strict settings.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { fits, type Snippet, snippetsOf } from './snippets.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LIBRARY = join(ROOT, 'lib/index.ts')
/** What an example may import, and where it stands here. */
const ENTRIES = [
  ['meshd', LIBRARY],
  ['meshd/json-schema', join(ROOT, 'lib/json-schema.ts')],
] as const
const RUNNER = fileURLToPath(new URL('run-snippets.ts', import.meta.url))
const PAGES = ['README.md', 'docs/guide.md']

interface Example extends Snippet {
  readonly page: string
  readonly file: string
}

const examples: Example[] = PAGES.flatMap((page) =>
  snippetsOf(readFileSync(join(ROOT, page), 'utf8')).map((snippet) => {
    return { ...snippet, page, file: `${page.replace(/\W/g, '-')}-${snippet.line}.mts` }
  }),
)

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshd-docs-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, code } of examples) {
    let here = code
    for (const [entry, path] of ENTRIES) {
      here = here.replaceAll(`from '${entry}'`, `from ${JSON.stringify(pathToFileURL(path).href)}`)
    }
    writeFileSync(join(folder, file), here)
  }
})
after(() => rmSync(folder, { recursive: true }))

test('the guide and the README have examples that run', () => {
  for (const page of PAGES)
    assert.ok(
      examples.some((example) => example.page === page),
      page,
    )
})

test('every example prints what its page promises, and leaves nothing behind that keeps the process alive', () => {
  const paths = examples.map(({ file }) => join(folder, file))
  const run = spawnSync(process.execPath, ['--import', 'tsx', RUNNER, ...paths], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  })
  const results = run.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { printed: string; error: string | null })
  for (const [i, { page, line, heading, output }] of examples.entries()) {
    const place = `${page}:${line}, "${heading}"`
    const result = results[i]
    assert.ok(result, `${place} did not come to its end: ${run.stderr}`)
    assert.equal(result.error, null, `${place}: ${result.error}`)
    if (output !== null && !fits(result.printed, output)) assert.equal(result.printed, output.trim(), place)
  }
  assert.equal(run.signal, null, 'it had to be ended from outside')
  assert.equal(run.status, 0, run.stderr)
})

test('every example compiles under strict settings', () => {
  const settings = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      paths: Object.fromEntries(ENTRIES.map(([, path]) => [pathToFileURL(path).href, [path]])),
      isolatedDeclarations: false,
    },
    include: ['*.mts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const run = spawnSync(tsc, ['--noEmit', '-p', folder], { cwd: folder, encoding: 'utf8' })
  assert.equal(run.status, 0, run.stdout + run.stderr)
})

// Runs every *.test.ts below tests/ (or the files and folders named as arguments) with node:test through tsx, and fails
// when none ran. Node 20 finds no TypeScript tests by itself and would exit with 0.
import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))

function find(path) {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.name.endsWith('.test.ts'))
    .flatMap((entry) => find(join(path, entry.name)))
}

const named = process.argv.slice(2)
const files = (named.length > 0 ? named : [here]).flatMap(find).sort()
if (files.length === 0) {
  console.error('no test files found')
  process.exit(1)
}

const child = spawn(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-timeout=120000', '--test-concurrency=2', ...files],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
)
const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0 }
let line = ''
child.stdout.on('data', (chunk) => {
  process.stdout.write(chunk)
  const lines = (line + chunk).split('\n')
  line = lines.pop().slice(-200)
  for (const text of lines) {
    const [, word, number] = /^\S+ (pass|fail|cancelled|skipped) (\d+)$/.exec(text) ?? []
    if (word !== undefined) counts[word] = Number(number)
  }
})
child.on('close', (code) => {
  const passed = counts.pass
  const failed = counts.fail + counts.cancelled
  console.log(`${passed} passed, ${failed} failed, ${counts.skipped} skipped`)
  process.exit(passed === 0 || failed > 0 ? 1 : (code ?? 1))
})

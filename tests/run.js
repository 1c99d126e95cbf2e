// Runs every *.test.ts below tests/ (or the files and folders named as arguments) with node:test through tsx, and fails
// when none ran. Node 20 finds no TypeScript tests by itself and would exit with 0.
//
// Tests that touch nothing but memory, or only sockets of their own process, share a process by the folder; those with
// processes, namespaces and a disk have one a file, and run the built program. Two processes run at a time,
// and beside them one that mostly waits.
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const TOGETHER = join(here, 'tools', 'together.ts')
const OPTIONS = ['--require', join(here, 'tools', 'unwatched.cjs'), '--import', 'tsx', '--test-reporter=spec']
/** Folders whose files share a process: those below these, and those that lie in `tests` itself. */
const SHARING = new Set([
  ...['', 'bench', 'cli', 'crypto', 'direct', 'discovery', 'docs', 'flood', 'framing', 'identity', 'io', 'link'],
  ...['members', 'mesh', 'neighbours', 'noise', 'spec', 'store', 'streams', 'virtual'],
])
/** Files of those folders that start processes, or change what all of a process shares. */
const ALONE = new Set([
  'cli/api/local-api.test.ts',
  'cli/client/processes.test.ts',
  'cli/files/cp-processes.test.ts',
  'cli/files/receiving-folder.test.ts',
  'cli/http/http-server.test.ts',
  'cli/network-key.test.ts',
  'cli/pipe-processes.test.ts',
  'cli/process.test.ts',
  'cli/reader.test.ts',
  'crypto/choose.test.ts',
  'docs/guide.test.ts',
  'io/database.test.ts',
  'io/lock-file.test.ts',
])
/** Files of those that wait for most of their time: they run beside the others. */
const WAITING = new Set(['cli/client/processes.test.ts', 'cli/files/cp-processes.test.ts', 'netns/mdns.test.ts'])
const AT_ONCE = 2
/** A process that takes longer hangs. */
const RUN_MS_MAX = 300_000
const FAILURE_LINES_MAX = 200

function find(path) {
  if (!statSync(path).isDirectory()) return [resolve(path)]
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

const alone = []
const together = new Map()
for (const file of files) {
  const place = relative(here, file).split(sep)
  const folder = place.length === 1 ? '' : place[0]
  if (SHARING.has(folder) && !ALONE.has(place.join('/'))) together.set(folder, [...(together.get(folder) ?? []), file])
  else alone.push(file)
}
// The longest first, so that no core idles at the end while another works through them. Whole networks take longest; whoever
// starts processes waits for them.
const bytesOf = (group) => group.reduce((sum, file) => sum + statSync(file).size, 0)
const costs = [
  ...alone.map((file) => [[file], bytesOf([file]) * 10]),
  ...[...together].map(([folder, group]) => [group, bytesOf(group) * (folder === 'mesh' ? 20 : 1)]),
]
const groups = costs.sort(([, a], [, b]) => b - a).map(([group]) => group)
const isWaiting = (group) => group.every((file) => WAITING.has(relative(here, file)))
const computing = groups.filter((group) => !isWaiting(group))
const lanes = [...Array.from({ length: AT_ONCE }, () => computing), groups.filter(isWaiting)]

/** The program as an installed package has it, in a folder that packages are found from. Beside it, what went into it. */
async function buildProgram() {
  const root = join(here, '..')
  const folder = join(root, 'node_modules/.cache/meshd-program')
  const { bundleProgram } = await import('../cli/bundle.js')
  const metafile = await bundleProgram(join(folder, 'dist/cli'))
  forgetOld(join(folder, 'dist/cli'), new Set(Object.keys(metafile.outputs).map((path) => basename(path))))
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify(metafile))
  for (const path of ['package.json', 'cli/meshd.js']) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    copyFileSync(join(root, path), join(folder, path))
  }
  return join(folder, 'cli/meshd.js')
}

/** Files of earlier builds: another run may still read those of an hour. */
function forgetOld(folder, present) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (!present.has(name) && Date.now() - statSync(path).mtimeMs > 3_600_000) rmSync(path)
  }
}

const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0 }
/** What the processes said of their failed tests, told once more at the end: a log is often cut at its beginning. */
const failures = []

/** Each with a process group of its own, so that what a test started ends with it. */
const running = new Set()

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    // It has ended by itself.
    if (error.code !== 'ESRCH') throw error
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) kill(child)
    process.exit(1)
  })
}

/** Runs the tests of some files in one process. What it prints comes in one piece, so that two at a time can be read. */
function run(group) {
  const child = spawn(process.execPath, [...OPTIONS, TOGETHER, ...group], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
    detached: true,
  })
  running.add(child)
  const late = setTimeout(() => kill(child), RUN_MS_MAX)
  let failed = 0
  let printed = ''
  let line = ''
  let isTellingFailures = false
  child.stdout.on('data', (chunk) => {
    printed += chunk
    const lines = (line + chunk).split('\n')
    line = lines.pop().slice(-200)
    for (const text of lines) {
      if (text.startsWith('✖ failing tests')) isTellingFailures = true
      else if (isTellingFailures && failures.length < FAILURE_LINES_MAX) failures.push(text)
      const [, word, number] = /^\S+ (pass|fail|cancelled|skipped) (\d+)$/.exec(text) ?? []
      if (word !== undefined) counts[word] += Number(number)
      if (word === 'fail' || word === 'cancelled') failed += Number(number)
    }
  })
  return new Promise((done) => {
    child.on('close', (code, signal) => {
      clearTimeout(late)
      running.delete(child)
      process.stdout.write(printed)
      // It hung, or met an error that nobody caught, which is on standard error.
      if (code !== 0 && failed === 0) {
        counts.fail++
        failures.push(`ended with ${signal ?? code}: ${group.map((file) => relative(here, file)).join(' ')}`)
      }
      done()
    })
  })
}

if (alone.length > 0) process.env.MESHD_TEST_PROGRAM = await buildProgram()
await Promise.all(
  lanes.map(async (lane) => {
    for (let next = lane.shift(); next !== undefined; next = lane.shift()) await run(next)
  }),
)
const failed = counts.fail + counts.cancelled
if (failures.length > 0) console.log(['\nfailed:', ...failures, ''].join('\n'))
console.log(`${counts.pass} passed, ${failed} failed, ${counts.skipped} skipped`)
process.exit(counts.pass === 0 || failed > 0 ? 1 : 0)

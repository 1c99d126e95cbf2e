// `npm run bench:peers`: meshd beside what a program might use instead, on the same works. Installs the packages that this
// takes into tests/bench/peers; nothing else of the project knows of them. docs/benchmarks.md tells how to read it. Not a test.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PEERS_FOLDER } from './machine.ts'
import { KINDS } from './peer.ts'
import { circumstances, runAll, sessionFrom, writePage } from './session.ts'
import { detailsTable, mainFigure, peersTable, table } from './tables.ts'

const session = sessionFrom({
  script: 'bench:peers',
  works: ['link', 'flood', 'large-link', 'handshakes', 'memory'],
  kinds: KINDS.map(({ name }) => name),
})

/** Installs what the lock says, unless that was done since the lock last changed. */
function install(): void {
  const [lock, done] = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => join(PEERS_FOLDER, name))
  if (existsSync(done!) && statSync(done!).mtimeMs >= statSync(lock!).mtimeMs) return
  const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', options, { cwd: PEERS_FOLDER, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Of the packages that were asked for, and of the broker. */
function versions(): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(join(PEERS_FOLDER, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  if (!session.kinds.some(({ name }) => name === 'nats')) return dependencies
  const server = execFileSync('nats-server', ['--version'], { encoding: 'utf8' }).trim()
  return { ...dependencies, 'nats-server': server.split(' ').at(-1)! }
}

if (session.kinds.some(({ isBuiltIn }) => !isBuiltIn)) install()
const installed = versions()
const cells = await runAll(session, installed, () => session.kinds)
const about = circumstances(session, cells, installed)
const text = [about, peersTable(cells, session.works, session.kinds), detailsTable(cells)].join('\n\n')
console.log(`\n${text}`)

if (session.isWritten) {
  writePage('docs/benchmarks.md', 'bench:peers', text)
  // The README has no room for all of it.
  const shown = session.kinds.filter(({ name }) => ['meshd', 'raw', 'tls', 'gossipsub'].includes(name))
  const works = session.works.filter(({ name }) => ['link', 'flood'].includes(name))
  const rows = works.map((work) => [work.title, ...shown.map((kind) => mainFigure(cells, work, kind, work.main[0]!))])
  const head = ['deliveries a second', ...shown.map(({ title }) => title)]
  writePage('README.md', 'bench:peers', `${about.split('\n').slice(0, 2).join('\n')}\n\n${table(head, rows)}`)
}

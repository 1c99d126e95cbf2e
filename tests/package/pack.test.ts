// The package as its users get it: packed, installed somewhere else from the registry, run, imported and compiled against.
// Needs the npm registry for the dependencies, and is skipped where there is none. Packs a copy of the tree, so that it
// stands in nobody's way.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipUnlessAll } from '../tools/all-tests.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What packing reads. */
const TREE = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'lib', 'cli', 'docs', 'spec', 'LICENSE']
const TREE_FILES = [...TREE, 'README.md', 'CHANGELOG.md', '.npmrc']
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT/

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(folder: string, command: string, ...parameters: string[]): Ran {
  const env = { ...process.env, NODE_OPTIONS: '', MESHD_DATA_DIR: join(folder, 'data') }
  return spawnSync(command, parameters, { cwd: folder, encoding: 'utf8', timeout: 60_000, env })
}

function succeed(folder: string, command: string, ...parameters: string[]): string {
  const { status, stdout, stderr } = run(folder, command, ...parameters)
  assert.equal(status, 0, `${command} ${parameters.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** Packs into `folder`; the name of the file. */
function pack(folder: string): string {
  const tree = join(folder, 'tree')
  mkdirSync(tree)
  for (const name of TREE_FILES) cpSync(join(ROOT, name), join(tree, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  succeed(tree, 'npm', 'pack', '--pack-destination', folder)
  return readdirSync(folder).find((name) => name.endsWith('.tgz'))!
}

/** Runs the installed program until it has said that it listens, and ends it with a signal: what it called itself. */
async function runProgram(folder: string): Promise<{ id: string; code: number }> {
  const flags = ['run', '--json', '--listen', '127.0.0.1:0', '--no-mdns', '--data-dir', join(folder, 'data')]
  const child = spawn(join(folder, 'node_modules/.bin/meshd'), flags, { stdio: ['pipe', 'pipe', 'inherit'] })
  const over = once(child, 'close')
  try {
    const lines = createInterface({ input: child.stdout })
    const [first] = (await once(lines, 'line')) as [string]
    const { event, id } = JSON.parse(first) as { event: string; id: string }
    assert.equal(event, 'listening')
    child.kill('SIGTERM')
    const [code] = (await over) as [number]
    return { id, code }
  } finally {
    child.kill('SIGKILL')
  }
}

const IMPORTER = `
import { Mesh } from 'meshd'
const alice = new Mesh({ listen: ['127.0.0.1:0'], mdns: false })
const bob = new Mesh({ listen: [], mdns: false })
await Promise.all([alice.start(), bob.start()])
const heard = new Promise((resolve) => alice.subscribe('news', (message) => resolve(message.text())))
await bob.connect(alice.addresses[0])
await bob.publish('news', 'hello')
console.log(await heard)
await Promise.all([alice.stop(), bob.stop()])
`

const TYPED = `
import { type ErrorCode, json, Mesh, type MeshOptions, type Message, type Receipt } from 'meshd'
const options: MeshOptions = { network: { name: 'lab' }, mdns: false }
export const mesh: Mesh = new Mesh(options)
export const receipt: Promise<Receipt> = mesh.publish('news', 'hello')
mesh.subscribe('news', (message: Message) => message.data.length)
mesh.topic<{ celsius: number }>('readings', json).subscribe(({ celsius }) => celsius.toFixed(1))
export const codes: ErrorCode[] = []
mesh.on('dialFailed', ({ code }) => codes.push(code))
mesh.on('neighbourDown', ({ code }) => codes.push(code))
// @ts-expect-error: the types are there, and not any.
mesh.subscribe(1)
`

test('the packed package installs elsewhere, runs, is imported and compiled against', {
  skip: skipUnlessAll(),
  timeout: 110_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-package-'))
  try {
    const tarball = pack(folder)
    const home = join(folder, 'home')
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'home', private: true, type: 'module' }))
    if (install(t, home, join('..', tarball))) await use(t, home)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** False where the registry cannot be reached; the test is skipped then. */
function install(t: TestContext, home: string, tarball: string): boolean {
  const quick = ['--prefer-offline', '--fetch-retries=0', '--fetch-timeout=20000']
  const { status, stdout, stderr } = run(home, 'npm', 'install', '--no-audit', '--no-fund', ...quick, tarball)
  if (status === 0) return true
  assert.match(stderr, OFFLINE, stdout + stderr)
  t.skip('no npm registry')
  return false
}

async function use(t: TestContext, home: string): Promise<void> {
  const installed = join(home, 'node_modules/meshd')

  await t.test('it holds what runs and what is to be read, and no sources or tests', () => {
    for (const name of [
      'cli/meshd.js',
      'dist/lib/index.js',
      'dist/lib/index.d.ts',
      'dist/cli/LICENSES.txt',
      'docs/protocol.md',
      'spec/meshd.cddl',
    ]) {
      assert.ok(existsSync(join(installed, name)), name)
    }
    // The library is one file for each entry and one for what they share; what it imports stays the embedder's to update.
    const modules = readdirSync(join(installed, 'dist/lib'), { recursive: true }).filter((name) =>
      /\.js$/.test(String(name)),
    )
    assert.equal(modules.length, 3, modules.join())
    assert.match(readFileSync(join(installed, 'dist/lib/index.js'), 'utf8'), /from "@multiformats\/multiaddr"/)
    const licences = readFileSync(join(installed, 'dist/cli/LICENSES.txt'), 'utf8')
    for (const name of ['yargs', 'cbor-x', '@noble/curves'])
      assert.match(licences, new RegExp(`^${name} \\d.*MIT$`, 'm'))
    for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(existsSync(join(installed, name)), name)
    for (const name of ['lib', 'tests', 'cli/main.ts']) assert.ok(!existsSync(join(installed, name)), name)
  })

  await t.test('npx meshd --help answers', () => {
    assert.match(succeed(home, 'npx', 'meshd', '--help'), /^ {2}--seed .*host:port/m)
  })

  await t.test('the program runs, and npx meshd id names the node that ran', async () => {
    const { id, code } = await runProgram(home)
    assert.equal(code, 0)
    assert.equal(succeed(home, 'npx', 'meshd', 'id').split('\n')[0], id)
  })

  await t.test('a program that imports meshd runs, without tsx', () => {
    writeFileSync(join(home, 'importer.js'), IMPORTER)
    assert.equal(succeed(home, process.execPath, 'importer.js'), 'hello\n')
  })

  await t.test('a TypeScript program compiles against its types', () => {
    writeFileSync(join(home, 'typed.ts'), TYPED)
    symlinkSync(join(ROOT, 'node_modules/@types'), join(home, 'node_modules/@types'))
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
    succeed(home, join(ROOT, 'node_modules/.bin/tsc'), ...strict, 'typed.ts')
  })
}

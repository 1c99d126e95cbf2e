// What a start loads. How long it takes depends on the machine; what takes the time is what is loaded, and that is held here.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { folder, LOCAL, Program } from '../cli/program.ts'
import { MESHD } from '../tools/program-path.ts'

const PRELOAD = fileURLToPath(new URL('loaded-modules.js', import.meta.url))
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Of the program that runs: the checkout, or where it was built. */
const PROGRAM_ROOT = join(dirname(MESHD), '../')

/** Where the program is built into few files: which sources are in which, by their paths below the checkout. */
const BUNDLE = join(PROGRAM_ROOT, 'bundle.json')

/** What runs the TypeScript of a checkout; a package has none of it. */
const OF_THE_CHECKOUT = /^(tsx|esbuild|get-tsconfig|resolve-pkg-maps|@esbuild\/.*|source-map.*)$/

interface Loaded {
  /** Files of this program that were read. */
  readonly files: number
  readonly packages: ReadonlySet<string>
  /** Modules of packages, by what follows `node_modules/`. */
  readonly modules: readonly string[]
  /** Of this program, as paths below its root, as they are called in the sources but without `.ts`. */
  readonly own: readonly string[]
}

async function start(context: TestContext, args: readonly string[], until: RegExp | null): Promise<Loaded> {
  const program = new Program(context, process.execPath, ['--import', PRELOAD, MESHD, ...args])
  if (until !== null) await program.sees(until)
  else await program.exit
  if (until !== null) await program.stop()
  const packages = new Set<string>()
  const modules: string[] = []
  const own = new Set<string>()
  const files = loadedFiles(program.err)
  for (const source of files.flatMap(sourcesOf)) {
    const module = /.*node_modules\/(.+)/.exec(source)?.[1] ?? ''
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(module)?.[0]
    modules.push(module)
    if (name !== undefined && !name.startsWith('node:') && existsSync(`${ROOT}node_modules/${name}`)) {
      if (!OF_THE_CHECKOUT.test(name)) packages.add(name)
    } else if (!source.startsWith('/') && !source.startsWith('tests/')) {
      own.add(source.replace(/\.[jt]s$/, ''))
    }
  }
  return { files: files.filter((file) => file.startsWith('dist/')).length, packages, modules, own: [...own] }
}

/** What a program that was preloaded with PRELOAD said it loads; below its root as relative paths. */
function loadedFiles(log: string): string[] {
  return Array.from(log.matchAll(/^loaded (.+)$/gm), ([, place]) => {
    const path = place!.replace(/^file:\/\//, '').replace(/\?.*$/, '')
    return path.startsWith(PROGRAM_ROOT) ? path.slice(PROGRAM_ROOT.length) : path
  })
}

const bundled: Record<string, { inputs: object }> = existsSync(BUNDLE)
  ? (JSON.parse(readFileSync(BUNDLE, 'utf8')) as { outputs: Record<string, { inputs: object }> }).outputs
  : {}

/** The sources that went into a file, or that file. */
function sourcesOf(file: string): string[] {
  return Object.keys(bundled[join(relative(ROOT, PROGRAM_ROOT), file)]?.inputs ?? { [file]: null })
}

test('a node without a data folder, mDNS and HTTP loads nothing for them, nor for schemas and the local API', async (t) => {
  const { packages, modules, own } = await start(t, ['run', '--json', '--ephemeral', ...LOCAL], /"listening"/)
  assert.ok(packages.has('cbor-x'), [...packages].join(' '))
  for (const name of ['lmdb', 'multicast-dns', 'dns-packet', 'prom-client', 'find-my-way', 'ajv']) {
    assert.equal(packages.has(name), false, name)
  }
  // Its tables for signatures take as long to make as all the rest of the cryptography.
  assert.equal(modules.includes('@noble/curves/ed25519.js'), false)
  assert.ok(own.includes('lib/mesh'), own.join(' '))
  for (const path of own) assert.doesNotMatch(path, /^cli\/(files|streams|api\/server|http\/(http-server|metrics))/)
})

test('the store loads its database, and nothing else more', async (t) => {
  const dataDir = folder(t)
  const { packages } = await start(t, ['run', '--json', '--data-dir', dataDir, ...LOCAL], /"listening"/)
  assert.ok(packages.has('lmdb'))
  for (const name of ['multicast-dns', 'prom-client', 'find-my-way', 'ajv'])
    assert.equal(packages.has(name), false, name)
})

test('help loads neither the library nor any command', async (t) => {
  const { packages, own } = await start(t, ['--help'], null)
  assert.ok(packages.has('yargs'))
  for (const name of ['cbor-x', 'multiformats', '@noble/curves', 'lmdb']) assert.equal(packages.has(name), false, name)
  assert.deepEqual(
    own.filter((path) => path.startsWith('lib/') || /^cli\/(run|client\/(?!flags))/.test(path)),
    [],
  )
})

test('the built program is read from few files', {
  skip: existsSync(BUNDLE) ? false : 'not built: run tests/run.js',
}, async (t) => {
  const { files } = await start(t, ['run', '--json', '--ephemeral', ...LOCAL], /"listening"/)
  assert.ok(files > 0 && files <= 40, `${files}`)
})

// What a start loads. How long it takes depends on the machine; what takes the time is what is loaded, and that is held here.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { folder, LOCAL, Program } from '../cli/program.ts'
import { MESHD } from '../tools/program-path.ts'

const PRELOAD = fileURLToPath(new URL('loaded-modules.js', import.meta.url))
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Of the program that runs: the checkout, or where it was built. */
const PROGRAM_ROOT = join(dirname(MESHD), '../')

/** What runs the TypeScript of a checkout; a package has none of it. */
const OF_THE_CHECKOUT = /^(tsx|esbuild|get-tsconfig|resolve-pkg-maps|@esbuild\/.*|source-map.*)$/

interface Loaded {
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
  for (const [, place] of program.err.matchAll(/^loaded (.+)$/gm)) {
    const path = place!.replace(/^file:\/\//, '').replace(/\?.*$/, '')
    const below = path.startsWith(PROGRAM_ROOT) ? path.slice(PROGRAM_ROOT.length) : path
    const module = /.*node_modules\/(.+)/.exec(below)?.[1] ?? ''
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(module)?.[0]
    modules.push(module)
    if (name !== undefined && !name.startsWith('node:') && existsSync(`${ROOT}node_modules/${name}`)) {
      if (!OF_THE_CHECKOUT.test(name)) packages.add(name)
    } else if (below !== path && !below.startsWith('tests/')) {
      own.add(below.replace(/^dist\//, '').replace(/\.[jt]s$/, ''))
    }
  }
  return { packages, modules, own: [...own] }
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

// The layers of lib/: imports point one way, and only lib/io/ reaches the world. docs/architecture.md draws them.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const lib = fileURLToPath(new URL('../lib/', import.meta.url))

/** Each layer, and the layers that its files may import beside their own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  io: ['base'],
  crypto: ['base'],
  framing: ['base'],
  // Node records are CBOR, so identity stands on framing; framing knows no identity.
  identity: ['base', 'io', 'crypto', 'framing'],
  noise: ['base', 'crypto'],
  link: ['base', 'io', 'crypto', 'framing', 'identity', 'noise'],
  neighbours: ['base', 'framing', 'identity'],
  discovery: ['base', 'io', 'crypto', 'framing', 'identity'],
  members: ['base', 'framing', 'identity'],
  flood: ['base', 'io', 'crypto', 'framing', 'identity'],
  store: ['base', 'io', 'framing', 'identity', 'flood'],
  streams: ['base', 'framing', 'identity'],
  direct: ['base', 'crypto', 'framing', 'identity', 'noise'],
  wiring: [
    'base',
    'io',
    'crypto',
    'framing',
    'identity',
    'link',
    'neighbours',
    'discovery',
    'members',
    'flood',
    'store',
    'streams',
    'direct',
  ],
  mesh: ['base', 'io', 'identity', 'link', 'flood', 'wiring', 'streams', 'direct'],
  'json-schema': ['base'],
  index: ['base', 'identity', 'flood', 'mesh', 'streams', 'direct'],
}

/** Files of lib/ itself and the layer that each makes; the others are `base`: what every layer may use. */
const TOP_LEVEL: Readonly<Record<string, string>> = {
  'acquaintance.ts': 'wiring',
  'keeping.ts': 'wiring',
  'links.ts': 'wiring',
  'one-to-one.ts': 'wiring',
  'openings.ts': 'wiring',
  'reaching.ts': 'wiring',
  'running.ts': 'wiring',
  'snapshots.ts': 'wiring',
  'wiring.ts': 'wiring',
  'mesh.ts': 'mesh',
  'index.ts': 'index',
  'json-schema.ts': 'json-schema',
}
const BASE: readonly string[] = [
  'bytes.ts',
  'call-options.ts',
  'errors.ts',
  'limits.ts',
  'memory.ts',
  'options.ts',
  'promised.ts',
  'types.ts',
]

/** Imports of types alone that cross the layers, each with its reason. */
const TYPES_ALONE: readonly (readonly [from: string, to: string, reason: string])[] = [
  [
    'flood/bundle-queue.ts',
    'link/send-queue.ts',
    'it is the router’s view of a link, and so speaks the send queue’s language',
  ],
  ['streams/carrier.ts', 'link/send-queue.ts', 'the one place where streams say what frames they give to a link'],
]

/** What a module outside lib/io/ takes from Node all the same, each with its reason. */
const BUILT_IN: readonly (readonly [file: string, name: string, reason: string])[] = [
  [
    'streams/duplex.ts',
    'node:stream',
    'the Duplex that programs hold; it runs on Node’s own ticks and touches nothing else',
  ],
  ['crypto/native.ts', 'node:crypto', 'the native provider: functions of their arguments, random bytes aside'],
  ['crypto/sodium.ts', 'node:module', 'asks for a package that may be missing, when it loads'],
  ['identity/key-file.ts', 'node:path', 'takes a path apart; touches no disk'],
  ['identity/kept-state.ts', 'node:path', 'puts paths together; touches no disk'],
  ['memory.ts', 'node:worker_threads', 'marks memory that nobody may take away; MessageChannel beside it is a global'],
  ['mesh.ts', 'node:events', 'the event emitter of the public surface'],
]

/** Packages and the one layer that each belongs to. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@multiformats/multiaddr': 'identity',
  multiformats: 'identity',
  '@noble/ciphers': 'crypto',
  '@noble/curves': 'crypto',
  '@noble/ed25519': 'crypto',
  '@noble/hashes': 'crypto',
  ajv: 'json-schema',
  'cbor-x': 'framing',
  lmdb: 'io',
  'multicast-dns': 'io',
}

/** Doors to the world that need no import, and where one may stand all the same. */
const DOORS =
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask|performance|fetch|console)\b|\bDate\b|\bMath\.random\b|\bprocess\b|\brequire\b|\bimport\(/
const DOORS_OPEN: readonly (readonly [file: string, door: string, reason: string])[] = [
  ['crypto/choose.ts', 'process', 'MESHD_CRYPTO decides when modules load, before there are options'],
]

interface Import {
  readonly specifier: string
  readonly typesOnly: boolean
}

interface Source {
  /** Relative to lib/. */
  readonly path: string
  readonly layer: string
  readonly imports: readonly Import[]
  /** Without comments and text literals. */
  readonly code: string
}

function layerOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : (TOP_LEVEL[path] ?? 'base')
}

function read(path: string): Source {
  const text = readFileSync(`${lib}${path}`, 'utf8')
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/ \/\/ .*$/gm, '')
  const imports: Import[] = []
  for (const match of code.matchAll(/^(?:import|export)\s+([\w\s{},*$]*?)(?:\bfrom )?'([^']+)'/gm)) {
    const names = match[1]!
    const listed =
      /\{([^}]*)\}/
        .exec(names)?.[1]
        ?.split(',')
        .filter((name) => name.trim() !== '') ?? []
    const everyNameIsType = listed.length > 0 && listed.every((name) => name.trim().startsWith('type '))
    imports.push({ specifier: match[2]!, typesOnly: names.startsWith('type ') || everyNameIsType })
  }
  const withoutTexts = code.replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''")
  return { path, layer: layerOf(path), imports, code: withoutTexts }
}

const sources: readonly Source[] = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map(read)

const targetOf = (source: Source, specifier: string): string => posix.join(posix.dirname(source.path), specifier)

test('every file of lib belongs to a layer that is known here', () => {
  assert.ok(sources.length > 50)
  for (const { path, layer } of sources) {
    assert.ok(layer in MAY_IMPORT, `${path}: the layer ${layer} has no rule`)
    if (layer === 'base') assert.ok(BASE.includes(path), `${path}: what every layer may use is listed by name`)
  }
})

test('imports point one way', () => {
  for (const source of sources) {
    for (const { specifier, typesOnly } of source.imports) {
      if (!specifier.startsWith('.')) continue
      const target = targetOf(source, specifier)
      assert.ok(specifier.endsWith('.ts'), `${source.path}: ${specifier} must name the file`)
      assert.ok(
        sources.some(({ path }) => path === target),
        `${source.path}: ${specifier} is no file of lib`,
      )
      const layer = layerOf(target)
      const isAllowed =
        layer === source.layer ||
        MAY_IMPORT[source.layer]!.includes(layer) ||
        (typesOnly && TYPES_ALONE.some(([from, to]) => from === source.path && to === target))
      assert.ok(isAllowed, `${source.path} must not import ${target}`)
    }
  }
})

test('the rules themselves have no circle', () => {
  const done = new Set<string>()
  const visit = (layer: string, path: readonly string[]): void => {
    assert.ok(!path.includes(layer), `a circle: ${[...path, layer].join(' > ')}`)
    if (done.has(layer)) return
    for (const below of MAY_IMPORT[layer]!) visit(below, [...path, layer])
    done.add(layer)
  }
  for (const layer of Object.keys(MAY_IMPORT)) visit(layer, [])
})

test('no file imports itself round about', () => {
  const below = new Map(
    sources.map((source) => [
      source.path,
      source.imports
        .filter(({ specifier, typesOnly }) => specifier.startsWith('.') && !typesOnly)
        .map(({ specifier }) => targetOf(source, specifier)),
    ]),
  )
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `a circle: ${[...path, file].join(' > ')}`)
    if (done.has(file)) return
    for (const next of below.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const { path } of sources) visit(path, [])
})

test('parts that must not know each other do not', () => {
  for (const [layer, unknown] of [
    ['discovery', ['link', 'neighbours', 'flood', 'members']],
    ['link', ['neighbours', 'discovery', 'flood']],
    ['neighbours', ['link', 'discovery', 'flood', 'members']],
    ['members', ['link', 'neighbours', 'discovery', 'flood']],
    ['flood', ['neighbours', 'discovery', 'store', 'direct', 'streams']],
    ['store', ['link', 'neighbours', 'discovery']],
    ['streams', ['link', 'neighbours', 'discovery', 'flood', 'direct']],
    ['direct', ['io', 'link', 'neighbours', 'discovery', 'members', 'flood', 'streams']],
  ] as const) {
    for (const other of unknown) assert.ok(!MAY_IMPORT[layer]!.includes(other), `${layer} and ${other}`)
  }
  for (const [layer, allowed] of Object.entries(MAY_IMPORT)) {
    assert.equal(allowed.includes('mesh'), layer === 'index', 'only index.ts imports mesh.ts')
  }
})

test('a package is imported by its own layer alone', () => {
  for (const { path, layer, imports } of sources) {
    for (const { specifier } of imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const name = Object.keys(PACKAGES).find((known) => specifier === known || specifier.startsWith(`${known}/`))
      assert.ok(name !== undefined, `${path}: the package of ${specifier} is not listed here`)
      assert.equal(layer, PACKAGES[name], `${path} must not import ${specifier}`)
    }
  }
})

test('only lib/io takes anything from Node, but for what is listed with its reason', () => {
  const used = new Set<string>()
  for (const { path, layer, imports } of sources) {
    for (const { specifier } of imports) {
      if (!specifier.startsWith('node:') || layer === 'io') continue
      assert.ok(
        BUILT_IN.some(([file, name]) => file === path && name === specifier),
        `${path} must not import ${specifier}`,
      )
      used.add(`${path} ${specifier}`)
    }
  }
  for (const [file, name] of BUILT_IN) assert.ok(used.has(`${file} ${name}`), `${file} imports no ${name} any more`)
})

test('only lib/io asks for the time, chance or the process, but for what is listed with its reason', () => {
  for (const { path, layer, code } of sources) {
    if (layer === 'io') continue
    const door = DOORS.exec(code)?.[0]
    if (door === undefined) continue
    assert.ok(
      DOORS_OPEN.some(([file, name]) => file === path && name === door),
      `${path} must not use ${door}`,
    )
  }
})

test('what is listed as an exception is still there', () => {
  for (const [from, to] of TYPES_ALONE) {
    const source = sources.find(({ path }) => path === from)
    assert.ok(
      source?.imports.some(({ specifier }) => targetOf(source, specifier) === to),
      `${from} imports no ${to}`,
    )
  }
  for (const [file, door] of DOORS_OPEN) {
    const source = sources.find(({ path }) => path === file)
    assert.equal(DOORS.exec(source?.code ?? '')?.[0], door, `${file} uses no ${door}`)
  }
})

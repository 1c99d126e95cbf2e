// Builds what the package runs: the program (`cli/` and what it imports) and the library (`lib/`, whose types the compiler
// makes), in a few files instead of some 350, since each costs about half a millisecond of every start. What is loaded only when
// it is needed stays a file of its own. Comments are left out, names and lines are not: a stack trace can be read.
// docs/decisions/0018-bundled-program.md. With a folder as its argument it makes the library alone, in `lib` there.

import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** Found at run time, in `node_modules`: what has machine code, or is loaded by name. */
const NOT_BUNDLED = ['lmdb', 'sodium-native', 'cbor-extract']
/** Bundled CommonJS asks Node for its own modules with `require`, which an ES module does not have. */
const REQUIRE = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`

/**
 * Writes the program into `folder` (what else is there stays), its entry being `main.js`, with the licences of all packages
 * that went into it. Resolves to esbuild's metafile: which sources are in which file.
 */
export async function bundleProgram(folder) {
  const metafile = await bundle(['cli/main.ts'], folder, { external: NOT_BUNDLED, banner: { js: REQUIRE } })
  writeFileSync(join(folder, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)))
  return metafile
}

/** Writes the library into `folder`, an entry for each of the package's. Packages are not bundled: they are the embedder's to update. */
export async function bundleLibrary(folder) {
  return bundle(['lib/index.ts', 'lib/json-schema.ts'], folder, { packages: 'external' })
}

async function bundle(entryPoints, folder, options) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    tsconfig: join(ROOT, 'tsconfig.build.json'),
    legalComments: 'none',
    // It is how comments are left out; what is written is laid out again.
    minifyWhitespace: true,
    metafile: true,
    write: false,
    logLevel: 'warning',
    ...options,
  })
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, { loader: 'js', target: 'node20' })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
  }
  return metafile
}

/** The licences of the packages that these files belong to, one after the other. */
function licences(files) {
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []))
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'))
    const file = readdirSync(join(ROOT, folder)).find((each) => /^licen[cs]e/i.test(each))
    const text = file === undefined ? '' : `\n${readFileSync(join(ROOT, folder, file), 'utf8').trim()}\n`
    return `${name} ${version}, ${license}\n${text}`
  })
  return [...new Set(texts)].join(`\n${'-'.repeat(80)}\n\n`)
}

const isProgram = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isProgram) {
  const [folder] = process.argv.slice(2)
  if (folder !== undefined) await bundleLibrary(join(folder, 'lib'))
  else await Promise.all([bundleProgram(join(ROOT, 'dist/cli')), bundleLibrary(join(ROOT, 'dist/lib'))])
}

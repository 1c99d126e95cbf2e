// Builds the program as the package has it: `cli/` and what it imports, in a few files instead of some 350, since each
// file costs about half a millisecond of every start. What a command loads only when it needs it stays a file of its own. The
// library is not bundled. docs/decisions/0018-bundled-program.md.

import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** Found at run time, in `node_modules`: what has machine code, or is loaded by name. */
const NOT_BUNDLED = ['lmdb', 'sodium-native', 'cbor-extract']
/** Bundled CommonJS asks Node for its own modules with `require`, which an ES module does not have. */
const REQUIRE = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`

/**
 * Writes the program into `folder` (what else is there stays), its entry being `main.js`, with the licences of all packages
 * that went into it. Resolves to esbuild's metafile: which sources are in which file.
 */
export async function bundle(folder) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['cli/main.ts'],
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    tsconfig: join(ROOT, 'tsconfig.build.json'),
    external: NOT_BUNDLED,
    banner: { js: REQUIRE },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  writeFileSync(join(folder, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)))
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
if (isProgram) await bundle(join(ROOT, 'dist/cli'))

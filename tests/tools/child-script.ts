// Makes a TypeScript file into one of JavaScript, for the processes that a test starts: through tsx each of them would take a
// second of processor time before its first line. The tests themselves run through tsx.

import { mkdirSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

/** Below a folder that packages are found from. */
const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/meshd-test-scripts/', import.meta.url))

/** The path of what `file`, a `.ts` file, is made into, with what it imports of this checkout. */
export function childScript(file: string): string {
  mkdirSync(FOLDER, { recursive: true })
  const script = join(FOLDER, `${basename(file, '.ts')}.js`)
  // Another process may be at the same.
  const begun = `${script}.${process.pid}`
  const packages = 'external'
  buildSync({
    entryPoints: [file],
    outfile: begun,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages,
  })
  renameSync(begun, script)
  return script
}

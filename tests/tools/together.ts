// Runs test files in one process: `node --import tsx tests/tools/together.ts FILE...`. Starting a process for each of two
// hundred small files would take longer than the tests in them.

import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) await import(pathToFileURL(file).href)

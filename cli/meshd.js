#!/usr/bin/env node
// Starts the program. In a checkout it runs the TypeScript beside it through tsx, in an installed package the built
// JavaScript. Plain JavaScript without newer syntax, so that an old Node gets to the sentence that says it is too old.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NODE_MAJOR_MIN = 20
const NODE_MINOR_MIN = 19

function beside(path) {
  return fileURLToPath(new URL(path, import.meta.url))
}

function fail(text) {
  process.stderr.write(`meshd: ${text}\n`)
  process.exitCode = 1
}

async function start() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor < NODE_MINOR_MIN)) {
    return fail(`this is Node ${process.versions.node}; meshd needs ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or later`)
  }
  const { version } = JSON.parse(readFileSync(beside('../package.json'), 'utf8'))
  const source = beside('main.ts')
  const built = beside('../dist/cli/main.js')
  if (existsSync(source)) {
    let tsx
    try {
      tsx = await import('tsx/esm/api')
    } catch {
      return fail('this is a checkout whose packages are not installed; run `npm ci` in it first')
    }
    tsx.register()
  } else if (!existsSync(built)) {
    return fail(`${built} is missing; install the package anew`)
  }
  const { main } = await import(pathToFileURL(existsSync(source) ? source : built).href)
  await main(process.argv.slice(2), version)
}

start()

// Preloaded into a program (node --import): writes the name of each package and each module of its own that it loads to standard error.
// Plain JavaScript, since it comes before whatever reads TypeScript.

import { writeSync } from 'node:fs'
import Module, { register } from 'node:module'

const hooks = `
  import { writeSync } from 'node:fs'
  export async function load(url, context, next) {
    writeSync(2, 'loaded ' + url + '\\n')
    return next(url, context)
  }`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

// What CommonJS requires passes those hooks by.
const load = Module._load
Module._load = function (request, parent, isMain) {
  writeSync(2, `loaded ${request.startsWith('.') ? parent?.filename : `node_modules/${request}`}\n`)
  return load.call(this, request, parent, isMain)
}

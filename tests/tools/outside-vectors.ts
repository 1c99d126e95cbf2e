// Reads test data that lies beside the project (`../shared/vectors`, or the folder in MESH_VECTORS) and is no part of it.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = process.env.MESH_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))

/** The parsed file, or null where this machine does not have it; tests are then skipped by name. */
export function outsideVectors(name: string): unknown | null {
  try {
    return JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** What a test that needs `name` passes as its `skip` option. */
export function skipWithout(name: string): string | false {
  return outsideVectors(name) === null ? `no outside vectors: ${name}` : false
}

// Makes a folder and those above it. Node's own way, the option `recursive`, never comes back where the system says "no such
// file" of a folder whose parent exists, as below /proc: it makes the parent, asks again, and so on for ever.

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf } from './errno.ts'

/** What is there already stays as it is. Rejects with the system's error. */
export async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await makeOne(path, mode)
  } catch (error) {
    const parent = dirname(path)
    if (errnoOf(error) !== 'ENOENT' || parent === path) throw error
    await makeFolders(parent, mode)
    // The parent is there: what is wrong now stays wrong.
    await makeOne(path, mode)
  }
}

async function makeOne(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    // A root, or a file system that is read only, may say something else of a folder that exists.
    if (errnoOf(error) !== 'ENOENT' && (await isFolder(path))) return
    throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

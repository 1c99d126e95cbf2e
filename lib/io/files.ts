// Small files of a data folder by node:fs: read whole, replaced whole, never half. Not a store for messages.
// docs/protocol.md has no section for it; docs/security.md tells users about the modes.

import { constants } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MeshError } from '../errors.ts'
import { BOOK_BYTES_MAX } from '../limits.ts'
import { errnoOf, errnoWords } from './errno.ts'
import { makeFolders } from './folders.ts'
import { lockFile } from './lock-file.ts'
import type { Files } from './world.ts'

const WINDOWS = process.platform === 'win32'
/** Opening a named pipe would wait for its other end, and reading a device may have no end. Windows has no such flag. */
const READ_ONLY: number = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
/** The longest of the files that a node keeps; what is longer it did not write. */
const FILE_BYTES_MAX = BOOK_BYTES_MAX

/** The write that is under way for each path, so that of two writes of one file the later call wins. */
const writing = new Map<string, Promise<void>>()

/** The machine's files. Everything rejects with MeshError `data-folder`, naming the path and the reason. */
export const nodeFiles: Files = {
  async read(path: string): Promise<Uint8Array | null> {
    try {
      return await readWhole(path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw failed('read', path, error)
    }
  },

  async mode(path: string): Promise<number | null> {
    try {
      const { mode } = await stat(path)
      // What Windows reports there says nothing about who may read the file.
      return WINDOWS ? null : mode & 0o777
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw failed('look at', path, error)
    }
  },

  async writeAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const before = writing.get(path) ?? Promise.resolve()
    // The failure of the write before was told to whoever asked for it.
    const mine = before.then(ignore, ignore).then(() => replace(path, bytes, mode))
    writing.set(path, mine)
    try {
      await mine
    } catch (error) {
      throw failed('write', path, error)
    } finally {
      if (writing.get(path) === mine) writing.delete(path)
    }
  },

  async makeFolder(path: string): Promise<void> {
    try {
      await makeFolders(path, 0o700)
    } catch (error) {
      throw failed('make the folder', path, error)
    }
  },

  lock: lockFile,
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, READ_ONLY)
  try {
    const found = await file.stat()
    if (!found.isFile() && !found.isDirectory()) throw new Error('it is no ordinary file')
    if (found.size > FILE_BYTES_MAX) throw new Error(`it has ${found.size} bytes, more than a node writes there`)
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

async function replace(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    // A leftover of a crash goes first; 'wx' then makes sure that nobody else's file or link is written to.
    await rm(temporary, { force: true })
    const file = await open(temporary, 'wx', mode)
    try {
      // The umask may have taken bits away.
      if (!WINDOWS) await file.chmod(mode)
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(ignore)
    throw error
  }
  if (!WINDOWS) await syncFolder(dirname(path))
}

/** Without this a crash can forget the rename. Windows cannot open a folder for it and does not need to. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function failed(doing: string, path: string, cause: unknown): MeshError {
  return new MeshError('data-folder', `cannot ${doing} ${path}: ${errnoWords(cause)}`, { cause })
}

function ignore(): void {}

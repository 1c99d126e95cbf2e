// The folder that received files come to, and its corner `.meshd-partial` for those that are not whole yet. Nothing that a sender
// says becomes a path: partial files are named by a hash, and whole ones by a checked name. docs/files.md.

import { constants } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { errnoWords } from '../../lib/io/errno.ts'
import { makeFolders } from '../../lib/io/folders.ts'
import { Failure } from '../failures.ts'
import { errnoOf, refusalOf } from './errno.ts'
import { Refusal } from './messages.ts'
import { NUMBERED_MAX, numbered } from './names.ts'
import { Partial } from './partial.ts'

const CORNER = '.meshd-partial'
/** What nobody went on with for so long is removed. */
export const PARTIAL_AGE_MS_MAX: number = 7 * 86_400_000
/** Partial files, and as many notes of whole ones; beyond, the oldest goes. */
export const ENTRIES_MAX = 1_024
const SWEEP_EVERY_TRANSFERS = 64
const SWEEP_EVERY_MS = 3_600_000
const ENTRY = /^([0-9a-f]{64})\.(part|done|done\.tmp)$/
const NOTE_BYTES_MAX = 4_096
/** File systems that cannot give a file a second name say one of these. */
const NO_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']

/** A file that was received whole, as its note tells. */
export interface Received {
  readonly name: string
  readonly sha256: string
}

export class ReceivingFolder {
  readonly path: string
  readonly #corner: string
  readonly #unixMs: () => number
  #begun = 0
  #sweptMs = 0

  private constructor(path: string, unixMs: () => number) {
    this.path = path
    this.#corner = join(path, CORNER)
    this.#unixMs = unixMs
  }

  /** Makes what is missing. Rejects with Failure `accept-files`. */
  static async open(path: string, unixMs: () => number): Promise<ReceivingFolder> {
    try {
      await makeFolders(path, 0o700)
      const folder = new ReceivingFolder(await realpath(path), unixMs)
      await folder.#make()
      await folder.sweep(new Set())
      return folder
    } catch (cause) {
      const text = `cannot receive files in ${path}: ${whyNot(cause)}; it must be a folder of yours`
      throw new Failure('accept-files', text, { cause })
    }
  }

  /** Before each transfer: a folder that was removed while the node runs is made again. Rejects with Refusal. */
  async ready(): Promise<void> {
    try {
      await this.#make()
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.code !== 'failed') throw refusal
      const cause = new Error(`${whyNot(error)}; make it a folder of yours again, and files are taken`)
      throw new Refusal('failed', 'the other node cannot use its folder for files', { cause })
    }
  }

  /** Opens the partial file of a transfer, old or new. Rejects with what the disk says. */
  async partial(id: string): Promise<Partial> {
    const partial = await Partial.open(join(this.#corner, `${id}.part`))
    // Somebody goes on with it: no sweep, by another node that shares the folder either, takes it for left behind.
    const now = new Date(this.#unixMs())
    await partial.handle.utimes(now, now).catch(() => {})
    return partial
  }

  /** The file that this transfer has become before, as long as it stands there unchanged; else null. */
  async received(id: string): Promise<Received | null> {
    try {
      const path = this.#note(id)
      if ((await lstat(path)).size > NOTE_BYTES_MAX) return null
      const { name, sha256, size, mtimeMs } = JSON.parse(await readFile(path, 'utf8'))
      const file = await lstat(join(this.path, name))
      const isUnchanged = file.isFile() && file.size === size && file.mtimeMs === mtimeMs
      return isUnchanged ? { name, sha256 } : null
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return null
      throw error
    }
  }

  /**
   * Gives a whole file its name, or the first free one of `name (1).ext`, … `name (999).ext`: what is there is never replaced.
   * Durable when it resolves with the name. Rejects with Refusal `too-many-of-that-name`, or with what the disk says.
   */
  async place(id: string, partial: Partial, name: string): Promise<string> {
    await partial.handle.sync()
    const { size, mtimeMs } = await partial.handle.stat()
    const sha256 = partial.sha256()
    for (let number = 0; number <= NUMBERED_MAX; number++) {
      const candidate = numbered(name, number)
      if (await this.#isTaken(candidate)) continue
      // The note comes first: a node that ends in between finds the file by it, and not a second time from the sender.
      await this.#write(id, { name: candidate, sha256, size, mtimeMs })
      if (!(await this.#moveTo(partial.path, candidate))) continue
      partial.placed()
      await this.#syncFolder()
      return candidate
    }
    throw new Refusal(
      'too-many-of-that-name',
      `there are ${NUMBERED_MAX} files of that name; send it under another one`,
    )
  }

  /** Bytes that may still be written here. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path)
    return bavail * bsize
  }

  /** Sweeps now and then, so that looking through the corner does not cost every transfer. */
  async tidy(active: ReadonlySet<string>): Promise<void> {
    this.#begun++
    const isDue = this.#begun % SWEEP_EVERY_TRANSFERS === 0 || this.#unixMs() - this.#sweptMs > SWEEP_EVERY_MS
    if (isDue) await this.sweep(active)
  }

  /** Removes what is too old, and the oldest beyond the bound, but for transfers in `active`. */
  async sweep(active: ReadonlySet<string>): Promise<void> {
    this.#sweptMs = this.#unixMs()
    const entries: { path: string; kind: string; mtimeMs: number }[] = []
    for (const file of await readdir(this.#corner)) {
      const [, id, kind] = ENTRY.exec(file) ?? []
      if (id === undefined || active.has(id)) continue
      const path = join(this.#corner, file)
      const mtimeMs = await changedAtMs(path)
      // Another node that shares the folder may have removed it just now.
      if (mtimeMs !== null) entries.push({ path, kind: kind!, mtimeMs })
    }
    entries.sort((a, b) => b.mtimeMs - a.mtimeMs)
    const oldestMs = this.#sweptMs - PARTIAL_AGE_MS_MAX
    const seen = new Map<string, number>()
    for (const { path, kind, mtimeMs } of entries) {
      const count = (seen.get(kind) ?? 0) + 1
      seen.set(kind, count)
      if (mtimeMs < oldestMs || count > ENTRIES_MAX) await rm(path, { force: true })
    }
  }

  /** What is missing of the folder and its corner. */
  async #make(): Promise<void> {
    await makeFolders(this.path, 0o700)
    await mkdir(this.#corner, { mode: 0o700 }).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error
    })
    const corner = await lstat(this.#corner)
    if (!corner.isDirectory()) throw new Error(`${this.#corner} is no folder`)
    if (process.platform !== 'win32') await chmod(this.#corner, 0o700)
  }

  #note(id: string): string {
    return join(this.#corner, `${id}.done`)
  }

  async #write(id: string, note: object): Promise<void> {
    const temporary = `${this.#note(id)}.tmp`
    await rm(temporary, { force: true })
    await writeFile(temporary, JSON.stringify(note), { flag: 'wx', mode: 0o600 })
    await rename(temporary, this.#note(id))
  }

  async #isTaken(name: string): Promise<boolean> {
    return (await changedAtMs(join(this.path, name))) !== null
  }

  /** False when something has that name by now. A link, unlike a rename, replaces nothing. */
  async #moveTo(from: string, name: string): Promise<boolean> {
    const to = join(this.path, name)
    try {
      await link(from, to)
      await rm(from, { force: true })
      return true
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      if (!NO_LINKS.includes(errnoOf(error))) throw error
    }
    try {
      // The name is taken by an empty file of our own making, which the rename replaces.
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
      await (await open(to, flags, 0o600)).close()
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      throw error
    }
    await rename(from, to)
    return true
  }

  /** Without this a crash can forget the new name. Windows cannot open a folder for it and does not need to. */
  async #syncFolder(): Promise<void> {
    if (process.platform === 'win32') return
    const folder = await open(this.path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

/** Null where nothing is. */
async function changedAtMs(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).mtimeMs
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Why a folder cannot be made or used, in words. */
function whyNot(error: unknown): string {
  return errnoOf(error) === 'EEXIST' ? 'it is no folder' : errnoWords(error)
}

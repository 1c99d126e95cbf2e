// Ordered maps of bytes on disk, by lmdb: what `Databases` in world.ts asks for. Knows nothing of what is kept in them.
//
// Durable means: lmdb's plain commit, without overlappingSync. It writes the changed pages beside the old ones, waits for
// fdatasync, and then writes the root through a descriptor that waits for the disk too. A process that dies, or power that
// fails, leaves either root. Measured, it is also the faster way when each commit is waited for.
//
// Each value carries a CRC-32 of key and value: lmdb has no checksums, and a bundle with a flipped bit must not be passed on.

import { existsSync } from 'node:fs'
import { readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { MeshError, reasonOf } from '../errors.ts'
import { damageOf } from './database-check.ts'
import { errnoWords } from './errno.ts'
import { makeFolders } from './folders.ts'
import type { Database, DatabaseChange, DatabaseEntry, Databases } from './world.ts'

export const DATABASE_KEY_BYTES_MAX = 512
const CHECKSUM_BYTES = 4
const DATA_FILE = 'data.mdb'
const LOCK_FILE = 'lock.mdb'
/** Written on an orderly close: what the data file looked like. While it still does, no page needs to be checked. */
const CLOSED_FILE = 'closed'
/** lmdb's lock file for 8 readers takes 720 bytes; it is made whole, since a hole in it is a SIGBUS once the disk is full. */
const LOCK_FILE_BYTES = 4_096
/** Readers besides the one of this process do not exist; lmdb keeps a few for itself. */
const READERS_MAX = 8
/** What a commit writes beside its values: pages of both trees. A guess on the high side for small commits. */
const COMMIT_EXTRA_BYTES = 262_144
/** lmdb prints each failure to stderr. While the disk has no room, it is not asked more often than this. */
const FULL_DISK_RETRY_MS = 30_000
/** A larger buffer for values is not kept for the next commit. */
const KEPT_BUFFER_BYTES_MAX = 16 * 1_048_576

/** What is used of lmdb's root database. */
interface Lmdb {
  getBinary(key: Uint8Array): Uint8Array | undefined
  getRange(options: object): Iterable<{ key: Uint8Array; value: Uint8Array }>
  put(key: Uint8Array, value: Uint8Array): Promise<boolean>
  remove(key: Uint8Array): Promise<boolean>
  batch(run: () => void): Promise<boolean>
  close(): Promise<void>
}
type OpenLmdb = (options: object) => Lmdb

/** The databases of this machine. lmdb is loaded when the first one is opened. */
export const nodeDatabases: Databases = {
  async open(path, accepts): Promise<{ database: Database; setAside: string | null }> {
    const { open } = (await import('lmdb')) as unknown as { open: OpenLmdb }
    let setAside: string | null = null
    for (;;) {
      const database = await openWhole(path, open)
      if (database !== null && isAccepted(database, accepts)) return { database, setAside }
      await database?.close()
      if (setAside !== null) throw new MeshError('data-folder', `cannot use a new database in ${path}`)
      setAside = await moveAside(path)
    }
  },
}

function isAccepted(database: Database, accepts: ((database: Database) => boolean) | undefined): boolean {
  try {
    return accepts === undefined || accepts(database)
  } catch (error) {
    // What cannot be read is not accepted.
    if (error instanceof MeshError) return false
    throw error
  }
}

/** Null when what is there is damaged. */
async function openWhole(path: string, open: OpenLmdb): Promise<LmdbDatabase | null> {
  try {
    await makeFolders(path, 0o700)
    const data = join(path, DATA_FILE)
    if (!(await wasClosed(path)) && (await damageOf(data)) !== null) return null
    await rm(join(path, CLOSED_FILE), { force: true })
    const lock = join(path, LOCK_FILE)
    if (!existsSync(lock)) await writeFile(lock, new Uint8Array(LOCK_FILE_BYTES), { mode: 0o600 })
    return new LmdbDatabase(path, open)
  } catch (error) {
    if (isLmdbCode(error)) return null
    throw new MeshError('data-folder', `cannot open the database ${path}: ${errnoWords(error)}`, { cause: error })
  }
}

/** lmdb's own codes are negative, those of the system positive. */
function isLmdbCode(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code === 'number' && code < 0
}

async function moveAside(path: string): Promise<string> {
  for (let stamp = Date.now(); ; stamp++) {
    const place = `${path}.damaged-${stamp}`
    if (existsSync(place)) continue
    try {
      await rename(path, place)
      return place
    } catch (error) {
      const text = `cannot move the damaged database ${path} aside: ${errnoWords(error)}`
      throw new MeshError('data-folder', text, { cause: error })
    }
  }
}

async function wasClosed(path: string): Promise<boolean> {
  try {
    return (await readFile(join(path, CLOSED_FILE), 'utf8')) === (await stampOf(path))
  } catch {
    // No such file, or none that can be read: then every page is looked at.
    return false
  }
}

async function stampOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(join(path, DATA_FILE), { bigint: true })
  return `${size} ${mtimeNs} ${ino}\n`
}

class LmdbDatabase implements Database {
  readonly #path: string
  readonly #open: OpenLmdb
  /** Null when it could not be opened anew after a failure. */
  #lmdb: Lmdb | null
  #closed = false
  /** A commit failed: lmdb may refuse all further ones, or wait for ever, unless it is opened anew. */
  #isSpent = false
  #refusedAtMs = Number.NEGATIVE_INFINITY
  #values: Uint8Array = new Uint8Array(0)
  /** Commits one after the other: lmdb would join those of one turn into one, and fail them together. */
  #last: Promise<void> = Promise.resolve()

  /** Throws what lmdb throws. */
  constructor(path: string, open: OpenLmdb) {
    this.#path = path
    this.#open = open
    this.#lmdb = this.#opened()
  }

  get(key: Uint8Array): Uint8Array | null {
    try {
      const found = this.#alive().getBinary(key)
      return found === undefined ? null : checkedValue(key, found)
    } catch (error) {
      throw this.#unreadable(error)
    }
  }

  *range(from: Uint8Array, to: Uint8Array, options: { reverse?: boolean } = {}): Generator<DatabaseEntry> {
    const ends = options.reverse
      ? { start: to, exclusiveStart: true, end: from, inclusiveEnd: true, reverse: true }
      : { start: from, end: to }
    try {
      for (const { key, value } of this.#alive().getRange(ends)) {
        yield { key: plain(key), value: checkedValue(key, value) }
      }
    } catch (error) {
      throw this.#unreadable(error)
    }
  }

  commit(changes: readonly DatabaseChange[]): Promise<void> {
    const mine = this.#last.then(() => this.#write(changes))
    this.#last = mine.then(ignore, ignore)
    return mine
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#last
    try {
      await this.#release()
      if (!this.#isSpent) await writeFile(join(this.#path, CLOSED_FILE), await stampOf(this.#path), { mode: 0o600 })
    } catch {
      // Nothing is lost by it: every commit was durable, and without that file the next start looks at every page.
    }
  }

  async #write(changes: readonly DatabaseChange[]): Promise<void> {
    if (this.#closed) throw new MeshError('data-folder', `the database ${this.#path} is closed`)
    const bytes = this.#sizeOf(changes)
    if (changes.length === 0) return
    try {
      if (this.#isSpent) await this.#openAnew(bytes)
      await this.#batch(changes, bytes)
    } catch (error) {
      this.#isSpent = true
      const reason = (await this.#isFull(bytes)) ? 'the disk is full' : await causeOf(error)
      throw new MeshError('data-folder', `cannot write to ${this.#path}: ${reason}`, { cause: error })
    }
    this.#refusedAtMs = Number.NEGATIVE_INFINITY
  }

  /** Bytes of keys and values. Throws before anything is written: half of a batch must not be left behind. */
  #sizeOf(changes: readonly DatabaseChange[]): number {
    let bytes = 0
    for (const { key, value } of changes) {
      if (key.length === 0 || key.length > DATABASE_KEY_BYTES_MAX) {
        throw new MeshError('data-folder', `a key of ${key.length} bytes in ${this.#path}`)
      }
      if (value !== null) bytes += key.length + value.length + CHECKSUM_BYTES
    }
    return bytes
  }

  async #batch(changes: readonly DatabaseChange[], bytes: number): Promise<void> {
    // lmdb's thread reads the values where they lie, until the commit is over.
    const values = this.#values.length >= bytes ? this.#values : new Uint8Array(bytes)
    if (bytes <= KEPT_BUFFER_BYTES_MAX) this.#values = values
    const view = new DataView(values.buffer)
    const lmdb = this.#alive()
    let at = 0
    const committed = lmdb.batch(() => {
      for (const { key, value } of changes) {
        if (value === null) {
          lmdb.remove(key)
          continue
        }
        values.set(value, at)
        const end = at + value.length
        view.setUint32(end, crc32(values.subarray(at, end), crc32(key)))
        lmdb.put(key, values.subarray(at, end + CHECKSUM_BYTES))
        at = end + CHECKSUM_BYTES
      }
    })
    try {
      await committed
    } catch (error) {
      // Told a second time as a promise of its own, that nobody else would listen to.
      ;(error as { commitError?: Promise<unknown> }).commitError?.catch(ignore)
      throw error
    }
  }

  /** After a failure lmdb's state in memory is not to be trusted. Rejects while the disk has no room. */
  async #openAnew(bytes: number): Promise<void> {
    if (await this.#isFull(bytes)) {
      const now = performance.now()
      if (now - this.#refusedAtMs < FULL_DISK_RETRY_MS) throw new Error('the disk is full')
      this.#refusedAtMs = now
    }
    await this.#release()
    this.#lmdb = this.#opened()
    this.#isSpent = false
  }

  /** While it is being closed, nobody may read it. */
  async #release(): Promise<void> {
    const lmdb = this.#lmdb
    this.#lmdb = null
    await lmdb?.close()
  }

  #opened(): Lmdb {
    return this.#open({
      path: this.#path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
      maxReaders: READERS_MAX,
      permissionsMode: 0o600,
    })
  }

  #alive(): Lmdb {
    if (this.#lmdb === null) throw new Error('it is not open')
    return this.#lmdb
  }

  #unreadable(error: unknown): MeshError {
    return new MeshError('data-folder', `cannot read ${this.#path}: ${reasonOf(error)}`, { cause: error })
  }

  async #isFull(bytes: number): Promise<boolean> {
    try {
      const { bavail, bsize } = await statfs(this.#path)
      return bavail * bsize < bytes + COMMIT_EXTRA_BYTES
    } catch {
      // Then the disk has another trouble, which the commit tells of.
      return false
    }
  }
}

/** An empty value where the checksum says that it is not what was written. */
function checkedValue(key: Uint8Array, found: Uint8Array): Uint8Array {
  const length = found.length - CHECKSUM_BYTES
  if (length < 0) return new Uint8Array(0)
  const value = new Uint8Array(found.buffer, found.byteOffset, length)
  const told = new DataView(found.buffer, found.byteOffset + length, CHECKSUM_BYTES).getUint32(0)
  return crc32(value, crc32(key)) === told ? value : new Uint8Array(0)
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

async function causeOf(error: unknown): Promise<string> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  if (commitError === undefined) return reasonOf(error)
  const later = new Promise((resolve) => setImmediate(resolve, error))
  return reasonOf(await Promise.race([commitError.catch((inner: unknown) => inner), later]))
}

function ignore(): void {}

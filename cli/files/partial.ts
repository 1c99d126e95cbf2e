// One file that is being received: a temporary file in the receiving folder's own corner, appended to, hashed as it grows. It
// survives the node, so that the transfer can go on later. docs/files.md.

import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { errnoOf } from './errno.ts'

const READ_BYTES = 1_048_576
/** Windows has no such flag, and makes links only for those who may do everything anyway. */
const NO_FOLLOW: number = constants.O_NOFOLLOW ?? 0

export class Partial {
  readonly path: string
  readonly handle: FileHandle
  #bytes: number
  #hash: Hash
  #isPlaced = false

  private constructor(path: string, handle: FileHandle, bytes: number, hash: Hash) {
    this.path = path
    this.handle = handle
    this.#bytes = bytes
    this.#hash = hash
  }

  /** Goes on with the file that is there, or begins one. Rejects with what the disk says. */
  static async open(path: string): Promise<Partial> {
    const handle = (await openOld(path)) ?? (await open(path, NEW, 0o600))
    try {
      const hash = createHash('sha256')
      return new Partial(path, handle, await hashFile(handle, Number.POSITIVE_INFINITY, hash), hash)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** What is there. */
  get bytes(): number {
    return this.#bytes
  }

  /** SHA-256 of what is there, hex. */
  sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, this.#bytes)
      this.#hash.update(bytes.subarray(done, done + bytesWritten))
      this.#bytes += bytesWritten
      done += bytesWritten
    }
  }

  /** Forgets what is there. */
  async restart(): Promise<void> {
    await this.handle.truncate(0)
    this.#bytes = 0
    this.#hash = createHash('sha256')
  }

  /** The file has its own name now: its place here is free. */
  placed(): void {
    this.#isPlaced = true
  }

  /** Lets go of the file; what is empty is removed, and so is what `forget` says. */
  async close(forget: boolean): Promise<void> {
    await this.handle.close()
    if (!this.#isPlaced && (forget || this.#bytes === 0)) await rm(this.path, { force: true })
  }
}

const NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW

/** Null where there is none that can be gone on with. */
async function openOld(path: string): Promise<FileHandle | null> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDWR | NO_FOLLOW)
  } catch (error) {
    const code = errnoOf(error)
    // A symbolic link where our file should be: whatever it is for, it is not followed.
    if (code === 'ELOOP' || code === 'EMLINK') await rm(path, { force: true })
    else if (code !== 'ENOENT') throw error
    return null
  }
  const { nlink } = await handle.stat()
  if (nlink <= 1) return handle
  // It has another name too: a file that was received whole just before the node ended. That one must not change.
  await handle.close()
  await rm(path, { force: true })
  return null
}

/** Feeds the first `bytesMax` bytes to `hash`; resolves with how many there were. Reads by the piece, so others get their turn. */
export async function hashFile(handle: FileHandle, bytesMax: number, hash: Hash): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  let at = 0
  while (at < bytesMax) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, bytesMax - at), at)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  return at
}

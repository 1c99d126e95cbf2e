// The socket as a thing on the disk: makes room for it, never at the cost of a node that lives, and takes it away. Nobody but
// its owner can connect. docs/api.md, "Where it is".

import { chmodSync, existsSync, lstatSync, mkdtempSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { reasonOf } from '../../lib/errors.ts'
import { Failure } from '../failures.ts'
import { type ApiPlace, isTooLong, linkedPath, SOCKET_NAME } from './place.ts'

/** Nobody else may as much as see whether it answers: before the mode is set it is this. */
const UMASK = 0o177

export class SocketFile {
  readonly #place: ApiPlace
  readonly #platform: NodeJS.Platform
  /** Where the socket really is, when its path is too long. */
  #shortPath: string | null = null

  constructor(place: ApiPlace, platform: NodeJS.Platform) {
    this.#place = place
    this.#platform = platform
  }

  /**
   * Makes room and listens. What a killed node left is replaced. Rejects with Failure `local-api`: another node answers
   * there, something else stands there, or the system refuses.
   */
  async listen(server: Server): Promise<void> {
    const { path, isChosen } = this.#place
    if (this.#platform === 'win32') return this.#bind(server, path)
    // In a data folder the lock has said already that whoever left a socket is dead.
    if (isChosen && (await answers(linkedPath(path) ?? path))) {
      throw failure(`a node answers at ${path} already; choose another path with --api`)
    }
    if (!existsSync(dirname(path))) {
      throw failure(`there is no folder for the local socket ${path}; make it, or choose another path with --api`)
    }
    try {
      clear(path)
      if (isTooLong(this.#place, this.#platform)) {
        // Of a random name, and 0700 from the start: nobody can have been there before.
        this.#shortPath = join(mkdtempSync(join(tmpdir(), 'meshd-')), SOCKET_NAME)
        symlinkSync(this.#shortPath, path)
      }
    } catch (error) {
      if (error instanceof Failure) throw error
      throw failure(`cannot make the local socket ${path}: ${reasonOf(error)}`, error)
    }
    await this.#bind(server, this.#shortPath ?? path)
    chmodSync(this.#shortPath ?? path, 0o600)
  }

  /** Takes away what `listen` made. The server has been closed. */
  remove(): void {
    if (this.#platform === 'win32') return
    if (this.#shortPath !== null) removeShort(this.#shortPath)
    rmSync(this.#place.path, { force: true })
  }

  #bind(server: Server, path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        this.remove()
        reject(failure(`cannot listen on the local socket ${this.#place.path}: ${reasonOf(error)}`, error))
      }
      server.once('error', failed)
      // The system makes the file within this call.
      const before = process.umask(UMASK)
      try {
        server.listen({ path }, () => {
          server.off('error', failed)
          resolve()
        })
      } finally {
        process.umask(before)
      }
    })
  }
}

/** Removes what a node left here. Throws Failure `local-api` when it is anything else. */
function clear(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  const target = status.isSymbolicLink() ? linkedPath(path) : null
  if (!status.isSocket() && target === null) {
    throw failure(`${path} is there and is no socket; remove it, or choose another path with --api`)
  }
  if (target !== null) removeShort(target)
  rmSync(path, { force: true })
}

/** The socket and the folder that was made for it. What is not there, or not ours, stays. */
function removeShort(path: string): void {
  try {
    rmSync(path, { force: true })
    rmdirSync(dirname(path))
  } catch {
    // It lies where the system cleans up by itself, and says nothing any more.
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function failure(text: string, cause?: unknown): Failure {
  return new Failure('local-api', text, { cause })
}

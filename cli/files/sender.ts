// The sending end of one try: offers the file, goes on behind what the other node has of it, and hears under which name it was
// kept. Reads the file by the piece; trying again is for cp-command.ts. docs/files.md.

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { reasonOf } from '../../lib/errors.ts'
import { errnoWords } from '../../lib/io/errno.ts'
import { Failure } from '../failures.ts'
import { ByteReader } from './byte-reader.ts'
import { encodeLine, type Offer, parseDone, parseHeld } from './messages.ts'
import { hashFile } from './partial.ts'

const PIECE_BYTES = 262_144
/** While this end looks through its file, it says that it is still there. */
const STILL_THERE_MS = 15_000
/** A named pipe without a writer would be waited for where no signal reaches. Windows has none of that kind. */
const NO_WAIT: number = constants.O_NONBLOCK ?? 0

export interface SenderEvents {
  /** The talk has begun; bytes up to `from` need not be sent. */
  began(from: number): void
  /** Bytes up to here have been handed to the stream. */
  moved(bytes: number): void
}

export interface Sent {
  /** Under which the other node keeps it. */
  readonly name: string
  readonly sha256: string
}

export interface SourceFile {
  readonly handle: FileHandle
  readonly offer: Offer
}

/** Opens a file to be sent as `name`. Rejects with Failure `bad-file`. */
export async function openSource(path: string, name: string): Promise<SourceFile> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | NO_WAIT)
  } catch (cause) {
    throw new Failure('bad-file', `cannot read ${path}: ${errnoWords(cause)}`, { cause })
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) {
      throw new Failure('bad-file', `${path} is no file; a folder can go as an archive, or through meshd pipe`)
    }
    if (stat.size === 0 && (await hasByte(handle))) {
      throw new Failure('bad-file', `${path} does not tell its size; it can go as a copy, or through meshd pipe`)
    }
    return { handle, offer: { name, size: stat.size, mtimeMs: wholeMs(stat.mtimeMs) } }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Files that the system makes while they are read, those of /proc, have the size 0. Rejects with Failure `bad-file`. */
async function hasByte(handle: FileHandle): Promise<boolean> {
  const { bytesRead } = await handle.read(new Uint8Array(1), 0, 1, 0).catch((cause: unknown) => {
    throw unreadable(cause)
  })
  return bytesRead > 0
}

/**
 * Sends the file over a stream of FILES_PROTOCOL and resolves once the other node has it whole and safe. Rejects with Refusal,
 * Failure `file-changed`, or what the stream fails with. The stream is over then, or to be destroyed by the caller.
 */
export async function sendFile(stream: Duplex, { handle, offer }: SourceFile, events: SenderEvents): Promise<Sent> {
  const reader = new ByteReader(stream)
  stream.write(encodeLine(offer))
  const held = parseHeld(await reader.line(), offer.size)
  let hash = createHash('sha256')
  const stillThere = setInterval(() => stream.write(encodeLine({ wait: true })), STILL_THERE_MS)
  try {
    await hashFile(handle, held.have, hash)
  } catch (cause) {
    throw unreadable(cause)
  } finally {
    clearInterval(stillThere)
  }
  const isSame = hash.copy().digest('hex') === held.sha256
  if (!isSame) hash = createHash('sha256')
  const from = isSame ? held.have : 0
  stream.write(encodeLine({ from }))
  events.began(from)

  // The other node may say in the middle that it cannot go on, or the stream may fail.
  const outcome = new Outcome(reader.line())
  for (let at = from; at < offer.size; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, offer.size - at))
    const { bytesRead } = await handle.read(piece, 0, piece.length, at).catch((cause: unknown) => {
      throw unreadable(cause)
    })
    if (bytesRead === 0) throw changed()
    const bytes = piece.subarray(0, bytesRead)
    hash.update(bytes)
    at += bytesRead
    if (!stream.write(bytes) && !outcome.isThere) await Promise.race([drained(stream), outcome.there])
    if (outcome.isThere) break
    events.moved(at)
  }
  if (!outcome.isThere) {
    const { size, mtimeMs } = await handle.stat()
    if (size !== offer.size || wholeMs(mtimeMs) !== offer.mtimeMs) throw changed()
    stream.end(encodeLine({ sha256: hash.copy().digest('hex') }))
  }
  const name = parseDone(await outcome.line)
  await reader.drain()
  return { name, sha256: hash.digest('hex') }
}

/** A line that is waited for while something else is done. */
class Outcome {
  readonly line: Promise<Uint8Array>
  /** Resolves when the line has come, or never will. */
  readonly there: Promise<void>
  isThere = false

  constructor(line: Promise<Uint8Array>) {
    this.line = line
    const note = (): void => {
      this.isThere = true
    }
    this.there = line.then(note, note)
  }
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve))
}

function wholeMs(ms: number): number {
  return Math.max(0, Math.floor(ms))
}

function unreadable(cause: unknown): Failure {
  return new Failure('bad-file', `the file cannot be read: ${reasonOf(cause)}`, { cause })
}

function changed(): Failure {
  return new Failure('file-changed', 'the file was changed while it was being sent; send it again')
}

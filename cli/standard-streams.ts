// Standard input and output where Node's own are not true to what they stand for. It takes a disk (`/dev/sdb`) for nothing at all,
// an empty input and an output that swallows, and so it does a folder; and of a write into a file it does not look how much of it
// found room, so that a disk which fills up cuts off the end unnoticed. All others are Node's.

import { createReadStream, fstatSync, type Stats, writeSync } from 'node:fs'
import { Writable } from 'node:stream'
import type { InputStream, OutputStream } from './mode.ts'

const [INPUT, OUTPUT] = [0, 1]

type Kinds = Pick<Stats, 'isFile' | 'isBlockDevice' | 'isDirectory'>

/** Reading a folder fails with the system's own word for it. */
export function standardInput(kinds: Kinds | null = kindsOf(INPUT)): InputStream {
  const isUnknownToNode = kinds !== null && (kinds.isBlockDevice() || kinds.isDirectory())
  return isUnknownToNode ? createReadStream('', { fd: INPUT, autoClose: false }) : process.stdin
}

export function standardOutput(kinds: Kinds | null = kindsOf(OUTPUT)): OutputStream & { readonly columns?: number } {
  return kinds !== null && (kinds.isFile() || kinds.isBlockDevice()) ? new DiskOutput(OUTPUT) : process.stdout
}

/** As a program that may end at any time needs it: what was written has left. All of it, or the stream fails. */
export class DiskOutput extends Writable {
  readonly #fd: number
  readonly #write: (fd: number, bytes: Uint8Array) => number

  /** `write` tells how many bytes it has written, which may be fewer than it was given. */
  constructor(fd: number, write: (fd: number, bytes: Uint8Array) => number = writeSync) {
    super()
    this.#fd = fd
    this.#write = write
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      for (let at = 0; at < chunk.length; ) at += this.#write(this.#fd, chunk.subarray(at))
    } catch (error) {
      return done(error as Error)
    }
    done()
  }
}

/** Null where there is nothing that could be asked. */
function kindsOf(fd: number): Kinds | null {
  try {
    return fstatSync(fd)
  } catch {
    return null
  }
}

// The secret of a private network, from a file that nobody else can read or from the first line of standard input; never
// from the command line, where every user of the machine could see it.

import { open } from 'node:fs/promises'
import { MeshError, reasonOf } from '../lib/errors.ts'
import { parseNetworkKey } from '../lib/identity/key-file.ts'
import { Failure } from './failures.ts'
import type { LineInput } from './input.ts'

/** Every form of a key is far shorter. */
const KEY_BYTES_MAX = 1_024

/** 32 bytes. Throws Failure `key-file` (not there, readable by others, too long) or MeshError `bad-key`. */
export async function readNetworkKeyFile(path: string, platform: NodeJS.Platform): Promise<Uint8Array> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : reasonOf(cause)
    throw new Failure('key-file', `cannot read the network key ${path}: ${why}; it must name a file that holds it`, {
      cause,
    })
  }
  try {
    // The open file is what is looked at and read: a path could be exchanged in between.
    const status = await file.stat()
    if (status.isDirectory()) throw new Failure('key-file', `${path} is a folder; it must be a file that holds the key`)
    const mode = status.mode & 0o777
    if (status.isFile() && platform !== 'win32' && (mode & 0o077) !== 0) {
      const octal = mode.toString(8).padStart(3, '0')
      throw new Failure('key-file', `others can read the network key ${path} (mode ${octal}); run: chmod 600 ${path}`)
    }
    return parsed(await readAtMost(file, path), path)
  } finally {
    await file.close()
  }
}

/** 32 bytes. Takes one line. Throws Failure `key-file` when there is none, or MeshError `bad-key`. */
export async function readNetworkKeyLine(input: LineInput): Promise<Uint8Array> {
  const line = await input.line()
  if (line?.kind !== 'line') {
    throw new Failure('key-file', 'no network key on standard input; with --network-key - its first line is the key')
  }
  return parseNetworkKey(line.bytes)
}

/** Throws MeshError `bad-key` that names the file. */
function parsed(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return parseNetworkKey(bytes)
  } catch (cause) {
    throw new MeshError('bad-key', `${path}: ${reasonOf(cause)}`, { cause })
  }
}

async function readAtMost(file: Awaited<ReturnType<typeof open>>, path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(KEY_BYTES_MAX + 1)
  let length = 0
  while (length < buffer.length) {
    // Position null: a pipe (`--network-key <(command)`) is read from where it stands.
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null)
    if (bytesRead === 0) return buffer.slice(0, length)
    length += bytesRead
  }
  throw new Failure('key-file', `${path} is too long for a network key; it must hold 32 bytes, 64 hex digits or base64`)
}

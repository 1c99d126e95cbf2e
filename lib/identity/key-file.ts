// A node's identity on disk, and the secret of a private network as people keep it in a file. Says what a file holds; where it
// lies is the caller's choice. An identity is never replaced in silence: others know the node by it.

import { dirname } from 'node:path'
import { textOf } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import type { Files, Random } from '../io/world.ts'

export const KEY_FILE_MODE = 0o600

/**
 * The 32-byte seed in the file at `path`; where there is no file, a new one is made, durable before this resolves, with mode
 * 0600. Rejects with MeshError `key-file`, which names the file, what is wrong and the command that mends it, when others may read
 * the file or it does not hold 32 bytes.
 */
export async function loadOrCreateSeed(
  files: Files,
  random: Random,
  path: string,
): Promise<{ seed: Uint8Array; created: boolean }> {
  // Asked before the bytes are read: a key that others could read is not taken up at all.
  const mode = await files.mode(path)
  if (mode !== null && (mode & 0o077) !== 0) {
    const digits = mode.toString(8).padStart(4, '0')
    throw new MeshError(
      'key-file',
      `key file ${path} is open to others (mode ${digits}); if nobody has copied it, run: chmod 600 ${quoted(path)}`,
    )
  }
  const found = await files.read(path)
  if (found === null) {
    const seed = random.bytes(32)
    await files.makeFolder(dirname(path))
    await files.writeAtomic(path, seed, KEY_FILE_MODE)
    return { seed, created: true }
  }
  if (found.length !== 32) throw broken(path, `holds ${found.length} bytes, not 32`)
  // What a file system may leave of a file after a power cut; everybody would have the same key.
  if (found.every((byte) => byte === 0)) throw broken(path, 'holds only zeros')
  return { seed: found.slice(), created: false }
}

function broken(path: string, what: string): MeshError {
  const mending = `restore it from a backup, or become a new node with: mv ${quoted(path)} ${quoted(`${path}.broken`)}`
  return new MeshError('key-file', `key file ${path} ${what}; ${mending}`)
}

function quoted(path: string): string {
  return /^[\w./:@%+,=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/**
 * The 32-byte secret in a network key file: 32 raw bytes, or 64 hex digits, or 32 bytes in base64 (either alphabet, padding
 * optional); the text forms may end with a newline. The result is a copy. Throws MeshError `bad-key` on anything else.
 */
export function parseNetworkKey(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 32) return bytes.slice()
  const text = bytes.length <= 66 ? textOf(bytes)?.replace(/\r?\n$/, '') : undefined
  if (text !== undefined && /^[0-9a-fA-F]{64}$/.test(text)) return new Uint8Array(Buffer.from(text, 'hex'))
  if (text !== undefined && /^[A-Za-z0-9+/_-]{43}=?$/.test(text)) {
    const key = Buffer.from(text, 'base64url')
    // The last digit carries two bits that must be zero: else this is not how anybody writes 32 bytes.
    if (key.toString('base64url') === toUrlAlphabet(text)) return new Uint8Array(key)
  }
  throw new MeshError(
    'bad-key',
    'a network key is 32 random bytes: raw, as 64 hex digits, or in base64; make one with: (umask 077; head -c 32 /dev/urandom > network.key)',
  )
}

function toUrlAlphabet(base64: string): string {
  return base64.replace('=', '').replaceAll('+', '-').replaceAll('/', '_')
}

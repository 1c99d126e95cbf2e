// Where the local socket of a node is: in its data folder, or where --api says; on Windows a named pipe. A node and those who
// talk to it find it by the same settings. docs/api.md, "Where it is".

import { createHash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export const SOCKET_NAME = 'api.sock'
/**
 * The kernel takes 107 bytes on Linux and 103 on macOS. Where a path is longer, the socket has a short one elsewhere, and a
 * symbolic link stands in its place.
 */
export const SOCKET_PATH_BYTES_MAX = 100

export interface ApiPlace {
  /** As people name it: an absolute path, or the name of a pipe. */
  readonly path: string
  /** Named by --api, and so in no folder that a lock keeps for one node. */
  readonly isChosen: boolean
}

/** Null where there is neither a data folder nor a path of the user's own: then the node has no local socket. */
export function apiPlaceOf(
  { api, dataDir }: { readonly api: string | null; readonly dataDir: string | null },
  platform: NodeJS.Platform,
): ApiPlace | null {
  const path = api ?? (dataDir === null ? null : join(dataDir, SOCKET_NAME))
  if (path === null) return null
  return { path: platform === 'win32' ? pipeName(path) : path, isChosen: api !== null }
}

/** Whether the socket itself cannot be at this path. */
export function isTooLong({ path }: ApiPlace, platform: NodeJS.Platform): boolean {
  return platform !== 'win32' && Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX
}

/** What to connect to, or null when no node has been here, as far as that can be told without connecting. */
export function connectPathOf(place: ApiPlace, platform: NodeJS.Platform): string | null {
  return isTooLong(place, platform) ? linkedPath(place.path) : place.path
}

/** Where a link at this path leads, when it is one that a node made for its socket; else null. */
export function linkedPath(path: string): string | null {
  let target: string
  try {
    target = readlinkSync(path)
  } catch {
    // Nothing there, or no link: either way nobody can be reached by it.
    return null
  }
  return basename(target) === SOCKET_NAME && basename(dirname(target)).startsWith('meshd-') ? target : null
}

function pipeName(path: string): string {
  const name = createHash('sha256').update(path.toLowerCase()).digest('hex').slice(0, 32)
  return `\\\\.\\pipe\\meshd-${name}`
}

// Where `run --http` listens: an address of its own, on this machine alone unless one is named, or the port of the mesh.

import { UsageError } from '../failures.ts'

export type HttpPlace =
  | { readonly kind: 'same' }
  /** `host`: an IP address or a name; `port` 0 takes a free one. */
  | { readonly kind: 'own'; readonly host: string; readonly port: number }

const LOOPBACK = '127.0.0.1'
const SHOULD = 'it must be PORT, HOST:PORT, [v6]:PORT, or same for the port of the mesh'

/** `from` names the setting. Throws UsageError. */
export function parseHttpPlace(text: string, from: string): HttpPlace {
  if (text === 'same') return { kind: 'same' }
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]:|([^\s:[\]/]*):)?(0|[1-9][0-9]{0,4})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new UsageError(`${from} is ${JSON.stringify(text)}; ${SHOULD}`)
  return { kind: 'own', host: match[1] ?? (match[2] || LOOPBACK), port }
}

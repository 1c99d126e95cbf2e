// Makes a net.Socket read into one buffer of the process instead of a new one for each read. node:net offers that as the
// option `onread` of `connect` only; an accepted socket takes the same way inside Node, by three properties and one call of
// its handle. All of them are looked for, and where one is missing (another version of Node) the socket stays as it is.
// libuv asks for the buffer, reads and reports within one callback, so sockets can share it.

import type { Socket as NetSocket } from 'node:net'

/** Four of the reads that libuv would do by itself: most records then lie whole in one read. */
const SHARED_BYTES = 262_144
const shared = new Uint8Array(SHARED_BYTES)

interface StreamHandle {
  useUserBuffer?(buffer: Uint8Array): void
}

/** The keys of the properties, which are the same on every socket; null before the first. */
let keys: { readonly buffer: symbol; readonly callback: symbol; readonly generator: symbol } | null = null

/** `data` gets views of the shared buffer. Returns whether it could be done; if not, nothing has changed. */
export function readIntoShared(socket: NetSocket, data: (bytes: Uint8Array) => void): boolean {
  const handle = (socket as unknown as { _handle?: StreamHandle | null })._handle
  keys ??= keysOn(socket)
  if (typeof handle?.useUserBuffer !== 'function' || keys === null) return false
  const { buffer, callback, generator } = keys
  const slots = socket as unknown as Record<symbol, unknown>
  if (slots[buffer] !== null) return false
  slots[buffer] = shared
  slots[generator] = null
  slots[callback] = (length: number): boolean => {
    data(shared.subarray(0, length))
    return true
  }
  handle.useUserBuffer(shared)
  return true
}

function keysOn(socket: NetSocket): typeof keys {
  const symbols = Object.getOwnPropertySymbols(socket)
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    symbols.find((symbol) => symbol.description === name),
  )
  return buffer && callback && generator ? { buffer, callback, generator } : null
}

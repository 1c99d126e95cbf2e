// Notices that the reader of standard output has left although nothing is being written: `meshd sub quiet | head -1`. A write
// would say so, and on a quiet topic there is none for hours. Linux tells whoever polls the writing end of a pipe; Node polls
// only what it can read, so a socket is given a second descriptor of the pipe, and its first "read" is the news. That takes a
// property and two calls inside Node: where one is missing, or the pipe cannot be opened again (it is another user's, there
// is no /proc), all stays as it was, and the next write notices.

import { closeSync, constants, openSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { Writable } from 'node:stream'
import { codeOf } from './failures.ts'

interface PollableHandle {
  open?(descriptor: number): number
  readStart?(): number
}

/**
 * From now on `stream` emits the error `EPIPE` when its reader has left, as a write would have it do. Only for a pipe without
 * a name on Linux: a named one may get another reader, and the other end of a socket may be closed in one direction alone.
 * Returns what ends the watching; it does not keep the process alive.
 */
export function watchReader(stream: Writable): () => void {
  const descriptor = (stream as { fd?: unknown }).fd
  const second = typeof descriptor === 'number' && process.platform === 'linux' ? openAgain(descriptor) : null
  if (second === null) return () => undefined
  // Makes a handle, and never comes to use it: nobody answers what address this is.
  const socket = connect({ host: 'localhost', port: 1, lookup: () => undefined })
  socket.unref()
  socket.on('error', (error) => {
    // The descriptor is not for reading.
    if (codeOf(error) !== 'EBADF') return
    stream.emit('error', Object.assign(new Error('the reader has left'), { code: 'EPIPE', syscall: 'poll' }))
  })
  const { _handle: handle } = socket as unknown as { _handle?: PollableHandle | null }
  const isOpen = typeof handle?.readStart === 'function' && handle.open?.(second) === 0
  if (!isOpen) closeSync(second)
  else handle.readStart!()
  if (!isOpen) socket.destroy()
  return () => void socket.destroy()
}

/** A descriptor with flags of its own: that of standard output may be shared with other programs. */
function openAgain(descriptor: number): number | null {
  const path = `/proc/self/fd/${descriptor}`
  try {
    if (!readlinkSync(path).startsWith('pipe:')) return null
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return null
  }
}

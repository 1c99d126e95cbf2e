// A stream of the mesh and its tunnel to a command made one: what comes out of either goes into the other, each direction ends by
// itself, and what breaks one breaks the other for the same reason.

import type { Duplex } from 'node:stream'
import { MeshError } from '../../lib/errors.ts'
import type { Tunnel } from './tunnel.ts'

/** Resolves with null when both directions have ended, or with what broke either stream. Nothing is left open then. */
export function joinStreams(tunnel: Tunnel, stream: Duplex): Promise<Error | null> {
  stream.on('finish', () => tunnel.passedOn())
  tunnel.pipe(stream)
  stream.pipe(tunnel)
  return new Promise((resolve) => {
    let error: Error | null = null
    let closed = 0
    const endTogether = (): void => {
      if (!isWhole(tunnel) || !isWhole(stream)) return
      tunnel.destroy()
      stream.destroy()
    }
    const watch = (one: Duplex, other: Duplex): void => {
      for (const event of ['end', 'finish']) one.on(event, endTogether)
      one.on('error', (cause) => {
        error ??= cause
        other.destroy(cause)
      })
      one.on('close', () => {
        if (!isWhole(one)) {
          error ??= new MeshError('aborted', 'the stream was destroyed before it had ended')
          other.destroy(one.errored ?? undefined)
        }
        if (++closed === 2) resolve(error)
      })
    }
    watch(tunnel, stream)
    watch(stream, tunnel)
  })
}

function isWhole(stream: Duplex): boolean {
  return stream.readableEnded && stream.writableFinished
}

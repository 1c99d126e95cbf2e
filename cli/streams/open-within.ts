// A stream, or none in time: the one who waits is told, whatever the node and the way there are doing.

import { MeshError } from '../../lib/errors.ts'
import type { DoorStream } from './door.ts'

/**
 * What `open` resolves with. Rejects with MeshError `timed-out` after `timeoutMs` (null: waits on), or as `open` does.
 * `signal` gives it up.
 */
export async function openWithin(
  open: (options: { signal: AbortSignal }) => Promise<DoorStream>,
  signal: AbortSignal,
  timeoutMs: number | null,
): Promise<DoorStream> {
  if (timeoutMs === null) return open({ signal })
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    return await open({ signal: AbortSignal.any([signal, late.signal]) })
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error
    throw new MeshError('timed-out', `no stream was opened within ${timeoutMs / 1000} s`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

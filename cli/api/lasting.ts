// An answer of lines that has no end of its own: it lasts until its reader leaves or the node is about to stop, and shows by
// heartbeats that it is alive. docs/api.md, "Subscribe" and "Answering requests".

import type { ServerResponse } from 'node:http'
import { jsonLine } from '../json-events.ts'
import type { Output } from '../output.ts'
import type { ApiCall } from './node.ts'

/** Resolves when the reader has left, or everything was written. `over` is called once, before the last line. */
export async function last(
  { context, signal }: ApiCall,
  response: ServerResponse,
  output: Output,
  over: () => void,
): Promise<void> {
  const heartbeat = setInterval(() => {
    // Behind what waits it would say nothing.
    if (response.writableLength === 0) output.print(jsonLine({ event: 'heartbeat' }))
  }, context.heartbeatMs)
  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    clearInterval(heartbeat)
    over()
  }
  if (response.destroyed) return
  output.print(jsonLine({ event: 'end' }))
  await output.flush()
  response.end()
}

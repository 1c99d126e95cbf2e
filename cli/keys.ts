// A terminal's keys, one at a time. Several that arrive together (a slow connection, a paste) are taken by Node 20's readline
// for a paste and put at the end of the line wherever the cursor is, and its idea of the rows on the screen gets wrong; fed
// byte by byte it does neither.

import { PassThrough } from 'node:stream'
import type { InputStream } from './mode.ts'

export interface Keys extends InputStream {
  /** Stops reading the terminal. */
  release(): void
}

/** What `stdin` brings, byte by byte. It ends when the terminal does, for whatever reason. */
export function keysOf(stdin: InputStream & { setRawMode?: (raw: boolean) => unknown }): Keys {
  const keys = new PassThrough()
  const feed = (chunk: Buffer): void => {
    for (let i = 0; i < chunk.length; i++) keys.write(chunk.subarray(i, i + 1))
  }
  const end = (): void => {
    keys.end()
  }
  stdin.on('data', feed)
  stdin.on('end', end)
  stdin.on('close', end)
  // A terminal that was hung up fails with EIO: that is its end.
  stdin.on('error', end)
  return Object.assign(keys, {
    isTTY: true,
    setRawMode: (raw: boolean) => stdin.setRawMode?.(raw),
    release: () => {
      stdin.off('data', feed)
      stdin.pause()
    },
  })
}

// Someone on the path: accepts connections, makes one to the real listener for each, and passes the bytes on as it likes. It
// knows no key; what it changes, it changes blindly.

import type { Endpoint, Socket } from '../../lib/io/world.ts'
import type { VirtualHost } from './network.ts'

/** What goes on instead of `bytes`; `at` is their offset in that direction's stream, `toListener` the direction. */
export type Meddling = (bytes: Uint8Array, at: number, toListener: boolean) => readonly Uint8Array[]

/** Relays every connection to `host` at `endpoint.port` on to `endpoint`. */
export async function relayTo(host: VirtualHost, endpoint: Endpoint, meddle: Meddling): Promise<void> {
  await host.tcp.listen({ host: '::', port: endpoint.port }, (near) => {
    void host.tcp.dial(endpoint, new AbortController().signal).then((far) => {
      pass(near, far, true, meddle)
      pass(far, near, false, meddle)
    })
  })
}

function pass(from: Socket, to: Socket, toListener: boolean, meddle: Meddling): void {
  let at = 0
  from.attach({
    data: (bytes) => {
      for (const part of meddle(bytes, at, toListener)) to.write(part)
      at += bytes.length
    },
    drained: () => {},
    ended: () => to.end(),
    closed: (error) => (error === null ? to.end() : to.destroy({ reset: true })),
  })
}

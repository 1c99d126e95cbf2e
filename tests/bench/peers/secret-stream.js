// The flood written by hand over @hyperswarm/secret-stream: Noise XX, then libsodium's secretstream, in native code. Each end
// proves a key of its own; nobody is refused.

import { once } from 'node:events'
import { createServer, connect as dialTcp } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'

/** @param {import('../peer.ts').PeerSetting} setting @param {{ RawFlood: typeof import('../raw-flood.ts').RawFlood }} tools */
export async function open({ listens }, { RawFlood }) {
  const flood = new RawFlood()
  const keyPair = SecretStream.keyPair()
  const server = createServer({ noDelay: true }, (socket) => {
    const stream = new SecretStream(false, socket, { keyPair })
    stream.on('error', () => undefined)
    stream.once('connect', () => flood.accept(stream))
  })
  if (listens) await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    address: listens ? `${server.address().port}` : '',
    links: () => flood.links,
    dial: async (address) => {
      const socket = dialTcp({ host: '127.0.0.1', port: Number(address), noDelay: true })
      const stream = new SecretStream(true, socket, { keyPair })
      stream.on('error', () => undefined)
      if (!(await stream.opened)) throw new Error('the handshake failed')
      await flood.dialled(stream)
    },
    hangUp: () => flood.hangUp(),
    receive: (handler) => {
      flood.handler = handler
    },
    publish: (payload) => flood.publish(payload),
    close: () => {
      flood.close()
      server.close()
    },
  }
}

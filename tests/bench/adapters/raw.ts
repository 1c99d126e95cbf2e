// The flood written by hand over node:net alone: nothing encrypted, nobody proven.

import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dialTcp } from 'node:net'
import type { BenchPeer, PeerSetting } from '../peer.ts'
import { RawFlood } from '../raw-flood.ts'

export async function open({ listens }: PeerSetting): Promise<BenchPeer> {
  const flood = new RawFlood()
  const server = createServer({ noDelay: true }, (socket) => flood.accept(socket))
  if (listens) await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    address: listens ? `${(server.address() as AddressInfo).port}` : '',
    links: () => flood.links,
    dial: (address) => flood.dialled(dialTcp({ host: '127.0.0.1', port: Number(address), noDelay: true })),
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

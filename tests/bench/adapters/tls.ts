// The flood written by hand over node:tls: TLS 1.3, and both ends show a certificate that the other verifies. All nodes share
// one Ed25519 certificate, which is also the only authority: what is proven is that the other end belongs to us, not who it is.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createSecureContext, createServer, connect as dialTls } from 'node:tls'
import type { BenchPeer, PeerSetting } from '../peer.ts'
import { RawFlood } from '../raw-flood.ts'

export async function open({ listens, certificate }: PeerSetting): Promise<BenchPeer> {
  const flood = new RawFlood()
  const pem = readFileSync(certificate)
  const proof = { key: pem, cert: pem, ca: pem, minVersion: 'TLSv1.3' } as const
  const mutual = { requestCert: true, rejectUnauthorized: true }
  const secureContext = createSecureContext(proof)
  const server = createServer({ ...proof, ...mutual, noDelay: true }, (socket) => flood.accept(socket))
  if (listens) await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    address: listens ? `${(server.address() as AddressInfo).port}` : '',
    links: () => flood.links,
    dial: async (address) => {
      const to = { host: '127.0.0.1', port: Number(address), noDelay: true }
      // The name in a certificate means nothing here; its signature is verified all the same.
      const socket = dialTls({ ...to, ...mutual, secureContext, checkServerIdentity: () => undefined })
      await once(socket, 'secureConnect')
      await flood.dialled(socket)
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

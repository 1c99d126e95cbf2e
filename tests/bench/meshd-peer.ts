// meshd as a node of a benchmark: the public surface with its defaults, only that it looks for nobody by itself.

import { Mesh } from '../../lib/index.ts'
import type { BenchPeer } from './peer.ts'

const TOPIC = 'bench'

export async function meshdPeer(listens: boolean): Promise<BenchPeer> {
  const listen = listens ? ['127.0.0.1:0'] : []
  const mesh = new Mesh({ network: { name: 'bench' }, listen, mdns: false, degree: { target: 0 } })
  await mesh.start()
  let peer = ''
  let handler: ((payload: Uint8Array) => void) | null = null
  return {
    address: mesh.addresses[0] ?? '',
    dial: async (address) => {
      peer = await mesh.connect(address)
    },
    hangUp: () => mesh.disconnect(peer),
    receive: (given) => {
      if (handler === null) mesh.subscribe(TOPIC, (message) => handler!(message.data))
      handler = given
    },
    publish: (payload) => mesh.publish(TOPIC, payload),
    close: () => mesh.stop(),
  }
}

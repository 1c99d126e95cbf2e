// meshd as a node of a benchmark: the public surface with its defaults, only that it looks for nobody by itself and takes
// more neighbours than it otherwise would.

import { Mesh } from '../../../lib/index.ts'
import type { BenchPeer, PeerSetting } from '../peer.ts'

const TOPIC = 'bench'

export async function open({ listens, meshOptions }: PeerSetting): Promise<BenchPeer> {
  const mesh = new Mesh({
    network: { name: 'bench' },
    listen: listens ? ['127.0.0.1:0'] : [],
    mdns: false,
    degree: { target: 0, max: 1024 },
    ...meshOptions,
  })
  await mesh.start()
  let peer = ''
  return {
    address: mesh.addresses[0] ?? '',
    links: () => mesh.stats().neighbours,
    dial: async (address) => {
      peer = await mesh.connect(address)
    },
    hangUp: () => mesh.disconnect(peer),
    receive: (handler) => {
      mesh.subscribe(TOPIC, (message) => handler(message.data))
    },
    publish: (payload) => mesh.publish(TOPIC, payload),
    close: () => mesh.stop(),
  }
}

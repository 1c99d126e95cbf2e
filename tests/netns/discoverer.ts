// A process that does nothing but discovery: parameters are the peer number, the network tag and the port to announce. Prints one
// JSON line for each thing that happens; says goodbye and ends when its standard input does.

import { MdnsDiscovery } from '../../lib/discovery/mdns.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import { nodeWorld } from '../../lib/io/node.ts'

const [number = '1', networkTag = '', port = '0'] = process.argv.slice(2)
const peerId = peerIdOf(new Uint8Array(32).fill(Number(number)))
const world = nodeWorld()
const say = (event: string, about: unknown): void => console.log(JSON.stringify({ event, about }))

const discovery = new MdnsDiscovery({
  clock: world.clock,
  random: world.random,
  multicast: world.multicast!,
  interfaces: world.interfaces,
  peerId,
  networkTag,
  port: () => Number(port),
  found: (candidate) => say('found', candidate),
  lost: (candidate) => say('lost', candidate),
  warn: (code, text) => say('warning', { code, text }),
})
discovery.start()
say('started', peerId)
process.stdin.resume().on('end', async () => {
  await discovery.stop()
  say('stopped', null)
})

// The real world: what lib/io/world.ts asks for, by Node. Nothing but the list of its parts.

import { networkInterfaces } from 'node:os'
import { nodeClock } from './clock.ts'
import { nodeDatabases } from './database.ts'
import { plainHost } from './endpoint.ts'
import { nodeFiles } from './files.ts'
import { nodeMulticast } from './multicast.ts'
import { nodeNames } from './names.ts'
import { nodeRandom } from './random.ts'
import { nodeTcp } from './tcp.ts'
import type { InterfaceAddress, World } from './world.ts'

/** This machine. Holds no state: two of them are as good as one. */
export function nodeWorld(): World {
  return {
    clock: nodeClock,
    random: nodeRandom,
    tcp: nodeTcp,
    names: nodeNames,
    files: nodeFiles,
    databases: nodeDatabases,
    interfaces,
    multicast: nodeMulticast,
  }
}

function interfaces(): readonly InterfaceAddress[] {
  const found: InterfaceAddress[] = []
  for (const [interfaceName, addresses] of Object.entries(networkInterfaces())) {
    for (const entry of addresses ?? []) {
      const family = entry.family === 'IPv4' ? 'ip4' : 'ip6'
      found.push({
        interfaceName,
        host: plainHost(entry.address),
        family,
        internal: entry.internal,
        scope: entry.family === 'IPv6' ? entry.scopeid : 0,
        // Without a usable netmask the address stands alone in its subnet.
        prefixLength: Number(entry.cidr?.split('/')[1] ?? (family === 'ip4' ? 32 : 128)),
      })
    }
  }
  return found
}

// The addresses under which a listening node can be reached: what it listens on, with "all interfaces" spelled out. Best
// first: public, then private, then loopback. docs/protocol.md, "Node records".

import type { Endpoint, InterfaceAddress } from '../io/world.ts'
import { LISTEN_ADDRESSES_MAX } from '../limits.ts'
import type { Address } from './address.ts'
import { parseIp, type Scope, scopeOf } from './ip.ts'

const ORDER: readonly Scope[] = ['public', 'private', 'link', 'loopback']

/**
 * At most 8. `endpoints` are where the listeners are bound. Link-local addresses are left out: they mean nothing without the
 * reader's own interface.
 */
export function ownAddresses(
  endpoints: readonly Endpoint[],
  interfaces: readonly InterfaceAddress[],
  peer: string | null,
): readonly Address[] {
  const found = new Map<string, Address>()
  for (const { host, port } of endpoints) {
    for (const text of host === '::' || host === '0.0.0.0' ? reachable(host, interfaces) : [host]) {
      const ip = parseIp(text)
      if (ip === null || scopeOf(text) === 'link') continue
      found.set(`${ip.text} ${port}`, { host: ip.text, kind: ip.family, port, peer })
    }
  }
  const rank = (address: Address): number => ORDER.indexOf(scopeOf(address.host))
  return [...found.values()].sort((a, b) => rank(a) - rank(b)).slice(0, LISTEN_ADDRESSES_MAX)
}

/** '::' is dual stack, '0.0.0.0' is not. */
function reachable(host: string, interfaces: readonly InterfaceAddress[]): string[] {
  return interfaces.filter(({ family }) => host === '::' || family === 'ip4').map((entry) => entry.host)
}

// Which addresses are worth taking from whom: only over a connection at least as local as the address itself. So nobody on
// the internet can send a node to its own printer. Pure. docs/protocol.md section 12.1.

import { type Address, type Scope, scopeOf } from './address.ts'

/** How far each scope reaches. */
const REACH: Readonly<Record<Scope, number>> = { loopback: 0, link: 1, private: 1, public: 2 }

/**
 * The addresses that may be taken from a node whose end of the connection is the IP literal `tellerHost`. Names never are: a name
 * may point anywhere, also to what only we can reach.
 */
export function addressesWithinReach(addresses: readonly Address[], tellerHost: string): Address[] {
  const reach = REACH[scopeOf(tellerHost)]
  return addresses.filter(({ kind, host }) => (kind === 'ip4' || kind === 'ip6') && REACH[scopeOf(host)] >= reach)
}

/** Whether this is an address of a local or private network: likely near. */
export function isLocal(address: Address): boolean {
  return (address.kind === 'ip4' || address.kind === 'ip6') && scopeOf(address.host) !== 'public'
}

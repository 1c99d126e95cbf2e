// Keeps web pages out of what only this machine may see: a page whose name was made to lead here (DNS rebinding) gives itself away
// by the Host that its browser sends. Pure. docs/cli.md, "HTTP".

import { isIP } from 'node:net'

export interface Ends {
  /** Address of the client, as the socket has it. */
  readonly remote: string
  /** Own address of the connection. */
  readonly local: string
}

/**
 * Whether a request may be answered. From elsewhere any Host will do: who can reach the port may ask. From this machine only an
 * IP address or `localhost` will, with or without a port.
 */
export function isHostAllowed(host: string | undefined, { remote, local }: Ends): boolean {
  const isFromHere = isLoopback(remote) || remote === local
  if (!isFromHere) return true
  const name = /^(.*?)(?::[0-9]{1,5})?$/.exec(host ?? '')?.[1] ?? ''
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  return bare.toLowerCase() === 'localhost' || isIP(bare) !== 0
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

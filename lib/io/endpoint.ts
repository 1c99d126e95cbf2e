// IP endpoints as the rest of the library wants them written. Not multiaddrs: see identity/address.ts for those.

import type { Endpoint } from './world.ts'

const MAPPED = /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i

/** An IPv4-mapped IPv6 literal as the IPv4 literal that it stands for; anything else as it is. */
export function plainHost(host: string): string {
  return MAPPED.exec(host)?.[1] ?? host
}

/** `host:port` for messages, an IPv6 host in brackets. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}

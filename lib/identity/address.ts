// Addresses of nodes: what people type, multiaddr text, and binary multiaddrs. Our profile of multiaddr is TCP over an IP address
// or a name, with or without /p2p. Resolves nothing and dials nothing. docs/protocol.md section 5.

import { type Component, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { concatBytes } from '../bytes.ts'
import { BoundedCache } from '../crypto/bounded-cache.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { ADDRESS_BYTES_MAX } from '../limits.ts'
import { DEFAULT_PORT } from '../options.ts'
import { bytesOfIp4, bytesOfIp6, parseIp } from './ip.ts'
import { peerIdOf, publicKeyOfPeerId } from './peer-id.ts'

export { type Scope, scopeOf } from './ip.ts'

export interface Address {
  /**
   * An IP literal in its one canonical form, without brackets and with `%zone` where there is one, or a host name in lower
   * case.
   */
  readonly host: string
  /** `dns` is a name with addresses of either family; `dns4` and `dns6` insist on one. */
  readonly kind: 'ip4' | 'ip6' | 'dns' | 'dns4' | 'dns6'
  /** 1 to 65,535; 0 only where it was allowed ("any free port", to listen on). */
  readonly port: number
  /** Peer id text of the node that must be there, or null for whoever it is. */
  readonly peer: string | null
}

export interface AddressRules {
  /** For text without a port; 6374 unless given. */
  readonly defaultPort?: number
  /** For addresses to listen on. */
  readonly allowPortZero?: boolean
}

const NO_RULES: AddressRules = {}
/** Multiaddrs that were read lately: the same few are dialled again and again, and reading one costs a tenth of a handshake. */
const read = new BoundedCache<string, Address>(256)

/** Multiaddr's numbers of these protocols, as varints. */
const IP_CODES = { ip4: Uint8Array.of(0x04), ip6: Uint8Array.of(0x29) } as const
const TCP_CODE = [0x06] as const
/** Longer text cannot be an address; the bound keeps the multiaddr parser from working on junk. */
const TEXT_LENGTH_MAX = 1_024
// RFC 1123, and underscores, which real networks have. A last label of digits only would be a mistyped IPv4 address.
const NAME =
  /^(?=.{1,253}$)(?!.*(^|\.)\d+\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/

/**
 * Reads `host:port`, `[v6]:port`, `:port` (all interfaces, host '::'), a host alone, a bare IPv6 address, or a multiaddr
 * `/ip4|ip6|dns|dns4|dns6/…/tcp/PORT[/p2p/ID]`, before which `/ip6zone/…` may stand. A bare IPv6 address never ends in a port: that
 * needs brackets. Throws MeshError `bad-address` that says what would be right.
 */
export function parseAddress(text: string, rules: AddressRules = NO_RULES): Address {
  if (text.length > TEXT_LENGTH_MAX) throw bad('it is too long')
  if (text.startsWith('/')) return rules === NO_RULES ? readBefore(text) : fromMultiaddr(() => multiaddr(text), rules)
  const p2p = text.indexOf('/p2p/')
  if (p2p > 0) {
    const peer = peerIdOf(publicKeyOfPeerId(text.slice(p2p + 5)))
    return { ...parseAddress(text.slice(0, p2p), rules), peer }
  }
  const { host, port } = splitHostPort(text)
  if (host === '' && port === null) throw bad('it is empty')
  const number = port === null ? (rules.defaultPort ?? DEFAULT_PORT) : portOf(port, rules)
  return { ...hostOf(host === '' ? '::' : host, 'dns'), port: number, peer: null }
}

/** Multiaddr text, with `/p2p/…` when `peer` is set. parseAddress reads it back. */
export function formatAddress(address: Address): string {
  const [host, zone] = address.host.split('%')
  const front = zone === undefined ? '' : `/ip6zone/${zone}`
  const back = address.peer === null ? '' : `/p2p/${address.peer}`
  return `${front}/${address.kind}/${host}/tcp/${address.port}${back}`
}

/** `host:port` for people, with brackets where the host is IPv6. */
export function hostPort(address: { readonly host: string; readonly port: number }): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The binary multiaddr, at most 256 bytes, with its `p2p` part when `peer` is set. Throws MeshError `bad-address` if longer. */
export function addressToBytes(address: Address): Uint8Array {
  // What each connection tells the other end, without going by way of text.
  if (address.peer === null && (address.kind === 'ip4' || address.kind === 'ip6')) {
    const ip = address.kind === 'ip4' ? bytesOfIp4(address.host) : bytesOfIp6(address.host)
    if (ip !== null)
      return concatBytes(IP_CODES[address.kind], ip, Uint8Array.of(...TCP_CODE, address.port >>> 8, address.port))
  }
  const { bytes } = multiaddr(formatAddress(address))
  if (bytes.length > ADDRESS_BYTES_MAX) throw bad('its binary form is too long')
  return bytes
}

/**
 * Reads a binary multiaddr of our profile. Throws MeshError `bad-address` on anything else, port 0 included; when the bytes
 * came from a peer, what that means for the peer is the caller's to say.
 */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length > ADDRESS_BYTES_MAX) throw bad('its binary form is too long')
  // What each connection is told by the other end.
  if (bytes.length === 8 && bytes[0] === IP_CODES.ip4[0] && bytes[5] === TCP_CODE[0]) {
    const port = (bytes[6]! << 8) | bytes[7]!
    if (port > 0) return { host: bytes.subarray(1, 5).join('.'), kind: 'ip4', port, peer: null }
  }
  // The parser keeps what it is given, hence a copy.
  return fromMultiaddr(() => multiaddr(bytes.slice()), {})
}

function readBefore(text: string): Address {
  let address = read.get(text)
  if (address === undefined) {
    address = fromMultiaddr(() => multiaddr(text), NO_RULES)
    read.set(text, address)
  }
  return address
}

function fromMultiaddr(parse: () => Multiaddr, rules: AddressRules): Address {
  const parts = componentsOf(parse)
  const zone = takeIf(parts, 'ip6zone')
  const place = parts.shift()
  const tcp = takeIf(parts, 'tcp')
  const peer = takeIf(parts, 'p2p')
  if (place === undefined || tcp === null || parts.length > 0) throw bad('it is no TCP address')
  const port = portOf(tcp, rules)
  const value = place.value ?? ''
  switch (place.name) {
    case 'ip4':
    case 'ip6': {
      if (zone !== null && place.name === 'ip4') throw bad('an IPv4 address has no zone')
      const host = hostOf(zone === null ? value : `${value}%${zone}`, 'dns')
      if (host.kind === 'dns') throw bad('that is no IP address')
      return { ...host, port, peer: peerOf(peer) }
    }
    case 'dns':
    case 'dns4':
    case 'dns6': {
      if (zone !== null) throw bad('a name has no zone')
      const host = hostOf(value, place.name)
      if (host.kind !== place.name) throw bad('that is an IP address, not a name')
      return { ...host, port, peer: peerOf(peer) }
    }
    default:
      throw bad('it is no TCP address over IP or a name')
  }
}

function componentsOf(parse: () => Multiaddr): Component[] {
  try {
    return [...parse().getComponents()]
  } catch (cause) {
    throw bad(`it is no multiaddr (${reasonOf(cause).slice(0, 80)})`, cause)
  }
}

function takeIf(parts: Component[], name: string): string | null {
  return parts[0]?.name === name ? (parts.shift()?.value ?? '') : null
}

function peerOf(text: string | null): string | null {
  if (text === null) return null
  try {
    // Written anew, so that an id that came as a CID compares equal to the usual form.
    return peerIdOf(publicKeyOfPeerId(text))
  } catch (cause) {
    throw bad(reasonOf(cause), cause)
  }
}

function splitHostPort(text: string): { host: string; port: string | null } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    if (!bracketed[1]!.includes(':')) throw bad('brackets are for IPv6 addresses')
    return { host: bracketed[1]!, port: bracketed[2] ?? null }
  }
  const colon = text.indexOf(':')
  if (colon < 0 || text.indexOf(':', colon + 1) >= 0) return { host: text, port: null }
  return { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

function hostOf<K extends 'dns' | 'dns4' | 'dns6'>(
  text: string,
  kindOfName: K,
): { host: string; kind: 'ip4' | 'ip6' | K } {
  const ip = parseIp(text)
  if (ip !== null) return { host: ip.zone === '' ? ip.text : `${ip.text}%${ip.zone}`, kind: ip.family }
  const name = text.toLowerCase()
  if (!NAME.test(name)) throw bad('its host is neither an IP address nor a host name')
  return { host: name, kind: kindOfName }
}

function portOf(text: string, rules: AddressRules): number {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) throw bad('its port is not a number from 1 to 65535')
  if (port === 0 && rules.allowPortZero !== true) throw bad('port 0 is only for listening')
  return port
}

function bad(why: string, cause?: unknown): MeshError {
  const should =
    'an address is host:port, [v6]:port, or a multiaddr like /ip4/192.0.2.1/tcp/6374 or /dns/example.org/tcp/6374'
  return new MeshError('bad-address', `bad address: ${why}; ${should}`, { cause })
}

// IP addresses as text and as bytes, and how far away they are. Pure functions; sockets and names are lib/io's.
// docs/protocol.md section 5 (addresses in node records).

import { toHex } from '../bytes.ts'

/** The 4 bytes of a dotted quad (no leading zeros), or null. */
export function bytesOfIp4(text: string): Uint8Array | null {
  if (text.length > 15) return null
  const bytes = new Uint8Array(4)
  let at = 0
  // Of the part that is being read; -1: it has no digit yet.
  let value = -1
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit >= 0 && digit <= 9) {
      if (value === 0) return null
      value = value < 0 ? digit : value * 10 + digit
      if (value > 255) return null
    } else {
      if (text[i] !== '.' || value < 0 || at === 3) return null
      bytes[at++] = value
      value = -1
    }
  }
  if (at < 3 || value < 0) return null
  bytes[3] = value
  return bytes
}

/** The 16 bytes of an IPv6 literal (RFC 4291 section 2.2, no zone), or null. */
export function bytesOfIp6(text: string): Uint8Array | null {
  if (text.length > 45) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map(bytesOfGroups)
  if (head == null || tail === null) return null
  if (tail === undefined) return head.length === 16 ? Uint8Array.from(head) : null
  // Dotted decimal may only stand at the very end, and '::' must stand for something.
  if (halves[0]!.includes('.') || head.length + tail.length > 14) return null
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function bytesOfGroups(text: string): number[] | null {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    const quad = i === groups.length - 1 ? bytesOfIp4(group) : null
    if (quad !== null) {
      bytes.push(...quad)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as '::'. */
export function textOfIp6(bytes: Uint8Array): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!)
  let longestAt = 0
  let longest = 1
  for (let at = 0; at < 8; at++) {
    let end = at
    while (end < 8 && groups[end] === 0) end++
    if (end - at > longest) {
      longest = end - at
      longestAt = at
    }
  }
  const texts = groups.map((group) => group.toString(16))
  if (longest < 2) return texts.join(':')
  return `${texts.slice(0, longestAt).join(':')}::${texts.slice(longestAt + longest).join(':')}`
}

/** An IP address in its one way of being written. `zone` is '' where there is none. */
export interface Ip {
  readonly family: 'ip4' | 'ip6'
  readonly text: string
  readonly zone: string
}

/**
 * Reads an IPv4 or IPv6 literal, the latter with or without `%zone`, without brackets. IPv4-mapped IPv6 becomes IPv4. Null when
 * it is no IP address.
 */
export function parseIp(text: string): Ip | null {
  if (bytesOfIp4(text) !== null) return { family: 'ip4', text, zone: '' }
  const percent = text.indexOf('%')
  const bytes = bytesOfIp6(percent < 0 ? text : text.slice(0, percent))
  if (bytes === null) return null
  const zone = percent < 0 ? '' : text.slice(percent + 1)
  if (percent >= 0 && !/^[A-Za-z0-9_.-]{1,32}$/.test(zone)) return null
  if (isMapped(bytes)) return { family: 'ip4', text: bytes.subarray(12).join('.'), zone: '' }
  return { family: 'ip6', text: textOfIp6(bytes), zone }
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
}

export type Scope = 'loopback' | 'link' | 'private' | 'public'

/**
 * How far an IP literal reaches: `link` is link-local, `private` RFC 1918, carrier-grade NAT, benchmarking, unique and
 * site-local addresses. What reaches no other host (unspecified, multicast, reserved) and what is no IP literal counts as
 * `loopback`, the scope that is trusted least to come from elsewhere.
 */
export function scopeOf(host: string): Scope {
  const ip = parseIp(host)
  if (ip === null) return 'loopback'
  return ip.family === 'ip4' ? scopeOfIp4(bytesOfIp4(ip.text)!) : scopeOfIp6(bytesOfIp6(ip.text)!)
}

/**
 * Where a host is, as one party easily has many addresses there: an IPv4 /24 or an IPv6 /48, and this machine. What is no IP literal
 * is a place of its own.
 */
export function siteOf(host: string): string {
  const ip = parseIp(host)
  if (ip === null) return host
  if (scopeOf(host) === 'loopback') return 'loopback'
  return ip.family === 'ip4' ? ip.text.slice(0, ip.text.lastIndexOf('.')) : toHex(bytesOfIp6(ip.text)!.subarray(0, 6))
}

function scopeOfIp4(bytes: Uint8Array): Scope {
  const [a, b] = bytes as unknown as [number, number]
  if (a === 0 || a === 127 || a >= 224) return 'loopback'
  if (a === 169 && b === 254) return 'link'
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return 'private'
  if ((a === 100 && b >= 64 && b < 128) || (a === 198 && (b === 18 || b === 19))) return 'private'
  return 'public'
}

const NAT64_HEAD = Uint8Array.of(0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0)

function scopeOfIp6(bytes: Uint8Array): Scope {
  // ::/96 holds the unspecified address, ::1 and the retired IPv4-compatible ones.
  if (bytes[0] === 0xff || bytes.subarray(0, 12).every((byte) => byte === 0)) return 'loopback'
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) return 'link'
  if ((bytes[0]! & 0xfe) === 0xfc || (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0xc0)) return 'private'
  // A translator (RFC 6052) or a 6to4 relay would carry it to the IPv4 address inside.
  if (NAT64_HEAD.every((byte, i) => bytes[i] === byte)) return scopeOfIp4(bytes.subarray(12))
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return scopeOfIp4(bytes.subarray(2, 6))
  return 'public'
}

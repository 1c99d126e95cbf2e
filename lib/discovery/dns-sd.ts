// The records by which a node shows itself on its local network, and the reading of those that others send. Pure data: when
// they are sent and what is made of them is mdns-link.ts's and mdns-candidates.ts's. RFC 6763 (DNS-SD), RFC 6762 section 10
// (times to live); docs/protocol.md, "Discovery".

import { textOf, utf8 } from '../bytes.ts'
import { parseIp } from '../identity/ip.ts'
import { peerIdOf, publicKeyOfPeerId } from '../identity/peer-id.ts'
import type { DnsRecord, InterfaceAddress } from '../io/world.ts'

export const SERVICE = '_meshd._tcp.local'
/** RFC 6763 section 9: where browsers ask which services there are. */
export const SERVICE_TYPES = '_services._dns-sd._udp.local'

/** RFC 6762 section 10: 120 seconds for records that name a host, 75 minutes for the others. */
const HOST_TTL_S = 120
export const OTHER_TTL_S = 4_500
/** One interface rarely has more, and the packet must stay below one Ethernet frame. */
const ADDRESSES_MAX = 8
const TEXTS_MAX = 16
/** RFC 1035 section 2.3.4. */
const LABEL_BYTES_MAX = 63

/** What a node says of itself. */
export interface OwnService {
  readonly peerId: string
  /** 16 hex digits. */
  readonly networkTag: string
  /** First label of the instance name: no dots, at most 63 bytes. */
  readonly label: string
  readonly port: number
}

/** Records that are always sent together, by what they are. */
export type RecordSetName = 'types' | 'pointer' | 'service' | 'text' | 'address'
export type RecordSets = Readonly<Record<RecordSetName, DnsRecord[]>>

/** Others have records of the same name and type beside ours (RFC 6762 section 2). */
export const SHARED_SETS: readonly RecordSetName[] = ['types', 'pointer']
export const UNIQUE_SETS: readonly RecordSetName[] = ['service', 'text', 'address']

/** `<label>._meshd._tcp.local` */
export function instanceName(label: string): string {
  return `${label}.${SERVICE}`
}

/** Everything we have to say on an interface that has these addresses. New objects each time: the encoder writes into them. */
export function recordsOf(own: OwnService, addresses: readonly InterfaceAddress[]): RecordSets {
  const instance = instanceName(own.label)
  const target = `meshd-${own.label}.local`
  const texts = [`id=${own.peerId}`, `net=${own.networkTag}`, 'v=1']
  const service = { priority: 0, weight: 0, port: own.port, target }
  return {
    types: [{ name: SERVICE_TYPES, type: 'PTR', ttl: OTHER_TTL_S, class: 'IN', data: SERVICE }],
    pointer: [{ name: SERVICE, type: 'PTR', ttl: OTHER_TTL_S, class: 'IN', data: instance }],
    service: [{ name: instance, type: 'SRV', ttl: HOST_TTL_S, class: 'IN', flush: true, data: service }],
    text: [{ name: instance, type: 'TXT', ttl: OTHER_TTL_S, class: 'IN', flush: true, data: texts }],
    address: addresses.slice(0, ADDRESSES_MAX).map(({ family, host }) => ({
      name: target,
      type: family === 'ip4' ? 'A' : 'AAAA',
      ttl: HOST_TTL_S,
      class: 'IN',
      flush: true,
      // Zones mean something on one machine only.
      data: host.split('%')[0],
    })),
  }
}

/** DNS names compare without regard to case (RFC 6762 section 16). */
export function sameName(a: string, b: string): boolean {
  return a.length === b.length && a.toLowerCase() === b.toLowerCase()
}

/**
 * Whether a name is an instance of the service that can be written as it came (RFC 6763 section 4.1.1: one label, which may have
 * dots). Names are read as text: bytes that are no UTF-8 become three each there, and a dot parts what is written. A label that got
 * too long or empty would make the whole packet unreadable in which it stands.
 */
export function isInstance(name: string): boolean {
  const label = name.slice(0, -SERVICE.length - 1)
  return sameName(name, instanceName(label)) && utf8(label).length <= LABEL_BYTES_MAX && !label.split('.').includes('')
}

/**
 * Whether `known`, from a querier's list of answers it has, is our record with at least half its life left, so that it needs
 * no answer (RFC 6762 section 7.1).
 */
export function isKnown(ours: DnsRecord, known: DnsRecord): boolean {
  if (known.type !== ours.type || !sameName(known.name, ours.name) || (known.ttl ?? 0) * 2 < (ours.ttl ?? 0))
    return false
  switch (ours.type) {
    case 'PTR':
      return typeof known.data === 'string' && sameName(known.data, ours.data as string)
    case 'SRV': {
      const mine = readService(ours.data)
      const theirs = readService(known.data)
      return theirs !== null && theirs.port === mine?.port && sameName(theirs.target, mine.target)
    }
    case 'TXT': {
      const theirs = textsOf(known.data)
      return theirs !== null && theirs.join('\n') === (ours.data as string[]).join('\n')
    }
    default:
      return typeof known.data === 'string' && parseIp(known.data)?.text === parseIp(ours.data as string)?.text
  }
}

/** Port and host name of an SRV record, or null when it is malformed or has port 0. */
export function readService(data: unknown): { port: number; target: string } | null {
  if (typeof data !== 'object' || data === null) return null
  const { port, target } = data as Record<string, unknown>
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return null
  return typeof target === 'string' && target !== '' ? { port, target } : null
}

/** Peer id and network tag of a TXT record of version 1, or null when one is missing or malformed. */
export function readText(data: unknown): { peer: string; networkTag: string } | null {
  const values = new Map<string, string>()
  for (const text of textsOf(data) ?? []) {
    const equals = text.indexOf('=')
    const key = text.slice(0, Math.max(0, equals)).toLowerCase()
    // RFC 6763 section 6.4: of a key that comes twice the first counts.
    if (!values.has(key)) values.set(key, text.slice(equals + 1))
  }
  const networkTag = values.get('net') ?? ''
  if (values.get('v') !== '1' || !/^[0-9a-f]{16}$/.test(networkTag)) return null
  try {
    return { peer: peerIdOf(publicKeyOfPeerId(values.get('id') ?? '')), networkTag }
  } catch {
    // Not a peer id: not one of ours, or somebody's nonsense.
    return null
  }
}

/** A TXT record comes as one byte string or a list of them; from ourselves as texts. */
function textsOf(data: unknown): string[] | null {
  const items = Array.isArray(data) ? data.slice(0, TEXTS_MAX) : [data]
  const texts: string[] = []
  for (const item of items) {
    const text = item instanceof Uint8Array ? textOf(item) : item
    if (typeof text !== 'string') return null
    texts.push(text)
  }
  return texts
}

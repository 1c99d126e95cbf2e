// What was heard on the local network, and which of it is a node of our network that could be dialled. Everything here is a
// hint that anyone on the network can forge: who it is, the handshake proves. docs/protocol.md, "Discovery".

import { bytesOfIp4, bytesOfIp6, parseIp, scopeOf } from '../identity/ip.ts'
import type { Clock, DnsPacket, DnsRecord, Endpoint } from '../io/world.ts'
import { isInstance, OTHER_TTL_S, readService, readText, SERVICE } from './dns-sd.ts'
import type { MdnsLink } from './mdns-link.ts'

/** A node of our network that says it can be dialled there. `host` is an IP literal, with a zone where it is link-local IPv6. */
export interface Candidate {
  readonly peer: string
  readonly host: string
  readonly port: number
}

/** More than a node has links by far. At the bound the one goes that is incomplete, or else was not heard for longest. */
const ENTRIES_MAX = 64
/** As many as are remembered at once, then no faster than they could be dialled: forged ones come at any speed. */
const REPORTS_MAX = 64
const REPORTS_PER_MS = 2 / 1000
/** What was reported is reported again when it is heard again after this time: whoever was told may have forgotten. */
const REPORT_AGAIN_MS = 60_000
const QUESTIONS_MAX = 8
const TRIES_MAX = 3
const ADDRESSES_MAX = 8

/** An instance that was heard of on one link. */
interface Entry {
  readonly link: MdnsLink
  readonly instance: string
  /** In lower case: names compare without regard to it. */
  readonly instanceKey: string
  peer: string | null
  service: { readonly port: number; readonly target: string } | null
  addresses: string[]
  heardAtMs: number
  /** Life of the pointer, as announced and as it ends. */
  ttlMs: number
  expiresAtMs: number
  /** Times that we have asked for what is missing. */
  tries: number
  reported: Candidate | null
  reportedAtMs: number
}

/** A record with its name in lower case, made once for each packet. */
interface Heard {
  readonly key: string
  readonly record: DnsRecord
}

export interface CandidatesOptions {
  readonly clock: Clock
  readonly peerId: string
  readonly networkTag: string
  found(candidate: Candidate): void
  lost(candidate: Candidate): void
}

export class Candidates {
  readonly #options: CandidatesOptions
  readonly #entries: Entry[] = []
  #reportsLeft = REPORTS_MAX
  #refilledAtMs: number

  constructor(options: CandidatesOptions) {
    this.#options = options
    this.#refilledAtMs = options.clock.nowMs()
  }

  /** At most 64. */
  get size(): number {
    return this.#entries.length
  }

  /** Takes in a response. Whatever it holds, nothing is thrown. True when it named a node and left something open to ask for. */
  heard(packet: DnsPacket, from: Endpoint, link: MdnsLink): boolean {
    const nowMs = this.#options.clock.nowMs()
    const records: Heard[] = []
    const texts = new Map<string, DnsRecord>()
    for (const record of [...packet.answers, ...packet.additionals]) {
      const key = record.name.toLowerCase()
      records.push({ key, record })
      if (record.type === 'TXT') texts.set(key, record)
    }
    const touched = new Set<Entry>()
    for (const heard of records) this.#pointer(heard, link, texts, nowMs, touched)
    for (const heard of records) this.#details(heard, link, touched)
    for (const entry of touched) this.#addresses(entry, records)
    let isOpen = false
    for (const entry of touched) {
      if (isIncomplete(entry)) isOpen ||= entry.tries < TRIES_MAX
      else this.#report(entry, from, nowMs)
    }
    return isOpen
  }

  /** Pointers with more than half their life left, as known answers for a query (RFC 6762 section 7.1). */
  knownPointers(link: MdnsLink): DnsRecord[] {
    const nowMs = this.#options.clock.nowMs()
    return this.#entries
      .filter((entry) => entry.link === link && !isIncomplete(entry) && entry.expiresAtMs - nowMs > entry.ttlMs / 2)
      .map((entry) => ({
        name: SERVICE,
        type: 'PTR',
        class: 'IN',
        ttl: Math.floor((entry.expiresAtMs - nowMs) / 1000),
        data: entry.instance,
      }))
  }

  /** Asks for what instances on this link have not told yet; each is asked about three times at most. */
  questions(link: MdnsLink): DnsPacket['questions'] {
    const open = this.#entries.filter((entry) => entry.link === link && isIncomplete(entry) && entry.tries < TRIES_MAX)
    return open.slice(0, QUESTIONS_MAX).flatMap((entry) => {
      entry.tries++
      return [
        { name: entry.instance, type: 'SRV' },
        { name: entry.instance, type: 'TXT' },
      ]
    })
  }

  /** Forgets what has outlived its time. */
  expire(): void {
    const nowMs = this.#options.clock.nowMs()
    for (const entry of this.#entries.filter((entry) => entry.expiresAtMs <= nowMs)) this.#forget(entry)
  }

  /** Forgets everything and tells nobody. */
  clear(): void {
    this.#entries.length = 0
  }

  /** Forgets what was heard on a link that is gone. */
  forgetLink(link: MdnsLink): void {
    for (const entry of this.#entries.filter((entry) => entry.link === link)) this.#forget(entry)
  }

  #pointer(
    { key, record }: Heard,
    link: MdnsLink,
    texts: ReadonlyMap<string, DnsRecord>,
    nowMs: number,
    touched: Set<Entry>,
  ): void {
    if (record.type !== 'PTR' || key !== SERVICE || typeof record.data !== 'string') return
    const instance = record.data
    // Our questions and known answers name it: one that others cannot read would spoil them.
    if (!isInstance(instance)) return
    const instanceKey = instance.toLowerCase()
    let entry = this.#find(instanceKey, link)
    const ttlS = Math.min(record.ttl ?? 0, OTHER_TTL_S)
    if (ttlS <= 0) {
      if (entry !== undefined) this.#forget(entry, touched)
      return
    }
    if (entry === undefined) {
      // Others' networks, and ourselves, are not worth an entry; mostly the packet tells.
      const text = texts.get(instanceKey)
      if (text !== undefined && this.#peerOf(text) === null) return
      this.#makeRoom(touched)
      entry = newEntry(link, instance, instanceKey)
      this.#entries.push(entry)
    }
    entry.heardAtMs = nowMs
    entry.ttlMs = ttlS * 1000
    entry.expiresAtMs = nowMs + entry.ttlMs
    touched.add(entry)
  }

  #details({ key, record }: Heard, link: MdnsLink, touched: Set<Entry>): void {
    if ((record.type !== 'SRV' && record.type !== 'TXT') || (record.ttl ?? 0) <= 0) return
    const entry = this.#find(key, link)
    if (entry === undefined) return
    touched.add(entry)
    if (record.type === 'SRV') {
      entry.service = readService(record.data)
      return
    }
    entry.peer = this.#peerOf(record)
    if (entry.peer === null) this.#forget(entry, touched)
  }

  /** Peer id of a TXT record of our network that is not ourselves, else null. */
  #peerOf(text: DnsRecord): string | null {
    const read = readText(text.data)
    if (read === null || read.networkTag !== this.#options.networkTag || read.peer === this.#options.peerId) return null
    return read.peer
  }

  #addresses(entry: Entry, records: readonly Heard[]): void {
    const target = entry.service?.target.toLowerCase()
    if (target === undefined) return
    const hosts = records.flatMap(({ key, record }) => {
      if ((record.type !== 'A' && record.type !== 'AAAA') || (record.ttl ?? 0) <= 0) return []
      if (key !== target || typeof record.data !== 'string') return []
      const ip = parseIp(record.data)
      return ip === null || ip.zone !== '' ? [] : [ip.text]
    })
    if (hosts.length > 0) entry.addresses = hosts.slice(0, ADDRESSES_MAX)
  }

  #report(entry: Entry, from: Endpoint, nowMs: number): void {
    const host = hostFor(entry.addresses, entry.link, from)
    if (host === null || entry.peer === null || entry.service === null) return
    const candidate = { peer: entry.peer, host, port: entry.service.port }
    const before = entry.reported
    const isSame = before?.peer === candidate.peer && before.host === host && before.port === candidate.port
    if (isSame && nowMs - entry.reportedAtMs < REPORT_AGAIN_MS) return
    const refill = (nowMs - this.#refilledAtMs) * REPORTS_PER_MS
    this.#reportsLeft = Math.min(REPORTS_MAX, this.#reportsLeft + refill)
    this.#refilledAtMs = nowMs
    if (this.#reportsLeft < 1) return
    this.#reportsLeft--
    entry.reported = candidate
    entry.reportedAtMs = nowMs
    this.#options.found(candidate)
  }

  #find(instanceKey: string, link: MdnsLink): Entry | undefined {
    return this.#entries.find((entry) => entry.instanceKey === instanceKey && entry.link === link)
  }

  #makeRoom(touched: Set<Entry>): void {
    if (this.#entries.length < ENTRIES_MAX) return
    const incomplete = this.#entries.filter(isIncomplete)
    const among = incomplete.length > 0 ? incomplete : this.#entries
    this.#forget(
      among.reduce((oldest, entry) => (entry.heardAtMs < oldest.heardAtMs ? entry : oldest)),
      touched,
    )
  }

  #forget(entry: Entry, touched?: Set<Entry>): void {
    touched?.delete(entry)
    const at = this.#entries.indexOf(entry)
    if (at < 0) return
    this.#entries.splice(at, 1)
    if (entry.reported !== null) this.#options.lost(entry.reported)
  }
}

function newEntry(link: MdnsLink, instance: string, instanceKey: string): Entry {
  return {
    link,
    instance,
    instanceKey,
    peer: null,
    service: null,
    addresses: [],
    heardAtMs: 0,
    ttlMs: 0,
    expiresAtMs: 0,
    tries: 0,
    reported: null,
    reportedAtMs: 0,
  }
}

function isIncomplete(entry: Entry): boolean {
  return entry.peer === null || entry.service === null
}

/**
 * The address to dial: one of those announced that lies on the link's own interface and family, a routable one before a
 * link-local one, else where the packet came from. Null when that is no IP address either.
 */
function hostFor(addresses: readonly string[], link: MdnsLink, from: Endpoint): string | null {
  const source = parseIp(from.host)
  if (link.on.family === 'ip4') {
    const onLink = addresses.find((host) => isOnInterface(host, link, 'ip4'))
    return onLink ?? source?.text ?? null
  }
  const routable = addresses.find((host) => scopeOf(host) !== 'link' && isOnInterface(host, link, 'ip6'))
  if (routable !== undefined) return routable
  // The source has the zone as this platform writes it.
  const zone = source !== null && source.zone !== '' ? source.zone : link.on.interfaceName
  const linkLocal = addresses.find((host) => host.includes(':') && scopeOf(host) === 'link')
  if (linkLocal !== undefined) return `${linkLocal}%${zone}`
  if (source === null) return null
  return scopeOf(source.text) === 'link' && source.family === 'ip6' ? `${source.text}%${zone}` : source.text
}

function isOnInterface(host: string, link: MdnsLink, family: 'ip4' | 'ip6'): boolean {
  return link.addresses.some((own) => own.family === family && isInSubnet(host, own.host, own.prefixLength, family))
}

function isInSubnet(host: string, own: string, prefixLength: number, family: 'ip4' | 'ip6'): boolean {
  const bytesOf = family === 'ip4' ? bytesOfIp4 : bytesOfIp6
  const a = bytesOf(host)
  const b = bytesOf(own.split('%')[0]!)
  if (a === null || b === null) return false
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const kept = Math.min(8, prefixLength - bit)
    const mask = (0xff << (8 - kept)) & 0xff
    if ((a[bit / 8]! & mask) !== (b[bit / 8]! & mask)) return false
  }
  return true
}

// Finds nodes of the same network on the local network, and shows this one: DNS-SD (RFC 6763) over multicast DNS (RFC 6762).
// It gives addresses to try and nothing else: it dials nobody, and what it hears may be forged. docs/protocol.md, "Discovery".

import { reasonOf } from '../errors.ts'
import { shortId } from '../identity/peer-id.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, DnsPacket, Endpoint, InterfaceAddress, Multicast, Random } from '../io/world.ts'
import { instanceName, type OwnService, type RecordSets, readText, recordsOf, sameName } from './dns-sd.ts'
import { type Candidate, Candidates } from './mdns-candidates.ts'
import { MdnsLink } from './mdns-link.ts'

export type { Candidate } from './mdns-candidates.ts'

const MDNS_PORT = 5353
/** Interfaces come and go without telling: how often we look. */
const INTERFACES_INTERVAL_MS = 15_000
const RETRY_MS = 60_000
/** A machine with many containers has many interfaces; nodes to find are on the first few. */
const LINKS_MAX = 16
/** A link that works may fail to send now and then (buffers are full, a cable is moved). */
const FAILURES_MAX = 3

export interface MdnsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly multicast: Multicast
  readonly interfaces: () => readonly InterfaceAddress[]
  readonly peerId: string
  /** 16 hex digits; nodes of other networks are not reported. */
  readonly networkTag: string
  /** The TCP port to announce; null as long as there is none: then this node only looks for others. */
  readonly port: () => number | null
  /** Called for each new address, and again when it is heard again after a minute or more. */
  readonly found: (candidate: Candidate) => void
  /** What was found has said goodbye, or was not heard of for its time. No reason to disconnect anyone. */
  readonly lost?: (candidate: Candidate) => void
  /** `no-multicast`: there is no interface to find nodes on. Given once, and again only after it had worked. */
  readonly warn: (code: 'no-multicast', text: string) => void
}

interface OpenLink {
  readonly key: string
  readonly link: MdnsLink
  failures: number
}

export class MdnsDiscovery {
  readonly #options: MdnsOptions
  readonly #candidates: Candidates
  readonly #alarm: Alarm
  #links: OpenLink[] = []
  /** When an interface that did not work is tried again. */
  readonly #retryAtMs = new Map<string, number>()
  readonly #closing = new Set<Promise<void>>()
  #interfacesAtMs = 0
  #running = false
  #warned = false
  #label: string
  #announcedPort: number | null = null

  constructor(options: MdnsOptions) {
    this.#options = options
    this.#label = shortId(options.peerId)
    this.#candidates = new Candidates({
      clock: options.clock,
      peerId: options.peerId,
      networkTag: options.networkTag,
      found: (candidate) => options.found(candidate),
      lost: (candidate) => options.lost?.(candidate),
    })
    this.#alarm = new Alarm(options.clock, () => this.#tick())
  }

  /** Never fails: what does not work is warned of and tried again. */
  start(): void {
    if (this.#running) return
    this.#running = true
    this.refresh()
  }

  /** Looks at interfaces and port now, instead of within 15 seconds. */
  refresh(): void {
    if (!this.#running) return
    this.#interfacesAtMs = Number.NEGATIVE_INFINITY
    this.#tick()
  }

  /** Says goodbye and closes everything. After it no callback comes; `start` may follow. */
  async stop(): Promise<void> {
    if (this.#running) {
      this.#running = false
      this.#alarm.cancel()
      this.#sayGoodbye()
      for (const open of this.#links) this.#close(open)
      this.#links = []
      this.#candidates.clear()
      this.#retryAtMs.clear()
      this.#announcedPort = null
      this.#warned = false
    }
    await Promise.all(this.#closing)
  }

  #tick(): void {
    const nowMs = this.#options.clock.nowMs()
    const retryAtMs = Math.min(...this.#retryAtMs.values())
    if (nowMs >= Math.min(this.#interfacesAtMs, retryAtMs)) this.#lookAround(nowMs)
    for (const { link } of [...this.#links]) link.tick(nowMs)
    this.#setAlarm()
  }

  #setAlarm(): void {
    if (!this.#running) return
    const deadlines = this.#links.map(({ link }) => link.deadlineMs)
    this.#alarm.set(Math.min(this.#interfacesAtMs, ...this.#retryAtMs.values(), ...deadlines))
  }

  #lookAround(nowMs: number): void {
    this.#interfacesAtMs = nowMs + INTERFACES_INTERVAL_MS
    this.#candidates.expire()
    this.#followPort(nowMs)
    const all = this.#options.interfaces()
    const wanted = wantedLinks(all)
    for (const key of [...this.#retryAtMs.keys()]) if (!wanted.has(key)) this.#retryAtMs.delete(key)
    for (const open of [...this.#links]) {
      if (!wanted.has(open.key) || isDeaf(open.link, nowMs)) this.#remove(open)
    }
    for (const [key, on] of wanted) {
      const addresses = all.filter((other) => other.interfaceName === on.interfaceName)
      const open = this.#links.find((other) => other.key === key)
      if (open !== undefined) followAddresses(open.link, addresses, nowMs)
      else if ((this.#retryAtMs.get(key) ?? 0) <= nowMs) this.#open(key, on, addresses, nowMs)
    }
    this.#warnIfNone('this machine has no network interface for it')
  }

  #followPort(nowMs: number): void {
    const port = this.#options.port()
    if (port === this.#announcedPort) return
    if (port === null) this.#sayGoodbye()
    this.#announcedPort = port
    if (port !== null) for (const { link } of this.#links) link.announce(nowMs)
  }

  #open(key: string, on: InterfaceAddress, addresses: readonly InterfaceAddress[], nowMs: number): void {
    this.#retryAtMs.delete(key)
    const source = {
      records: (own: readonly InterfaceAddress[]) => this.#records(own),
      knownPointers: (link: MdnsLink) => this.#candidates.knownPointers(link),
      questions: (link: MdnsLink) => this.#candidates.questions(link),
    }
    const link = new MdnsLink(on, addresses, source, this.#options.random, nowMs)
    const open: OpenLink = { key, link, failures: 0 }
    this.#links.push(open)
    try {
      link.socket = this.#options.multicast.open(on, {
        received: (packet, from) => this.#received(open, packet, from),
        failed: (error) => this.#failed(open, error),
      })
    } catch (error) {
      this.#failed(open, error)
    }
    // It may have failed before there was a socket to close.
    if (!this.#links.includes(open)) this.#close(open)
  }

  #received(open: OpenLink, packet: DnsPacket, from: Endpoint): void {
    if (!this.#links.includes(open)) return
    const nowMs = this.#options.clock.nowMs()
    open.link.heardAtMs = nowMs
    open.failures = 0
    this.#warned = false
    // RFC 6762 section 6 and 11: others are simple resolvers, whose questions go unanswered here, or forgers.
    if (from.port !== MDNS_PORT) return
    if (packet.type === 'query') {
      open.link.queried(packet, nowMs)
    } else {
      this.#yieldName(packet, nowMs)
      if (this.#candidates.heard(packet, from, open.link)) open.link.askSoon(nowMs)
    }
    this.#setAlarm()
  }

  /**
   * The end of a peer id is nearly unique in a network, the whole of it is unique: who meets another node of its short name takes
   * the long one, which replaces RFC 6762's probing (section 8.1).
   */
  #yieldName(packet: DnsPacket, nowMs: number): void {
    if (this.#label === this.#options.peerId) return
    const ours = instanceName(this.#label)
    const isTaken = [...packet.answers, ...packet.additionals].some((record) => {
      if (record.type !== 'TXT' || !sameName(record.name, ours)) return false
      const peer = readText(record.data)?.peer
      return peer !== undefined && peer !== this.#options.peerId
    })
    if (!isTaken) return
    this.#label = this.#options.peerId
    for (const { link } of this.#links) link.announce(nowMs)
  }

  #failed(open: OpenLink, error: unknown): void {
    if (!this.#links.includes(open)) return
    open.failures++
    const works = open.link.heardAtMs > this.#options.clock.nowMs() - RETRY_MS
    if (works && open.failures < FAILURES_MAX) return
    this.#remove(open)
    this.#retryAtMs.set(open.key, this.#options.clock.nowMs() + RETRY_MS)
    this.#warnIfNone(reasonOf(error))
    this.#setAlarm()
  }

  #warnIfNone(reason: string): void {
    if (this.#links.length > 0 || this.#warned || !this.#running) return
    this.#warned = true
    this.#options.warn('no-multicast', `cannot find nodes on the local network: ${reason}; trying again every minute`)
  }

  #remove(open: OpenLink): void {
    this.#links = this.#links.filter((other) => other !== open)
    this.#close(open)
    this.#candidates.forgetLink(open.link)
  }

  #close(open: OpenLink): void {
    const closed = open.link.socket?.close()
    if (closed === undefined) return
    this.#closing.add(closed)
    closed.finally(() => this.#closing.delete(closed))
  }

  #sayGoodbye(): void {
    for (const { link } of this.#links) {
      const records = this.#records(link.addresses)
      if (records !== null) link.sayGoodbye(records, this.#options.clock.nowMs())
    }
  }

  #records(addresses: readonly InterfaceAddress[]): RecordSets | null {
    const { peerId, networkTag } = this.#options
    const port = this.#announcedPort
    if (port === null) return null
    const own: OwnService = { peerId, networkTag, label: this.#label, port }
    return recordsOf(own, addresses)
  }
}

/** Which sockets there should be: for IPv4 one for each address, for IPv6 one for each interface, by its link-local address if any. */
function wantedLinks(all: readonly InterfaceAddress[]): Map<string, InterfaceAddress> {
  const wanted = new Map<string, InterfaceAddress>()
  const withIp6 = new Set<string>()
  const linkLocalFirst = [...all].sort((a, b) => Number(isLinkLocal(b)) - Number(isLinkLocal(a)))
  for (const on of linkLocalFirst) {
    if (on.internal || wanted.size >= LINKS_MAX) continue
    if (on.family === 'ip6') {
      if (withIp6.has(on.interfaceName)) continue
      withIp6.add(on.interfaceName)
    }
    // The scope is the interface's number: an interface that was made anew has another one.
    wanted.set(`${on.interfaceName} ${on.host} ${on.scope}`, on)
  }
  return wanted
}

function isLinkLocal(address: InterfaceAddress): boolean {
  return address.family === 'ip6' && address.host.toLowerCase().startsWith('fe80:')
}

function followAddresses(link: MdnsLink, addresses: readonly InterfaceAddress[], nowMs: number): void {
  const text = (list: readonly InterfaceAddress[]): string =>
    list.map((one) => `${one.host}/${one.prefixLength}`).join()
  const isSame = text(link.addresses) === text(addresses)
  link.addresses = addresses
  if (!isSame) link.announce(nowMs)
}

/**
 * An interface that went and came back between two looks has forgotten that we joined the group. We hear what we send
 * ourselves; who did and does not any more is deaf.
 */
function isDeaf(link: MdnsLink, nowMs: number): boolean {
  const heardEver = link.heardAtMs > Number.NEGATIVE_INFINITY
  return heardEver && link.sentAtMs > link.heardAtMs && nowMs - link.sentAtMs > 1_000
}

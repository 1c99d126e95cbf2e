// Multicast DNS packets on one interface, by the package multicast-dns. Not discovery: what to ask and to answer is
// lib/discovery/mdns.ts's. RFC 6762 sections 3, 11 and 18; docs/protocol.md, "Discovery".

import { createSocket } from 'node:dgram'
import { createRequire } from 'node:module'
import { BlockList, isIPv6 } from 'node:net'
import type multicastDnsPackage from 'multicast-dns'
import { isPlausible, screened } from './dns-screen.ts'
import { plainHost } from './endpoint.ts'
import type { DnsPacket, DnsRecord, Endpoint, InterfaceAddress, Multicast, MulticastSocket } from './world.ts'

const GROUP_IP6 = 'ff02::fb'
/** Packets that wait for the socket to be bound, which takes a turn or two. More than that is not going to be useful. */
const WAITING_MAX = 16
/** How long `close` waits for packets on their way out, goodbyes among them. */
const CLOSE_MS = 500
/** Of each kind; the rest is not looked at. */
const RECORDS_MAX = 128

/** The package is loaded by the first who needs it: many nodes do without. It is a CommonJS one, so that this takes no turn. */
const require = createRequire(import.meta.url)

/** The machine's multicast DNS. */
export const nodeMulticast: Multicast = { open }

type Events = Parameters<Multicast['open']>[1]

function open(on: InterfaceAddress, events: Events): MulticastSocket {
  const multicastDns = require('multicast-dns') as typeof multicastDnsPackage
  const isOnLink = linkOf(on)
  let ready = false
  let closing: Promise<void> | null = null
  let waiting: Partial<DnsPacket>[] = []
  let underWay = 0
  let allSent: (() => void) | null = null

  // Ours, so that nothing is decoded which is not worth it; and by default an IPv6 one would get the IPv4 packets of its port as well.
  const isIp4 = on.family === 'ip4'
  const socket = screened(
    createSocket(isIp4 ? { type: 'udp4', reuseAddr: true } : { type: 'udp6', reuseAddr: true, ipv6Only: true }),
    (bytes, { address }) => isOnLink(plainHost(address)) && isPlausible(bytes),
  )
  const mdns = isIp4
    ? multicastDns({ interface: on.host, bind: '0.0.0.0', socket })
    : multicastDns({ type: 'udp6', ip: GROUP_IP6, interface: `::%${zoneOf(on)}`, bind: '::', socket })

  // A failure to bind is emitted twice; the second time says nothing new.
  let bindFailed = false
  mdns.on('error', (error) => {
    if (bindFailed || closing !== null) return
    bindFailed = true
    events.failed(error)
  })
  mdns.on('warning', (error) => {
    // Warnings are packets that cannot be decoded, which are nobody's business, and failed system calls.
    if (closing === null && 'syscall' in error) events.failed(error)
  })
  mdns.on('ready', () => {
    ready = true
    const queued = waiting
    waiting = []
    for (const packet of queued) sendNow(packet)
  })
  mdns.on('packet', (raw: unknown, info: { address: string; port: number }) => {
    const from: Endpoint = { host: plainHost(info.address), port: info.port }
    if (closing !== null) return
    const packet = packetOf(raw)
    if (packet === null) return
    try {
      events.received(packet, from)
    } catch (error) {
      // What a stranger sent must not be able to end the process.
      events.failed(error instanceof Error ? error : new Error(String(error)))
    }
  })

  function sendNow(packet: Partial<DnsPacket>): void {
    const sent = (error?: Error | null): void => {
      if (--underWay === 0) allSent?.()
      if (error && closing === null) events.failed(error)
    }
    underWay++
    try {
      // The package fills in what it misses and puts its own fields into the object, hence a copy.
      if (packet.type === 'response') mdns.respond({ ...packet } as never, sent)
      else mdns.query({ ...packet } as never, sent)
    } catch (error) {
      // The package encodes at once; what it cannot encode it throws, and calls nobody back.
      underWay--
      events.failed(error instanceof Error ? error : new Error(String(error)))
    }
  }

  return {
    send(packet: Partial<DnsPacket>): void {
      if (closing !== null) return
      if (ready) sendNow(packet)
      else if (waiting.length < WAITING_MAX) waiting.push(packet)
    },

    close(): Promise<void> {
      waiting = []
      closing ??= outgoing().then(destroy)
      return closing
    },
  }

  /** Closing a datagram socket loses what has not left yet. */
  function outgoing(): Promise<void> {
    if (underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timeout = setTimeout(resolve, CLOSE_MS)
      allSent = () => {
        clearTimeout(timeout)
        resolve()
      }
    })
  }

  function destroy(): Promise<void> {
    return new Promise((resolve) => {
      try {
        mdns.destroy(resolve)
      } catch {
        // The socket has closed by itself already, which is what was wanted.
        resolve()
      }
    })
  }
}

/** The interface's name as IPv6 literals carry it; Windows numbers them. */
function zoneOf(on: InterfaceAddress): string {
  return process.platform === 'win32' ? String(on.scope) : on.interfaceName
}

/**
 * Whether a source address is on the interface's link. A socket bound to all addresses hears what any socket of the machine
 * has joined on other interfaces; and RFC 6762 section 11 wants packets from elsewhere ignored.
 */
function linkOf(on: InterfaceAddress): (host: string) => boolean {
  const family = on.family === 'ip4' ? 'ipv4' : 'ipv6'
  const subnet = new BlockList()
  subnet.addSubnet(on.host, on.prefixLength, family)
  const zone = zoneOf(on)
  return (host) => {
    if (isIPv6(host) !== (family === 'ipv6')) return false
    const [address, hostZone] = host.split('%')
    if (hostZone !== undefined) return hostZone === zone
    return subnet.check(address!, family)
  }
}

/** The parts of a decoded packet that we know the shape of, or null when it is not even that. */
function packetOf(raw: unknown): DnsPacket | null {
  const { type, questions, answers, additionals } = raw as Record<string, unknown>
  if (type !== 'query' && type !== 'response') return null
  return {
    type,
    questions: listOf(questions).flatMap((item) => {
      const { name, type: asked } = item
      return typeof name === 'string' && typeof asked === 'string' ? [{ name, type: asked }] : []
    }),
    answers: listOf(answers).flatMap(recordOf),
    additionals: listOf(additionals).flatMap(recordOf),
  }
}

function listOf(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return []
  return value.slice(0, RECORDS_MAX).filter((item) => typeof item === 'object' && item !== null)
}

function recordOf(item: Record<string, unknown>): DnsRecord[] {
  const { name, type, ttl, class: recordClass, flush, data } = item
  if (typeof name !== 'string' || typeof type !== 'string' || recordClass !== 'IN') return []
  if (typeof ttl !== 'number') return []
  return [{ name, type, ttl, class: recordClass, flush: flush === true, data }]
}

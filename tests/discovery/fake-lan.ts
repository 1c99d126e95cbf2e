// A local network in memory: a clock that is moved by hand, and segments on which multicast packets take one millisecond and
// reach everyone, the sender included. For the tests of lib/discovery.

import { utf8 } from '../../lib/bytes.ts'
import type {
  Clock,
  DnsPacket,
  DnsRecord,
  Endpoint,
  InterfaceAddress,
  Multicast,
  MulticastSocket,
  Random,
  Timer,
} from '../../lib/io/world.ts'

export class FakeClock implements Clock {
  #nowMs = 0
  #timers: { atMs: number; order: number; run: () => void }[] = []
  #order = 0

  nowMs(): number {
    return this.#nowMs
  }

  unixMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  timer(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.timer(0, run)
  }

  /** Runs every timer that is due until then, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let steps = 0; ; steps++) {
      if (steps > 200_000) throw new Error('the timers never come to rest')
      const next = this.#timers
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
    }
    this.#nowMs = untilMs
  }

  get pending(): number {
    return this.#timers.length
  }
}

/** Deterministic: a linear congruential generator. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)),
    fraction: next,
  }
}

interface Opened {
  readonly host: FakeHost
  readonly on: InterfaceAddress
  readonly events: { received(packet: DnsPacket, from: Endpoint): void; failed(error: Error): void }
}

/** A packet as it was sent. */
export interface Sent {
  readonly atMs: number
  readonly from: Endpoint
  readonly packet: DnsPacket
}

export class FakeLan {
  readonly clock: FakeClock = new FakeClock()
  readonly sent: Sent[] = []
  readonly opened: Opened[] = []

  /** A machine with one interface on this network, `eth0`. */
  host(ip4: string | null, ip6s: readonly string[] = []): FakeHost {
    const all: InterfaceAddress[] = []
    const common = { interfaceName: 'eth0', internal: false }
    if (ip4 !== null) all.push({ ...common, host: ip4, family: 'ip4', scope: 0, prefixLength: 24 })
    for (const host of ip6s) {
      const scope = host.startsWith('fe80:') ? 7 : 0
      all.push({ ...common, host, family: 'ip6', scope, prefixLength: 64 })
    }
    return new FakeHost(this, all)
  }

  /** Delivers a packet to everyone who listens on that family, a millisecond later. */
  send(packet: Partial<DnsPacket>, from: Endpoint): void {
    const whole = asDecoded(packet)
    this.sent.push({ atMs: this.clock.nowMs(), from, packet: whole })
    this.clock.timer(1, () => {
      for (const { host, on, events } of [...this.opened]) {
        if ((on.family === 'ip6') !== from.host.includes(':') || host.deaf) continue
        const source = from.host.startsWith('fe80:') ? `${from.host}%${on.interfaceName}` : from.host
        events.received(structuredClone(whole), { host: source, port: from.port })
      }
    })
  }

  /** What was sent from that address and is of that type. */
  of(type: 'query' | 'response', host: string): Sent[] {
    return this.sent.filter(({ packet, from }) => packet.type === type && from.host === host)
  }
}

export class FakeHost {
  readonly lan: FakeLan
  all: InterfaceAddress[]
  /** What opening fails with; `throws` it at once instead of calling `failed`. */
  openError: Error | null = null
  throws = false
  /** Receives nothing. */
  deaf = false
  opens = 0
  closes = 0

  constructor(lan: FakeLan, all: InterfaceAddress[]) {
    this.lan = lan
    const loopback = {
      interfaceName: 'lo',
      host: '127.0.0.1',
      family: 'ip4',
      internal: true,
      scope: 0,
      prefixLength: 8,
    } as const
    this.all = [loopback, ...all]
  }

  readonly interfaces = (): readonly InterfaceAddress[] => this.all

  readonly multicast: Multicast = {
    open: (on, events): MulticastSocket => {
      this.opens++
      const { openError } = this
      if (openError !== null) {
        if (this.throws) throw openError
        this.lan.clock.timer(1, () => events.failed(openError))
      }
      const opened: Opened = { host: this, on, events }
      if (openError === null) this.lan.opened.push(opened)
      return {
        send: (packet) => {
          if (openError === null) this.lan.send(packet, { host: on.host, port: 5353 })
        },
        close: () => {
          this.closes++
          const at = this.lan.opened.indexOf(opened)
          if (at >= 0) this.lan.opened.splice(at, 1)
          return Promise.resolve()
        },
      }
    },
  }

  /** Makes every open socket of this host report an error. */
  fail(error: Error): void {
    for (const opened of [...this.lan.opened]) if (opened.host === this) opened.events.failed(error)
  }
}

/** As the package would decode it: byte strings in TXT records, every list there. */
function asDecoded(packet: Partial<DnsPacket>): DnsPacket {
  const record = (given: DnsRecord): DnsRecord => {
    if (given.type !== 'TXT' || !Array.isArray(given.data)) return { ...given }
    return { ...given, data: given.data.map((text) => (typeof text === 'string' ? utf8(text) : text)) }
  }
  return {
    type: packet.type ?? 'query',
    questions: packet.questions ?? [],
    answers: (packet.answers ?? []).map(record),
    additionals: (packet.additionals ?? []).map(record),
  }
}

// Multicast DNS on one interface and family: when to announce, to ask and to answer. It owns a socket and deadlines, no timer:
// mdns.ts calls `tick`. What answers mean is mdns-candidates.ts's. RFC 6762 sections 5.2, 6, 7 and 8.3; docs/protocol.md, "Discovery".

import type { DnsPacket, DnsRecord, InterfaceAddress, MulticastSocket, Random } from '../io/world.ts'
import {
  isKnown,
  type RecordSetName,
  type RecordSets,
  SERVICE,
  SERVICE_TYPES,
  SHARED_SETS,
  sameName,
  UNIQUE_SETS,
} from './dns-sd.ts'

/** RFC 6762 section 8.3: at least two announcements, one second apart. */
const ANNOUNCEMENTS = 2
const ANNOUNCE_INTERVAL_MS = 1_000
/** RFC 6762 section 6: many may answer a question about shared records, so each waits 20 to 120 ms. Section 5.2 on first questions too. */
const JITTER_MIN_MS = 20
const JITTER_SPAN_MS = 100
/** RFC 6762 section 6: no record is multicast more than once a second. */
const REPEAT_MS = 1_000
const FIRST_QUERY_INTERVAL_MS = 1_000
const QUERY_INTERVAL_MAX_MS = 60_000
const LATER_MAX_MS = 6_000
/** Without name compression a known answer takes about 60 bytes; the query must stay below one Ethernet frame. */
const KNOWN_ANSWERS_MAX = 16

/** What a link asks its owner when it is about to send. */
export interface LinkSource {
  /** Our records on an interface with these addresses; null while there is nothing to announce. */
  records(addresses: readonly InterfaceAddress[]): RecordSets | null
  /** The pointers that we know of on this link and need not be told. */
  knownPointers(link: MdnsLink): DnsRecord[]
  /** Further questions about what was heard of on this link, a few at most. */
  questions(link: MdnsLink): DnsPacket['questions']
}

export class MdnsLink {
  readonly on: InterfaceAddress
  /** Of the interface, both families: what we announce there. */
  addresses: readonly InterfaceAddress[]
  socket: MulticastSocket | null = null
  /** When we last sent, and last heard anything, ourselves included. */
  sentAtMs: number = Number.NEGATIVE_INFINITY
  heardAtMs: number = Number.NEGATIVE_INFINITY
  readonly #source: LinkSource
  readonly #random: Random
  #announcementsLeft = 0
  #announceAtMs = Number.POSITIVE_INFINITY
  #queryAtMs: number
  #queryIntervalMs = FIRST_QUERY_INTERVAL_MS
  #queriedAtMs = Number.NEGATIVE_INFINITY
  /** The next query has something to ask that nobody else would. */
  #hurried = false
  /** Answers we owe, with the time they are due. */
  readonly #owed = new Map<RecordSetName, number>()
  readonly #sentSetAtMs = new Map<RecordSetName, number>()

  constructor(
    on: InterfaceAddress,
    addresses: readonly InterfaceAddress[],
    source: LinkSource,
    random: Random,
    nowMs: number,
  ) {
    this.on = on
    this.addresses = addresses
    this.#source = source
    this.#random = random
    this.#queryAtMs = nowMs + this.#jitterMs()
    this.announce(nowMs)
  }

  /** Shows our records (anew), soon. */
  announce(nowMs: number): void {
    this.#announcementsLeft = ANNOUNCEMENTS
    this.#announceAtMs = nowMs + this.#jitterMs()
  }

  /** Asks again within a second, for what a packet has left open. */
  askSoon(nowMs: number): void {
    this.#hurried = true
    this.#queryAtMs = Math.min(this.#queryAtMs, Math.max(nowMs + this.#jitterMs(), this.#queriedAtMs + REPEAT_MS))
  }

  /** When `tick` is to be called next. */
  get deadlineMs(): number {
    return Math.min(this.#announceAtMs, this.#queryAtMs, ...this.#owed.values())
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#announceAtMs) this.#announceNow(nowMs)
    if (nowMs >= this.#queryAtMs) this.#queryNow(nowMs)
    const due = [...this.#owed].filter(([, dueMs]) => nowMs >= dueMs).map(([name]) => name)
    if (due.length > 0) this.#answerNow(due, nowMs)
  }

  /** Handles somebody's question (or our own, which comes back and names our pointer as known). */
  queried(packet: DnsPacket, nowMs: number): void {
    const records = this.#source.records(this.addresses)
    if (records !== null) {
      for (const name of setsAsked(packet.questions, records)) {
        const isOpen = records[name].some((ours) => !packet.answers.some((known) => isKnown(ours, known)))
        if (isOpen) this.#owe(name, nowMs)
      }
    }
    this.#askedByAnother(packet, nowMs)
  }

  /** Takes our records back: others forget them at once. Not the service type, which other nodes have as well. */
  sayGoodbye(records: RecordSets, nowMs: number): void {
    const answers = [...records.pointer, ...records.service, ...records.text, ...records.address]
    this.#send({ type: 'response', answers: answers.map((record) => ({ ...record, ttl: 0 })) }, nowMs)
    this.#announceAtMs = Number.POSITIVE_INFINITY
    this.#owed.clear()
  }

  #announceNow(nowMs: number): void {
    this.#announcementsLeft--
    this.#announceAtMs = this.#announcementsLeft > 0 ? nowMs + ANNOUNCE_INTERVAL_MS : Number.POSITIVE_INFINITY
    const records = this.#source.records(this.addresses)
    if (records === null) return
    this.#sendSets([...SHARED_SETS, ...UNIQUE_SETS], [], records, nowMs)
  }

  /** At 0, 1, 3, 9 and 27 seconds, and then every minute. */
  #queryNow(nowMs: number): void {
    const isFirst = this.#queriedAtMs === Number.NEGATIVE_INFINITY
    if (!isFirst) {
      const factor = this.#queryIntervalMs === FIRST_QUERY_INTERVAL_MS ? 2 : 3
      this.#queryIntervalMs = Math.min(this.#queryIntervalMs * factor, QUERY_INTERVAL_MAX_MS)
    }
    this.#hurried = false
    this.#queriedAtMs = nowMs
    this.#queryAtMs = nowMs + this.#queryIntervalMs
    // Our own pointer among them keeps us, and nobody else, from answering when this comes back to us.
    const own = this.#source.records(this.addresses)?.pointer ?? []
    const answers = [...own, ...this.#source.knownPointers(this).slice(0, KNOWN_ANSWERS_MAX)]
    const questions = [{ name: SERVICE, type: 'PTR' }, ...this.#source.questions(this)]
    this.#send({ type: 'query', questions, answers }, nowMs)
  }

  /**
   * RFC 6762 section 7.3: in a large network the steady question need be asked by one node only, since all hear the answers;
   * unless the other knows answers that we do not, for then we would not hear those.
   */
  #askedByAnother(packet: DnsPacket, nowMs: number): void {
    if (this.#queryIntervalMs < QUERY_INTERVAL_MAX_MS || this.#hurried) return
    if (!packet.questions.some(({ name, type }) => type === 'PTR' && sameName(name, SERVICE))) return
    const ours = [...this.#source.knownPointers(this), ...(this.#source.records(this.addresses)?.pointer ?? [])]
    const knowsMore = packet.answers.some((answer) => !ours.some((pointer) => isKnown({ ...pointer, ttl: 0 }, answer)))
    // Later than the one who asked by a random bit, or all would ask at the same moment the next time.
    const laterMs = this.#random.fraction() * LATER_MAX_MS
    if (!knowsMore) this.#queryAtMs = nowMs + this.#queryIntervalMs + laterMs
  }

  #owe(name: RecordSetName, nowMs: number): void {
    const delayMs = SHARED_SETS.includes(name) ? this.#jitterMs() : 0
    const allowedMs = (this.#sentSetAtMs.get(name) ?? Number.NEGATIVE_INFINITY) + REPEAT_MS
    const dueMs = Math.max(nowMs + delayMs, allowedMs)
    this.#owed.set(name, Math.min(this.#owed.get(name) ?? dueMs, dueMs))
  }

  #answerNow(due: readonly RecordSetName[], nowMs: number): void {
    for (const name of due) this.#owed.delete(name)
    const records = this.#source.records(this.addresses)
    if (records === null) return
    // RFC 6763 section 12: what the asker will want to know next.
    const next: RecordSetName[] = due.includes('pointer') ? ['service', 'text', 'address'] : ['address']
    const wanted = due.includes('pointer') || due.includes('service')
    this.#sendSets(due, wanted ? next.filter((name) => !due.includes(name)) : [], records, nowMs)
  }

  #sendSets(
    answers: readonly RecordSetName[],
    additionals: readonly RecordSetName[],
    records: RecordSets,
    nowMs: number,
  ): void {
    for (const name of [...answers, ...additionals]) {
      this.#owed.delete(name)
      this.#sentSetAtMs.set(name, nowMs)
    }
    this.#send(
      {
        type: 'response',
        answers: answers.flatMap((name) => records[name]),
        additionals: additionals.flatMap((name) => records[name]),
      },
      nowMs,
    )
  }

  #send(packet: Partial<DnsPacket>, nowMs: number): void {
    this.sentAtMs = nowMs
    this.socket?.send(packet)
  }

  #jitterMs(): number {
    return JITTER_MIN_MS + this.#random.fraction() * JITTER_SPAN_MS
  }
}

/** Which of our sets the questions are about. */
function setsAsked(questions: DnsPacket['questions'], records: RecordSets): Set<RecordSetName> {
  const asked = new Set<RecordSetName>()
  for (const { name, type } of questions) {
    if (sameName(name, SERVICE_TYPES) && isOneOf(type, 'PTR')) asked.add('types')
    if (sameName(name, SERVICE) && isOneOf(type, 'PTR')) asked.add('pointer')
    if (sameName(name, records.service[0]!.name)) {
      if (isOneOf(type, 'SRV')) asked.add('service')
      if (isOneOf(type, 'TXT')) asked.add('text')
    }
    const host = records.address[0]?.name
    if (host !== undefined && sameName(name, host) && isOneOf(type, 'A', 'AAAA')) asked.add('address')
  }
  return asked
}

function isOneOf(type: string, ...types: readonly string[]): boolean {
  return type === 'ANY' || types.includes(type)
}

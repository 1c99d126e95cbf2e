// Holds the number of links near the target: when candidates are dialled and whom the address book contributes, when other nodes
// are asked for more, which seeds may sleep, which link is shed, and how lost parts of the network are looked for. It
// opens and closes nothing itself, and leaves visits out of account. With a target of 0 it does nothing at all.
// docs/protocol.md section 12.2, docs/decisions/0010-degree-and-shedding.md.

import type { Identity } from '../identity/identities.ts'
import type { BookChoice, BookPeer } from './address-book.ts'
import { type OpenNeighbour, ordinaryCount } from './admission.ts'
import type { TableLink, TableOptions } from './contract.ts'
import type { Dialler, Occupancy } from './dialler.ts'
import type { FromBook, Target } from './target.ts'
import type { Targets } from './targets.ts'
import type { UnwantedPeers } from './unwanted.ts'

/** So far below and above the target a node is content. */
const SLACK = 2
/** Links that should be to peers that are near: most traffic then stays local, and the others keep the network small. */
const NEAR_TARGET = 2
/** After a loss that is not urgent, so that not everybody who lost the same node dials at once. */
const SEEK_MS = { min: 1_000, max: 3_000 } as const
const SHED_MS = { min: 5_000, max: 10_000 } as const
/** Of the links too many, one in so many is shed at a time: a full house empties in a minute or two, one guest gently. */
const SHED_ONE_IN = 4
/** A peer that says it has no more than this keeps its link. */
const SHED_DEGREE_MIN = 4
const ASK_MS = { first: 2_000, max: 60_000 } as const
const PROBE_MS = { min: 45_000, max: 75_000 } as const

/** What it sees of the table. */
export interface DegreeView {
  readonly open: ReadonlyMap<string, OpenNeighbour>
  readonly targets: Targets
  readonly dialler: Dialler
  readonly unwanted: UnwantedPeers
  hasRoomForAsked(): boolean
}

/** A node with too few links, and room for a dial. */
interface Need {
  readonly seeks: boolean
  /** Whether peers that were never found may be dialled, beside those that were. */
  readonly untried: boolean
  readonly prefersNear: boolean
  /** There is somebody to dial already. */
  readonly hasCandidate: boolean
  readonly nobodyWaits: boolean
}

export class Degree {
  readonly #options: TableOptions
  readonly #view: DegreeView
  #nowMs = Number.NEGATIVE_INFINITY
  #seekFromMs = Number.NEGATIVE_INFINITY
  #shedMs = Number.POSITIVE_INFINITY
  #probeMs = Number.POSITIVE_INFINITY
  #askMs = Number.NEGATIVE_INFINITY
  #askWaitMs: number = ASK_MS.first

  constructor(options: TableOptions, view: DegreeView) {
    this.#options = options
    this.#view = view
  }

  start(nowMs: number): void {
    this.#seekFromMs = Number.NEGATIVE_INFINITY
    this.#shedMs = Number.POSITIVE_INFINITY
    this.#probeMs = nowMs + this.#between(PROBE_MS)
    this.linked()
  }

  /** A link has opened: its peer may know others. */
  linked(): void {
    this.#askMs = Number.NEGATIVE_INFINITY
    this.#askWaitMs = ASK_MS.first
  }

  /** A link is over, and not counted any more. */
  lost(nowMs: number): void {
    this.#seekFromMs = this.#isPoor ? Number.NEGATIVE_INFINITY : nowMs + this.#between(SEEK_MS)
  }

  /** How things stand, for the choice of the next dial. */
  occupancy(nowMs: number): Occupancy {
    const { open, dialler } = this.#view
    let [chosen, near] = [0, 0]
    for (const { source, isNear } of open.values()) {
      if (source === 'visit') continue
      if (source !== 'inbound' && source !== 'manual') chosen++
      if (isNear) near++
    }
    for (const target of dialler.targets()) if (!target.urgent && target.isNear) near++
    const { target, chosenMax, max } = this.#options.degree
    return {
      open: this.#count,
      chosen,
      target,
      chosenMax,
      roomForAsked: this.#view.hasRoomForAsked(),
      roomForVisits: open.size < max,
      seeks: nowMs >= this.#seekFromMs,
      prefersNear: near < NEAR_TARGET,
      isAsleep: (asked) => this.isAsleep(asked),
    }
  }

  /**
   * A seed that was found, and that others lead to while this node has links enough, is not dialled. So the nodes that were
   * all given the same seed do not all hold on to it.
   */
  isAsleep({ source, isAwaited, proven }: Target): boolean {
    const { degree, topology } = this.#options
    if (degree.target === 0 || source !== 'seed' || isAwaited || proven === null) return false
    return this.#count >= this.#low && topology.isReachable(proven.publicKey)
  }

  /** Before each choice of a dial: adds at most one candidate to the targets, or asks a neighbour for some. */
  supply(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#options.degree.target === 0) return
    this.#setShed(nowMs)
    if (this.#options.book.size === 0) this.#probeMs = nowMs + this.#between(PROBE_MS)
    if (nowMs >= this.#probeMs) this.#probe(nowMs)
    let need = this.#needNow(nowMs)
    while (need?.seeks && !need.hasCandidate && this.#chooseVisit()) need = this.#needNow(nowMs)
    if (need === null || !need.seeks || need.hasCandidate || this.#takeFromBook(nowMs, need)) return
    if (need.untried && need.nobodyWaits) this.#ask(nowMs)
  }

  /** How many links are to be shed now, one after the other, each named by `victim`. */
  shedCount(nowMs: number): number {
    if (nowMs < this.#shedMs) return 0
    this.#shedMs = nowMs + this.#between(SHED_MS)
    return Math.max(0, Math.ceil((this.#count - this.#high) / SHED_ONE_IN))
  }

  /**
   * The link that is missed least: its peer has links enough and other ways to us, so that nobody is cut off; nobody
   * asked for this very link at either end; and it is the farthest of these. `isAmong` is asked with the Identity.key of each.
   * Null where there is none.
   */
  victim(isAmong: (key: string) => boolean): OpenNeighbour | null {
    const { targets } = this.#view
    const isByHand = targets.belongingTo((target) => target.source === 'manual' || target.listeners.size > 0)
    let victim: OpenNeighbour | null = null
    let equals = 0
    for (const neighbour of this.#view.open.values()) {
      if (
        neighbour.source === 'visit' ||
        !isAmong(neighbour.link.identity.key) ||
        !this.#maySpare(neighbour.link, isByHand)
      )
        continue
      const order = victim === null ? 1 : roundTrip(neighbour) - roundTrip(victim)
      equals = order > 0 ? 1 : order === 0 ? equals + 1 : equals
      if (order > 0 || (order === 0 && this.#options.fraction() * equals < 1)) victim = neighbour
    }
    return victim
  }

  /** When there is something to do; null: never. As of the last `supply`. */
  nextDeadlineMs(): number | null {
    const { degree, book } = this.#options
    if (degree.target === 0) return null
    const deadlines = [this.#shedMs]
    if (book.size > 0) deadlines.push(this.#probeMs)
    const need = this.#needNow(this.#nowMs)
    if (need !== null) deadlines.push(this.#seekFromMs)
    if (need !== null && !need.hasCandidate) {
      const isDialable = this.#dialable(!this.#isPoor)
      const dueMs = book.nextDueMs((peer) => (need.untried || peer.isProven) && isDialable(peer))
      if (dueMs !== null) deadlines.push(dueMs)
      if (need.untried && this.#view.open.size > 0) deadlines.push(this.#askMs)
    }
    // What was due has been tried: it comes again with the next event, or at a deadline that lies in the future.
    const nextMs = Math.min(...deadlines.filter((deadlineMs) => deadlineMs > this.#nowMs))
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs
  }

  get #low(): number {
    return Math.max(1, this.#options.degree.target - SLACK)
  }

  get #high(): number {
    return this.#options.degree.target + SLACK
  }

  get #count(): number {
    return ordinaryCount(this.#view.open)
  }

  /** Too few links to be choosy. */
  get #isPoor(): boolean {
    return this.#count < this.#low
  }

  #needNow(nowMs: number): Need | null {
    const { dialler, targets } = this.#view
    const occupancy = this.occupancy(nowMs)
    const tried = dialler.hasRoomFor(true, occupancy)
    const untried = dialler.hasRoomFor(false, occupancy)
    if (!(tried || untried) || !dialler.mayChoose(occupancy)) return null
    const { seeks, prefersNear } = occupancy
    const waiting = [...targets].filter(({ state, urgent }) => state.kind === 'wanted' && !urgent)
    // One of the preferred kind will do, and so will any from the book: more than one at a time would only empty it.
    const hasCandidate = waiting.some(
      (target) => (target.isTried ? tried : untried) && (target.isFromBook || target.isNear === prefersNear),
    )
    return { seeks, untried, prefersNear, hasCandidate, nobodyWaits: waiting.length === 0 }
  }

  /** A peer that is being visited need not be dialled to become a neighbour. False: nobody is. */
  #chooseVisit(): boolean {
    for (const neighbour of this.#view.open.values()) {
      if (neighbour.source !== 'visit') continue
      neighbour.source = 'book'
      return true
    }
    return false
  }

  #takeFromBook(nowMs: number, { untried, prefersNear }: Need): boolean {
    const { book } = this.#options
    const choose = (onlyWithRoom: boolean): BookChoice | null => {
      const isDialable = this.#dialable(onlyWithRoom)
      return book.choose(nowMs, prefersNear, (peer) => (untried || peer.isProven) && isDialable(peer))
    }
    const choice = choose(true) ?? (this.#isPoor ? choose(false) : null)
    if (choice === null) return false
    const { address, source, isProven, isNear } = choice
    return this.#add(address, source, { isProven, isNear: prefersNear && isNear, isProbe: false }, nowMs)
  }

  /** Two halves that lost each other do not hear of each other any more, but each has the other in its book. */
  #probe(nowMs: number): void {
    const { book, topology, fraction } = this.#options
    this.#probeMs = nowMs + this.#between(PROBE_MS)
    // Also those that were never found: the proven ones may all be gone for good.
    const onlyProven = fraction() < 0.5
    const isDialable = this.#dialable(false)
    const isLost = (peer: BookPeer): boolean => isDialable(peer) && !topology.isReachable(peer.publicKey)
    const choice =
      (onlyProven ? null : book.choose(nowMs, false, (peer) => !peer.isProven && isLost(peer))) ??
      book.choose(nowMs, false, isLost)
    if (choice === null) return
    this.#add(choice.address, choice.source, { isProven: choice.isProven, isNear: false, isProbe: true }, nowMs)
  }

  #add(address: Target['address'], source: 'exchange' | 'book', from: FromBook, nowMs: number): boolean {
    if (this.#view.targets.get(address) !== undefined) return false
    return this.#view.targets.add(address, source, null, nowMs, from) !== null
  }

  /** Peers of the book that have no link with us and no address among the targets; `onlyWithRoom`: nor links enough. */
  #dialable(onlyWithRoom: boolean): (peer: BookPeer) => boolean {
    const { open, targets, unwanted } = this.#view
    const known = new Set<string | null>()
    for (const { link } of open.values()) known.add(link.identity.id)
    for (const target of targets) known.add(target.peer)
    return ({ peer, publicKey }) => {
      if (known.has(peer) || unwanted.has(peer)) return false
      return !onlyWithRoom || (this.#options.topology.degreeOf(publicKey) ?? 0) < this.#high
    }
  }

  #ask(nowMs: number): void {
    const links = Array.from(this.#view.open.values(), ({ link }) => link)
    const link = links[Math.floor(this.#options.fraction() * links.length)]
    if (link === undefined || nowMs < this.#askMs) return
    this.#askMs = nowMs + this.#askWaitMs * (0.75 + 0.5 * this.#options.fraction())
    this.#askWaitMs = Math.min(this.#askWaitMs * 2, ASK_MS.max)
    this.#options.actions.askPeers(link)
  }

  #setShed(nowMs: number): void {
    if (this.#count <= this.#high) this.#shedMs = Number.POSITIVE_INFINITY
    else if (this.#shedMs === Number.POSITIVE_INFINITY) this.#shedMs = nowMs + this.#between(SHED_MS)
  }

  #maySpare(link: TableLink, isByHand: (identity: Identity) => boolean): boolean {
    const { topology } = this.#options
    const { identity, about } = link
    if (about.keep || isByHand(identity)) return false
    return (topology.degreeOf(identity.publicKey) ?? 0) > SHED_DEGREE_MIN && topology.hasOtherWays(identity.publicKey)
  }

  #between({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + (max - min) * this.#options.fraction()
  }
}

/** Unknown counts as near: the first ping has not been answered yet. */
function roundTrip({ link }: OpenNeighbour): number {
  return link.roundTripMs ?? 0
}

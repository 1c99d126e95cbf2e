// How this node comes to the links that it wants: it holds the wanted addresses, dials what is due, and decides what a failure
// or the end of a link means for them. It reads which links are open and never changes that: the table does. How many links
// there should be is degree.ts's; when an address is due again, aftermath.ts's. docs/protocol.md section 5.8.

import { MeshError } from '../errors.ts'
import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import { CONNECTS_WAITING_MAX } from '../limits.ts'
import { type OpenNeighbour, ordinaryCount } from './admission.ts'
import { Aftermath } from './aftermath.ts'
import { Backoff } from './backoff.ts'
import type { Bans } from './bans.ts'
import type { ConnectListener, DialAttempt, TableLink, TableOptions, TargetSource } from './contract.ts'
import { Degree } from './degree.ts'
import { Dialler, type RunningDial } from './dialler.ts'
import { type NextStep, stepAfterTry } from './next-step.ts'
import { namesOf, type Target } from './target.ts'
import { Targets } from './targets.ts'
import { UnwantedPeers } from './unwanted.ts'
import { settleVisits, Visit } from './visits.ts'

/** Who must hear of a change once the state is whole again; given back to `tell` or `fail`. */
export interface Waiting {
  readonly listeners: readonly ConnectListener[]
  readonly cancelled: readonly DialAttempt[]
}

/** What it sees of the table. */
export interface PursuitView {
  /** By Identity.key. */
  readonly open: ReadonlyMap<string, OpenNeighbour>
  readonly bans: Bans
  /** Whether one more peer that was asked for would be admitted. */
  hasRoomForAsked(): boolean
  /** Whether the link with this Identity.key is over, and stands only until a dial under way has taken its place. */
  isLeaving(key: string): boolean
}

export class Pursuit {
  readonly targets: Targets
  readonly dialler: Dialler
  readonly unwanted: UnwantedPeers = new UnwantedPeers()
  readonly degree: Degree
  readonly aftermath: Aftermath
  readonly #options: TableOptions
  readonly #view: PursuitView
  #started = false
  #planning = false
  /** When the rate of candidates allows the next dial; null while nothing waits for that. */
  #candidateSlotMs: number | null = null

  constructor(options: TableOptions, view: PursuitView) {
    this.#options = options
    this.#view = view
    this.targets = new Targets(() => new Backoff(options.backoff, options.fraction))
    this.dialler = new Dialler(options.fraction)
    const { targets, dialler, unwanted } = this
    this.aftermath = new Aftermath(options, targets, view.bans)
    this.degree = new Degree(options, { ...view, targets, dialler, unwanted })
  }

  get started(): boolean {
    return this.#started
  }

  start(nowMs: number): void {
    if (!this.#started) this.degree.start(nowMs)
    this.#started = true
  }

  /** Forgets every address. */
  stop(): Waiting {
    this.#started = false
    this.#candidateSlotMs = null
    return this.drop([...this.targets])
  }

  /** As NeighbourTable.want. */
  want(address: Address, source: TargetSource, nowMs: number, toldBy: string | null): boolean {
    if (address.peer === this.#options.own.id) return false
    if (source === 'seed' || source === 'manual') this.#wantAgain(address)
    else if (this.unwanted.has(address.peer)) return false
    const known = this.targets.get(address)
    if (known !== undefined) return this.targets.promote(known, source)
    const target = this.targets.add(address, source, toldBy, nowMs)
    if (target === null) return false
    this.#settle(target)
    return true
  }

  /** As NeighbourTable.unwantPeer, without the link; `linked`: whose that is, if there is one. Null: there is nothing to end. */
  unwant(peer: string, linked: Identity | null): Waiting | null {
    const names = new Set(linked === null ? [peer] : [peer, linked.id, linked.key])
    const targets = [...this.targets].filter((target) => namesOf(target).some((name) => names.has(name)))
    if (linked === null && targets.length === 0) return null
    this.unwanted.add([...names, ...targets.flatMap(namesOf)])
    return this.drop(targets)
  }

  /** As NeighbourTable.connect, without the dial: `plan` must follow. */
  connect(address: Address, listener: ConnectListener, nowMs: number): (nowMs: number) => void {
    const target = this.#targetToConnect(address, nowMs)
    if (target instanceof MeshError) {
      listener.failed(target)
      return () => {}
    }
    this.#wantAgain(address)
    // An object of its own for each call, so that one listener can wait twice.
    const waiting: ConnectListener = {
      opened: (link) => listener.opened(link),
      failed: (error) => listener.failed(error),
    }
    target.listeners.add(waiting)
    this.#wake(target, nowMs)
    return (laterMs) => {
      if (target.listeners.delete(waiting)) this.#withdrawn(target, laterMs)
    }
  }

  /** As NeighbourTable.visit, without the dial: `plan` must follow. */
  visit(addresses: readonly Address[], listener: ConnectListener, nowMs: number): (nowMs: number) => void {
    const visit = new Visit(addresses, listener, (address, self) => {
      const target = this.#targetToConnect(address, nowMs)
      if (target instanceof MeshError) return target
      target.visitors.add(self)
      // From the beginning on it has waited, also for its later addresses.
      this.#wake(target, nowMs)
      return target
    })
    visit.next()
    return (laterMs) => {
      if (visit.target?.visitors.delete(visit)) this.#withdrawn(visit.target, laterMs)
    }
  }

  /** An attempt, already ended at the dialler, led to no open link. */
  failed({ attempt, target, proven }: RunningDial, error: MeshError, goodbyeCode: number | null, nowMs: number): void {
    const standing = this.#standing(target)
    if (standing !== undefined) {
      this.tell(this.satisfy(standing.link.identity), standing.link)
      return
    }
    if (error.code === 'already-connected') {
      // Another dial of ours to that peer is under way and will settle this one too, or its link has just closed again.
      if (target.isFromBook && !target.isAwaited) this.targets.delete(target)
      target.state = { kind: 'backing-off', untilMs: nowMs + target.backoff.soon() }
      return
    }
    const step = stepAfterTry(error, proven?.key === this.#options.own.key, goodbyeCode, target.asked)
    const untilMs = this.aftermath.follow(target, step, error.message, false, nowMs)
    const listeners = target.takeListeners()
    const isKept = target.source !== null
    if (!isKept) this.targets.delete(target)
    const retryInMs = isKept && untilMs !== null ? untilMs - nowMs : null
    this.#options.actions.dialFailed(attempt, error.message, retryInMs, error.code)
    for (const listener of listeners) listener.failed(error)
  }

  /** A link with this identity stands: every address known to be its is linked now, and nobody need dial it. */
  satisfy(identity: Identity): Waiting {
    const listeners: ConnectListener[] = []
    const cancelled: DialAttempt[] = []
    for (const target of this.targets.of(identity)) {
      const running = target.attempt === null ? undefined : this.dialler.get(target.attempt)
      // The other end may have chosen a connection on which message 3 is out: the duplicate rule alone may end that one.
      if (running?.proceeded || target.state.kind === 'ours') continue
      if (running !== undefined) {
        this.dialler.end(running.attempt)
        cancelled.push(running.attempt)
      }
      if (target.isWish) this.unwanted.delete([identity.id, identity.key])
      target.prove(identity)
      target.lastError = null
      target.state = { kind: 'linked' }
      if (target.listeners.size > 0) this.targets.promote(target, 'manual')
      listeners.push(...target.takeListeners())
      // It was there for a visit only.
      if (target.source === null) this.targets.delete(target)
    }
    return { listeners, cancelled }
  }

  /** The link of this neighbour is over. Returns the time until the first address that will be dialled again, or null. */
  release(ended: OpenNeighbour, stepOf: (asked: boolean) => NextStep, reason: string, nowMs: number): number | null {
    const { book } = this.#options
    const { identity, roundTripMs } = ended.link
    book.measured(identity.id, roundTripMs)
    // Whoever dialled: who does not want the link now is not to be chosen again at once.
    if (stepOf(false).kind === 'retry-later') book.postpone(identity.id, nowMs + this.aftermath.laterMs())
    if (ended.source !== 'visit') this.degree.lost(nowMs)
    const seeksCandidates = ordinaryCount(this.#view.open) + this.dialler.size < this.#options.degree.target
    let firstMs: number | null = null
    for (const target of this.targets.of(identity)) {
      if (target.state.kind !== 'linked') continue
      const livedLong = target.backoff.lived(nowMs - ended.openedAtMs)
      const untilMs = this.aftermath.follow(target, stepOf(target.asked), reason, livedLong, nowMs)
      if (untilMs === null || !(target.asked || seeksCandidates)) continue
      firstMs = Math.min(firstMs ?? untilMs, untilMs)
    }
    return firstMs === null ? null : firstMs - nowMs
  }

  /** Nobody dials this identity before `untilMs`. Attempts under way are refused when they prove it. */
  banned(identity: Identity, untilMs: number, reason: string): Waiting {
    const targets = this.targets
      .of(identity)
      .filter((target) => target.attempt === null && target.state.kind !== 'ours')
    const listeners = targets.flatMap((target) => target.takeListeners())
    for (const target of targets) {
      target.lastError = `banned: ${reason}`
      target.state = { kind: 'backing-off', untilMs }
      if (target.source === null) this.targets.delete(target)
    }
    return { listeners, cancelled: [] }
  }

  /** Forgets these addresses and ends their attempts. */
  drop(targets: readonly Target[]): Waiting {
    const cancelled: DialAttempt[] = []
    for (const target of targets) {
      this.targets.delete(target)
      if (target.attempt !== null && this.dialler.end(target.attempt) !== undefined) cancelled.push(target.attempt)
    }
    return { listeners: targets.flatMap((target) => target.takeListeners()), cancelled }
  }

  tell({ listeners, cancelled }: Waiting, link: TableLink): void {
    this.#cancel(cancelled)
    for (const listener of listeners) listener.opened(link)
  }

  fail({ listeners, cancelled }: Waiting, error: MeshError): void {
    this.#cancel(cancelled)
    for (const listener of listeners) listener.failed(error)
  }

  /** Dials whatever is due and within the limits. May be called at any time, also from within an action. */
  plan(nowMs: number): void {
    if (!this.#started || this.#planning) return
    this.#planning = true
    try {
      while (this.#dialNext(nowMs));
    } finally {
      this.#planning = false
    }
  }

  /** When `plan` has something to do, if nothing happens before; null: never. */
  nextDeadlineMs(): number | null {
    if (!this.#started) return null
    const never = Number.POSITIVE_INFINITY
    let nextMs = Math.min(this.#candidateSlotMs ?? never, this.degree.nextDeadlineMs() ?? never)
    for (const { state } of this.targets) if (state.kind === 'backing-off') nextMs = Math.min(nextMs, state.untilMs)
    return nextMs === never ? null : nextMs
  }

  #dialNext(nowMs: number): boolean {
    for (const target of this.targets) {
      const { state } = target
      if (state.kind === 'backing-off' && state.untilMs <= nowMs)
        target.state = { kind: 'wanted', sinceMs: state.untilMs }
    }
    settleVisits(this.#view.open, this.targets)
    this.#failWithoutRoom()
    if (!this.#started) return false
    this.degree.supply(nowMs)
    const choice = this.dialler.choose(this.targets, this.degree.occupancy(nowMs), nowMs)
    this.#candidateSlotMs = choice.kind === 'wait' ? choice.untilMs : null
    if (choice.kind !== 'dial') return false
    this.#options.actions.dial(this.dialler.begin(choice.target, this.#keeps(choice.target), nowMs))
    return true
  }

  /** Nobody is left waiting for a dial that the degree does not allow. */
  #failWithoutRoom(): void {
    const isFull = this.#view.open.size >= this.#options.degree.max
    if (!isFull) return
    const hasRoomForWishes = this.#view.hasRoomForAsked()
    const listeners: ConnectListener[] = []
    for (const target of [...this.targets]) {
      if (target.state.kind !== 'wanted' || !target.isAwaited || (target.isWish && hasRoomForWishes)) continue
      listeners.push(...target.takeListeners())
      if (target.source === null) this.targets.delete(target)
    }
    this.fail(
      { listeners, cancelled: [] },
      new MeshError('too-many-neighbours', 'this node has all the links it may have'),
    )
  }

  /** Somebody waits there now. */
  #wake(target: Target, nowMs: number): void {
    if (target.state.kind === 'backing-off') target.state = { kind: 'wanted', sinceMs: nowMs }
    this.#settle(target)
  }

  /** Where it leads to a peer with a link, whoever waits for that peer has it. */
  #settle(target: Target): void {
    const standing = this.#standing(target)
    if (standing === undefined || this.#view.isLeaving(standing.link.identity.key)) return
    this.tell(this.satisfy(standing.link.identity), standing.link)
  }

  /** Somebody waits there no longer. A dial that nobody else wanted is given up. */
  #withdrawn(target: Target, nowMs: number): void {
    if (target.isAwaited || target.source !== null) return
    this.#cancel(this.drop([target]).cancelled)
    this.plan(nowMs)
  }

  /** The address as a target that may be dialled or is linked, or why not. */
  #targetToConnect(address: Address, nowMs: number): Target | MeshError {
    if (!this.#started) return new MeshError('not-running', 'this node is not running')
    const known = this.targets.get(address)
    if (address.peer === this.#options.own.id || known?.state.kind === 'ours') {
      return new MeshError('self-connection', 'this address is our own')
    }
    if (known !== undefined && this.aftermath.banEndMs(known, nowMs) !== null) {
      return new MeshError('banned', 'this peer is banned here')
    }
    let waiting = 0
    for (const { listeners, visitors } of this.targets) waiting += listeners.size + visitors.size
    const target = waiting < CONNECTS_WAITING_MAX ? (known ?? this.targets.add(address, null, null, nowMs)) : null
    return target ?? new MeshError('too-many-neighbours', 'too many addresses are asked for at once')
  }

  /** With a target of 0 this node has no links but those that it was told to have. */
  #keeps({ source, isAwaited }: Target): boolean {
    return source === 'manual' || isAwaited || (source === 'seed' && this.#options.degree.target === 0)
  }

  #standing(target: Target): OpenNeighbour | undefined {
    if (target.proven !== null) return this.#view.open.get(target.proven.key)
    if (target.address.peer === null) return undefined
    for (const neighbour of this.#view.open.values()) if (target.belongsTo(neighbour.link.identity)) return neighbour
    return undefined
  }

  #wantAgain(address: Address): void {
    if (address.peer !== null) this.unwanted.delete([address.peer])
  }

  #cancel(attempts: readonly DialAttempt[]): void {
    for (const attempt of attempts) this.#options.actions.cancelDial(attempt)
  }
}

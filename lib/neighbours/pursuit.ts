// How this node comes to the links that it wants: it holds the wanted addresses, dials what is due, and decides what a failure
// or the end of a link means for them. It reads which links are open and never changes that: the table does.
// docs/protocol.md section 5.8.

import { MeshError } from '../errors.ts'
import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import { CANDIDATE_FAILURES_MAX, CONNECTS_WAITING_MAX } from '../limits.ts'
import type { OpenNeighbour } from './admission.ts'
import { Backoff } from './backoff.ts'
import type { Bans } from './bans.ts'
import type { ConnectListener, DialAttempt, TableLink, TableOptions, TargetSource } from './contract.ts'
import { Dialler, type RunningDial } from './dialler.ts'
import { type NextStep, nextStep } from './next-step.ts'
import type { Target } from './target.ts'
import { Targets } from './targets.ts'
import { UnwantedPeers } from './unwanted.ts'

/** What the pursuit sees of the table. */
export interface OpenLinks {
  readonly size: number
  /** By Identity.key. */
  get(key: string): OpenNeighbour | undefined
  values(): Iterable<OpenNeighbour>
  /** Whether one more peer that was asked for would be admitted. */
  hasRoomForAsked(): boolean
}

/** Who must hear of a change once the state is whole again; given back to `tell` or `fail`. */
export interface Waiting {
  readonly listeners: readonly ConnectListener[]
  readonly cancelled: readonly DialAttempt[]
}

export class Pursuit {
  readonly targets: Targets
  readonly dialler: Dialler
  readonly unwanted: UnwantedPeers = new UnwantedPeers()
  readonly #options: TableOptions
  readonly #open: OpenLinks
  readonly #bans: Bans
  #started = false
  #planning = false
  /** When the rate of candidates allows the next dial; null while nothing waits for that. */
  #candidateSlotMs: number | null = null

  constructor(options: TableOptions, open: OpenLinks, bans: Bans) {
    this.#options = options
    this.#open = open
    this.#bans = bans
    this.targets = new Targets(() => new Backoff(options.backoff, options.fraction))
    this.dialler = new Dialler(options.fraction)
  }

  get started(): boolean {
    return this.#started
  }

  start(): void {
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
    const standing = this.#standing(target)
    if (standing !== undefined) this.satisfy(standing.link.identity)
    return true
  }

  /** As NeighbourTable.connect, without the dial: `plan` must follow. */
  connect(address: Address, listener: ConnectListener, nowMs: number): (nowMs: number) => void {
    const target = this.#targetToConnect(address, nowMs)
    if (target instanceof MeshError) {
      listener.failed(target)
      return () => {}
    }
    // An object of its own for each call, so that one listener can wait twice.
    const waiting: ConnectListener = {
      opened: (link) => listener.opened(link),
      failed: (error) => listener.failed(error),
    }
    target.listeners.add(waiting)
    if (target.state.kind === 'backing-off') target.state = { kind: 'wanted', sinceMs: nowMs }
    const standing = this.#standing(target)
    if (standing !== undefined) this.tell(this.satisfy(standing.link.identity), standing.link)
    return (laterMs) => {
      if (!target.listeners.delete(waiting) || target.listeners.size > 0 || target.source !== null) return
      this.#cancel(this.drop([target]).cancelled)
      this.plan(laterMs)
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
      target.state = { kind: 'backing-off', untilMs: nowMs + target.backoff.soon() }
      return
    }
    const untilMs = this.#follow(
      target,
      this.#stepAfter(target, proven, error, goodbyeCode),
      error.message,
      false,
      nowMs,
    )
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
      if (target.urgent) this.unwanted.delete([identity.id, identity.key])
      target.prove(identity)
      target.lastError = null
      target.state = { kind: 'linked' }
      if (target.listeners.size > 0) this.targets.promote(target, 'manual')
      listeners.push(...target.takeListeners())
    }
    return { listeners, cancelled }
  }

  /** The link of this neighbour is over. Returns the time until the first address that will be dialled again, or null. */
  release(ended: OpenNeighbour, stepOf: (asked: boolean) => NextStep, reason: string, nowMs: number): number | null {
    const seeksCandidates = this.#open.size + this.dialler.size < this.#options.degree.target
    let firstMs: number | null = null
    for (const target of this.targets.of(ended.link.identity)) {
      if (target.state.kind !== 'linked') continue
      const livedLong = target.backoff.lived(nowMs - ended.openedAtMs)
      const untilMs = this.#follow(target, stepOf(target.asked), reason, livedLong, nowMs)
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

  /** Whether a seed, the program or a waiting `connect` names an address of this identity. */
  isAsked(identity: Identity): boolean {
    return this.targets.of(identity).some((target) => target.urgent)
  }

  /** The same for many identities at once: a test against one pass over the addresses. */
  askedFor(): (identity: Identity) => boolean {
    const names = new Set<string | null>()
    for (const target of this.targets) if (target.urgent) names.add(target.proven?.key ?? target.address.peer)
    return (identity) => names.has(identity.key) || names.has(identity.id)
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
    let nextMs = this.#candidateSlotMs ?? Number.POSITIVE_INFINITY
    for (const { state } of this.targets) if (state.kind === 'backing-off') nextMs = Math.min(nextMs, state.untilMs)
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs
  }

  #dialNext(nowMs: number): boolean {
    for (const target of this.targets) {
      const { state } = target
      if (state.kind === 'backing-off' && state.untilMs <= nowMs)
        target.state = { kind: 'wanted', sinceMs: state.untilMs }
    }
    this.#failWithoutRoom()
    if (!this.#started) return false
    const { target, chosenMax } = this.#options.degree
    const roomForAsked = this.#open.hasRoomForAsked()
    const occupancy = { open: this.#open.size, chosen: this.#chosen(), target, chosenMax, roomForAsked }
    const choice = this.dialler.choose(this.targets, occupancy, nowMs)
    this.#candidateSlotMs = choice.kind === 'wait' ? choice.untilMs : null
    if (choice.kind !== 'dial') return false
    this.#options.actions.dial(this.dialler.begin(choice.target, nowMs))
    return true
  }

  /** Nobody is left waiting for a dial that the degree does not allow. */
  #failWithoutRoom(): void {
    if (this.#open.hasRoomForAsked()) return
    const listeners: ConnectListener[] = []
    for (const target of [...this.targets]) {
      if (target.state.kind !== 'wanted' || target.listeners.size === 0) continue
      listeners.push(...target.takeListeners())
      if (target.source === null) this.targets.delete(target)
    }
    this.fail(
      { listeners, cancelled: [] },
      new MeshError('too-many-neighbours', 'this node has all the links it may have'),
    )
  }

  /** The address as a target that may be dialled or is linked, or why not. */
  #targetToConnect(address: Address, nowMs: number): Target | MeshError {
    if (!this.#started) return new MeshError('not-running', 'this node is not running')
    const known = this.targets.get(address)
    if (address.peer === this.#options.own.id || known?.state.kind === 'ours') {
      return new MeshError('self-connection', 'this address is our own')
    }
    if (known !== undefined && this.#banEndMs(known, nowMs) !== null) {
      return new MeshError('banned', 'this peer is banned here')
    }
    let waiting = 0
    for (const { listeners } of this.targets) waiting += listeners.size
    const target = waiting < CONNECTS_WAITING_MAX ? (known ?? this.targets.add(address, null, null, nowMs)) : null
    if (target === null) return new MeshError('too-many-neighbours', 'too many addresses are asked for at once')
    this.#wantAgain(address)
    return target
  }

  #stepAfter(target: Target, proven: Identity | null, error: MeshError, goodbyeCode: number | null): NextStep {
    // Only an identity proves that an address is ours: TCP alone also meets itself on a port where nobody listens yet.
    if (proven?.key === this.#options.own.key) return { kind: 'ours' }
    if (error.code === 'banned') return { kind: 'retry-later' }
    if (error.code === 'disconnected' && !target.asked) return { kind: 'forget' }
    return nextStep(goodbyeCode, target.asked)
  }

  /** Puts the target into the state that follows. Returns when it will be due, or null when it will not. */
  #follow(target: Target, step: NextStep, reason: string, livedLong: boolean, nowMs: number): number | null {
    target.lastError = reason
    if (step.kind === 'ours') {
      target.state = { kind: 'ours' }
      return null
    }
    let untilMs = nowMs
    if (step.kind === 'retry') untilMs += livedLong ? target.backoff.soon() : target.backoff.failed()
    else untilMs += target.backoff.failedForLong()
    if (step.kind === 'wait') untilMs = nowMs + step.waitMs
    untilMs = this.#banEndMs(target, nowMs) ?? untilMs
    if (step.kind === 'forget' || (!target.asked && target.backoff.failures >= CANDIDATE_FAILURES_MAX)) {
      this.targets.delete(target)
      return null
    }
    target.state = { kind: 'backing-off', untilMs }
    return untilMs
  }

  #banEndMs(target: Target, nowMs: number): number | null {
    return target.proven === null ? null : this.#bans.untilMs(target.proven.key, nowMs)
  }

  #standing(target: Target): OpenNeighbour | undefined {
    if (target.proven !== null) return this.#open.get(target.proven.key)
    if (target.address.peer === null) return undefined
    for (const neighbour of this.#open.values()) if (target.belongsTo(neighbour.link.identity)) return neighbour
    return undefined
  }

  #wantAgain(address: Address): void {
    if (address.peer !== null) this.unwanted.delete([address.peer])
  }

  #chosen(): number {
    let count = 0
    for (const { source } of this.#open.values()) if (source !== 'inbound' && source !== 'manual') count++
    return count
  }

  #cancel(attempts: readonly DialAttempt[]): void {
    for (const attempt of attempts) this.#options.actions.cancelDial(attempt)
  }
}

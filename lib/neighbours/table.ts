// The table of neighbours: which links are open, who is let in, who gives way, who is banned. A state machine without sockets,
// timers or a clock: events and the time come in, what to do goes out through TableActions. It knows no frames and no
// messages. docs/protocol.md sections 5.3, 5.7, 5.8 and 13.
//
// Two rules keep it whole while actions call back into it: the state is changed first and the calls come last, and only
// the link that stands for an identity can end its neighbour.

import { type ErrorCode, MeshError } from '../errors.ts'
import { GoodbyeCode } from '../framing/goodbye.ts'
import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { AddressBook } from './address-book.ts'
import { type Admission, evictee, type OpenNeighbour, placeFor } from './admission.ts'
import { Bans, type Blame } from './bans.ts'
import type {
  ConnectListener,
  DialAttempt,
  TableActions,
  TableLink,
  TableOptions,
  TableSnapshot,
  TargetSource,
  Verdict,
} from './contract.ts'
import { survivorOf } from './duplicates.ts'
import { Gate } from './gate.ts'
import { Losers } from './losers.ts'
import { nextStep } from './next-step.ts'
import { Pursuit } from './pursuit.ts'
import { snapshotOf } from './snapshot.ts'
import { settleVisits } from './visits.ts'

export type * from './contract.ts'

export class NeighbourTable {
  readonly #book: AddressBook
  readonly #actions: TableActions
  readonly #bans = new Bans()
  /** By Identity.key. */
  readonly #open = new Map<string, OpenNeighbour>()
  /**
   * By Identity.key: the neighbour's link has ended as a duplicate, and the dial that should take its place is past message 3
   * and not open yet. The two connections race, so a goodbye can be here before the other's `about`; the neighbour is not down.
   */
  readonly #leaving = new Map<string, { readonly heir: DialAttempt; readonly error: MeshError }>()
  readonly #losers = new Losers()
  readonly #pursuit: Pursuit
  readonly #admission: Admission
  readonly #gate: Gate

  constructor(options: TableOptions) {
    const { own, book, actions } = options
    const { max } = options.degree
    this.#book = book
    this.#actions = actions
    const open = this.#open
    this.#pursuit = new Pursuit(options, {
      open,
      bans: this.#bans,
      hasRoomForAsked: () => open.size < max || this.#evictee() !== null,
      isLeaving: (key) => this.#leaving.has(key),
    })
    this.#admission = { own, max, open, bans: this.#bans, targets: this.#pursuit.targets }
    this.#gate = new Gate(this.#admission, this.#pursuit)
  }

  /** Starts to dial what is wanted. Twice is once. */
  start(nowMs: number): void {
    this.#pursuit.start(nowMs)
    this.#pursuit.plan(nowMs)
  }

  /**
   * Cancels all dials, closes every link with goodbye 0 (each with a `neighbourDown`), fails whoever waits with `shutdown` and
   * forgets all addresses; bans stay. No action is called after it has returned, until the next `start`.
   */
  stop(_nowMs: number): void {
    const waiting = this.#pursuit.stop()
    const neighbours = [...this.#open.values()]
    this.#open.clear()
    this.#leaving.clear()
    for (const { link } of neighbours)
      this.#end(link, GoodbyeCode.shuttingDown, 'this node is stopping', null, 'shutdown')
    this.#pursuit.fail(waiting, new MeshError('shutdown', 'this node is stopping'))
  }

  /**
   * Adds an address for good, or gives one that is known the stronger of its sources. `toldBy`: Identity.key of the neighbour
   * that told us of a candidate. Returns whether the address is kept now: not at a bound, not our own, and no candidate that
   * the program disconnected from.
   */
  want(address: Address, source: TargetSource, nowMs: number, toldBy: string | null = null): boolean {
    const isKept = this.#pursuit.want(address, source, nowMs, toldBy)
    this.#pursuit.plan(nowMs)
    return isKept
  }

  /**
   * Dials an address now, whatever its back-off, and tells the listener the end of this try: `opened` once a link with the peer
   * there is open (at once, where one is), else `failed` with the reason. After success the address is wanted as `manual`;
   * after failure it is wanted as it was before, or no longer. Returns a function that takes the listener back.
   */
  connect(address: Address, listener: ConnectListener, nowMs: number): (nowMs: number) => void {
    return this.#waiting(this.#pursuit.connect(address, listener, nowMs), nowMs)
  }

  /**
   * As `connect`, for a link that serves a purpose until `leave` ends it. The addresses all name the same peer; they are tried one
   * after the other, and `failed` says `unreachable` when none is left. Such a link takes one of the `max` places and is no
   * neighbour that was chosen or kept: nobody dials again when it ends. Once its peer is wanted otherwise, it is as any other.
   */
  visit(addresses: readonly Address[], listener: ConnectListener, nowMs: number): (nowMs: number) => void {
    return this.#waiting(this.#pursuit.visit(addresses, listener, nowMs), nowMs)
  }

  /** Whether the link with this Identity.key is a visit of ours. */
  isVisit(identityKey: string): boolean {
    settleVisits(this.#open, this.#pursuit.targets)
    return this.#open.get(identityKey)?.source === 'visit'
  }

  /** Ends a visit (goodbye 6). Any other link with that peer goes on. */
  leave(identityKey: string, nowMs: number): void {
    if (!this.isVisit(identityKey) || this.#leaving.has(identityKey)) return
    const { link } = this.#open.get(identityKey)!
    this.#pursuit.aftermath.left(link, nowMs)
    this.#end(link, GoodbyeCode.idle, 'nothing to do on this link', null, 'disconnected')
    this.#pursuit.plan(nowMs)
  }

  /**
   * Ends the link with a peer (goodbye 0) and drops every address that is known to be its, seeds too; what others tell of it is
   * not chosen again until it is asked for. `peer`: peer id text or Identity.key. Returns whether there was anything to end.
   */
  unwantPeer(peer: string, nowMs: number): boolean {
    const link = this.link(peer)
    const waiting = this.#pursuit.unwant(peer, link?.identity ?? null)
    if (waiting === null) return false
    const text = 'disconnected by the program'
    if (link !== undefined) this.#end(link, GoodbyeCode.shuttingDown, text, null, 'disconnected')
    this.#pursuit.fail(waiting, new MeshError('disconnected', text))
    this.#pursuit.plan(nowMs)
    return true
  }

  /** TCP is connected. */
  handshaking(attempt: DialAttempt, _nowMs: number): void {
    const running = this.#pursuit.dialler.get(attempt)
    if (running !== undefined) running.target.state = { kind: 'handshaking', attempt }
  }

  /**
   * For a dialer between message 2, which proves `identity`, and message 3. After a refusal the dialer closes without a word
   * and reports `dialFailed` with the verdict's reason. Both ends cannot refuse each other as already connected: for a link
   * to be open here, the other end has sent its message 3 and its `about` on it.
   */
  mayProceed(identity: Identity, attempt: DialAttempt, nowMs: number): Verdict {
    return this.#gate.mayProceed(identity, attempt, nowMs)
  }

  /** For a listener after message 3; `host`: IP literal of the other end. Duplicates are not refused here: `opened` settles them. */
  mayAdmit(identity: Identity, host: string, nowMs: number): Verdict {
    return this.#gate.judge(identity, 'in', null, host, nowMs)
  }

  /**
   * A link is open; `attempt` is the one that it came from, null for an inbound one. Returns true when it stands now for its
   * peer; false when the table has closed it: it lost to another one, or there is no place for it any more.
   */
  opened(link: TableLink, attempt: DialAttempt | null, nowMs: number): boolean {
    const { identity } = link
    const verdict = this.#gate.judgeOpened(link, attempt, nowMs)
    const running = attempt === null ? undefined : this.#pursuit.dialler.end(attempt)
    if (!verdict.ok) {
      link.close(verdict.code, verdict.text)
      this.#endLeaving(nowMs)
      if (running !== undefined) {
        this.#pursuit.failed(running, new MeshError(verdict.reason, verdict.text), null, nowMs)
        this.#pursuit.plan(nowMs)
      }
      return false
    }
    const older = this.#open.get(identity.key)
    const place = older === undefined ? placeFor(this.#admission, identity, link.direction, link.remoteHost) : null
    const victim = place === 'none' ? null : place
    const own = this.#admission.own.x25519Key
    const stands =
      older === undefined ||
      this.#leaving.has(identity.key) ||
      survivorOf(own, identity.x25519Key, older.link.direction, link.direction) === 'newer'
    if (victim !== null) this.#remove(victim.link.identity.key)
    if (stands) {
      this.#leaving.delete(identity.key)
      const { visibleSource: source, isNear } = running?.target ?? { visibleSource: 'inbound', isNear: false }
      this.#open.set(identity.key, { link, openedAtMs: nowMs, source, isNear })
    }
    if (running !== undefined) this.#book.succeeded(identity, running.attempt.address)
    this.#pursuit.degree.linked()
    const waiting = this.#pursuit.satisfy(identity)
    if (victim !== null) {
      const retryInMs = this.#pursuit.release(victim, () => ({ kind: 'retry-later' }), 'evicted', nowMs)
      const why = 'the place is needed for a peer that was asked for, or for one from elsewhere'
      this.#end(victim.link, GoodbyeCode.tooMany, why, retryInMs, 'too-many-neighbours')
    }
    if (older === undefined) {
      this.#actions.neighbourUp(link)
    } else {
      if (stands) this.#actions.neighbourReplaced(older.link, link)
      this.#losers.lost(stands ? older.link : link)
    }
    this.#pursuit.tell(waiting, stands ? link : older!.link)
    this.#pursuit.plan(nowMs)
    return stands
  }

  /**
   * A link is over. Nothing happens unless it is the one that stands for its peer. `goodbyeCode`: received from the other end,
   * null where none was; it decides the next step, see next-step.ts. After code 1 the link stands until the dial that is
   * about to replace it has opened or failed, so that its queue can still move.
   */
  closed(link: TableLink, error: MeshError, nowMs: number, goodbyeCode: number | null): void {
    this.#losers.over(link)
    const neighbour = this.#open.get(link.identity.key)
    if (neighbour?.link !== link || this.#leaving.has(link.identity.key)) return
    const heir = goodbyeCode === GoodbyeCode.duplicate ? this.#pursuit.dialler.proceedingTo(link.identity.key) : null
    if (heir !== null) {
      this.#leaving.set(link.identity.key, { heir, error })
      return
    }
    this.#down(neighbour, error, goodbyeCode, nowMs)
    this.#pursuit.plan(nowMs)
  }

  /** An attempt ended without an open link. Nothing happens when it was cancelled before. `goodbyeCode` as in `closed`. */
  dialFailed(attempt: DialAttempt, error: MeshError, nowMs: number, goodbyeCode: number | null): void {
    const running = this.#pursuit.dialler.end(attempt)
    if (running === undefined) return
    this.#endLeaving(nowMs)
    this.#pursuit.failed(running, error, goodbyeCode, nowMs)
    this.#pursuit.plan(nowMs)
  }

  /** A peer sent something wrong. Enough of that ends its link with goodbye 5 and bans it. */
  reject(identity: Identity, reason: string, nowMs: number, blame?: Blame): void {
    if (!this.#pursuit.started || identity.key === this.#admission.own.key) return
    const banMs = this.#bans.reject(identity, nowMs, blame)
    if (banMs === null) return
    const neighbour = this.#open.get(identity.key)
    this.#remove(identity.key)
    const isWanted = this.#pursuit.targets.of(identity).some((target) => target.asked)
    const waiting = this.#pursuit.banned(identity, nowMs + banMs, reason)
    if (neighbour !== undefined) {
      const text = `too many wrong messages, the last: ${reason}`
      this.#end(neighbour.link, GoodbyeCode.misbehaviour, text, isWanted ? banMs : null, 'banned')
    }
    this.#pursuit.fail(waiting, new MeshError('banned', 'this peer is banned here'))
    this.#actions.warning('neighbour-banned', `${identity.id} is banned for ${banMs / 60_000} minutes: ${reason}`)
    this.#pursuit.plan(nowMs)
  }

  /** Dials and sheds what has come due. As often as one likes, at any time; also when the book or the topology has changed. */
  tick(nowMs: number): void {
    this.#shed(nowMs)
    this.#pursuit.plan(nowMs)
  }

  /** When `tick` has something to do, if nothing happens before; null: never. After a `tick` it lies in the future. */
  nextDeadlineMs(): number | null {
    return this.#pursuit.nextDeadlineMs()
  }

  /** The open link with a peer, by peer id text or Identity.key. */
  link(peer: string): TableLink | undefined {
    const byKey = this.#open.get(peer)
    if (byKey !== undefined) return byKey.link
    for (const { link } of this.#open.values()) if (link.identity.id === peer) return link
    return undefined
  }

  /** The open links, one for each peer. */
  *links(): IterableIterator<TableLink> {
    for (const { link } of this.#open.values()) yield link
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Every link, every address and every ban, for people. */
  snapshot(nowMs: number): readonly TableSnapshot[] {
    return snapshotOf(this.#open.values(), this.#pursuit.targets, this.#bans, nowMs)
  }

  #waiting(withdraw: (nowMs: number) => void, nowMs: number): (nowMs: number) => void {
    this.#pursuit.plan(nowMs)
    return (laterMs) => {
      withdraw(laterMs)
      this.#endLeaving(laterMs)
      this.#pursuit.plan(laterMs)
    }
  }

  #evictee(): OpenNeighbour | null {
    return evictee(this.#open.values(), this.#pursuit.targets)
  }

  #remove(key: string): void {
    this.#open.delete(key)
    this.#leaving.delete(key)
  }

  /** The link has ended at the other end or on the way. */
  #down(neighbour: OpenNeighbour, error: MeshError, goodbyeCode: number | null, nowMs: number): void {
    this.#remove(neighbour.link.identity.key)
    const retryInMs = this.#pursuit.release(
      neighbour,
      (asked) => nextStep(goodbyeCode, asked, neighbour.link.direction),
      error.message,
      nowMs,
    )
    this.#actions.neighbourDown(neighbour.link, error.message, retryInMs, error.code)
  }

  /** One by one: each that goes changes who is spared best next. */
  #shed(nowMs: number): void {
    for (let left = this.#pursuit.degree.shedCount(nowMs); left > 0; left--) {
      const victim = this.#pursuit.degree.victim((key) => !this.#leaving.has(key))
      if (victim === null) return
      this.#remove(victim.link.identity.key)
      const text = 'this node has links enough'
      const retryInMs = this.#pursuit.release(victim, () => ({ kind: 'retry-later' }), text, nowMs)
      this.#actions.neighbourDown(victim.link, text, retryInMs, 'too-many-neighbours')
      this.#actions.shed(victim.link)
    }
  }

  /** Neighbours whose link has ended and whose heir has come to nothing are down now. */
  #endLeaving(nowMs: number): void {
    for (const [key, { heir, error }] of [...this.#leaving]) {
      const neighbour = this.#open.get(key)
      if (this.#pursuit.dialler.get(heir) !== undefined || neighbour === undefined) continue
      this.#down(neighbour, error, GoodbyeCode.duplicate, nowMs)
    }
  }

  /** Lets go of a link, and ends it. */
  #end(link: TableLink, code: number, text: string, retryInMs: number | null, reason: ErrorCode): void {
    if (this.#open.get(link.identity.key)?.link === link) this.#remove(link.identity.key)
    this.#actions.neighbourDown(link, text, retryInMs, reason)
    link.close(code, text)
  }
}

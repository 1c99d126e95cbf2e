// Who is let in, how many links there may be, and who gives way. Pure functions over the open neighbours. docs/protocol.md
// section 5.3.
//
// Links in all never exceed `max`. Asked for is a peer that a seed or the program names; only those may cause an eviction.
// - An inbound peer that nobody here asked for is admitted below `max`, or below `max - 2` where `max` is at least 8: the last
//   two places are held back, so that strangers cannot fill a node up before its own seeds come.
// - A peer that was asked for, by either direction, is admitted below `max`; at `max` the youngest inbound link that nobody
//   asked for is evicted with goodbye 2. The youngest: an attacker who comes late cannot push out who has long been there.
// - A visit, a link dialled for one purpose, is admitted below `max` and pushes nobody out.
// - Whom we choose ourselves from the candidates is bound by the degree's target before it is dialled, and by `max`.

import type { ErrorCode } from '../errors.ts'
import { GoodbyeCode } from '../framing/goodbye.ts'
import type { Identity } from '../identity/identities.ts'
import type { AddressSource } from '../types.ts'
import type { Bans } from './bans.ts'
import type { TableLink, Verdict } from './contract.ts'
import type { Targets } from './targets.ts'

export interface OpenNeighbour {
  readonly link: TableLink
  readonly openedAtMs: number
  /**
   * Where the address came from that it was dialled by; `inbound` where the other end dialled. A `visit` becomes another one
   * when its peer is wanted as a neighbour.
   */
  source: AddressSource
  /** It was chosen because it is near. */
  readonly isNear: boolean
}

/** What a verdict depends on. */
export interface Admission {
  readonly own: Identity
  /** Most links in all. */
  readonly max: number
  /** By Identity.key. */
  readonly open: ReadonlyMap<string, OpenNeighbour>
  readonly bans: Bans
  readonly targets: Targets
}

const HELD_BACK = 2
const HELD_BACK_FROM_MAX = 8

/** Links below which an inbound peer that nobody asked for is admitted. */
export function strangersMax(max: number): number {
  return max >= HELD_BACK_FROM_MAX ? max - HELD_BACK : max
}

/** Open links that the degree goes by: all but visits. */
export function ordinaryCount(open: ReadonlyMap<string, OpenNeighbour>): number {
  let count = 0
  for (const { source } of open.values()) if (source !== 'visit') count++
  return count
}

/** `expected`: the peer id that a dialled address insists on, else null. A peer that has a link takes the place of that or none. */
export function judge(
  { own, max, open, bans, targets }: Admission,
  identity: Identity,
  direction: 'in' | 'out',
  expected: string | null,
  nowMs: number,
): Verdict {
  if (identity.key === own.key) return refusal(GoodbyeCode.self, 'self-connection', 'this is our own identity')
  if (expected !== null && expected !== identity.id) {
    return refusal(GoodbyeCode.notAdmitted, 'wrong-identity', `expected ${expected}, found ${identity.id}`)
  }
  if (bans.untilMs(identity.key, nowMs) !== null) {
    return refusal(GoodbyeCode.misbehaviour, 'banned', 'this peer is banned here')
  }
  if (open.has(identity.key)) return { ok: true }
  const isAsked = targets.isAsked(identity)
  const bound = direction === 'in' && !isAsked ? strangersMax(max) : max
  if (open.size < bound || (isAsked && evictee(open.values(), targets) !== null)) return { ok: true }
  return refusal(GoodbyeCode.tooMany, 'too-many-neighbours', 'this node has all the links it may have')
}

export function refusal(code: number, reason: ErrorCode, text: string): Verdict {
  return { ok: false, code, reason, text }
}

/** Who gives way to a peer that was asked for; null where nobody does. */
export function evictee(neighbours: Iterable<OpenNeighbour>, targets: Targets): OpenNeighbour | null {
  const isAsked = targets.belongingTo((target) => target.isWish)
  let youngest: OpenNeighbour | null = null
  for (const neighbour of neighbours) {
    if (neighbour.link.direction !== 'in' || isAsked(neighbour.link.identity)) continue
    if (youngest === null || neighbour.openedAtMs >= youngest.openedAtMs) youngest = neighbour
  }
  return youngest
}

// Who is let in, how many links there may be, and who gives way. Pure functions over the open neighbours. docs/protocol.md
// section 5.3.
//
// Links in all never exceed `max`. Asked for is a peer that a seed or the program names.
// - An inbound peer that nobody here asked for is admitted below `max`, or below `max - 2` where `max` is at least 8: the last
//   two places are held back, so that strangers cannot fill a node up before its own seeds come. Where these places are taken, the
//   youngest of such links from the site (an IPv4 /24, an IPv6 /48, this machine) that has most of them is evicted with goodbye 2, if
//   that are at least two more than are from the newcomer's own: who opens link after link from one place keeps out its own.
// - A peer that was asked for, by either direction, is admitted below `max`; at `max` the youngest inbound link that nobody
//   asked for is evicted with goodbye 2. The youngest: an attacker who comes late cannot push out who has long been there.
// - A visit, a link dialled for one purpose, is admitted below `max` and pushes nobody out.
// - Whom we choose ourselves from the candidates is bound by the degree's target before it is dialled, and by `max`.

import type { ErrorCode } from '../errors.ts'
import { GoodbyeCode } from '../framing/goodbye.ts'
import type { Identity } from '../identity/identities.ts'
import { siteOf } from '../identity/ip.ts'
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

/**
 * `expected`: the peer id that a dialled address insists on, else null; `host`: the other end of an inbound connection. A peer that has
 * a link takes the place of that or none.
 */
export function judge(
  admission: Admission,
  identity: Identity,
  direction: 'in' | 'out',
  expected: string | null,
  host: string,
  nowMs: number,
): Verdict {
  const { own, open, bans } = admission
  if (identity.key === own.key) return refusal(GoodbyeCode.self, 'self-connection', 'this is our own identity')
  if (expected !== null && expected !== identity.id) {
    return refusal(GoodbyeCode.notAdmitted, 'wrong-identity', `expected ${expected}, found ${identity.id}`)
  }
  if (bans.untilMs(identity.key, nowMs) !== null) {
    return refusal(GoodbyeCode.misbehaviour, 'banned', 'this peer is banned here')
  }
  if (open.has(identity.key)) return { ok: true }
  if (placeFor(admission, identity, direction, host) !== 'none') return { ok: true }
  return refusal(GoodbyeCode.tooMany, 'too-many-neighbours', 'this node has all the links it may have')
}

export function refusal(code: number, reason: ErrorCode, text: string): Verdict {
  return { ok: false, code, reason, text }
}

/** Who gives way to a peer that has no link yet; null where there is room, `none` where nobody does. */
export function placeFor(
  { max, open, targets }: Admission,
  identity: Identity,
  direction: 'in' | 'out',
  host: string,
): OpenNeighbour | null | 'none' {
  const isAsked = targets.isAsked(identity)
  if (direction === 'in' && !isAsked) {
    return open.size < strangersMax(max) ? null : (crowding(open.values(), targets, siteOf(host)) ?? 'none')
  }
  if (open.size < max) return null
  return (isAsked ? evictee(open.values(), targets) : null) ?? 'none'
}

/** Who gives way to a peer that was asked for; null where nobody does. */
export function evictee(neighbours: Iterable<OpenNeighbour>, targets: Targets): OpenNeighbour | null {
  return youngestOf(strangersAmong(neighbours, targets))
}

/** Who gives way to a stranger from that site; null where no site is more crowded than its own. */
function crowding(neighbours: Iterable<OpenNeighbour>, targets: Targets, site: string): OpenNeighbour | null {
  const bySite = new Map<string, OpenNeighbour[]>()
  for (const neighbour of strangersAmong(neighbours, targets)) {
    const other = siteOf(neighbour.link.remoteHost)
    const there = bySite.get(other)
    if (there === undefined) bySite.set(other, [neighbour])
    else there.push(neighbour)
  }
  let most: readonly OpenNeighbour[] = bySite.get(site) ?? []
  const bound = most.length + 2
  for (const there of bySite.values()) if (there.length >= bound && there.length > most.length) most = there
  return most.length < bound ? null : youngestOf(most)
}

/** Inbound, and nobody here asked for them. */
function strangersAmong(neighbours: Iterable<OpenNeighbour>, targets: Targets): OpenNeighbour[] {
  const isAsked = targets.belongingTo((target) => target.isWish)
  return [...neighbours].filter(({ link }) => link.direction === 'in' && !isAsked(link.identity))
}

function youngestOf(neighbours: readonly OpenNeighbour[]): OpenNeighbour | null {
  let youngest: OpenNeighbour | null = null
  for (const neighbour of neighbours) {
    if (youngest === null || neighbour.openedAtMs >= youngest.openedAtMs) youngest = neighbour
  }
  return youngest
}

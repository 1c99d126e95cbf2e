// How many links there may be, and who gives way. Pure functions over the open neighbours. docs/protocol.md section 5.3.
//
// Links in all never exceed `max`. Asked for is a peer that a seed or the program names; only those may cause an eviction.
// - An inbound peer that nobody here asked for is admitted below `max`, or below `max - 2` where `max` is at least 8: the last
//   two places are held back, so that strangers cannot fill a node up before its own seeds come.
// - A peer that was asked for, by either direction, is admitted below `max`; at `max` the youngest inbound link that nobody
//   asked for is evicted with goodbye 2. The youngest: an attacker who comes late cannot push out who has long been there.
// - Whom we choose ourselves from the candidates is bound by the degree's target before it is dialled, and by `max`.

import type { Identity } from '../identity/identities.ts'
import type { AddressSource } from '../types.ts'
import type { TableLink } from './contract.ts'

export interface OpenNeighbour {
  readonly link: TableLink
  readonly openedAtMs: number
  /** Where the address came from that it was dialled by; `inbound` where the other end dialled. */
  readonly source: AddressSource
}

const HELD_BACK = 2
const HELD_BACK_FROM_MAX = 8

/** Links below which an inbound peer that nobody asked for is admitted. */
export function strangersMax(max: number): number {
  return max >= HELD_BACK_FROM_MAX ? max - HELD_BACK : max
}

/** Who gives way to a peer that was asked for; null where nobody does. */
export function evictee(
  neighbours: Iterable<OpenNeighbour>,
  isAsked: (identity: Identity) => boolean,
): OpenNeighbour | null {
  let youngest: OpenNeighbour | null = null
  for (const neighbour of neighbours) {
    if (neighbour.link.direction !== 'in' || isAsked(neighbour.link.identity)) continue
    if (youngest === null || neighbour.openedAtMs >= youngest.openedAtMs) youngest = neighbour
  }
  return youngest
}

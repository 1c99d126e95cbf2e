// The table as plain data for people: one line for each open link, for each address that is not linked, and for each ban
// that no address shows. No part of the protocol.

import type { OpenNeighbour } from './admission.ts'
import type { Bans } from './bans.ts'
import type { TableSnapshot } from './contract.ts'
import { strongerSource } from './target.ts'
import type { Targets } from './targets.ts'

/** Open links first (`address` is empty for a peer that is only banned), then addresses in the order in which they became known. Our own addresses are left out. */
export function snapshotOf(
  neighbours: Iterable<OpenNeighbour>,
  targets: Targets,
  bans: Bans,
  nowMs: number,
): readonly TableSnapshot[] {
  const lines: TableSnapshot[] = []
  for (const neighbour of neighbours) lines.push(openLine(neighbour, targets, nowMs))
  const shown = new Set<string>()
  for (const target of targets) {
    const { state } = target
    if (state.kind === 'linked' || state.kind === 'ours') continue
    const bannedUntilMs = target.proven === null ? null : bans.untilMs(target.proven.key, nowMs)
    if (bannedUntilMs !== null) shown.add(target.proven!.key)
    const untilMs = bannedUntilMs ?? (state.kind === 'backing-off' ? state.untilMs : null)
    lines.push({
      ...EMPTY_LINE,
      state: bannedUntilMs === null ? state.kind : 'banned',
      peer: target.peer,
      address: target.text,
      source: target.visibleSource,
      lastError: target.lastError,
      retryInMs: untilMs === null ? null : Math.max(0, untilMs - nowMs),
    })
  }
  for (const { identity, untilMs } of bans.inForce(nowMs)) {
    if (shown.has(identity.key)) continue
    lines.push({
      ...EMPTY_LINE,
      state: 'banned',
      peer: identity.id,
      address: '',
      source: 'inbound',
      retryInMs: untilMs - nowMs,
    })
  }
  return lines
}

const EMPTY_LINE = { link: null, direction: null, openForMs: null, lastError: null, retryInMs: null } as const

function openLine({ link, openedAtMs, source }: OpenNeighbour, targets: Targets, nowMs: number): TableSnapshot {
  let strongest = source
  // A candidate with that peer's address does not make it more than a visit.
  for (const target of source === 'visit' ? [] : targets.of(link.identity)) {
    const found = strongest === 'inbound' || strongest === 'visit' ? null : strongest
    if (target.source !== null) strongest = strongerSource(found, target.source)
  }
  return {
    ...EMPTY_LINE,
    link,
    state: 'open',
    peer: link.identity.id,
    address: link.address,
    direction: link.direction,
    source: strongest,
    openForMs: nowMs - openedAtMs,
  }
}

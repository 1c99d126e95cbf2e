// What `Mesh` shows of a running node as plain data: its counters and its neighbours. Reads everything, changes nothing.

import type { Subscriptions } from './flood/subscriptions.ts'
import type { Link } from './link/link.ts'
import type { MeshStats, NeighbourSnapshot } from './types.ts'
import type { Wiring } from './wiring.ts'

/** Counters and gauges as they stand now. */
export function statsOf(wiring: Wiring, subscriptions: Subscriptions): MeshStats {
  const { table, flood, store, acquaintance, counters, refused, closed, queuedBytes } = wiring
  const { router, publisher, repair, seen, validation } = flood
  // Subscriptions that read the store are no business of the router's.
  const read = subscriptions.delivered
  return {
    neighbours: table.openCount,
    published: { messages: publisher.messages, bundles: publisher.bundles, bytes: publisher.payloadBytes },
    delivered: {
      messages: router.delivery.messages + read.messages,
      bytes: router.delivery.bytes + read.bytes,
      reordered: router.reorderedMessages,
    },
    bundles: {
      accepted: router.accepted,
      duplicate: router.duplicates,
      ignored: { ...router.ignored },
      rejected: { ...router.rejected },
      checked: { ...validation.verdicts },
    },
    links: { ...counters, ...flood.counters, ...flood.trees.counters, queuedBytes },
    refused: { ...refused },
    closed: { ...closed },
    seen: seen.counts,
    store: { ...store.counts },
    repair: { ...repair.counters },
    nodes: acquaintance.members.count,
  }
}

/** Every link, wanted address and ban. */
export function neighboursOf(wiring: Wiring, nowMs: number): NeighbourSnapshot[] {
  return wiring.table.snapshot(nowMs).map(({ link: of, ...entry }) => {
    const link = of as Link | null
    return {
      ...entry,
      openForMs: wholeMs(entry.openForMs),
      retryInMs: wholeMs(entry.retryInMs),
      name: link?.about.name ?? null,
      agent: link?.about.agent ?? null,
      roundTripMs: link?.roundTripMs ?? null,
      queuedBytes: link?.queuedBytes ?? 0,
      flood: link === null ? null : wiring.flood.modeOf(link.identity.key),
    }
  })
}

/** Times that users see are whole milliseconds. */
export function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.ceil(ms)
}

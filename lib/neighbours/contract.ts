// What the table of neighbours and its surroundings say to each other: the narrow interfaces that lib/link implements and
// lib/mesh.ts wires. Types only. docs/protocol.md sections 5.3 to 5.8.

import type { ErrorCode, MeshError } from '../errors.ts'
import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { AddressSource, NeighbourSnapshot } from '../types.ts'

/** Where a wanted address came from. `seed` and `manual` were asked for by a person; the others are candidates. */
export type TargetSource = Exclude<AddressSource, 'inbound'>

/** What the table needs of a connection that is open, or just about to be. Compared by object identity. */
export interface TableLink {
  readonly identity: Identity
  readonly direction: 'in' | 'out'
  /** Multiaddr text of the other end; for `out` the dialled one. */
  readonly address: string
  /** Sends goodbye, then closes; nothing when it is over already. May call `NeighbourTable.closed` back at once or later; the table has let go of it already. */
  close(code: number, text: string): void
}

/** One try at one address. Compared by `number`, which is never used twice by one table. */
export interface DialAttempt {
  readonly number: number
  readonly address: Address
  readonly source: TargetSource
}

/** What the table tells its surroundings to do. Each may call back into the table before it returns. */
export interface TableActions {
  /**
   * Resolve the name, try all its addresses, handshake. Ends in exactly one of `opened` or `dialFailed` with this attempt,
   * unless `cancelDial` comes first; what comes for a cancelled attempt is ignored.
   */
  dial(attempt: DialAttempt): void
  /** Give this attempt up without a word. */
  cancelDial(attempt: DialAttempt): void
  /** The first open link with this identity. */
  neighbourUp(link: TableLink): void
  /** The neighbour stays up over another link: move the queue. The table then closes the loser with goodbye 1. */
  neighbourReplaced(loser: TableLink, winner: TableLink): void
  /** The only link with this identity is over. `retryInMs`: until the table dials it again; null when it does not plan to. */
  neighbourDown(link: TableLink, reason: string, retryInMs: number | null, code: ErrorCode): void
  /** This try failed. `retryInMs`: until the next one at the same address; null when there is none. */
  dialFailed(attempt: DialAttempt, reason: string, retryInMs: number | null, code: ErrorCode): void
  /** Something a person should know. `code` is stable. */
  warning(code: string, text: string): void
}

/** Whether a connection may go on. `code` is the goodbye code to send where one can be sent. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: number; readonly reason: ErrorCode; readonly text: string }

/** Told the end of one `NeighbourTable.connect`: exactly one of the two, once, unless it was withdrawn before. */
export interface ConnectListener {
  /** A link with the peer at that address is open; possibly one that was open before, or that the peer dialled. */
  opened(link: TableLink): void
  failed(error: MeshError): void
}

export interface TableOptions {
  readonly own: Identity
  readonly degree: { readonly target: number; readonly chosenMax: number; readonly max: number }
  readonly backoff: { readonly firstMs: number; readonly maxMs: number; readonly resetAfterMs: number }
  /** 0 <= x < 1; for jitter and choice, need not be strong. */
  readonly fraction: () => number
  readonly actions: TableActions
}

/** One line of `mesh.neighbours()` without what only the link knows; `link` is null where none is open. */
export interface TableSnapshot extends Omit<NeighbourSnapshot, 'name' | 'agent' | 'roundTripMs' | 'queuedBytes'> {
  readonly link: TableLink | null
}

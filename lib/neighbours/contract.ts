// What the table of neighbours and its surroundings say to each other: the narrow interfaces that lib/link implements and
// lib/mesh.ts wires. Types only. docs/protocol.md sections 5.3 to 5.8.

import type { ErrorCode, MeshError } from '../errors.ts'
import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { AddressSource, NeighbourSnapshot } from '../types.ts'
import type { AddressBook } from './address-book.ts'

/** Where a wanted address came from. `seed` and `manual` were asked for by a person; the others are candidates. */
export type TargetSource = Exclude<AddressSource, 'inbound' | 'visit'>

/** What the table needs of a connection that is open, or just about to be. Compared by object identity. */
export interface TableLink {
  readonly identity: Identity
  readonly direction: 'in' | 'out'
  /** Multiaddr text of the other end; for `out` the dialled one. */
  readonly address: string
  /** IP literal of the other end. */
  readonly remoteHost: string
  /** Of the newest answered ping; null before the first. */
  readonly roundTripMs: number | null
  /** What the other end said of itself; `keep`: its program asked for this very link. */
  readonly about: { readonly keep: boolean }
  /** Sends goodbye, then closes; nothing when it is over already. May call `NeighbourTable.closed` back at once or later; the table has let go of it already. */
  close(code: number, text: string): void
  /** Ends it at once, without a word and whatever is under way. `NeighbourTable.closed` is called within. */
  cut(): void
}

/** One try at one address. Compared by `number`, which is never used twice by one table. */
export interface DialAttempt {
  readonly number: number
  readonly address: Address
  /** `visit`: nobody wants it but a visit. */
  readonly source: TargetSource | 'visit'
  /** The program asked for this very link: what `about` tells the other end, so that it does not shed it. */
  readonly keep: boolean
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
  /** A link too many here, of whose peer the table has let go: tell it of other nodes, then say goodbye 2. */
  shed(link: TableLink): void
  /** This node has too few links and nobody to dial: ask this neighbour for others. */
  askPeers(link: TableLink): void
  /** Something a person should know. `code` is stable. */
  warning(code: string, text: string): void
}

/** Whether a connection may go on. `code` is the goodbye code to send where one can be sent. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: number; readonly reason: ErrorCode; readonly text: string }

/** Told the end of one `NeighbourTable.connect` or `visit`: exactly one of the two, once, unless it was withdrawn before. */
export interface ConnectListener {
  /** A link with the peer at that address is open; possibly one that was open before, or that the peer dialled. */
  opened(link: TableLink): void
  failed(error: MeshError): void
}

/** What nodes tell of their links, as far as the table needs it. Public keys have 32 bytes. */
export interface TableTopology {
  /** Whether there is a way to this node over links that nodes tell of. */
  isReachable(publicKey: Uint8Array): boolean
  /** How many neighbours it has by its own words; null where it said nothing. */
  degreeOf(publicKey: Uint8Array): number | null
  /** Whether it would stay joined with us without our link with it: over a common neighbour, or in two separate ways. */
  hasOtherWays(publicKey: Uint8Array): boolean
}

export interface TableOptions {
  readonly own: Identity
  readonly book: AddressBook
  readonly topology: TableTopology
  readonly degree: { readonly target: number; readonly chosenMax: number; readonly max: number }
  readonly backoff: { readonly firstMs: number; readonly maxMs: number; readonly resetAfterMs: number }
  /** 0 <= x < 1; for jitter and choice, need not be strong. */
  readonly fraction: () => number
  readonly actions: TableActions
}

/** One line of `mesh.neighbours()` without what only the link knows; `link` is null where none is open. */
export interface TableSnapshot
  extends Omit<NeighbourSnapshot, 'name' | 'agent' | 'roundTripMs' | 'queuedBytes' | 'flood'> {
  readonly link: TableLink | null
}

// What the members say to their surroundings: types only. docs/protocol.md section 12.4.

import type { Identity } from '../identity/identities.ts'
import type { NodeRecord } from '../identity/node-record.ts'
import type { MeshEvents } from '../types.ts'

/** Why a node is down; see `MeshEvents`. */
export type DownReason = MeshEvents['nodeDown'][0]['reason']

/** What came with a message on `$mesh/node`. */
export interface CameWith {
  readonly epoch: number
  readonly sequence: number
  /** How long ago it was made. */
  readonly ageMs: number
  readonly timeToLiveS: number
  /** Identity.key of the neighbour that brought it; null where none did: it was in the store. */
  readonly toldBy: string | null
}

/** May be called from within any call; those of `tick` come last. */
export interface MembersActions {
  /** Publish this as retained message on NODE_TOPIC with NODE_TIME_TO_LIVE_S; empty: remove it. */
  publish(payload: Uint8Array): void
  nodeUp(peer: string, name: string): void
  nodeDown(peer: string, name: string, reason: DownReason): void
  /** A node told of new addresses; `toldBy` as in `CameWith`. */
  addressesTold(record: NodeRecord, toldBy: string | null): void
  /** Who is reachable was found anew. */
  topologyChanged(): void
}

export interface MembersOptions {
  readonly own: Identity
  /** Unix ms. */
  readonly startedAtMs: number
  /** 0 <= x < 1, for jitter. */
  readonly fraction: () => number
  readonly actions: MembersActions
  /** What this node says of itself; `record` as in `NodePayload`. */
  about(): { readonly name: string; readonly agent: string; readonly record: Uint8Array | null }
  /** Checks a node record; null where it is not genuine or not of this identity. */
  readRecord(bytes: Uint8Array, identity: Identity): NodeRecord | null
  /** When anything made by this node last came, by the clock of `nowMs`, and null where that is not known. */
  lastHeard(publicKey: Uint8Array): number | null
}

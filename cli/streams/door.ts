// What the commands `pipe` and `cp` need of the running node: streams to other nodes, and those that others open. The client of
// the local socket is the real one; tests have one without a node. Types only.

import type { Duplex } from 'node:stream'

/** A stream of the mesh as a command holds it: both directions open until each has ended, `destroy` resets it. */
export type DoorStream = Duplex & {
  /** Peer id of the other node. */
  readonly peer: string
  /** The name that both nodes agreed on. */
  readonly protocol: string
}

export interface StreamDoor {
  /**
   * A stream to `peer` (id, unique beginning of one, or a node's name) by the first of `names` that it has. Rejects with an
   * error that has a `code`: `not-running` when no node answers on the local socket, `timed-out`, `stream-reset`, ….
   */
  open(peer: string, names: readonly string[], options: { signal: AbortSignal }): Promise<DoorStream>
  /** The next stream that another node opens under `name`. Rejects as `open`, and `already-registered`. */
  accept(name: string, options: { signal: AbortSignal }): Promise<DoorStream>
}

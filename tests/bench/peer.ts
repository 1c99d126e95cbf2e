// What a workload needs of a node, whatever stands behind it: meshd or raw TCP.

/** One node of a benchmark. */
export interface BenchPeer {
  /** Where others dial it; empty without a listener. */
  readonly address: string
  /** Resolves when both ends could send: for meshd once both are proven, for raw TCP after one greeting. */
  dial(address: string): Promise<void>
  /** Ends the link that `dial` made, and resolves when it is over. */
  hangUp(): Promise<void>
  /** Every payload that comes, in the order of arrival; takes the place of an earlier handler. */
  receive(handler: (payload: Uint8Array) => void): void
  /** What it returns is awaited before the next call: the back-pressure. */
  publish(payload: Uint8Array): Promise<unknown> | undefined
  close(): Promise<void>
}

export type PeerKind = 'meshd' | 'raw'

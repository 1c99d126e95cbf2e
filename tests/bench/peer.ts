// What a workload needs of a node, whatever stands behind it. One file a peer: adapters/ for those that need nothing beyond
// Node, peers/ for those that `npm run bench:peers` installs.

import type { MeshOptions } from '../../lib/index.ts'

/** One node of a benchmark. */
export interface BenchPeer {
  /** Where others dial it; empty without a listener. */
  readonly address: string
  /** Neighbours that a message would reach now. */
  links(): number
  /** Resolves when both ends are proven, as far as this peer proves anything, and either could send. */
  dial(address: string): Promise<void>
  /** Ends the link that the last `dial` made, and resolves when it is over here. */
  hangUp(): Promise<void>
  /** Every payload that comes from now on; called once. The payload is looked at during the call alone. */
  receive(handler: (payload: Uint8Array) => void): Promise<void> | void
  /** What it returns is awaited before the next call: the back-pressure. The payload is not changed afterwards. */
  publish(payload: Uint8Array): Promise<unknown> | undefined
  close(): Promise<void> | void
}

/** How a node is made. */
export interface PeerSetting {
  readonly listens: boolean
  /** Where the broker is, for peers that have one. */
  readonly broker: string
  /** A file with key and certificate that all nodes share, for peers that speak TLS; else empty. */
  readonly certificate: string
  /** For meshd alone. */
  readonly meshOptions: MeshOptions
}

/** Named by the file that opens it, `adapters/<file>.ts` or `peers/<file>.js`. */
export interface PeerKind {
  readonly name: string
  /** In tables. */
  readonly title: string
  readonly file: string
  /** False: it comes with `npm run bench:peers`. */
  readonly isBuiltIn: boolean
  /** Of the messages of a work, how many it gets: some need milliseconds of a core for each. */
  readonly share: number
  /** A program that has to be on the PATH. */
  readonly program?: string
  /** Is one process in the middle, instead of links between nodes. */
  readonly hasBroker?: boolean
}

export const KINDS: readonly PeerKind[] = [
  { name: 'meshd', title: 'meshd', file: 'meshd', isBuiltIn: true, share: 1 },
  { name: 'raw', title: 'raw TCP', file: 'raw', isBuiltIn: true, share: 1 },
  { name: 'tls', title: 'TLS 1.3, mutual', file: 'tls', isBuiltIn: true, share: 1, program: 'openssl' },
  { name: 'secret-stream', title: 'secret-stream', file: 'secret-stream', isBuiltIn: false, share: 1 },
  { name: 'gossipsub', title: 'libp2p gossipsub', file: 'gossipsub', isBuiltIn: false, share: 0.05 },
  {
    name: 'gossipsub-unsigned',
    title: 'libp2p gossipsub, unsigned',
    file: 'gossipsub-unsigned',
    isBuiltIn: false,
    share: 0.1,
  },
  {
    name: 'nats',
    title: 'NATS (a broker, no TLS)',
    file: 'nats',
    isBuiltIn: false,
    share: 0.5,
    program: 'nats-server',
    hasBroker: true,
  },
]

/** Throws Error for a name that is not in `KINDS`. */
export function kindOf(name: string): PeerKind {
  const kind = KINDS.find((one) => one.name === name)
  if (kind === undefined) throw new Error(`no peer ${name}; there are ${KINDS.map((one) => one.name).join(', ')}`)
  return kind
}

// The shapes that users of `Mesh` touch: messages, receipts, snapshots, events. Plain data and narrow interfaces; the
// modules below fill them in. Peer ids are text (`12D3Koo…`), times are milliseconds, addresses are multiaddr text.

/** One message as a subscriber gets it. */
export interface Message {
  readonly topic: string
  /** The payload; the receiver's own, to keep or to change. */
  readonly data: Uint8Array
  /** Peer id of the origin, proven by its signature. */
  readonly from: string
  /** `<origin>/<epoch>/<sequence>`: unique in the network, for ever. */
  readonly id: string
  readonly sequence: number
  /** By the origin's clock: Unix milliseconds. */
  readonly sentAtMs: number
  /** Links it crossed on the way here: 1 from a neighbour. Unsigned: a relay can falsify it. */
  readonly hops: number
  /** True for history, false for what is live. */
  readonly replayed: boolean
  /** The payload as UTF-8; invalid sequences become U+FFFD. */
  text(): string
  /** The payload parsed as JSON. Throws SyntaxError. */
  json(): unknown
}

/** What became of a publication at one neighbour. `dropped`: its queue was full, or the link closed before it left. */
export type Outcome = 'queued' | 'dropped'

export interface Receipt {
  /** `<origin>/<epoch>/<sequence>`. */
  readonly id: string
  /** Every open neighbour, as things stand when this is read. Empty: nobody was connected and nobody got it. */
  readonly neighbours: readonly { readonly peer: string; readonly outcome: Outcome }[]
}

/** A subscription that was given a callback. */
export interface Subscription {
  readonly pattern: string
  unsubscribe(): void
}

/** A subscription without a callback: iterate it. What does not fit its queue is dropped, oldest first, and counted. */
export interface MessageStream extends Subscription, AsyncIterable<Message> {
  /** Messages dropped because the reader was too slow. */
  readonly dropped: number
}

export type NeighbourState = 'wanted' | 'dialling' | 'handshaking' | 'open' | 'backing-off' | 'banned'

/** Where we learned of an address. */
export type AddressSource = 'seed' | 'manual' | 'mdns' | 'exchange' | 'inbound'

export interface NeighbourSnapshot {
  readonly state: NeighbourState
  /** Null as long as nobody has proven an identity there. */
  readonly peer: string | null
  readonly name: string | null
  readonly agent: string | null
  /** Multiaddr text; for an inbound link the other end as seen here. */
  readonly address: string
  readonly direction: 'in' | 'out' | null
  readonly source: AddressSource
  /** Of the newest answered ping; null before the first. */
  readonly roundTripMs: number | null
  readonly openForMs: number | null
  readonly queuedBytes: number
  readonly lastError: string | null
  /** Time until the next dial or the end of a ban; null when none is planned. */
  readonly retryInMs: number | null
}

export interface MeshEvents {
  listening: [{ id: string; addresses: readonly string[] }]
  neighbourUp: [{ peer: string; address: string; direction: 'in' | 'out'; name: string }]
  /** `reason` is for people, `code` is an ErrorCode. */
  neighbourDown: [{ peer: string; reason: string; code: string; retryInMs: number | null }]
  dialFailed: [{ address: string; reason: string; code: string; retryInMs: number | null }]
  /** Something a person should know that no call reports. `code` is stable, `text` is for reading. */
  warning: [{ code: string; text: string }]
}

/** Plain counters since `start`, and gauges. Every name is stable once published. */
export interface MeshStats {
  readonly neighbours: number
  readonly published: { readonly messages: number; readonly bundles: number; readonly bytes: number }
  readonly delivered: { readonly messages: number; readonly bytes: number }
  /** Bundles received, by verdict and reason. */
  readonly bundles: {
    readonly accepted: number
    readonly duplicate: number
    readonly ignored: Readonly<Record<string, number>>
    readonly rejected: Readonly<Record<string, number>>
  }
  readonly links: {
    readonly bytesIn: number
    readonly bytesOut: number
    readonly framesIn: number
    readonly framesOut: number
    readonly unknownFrames: number
    readonly bundlesDropped: number
    readonly bundlesWithdrawn: number
    readonly queuedBytes: number
  }
  /** Connections refused or ended before they were open, by error code. */
  readonly refused: Readonly<Record<string, number>>
  /** Links ended, by error code. */
  readonly closed: Readonly<Record<string, number>>
  readonly seen: { readonly origins: number; readonly epochs: number; readonly ranges: number }
}

// The shapes that users of `Mesh` touch: messages, receipts, snapshots, events. Plain data and narrow interfaces; the
// modules below fill them in. Peer ids are text (`12D3Koo…`), times are milliseconds, addresses are multiaddr text.

import type { ErrorCode } from './errors.ts'

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
  /** Published as the current value of its topic: nodes that come later get it too. */
  readonly retained: boolean
  /** The payload as UTF-8; invalid sequences become U+FFFD. */
  text(): string
  /** The payload parsed as JSON. Throws SyntaxError. */
  json(): unknown
  /**
   * Of a durable subscription with `ack: 'manual'`: this message is done and need not come again after a restart. Without
   * effect on any other.
   */
  ack(): void
}

/** How a message is published, beside its topic and payload. */
export interface PublishOptions {
  readonly signal?: AbortSignal
  /**
   * It is the current value of its topic at this origin: nodes that come later get it too, until another one takes its
   * place, an empty payload removes it, or its time-to-live is over. This node publishes it anew at half of that.
   */
  readonly retain?: boolean
  /** Seconds, 1 to 604,800, after which nobody delivers or keeps it. Retained: default 604,800. Others: until retention ends. */
  readonly timeToLiveS?: number
}

/**
 * How a subscription is read. With none of `since`, `order` and `durable` it hears what is live, as it comes, but that a
 * message waits up to half a second for those that its origin published before it. With any of them it reads this node's
 * store, history first and then live, without a gap and without a double at the seam.
 */
export interface SubscribeOptions {
  /**
   * Where to begin: a time back from now as `90s`, `10m`, `24h`, `7d`; a message id (begins behind it); `stored` for all
   * that this node holds; `retained` for the current values and then what is live.
   */
  readonly since?: string
  /**
   * `arrival` (the default): as messages came here. `origin`: each origin's in its own sequence, waiting for what is
   * missing up to `gapTimeoutMs`; what did not come by then is told as a `gap` event and passed over.
   */
  readonly order?: 'arrival' | 'origin'
  /** Default 30,000. */
  readonly gapTimeoutMs?: number
  /**
   * A name under which this reader's offset is kept: after a restart it goes on behind the last acknowledged message. At
   * least once. Needs a data folder. One reader of a name at a time.
   */
  readonly durable?: string
  /** Of a durable reader. `auto` (the default): when the handler has returned, or its promise has resolved, or the next one is asked for. */
  readonly ack?: 'auto' | 'manual'
  /** Messages that wait for a slow reader; default 10,000. */
  readonly queueMax?: number
  /** What a full queue does. `pause`: stops reading the store, nothing is lost within retention. `drop`: the oldest goes, and is counted. Default: `pause` where the store is read, `drop` where it is not. */
  readonly overflow?: 'pause' | 'drop'
  readonly signal?: AbortSignal
}

/** `accept`: deliver it and pass it on. `ignore`: neither. `reject`: neither, and it costs the neighbour that sent it a little. */
export type CheckVerdict = 'accept' | 'ignore' | 'reject'

/** Judges one message that came in. What is thrown, and anything that is no verdict, is an `ignore` and a warning. */
export type Check = (message: Message) => CheckVerdict | PromiseLike<CheckVerdict>

export interface ValidateOptions {
  /** How long a verdict that is promised is waited for, 1 to 60,000; default 5,000. Later it is an `ignore`. */
  readonly timeoutMs?: number
  /** 0 to 1, default 0.5: a warning `bad-share` comes when more than this share of the last 1,000 messages was not accepted. */
  readonly badShare?: number
}

/**
 * What became of a publication at one neighbour. `dropped`: its queue was full, or the link closed before it left.
 * `announced`: it gets such messages from elsewhere, and is only told that this one is here.
 */
export type Outcome = 'queued' | 'dropped' | 'announced'

export interface Receipt {
  /** `<origin>/<epoch>/<sequence>`. */
  readonly id: string
  /** Every open neighbour, as things stand when this is read. Empty: nobody was connected; who comes later gets it by repair. */
  readonly neighbours: readonly { readonly peer: string; readonly outcome: Outcome }[]
  /**
   * Resolves with the peer ids of those neighbours that say that they hold the message (durably, where they have a data
   * folder), once there are `count` of them (1 when absent; 0: this node's own store holds it) and this node's own store
   * holds it too. Rejects with MeshError `timed-out` after `timeout` milliseconds (none: waits until `stop`), `aborted`,
   * `not-running`.
   */
  confirmed(count?: number, options?: { timeout?: number; signal?: AbortSignal }): Promise<readonly string[]>
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

/** One node of the mesh, neighbour or not, as its own signed record and the topology tell. */
export interface NodeSnapshot {
  readonly peer: string
  readonly name: string
  readonly agent: string
  /** Multiaddr text, each with `/p2p/<id>`. */
  readonly addresses: readonly string[]
  /** Peer ids of its neighbours, as it last said. */
  readonly neighbours: readonly string[]
  /** By its own clock: Unix milliseconds. */
  readonly startedAtMs: number
  /** Time since anything of its making was last heard. */
  readonly lastHeardMs: number
  /** Links between it and this node by what is known of the topology; null while it is not known to be reachable. 0: this node. */
  readonly hops: number | null
  readonly up: boolean
}

export type NeighbourState = 'wanted' | 'dialling' | 'handshaking' | 'open' | 'backing-off' | 'banned'

/** Where we learned of an address; `visit`: dialled for one purpose, and ended by us when that is served. */
export type AddressSource = 'seed' | 'manual' | 'mdns' | 'exchange' | 'inbound' | 'book' | 'visit'

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
  /** Whether this node's own messages go to it as they are published (`eager`), or are only announced; null while not open. */
  readonly flood: 'eager' | 'lazy' | null
  readonly lastError: string | null
  /** Time until the next dial or the end of a ban; null when none is planned. */
  readonly retryInMs: number | null
}

export interface MeshEvents {
  listening: [{ id: string; addresses: readonly string[] }]
  neighbourUp: [{ peer: string; address: string; direction: 'in' | 'out'; name: string }]
  /** `reason` is for people, `code` is an ErrorCode. */
  neighbourDown: [{ peer: string; reason: string; code: ErrorCode; retryInMs: number | null }]
  dialFailed: [{ address: string; reason: string; code: ErrorCode; retryInMs: number | null }]
  /** A node of the mesh was heard of, or has become reachable again. */
  nodeUp: [{ peer: string; name: string }]
  /** A node left, or is no longer reachable over any links that nodes have told of. */
  nodeDown: [{ peer: string; name: string; reason: 'left' | 'unreachable' | 'expired' }]
  /** A subscription in `origin` order gave up waiting for these messages (first to last, both included). */
  gap: [{ pattern: string; from: string; epoch: number; first: number; last: number }]
  /** Something a person should know that no call reports. `code` is stable, `text` is for reading. */
  warning: [{ code: string; text: string }]
}

/** Plain counters since `start`, and gauges. Every name is stable once published. */
export interface MeshStats {
  readonly neighbours: number
  readonly published: { readonly messages: number; readonly bundles: number; readonly bytes: number }
  /** `reordered`: of these messages, those that waited for earlier ones of their origin, half a second at most. */
  readonly delivered: { readonly messages: number; readonly bytes: number; readonly reordered: number }
  /** Bundles received, by verdict and reason. */
  readonly bundles: {
    readonly accepted: number
    readonly duplicate: number
    readonly ignored: Readonly<Record<string, number>>
    readonly rejected: Readonly<Record<string, number>>
    /** What this program's checks said, of bundles with a message to check. Only those accepted count above, as `accepted`. `overdue`: no verdict in time, or no room to wait for it. */
    readonly checked: Readonly<Record<CheckVerdict | 'overdue', number>>
  }
  readonly links: {
    readonly bytesIn: number
    readonly bytesOut: number
    readonly framesIn: number
    readonly framesOut: number
    readonly unknownFrames: number
    readonly bundlesDropped: number
    readonly bundlesWithdrawn: number
    /** Not sent, because that neighbour gets such bundles from elsewhere: told of instead. */
    readonly bundlesAnnounced: number
    /** Times that this node asked a neighbour not to send it an origin's bundles by themselves. */
    readonly declined: number
    /** Times that it asked for them again, since they did not come another way. */
    readonly grafts: number
    readonly queuedBytes: number
  }
  /** Connections refused or ended before they were open, by error code. */
  readonly refused: Readonly<Record<string, number>>
  /** Links ended, by error code. */
  readonly closed: Readonly<Record<string, number>>
  readonly seen: { readonly origins: number; readonly epochs: number; readonly ranges: number }
  /** What is kept for repair and history. `notSaved`: bundles that the disk did not take. */
  readonly store: {
    readonly bundles: number
    readonly bytes: number
    readonly pendingBytes: number
    readonly notSaved: number
  }
  readonly repair: {
    /** Bundles that came because we asked. */
    readonly received: number
    readonly given: number
    readonly requests: number
    /** Requests that were not answered within their deadline. */
    readonly timeouts: number
    readonly haveBytesOut: number
    readonly haveBytesIn: number
  }
  readonly nodes: number
}

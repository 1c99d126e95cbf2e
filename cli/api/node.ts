// What the local API asks of a node, and what its parts share. Types only.

import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from '../../lib/direct/handlers.ts'
import type { TopicCount } from '../../lib/flood/topic-counts.ts'
import type {
  MeshEvents,
  MeshStats,
  Message,
  NeighbourSnapshot,
  NodeSnapshot,
  PublishOptions,
  Receipt,
  SubscribeOptions,
  Subscription,
} from '../../lib/types.ts'
import type { DoorStream } from '../streams/door.ts'
import type { OpenRequests } from './open-requests.ts'
import type { Query } from './queries.ts'
import type { StreamListeners } from './stream-listeners.ts'
import type { Unacknowledged } from './unacknowledged.ts'

/** A `Mesh` as the local API uses it. */
export interface ApiNode {
  readonly id: string
  readonly addresses: readonly string[]
  subscribe(pattern: string, handler: (message: Message) => unknown, options?: SubscribeOptions): Subscription
  publish(topic: string, data: string | Uint8Array, options?: PublishOptions): Promise<Receipt>
  neighbours(): readonly NeighbourSnapshot[]
  nodes(): readonly NodeSnapshot[]
  topics(): readonly TopicCount[]
  stats(): MeshStats
  /** The nodes that a person can mean by this text. */
  find(text: string): readonly NodeSnapshot[]
  send(peer: string, topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<void>
  request(
    peer: string,
    topic: string,
    data: string | Uint8Array,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Uint8Array>
  ping(peer: string, options?: { signal?: AbortSignal }): Promise<{ readonly timeMs: number; readonly hops: number }>
  /** Throws MeshError `bad-topic`, `already-registered`. Returns what takes it back. */
  reply(topic: string, handler: RequestHandler): () => void
  handle(name: string, handler: (stream: DoorStream) => unknown): unknown
  unhandle(name: string): unknown
  open(peer: string, names: readonly string[], options?: { signal?: AbortSignal }): Promise<DoorStream>
  on<K extends keyof MeshEvents>(event: K, listener: (...args: MeshEvents[K]) => void): unknown
}

/** What the node does not know of itself. */
export interface ApiFacts {
  readonly name: string
  readonly network: string
  /** `meshd/0.1.0`. */
  readonly agent: string
  readonly dataDir: string | null
}

/** What all calls of one node share. */
export interface ApiContext {
  readonly node: ApiNode
  readonly facts: ApiFacts
  /** Unix milliseconds. */
  readonly startedAtMs: number
  /** Aborted when the node is about to stop: whatever waits is to come to its end. */
  readonly closing: AbortSignal
  readonly heartbeatMs: number
  /** Subscriptions whose messages their readers acknowledge, by name. */
  readonly acknowledging: Map<string, Unacknowledged>
  /** Requests that callers have been given to answer, one for each of them. */
  readonly answering: Set<OpenRequests>
  readonly listeners: StreamListeners
  /** Told of messages that an `origin` reader passed over. */
  readonly onGap: Set<(gap: MeshEvents['gap'][0]) => void>
}

/** One call as its route sees it. */
export interface ApiCall {
  readonly context: ApiContext
  readonly request: IncomingMessage
  readonly query: Query
  /** Aborted when the caller has left, and when the node is about to stop. */
  readonly signal: AbortSignal
}

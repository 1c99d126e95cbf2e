// What run.ts and the three ways of talking (chat, pipe, JSON) know of each other. Types only.

import type { Readable, Writable } from 'node:stream'
import type { MeshOptions } from '../lib/options.ts'
import type { MeshEvents, Message, NeighbourSnapshot, Receipt, Subscription } from '../lib/types.ts'
import type { Notices } from './notices.ts'
import type { Output } from './output.ts'
import type { Settings } from './settings.ts'

/** What the program uses of a `Mesh`; tests hand in one without a network. */
export interface MeshNode {
  readonly id: string
  readonly addresses: readonly string[]
  start(): Promise<void>
  stop(): Promise<void>
  subscribe(pattern: string, handler: (message: Message) => void): Subscription
  publish(topic: string, data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<Receipt>
  neighbours(): readonly NeighbourSnapshot[]
  on<K extends keyof MeshEvents>(event: K, listener: (...args: MeshEvents[K]) => void): unknown
}

/** A terminal or pipe as the process has it. */
export type InputStream = Readable & { readonly isTTY?: boolean }
export type OutputStream = Writable & { readonly isTTY?: boolean }

/** The process and the library as `run` sees them. */
export interface Host {
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** `process`: signals come as events of their name. */
  readonly signals: NodeJS.EventEmitter
  readonly platform: NodeJS.Platform
  /** `meshd/0.1.0`. */
  readonly agent: string
  /** Monotonic. */
  nowMs(): number
  makeMesh(options: MeshOptions): MeshNode
  /** Ends the process at once, without goodbye. */
  exit(code: number): void
}

/** What a mode may ask of the run it is part of. */
export interface Running {
  readonly settings: Settings
  readonly mesh: MeshNode
  readonly host: Host
  readonly output: Output
  readonly notices: Notices
  /** Aborted when the node is to stop; nothing is read or published after that. */
  readonly stopping: AbortSignal
  /**
   * Publishes. Resolves when the node has taken it, which may be later when the neighbours are slow, with whether it was
   * taken: false only when the node stops. Rejects with MeshError (`bad-topic`, `too-large`, …).
   */
  say(topic: string, data: Uint8Array | string): Promise<boolean>
  /** Stops the node in an orderly way. */
  stop(): void
  /** Ctrl-C in a terminal that is read key by key: as the signal, a second one included. */
  interrupt(): void
  /** Something was not done that was asked for: the exit code will be 1. */
  failed(): void
}

/** One way of talking. Every method is called in the order in which things happened. */
export interface Mode {
  /** The node has started: standard input may be read. */
  begin(): void
  message(message: Message): void
  listening(...event: MeshEvents['listening']): void
  neighbourUp(...event: MeshEvents['neighbourUp']): void
  neighbourDown(...event: MeshEvents['neighbourDown']): void
  dialFailed(...event: MeshEvents['dialFailed']): void
  /** From the node, or from the program itself. `text` may hold remote text. */
  warning(code: string, text: string): void
  /** Nothing will be read any more: gives the terminal back. May be called twice. */
  end(): void
  /** The node has stopped. Last call. */
  stopped(): void
}

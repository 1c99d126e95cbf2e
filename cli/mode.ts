// What run.ts and the three ways of talking (chat, pipe, JSON) know of each other. Types only.

import type { Readable, Writable } from 'node:stream'
import type { MeshOptions } from '../lib/options.ts'
import type { MeshEvents, Message, PublishOptions } from '../lib/types.ts'
import type { ApiNode } from './api/node.ts'
import type { FileReceived } from './files/receiver.ts'
import type { Notices } from './notices.ts'
import type { Output } from './output.ts'
import type { Settings } from './settings.ts'

/** What the program uses of a `Mesh`; tests hand in one without a network. */
export interface MeshNode extends ApiNode {
  start(): Promise<void>
  stop(): Promise<void>
  sniff(prefix: string, handler: (socket: unknown) => void): () => void
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
  /** Messages come out of the store: none may be left out, and each is acknowledged when it has been printed. */
  readonly readsStore: boolean
  /**
   * Publishes. Resolves when the node has taken it, which may be later when the neighbours are slow, with whether it was
   * taken: false only when the node stops. Rejects with MeshError (`bad-topic`, `too-large`, …).
   */
  say(topic: string, data: Uint8Array | string, options?: PublishOptions): Promise<boolean>
  /**
   * Everything of standard input was said: with `--exit-after-input`, waits until all of it is confirmed, and stops the
   * node.
   */
  inputEnded(): Promise<void>
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
  /** The promise, where there is one: when the next one should come, for what can be held back. */
  message(message: Message): Promise<void> | undefined
  listening(...event: MeshEvents['listening']): void
  neighbourUp(...event: MeshEvents['neighbourUp']): void
  neighbourDown(...event: MeshEvents['neighbourDown']): void
  dialFailed(...event: MeshEvents['dialFailed']): void
  nodeUp(...event: MeshEvents['nodeUp']): void
  nodeDown(...event: MeshEvents['nodeDown']): void
  gap(...event: MeshEvents['gap']): void
  /** HTTP is served under this URL. */
  httpListening(url: string): void
  /** Another node sent a file, and it is whole and safe. The name was checked; it is what the sender chose. */
  fileReceived(file: FileReceived): void
  /** From the node, or from the program itself. `text` may hold remote text. */
  warning(code: string, text: string): void
  /** Nothing will be read any more: gives the terminal back. May be called twice. */
  end(): void
  /** The node has stopped. Last call. */
  stopped(): void
}

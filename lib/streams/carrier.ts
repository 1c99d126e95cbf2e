// What streams need of the link that carries them, and the frame whose body is made when its turn comes. The link's send
// queue is the real carrier; streams know nothing else of links. docs/protocol.md, "Streams" and "Scheduling".

import { EMPTY } from '../bytes.ts'
import type { OutgoingFrame, QueuePlace } from '../link/send-queue.ts'

export type { OutgoingFrame, QueuePlace }

/** Two ways out of one link. Each keeps its order; between the two nothing is promised. */
export interface StreamCarrier {
  /** The class of stream data: takes turns with bundles and answers. */
  send(frame: OutgoingFrame): void
  /** Ahead of all data. */
  control(frame: OutgoingFrame): void
  /** Takes a frame back; false when it has begun to leave or is not there. The frame hears nothing. */
  withdraw(frame: OutgoingFrame): boolean
}

/** A small frame that is written at the last moment, so that it tells how things stand when it leaves. */
export class LateFrame implements OutgoingFrame {
  readonly type: number
  readonly body: Uint8Array = EMPTY
  place: QueuePlace | null = null
  readonly #write: () => Uint8Array

  /** `write` is called once, when the frame leaves, and returns its whole body. */
  constructor(type: number, write: () => Uint8Array) {
    this.type = type
    this.#write = write
  }

  begin(): Uint8Array {
    return this.#write()
  }

  /** The link is over, and `Streams.closed` says so to all who care. */
  dropped(): void {}
}

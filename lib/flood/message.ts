// One delivered message, as a subscriber holds it. Built once per message and shared by its subscribers but for the
// payload, of which each gets its own copy.

import type { Message } from '../types.ts'

/** What all messages of a bundle have in common. */
export interface MessageOrigin {
  /** Peer id text of the origin. */
  readonly from: string
  readonly epoch: number
  readonly sentAtMs: number
  readonly hops: number
  readonly replayed: boolean
  readonly retained: boolean
}

export class DeliveredMessage implements Message {
  readonly topic: string
  readonly data: Uint8Array
  readonly sequence: number
  readonly #origin: MessageOrigin

  constructor(topic: string, data: Uint8Array, sequence: number, origin: MessageOrigin) {
    this.topic = topic
    this.data = data
    this.sequence = sequence
    this.#origin = origin
  }

  get from(): string {
    return this.#origin.from
  }

  get id(): string {
    return messageId(this.#origin.from, this.#origin.epoch, this.sequence)
  }

  get sentAtMs(): number {
    return this.#origin.sentAtMs
  }

  get hops(): number {
    return this.#origin.hops
  }

  get replayed(): boolean {
    return this.#origin.replayed
  }

  get retained(): boolean {
    return this.#origin.retained
  }

  text(): string {
    return Buffer.from(this.data.buffer, this.data.byteOffset, this.data.length).toString('utf8')
  }

  json(): unknown {
    return JSON.parse(this.text())
  }

  /** Nobody waits to hear of it; where somebody does, readers/read-bundle.ts has a message of its own. */
  ack(): void {}
}

/** `<origin>/<epoch>/<sequence>`. */
export function messageId(from: string, epoch: number, sequence: number): string {
  return `${from}/${epoch}/${sequence}`
}

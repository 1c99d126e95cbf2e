// What a link answers by itself: pings, and questions for peers. It answers no faster than is useful: one pong waits at most,
// and who asks for peers again too soon hears nothing. docs/protocol.md, "Heartbeat" and "Node records and peer exchange".

import { EMPTY } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { FrameType } from '../framing/frames.ts'
import { PEERS_MAX } from '../limits.ts'
import { type OutgoingFrame, plainFrame } from './send-queue.ts'

/** A neighbour that asks for peers more often than this gets no answer. */
const ASK_PEERS_MS = 1_000

export interface Answering {
  /** Queues an answer. */
  answer(frame: OutgoingFrame): void
  /** The body of the `peers` frame that answers an `ask-peers` for `count` of them. */
  peersAsked(count: number): Uint8Array
}

export class Answers {
  readonly #link: Answering
  #pong: { body: Uint8Array } | null = null
  #askedPeersMs = Number.NEGATIVE_INFINITY

  constructor(link: Answering) {
    this.#link = link
  }

  ping(body: Uint8Array): void {
    // One pong waits at most: it answers the newest ping.
    if (this.#pong !== null) {
      this.#pong.body = body
      return
    }
    const pong: OutgoingFrame & { body: Uint8Array } = {
      type: FrameType.pong,
      body,
      place: null,
      begin: () => {
        this.#pong = null
        return EMPTY
      },
      dropped: () => {},
    }
    this.#pong = pong
    this.#link.answer(pong)
  }

  askPeers(body: Uint8Array, nowMs: number): void {
    const reader = new CborReader(body)
    const elements = reader.array()
    if (elements < 1) throw new MeshError('bad-frame', 'an ask-peers frame without a number')
    const count = Math.min(PEERS_MAX, reader.uint())
    for (let extra = 1; extra < elements; extra++) reader.skip()
    reader.finish()
    if (nowMs - this.#askedPeersMs < ASK_PEERS_MS) return
    this.#askedPeersMs = nowMs
    this.#link.answer(plainFrame(FrameType.peers, this.#link.peersAsked(count)))
  }
}

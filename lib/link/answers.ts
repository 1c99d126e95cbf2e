// What a link answers by itself: pings, and questions for peers. It answers no faster than is useful: one pong waits at most,
// and one `peers` frame that nobody asked for; who asks for peers again too soon hears nothing. docs/protocol.md, "Heartbeat" and
// "Node records and peer exchange".

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
  /** It answers the newest ping. */
  readonly #pong: Newest
  readonly #peers: Newest
  #askedPeersMs = Number.NEGATIVE_INFINITY

  constructor(link: Answering) {
    this.#link = link
    this.#pong = new Newest(FrameType.pong, link)
    this.#peers = new Newest(FrameType.peers, link)
  }

  ping(body: Uint8Array): void {
    this.#pong.push(body)
  }

  /** A `peers` frame that nobody asked for. */
  tellPeers(body: Uint8Array): void {
    this.#peers.push(body)
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

/** Frames of one type of which one waits at most: a newer body takes the place of the one that waits. */
class Newest {
  readonly #type: number
  readonly #link: Answering
  #waiting: { body: Uint8Array } | null = null

  constructor(type: number, link: Answering) {
    this.#type = type
    this.#link = link
  }

  push(body: Uint8Array): void {
    if (this.#waiting !== null) {
      this.#waiting.body = body
      return
    }
    const frame: OutgoingFrame & { body: Uint8Array } = {
      type: this.#type,
      body,
      place: null,
      begin: () => {
        this.#waiting = null
        return EMPTY
      },
      dropped: () => {},
    }
    this.#waiting = frame
    this.#link.answer(frame)
  }
}

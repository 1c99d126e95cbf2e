// Whether the other end still lives: a ping at each interval, and an end after too many intervals of silence. Any byte that
// comes counts as a sign of life; only a pong tells the round-trip time. Pure: time comes in. docs/protocol.md, "Heartbeat".

import { equalBytes } from '../bytes.ts'
import { PING_BYTES } from '../framing/frames.ts'

/** Pings of many links that were opened together should not stay together. */
const JITTER = 0.1

export interface HeartbeatOptions {
  readonly intervalMs: number
  /** Silent intervals after which the other end counts as dead. */
  readonly missedMax: number
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #fraction: () => number
  #dueMs: number
  #heardMs: number
  #pingSentMs: number | null = null
  #pingBody: Uint8Array | null = null
  #pings = 0
  #missed = 0
  /** Of the newest answered ping; null before the first. */
  roundTripMs: number | null = null

  constructor(options: HeartbeatOptions, fraction: () => number, nowMs: number) {
    this.#options = options
    this.#fraction = fraction
    this.#heardMs = nowMs
    this.#dueMs = nowMs + this.#interval()
  }

  get deadlineMs(): number {
    return this.#dueMs
  }

  /** Something came from the other end. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs
  }

  /** A ping's body to send now, `dead`, or null when nothing is due. */
  tick(nowMs: number): Uint8Array | 'dead' | null {
    if (nowMs < this.#dueMs) return null
    this.#dueMs = nowMs + this.#interval()
    if (this.#pingSentMs !== null && this.#heardMs < this.#pingSentMs) this.#missed++
    else this.#missed = 0
    if (this.#missed >= this.#options.missedMax) return 'dead'
    this.#pingSentMs = nowMs
    this.#pingBody = new Uint8Array(PING_BYTES)
    new DataView(this.#pingBody.buffer).setUint32(4, ++this.#pings >>> 0)
    return this.#pingBody
  }

  /** Answers to other pings than the newest are signs of life and nothing more. */
  pong(body: Uint8Array, nowMs: number): void {
    if (this.#pingBody === null || !equalBytes(body, this.#pingBody)) return
    this.roundTripMs = nowMs - this.#pingSentMs!
    this.#pingBody = null
  }

  #interval(): number {
    return this.#options.intervalMs * (1 - JITTER + 2 * JITTER * this.#fraction())
  }
}

// When this node tells the network of itself anew: soon after its first neighbour is there, once more when it has had time to find
// others, soon after anything has changed but then not more often than every 10 s, and at half of the time-to-live. Pure: time comes
// in. docs/protocol.md section 12.4.

import { EMPTY, equalBytes } from '../bytes.ts'
import { NODE_TIME_TO_LIVE_S } from '../limits.ts'

/** Every node hears of every change in the network: this bounds what one unsteady node costs all. */
export const CHANGE_MS_MIN = 10_000
/**
 * The second time may come so soon: most of a node's links are made in its first seconds, and are better known at once than 10 s
 * later, when all that began together would tell of them together.
 */
export const SECOND_MS_MIN = 2_000
/** Both ends of a link see it come and go; they need not tell of it in the same moment. */
export const CHANGE_JITTER_MS = 1_000
/**
 * The first time waits so long, and up to so much longer. Every node checks what every other one tells: where a crowd comes in
 * one instant, that is more work than all their handshakes, and would keep most of them waiting. And the next links are
 * seldom far away when the first is there, so that one telling does for all.
 */
export const FIRST_MS = 250
export const FIRST_JITTER_MS = 750
/** So many other nodes that tell for the first time while this one is about to are a crowd: it gives way, once. */
export const CROWD = 16
/** What it waits longer then, beyond FIRST_MS, is up to this. */
export const CROWD_JITTER_MS = 4_000
export const REFRESH_MS: number = (NODE_TIME_TO_LIVE_S * 1_000) / 2

export interface OwnNodeOptions {
  readonly fraction: () => number
  /** What there is to tell now. */
  build(): Uint8Array
  publish(payload: Uint8Array): void
}

export class OwnNode {
  readonly #options: OwnNodeOptions
  #told: { readonly payload: Uint8Array; readonly atMs: number; readonly isFirst: boolean } | null = null
  #refreshMs = Number.POSITIVE_INFINITY
  #changeMs = Number.POSITIVE_INFINITY
  /** That told for the first time while this one waits to; null once it has given way. */
  #newcomers: number | null = 0

  constructor(options: OwnNodeOptions) {
    this.#options = options
  }

  /** Something may be different now. */
  changed(nowMs: number): void {
    if (this.#changeMs !== Number.POSITIVE_INFINITY) return
    const { fraction } = this.#options
    if (this.#told === null) {
      this.#changeMs = nowMs + FIRST_MS + fraction() * FIRST_JITTER_MS
    } else {
      const sinceMs = this.#told.isFirst ? SECOND_MS_MIN : CHANGE_MS_MIN
      const jitterMs = fraction() * CHANGE_JITTER_MS
      this.#changeMs = Math.max(nowMs, this.#told.atMs + sinceMs) + jitterMs
    }
  }

  /** Another node has just told of itself for the first time. */
  newcomerTold(): void {
    if (this.#newcomers !== null) this.#newcomers++
  }

  tick(nowMs: number): void {
    const isRefresh = nowMs >= this.#refreshMs
    if (!isRefresh && nowMs < this.#changeMs) return
    if (this.#newcomers !== null && this.#newcomers >= CROWD) {
      this.#newcomers = null
      this.#changeMs = nowMs + FIRST_MS + this.#options.fraction() * CROWD_JITTER_MS
      return
    }
    this.#newcomers = null
    this.#changeMs = Number.POSITIVE_INFINITY
    const payload = this.#options.build()
    if (!isRefresh && this.#told !== null && equalBytes(payload, this.#told.payload)) return
    this.#told = { payload, atMs: nowMs, isFirst: this.#told === null }
    this.#refreshMs = nowMs + REFRESH_MS * (1 - 0.1 * this.#options.fraction())
    this.#options.publish(payload)
  }

  /** When `tick` has something to do; null: never. */
  nextDeadlineMs(): number | null {
    const nextMs = Math.min(this.#changeMs, this.#refreshMs)
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs
  }

  /** An orderly end: takes back what was told, where anything was. */
  stop(): void {
    const wasTold = this.#told !== null
    this.#told = null
    this.#refreshMs = Number.POSITIVE_INFINITY
    this.#changeMs = Number.POSITIVE_INFINITY
    if (wasTold) this.#options.publish(EMPTY)
  }
}

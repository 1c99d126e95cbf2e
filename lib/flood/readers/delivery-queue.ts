// Messages that were read and wait for their subscriber, bounded in count and bytes. Full, it asks its reader to stand still,
// or drops the oldest, as the subscription says.

import { Fifo } from './fifo.ts'
import type { Delivery } from './read-bundle.ts'

/** Payload bytes that wait, beside the bound in messages; one message always may. */
export const QUEUE_BYTES_MAX: number = 4 * 1_048_576

export class DeliveryQueue {
  dropped = 0
  readonly #countMax: number
  readonly #drops: boolean
  readonly #queue = new Fifo<Delivery>()
  #bytes = 0
  /** Messages that count although they were taken: they are not yet acknowledged. */
  inFlight = 0

  constructor(countMax: number, overflow: 'pause' | 'drop') {
    this.#countMax = countMax
    this.#drops = overflow === 'drop'
  }

  get size(): number {
    return this.#queue.size
  }

  /** Its reader should stand still. */
  get isFull(): boolean {
    if (this.#drops) return false
    return this.#queue.size + this.inFlight >= this.#countMax || this.#bytes >= QUEUE_BYTES_MAX
  }

  /** Its reader, once it stands still, should go on. */
  get hasRoom(): boolean {
    return this.#queue.size + this.inFlight <= this.#countMax / 2 && this.#bytes <= QUEUE_BYTES_MAX / 2
  }

  push(delivery: Delivery): void {
    while (this.#drops && this.size > 0 && (this.size >= this.#countMax || this.#bytes >= QUEUE_BYTES_MAX)) {
      this.shift()
      this.dropped++
    }
    this.#queue.push(delivery)
    this.#bytes += delivery.bytes
  }

  shift(): Delivery | undefined {
    const delivery = this.#queue.shift()
    if (delivery !== undefined) this.#bytes -= delivery.bytes
    return delivery
  }

  clear(): void {
    this.#queue.clear()
    this.#bytes = 0
  }
}

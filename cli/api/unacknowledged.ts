// Messages of one durable subscription that its reader has been sent and has not yet acknowledged, in their order. A reader
// that leaves them open is sent no more. docs/api.md, "Acknowledgement".

import type { Message } from '../../lib/types.ts'

/** What may be open: the store keeps the rest. The number is bounded by the subscription's own queue. */
export const OPEN_BYTES_MAX: number = 4 * 1_048_576

interface Open {
  readonly number: number
  readonly bytes: number
  ack(): void
}

export class Unacknowledged {
  readonly #open: Open[] = []
  /** How many at the beginning of `#open` are done. */
  #doneCount = 0
  #bytes = 0
  #number = 0
  #wanted: (() => void) | null = null

  /** The number under which the next message is to be sent: 1, 2, …. */
  add(message: Message): number {
    const bytes = message.data.length
    this.#open.push({ number: ++this.#number, bytes, ack: () => message.ack() })
    this.#bytes += bytes
    return this.#number
  }

  /** Resolves when the next message may be sent; undefined: at once. For one waiter. */
  room(): Promise<void> | undefined {
    if (this.#bytes < OPEN_BYTES_MAX) return undefined
    return new Promise((resolve) => {
      this.#wanted = resolve
    })
  }

  /** All up to this number, itself included, are done. Numbers that were never given are nothing. */
  through(number: number): void {
    for (let next = this.#open[this.#doneCount]; next !== undefined && next.number <= number; ) {
      this.#doneCount++
      this.#bytes -= next.bytes
      next.ack()
      next = this.#open[this.#doneCount]
    }
    // Cutting the array at every call would cost its length each time.
    if (this.#doneCount * 2 > this.#open.length) {
      this.#open.splice(0, this.#doneCount)
      this.#doneCount = 0
    }
    if (this.#bytes < OPEN_BYTES_MAX) this.close()
  }

  /** Lets go of who waits. */
  close(): void {
    this.#wanted?.()
    this.#wanted = null
  }
}

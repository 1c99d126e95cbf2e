// Counts the messages of standard input that no neighbour has confirmed yet, for --exit-after-input. docs/cli.md, "Leaving
// when it is done".

import { MeshError } from '../lib/errors.ts'
import type { Receipt } from '../lib/types.ts'

/** Messages that may be unconfirmed before reading waits: far more than a neighbour leaves open in a second. */
export const UNCONFIRMED_MAX = 65_536

export class Confirming {
  readonly #stopping: AbortSignal
  readonly #neighbours: number
  readonly #options: { timeout?: number }
  #waiting = 0
  /** Will not be confirmed any more. */
  #lost = 0
  #total = 0
  #changed: () => void = () => undefined

  /**
   * Each message waits for so many neighbours (1), and for so many milliseconds (until the node stops). Once `stopping` is
   * aborted, nobody is held back any more.
   */
  constructor(stopping: AbortSignal, { neighbours = 1, timeout }: { neighbours?: number; timeout?: number } = {}) {
    this.#stopping = stopping
    this.#neighbours = neighbours
    this.#options = timeout === undefined ? {} : { timeout }
  }

  get total(): number {
    return this.#total
  }

  /** Messages that were said and not confirmed. */
  get unconfirmed(): number {
    return this.#waiting + this.#lost
  }

  /** One more message was taken by the node. Resolves at once, or when fewer wait. */
  async expect(receipt: Receipt): Promise<void> {
    this.#total++
    this.#waiting++
    // Without a signal: so many listeners on one would be taken for a leak. The node's own end settles it.
    receipt.confirmed(this.#neighbours, this.#options).then(
      () => this.#settled(0),
      (error: unknown) => {
        // Too late, or the node stops, or its identity is in use elsewhere; the node tells that itself.
        if (!(error instanceof MeshError)) throw error
        this.#settled(1)
      },
    )
    while (this.#waiting >= UNCONFIRMED_MAX && !this.#stopping.aborted) await this.#change()
  }

  /** Resolves when none is waited for, or when `late` has resolved. */
  async finish(late: Promise<unknown>): Promise<void> {
    let isLate = false
    const ended = late.then(() => {
      isLate = true
    })
    while (this.#waiting > 0 && !isLate) await Promise.race([this.#change(), ended])
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve
    })
  }

  #settled(lost: 0 | 1): void {
    this.#waiting--
    this.#lost += lost
    this.#changed()
  }
}

// Tells the node how far this reader is done, one call at a time: whatever is done while a call is under way goes with the
// next. docs/api.md, "Acknowledgement".

import type { NodeClient } from './node-client.ts'

export class Acknowledger {
  readonly #client: Pick<NodeClient, 'post'>
  readonly #subscription: string
  /** Done without a gap, and beyond it. */
  #through = 0
  readonly #beyond = new Set<number>()
  #toldThrough = 0
  #telling: Promise<void> | null = null
  #error: unknown = null

  constructor(client: Pick<NodeClient, 'post'>, subscription: string) {
    this.#client = client
    this.#subscription = subscription
  }

  /** The message of this number is done; those before it may still be open. */
  done(number: number): void {
    this.#beyond.add(number)
    while (this.#beyond.delete(this.#through + 1)) this.#through++
    if (this.#error === null) this.#telling ??= this.#tell()
  }

  /** Resolves when the node knows everything that is done. Rejects with what a call failed with. */
  async flush(): Promise<void> {
    while (this.#telling !== null) await this.#telling
    if (this.#error !== null) throw this.#error
  }

  async #tell(): Promise<void> {
    try {
      // At the end of the turn: one turn brings many.
      await new Promise((resolve) => setImmediate(resolve))
      while (this.#toldThrough < this.#through) {
        const through = this.#through
        await this.#client.post('/v1/acknowledge', { subscription: this.#subscription, through })
        this.#toldThrough = through
      }
    } catch (error) {
      this.#error = error
    } finally {
      this.#telling = null
    }
  }
}

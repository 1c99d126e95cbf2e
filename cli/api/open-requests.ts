// Requests of other nodes that a caller of the local API has been given to answer, until it has: each for a time only, and
// bounded, since what waits here waits for a program that may have hung. docs/api.md, "Answering requests".

import type { DirectMessage } from '../../lib/direct/handlers.ts'

/** What may be open for one caller, so that a slow one leaves room for others. */
export const REQUESTS_OPEN_MAX = 256
export const REQUESTS_OPEN_BYTES_MAX: number = 16 * 1_048_576

/** What the node that asks too much is told. */
export const BEHIND = 'too many requests wait for the program that answers; ask again later'

interface Open {
  readonly bytes: number
  readonly timer: NodeJS.Timeout
  resolve(answer: Uint8Array | string): void
  reject(error: Error): void
}

export class OpenRequests {
  readonly #timeoutMs: number
  readonly #open = new Map<string, Open>()
  #bytes = 0

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get count(): number {
    return this.#open.size
  }

  /**
   * Resolves with the answer. Rejects with an error whose text is for the node that asked: when the answer is one, when none
   * comes in time, when the caller leaves, or at once when too much is open.
   */
  wait({ id, data }: DirectMessage): Promise<Uint8Array | string> {
    const bytes = data.length
    if (this.#open.size >= REQUESTS_OPEN_MAX || this.#bytes + bytes > REQUESTS_OPEN_BYTES_MAX) {
      return Promise.reject(new Error(BEHIND))
    }
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.fail(id, `the program that answers took longer than ${this.#timeoutMs / 1_000} s`)
      }
      this.#open.set(id, { bytes, timer: setTimeout(late, this.#timeoutMs).unref(), resolve, reject })
      this.#bytes += bytes
    })
  }

  /** False when no such request is open: it was answered, took too long, or never came here. */
  answer(id: string, answer: Uint8Array | string): boolean {
    const open = this.#take(id)
    open?.resolve(answer)
    return open !== null
  }

  /** As `answer`; the node that asked is told that it failed, and this text. */
  fail(id: string, text: string): boolean {
    const open = this.#take(id)
    open?.reject(new Error(text))
    return open !== null
  }

  /** The caller has left. */
  close(): void {
    for (const id of [...this.#open.keys()]) this.fail(id, 'the program that answers has left')
  }

  #take(id: string): Open | null {
    const open = this.#open.get(id)
    if (open === undefined) return null
    this.#open.delete(id)
    this.#bytes -= open.bytes
    clearTimeout(open.timer)
    return open
  }
}

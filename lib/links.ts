// The connections of a running node that are not over yet, and who waits for the end of each.

import type { Link } from './link/link.ts'

interface Waiting {
  /** For our goodbye to be on its way, or the link to be over. */
  readonly parted: (() => void)[]
  readonly over: (() => void)[]
}

export class Links {
  readonly #waiting = new Map<Link, Waiting>()

  began(link: Link): void {
    this.#waiting.set(link, { parted: [], over: [] })
  }

  [Symbol.iterator](): IterableIterator<Link> {
    return this.#waiting.keys()
  }

  /** Our goodbye is with the system. */
  parted(link: Link): void {
    callAll(this.#waiting.get(link)?.parted)
  }

  over(link: Link): void {
    const waiting = this.#waiting.get(link)
    this.#waiting.delete(link)
    callAll(waiting?.parted)
    callAll(waiting?.over)
  }

  /** Resolves when our goodbye is on its way to the peer, or the link over. */
  whenParted(link: Link): Promise<void> {
    const waiting = this.#waiting.get(link)
    return waiting === undefined ? Promise.resolve() : new Promise((resolve) => waiting.parted.push(resolve))
  }

  /** Resolves when every connection is over that is not now. */
  async whenAllOver(): Promise<void> {
    await Promise.all(Array.from(this.#waiting.values(), ({ over }) => new Promise<void>((done) => over.push(done))))
  }
}

function callAll(waiting: (() => void)[] = []): void {
  for (const call of waiting.splice(0)) call()
}

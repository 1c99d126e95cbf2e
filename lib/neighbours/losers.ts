// Connections that lost against another one with the same peer and are read to their end: one of a peer at a time, or a peer that
// dials again and again would be read, and held in memory, on hundreds. Does not decide who loses. docs/protocol.md, "Duplicate
// connections".

import { GoodbyeCode } from '../framing/goodbye.ts'
import type { TableLink } from './contract.ts'

export class Losers {
  /** By Identity.key: the last one of each peer that is not over. */
  readonly #links = new Map<string, TableLink>()

  /** Closes it with goodbye 1. An earlier one of the same peer is cut off. */
  lost(link: TableLink): void {
    const { key } = link.identity
    const earlier = this.#links.get(key)
    this.#links.set(key, link)
    earlier?.cut()
    link.close(GoodbyeCode.duplicate, 'duplicate connection')
  }

  /** Any link is over. */
  over(link: TableLink): void {
    if (this.#links.get(link.identity.key) === link) this.#links.delete(link.identity.key)
  }
}

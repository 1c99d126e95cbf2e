// The peers that the program disconnected from: nobody chooses them again by what mDNS or other nodes tell, until they are
// asked for anew. They may still dial us. At UNWANTED_PEERS_MAX the oldest is forgotten. No part of the protocol.

import { UNWANTED_PEERS_MAX } from '../limits.ts'

/** A peer is known by its peer id text, its Identity.key, or both: each is a name of its own here. */
export class UnwantedPeers {
  readonly #names = new Set<string>()

  add(names: Iterable<string>): void {
    for (const name of names) {
      this.#names.delete(name)
      this.#names.add(name)
    }
    for (const oldest of this.#names) {
      if (this.#names.size <= 2 * UNWANTED_PEERS_MAX) break
      this.#names.delete(oldest)
    }
  }

  delete(names: Iterable<string>): void {
    for (const name of names) this.#names.delete(name)
  }

  has(name: string | null): boolean {
    return name !== null && this.#names.has(name)
  }
}

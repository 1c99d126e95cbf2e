// Who is who, for people: the names that neighbours gave themselves, by peer id. A name proves nothing, so two who share one
// are shown with their ids.

import { shortId } from '../lib/identity/peer-id.ts'
import { printable } from './printable.ts'

/** Names remembered, those of neighbours who left included; beyond, the oldest is forgotten. */
export const PEOPLE_MAX = 1_024

export class People {
  readonly #nameOf = new Map<string, string>()
  readonly #bearers = new Map<string, number>()

  /** `ownName` belongs to this node: whoever else bears it is shown with the id. */
  constructor(ownName: string) {
    this.#count(printable(ownName), 1)
  }

  /** `name` as the peer gave it; empty: none. */
  learn(peer: string, name: string): void {
    this.#forget(peer)
    const shown = printable(name).trim()
    if (shown === '') return
    this.#nameOf.set(peer, shown)
    this.#count(shown, 1)
    const oldest = this.#nameOf.keys().next()
    if (this.#nameOf.size > PEOPLE_MAX && !oldest.done) this.#forget(oldest.value)
  }

  /** The name alone where it is unmistakable, else with the short id; the short id where there is no name. Printable. */
  label(peer: string): string {
    const name = this.#nameOf.get(peer)
    if (name === undefined) return printable(shortId(peer))
    return this.#bearers.get(name) === 1 ? name : this.full(peer)
  }

  /** Name and short id. Printable. */
  full(peer: string): string {
    const name = this.#nameOf.get(peer)
    const id = printable(shortId(peer))
    return name === undefined ? id : `${name} (${id})`
  }

  #forget(peer: string): void {
    const name = this.#nameOf.get(peer)
    if (name === undefined) return
    this.#nameOf.delete(peer)
    this.#count(name, -1)
  }

  #count(name: string, change: 1 | -1): void {
    const count = (this.#bearers.get(name) ?? 0) + change
    if (count > 0) this.#bearers.set(name, count)
    else this.#bearers.delete(name)
  }
}

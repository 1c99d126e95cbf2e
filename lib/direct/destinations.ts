// What is known of those we write to: their epoch, and which number comes next. Forgetting one costs a question, never a number
// used twice. docs/protocol.md, "Numbers".

import { equalBytes } from '../bytes.ts'
import type { Identity } from '../identity/identities.ts'
import { DIRECT_SOURCES_MAX } from '../limits.ts'
import type { Numbered } from './content.ts'
import { textKey } from './envelope.ts'
import { RecentMap } from './recent-map.ts'

export interface Destination {
  readonly identity: Identity
  /** The key under which routes know it. */
  readonly originKey: string
  /** Its epoch as it last told it, or 0. */
  epoch: number
  /** The question that is out, and when it last left. */
  question: { readonly number: Numbered; leftMs: number; flooded: boolean } | null
  nextSequence: number
}

export class Destinations {
  readonly #known: RecentMap<Destination>
  /** No number below this is free for a destination that was forgotten: a newcomer may be one. */
  #floor = 0
  #highest = 0
  #turns = 0

  constructor(entriesMax: number = DIRECT_SOURCES_MAX) {
    this.#known = new RecentMap(entriesMax)
  }

  of(identity: Identity): Destination {
    const known = this.#known.get(identity.key)
    // A public key and its negative share an identity key, and are two destinations: the later one takes the place.
    if (known !== undefined && equalBytes(known.identity.publicKey, identity.publicKey)) return known
    const nextSequence = known?.nextSequence ?? 0
    const originKey = textKey(identity.publicKey)
    const destination: Destination = { identity, originKey, epoch: 0, question: null, nextSequence }
    this.#known.set(identity.key, destination)
    if (this.#known.turns > this.#turns) {
      this.#turns = this.#known.turns
      this.#floor = this.#highest
    }
    destination.nextSequence = Math.max(nextSequence, this.#floor)
    return destination
  }

  /** The next number for this destination; never given again in this run. */
  nextSequence(destination: Destination): number {
    const sequence = destination.nextSequence++
    if (destination.nextSequence > this.#highest) this.#highest = destination.nextSequence
    return sequence
  }
}

// Every address that this node wants to have a link with, seeds and candidates alike, with the bounds of each kind. It
// dials nothing. What one node keeps for itself: no part of the protocol.

import type { Address } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import { ASKED_TARGETS_MAX, CANDIDATES_MAX, CANDIDATES_PER_TELLER_MAX } from '../limits.ts'
import type { Backoff } from './backoff.ts'
import type { TargetSource } from './contract.ts'
import { type FromBook, strongerSource, Target, targetKey } from './target.ts'

export class Targets implements Iterable<Target> {
  readonly #targets = new Map<string, Target>()
  readonly #newBackoff: () => Backoff
  #order = 0

  constructor(newBackoff: () => Backoff) {
    this.#newBackoff = newBackoff
  }

  get size(): number {
    return this.#targets.size
  }

  [Symbol.iterator](): IterableIterator<Target> {
    return this.#targets.values()
  }

  get(address: Address): Target | undefined {
    return this.#targets.get(targetKey(address))
  }

  has(target: Target): boolean {
    return this.#targets.get(target.key) === target
  }

  /** Those known to lead to this identity. */
  of(identity: Identity): readonly Target[] {
    return [...this.#targets.values()].filter((target) => target.belongsTo(identity))
  }

  /** Whether a seed, the program or a waiting `connect` names an address of this identity. */
  isAsked(identity: Identity): boolean {
    return this.of(identity).some((target) => target.isWish)
  }

  /** A test for many identities at once, against one pass over the addresses that are `meant`. */
  belongingTo(isMeant: (target: Target) => boolean): (identity: Identity) => boolean {
    const names = new Set<string | null>()
    for (const target of this.#targets.values()) {
      if (isMeant(target)) names.add(target.proven?.key ?? target.address.peer)
    }
    return (identity) => names.has(identity.key) || names.has(identity.id)
  }

  /**
   * Adds an address that is not there yet. `source` null: only for the `connect` or visit that waits for it. Returns null where a bound
   * is reached: nothing more can be asked for beyond ASKED_TARGETS_MAX; a candidate takes the place of another one of the same
   * teller, then of any, namely of the one with most failures and among these the oldest, but of none in use.
   */
  add(
    address: Address,
    source: TargetSource | null,
    toldBy: string | null,
    nowMs: number,
    book: FromBook | null = null,
  ): Target | null {
    const isOfTeller = (target: Target): boolean => toldBy !== null && target.toldBy === toldBy
    if (isFound(source)) {
      if (!this.#makeRoom(isOfTeller, CANDIDATES_PER_TELLER_MAX)) return null
      if (!this.#makeRoom(isCandidate, CANDIDATES_MAX)) return null
    } else if (!this.#hasRoomForAsked()) {
      return null
    }
    const order = this.#order++
    const target = new Target({ address, order, source, toldBy, book, backoff: this.#newBackoff(), nowMs })
    this.#targets.set(target.key, target)
    return target
  }

  /** Gives the target the stronger of its source and this one. Returns false, and changes nothing, at ASKED_TARGETS_MAX. */
  promote(target: Target, source: TargetSource): boolean {
    const stronger = strongerSource(target.source, source)
    if (stronger === target.source) return true
    const becomesAsked = isCandidate(target) && (stronger === 'seed' || stronger === 'manual')
    if (becomesAsked && !this.#hasRoomForAsked()) return false
    target.source = stronger
    // Whoever told us of it first is no longer the reason why it is kept.
    target.toldBy = null
    return true
  }

  delete(target: Target): void {
    if (this.has(target)) this.#targets.delete(target.key)
  }

  clear(): void {
    this.#targets.clear()
  }

  #hasRoomForAsked(): boolean {
    return this.#count((target) => !isCandidate(target)) < ASKED_TARGETS_MAX
  }

  #makeRoom(isAmong: (target: Target) => boolean, max: number): boolean {
    if (this.#count(isAmong) < max) return true
    let worst: Target | null = null
    for (const target of this.#targets.values()) {
      if (!isAmong(target) || isInUse(target)) continue
      const more = worst === null ? 1 : target.backoff.failures - worst.backoff.failures
      if (worst === null || more > 0 || (more === 0 && target.order < worst.order)) worst = target
    }
    if (worst !== null) this.#targets.delete(worst.key)
    return worst !== null
  }

  #count(isAmong: (target: Target) => boolean): number {
    let count = 0
    for (const target of this.#targets.values()) if (isAmong(target)) count++
    return count
  }
}

function isCandidate(target: Target): boolean {
  return isFound(target.source)
}

/** Nobody asked for it. */
function isFound(source: TargetSource | null): boolean {
  return source === 'mdns' || source === 'exchange' || source === 'book'
}

function isInUse(target: Target): boolean {
  return target.attempt !== null || target.state.kind === 'linked' || target.isAwaited
}

// A store with everything that a reader needs around it: bundles arrive by call, time moves by call.

import { setImmediate as turn } from 'node:timers/promises'
import type { Bundle } from '../../../lib/flood/bundle.ts'
import type { BundleStore } from '../../../lib/flood/bundle-store.ts'
import { Holdings } from '../../../lib/flood/holdings.ts'
import { Seen } from '../../../lib/flood/seen.ts'
import { Subscriptions } from '../../../lib/flood/subscriptions.ts'
import { MemoryStore } from '../../../lib/store/memory-store.ts'
import type { MeshEvents, Message } from '../../../lib/types.ts'
import { FakeClock } from '../../link/fake-clock.ts'
import { type BundleInput, originKeyOf, sealedBundle } from '../bundles.ts'

/** The number of the key pair of the node that reads. */
export const OWN = 9
/** An epoch that began when the fake clock did, by its wall clock. */
export const EPOCH: number = 1_800_000_001 * 2 ** 20

export interface Arrival extends Partial<BundleInput> {
  /** How long it had travelled. */
  readonly ageMs?: number
  /** In place of `messages`: so many on `topic`, each with its sequence number as text. */
  readonly count?: number
  readonly topic?: string
}

export class Shelf {
  readonly clock: FakeClock = new FakeClock()
  readonly seen: Seen = new Seen()
  readonly store: BundleStore
  readonly warnings: string[] = []
  readonly gaps: MeshEvents['gap'][0][] = []
  subscriptions: Subscriptions

  constructor(options: { bytesMax?: number; ageMsMax?: number; store?: (store: BundleStore) => BundleStore } = {}) {
    const { bytesMax = 64 * 1_048_576, ageMsMax = 600_000, store = (it) => it } = options
    const { clock } = this
    this.store = store(new MemoryStore({ clock, holdings: new Holdings(), bytesMax, ageMsMax }))
    this.subscriptions = this.#subscriptions()
    this.attach()
  }

  attach(): void {
    const { store, seen, clock } = this
    this.subscriptions.attach({ store, seen, ownOriginKey: originKeyOf(OWN), clock })
  }

  /** The program ends and starts again over the same store. `attached` false: it has not started yet. */
  restart(attached = true): void {
    this.subscriptions.close()
    this.subscriptions = this.#subscriptions()
    if (attached) this.attach()
  }

  /** A bundle that nobody has seen comes. Without anything said: one message of origin 1 with its number as text. */
  arrive(given: Arrival = {}): Bundle {
    const bundle = this.mark(given)
    this.store.put(bundle, null)
    return bundle
  }

  /** It is taken, and the store never gets it. */
  mark(given: Arrival = {}): Bundle {
    const bundle = bundleOf(given, this.clock.nowMs())
    const { originKey, epoch, first, count } = bundle
    this.seen.mark(originKey, epoch, first, first + count - 1, 'neighbour', this.clock.nowMs())
    return bundle
  }

  /** Everything that follows from what has happened so far. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.clock.turn()) quiet = -1
      await turn()
    }
  }

  /** Lets time go by, in steps, with all that it brings. */
  async pass(ms: number, stepMs: number = ms): Promise<void> {
    await this.settle()
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - passed))
      await this.settle()
    }
  }

  #subscriptions(): Subscriptions {
    return new Subscriptions((code, text) => this.warnings.push(`${code}: ${text}`), {
      storage: { keepsBundles: true, isDurable: true },
      gap: (gap) => this.gaps.push(gap),
    })
  }
}

export function bundleOf(given: Arrival, nowMs: number): Bundle {
  const { ageMs = 0, count = 1, topic = 't', ...input } = given
  const first = input.first ?? 0
  const messages =
    input.messages ?? Array.from({ length: count }, (_, i): [string, string] => [topic, String(first + i)])
  const bundle = sealedBundle({ epoch: EPOCH, ...input, first, messages })
  return { ...bundle, hops: 1, ageMs, heldSinceMs: nowMs }
}

export function textOf(message: Message): string {
  return message.text()
}

// Holds all links back while more waits for the disk than should. A little is read all the same, now and then: the other ends
// would take a node that reads nothing for half a minute for stuck, and cut it off, though its disk is only slow.

import { Alarm } from '../io/alarm.ts'
import type { Clock } from '../io/world.ts'
import type { Brake } from './intake.ts'

/**
 * So often each link that is held back may read so much. The other end's program sees its bytes move only when a third of its
 * system's buffer is free again, some 1.5 MiB with Linux: so at every third or fourth time, well within the 30 s after which it
 * cuts off who takes none.
 */
export const SIP_MS = 5_000
export const SIP_BYTES = 524_288

/** What it sees of the store. */
export interface BrakingStore {
  readonly isBehind: boolean
  /** Calls `listener` when `isBehind` has become false again. Returns a function that ends it. */
  onEased(listener: () => void): () => void
}

export class DiskBrake implements Brake {
  readonly #clock: Clock
  readonly #store: BrakingStore
  readonly #alarm: Alarm
  readonly #stopListening: () => void
  #waiting: ((bytesMax: number) => void)[] = []

  constructor(clock: Clock, store: BrakingStore) {
    this.#clock = clock
    this.#store = store
    this.#alarm = new Alarm(clock, () => this.#letGo(SIP_BYTES))
    this.#stopListening = store.onEased(() => this.#letGo(0))
  }

  get isOn(): boolean {
    return this.#store.isBehind
  }

  whenOff(run: (bytesMax: number) => void): void {
    this.#waiting.push(run)
    this.#alarm.hasten(this.#clock.nowMs() + SIP_MS)
  }

  /** Nobody is told any more. */
  close(): void {
    this.#alarm.cancel()
    this.#stopListening()
    this.#waiting = []
  }

  #letGo(bytesMax: number): void {
    this.#alarm.cancel()
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run(bytesMax)
  }
}

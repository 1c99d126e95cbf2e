// Signals to an orderly stop: the first one asks for it, a second one does not wait. SIGPIPE needs nothing here: Node ignores
// it, and a reader that left shows as EPIPE on the write.

import { constants } from 'node:os'

/** A stop that takes longer is cut off: those who sent the signal were promised 5 s. */
export const STOP_DEADLINE_MS = 4_500

const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type SignalName = (typeof NAMES)[number]

export interface StopSignalsOptions {
  /** `process`, or anything that emits the names of signals. */
  readonly signals: NodeJS.EventEmitter
  /** Asks for the orderly stop; called once. */
  readonly stop: () => void
  /** Ends the process at once with 128 + the signal's number. */
  readonly exit: (code: number) => void
}

export class StopSignals {
  readonly #options: StopSignalsOptions
  readonly #listeners: (() => void)[]
  #count = 0

  /** Listens from now until `release`. */
  constructor(options: StopSignalsOptions) {
    this.#options = options
    this.#listeners = NAMES.map((name) => {
      const listener = (): void => this.received(name)
      options.signals.on(name, listener)
      return listener
    })
  }

  /** Also for Ctrl-C in a terminal that is read key by key, where the kernel sends no signal. */
  received(name: SignalName): void {
    this.#count++
    if (this.#count === 1) this.#options.stop()
    else this.#options.exit(128 + (constants.signals[name] ?? 0))
  }

  /** From now on signals do what they would without this program. */
  release(): void {
    NAMES.forEach((name, i) => {
      this.#options.signals.off(name, this.#listeners[i]!)
    })
  }
}

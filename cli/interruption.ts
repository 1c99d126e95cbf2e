// Ctrl-C and its kin for commands that hold something which must be given up in order: the first signal asks for that, a
// second one does not wait. The exit code says which it was.

import type { EventEmitter } from 'node:events'
import { constants } from 'node:os'

const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Interruption {
  readonly #signals: EventEmitter
  readonly #exit: (code: number) => void
  readonly #asked = new AbortController()
  readonly #listeners: (() => void)[]
  #exitCode: number | null = null

  /** Listens from now until `release`. `exit` ends the process at once. */
  constructor(host: { readonly signals: EventEmitter; exit(code: number): void }) {
    const { signals } = host
    this.#signals = signals
    this.#exit = (code) => host.exit(code)
    this.#listeners = NAMES.map((name) => {
      const listener = (): void => this.#received(128 + constants.signals[name])
      signals.on(name, listener)
      return listener
    })
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#asked.signal
  }

  /** 128 and the number of the signal; null when none came. */
  get exitCode(): number | null {
    return this.#exitCode
  }

  release(): void {
    NAMES.forEach((name, i) => {
      this.#signals.off(name, this.#listeners[i]!)
    })
  }

  #received(exitCode: number): void {
    if (this.#exitCode !== null) return this.#exit(exitCode)
    this.#exitCode = exitCode
    this.#asked.abort()
  }
}

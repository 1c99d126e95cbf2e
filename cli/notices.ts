// What the program tells people beside the messages: lines by level, safe to print, and at a bounded pace, because others
// on the network can cause them and nobody's log or screen is theirs to fill. What was left out is counted and said.

import { LOG_LEVELS, type LogLevel } from './flags.ts'
import { printableShort } from './printable.ts'

/** Lines in a burst, and how fast the right to more comes back. Guesses: a person reads no faster. */
export const BURST_LINES = 50
export const LINES_PER_S = 5
const TEXT_UNITS_MAX = 2_000

export interface NoticesOptions {
  readonly level: LogLevel
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** Prints one line; it comes without a newline and without anything that a terminal would obey. */
  readonly print: (line: string) => void
}

export class Notices {
  readonly #rank: number
  readonly #nowMs: () => number
  readonly #print: (line: string) => void
  #allowance = BURST_LINES
  #allowanceAtMs: number
  #leftOut = 0

  constructor({ level, nowMs, print }: NoticesOptions) {
    this.#rank = LOG_LEVELS.indexOf(level)
    this.#nowMs = nowMs
    this.#print = print
    this.#allowanceAtMs = nowMs()
  }

  error(text: string): void {
    this.#tell('error', text)
  }

  warn(text: string): void {
    this.#tell('warn', `warning: ${text}`)
  }

  info(text: string): void {
    this.#tell('info', text)
  }

  debug(text: string): void {
    this.#tell('debug', text)
  }

  /** Says how many lines were left out and not yet told of. */
  flush(): void {
    if (this.#leftOut > 0) this.#print(`(${this.#leftOut} lines like these were left out)`)
    this.#leftOut = 0
  }

  #tell(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) > this.#rank) return
    const nowMs = this.#nowMs()
    this.#allowance = Math.min(BURST_LINES, this.#allowance + ((nowMs - this.#allowanceAtMs) / 1000) * LINES_PER_S)
    this.#allowanceAtMs = nowMs
    if (this.#allowance < 1) {
      this.#leftOut++
      return
    }
    this.#allowance--
    this.flush()
    this.#print(printableShort(text, TEXT_UNITS_MAX))
  }
}

// How the program fails: its exit codes, what counts as wrong usage, and the one line that says what was wrong and what
// would be right. docs/cli.md, "Exit codes". Loads nothing of the library, so that a wrong flag is told at once.

import { printable } from './printable.ts'

/** docs/cli.md lists these. 3 and 4 belong to commands that talk to a running node. */
export const EXIT: {
  readonly done: 0
  readonly failed: 1
  readonly wrongUsage: 2
  readonly notRunning: 3
  readonly timedOut: 4
} = Object.freeze({ done: 0, failed: 1, wrongUsage: 2, notRunning: 3, timedOut: 4 })

/**
 * Whether writing to standard output failed because its reader left, or the terminal is gone: nobody is there to be told of it. The
 * code of a terminal that is gone is that of a broken disk as well.
 */
export function hasReaderLeft(error: unknown, isTerminal: boolean): boolean {
  const code = codeOf(error)
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || (code === 'EIO' && isTerminal)
}

/** Flags, environment or config file say something that cannot be. Its text: what was wrong and where; what would be right. */
export class UsageError extends Error {
  readonly code = 'usage'
}

/** Something outside this program is not as it must be: a file, a key, the lack of an identity. */
export class Failure extends Error {
  readonly code: string

  /** `code` is stable and shown with `--json`; `text`: what was wrong; what would be right. */
  constructor(code: string, text: string, options?: { cause?: unknown }) {
    super(text, options)
    this.code = code
  }
}

/** The code of anything that was thrown: its own when that is a text, else `failed`. */
export function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'failed'
}

const EXIT_OF_CODE: Readonly<Record<string, number>> = { 'not-running': EXIT.notRunning, 'timed-out': EXIT.timedOut }

/** The exit code that belongs to what was thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.wrongUsage
  return EXIT_OF_CODE[codeOf(error)] ?? EXIT.failed
}

/** The line for standard error, with its newline: for people, or with `json` for programs. */
export function failureLine(error: unknown, json: boolean): string {
  const text = error instanceof Error ? error.message : String(error)
  if (!json) return `meshd: ${printable(text)}\n`
  return `${JSON.stringify({ error: { code: codeOf(error), text: printable(text) } })}\n`
}

// Words and flags of a command that the node would refuse: told as wrong usage, before it is asked.

import { reasonOf } from '../../lib/errors.ts'
import { UsageError } from '../failures.ts'

/** Throws UsageError where `judge` throws; `what` is how the user knows it: `TOPIC`, `--since`. */
export function checked(what: string, text: string, judge: (text: string) => unknown): void {
  try {
    judge(text)
  } catch (cause) {
    throw new UsageError(`${what} is ${JSON.stringify(text)}; ${reasonOf(cause)}`, { cause })
  }
}

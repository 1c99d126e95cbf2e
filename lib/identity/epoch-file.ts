// The epoch of this run: a number greater than that of any run before, so that no message id is ever made twice, also after
// a restored backup or with a clock that was set back. docs/protocol.md, "Epochs".

import { textOf, utf8 } from '../bytes.ts'
import type { Files, Random } from '../io/world.ts'
import { INTEGER_MAX } from '../limits.ts'

const EPOCH_FILE_MODE = 0o600
/** Epochs begun in the same second differ by so many random values. */
const PER_SECOND: number = 2 ** 20

/** The least epoch that a run begun at this time takes by the clock. */
export function epochAt(unixMs: number): number {
  return Math.max(0, Math.floor(unixMs / 1000)) * PER_SECOND
}

/** max(`after` + 1, Unix seconds x 2^20 + 20 random bits). */
export function freshEpoch(after: number, unixMs: number, random: Random): number {
  const [a, b, c] = random.bytes(3)
  const low = ((a! << 16) | (b! << 8) | c!) & (PER_SECOND - 1)
  const byClock = epochAt(unixMs) + low
  return Math.min(INTEGER_MAX, Math.max(after + 1, byClock))
}

/** Reads the last epoch from the file at `path`; null where there is none, `damaged` where it holds something else. */
export async function readEpoch(files: Files, path: string): Promise<number | null | 'damaged'> {
  const bytes = await files.read(path)
  if (bytes === null) return null
  const text = textOf(bytes)?.trim() ?? ''
  const epoch = Number(text)
  return /^\d{1,16}$/.test(text) && epoch <= INTEGER_MAX ? epoch : 'damaged'
}

/** Durable when it resolves. */
export async function writeEpoch(files: Files, path: string, epoch: number): Promise<void> {
  await files.writeAtomic(path, utf8(`${epoch}\n`), EPOCH_FILE_MODE)
}

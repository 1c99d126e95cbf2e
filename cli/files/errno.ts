// What the disk said, for the end that wrote to it and for the one that only sent: the latter learns no path of this machine.

import { Refusal } from './messages.ts'

const FULL: readonly string[] = ['ENOSPC', 'EDQUOT']

/** The system's own name for what went wrong, as `ENOSPC`; empty for anything else that was thrown. */
export function errnoOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

/** The Refusal that tells the sender of it. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const code = errnoOf(error)
  if (FULL.includes(code)) return new Refusal('disk-full', 'the disk of the other node is full', { cause: error })
  if (code === 'EFBIG')
    return new Refusal('too-large', "the other node's file system takes no such size", { cause: error })
  // Nothing else that is looked for can be missing: the folder was there when the transfer began.
  if (code === 'ENOENT') {
    const text = 'the folder of the other node was removed meanwhile; send the file again'
    return new Refusal('failed', text, { cause: error })
  }
  return new Refusal('failed', `the other node could not keep the file${code === '' ? '' : `: ${code}`}`, {
    cause: error,
  })
}

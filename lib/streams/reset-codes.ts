// Why a stream is reset: the codes, the error that brings one to the program, and which code an error is told as.
// docs/protocol.md section 10.

import { MeshError } from '../errors.ts'

/** Codes below 64 are the protocol's; receivers must expect some that are not here. From 64 on they are the program's own. */
export const StreamResetCode = {
  /** The end that sent it wants no more of this stream. */
  cancelled: 0,
  unknownProtocol: 1,
  tooManyStreams: 2,
  /** The handler, or the program behind it, failed. */
  failed: 3,
  timedOut: 4,
  linkClosing: 5,
} as const

const TEXTS: ReadonlyMap<number, string> = new Map([
  [StreamResetCode.cancelled, 'cancelled'],
  [StreamResetCode.unknownProtocol, 'the other end has no handler for this protocol'],
  [StreamResetCode.tooManyStreams, 'the other end has too many streams'],
  [StreamResetCode.failed, 'the program at the other end failed'],
  [StreamResetCode.timedOut, 'timed out'],
  [StreamResetCode.linkClosing, 'the link is closing'],
])

/**
 * MeshError `stream-reset`: one end gave the stream up. A program that destroys a stream with one of these chooses the code
 * that the other end is told.
 */
export class StreamResetError extends MeshError {
  /** 0 to 2^53 - 1; from 64 on it means what the two programs agreed on. */
  readonly streamCode: number

  constructor(streamCode: number) {
    super('stream-reset', `the stream was reset: ${TEXTS.get(streamCode) ?? `code ${streamCode}`}`)
    this.streamCode = streamCode
  }
}

/** The code that tells the other end why this one destroyed the stream. */
export function resetCodeOf(error: Error | null): number {
  if (error === null) return StreamResetCode.cancelled
  if (error instanceof StreamResetError)
    return Number.isSafeInteger(error.streamCode) && error.streamCode >= 0 ? error.streamCode : StreamResetCode.failed
  const { name, code } = error as { name: string; code?: unknown }
  if (code === 'timed-out' || name === 'TimeoutError') return StreamResetCode.timedOut
  // What Node's own pipeline and AbortSignal destroy streams with: nobody failed here.
  const isCancel = code === 'aborted' || code === 'ERR_STREAM_PREMATURE_CLOSE' || name === 'AbortError'
  if (isCancel) return StreamResetCode.cancelled
  return StreamResetCode.failed
}

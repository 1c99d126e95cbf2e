// Streams that this end has asked for and that the other end has not answered: at most 64 asked for at a time, the others
// wait here, and none for longer than its time. docs/protocol.md, "Opening a stream".

import { MeshError } from '../errors.ts'
import { STREAM_OPEN_TIMEOUT_MS, STREAMS_OPENING_MAX } from '../limits.ts'
import type { MeshStream } from './duplex.ts'
import type { ReceiveWindow } from './receive-window.ts'
import { StreamResetCode } from './reset-codes.ts'

/** What was sent for an opening. */
export interface Asked {
  readonly number: number
  /** What was granted with it, for the other end's data. */
  readonly window: ReceiveWindow
  readonly sentMs: number
}

/** One call of `open`. */
export interface Opening {
  readonly names: readonly string[]
  readonly deadlineMs: number
  /** Null: it waits until one of the 64 before it was answered. */
  asked: Asked | null
  resolve(stream: MeshStream): void
  reject(error: Error): void
}

export interface OpeningActions {
  /** Sends `open` for it. */
  ask(opening: Opening): Asked
  /** Nobody waits for this answer any more: tells the other end. */
  giveUp(asked: Asked, resetCode: number): void
}

export class Openings {
  readonly #actions: OpeningActions
  /** In the order of their calls, and so of their deadlines. */
  readonly #all = new Set<Opening>()
  #unanswered = 0

  constructor(actions: OpeningActions) {
    this.#actions = actions
  }

  get count(): number {
    return this.#all.size
  }

  /** Milliseconds of the clock at which `tick` has something to do; Infinity when never. */
  get nextDeadlineMs(): number {
    const [first] = this.#all
    return first?.deadlineMs ?? Number.POSITIVE_INFINITY
  }

  /** Rejects with MeshError `aborted`, `timed-out`, or what `answered` and `close` are given. */
  open(names: readonly string[], nowMs: number, signal: AbortSignal | undefined): Promise<MeshStream> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal))
      const onAbort = (): void => this.#cancel(opening, aborted(signal!), StreamResetCode.cancelled)
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const opening: Opening = {
        names: [...names],
        deadlineMs: nowMs + STREAM_OPEN_TIMEOUT_MS,
        asked: null,
        resolve: (stream) => {
          settled()
          resolve(stream)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort)
      this.#all.add(opening)
      this.#askNext()
    })
  }

  /** The answer has come: the opening is the caller's to settle. */
  answered(opening: Opening): void {
    this.#forget(opening)
    this.#askNext()
  }

  tick(nowMs: number): void {
    for (const opening of this.#all) {
      if (opening.deadlineMs > nowMs) return
      const text = `the other end did not answer the opening of a stream in ${STREAM_OPEN_TIMEOUT_MS / 1000} s`
      this.#cancel(opening, new MeshError('timed-out', text), StreamResetCode.timedOut)
    }
  }

  /** The link is over. */
  close(error: Error): void {
    const all = [...this.#all]
    this.#all.clear()
    for (const opening of all) opening.reject(error)
  }

  #cancel(opening: Opening, error: MeshError, resetCode: number): void {
    if (!this.#all.has(opening)) return
    this.#forget(opening)
    if (opening.asked !== null) this.#actions.giveUp(opening.asked, resetCode)
    opening.reject(error)
    this.#askNext()
  }

  #forget(opening: Opening): void {
    this.#all.delete(opening)
    if (opening.asked !== null) this.#unanswered--
  }

  #askNext(): void {
    if (this.#unanswered === STREAMS_OPENING_MAX) return
    for (const opening of this.#all) {
      if (opening.asked !== null) continue
      opening.asked = this.#actions.ask(opening)
      if (++this.#unanswered === STREAMS_OPENING_MAX) return
    }
  }
}

function aborted(signal: AbortSignal): MeshError {
  return new MeshError('aborted', 'the opening of a stream was aborted', { cause: signal.reason })
}

// Calls of `publish` that are held back because every neighbour or the disk is behind: in their order, within bounds, and
// each can be given up.

import { copyBytes } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { giveBack, OUTSIDE_BYTES_MIN } from '../memory.ts'
import type { Receipt } from '../types.ts'
import type { Kind } from './publish-options.ts'

/** Beyond, `publish` rejects. */
export const WAITING_CALLS_MAX = 65_536
export const WAITING_BYTES_MAX: number = 16 * 1_048_576

/** One message to be. */
export interface Draft {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly bytes: number
  readonly kind: Kind
}

interface WaitingCall {
  readonly draft: Draft
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
}

export class WaitingCalls {
  readonly #calls: WaitingCall[] = []
  #bytes = 0

  get count(): number {
    return this.#calls.length
  }

  /** Copies the payload before it returns. Throws MeshError `too-large`; rejects with `aborted` or what `refuse` is given. */
  add(draft: Draft, signal: AbortSignal | undefined): Promise<Receipt> {
    const { payload, bytes } = draft
    if (this.#calls.length >= WAITING_CALLS_MAX || this.#bytes + bytes > WAITING_BYTES_MAX) {
      throw new MeshError(
        'too-large',
        'too much is waiting to be published; await each publish before the next, or publish less',
      )
    }
    const kept = typeof payload === 'string' ? payload : copyBytes(payload)
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#calls.indexOf(call)
        if (at === -1) return
        this.#calls.splice(at, 1)
        this.#release(call)
        reject(new MeshError('aborted', 'publish was aborted', { cause: signal!.reason }))
      }
      const call: WaitingCall = { draft: { ...draft, payload: kept }, resolve, reject, signal, onAbort }
      signal?.addEventListener('abort', onAbort)
      this.#calls.push(call)
      this.#bytes += bytes
    })
  }

  /** While `may` says so of the oldest: publishes it, and tells its caller what came of it. */
  letGo(may: (draft: Draft) => boolean, publish: (draft: Draft) => Receipt): void {
    let taken = 0
    for (let call = this.#calls[0]; call !== undefined && may(call.draft); call = this.#calls[taken]) {
      taken++
      this.#release(call)
      try {
        call.resolve(publish(call.draft))
      } catch (error) {
        call.reject(error)
      }
      this.#giveBack(call.draft)
    }
    if (taken > 0) this.#calls.splice(0, taken)
  }

  refuse(error: MeshError): void {
    for (const call of this.#calls.splice(0)) {
      this.#release(call)
      call.reject(error)
    }
  }

  /** The copy was ours, and was copied to its bundle; what is kept as a current value is read again. */
  #giveBack({ payload, bytes, kind }: Draft): void {
    if (typeof payload !== 'string' && bytes >= OUTSIDE_BYTES_MIN && !kind.isKept) giveBack(payload)
  }

  #release({ draft, signal, onAbort }: WaitingCall): void {
    this.#bytes -= draft.bytes
    signal?.removeEventListener('abort', onAbort)
  }
}

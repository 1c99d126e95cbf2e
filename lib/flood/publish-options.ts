// What a program may say of a message that it publishes, checked, and what of it decides about the bundle that it goes into.

import { MeshError } from '../errors.ts'
import { PAYLOAD_BYTES_MAX, TIME_TO_LIVE_S_MAX } from '../limits.ts'
import type { PublishOptions } from '../types.ts'

/** The names of all. */
export const PUBLISH_OPTIONS: readonly (keyof PublishOptions)[] = ['retain', 'timeToLiveS', 'signal']

/** Beside topic and payload, what makes messages fit one bundle or not. */
export interface Kind {
  readonly isRetained: boolean
  /** 0: none. */
  readonly timeToLiveS: number
  /** Whether the program asked for it: then it is kept and published anew. */
  readonly isKept: boolean
}

export const ORDINARY: Kind = { isRetained: false, timeToLiveS: 0, isKept: false }

/** Throws MeshError `bad-argument`. */
export function kindOf({ retain, timeToLiveS }: PublishOptions, isProgram: boolean): Kind {
  if (retain !== undefined && typeof retain !== 'boolean') {
    throw new MeshError('bad-argument', 'retain must be true or false')
  }
  const isGiven = timeToLiveS !== undefined
  if (isGiven && !(Number.isInteger(timeToLiveS) && timeToLiveS >= 1 && timeToLiveS <= TIME_TO_LIVE_S_MAX)) {
    throw new MeshError('bad-argument', `timeToLiveS must be a whole number from 1 to ${TIME_TO_LIVE_S_MAX}`)
  }
  if (retain !== true) return isGiven ? { isRetained: false, timeToLiveS, isKept: false } : ORDINARY
  return { isRetained: true, timeToLiveS: timeToLiveS ?? TIME_TO_LIVE_S_MAX, isKept: isProgram }
}

/** Bytes of a payload, text as UTF-8. Throws MeshError `bad-argument`, `too-large`. */
export function payloadLength(payload: unknown): number {
  let length: number
  if (typeof payload === 'string') {
    length = Buffer.byteLength(payload)
  } else if (payload instanceof Uint8Array) {
    length = payload.length
  } else {
    throw new MeshError(
      'bad-argument',
      'a payload must be text or a Uint8Array; for objects use mesh.topic with a codec',
    )
  }
  if (length > PAYLOAD_BYTES_MAX) {
    throw new MeshError('too-large', `a payload of ${length} bytes; the most is ${PAYLOAD_BYTES_MAX}`)
  }
  return length
}

// Where a subscription begins, as a program writes it: a time back, a message id, `stored` or `retained`. Reads text and
// looks nothing up. docs/guide.md, "History".

import { bytesKey } from '../../bytes.ts'
import { MeshError } from '../../errors.ts'
import { publicKeyOfPeerId } from '../../identity/peer-id.ts'
import { INTEGER_MAX } from '../../limits.ts'

export type Since =
  /** What was born at most so long before the subscription was made. */
  | { readonly kind: 'back'; readonly ms: number }
  /** Behind this message, in the order of arrival. */
  | { readonly kind: 'message'; readonly originKey: string; readonly epoch: number; readonly sequence: number }
  /** All that this node holds. */
  | { readonly kind: 'stored' }
  /** The current retained values, then what is live. */
  | { readonly kind: 'retained' }

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Ten years; nothing is kept for so long. */
const DURATION_MS_MAX = 3_650 * 86_400_000

/** Milliseconds in `90s`, `10m`, `24h` or `7d`: a whole number of at least 1 and one unit, at most ten years; else null. */
export function parseDuration(text: string): number | null {
  const match = /^([1-9][0-9]{0,9})([smhd])$/.exec(text)
  if (match === null) return null
  const ms = Number(match[1]) * UNIT_MS[match[2]!]!
  return ms <= DURATION_MS_MAX ? ms : null
}

/** Throws MeshError `bad-argument` that says what would be right. */
export function parseSince(text: string): Since {
  if (text === 'stored' || text === 'retained') return { kind: text }
  const ms = typeof text === 'string' ? parseDuration(text) : null
  if (ms !== null) return { kind: 'back', ms }
  const message = typeof text === 'string' ? parseMessageId(text) : null
  if (message !== null) return message
  throw new MeshError(
    'bad-argument',
    "since must be a time back such as 90s, 10m, 24h or 7d, a message id, 'stored' or 'retained'",
  )
}

function parseMessageId(text: string): Since | null {
  const [peer, epochText, sequenceText, ...rest] = text.split('/')
  if (peer === undefined || epochText === undefined || sequenceText === undefined || rest.length > 0) return null
  const [epoch, sequence] = [wholeNumber(epochText), wholeNumber(sequenceText)]
  if (epoch === null || sequence === null) return null
  try {
    return { kind: 'message', originKey: bytesKey(publicKeyOfPeerId(peer)), epoch, sequence }
  } catch (error) {
    if (error instanceof MeshError) return null
    throw error
  }
}

function wholeNumber(text: string): number | null {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return null
  const value = Number(text)
  return value <= INTEGER_MAX ? value : null
}

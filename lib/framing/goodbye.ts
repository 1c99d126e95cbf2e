// The goodbye frame's body: why an end closes the connection, as CBOR [code, text]. docs/protocol.md section 7, which also
// says what a dialer does next for each code. Deciding that is not done here.

import { textOf, utf8 } from '../bytes.ts'
import { encodeCbor } from './cbor.ts'
import { CborReader } from './cbor-reader.ts'

/** Why a connection ends. Receivers must expect numbers that are not here: later versions may add some. */
export const GoodbyeCode = {
  shuttingDown: 0,
  /** Another connection between the same two nodes stays. */
  duplicate: 1,
  /** Too many neighbours; a `peers` frame may have come before. */
  tooMany: 2,
  protocolError: 3,
  notAdmitted: 4,
  misbehaviour: 5,
  idle: 6,
  /** The other end is this very node. */
  self: 7,
} as const

export const GOODBYE_TEXT_BYTES_MAX = 200

/**
 * The frame body. `text` is for people; what goes beyond 200 bytes is cut off at the border of a character, because it is
 * often an error's message. MeshError `bad-argument` for a code that is no whole number from 0 to 2^53 - 1.
 */
export function encodeGoodbye(code: number, text: string): Uint8Array {
  return encodeCbor([code, cut(text)])
}

/** Elements past the two are ignored. Throws MeshError `bad-cbor`, also for a text over 200 bytes. */
export function decodeGoodbye(body: Uint8Array): { code: number; text: string } {
  const reader = new CborReader(body)
  const count = reader.array(2)
  const code = reader.uint()
  const text = reader.text(GOODBYE_TEXT_BYTES_MAX)
  for (let i = 2; i < count; i++) reader.skip()
  reader.finish()
  return { code, text }
}

/** Half surrogate pairs become U+FFFD on the way. */
function cut(text: string): string {
  const bytes = utf8(text)
  // A character has at most four bytes: one of these lengths is a border.
  for (let length = Math.min(bytes.length, GOODBYE_TEXT_BYTES_MAX); ; length--) {
    const kept = textOf(bytes.subarray(0, length))
    if (kept !== null) return kept
  }
}

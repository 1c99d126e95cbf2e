// What a failed handler says to the one who asked: bounded, and nothing in it but what can be shown. docs/protocol.md,
// "Contents".

import { textOf, utf8 } from '../bytes.ts'
import { DIRECT_ERROR_TEXT_BYTES_MAX } from '../limits.ts'

/** The first bytes of a text, at most DIRECT_ERROR_TEXT_BYTES_MAX, cut between characters. */
export function failureBytes(text: string): Uint8Array {
  const bytes = utf8(text.slice(0, DIRECT_ERROR_TEXT_BYTES_MAX))
  let end = Math.min(bytes.length, DIRECT_ERROR_TEXT_BYTES_MAX)
  // A byte 10xxxxxx goes on with the character before it.
  while (end < bytes.length && end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** A text of another node: control, format and unassigned characters become U+FFFD, what is no UTF-8 becomes empty. */
export function failureText(bytes: Uint8Array): string {
  if (bytes.length > DIRECT_ERROR_TEXT_BYTES_MAX) return ''
  return (textOf(bytes) ?? '').replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}

// Which of two connections with the same peer stays. A pure function that both ends compute for themselves.
// docs/protocol.md section 5.7.

import { compareBytes } from '../bytes.ts'

/**
 * Both arguments of a direction are as seen here; `own` and `other` are X25519 public keys (32 bytes, never equal: a
 * connection with ourselves is refused before).
 *
 * Different directions: the connection stays that the smaller key dialled. Both ends know both keys, so they choose the
 * same one without a word, in whatever order they come to see the two.
 *
 * Same direction: the newer stays. A dialer goes on to a second connection only when it has no live one of its own to that
 * key, so the older is one that the other end has lost and we have not noticed yet.
 */
export function survivorOf(
  own: Uint8Array,
  other: Uint8Array,
  older: 'in' | 'out',
  newer: 'in' | 'out',
): 'older' | 'newer' {
  if (older === newer) return 'newer'
  const stays = compareBytes(own, other) < 0 ? 'out' : 'in'
  return older === stays ? 'older' : 'newer'
}

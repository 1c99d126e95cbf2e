// What all providers of primitives do to their inputs in the same way: length checks and the nonce's bytes. No cryptography.
// docs/protocol.md sections 2 and 6.

/** Throws a TypeError that names the argument: a wrong length here is a mistake in our own code, never a peer's doing. */
export function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new TypeError(`${what} must be ${length} bytes, not ${bytes.length}`)
}

/**
 * Writes Noise's ChaChaPoly nonce, 4 zero bytes and the counter as 8 little-endian bytes, into `into` (12 bytes whose first
 * four are zero already). Throws RangeError outside 0 to 2^53 - 1: a nonce that wraps around would be used twice.
 */
export function writeNonce(nonce: number, into: Uint8Array): void {
  if (!Number.isSafeInteger(nonce) || nonce < 0) throw new RangeError('nonce must be a whole number from 0 to 2^53 - 1')
  const low = nonce >>> 0
  const high = (nonce - low) / 0x1_0000_0000
  into[4] = low
  into[5] = low >>> 8
  into[6] = low >>> 16
  into[7] = low >>> 24
  into[8] = high
  into[9] = high >>> 8
  into[10] = high >>> 16
  into[11] = high >>> 24
}

/** The nonce 2^64 - 1 that REKEY uses (Noise specification, section 4.2); no message can have it. */
export const REKEY_NONCE: Uint8Array = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255)

export const ZEROS_32: Uint8Array = new Uint8Array(32)
